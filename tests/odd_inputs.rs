//! `hardline config`, `mib`, `template`, `load` and `lease event` with what is no input of theirs: each says what is wrong with what, and nothing is
//! written.

use std::io::Write;
use std::process::{Command, Stdio};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let put = |name: &str, content: &[u8]| std::fs::write(folder.0.path().join(name), content).unwrap();
        put("empty", b"");
        // A device's file that ends within a TLV, and in no block of a cipher.
        put("noise", b"\xfe\x01\x01\x0b\x80\x30\x01");
        put("words", b"these are words\n");
        put("modem.txt", b"Main {\n    NetworkAccess 1;\n}\n");
        put(
            "device.yaml",
            b"    kind: device\n    tlvs:\n    - {tlv: 254, hex: '01'}\n    - {tlv: 254, hex: ff}\n",
        );
        put("device.bin", &[0xfe, 1, 1, 0xfe, 1, 0xff]);
        put("key", b"00112233445566778899aabbccddeeff");
        std::fs::create_dir(folder.0.path().join("folder")).unwrap();
        folder
    }

    /// The exit code and everything that is said, with `input` on standard input.
    fn run(&self, args: &[&str], input: &[u8]) -> (i32, String) {
        self.run_in(args, &[], input)
    }

    /// The same with more environment variables.
    fn run_in(&self, args: &[&str], variables: &[(&str, &str)], input: &[u8]) -> (i32, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hardline"))
            .args(args)
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read ends before everything is written.
        let _ = child.stdin.take().unwrap().write_all(input);
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.code().unwrap(), said)
    }
}

#[test]
fn what_is_no_file_is_refused_by_name_and_nothing_is_written() {
    let folder = Folder::new();
    let commands: [&[&str]; 9] = [
        &["decode", "FILE"],
        &["encode", "FILE", "--output", "out"],
        &["lint", "FILE"],
        &["diff", "FILE", "device.bin"],
        &["diff", "device.bin", "FILE"],
        &["mic", "FILE", "--output", "out", "--secret-file", "key"],
        &["hash", "FILE", "--insert", "--mib", "ietf", "--output", "out"],
        &["encrypt", "FILE", "--output", "out", "--key-file", "key"],
        &["decrypt", "FILE", "--output", "out", "--key-file", "key"],
    ];
    for command in commands {
        for (file, reason) in [
            ("missing", "No such file"),
            ("folder", "s a directory"),
            ("empty", ""),
            ("noise", ""),
            ("words", ""),
        ] {
            let args: Vec<&str> = command
                .iter()
                .map(|arg| if *arg == "FILE" { file } else { arg })
                .collect();
            let (code, said) = folder.run(&[&["config"], &args[..]].concat(), b"");
            assert_eq!(code, 1, "{args:?}: {said}");
            assert!(said.contains(file) && said.contains(reason), "{args:?}: {said}");
            assert!(!folder.0.path().join("out").exists(), "{args:?}");
        }
    }
}

