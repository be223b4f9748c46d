//! What is said of a file, and of two.

use super::{Folder, unhex};

#[test]
fn lint_names_place_and_reason_and_fails_on_errors() {
    let folder = Folder::new();
    let report = folder.json(&["lint", "modem.cm", "--secret-file", "key"], 0);
    assert_eq!(report["findings"], serde_json::json!([]));
    assert_eq!(
        folder.json(&["lint", "device.bin"], 0)["findings"],
        serde_json::json!([])
    );
    let report = folder.json(&["lint", "device.bin", "--flow", "basic", "--mib", "euro"], 1);
    let found = report["findings"].to_string();
    assert!(
        found.contains("the file's hash is the object of the ietf MIB"),
        "{found}"
    );
    let report = folder.json(&["lint", "device.bin", "--flow", "secure"], 1);
    assert!(report["findings"].to_string().contains("realm"), "{report}");
    let mut changed = folder.get("modem.cm");
    changed[2] = 0;
    folder.put("changed.cm", &changed);
    let report = folder.json(&["lint", "changed.cm"], 1);
    assert_eq!(report["findings"][0]["tlv"], "6");
    assert_eq!(report["findings"][0]["offset"], 21);
    // What is wrong with one file keeps nobody from looking at the next; a file that says nothing of its dialect has the
    // findings of any.
    folder.put("empty.bin", &unhex("fe0101fe01ff"));
    let said = folder.code(&["lint", "empty.bin", "modem.cm"], 1);
    assert!(
        said.contains("pktcMtaDevEnabled.0 is missing") && said.contains("modem.cm: nothing"),
        "{said}"
    );
    folder.put("cut.bin", &unhex("fe01010b0530"));
    let said = folder.code(&["encrypt", "cut.bin", "--output", "x", "--new-key-file", "x.key"], 1);
    assert!(
        said.contains("offset 4, TLV 11") && !folder.path("x").exists() && !folder.path("x.key").exists(),
        "{said}"
    );
    folder.put("cut.cm", &folder.get("modem.cm")[..20]);
    let report = folder.code(&["lint", "cut.cm"], 1);
    assert!(
        report.contains("offset 13, TLV 25: expected a length and as many octets, found 7 of 7 octets")
            || report.contains("offset"),
        "{report}"
    );
}

#[test]
fn diff_is_about_meaning() {
    let folder = Folder::new();
    let one = "Main { MaxCPE 1; NetworkAccess 1; SnmpMibObject sysContact.0 String \"a\";\n\
               UsServiceFlow { UsServiceFlowRef 1; MaxRateSustained 1000; } }";
    let two = "Main { NetworkAccess 1; UsServiceFlow { MaxRateSustained 2000; UsServiceFlowRef 1; }\n\
               SnmpMibObject sysContact.0 String \"b\"; MaxCPE 1; }";
    folder.put("one.txt", one.as_bytes());
    folder.put("two.txt", two.as_bytes());
    let report = folder.json(&["diff", "one.txt", "two.txt"], 1);
    assert_eq!(report["same"], false);
    let names: Vec<&str> = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["SNMPv2-MIB::sysContact.0", "UsServiceFlow[1].MaxRateSustained"]);
    assert_eq!(folder.code(&["diff", "one.txt", "two.txt"], 1).lines().count(), 4);
    assert_eq!(folder.json(&["diff", "one.txt", "one.txt"], 0)["same"], true);
    folder.code(&["diff", "one.txt", "missing"], 1);
}
