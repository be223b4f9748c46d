//! TLS itself: paddings, what testssl.sh finds, renegotiation.

use std::io::Write;
use std::process::{Command, Stdio};

use hardline::settings::Service;
use serde_json::Value;

use super::{LEGACY, allow_each_source, installation, serves};
use crate::support::bootstrap::{python, script, text};

#[test]
fn wrong_paddings_are_answered_alike() {
    let (mut server, papers) = installation();
    server.start();
    let out = Command::new(python())
        .arg(script("padding.py"))
        .args(["127.0.0.1", &server.v4(Service::BootstrapLegacy).port().to_string()])
        .args([&papers.chain, &papers.key])
        .arg("4")
        .output()
        .unwrap();
    let said = text(out);
    let found: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    println!("{found:#}");
    let kinds = found.as_object().unwrap();
    assert_eq!(kinds["right"]["answers"], serde_json::json!(["accepted"]), "{found:#}");
    for (kind, seen) in kinds.iter().filter(|(kind, _)| *kind != "right") {
        // bad_record_mac: the server went on with a secret of its own.
        assert_eq!(seen["answers"], serde_json::json!(["alert 20"]), "{kind}: {found:#}");
    }
    server.assert_unhurt();
}

/// What testssl.sh finds, by listener: each line of the lists is a finding and the reason why it is as it should be.
#[test]
fn testssl_finds_what_is_expected() {
    let (mut server, papers) = installation();
    allow_each_source(&server, 0);
    server.start();
    let mut runs = Vec::new();
    for (service, list) in [
        (Service::Bootstrap, "testssl-bootstrap.txt"),
        (Service::BootstrapLegacy, "testssl-legacy.txt"),
    ] {
        let out = server.site().join(list);
        let mut command = Command::new("testssl");
        command.args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "-n",
            "none",
            "--jsonfile",
        ]);
        command
            .arg(&out)
            .args(["-p", "-s", "-BB", "-R", "-C", "-O", "-Z", "-W", "-F", "-4"]);
        command.arg(server.v4(service).to_string()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        runs.push((service, list, out, command.spawn().expect("testssl runs")));
    }
    for (service, list, out, mut child) in runs {
        child.wait().expect("testssl ends");
        let found: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        // What it says of its own OpenSSL is no finding about the server; and whether a client may renegotiate it cannot
        // tell without a client certificate: it says WARN or OK as its time-outs fall. The test below tells it.
        let about_us = |finding: &&Value| {
            let severity = text(finding, "severity");
            let id = text(finding, "id");
            !["engine_problem", "secure_client_renego"].contains(&id.as_str())
                && severity != "INFO"
                && severity != "DEBUG"
        };
        let found = found.as_array().expect("a list").iter().filter(about_us);
        let found: Vec<String> = found
            .map(|finding| format!("{} {}", text(finding, "id"), text(finding, "severity")))
            .collect();
        let expected = std::fs::read_to_string(script(list)).unwrap();
        let lines = expected.lines().filter(|line| !line.starts_with('#'));
        let expected: Vec<&str> = lines
            .map(|line| line.split_once(" | ").expect("a reason on each line").0)
            .collect();
        assert_eq!(found, expected, "{service}");
    }
    serves(&server, &papers);
}

#[test]
fn nobody_renegotiates() {
    let (mut server, papers) = installation();
    server.start();
    for version in ["-tls1", "-tls1_2"] {
        let mut command = Command::new("timeout");
        command.args(["60", "openssl", "s_client", "-connect"]);
        command.arg(server.v4(Service::BootstrapLegacy).to_string());
        command.args(&LEGACY[..2]).arg(version).arg("-cert").arg(&papers.chain);
        command
            .arg("-cert_chain")
            .arg(&papers.chain)
            .arg("-key")
            .arg(&papers.key);
        command.env("OPENSSL_CONF", script("openssl.cnf")).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A line R is s_client's command to renegotiate. Its input stays open: what ends it is the refusal.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"R\n").unwrap();
        let said = text(child.wait_with_output().unwrap());
        let refused = said.contains("RENEGOTIATING") && said.contains("no renegotiation");
        assert!(refused, "{version}: {said}");
        drop(stdin);
    }
    serves(&server, &papers);
}