#[test]
fn a_text_is_no_binary_and_the_remedy_is_said() {
    let folder = Folder::new();
    for args in [
        &["mic", "modem.txt", "--output", "out", "--secret-file", "key"][..],
        &["hash", "modem.txt", "--insert", "--mib", "ietf", "--output", "out"],
        &["encrypt", "device.yaml", "--output", "out", "--key-file", "key"],
    ] {
        let (code, said) = folder.run(&[&["config"], args].concat(), b"");
        assert!(
            code == 1 && said.contains("hardline config encode"),
            "{args:?}: {code} {said}"
        );
    }
    let (code, said) = folder.run(&["config", "encode", "device.yaml", "--output", "folder"], b"");
    assert!(code == 1 && said.contains("folder: it is a folder"), "{said}");
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let folder = Folder::new();
    let (code, octets) = folder.run(&["config", "encode", "device.yaml", "--output", "out"], b"");
    assert_eq!(code, 0, "{octets}");
    assert_eq!(
        std::fs::read(folder.0.path().join("out")).unwrap(),
        [0xfe, 1, 1, 0xfe, 1, 0xff]
    );
    let (code, said) = folder.run(&["config", "decode", "-"], &[0xfe, 1, 1, 0xfe, 1, 0xff]);
    assert!(code == 0 && said.contains("file device"), "{said}");
    let (code, said) = folder.run(&["config", "decode", "-"], b"");
    assert!(code == 1 && said.contains("-: there is nothing in it"), "{said}");
    let (code, said) = folder.run(&["config", "diff", "-", "device.bin"], &[0xfe, 1, 1, 0xfe, 1, 0xff]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn names_that_nobody_has_are_said() {
    let folder = Folder::new();
    for (args, code, words) in [
        (&["mib", "find"][..], 2, "TEXT"),
        (&["mib", "find", "nothingofthekind"], 1, "'nothingofthekind'"),
        (&["mib", "show", "nope"], 1, "'nope'"),
        (
            &["mib", "show", "pktcMtaDevEnabled"],
            1,
            "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled",
        ),
        (&["mib", "show", "1.3.6.1.4.1.99999"], 1, "1.3.6.1.4.1.99999"),
        (&["mib", "tree", "nope"], 1, "'nope'"),
        (&["mib", "find", "x", "--mib-path", "/nonexistent"], 2, "/nonexistent"),
        (&["config", "decode", "device.bin", "--format", "xml"], 2, "xml"),
    ] {
        let (found, said) = folder.run(args, b"");
        assert!(found == code && said.contains(words), "{args:?}: {found} {said}");
    }
}

#[test]
fn what_a_load_would_pass_over_is_refused_and_what_stops_it_is_said() {
    let folder = Folder::new();
    let load = ["load", "tftp", "127.0.0.1:1", "--file", "f"];
    for (more, code, words) in [
        (
            &["--conformance", "--sessions", "2"][..],
            2,
            &["'--conformance'", "'--sessions"][..],
        ),
        (&["--conformance", "--loss", "5"], 2, &["'--conformance'", "'--loss"]),
        (
            &["--conformance", "--block-size", "512"],
            2,
            &["'--conformance'", "'--block-size"],
        ),
        (&["--threads", "2"], 2, &["--source"]),
        (
            &["--threads", "2", "--source", "127.0.0.1"],
            2,
            &["--threads", "give a network"],
        ),
        (
            &["--source", "192.0.2.77"],
            1,
            &["nothing can be sent from 192.0.2.77: ", "(--source)"],
        ),
        (
            &["--server-pid", "4194305"],
            1,
            &["process 4194305: No such file", "(--server-pid)"],
        ),
    ] {
        let (found, said) = folder.run(&[&load[..], more].concat(), b"");
        let all = words.iter().all(|words| said.contains(words));
        assert!(found == code && all, "{more:?}: {found} {said}");
    }
    let (_, help) = folder.run(&["load", "tftp", "--help"], b"");
    assert!(help.contains("In braces, n, mac, mac: and ip stand for"), "{help}");
}

#[test]
fn an_event_that_is_none_is_refused_and_a_server_that_is_not_there_is_said() {
    let folder = Folder::new();
    let event = |hook: &str, variables: &[(&str, &str)], more: &[&str]| {
        folder.run_in(&[&["lease", "event", hook], more].concat(), variables, b"")
    };
    for (hook, variables, words) in [
        (
            "leases4_committed",
            &[("LEASES4_SIZE", "x")][..],
            "LEASES4_SIZE is 'x', expected a number of leases: call this from Kea's hook",
        ),
        (
            "leases6_committed",
            &[("LEASES6_SIZE", "0"), ("DELETED_LEASES6_SIZE", "-1")],
            "DELETED_LEASES6_SIZE is '-1'",
        ),
        (
            "leases4_committed",
            &[],
            "LEASES4_SIZE and DELETED_LEASES4_SIZE are missing",
        ),
    ] {
        let (code, said) = event(hook, variables, &[]);
        assert!(code == 2 && said.contains(words), "{hook} {variables:?}: {code} {said}");
    }
    let (code, said) = event("leases4_committed", &[("LEASES4_SIZE", "0")], &[]);
    assert!(code == 0 && said.contains("0 events"), "{said}");
    let token = folder.0.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (code, said) = event(
        "lease4_release",
        &[("LEASE4_ADDRESS", "192.0.2.7")],
        &["--url", "http://127.0.0.1:1", "--token-file", "token"],
    );
    let words = ["http://127.0.0.1:1: ", "Connection refused", "[admin]", "--url"];
    assert!(
        code == 1 && words.iter().all(|words| said.contains(words)),
        "{code} {said}"
    );
}
