//! The main job, judged from outside: a demo run passes, and tshark finds nothing malformed in any of its datagrams.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A capture of the loopback interface that ends with the test.
struct Capture(Child);

impl Capture {
    fn start(file: &Path) -> Self {
        let mut child = Command::new("tshark")
            .args(["-i", "lo", "-q", "-f", "udp or tcp", "-B", "64", "-w"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("tshark starts: install the package tshark");
        // Only after this line are packets seen.
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let capturing = stderr
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("Capturing on"));
        assert!(
            capturing,
            "tshark captures on lo: this test needs the right to (root, or group wireshark)"
        );
        std::thread::spawn(move || stderr.for_each(drop));
        std::thread::sleep(std::time::Duration::from_millis(500));
        Self(child)
    }

    fn stop(mut self) {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

fn port(listeners: &serde_json::Value, name: &str) -> u16 {
    let address = listeners[name]
        .as_str()
        .unwrap_or_else(|| panic!("demo names its {name} listener: {listeners}"));
    address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("an address ends with its port")
}

/// What tshark says of the packets that `filter` picks, a line each.
fn dissect(file: &Path, decode_as: &[String], filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", filter, "-T", "fields"]);
    for rule in decode_as {
        tshark.args(["-d", rule]);
    }
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark runs");
    assert!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_datagram_of_a_demo_run_dissects_without_a_malformed_mark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("demo.pcapng");
    let capture = Capture::start(&file);
    let demo = Command::new(env!("CARGO_BIN_EXE_hardline"))
        .args(["demo", "--json"])
        .output()
        .expect("demo runs");
    capture.stop();
    let text = String::from_utf8_lossy(&demo.stdout);
    assert!(
        demo.status.success(),
        "demo passes: {text}\n{}",
        String::from_utf8_lossy(&demo.stderr)
    );
    let report: serde_json::Value = serde_json::from_str(&text).expect("demo --json prints one JSON document");

    let devices = report["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 12, "two devices of each flow and family");
    let mut kinds = BTreeMap::new();
    for device in devices {
        assert_eq!(device["result"], "pass", "{device}");
        *kinds
            .entry((device["flow"].to_string(), device["family"].to_string()))
            .or_insert(0) += 1;
    }
    assert!(kinds.len() == 6 && kinds.values().all(|&count| count == 2), "{kinds:?}");

    let listeners = &report["listeners"];
    let rule =
        |protocol: &str, name: &str, dissector: &str| format!("{protocol}.port=={},{dissector}", port(listeners, name));
    let decode_as = [
        rule("udp", "kdc", "kerberos"),
        rule("tcp", "kdc", "kerberos"),
        rule("udp", "keymgmt", "pktc"),
        rule("udp", "fqdn", "pktc.mtafqdn"),
        rule("udp", "snmp", "snmp"),
        rule("udp", "tftp", "tftp"),
        rule("tcp", "http", "http"),
    ];
    let ours = ["kdc", "keymgmt", "fqdn", "snmp", "tftp", "http"]
        .map(|name| format!("udp.port=={0} || tcp.port=={0}", port(listeners, name)))
        .join(" || ");

    let marks = dissect(
        &file,
        &decode_as,
        &format!("({ours} || tftp) && (_ws.malformed || _ws.expert.severity == 0x00800000)"),
        &["frame.number", "_ws.col.Protocol", "_ws.col.Info"],
    );
    assert!(marks.is_empty(), "malformed or in error:\n{}", marks.join("\n"));

    // Each protocol was there, and dissected as what it is.
    for (filter, at_least) in [
        ("kerberos.msg_type == 10", 4),
        ("kerberos.msg_type == 11", 4),
        ("pktc.kmmid == 2", 4),
        ("pktc.kmmid == 3", 4),
        ("pktc.mtafqdn.msgtype", 8),
        ("snmp", 32),
        ("tftp.opcode == 1", 8),
        ("tftp.opcode == 3", 8),
        ("http.request", 1),
    ] {
        let seen = dissect(&file, &decode_as, filter, &["frame.number"]).len();
        assert!(
            seen >= at_least,
            "{filter}: {seen} packets, at least {at_least} expected"
        );
    }
    let stray = dissect(
        &file,
        &decode_as,
        &format!("udp && ({ours}) && data"),
        &["frame.number", "_ws.col.Info"],
    );
    assert!(stray.is_empty(), "undissected:\n{}", stray.join("\n"));
}
