//! The commands about templates and MIB names, and the operator's own modules.

use serde_json::Value;

use super::{text, write};
use crate::support::server::{Server, hardline};

#[test]
fn the_commands_about_templates_and_names() {
    let server = Server::install();
    let listed = server.command(&["template", "list"]);
    for name in [
        "secure-ietf",
        "hybrid-euro",
        "basic-cablelabs",
        "cable-modem",
        "cable-modem-tiers",
    ] {
        assert!(listed.contains(name), "{listed}");
    }
    let shown = server.command(&["template", "show", "cable-modem"]);
    let folder = server.site().join("own");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("mine.tmpl"), shown).expect("a file");
    let folder_name = folder.to_str().expect("UTF-8");
    let checked = server.json(&["template", "check", folder_name]);
    assert_eq!(
        (&checked["ok"], &checked["static"]),
        (&Value::from(true), &Value::from(2))
    );
    std::fs::write(folder.join("bad.tmpl"), "if true\n").expect("a file");
    let bad = hardline(&["template", "check", folder_name, "--json"]);
    assert_eq!(bad.status.code(), Some(1), "{}", text(&bad.stderr));
    let bad: Value = serde_json::from_slice(&bad.stdout).expect("JSON");
    let error = &bad["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&Value::from(1), &Value::from(1)));
    assert!(
        error["file"].as_str().expect("a text").ends_with("own/bad.tmpl"),
        "{error}"
    );

    let find = server.command(&["mib", "find", "mtadevenabled"]);
    assert_eq!(find.lines().count(), 3, "{find}");
    let found = server.command(&["mib", "find", "1.3.6.1.2.1.69.1.2.1.2", "--json"]);
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["name"], "docsDevNmAccessIp");
    let shown = server.json(&["mib", "show", "pktcEUEDevPCSCFAddr"]);
    assert_eq!(shown["oid"], "1.3.6.1.4.1.4491.2.2.10.3.1.1.4.1.3");
    assert_eq!(shown["address_type"], "CL-PKTC-EUE-DEV-MIB::pktcEUEDevPCSCFAddrType");
    let tree = server.command(&["mib", "tree", "snmpCommunityTable"]);
    assert!(
        tree.contains("    snmpCommunityName(2)  read-create OCTET STRING"),
        "{tree}"
    );
    let several = hardline(&["mib", "show", "pktcMtaDevEnabled"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(
        text(&several.stderr).contains("PKTC-MTA-MIB::pktcMtaDevEnabled"),
        "{}",
        text(&several.stderr)
    );

    // An operator's own module.
    let module = "ACME-MIB DEFINITIONS ::= BEGIN\nIMPORTS OBJECT-TYPE, enterprises, Integer32 FROM SNMPv2-SMI;\n\
                  acme OBJECT IDENTIFIER ::= { enterprises 99999 }\nacmeTone OBJECT-TYPE\n  SYNTAX Integer32 (1..9)\n  \
                  MAX-ACCESS read-write\n  STATUS current\n  DESCRIPTION \"Which tone.\"\n  ::= { acme 1 }\nEND\n";
    let mibs = server.site().join("mibs");
    std::fs::create_dir(&mibs).expect("a folder");
    std::fs::write(mibs.join("ACME-MIB.txt"), module).expect("a file");
    server.edit("hardline.toml", "#= path = []", "path = [\"mibs\"]");
    assert_eq!(server.json(&["mib", "show", "acmeTone"])["syntax"], "Integer32 (1..9)");
    std::fs::write(folder.join("bad.tmpl"), "mib acmeTone.0 = 10\n").expect("a file");
    let bad = server.run(&["template", "check", folder_name]);
    assert!(
        text(&bad.stdout).contains("bad.tmpl:1:18: acmeTone.0: 10 is none of 1 to 9"),
        "{}",
        text(&bad.stdout)
    );
}

#[test]
fn a_folder_of_sloppy_modules_is_read_as_far_as_it_goes() {
    let server = Server::install();
    let mibs = server.site().join("mibs");
    std::fs::create_dir_all(mibs.join("vendor")).expect("a folder");
    let put = |name: &str, text: &str| std::fs::write(mibs.join(name), text).expect("a file");
    // Names with underscores, types without imports, a table whose index nobody defines, a group of what is not there.
    put(
        "vendor/SLOPPY-MIB.my",
        "SLOPPY-MIB\n    DEFINITIONS ::= BEGIN\nIMPORTS enterprises FROM RFC1155-SMI OBJECT-TYPE FROM RFC-1212 noSuch FROM NO-SUCH-MIB;\n\
         sloppy OBJECT IDENTIFIER ::= { enterprises 99998 }\n\
         sloppy_Tone OBJECT-TYPE SYNTAX INTEGER (1..9) ACCESS read-write STATUS mandatory DESCRIPTION \"Which.\" ::= { sloppy 1 }\n\
         sloppyName OBJECT-TYPE SYNTAX DisplayString (SIZE (0..8)) ACCESS read-write STATUS mandatory ::= { sloppy 2 }\n\
         sloppyTable OBJECT-TYPE SYNTAX SEQUENCE OF SloppyEntry ACCESS not-accessible STATUS mandatory DESCRIPTION \"T\" ::= { sloppy 3 }\n\
         sloppyEntry OBJECT-TYPE SYNTAX SloppyEntry ACCESS not-accessible STATUS mandatory DESCRIPTION \"E\" INDEX { nobodyKnows } ::= { sloppyTable 1 }\n\
         SloppyEntry ::= SEQUENCE { sloppyValue INTEGER }\n\
         sloppyValue OBJECT-TYPE SYNTAX INTEGER ACCESS read-write STATUS mandatory DESCRIPTION \"V\" ::= { sloppyEntry 1 }\n\
         lost OBJECT IDENTIFIER ::= { nowhere 7 }\nEND\n",
    );
    put(
        "vendor/CUT-MIB.txt",
        "CUT-MIB DEFINITIONS ::= BEGIN\nIMPORTS enterprises FROM SNMPv2-SMI;\ncut OBJECT IDENTIFIER ::= { enterprises 99997 }\ncutOne OBJECT-TYPE SYNTAX Integer32 (1..",
    );
    put("NOTES.txt", "There are no DEFINITIONS here.\n");
    put(
        "GOOD-MIB.mib",
        "GOOD-MIB DEFINITIONS ::= BEGIN\nIMPORTS OBJECT-TYPE, enterprises, Integer32 FROM SNMPv2-SMI;\n\
         good OBJECT IDENTIFIER ::= { enterprises 99996 }\ngoodOne OBJECT-TYPE SYNTAX Integer32 (1..9) MAX-ACCESS read-write STATUS current\n\
         DESCRIPTION \"One.\" ::= { good 1 }\nEND\n",
    );
    // A module of a built-in one's name that is cut off does not take its names away.
    put(
        "SNMP-TARGET-MIB.mib",
        "SNMP-TARGET-MIB DEFINITIONS ::= BEGIN\nIMPORTS snmpModules FROM SNMPv2-SMI;\nsnmpTargetMIB OBJECT IDENT",
    );
    server.edit("hardline.toml", "#= path = []", "path = [\"mibs\"]");
    let show = |name: &str| {
        let out = server.run(&["mib", "show", name, "--json"]);
        assert!(out.status.success(), "{name}: {}", text(&out.stderr));
        let shown: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        (shown["oid"].as_str().expect("a text").to_owned(), text(&out.stderr))
    };
    assert_eq!(show("goodOne").0, "1.3.6.1.4.1.99996.1");
    assert_eq!(show("sloppyName").0, "1.3.6.1.4.1.99998.2");
    assert_eq!(show("sloppyValue").0, "1.3.6.1.4.1.99998.3.1.1");
    assert_eq!(show("snmpTargetAddrTDomain").0, "1.3.6.1.6.3.12.1.2.1.2");
    let (oid, warnings) = show("sloppy_Tone");
    assert_eq!(oid, "1.3.6.1.4.1.99998.1");
    for module in ["SLOPPY-MIB", "CUT-MIB", "SNMP-TARGET-MIB", "NOTES.txt"] {
        let lines = warnings.lines().filter(|line| line.contains(module)).count();
        assert!((1..=2).contains(&lines), "{module}: {warnings}");
    }
    assert!(!warnings.contains("GOOD-MIB"), "{warnings}");
    // Templates speak its names, and the shipped ones still have theirs.
    write(&server, "tone.tmpl", "mib sloppy_Tone.0 = 9\nmib sloppyName.0 = abc\n");
    let checked = server.run(&["template", "check"]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    write(&server, "tone.tmpl", "mib sloppy_Tone.0 = 10\n");
    let checked = server.run(&["template", "check"]);
    assert!(
        text(&checked.stdout).contains("tone.tmpl:1:21: sloppy_Tone.0: 10 is none of 1 to 9"),
        "{}",
        text(&checked.stdout)
    );
}
