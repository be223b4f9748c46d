//! What ends a name for a single download, and a device's attempt: the whole file, and no other answer over HTTP.

use std::process::Command;

use hardline::settings::Service;
use serde_json::{Value, json};

use super::admin::{admin, token};
use super::{address, lease, mac, own, verified};
use crate::support::fetch::http;
use crate::support::peers::wait_for;
use crate::support::server::Server;

/// A shared file, and its size.
const FILE: (&str, usize) = ("f8411", 8_411);

/// The status of a request from the first device's address.
fn status(server: &Server, name: &str, more: &[&str]) -> String {
    let out = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"])
        .args(["--interface", &address(1)])
        .args(more)
        .arg(format!("http://{}/{name}", server.v4(Service::Http)))
        .output()
        .expect("curl");
    String::from_utf8(out.stdout).expect("digits")
}

/// A name for a single download of the shared file.
fn single(server: &Server) -> String {
    let name = server.command(&["lease", "name", &mac(1), "--single", "--file", FILE.0]);
    name.trim().to_owned()
}

/// An installation whose first device has a lease.
fn with_lease() -> Server {
    let mut server = verified("");
    server.share(FILE.0, &[7; FILE.1]);
    lease(&server, 1, &[]);
    server.start();
    server
}

/// Waits for a line of the log with all of `words`.
fn logged(server: &Server, words: &[&str]) {
    wait_for(&format!("a line with {words:?}"), || {
        let log = server.stderr();
        log.lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
}

#[test]
fn a_single_name_ends_with_the_whole_file_and_with_no_other_answer() {
    let mut server = with_lease();
    let name = single(&server);
    for (more, expected, result) in [
        (&["--range", "0-0"][..], "206", "partial"),
        (&["--header", "If-None-Match: *"], "304", "not_modified"),
        (&["--header", "If-Match: \"x\""], "412", "precondition_failed"),
        (&["--range", "99999-"], "416", "out_of_range"),
        (&["--head"], "200", "head"),
    ] {
        assert_eq!(status(&server, &name, more), expected, "{more:?}");
        let result = format!("result=\"{result}\"");
        logged(&server, &["file not delivered", &name, &result]);
    }
    assert_eq!(status(&server, &name, &[]), "200", "nothing used it up");
    logged(&server, &["file delivered", &name, "result=\"complete\"", "bytes=8411"]);
    wait_for("it was used", || status(&server, &name, &[]) == "403");

    // A range that is all of the file is the whole file.
    let name = single(&server);
    assert_eq!(status(&server, &name, &["--range", "0-"]), "206");
    wait_for("it was used as well", || status(&server, &name, &[]) == "403");

    // Each request has a result in the report.
    let report = admin(&server, "GET", "/report", &token(&server), "").1;
    let results = report["present"]["by_class"].as_array().expect("a list");
    for word in [
        "partial",
        "not_modified",
        "precondition_failed",
        "out_of_range",
        "head",
        "complete",
    ] {
        assert!(results.iter().any(|usage| usage["result"] == word), "{word}: {report}");
    }
    server.assert_unhurt();
}

#[test]
fn a_single_name_is_not_used_up_by_a_client_that_leaves() {
    let mut server = with_lease();
    server.share("large", &[7; 3_000_000]);
    let name = server.command(&["lease", "name", &mac(1), "--single", "--file", "large"]);
    let name = name.trim();
    let few = ["--limit-rate", "10k", "--max-time", "1"];
    assert_eq!(status(&server, name, &few), "200", "and not all of it");
    logged(&server, &["file not delivered", name, "result=\"failed\""]);
    assert_eq!(status(&server, name, &[]), "200");
    logged(&server, &["file delivered", name, "bytes=3000000"]);
    wait_for("it was used", || status(&server, name, &[]) == "403");
    server.assert_unhurt();
}

#[test]
fn a_part_of_its_file_does_not_end_a_devices_attempt() {
    let mut server = with_lease();
    let steps = |server: &Server| -> Vec<Value> {
        let shown = server.attempts(mac(1));
        shown["attempts"][0]["steps"].as_array().expect("a ladder").clone()
    };
    let has = |steps: &[Value], step: &str, detail: &str| {
        steps
            .iter()
            .any(|row| row["step"] == step && row["detail"].as_str().is_some_and(|text| text.contains(detail)))
    };
    assert_eq!(status(&server, &own(1), &["--range", "0-0"]), "206");
    wait_for("the answer is noted", || {
        has(&steps(&server), "eUE-22", "a part of the file")
    });
    assert!(!has(&steps(&server), "eUE-23", ""), "{:?}", steps(&server));
    assert!(http(&address(1), server.v4(Service::Http), &own(1)).is_ok());
    wait_for("the delivery is noted", || has(&steps(&server), "eUE-23", "octets in"));
    let report = admin(&server, "GET", "/report", &token(&server), "").1;
    assert_eq!(report["present"]["refused"], json!({}), "{report}");
    server.assert_unhurt();
}
