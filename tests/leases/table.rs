//! The commands on the table of leases.

use serde_json::json;

use super::{address, ago, lease, mac};
use crate::support::server::Server;

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
