//! What protects a file: message integrity checks, hashes, ciphers.

use std::process::Command;

use serde_json::Value;

use super::{DEVICE, Folder, unhex};

#[test]
fn mics_are_checked_with_every_secret_and_computed_with_the_first() {
    let folder = Folder::new();
    folder.put("new", b"another secret");
    let both = [
        "mic",
        "modem.cm",
        "--secret-file",
        "cmts1=new",
        "--secret-file",
        "cmts1=key",
    ];
    let report = folder.json(&both, 0);
    assert_eq!(report["cm_mic"]["status"], "right");
    assert_eq!(report["cmts_mic"]["status"], "right");
    assert_eq!(report["cmts_mic"]["secret"], "key");
    assert_eq!(report["cmts_mic"]["cmts"], "cmts1");
    folder.ok(&[&both[..], &["--output", "rolled.cm"]].concat());
    assert_eq!(
        folder.json(&["mic", "rolled.cm", "--key-file", "new"], 0)["cmts_mic"]["secret"],
        "new"
    );
    folder.code(&["mic", "rolled.cm", "--key-file", "key"], 1);
    assert_eq!(folder.json(&["mic", "modem.cm"], 0)["cmts_mic"]["status"], "unchecked");
    let explicit = ["--emic", "explicit", "--emic-covers", "3,24,25,43"];
    folder.ok(&[
        &["mic", "modem.cm", "--secret-file", "key", "--output", "emic.cm"],
        &explicit[..],
    ]
    .concat());
    let report = folder.json(&["mic", "emic.cm", "--secret-file", "key"], 0);
    assert_eq!(report["extended_cmts_mic"]["status"], "right");
    let mut changed = folder.get("emic.cm");
    changed[2] = 0;
    folder.put("emic.cm", &changed);
    let report = folder.json(&["mic", "emic.cm", "--secret-file", "key"], 1);
    assert_eq!(report["cm_mic"]["status"], "wrong");
    assert_eq!(report["extended_cmts_mic"]["status"], "wrong");
}

#[test]
fn the_secrets_of_the_settings_make_and_check_files() {
    let folder = Folder::new();
    folder.put("new", b"another secret");
    folder.put("west", b"the west's");
    folder.put(
        "hardline.toml",
        b"realm = 'A.NET'\ndomain = 'a.net'\n[cable_modem]\nsecrets = ['new', 'key']\n\
          [[cable_modem.cmts]]\nname = 'west'\nrelays = ['10.1.0.0/16']\nsecrets = ['west']\nmic_list = 'mulpi'\n",
    );
    // Two secrets while they roll: the old one made this file, and the report says so.
    let report = folder.json(&["mic", "modem.cm"], 0);
    assert_eq!(report["cmts_mic"]["status"], "right");
    assert!(
        report["cmts_mic"]["secret"].as_str().unwrap().ends_with("key"),
        "{report}"
    );
    assert_eq!(report["cmts_mic"]["cmts"], Value::Null);
    let label = |report: &Value| report["cmts_mic"]["secret"].as_str().unwrap_or_default().to_owned();
    folder.ok(&["mic", "modem.cm", "--output", "rolled.cm"]);
    assert!(label(&folder.json(&["mic", "rolled.cm"], 0)).ends_with("new"));
    folder.code(&["mic", "rolled.cm", "--secret-file", "key"], 1);
    // A text is made into a file with the same secrets, without a word about it.
    let text = "Main { NetworkAccess 1; ClassOfService { ClassID 1; } SubMgmtFilters 1,2,3,4; GenericTLV TlvCode 26 TlvLength 2 TlvValue 0x0100; }";
    folder.put("tiers.txt", text.as_bytes());
    let said = folder.code(&["encode", "tiers.txt", "--output", "tiers.cm"], 0);
    assert!(!said.contains("secret"), "{said}");
    let report = folder.json(&["mic", "tiers.cm"], 0);
    assert_eq!(
        (label(&report).ends_with("new"), &report["cmts_mic"]["list"]),
        (true, &Value::from("docsis"))
    );
    // The CMTS that has its own covers what its settings say.
    folder.ok(&["encode", "tiers.txt", "--output", "west.cm", "--cmts", "west"]);
    let report = folder.json(&["mic", "west.cm"], 0);
    assert_eq!(report["cmts_mic"]["cmts"], "west");
    assert_eq!(report["cmts_mic"]["list"], "mulpi");
    folder.code(&["mic", "west.cm", "--cmts", "north"], 2);
    let found = folder.json(&["lint", "west.cm"], 1);
    assert!(!found.to_string().contains("MIC"), "{found}");
    // What has its MICs keeps them unless it is told otherwise.
    folder.ok(&["encode", "west.cm", "--output", "same.cm"]);
    assert_eq!(folder.get("same.cm"), folder.get("west.cm"));
    folder.ok(&["encode", "west.cm", "--output", "other.cm", "--mic-list", "docsis"]);
    let report = folder.json(&["mic", "other.cm"], 0);
    assert_eq!(
        (label(&report).ends_with("new"), &report["cmts_mic"]["list"]),
        (true, &Value::from("docsis"))
    );
    // Without secrets nothing can be computed, and the error says where they belong.
    folder.put("hardline.toml", b"realm = 'A.NET'\ndomain = 'a.net'\n");
    let said = folder.code(&["mic", "west.cm", "--output", "x.cm"], 2);
    assert!(said.contains("[cable_modem]"), "{said}");
}

