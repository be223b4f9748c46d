//! The commands on the table of leases.

use serde_json::json;

use super::{address, ago, lease, mac, verified};
use crate::support::{self, server::Server};

#[test]
fn the_table_goes_out_and_back() {
    let server = Server::install();
    lease(
        &server,
        1,
        &[
            "--class",
            "a,b",
            "--lifetime",
            "600",
            "--cm",
            "001122334401",
            "--relay",
            "192.0.2.1",
        ],
    );
    lease(&server, 2, &[]);
    let before = server.command(&["lease", "list", "--json"]);
    assert_eq!(before.lines().count(), 2);
    for name in ["out.csv", "out.jsonl"] {
        let file = server.site().join(name);
        let file = file.to_str().expect("UTF-8");
        server.command(&["lease", "export", file]);
        server.command(&["lease", "remove", &address(1)]);
        server.command(&["lease", "remove", &mac(2)]);
        assert_eq!(server.command(&["lease", "list", "--json"]), "");
        server.command(&["lease", "import", file]);
        assert_eq!(server.command(&["lease", "list", "--json"]), before, "{name}");
    }
    let shown = server.json(&["lease", "show", &address(1)]);
    assert_eq!((&shown["mac"], &shown["class"]), (&json!(mac(1)), &json!("a,b")));
    assert_eq!(server.json(&["lease", "show", &mac(1)])["leases"][0], shown);
    let bad = server.site().join("bad.csv");
    std::fs::write(
        &bad,
        format!("address,mac,obtained\n127.3.0.9,{},{}\nx,y,z\n", mac(9), ago(1)),
    )
    .expect("a file");
    let import = ["lease", "import", bad.to_str().unwrap()];
    let out = server.run(&import);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("bad.csv:3: "), "{out:?}");
    assert_eq!(server.command(&["lease", "list", "--json"]), before);
    assert_eq!(
        server.run(&[&import[..], &["--skip-bad"]].concat()).status.code(),
        Some(0)
    );
    assert_eq!(server.command(&["lease", "list", "--json"]).lines().count(), 3);
    for (args, code) in [
        (&["lease", "show", "127.3.0.77"][..], 1),
        (&["lease", "show", "x"], 2),
        (&["lease", "add", "--address", "x"], 2),
    ] {
        let out = server.run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}");
    }
    assert_eq!(server.json(&["lease", "sources"])["sources"], json!([]));
}

/// `hardline lease name` asks the lease sources of the settings, whatever they are, as the admin API does.
#[test]
fn a_name_is_bound_to_the_lease_that_a_source_knows() {
    let server = verified("");
    let made =
        |last: u8, more: &[&str]| server.json(&[&["lease", "name", &mac(last)], more].concat())["address"].clone();
    lease(&server, 1, &[]);
    assert_eq!(made(1, &[]), json!(address(1)));
    let table = server.site().join("dhcp.db");
    let rows = format!(
        "CREATE TABLE lease (ip TEXT, hw TEXT, since INTEGER);
         INSERT INTO lease VALUES ('{}', '{}', strftime('%s', 'now'))",
        address(2),
        mac(2)
    );
    support::peers::run(std::process::Command::new("sqlite3").arg(&table).arg(rows));
    assert_eq!(made(2, &[]), json!(null), "the table does not know it");
    server.add_settings(&format!(
        "[[lease_source]]\nkind = \"sql\"\nurl = \"sqlite:{}\"\n\
         by_address = \"SELECT hw AS mac, since AS obtained FROM lease WHERE ip = :address\"\n\
         by_mac = \"SELECT ip AS address, hw AS mac, since AS obtained FROM lease WHERE hw = :mac\"\n",
        table.display()
    ));
    assert_eq!(made(2, &[]), json!(address(2)));
    assert_eq!(made(1, &[]), json!(address(1)));
    assert_eq!(made(2, &["--address", "192.0.2.9"]), json!("192.0.2.9"));
    assert_eq!(made(3, &[]), json!(null));
}

/// A lifetime is what DHCP can say, 32 bits of seconds; and what an earlier version stored goes out and comes back.
#[test]
fn lifetimes_have_an_end_that_can_be_written() {
    let server = Server::install();
    let add = |last: u8, more: &[&str]| {
        let (address, mac) = (address(last), mac(last));
        server.run(&[&["lease", "add", "--address", &address, "--mac", &mac, "--json"], more].concat())
    };
    for (more, words) in [
        (
            &["--lifetime", "18446744073709551615"][..],
            "expected 0 to 4294967294 seconds, or 4294967295 for a lease without end",
        ),
        (
            &["--lifetime", "4000000000", "--obtained", "9990-01-01T00:00:00Z"],
            "the lease would end after the year 9999",
        ),
    ] {
        let out = add(1, more);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && said.contains(words), "{more:?}: {said}");
    }
    assert!(add(1, &["--lifetime", "4294967295"]).status.success());
    assert_eq!(server.json(&["lease", "show", &address(1)])["expires"], json!(null));
    assert!(add(2, &["--lifetime", "4294967294"]).status.success());
    assert!(server.json(&["lease", "show", &address(2)])["expires"].is_string());

    let database = server.site().join("hardline.db");
    let outlier = format!(
        "UPDATE leases SET expires = 9223372036854775807 WHERE mac = '{}'",
        mac(2)
    );
    support::peers::run(std::process::Command::new("sqlite3").arg(database).arg(outlier));
    for name in ["out.csv", "out.jsonl"] {
        let file = server.site().join(name);
        let file = file.to_str().expect("UTF-8");
        server.command(&["lease", "export", file]);
        server.command(&["lease", "import", file]);
        let shown = server.json(&["lease", "show", &address(2)]);
        assert_eq!(
            (&shown["mac"], &shown["expires"]),
            (&json!(mac(2)), &json!(null)),
            "{name}"
        );
    }
}

/// Beside the running server its ports are in use: no mistake where that is said, and everything else is checked.
#[test]
fn an_edited_file_is_checked_beside_the_running_server() {
    let mut server = Server::install();
    server.start();
    let alone = server.run(&["check"]);
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(
        alone.status.code() == Some(2) && said.contains("check --running"),
        "{said}"
    );
    assert!(server.command(&["check", "--running"]).contains("ok"));
    assert_eq!(server.json(&["check", "--running"])["ok"], true);
    server.edit("hardline.toml", "#= retries = 5", "retrys = 5");
    let edited = server.run(&["check", "--running"]);
    let said = String::from_utf8_lossy(&edited.stdout);
    assert!(
        edited.status.code() == Some(2) && said.contains("tftp.retrys"),
        "{said}"
    );
    server.edit("hardline.toml", "retrys = 5", "retries = 6");
    assert!(server.command(&["check", "--running"]).contains("ok"));
    assert!(server.hang_up());
}
