//! The command line from outside: files, permissions, exit codes, JSON. Judges: sqlite3, openssl, klist.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    /// An installation on ports that no other test of this file binds.
    fn new() -> Self {
        // Not the ports of the demo, which another test runs meanwhile.
        Self::at("8000")
    }

    /// The same on ports of its own, for a test that serves.
    fn at(offset: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bed = Self { folder };
        let out = bed.hardline(&["init", "site", "--port-offset", offset]);
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        bed
    }

    fn hardline(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardline"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A command with `--config`.
    fn run(&self, args: &[&str]) -> Output {
        self.hardline(&[args, &["--config", "site/hardline.toml"]].concat())
    }

    /// A command that succeeds, and its standard output.
    fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.path("site/hardline.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        assert!(settings.contains(from));
        std::fs::write(&path, settings.replace(from, to)).unwrap();
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// The standard output of a program that judges; it must succeed.
fn judge(program: &str, args: &[&str], folder: &Path) -> String {
    let out = Command::new(program).args(args).current_dir(folder).output();
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        out.status.success(),
        "{program} {args:?}: {}{}",
        text(&out.stdout),
        text(&out.stderr)
    );
    text(&out.stdout)
}

#[test]
fn init_makes_an_installation_and_never_overwrites_one() {
    let bed = Bed::new();
    for (name, mode) in [
        ("site/master.key", 0o600),
        ("site/hardline.db", 0o600),
        ("site/admin.token", 0o600),
        ("site/pki/mta-root.key.pem", 0o600),
        ("site/pki/kdc.key.pem", 0o600),
    ] {
        assert_eq!(bed.mode(name), mode, "{name}");
    }
    for name in ["mta-root", "mfr-ca", "sp-root", "sp-ca", "kdc", "bootstrap"] {
        assert!(bed.path(&format!("site/pki/{name}.crt.pem")).exists(), "{name}");
    }
    assert!(std::fs::read_dir(bed.path("site/static")).unwrap().next().is_none());
    let before = std::fs::read(bed.path("site/master.key")).unwrap();
    let again = bed.hardline(&["init", "site"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        text(&again.stderr).contains("overwrites nothing"),
        "{}",
        text(&again.stderr)
    );
    assert_eq!(std::fs::read(bed.path("site/master.key")).unwrap(), before);
    let verify = |root: &str, between: &str, leaf: &str| {
        let pki = bed.path("site/pki");
        judge(
            "openssl",
            &[
                "verify",
                "-auth_level",
                "0",
                "-CAfile",
                root,
                "-untrusted",
                between,
                leaf,
            ],
            &pki,
        );
    };
    verify("sp-root.crt.pem", "sp-ca.crt.pem", "kdc.crt.pem");
    verify("sp-root.crt.pem", "sp-ca.crt.pem", "bootstrap.crt.pem");
    verify("mta-root.crt.pem", "mfr-ca.crt.pem", "mfr-ca.crt.pem");
}

#[test]
fn init_says_what_it_made_as_json_and_refuses_arguments_that_contradict() {
    let bed = Bed::new();
    let out = bed.hardline(&[
        "init",
        "other",
        "--json",
        "--realm",
        "other.net",
        "--listen",
        "127.0.0.1",
    ]);
    let made: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(made["realm"], "OTHER.NET");
    assert_eq!(made["made"].as_array().unwrap().len(), 4);
    for args in [
        &["init"][..],
        &["init", "x", "--port-offset", "65000"],
        &["init", "x", "--domain", "-"],
        &["nonsense"],
    ] {
        assert_eq!(bed.hardline(args).status.code(), Some(2), "{args:?}");
    }
    assert!(!bed.path("x").exists());
}

#[test]
fn the_operator_reads_the_database_with_sqlite3() {
    let bed = Bed::new();
    bed.ok(&[
        "device",
        "add",
        "--mac",
        "001122AABBCC",
        "--fqdn",
        "a.example.net",
        "--flow",
        "basic",
        "--var",
        "k=v v",
    ]);
    let query = |sql: &str| judge("sqlite3", &["site/hardline.db", sql], bed.folder.path());
    assert_eq!(
        query("SELECT mac, fqdn, flow, json_extract(record, '$.mib') FROM devices"),
        "00:11:22:aa:bb:cc|a.example.net|basic|ietf\n"
    );
    assert_eq!(query("SELECT count(*) FROM ladder"), "0\n");
    assert_eq!(query("SELECT count(*), max(etype), max(kvno) FROM keys"), "6|18|1\n");
    assert_eq!(query("PRAGMA integrity_check; PRAGMA journal_mode"), "ok\nwal\n");
}

#[test]
fn a_device_is_added_shown_listed_reset_and_removed() {
    let bed = Bed::new();
    let add = [
        "device",
        "add",
        "--mac",
        "00-11-22-AA-BB-CC",
        "--fqdn",
        "A.example.net",
        "--flow",
        "basic",
    ];
    bed.ok(&[&add[..], &["--mib", "euro", "--ip", "::1", "--var", "line=5"]].concat());
    let shown = bed.json(&["device", "show", "001122aabbcc"]);
    assert_eq!(shown["mac"], "00:11:22:aa:bb:cc");
    assert_eq!(shown["fqdn"], "a.example.net");
    assert_eq!(shown["vars"]["line"], "5");
    assert_eq!(shown["config_url"], "tftp://[::1]:8069/basic-euro@001122aabbcc");
    bed.ok(&[&add[..], &["--template", "gold", "--delivery", "http"]].concat());
    let shown = bed.json(&["device", "show", "001122aabbcc"]);
    assert_eq!(shown["config_url"], "http://127.0.0.1:8080/gold@001122aabbcc");
    assert_eq!(shown["mib"], "ietf");
    bed.edit("#= url_host = \"address\"", "url_host = \"files.example.net\"");
    let shown = bed.json(&["device", "show", "001122aabbcc"]);
    assert_eq!(shown["config_url"], "http://files.example.net:8080/gold@001122aabbcc");
    assert!(bed.ok(&["device", "show", "001122aabbcc"]).contains("a.example.net"));
    assert!(bed.ok(&["device", "list"]).contains("00:11:22:aa:bb:cc  basic"));
    assert_eq!(bed.json(&["device", "list"])["flow"], "basic");
    bed.ok(&["device", "reset", "001122aabbcc"]);
    assert_eq!(
        bed.json(&["device", "attempts", "001122aabbcc"])["attempts"],
        serde_json::json!([])
    );
    bed.ok(&["device", "remove", "001122aabbcc"]);
    for command in ["show", "remove", "reset", "attempts"] {
        let out = bed.run(&["device", command, "001122aabbcc"]);
        assert_eq!(out.status.code(), Some(1), "{command}");
        assert!(text(&out.stderr).contains("not a known device"));
    }
    for wrong in [
        &["--mac", "xx"][..],
        &["--flow", "fast"],
        &["--ip", "host"],
        &["--var", "novalue"],
        &["--mib", "x"],
    ] {
        let out = bed.run(&[&["device", "add", "--fqdn", "a.net"], wrong].concat());
        assert_eq!(out.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_bad_row_is_named_by_line_and_nothing_of_its_file_is_stored() {
    let bed = Bed::new();
    let rows =
        "mac,fqdn,flow,var.pin\n001122aabb01,a.net,secure,7\n001122aabb02,b..net,basic,\n001122aabb03,c.net,hybrid,\n";
    std::fs::write(bed.path("devices.csv"), rows).unwrap();
    let out = bed.run(&["device", "import", "devices.csv"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("devices.csv:3: 'b..net' is not a domain name"),
        "{}",
        text(&out.stderr)
    );
    assert_eq!(bed.ok(&["device", "list", "--json"]), "");
    let out = bed.run(&["device", "import", "devices.csv", "--skip-bad", "--json"]);
    assert_eq!(out.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&report["stored"], &report["bad"][0]["line"]), (&2.into(), &3.into()));
    for name in ["out.csv", "out.jsonl"] {
        bed.ok(&["device", "export", name]);
        assert_eq!(bed.mode(name), 0o600, "{name}");
        let before = bed.ok(&["device", "list", "--json"]);
        bed.ok(&["device", "remove", "001122aabb01"]);
        bed.ok(&["device", "remove", "001122aabb03"]);
        bed.ok(&["device", "import", name]);
        assert_eq!(bed.ok(&["device", "list", "--json"]), before, "{name}");
    }
    assert!(bed.ok(&["device", "export", "-"]).starts_with("mac,fqdn,flow,"));
    assert_eq!(bed.run(&["device", "import", "nothing.csv"]).status.code(), Some(1));
}

#[test]
fn check_names_every_problem_with_its_remedy() {
    let bed = Bed::new();
    assert!(bed.ok(&["check"]).contains("ok"));
    assert_eq!(bed.json(&["check"])["ok"], true);
    std::fs::set_permissions(bed.path("site/master.key"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::remove_dir(bed.path("site/static")).unwrap();
    std::fs::remove_file(bed.path("site/pki/sp-ca.crt.pem")).unwrap();
    std::fs::copy(bed.path("site/pki/sp-ca.key.pem"), bed.path("site/pki/kdc.key.pem")).unwrap();
    let held = std::net::UdpSocket::bind("127.0.0.1:8162");
    let out = bed.run(&["check", "--json"]);
    assert_eq!(out.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    let keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem["key"].as_str().unwrap())
        .collect();
    for key in ["master_key", "delivery.static_root", "kdc.chain", "kdc.key"] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert!(held.is_err() || keys.contains(&"snmp.listen"), "{keys:?}");
    assert!(
        problems
            .iter()
            .all(|problem| !problem["remedy"].as_str().unwrap().is_empty())
    );
    bed.edit("\n[kdc]\n", "\n[kdc]\nticket = 5\n");
    let out = bed.run(&["check"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stdout).contains("kdc.ticket: unknown field"),
        "{}",
        text(&out.stdout)
    );
}

/// What `serve` would refuse, `check` refuses too, and both say which key is meant.
#[test]
fn check_and_serve_name_the_transfer_ports_that_cannot_be_had() {
    let bed = Bed::at("8400");
    let transfer_ports = |of: &Output, words: &str| {
        let report: Value = serde_json::from_slice(&of.stdout).unwrap();
        let problems = report["problems"].as_array().unwrap();
        let problem = problems.iter().find(|problem| problem["key"] == "tftp.transfer_ports");
        let problem = problem.unwrap_or_else(|| panic!("{report:#}"));
        assert!(problem["problem"].as_str().unwrap().contains(words), "{report:#}");
        assert_eq!(of.status.code(), Some(2));
    };
    bed.edit("#transfer_ports = \"1758-1767\"", "transfer_ports = \"8460-8470\"");
    transfer_ports(
        &bed.run(&["check", "--json"]),
        "the port that tftp listens on, 127.0.0.1:8469",
    );
    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let held = (held.local_addr().unwrap(), held);
    bed.edit("\"8460-8470\"", &format!("\"{0}-{0}\"", held.0.port()));
    transfer_ports(&bed.run(&["check", "--json"]), &format!("UDP {}", held.0));
    let serve = bed.run(&["serve"]);
    let said = text(&serve.stderr);
    assert_eq!(serve.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&held.0.to_string()) && said.contains("listen of [tftp], its transfer_ports or port_offset"),
        "{said}"
    );
}

#[test]
fn wrong_settings_key_or_database_is_exit_code_2() {
    let bed = Bed::new();
    let list = |expected: &str| {
        let out = bed.run(&["device", "list"]);
        assert_eq!(out.status.code(), Some(2), "{expected}");
        let error = text(&out.stderr);
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    };
    std::fs::set_permissions(bed.path("site/master.key"), PermissionsExt::from_mode(0o640)).unwrap();
    list("chmod 600");
    std::fs::set_permissions(bed.path("site/master.key"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(bed.path("site/master.key"), "00".repeat(32)).unwrap();
    list("master.key that belongs to this database");
    std::fs::write(bed.path("site/hardline.db"), "no database").unwrap();
    list("hardline.db");
    bed.edit("realm =", "realms =");
    list("realms: unknown field");
    std::fs::remove_file(bed.path("site/hardline.toml")).unwrap();
    list("cannot be read");
}

#[test]
fn a_device_certificate_verifies_below_the_device_root() {
    let bed = Bed::new();
    let made = bed.json(&["pki", "device", "--mac", "001122aabbcc", "--out", "dev"]);
    assert_eq!(made["mac"], "00:11:22:aa:bb:cc");
    assert_eq!(bed.mode("dev/device.key.pem"), 0o600);
    let args = [
        "verify",
        "-auth_level",
        "0",
        "-CAfile",
        "site/pki/mta-root.crt.pem",
        "-untrusted",
        "dev/chain.pem",
    ];
    judge(
        "openssl",
        &[&args[..], &["dev/device.crt.pem"]].concat(),
        bed.folder.path(),
    );
    let subject = judge(
        "openssl",
        &["x509", "-in", "dev/device.crt.pem", "-noout", "-subject"],
        bed.folder.path(),
    );
    assert!(
        subject.contains("CN = 00:11:22:AA:BB:CC") || subject.contains("CN=00:11:22:AA:BB:CC"),
        "{subject}"
    );
}

#[test]
fn a_keytab_goes_out_and_back_and_klist_reads_it() {
    let bed = Bed::new();
    let keys = bed.json(&["keytab", "export", "--file", "keys.keytab"]);
    // Each of the three has a key for devices and one for everybody else.
    assert_eq!(keys["keys"].as_array().unwrap().len(), 6);
    assert_eq!(bed.mode("keys.keytab"), 0o600);
    let listed = judge("klist", &["-k", "keys.keytab"], bed.folder.path());
    for principal in [
        "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET",
        "mtafqdnmap/prov.pktc.example.net@PKTC.EXAMPLE.NET",
        "krbtgt/PKTC.EXAMPLE.NET@PKTC.EXAMPLE.NET",
    ] {
        assert!(listed.contains(principal), "{listed}");
    }
    let out = bed.hardline(&["init", "other"]);
    assert!(out.status.success());
    let other = ["--config", "other/hardline.toml", "--file"];
    let import = bed.hardline(&[&["keytab", "import"], &other[..], &["keys.keytab"]].concat());
    assert!(import.status.success(), "{}", text(&import.stderr));
    let export = bed.hardline(&[&["keytab", "export"], &other[..], &["back.keytab"]].concat());
    assert!(export.status.success());
    let read = |name: &str| std::fs::read(bed.path(name)).unwrap();
    assert_eq!(read("keys.keytab"), read("back.keytab"));
    std::fs::write(bed.path("bad.keytab"), b"\x05\x01").unwrap();
    let bad = bed.run(&["keytab", "import", "--file", "bad.keytab"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("bad.keytab"));
}

#[test]
fn every_command_has_help() {
    let bed = Bed {
        folder: tempfile::tempdir().unwrap(),
    };
    for command in [
        &["init"][..],
        &["check"],
        &["device", "add"],
        &["device", "list"],
        &["device", "show"],
        &["device", "remove"],
        &["device", "reset"],
        &["device", "import"],
        &["device", "export"],
        &["device", "attempts"],
        &["pki", "device"],
        &["keytab", "export"],
        &["keytab", "import"],
        &["keytab", "add"],
        &["lease", "add"],
        &["lease", "list"],
        &["lease", "show"],
        &["lease", "remove"],
        &["lease", "import"],
        &["lease", "export"],
        &["lease", "sources"],
        &["lease", "event"],
        &["lease", "name"],
    ] {
        let out = bed.hardline(&[command, &["--help"]].concat());
        assert_eq!(out.status.code(), Some(0), "{command:?}");
        assert!(text(&out.stdout).contains("--json"), "{command:?}");
    }
}
