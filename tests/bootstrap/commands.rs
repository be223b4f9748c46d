//! Credentials on the command line.

use super::{BARE, ONE, SECRET, STRANGER, TWO, installation};
use crate::support::bootstrap::text;

#[test]
fn credentials_are_entered_shown_and_removed_from_the_command_line() {
    let server = installation();
    let run = |args: &[&str]| server.run(args);
    let file = server.site().join("bad.csv");
    std::fs::write(
        &file,
        format!("mac,table,id,credentials\n{ONE},impi,a@b,s3cret\n{STRANGER},impi,a@b,s3cret\nxx,impi,a@b,s3cret\n"),
    )
    .unwrap();
    let bad = run(&["credentials", "import", file.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1));
    let said = text(bad);
    assert!(
        said.contains("bad.csv:3:1: mac: ")
            && said.contains("bad.csv:4:1: mac: ")
            && said.contains("--skip-bad")
            && !said.contains("s3cret"),
        "{said}"
    );
    let shown = server.json(&["credentials", "show", ONE, "--reveal"]);
    assert_eq!(
        shown["impis"][0]["credentials"], SECRET,
        "nothing of the file was stored"
    );
    let skipped = server.json(&["credentials", "import", file.to_str().unwrap(), "--skip-bad"]);
    assert_eq!(
        (skipped["stored"].as_u64(), skipped["bad"].as_array().map(Vec::len)),
        (Some(1), Some(2))
    );

    let hidden = server.command(&["credentials", "show", ONE]);
    assert!(hidden.contains("a@b") && !hidden.contains("s3cret"), "{hidden}");
    assert!(!server.command(&["credentials", "list"]).contains("a@b"));
    let reads = server.command(&["credentials", "reads", ONE]);
    assert!(
        reads.contains("operator ") && reads.contains("command line of"),
        "{reads}"
    );
    assert_eq!(
        reads.lines().filter(|line| line.contains("impi.credentials")).count(),
        1,
        "{reads}"
    );

    let secret = server.site().join("secret");
    std::fs::write(&secret, "from a file\n").unwrap();
    server.command(&[
        "credentials",
        "set",
        BARE,
        "--impi",
        "bare@ims",
        "--impu",
        "sip:bare@ims",
        "--credentials-file",
        secret.to_str().unwrap(),
    ]);
    let shown = server.json(&["credentials", "show", BARE, "--reveal"]);
    assert_eq!(shown["impis"][0]["credentials"], "from a file");
    assert_eq!(shown["impus"][0]["impi"], 1);
    server.command(&[
        "credentials",
        "generate",
        BARE,
        "--alphabet",
        "readable",
        "--length",
        "40",
    ]);
    let made = server.json(&["credentials", "show", BARE, "--reveal"]);
    let made = made["impis"][0]["credentials"].as_str().unwrap().to_owned();
    assert!(made.len() == 40 && !made.contains(['0', 'O', '1', 'l', 'I']), "{made}");
    let kept = text(run(&["credentials", "remove", BARE, "--impi", "1"]));
    assert!(kept.contains("goes with IMPI 1"), "{kept}");
    server.command(&["credentials", "remove", BARE]);
    assert_eq!(run(&["credentials", "show", BARE]).status.code(), Some(1));
    server.command(&["device", "remove", TWO]);
    assert_eq!(
        run(&["credentials", "show", TWO]).status.code(),
        Some(1),
        "they go with their device"
    );
}