#[test]
fn hashes_are_shown_checked_and_inserted() {
    let folder = Folder::new();
    let report = folder.json(&["hash", "device.bin"], 0);
    assert_eq!(report["in_file"][0]["mib"], "ietf");
    assert_eq!(report["in_file"][0]["right"], true);
    folder.ok(&["hash", "device.bin", "--remove", "--output", "bare.bin"]);
    assert_eq!(
        folder.get("bare.bin"),
        unhex("fe01010b123010060b2b06010201810c01010600020101fe01ff")
    );
    folder.ok(&["hash", "bare.bin", "--insert", "--output", "hashed.bin"]);
    assert_eq!(folder.get("hashed.bin"), unhex(DEVICE));
    let mut changed = folder.get("device.bin");
    changed[22] = 2;
    folder.put("changed.bin", &changed);
    let report = folder.json(&["hash", "changed.bin"], 1);
    assert_eq!(report["in_file"][0]["right"], false);
}

#[test]
fn what_is_encrypted_is_decrypted_by_openssl_and_by_us() {
    let folder = Folder::new();
    folder.ok(&[
        "encrypt",
        "device.bin",
        "--output",
        "secret",
        "--new-key-file",
        "aes.hex",
    ]);
    let key = String::from_utf8(folder.get("aes.hex")).unwrap();
    let (iv, body) = {
        let all = folder.get("secret");
        let (iv, body) = all.split_at(16);
        (iv.to_vec(), body.to_vec())
    };
    folder.put("body", &body);
    let openssl = Command::new("openssl")
        .args([
            "enc",
            "-d",
            "-aes-128-cbc",
            "-nopad",
            "-K",
            &key,
            "-iv",
            &hardline::value::hex(&iv),
            "-in",
        ])
        .arg(folder.path("body"))
        .output()
        .unwrap();
    assert!(openssl.stdout.starts_with(&unhex(DEVICE)));
    folder.ok(&["decrypt", "secret", "--output", "clear", "--key-file", "aes.hex"]);
    assert_eq!(folder.get("clear"), unhex(DEVICE));
    folder.put("des", b"8 octets");
    let des = [
        "--algorithm",
        "des",
        "--iv",
        "zero",
        "--padding",
        "residual",
        "--key-file",
        "des",
    ];
    folder.ok(&[&["encrypt", "device.bin", "--output", "secret"], &des[..]].concat());
    assert_eq!(folder.get("secret").len(), unhex(DEVICE).len());
    folder.ok(&[&["decrypt", "secret", "--output", "clear"], &des[..]].concat());
    assert_eq!(folder.get("clear"), unhex(DEVICE));
    let refused = folder.code(&["encrypt", "device.bin", "--output", "x", "--key-file", "des"], 2);
    assert!(refused.contains("16 octets"), "{refused}");
}
