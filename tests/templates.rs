//! Templates and MIB names from outside: the folder of a running server, the commands, files fetched by name. Judges:
//! curl, sqlite3, and openssl for the message integrity checks.

mod support;

use std::path::Path;
use std::process::Command;

use hardline::settings::Service;
use serde_json::Value;
use support::fetch::answer;
use support::peers::wait_for;
use support::server::{Server, hardline};

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn write(server: &Server, name: &str, content: &str) {
    let path = server.site().join("templates").join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of templates");
    std::fs::write(path, content).expect("the folder of templates");
}

/// What curl gets: the status and the octets.
fn fetch(server: &Server, name: &str) -> (u16, Vec<u8>) {
    answer(server.v4(Service::Http), name)
}

fn digest(path: &Path, args: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl")
        .arg("dgst")
        .args(args)
        .arg("-binary")
        .arg(path)
        .output()
        .expect("openssl");
    assert!(out.status.success(), "{}", text(&out.stderr));
    out.stdout
}

#[test]
fn a_server_takes_new_templates_and_refuses_wrong_ones_whole() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= poll = \"2s\"", "poll = \"100ms\"");
    std::fs::write(server.site().join("cmts.key"), "DOCSIS\n").expect("a file");
    server.edit("hardline.toml", "#= secrets = []", "secrets = [\"cmts.key\"]");
    server.start();
    let name = "isrrip8bw1.bin";
    assert_eq!(fetch(&server, name).0, 404);

    let template = "file cable-modem\nserve \"isrrip{cpe:integer(1..16)}bw{code:integer}.bin\"\ninclude parts/access\n\
                    tlv MaxCPE {{ cpe }}\n";
    write(&server, "parts/access.tmpl", "tlv NetworkAccess 1\n");
    write(&server, "isrr.tmpl", template);
    wait_for("the template is taken", || fetch(&server, name).0 == 200);
    let (_, file) = fetch(&server, name);
    assert_eq!(file[..6], [3, 1, 1, 18, 1, 8]);
    assert_eq!(fetch(&server, "isrrip9bw22.bin").1[..6], [3, 1, 1, 18, 1, 9]);
    assert_eq!(fetch(&server, "isrrip17bw1.bin").0, 404);
    assert_eq!(fetch(&server, "isrrip8bw1.bin@0a0102030405").1, file);

    // The integrity checks as openssl computes them.
    let settings = server.site().join("settings.bin");
    std::fs::write(&settings, &file[..6]).expect("a file");
    assert_eq!(file[6..8], [6, 16]);
    assert_eq!(file[8..24], digest(&settings, &["-md5"]));
    let covered = [&file[..3], &file[6..24], &file[3..6]].concat();
    std::fs::write(&settings, covered).expect("a file");
    assert_eq!(file[24..26], [7, 16]);
    assert_eq!(file[26..42], digest(&settings, &["-md5", "-hmac", "DOCSIS"]));
    assert_eq!(&file[42..], [0xff, 0]);

    // A wrong one: everything stays as it was, and the log says where the mistake is.
    write(&server, "isrr.tmpl", &template.replace("MaxCPE {{ cpe }}", "MaxCPE 5"));
    write(&server, "wrong.tmpl", "\n  mib pktcNoSuch.0 integer 1\n");
    wait_for("the mistake is logged", || {
        server.stderr().contains("wrong.tmpl:2:7: no MIB module defines")
    });
    assert_eq!(fetch(&server, name).1, file);
    let check = server.run(&["check"]);
    assert_eq!(check.status.code(), Some(2));
    assert!(
        text(&check.stdout).contains("wrong.tmpl:2:7"),
        "{}",
        text(&check.stdout)
    );
    // Nor does a reload of the settings take it.
    server.hang_up();
    wait_for("the reload is over", || server.stderr().contains("reloaded"));
    wait_for("the server answers", || fetch(&server, name).0 == 200);
    assert_eq!(fetch(&server, name).1, file);
    server.assert_unhurt();

    std::fs::remove_file(server.site().join("templates/wrong.tmpl")).expect("it is there");
    wait_for("the correction is taken", || fetch(&server, name).1.get(5) == Some(&5));
    server.assert_unhurt();
}

#[test]
fn files_follow_the_device_the_lookup_and_the_record() {
    let mut server = Server::install();
    let database = server.site().join("crm.db");
    let made = Command::new("sqlite3")
        .arg(&database)
        .arg("CREATE TABLE s (mac TEXT, port INTEGER); INSERT INTO s VALUES ('00:11:22:aa:bb:01', 5070);")
        .status();
    assert!(made.expect("sqlite3").success());
    let table = format!(
        "[lookup.crm]\nsql = \"sqlite:{}\"\nquery = \"SELECT port FROM s WHERE mac = :mac\"\n\n[cable_modem]",
        database.display()
    );
    server.edit("hardline.toml", "[cable_modem]", &table);
    write(
        &server,
        "phone.tmpl",
        "lookup crm\nvar port: integer(1..65535) = crm.port | default(5060)\n\
         mib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 = true\nmib pktcEUEDevSipPort.0 = {{ port }}\n",
    );
    let add = |mac: &str, more: &[&str]| {
        let fqdn = format!("d{}.example.net", &mac[15..]);
        server.add_device(mac, &fqdn, "basic", &[&["--template", "phone"], more].concat());
    };
    add("00:11:22:aa:bb:01", &[]);
    add(
        "00:11:22:aa:bb:02",
        &["--override", "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0=false"],
    );
    add("00:11:22:aa:bb:03", &["--var", "port=70000"]);
    add("00:11:22:aa:bb:05", &["--var", "bootstrap=yes"]);
    let render = |mac: &str| server.command(&["template", "render", "--device", mac]);
    let told = render("00:11:22:aa:bb:05");
    assert!(
        told.contains("pktcEUECBEnable.0 truth true") && told.contains("pktcEUECBData.0 string https://"),
        "{told}"
    );
    assert!(render("00:11:22:aa:bb:01").contains("pktcEUEDevSipPort.0 unsigned 5070"));
    let changed = render("00:11:22:aa:bb:02");
    assert!(changed.contains("pktcEUEDevSipPort.0 unsigned 5060"), "{changed}");
    assert!(changed.contains("pktcMtaDevEnabled.0 truth false"), "{changed}");
    let failed = server.run(&["template", "render", "--device", "00:11:22:aa:bb:03"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        text(&failed.stderr).contains("phone.tmpl:2:1: port: '70000' is no whole number from 1 to 65535"),
        "{}",
        text(&failed.stderr)
    );
    // A device of another flow is shown what its file will have: the realm's row, and where it says that it can
    // bootstrap, the trigger.
    server.add_device("00:11:22:aa:bb:06", "d6.example.net", "secure", &[]);
    let plain = render("00:11:22:aa:bb:06");
    assert!(
        plain.contains("pktcMtaDevRealmOrgName") && !plain.contains("pktcEUECB"),
        "{plain}"
    );
    let says = [
        "--device",
        "00:11:22:aa:bb:06",
        "--type-identifier",
        "pktc2.0:05031a0101",
    ];
    let able = server.command(&[&["template", "render"][..], &says].concat());
    assert!(able.contains("pktcEUECBEnable.0 truth true"), "{able}");
    // Export and import keep the changes.
    let file = server.site().join("devices.csv");
    server.command(&["device", "export", file.to_str().expect("UTF-8")]);
    server.command(&["device", "remove", "00:11:22:aa:bb:02"]);
    server.command(&["device", "import", file.to_str().expect("UTF-8")]);
    assert_eq!(render("00:11:22:aa:bb:02"), changed);
    let refused = server.run(&[
        "device",
        "add",
        "--mac",
        "00:11:22:aa:bb:04",
        "--fqdn",
        "x.example.net",
        "--flow",
        "basic",
        "--override",
        "pktcEUEDevSipPort.0=70000",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("pktcEUEDevSipPort.0"),
        "{}",
        text(&refused.stderr)
    );

    // The server makes what the command shows, and one that fails leaves the others alone.
    server.start();
    for mac in ["00:11:22:aa:bb:01", "00:11:22:aa:bb:02", "00:11:22:aa:bb:05"] {
        let (status, octets) = fetch(&server, &format!("phone@{}", mac.replace(':', "")));
        assert_eq!(status, 200);
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            server
                .command(&["template", "render", "--device", mac, "--format", "hex"])
                .trim(),
            hex
        );
    }
    assert_eq!(fetch(&server, "phone@001122aabb03").0, 503);
    assert_eq!(fetch(&server, "phone@001122aabb01").0, 200);
    server.assert_unhurt();
}

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
fn a_text_of_the_docsis_encoder_is_a_template_like_any_other() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= poll = \"2s\"", "poll = \"100ms\"");
    std::fs::write(server.site().join("cmts.key"), "DOCSIS\n").expect("a file");
    server.edit("hardline.toml", "#= secrets = []", "secrets = [\"cmts.key\"]");
    // The same for every modem, under the name of its file; MICs and the end mark are the engine's.
    let gold = "/* gold */\nMain\n{\n\tNetworkAccess 1;\n\tUsServiceFlow { UsServiceFlowRef 1; QosParamSetType 7; }\n\
                \tManufacturerCVC \"cvc.der\";\n\t/* CmMic 00 */\n\t/* EndOfDataMkr */\n}\n";
    write(&server, "cm/gold.bin.docsis", gold);
    write(&server, "cm/cvc.der", &"c".repeat(300));
    // One with values of the request; what it is served as, a template of our own language says.
    write(
        &server,
        "tier.docsis",
        "Main { NetworkAccess 1; MaxCPE {{ cpe }};\n SnmpMibObject .1.3.6.1.2.1.69.1.6.4.1.2.1 Integer 4;\n\
         SnmpMibObject .1.3.6.1.2.1.69.1.6.4.1.2.1 Integer 4; SnmpMibObject sysContact.0 String \"noc {{ cpe | default('?') }}\"; }",
    );
    write(
        &server,
        "tiers.tmpl",
        "file cable-modem\nserve \"tier{cpe:integer(1..16)}.bin\"\ninclude tier\n",
    );
    // A device's file, in Latin-1, and notes that are no template.
    let phone = b"Main { MtaConfigDelimiter 1; SnmpMibObject pktcEUEDevSipPort.0 Gauge32 5061;\n\
                  SnmpMibObject sysContact.0 String \"\xe4\"; MtaConfigDelimiter 255; }";
    std::fs::write(server.site().join("templates/phone.txt"), phone).expect("a file");
    write(&server, "readme.txt", "Main thing: these are templates\n");
    server.start();

    let (status, file) = fetch(&server, "cm/gold.bin");
    assert_eq!(status, 200);
    assert_eq!(file[..12], [3, 1, 1, 24, 7, 1, 2, 0, 1, 6, 1, 7]);
    let settings = 12 + 2 + 254 + 2 + 46;
    assert_eq!(
        (file[12 + 1], file[12 + 2 + 254 + 1]),
        (254, 46),
        "the certificate in two pieces"
    );
    let part = server.site().join("part.bin");
    std::fs::write(&part, &file[..settings]).expect("a file");
    assert_eq!(file[settings..settings + 2], [6, 16]);
    assert_eq!(file[settings + 2..settings + 18], digest(&part, &["-md5"]));
    let covered = [&file[..3], &file[settings..settings + 18], &file[3..12]].concat();
    std::fs::write(&part, covered).expect("a file");
    assert_eq!(file[settings + 18..settings + 20], [7, 16]);
    assert_eq!(
        file[settings + 20..settings + 36],
        digest(&part, &["-md5", "-hmac", "DOCSIS"])
    );
    assert_eq!(file[settings + 36], 0xff);

    let contact = |octets: &[u8], text: &[u8]| octets.windows(text.len()).any(|found| found == text);
    let (_, tier) = fetch(&server, "tier8.bin");
    assert_eq!(tier[..6], [3, 1, 1, 18, 1, 8]);
    assert!(contact(&tier, b"noc 8"), "{}", tier.escape_ascii());

    server.add_device("00:11:22:aa:bb:01", "d1.example.net", "basic", &["--template", "phone"]);
    let hex = server.command(&["template", "render", "--device", "00:11:22:aa:bb:01", "--format", "hex"]);
    assert!(hex.starts_with("fe01010b") && hex.trim().ends_with("fe01ff"), "{hex}");
    assert!(hex.contains("0401e4"), "{hex}");
    assert_eq!(hex.matches("fe0101").count(), 1, "{hex}");

    let listed = server.command(&["template", "list"]);
    let gold_line = listed
        .lines()
        .find(|line| line.starts_with("cm/gold.bin"))
        .expect("it is listed");
    assert!(
        gold_line.contains("static") && gold_line.contains("gold.bin.docsis"),
        "{gold_line}"
    );

    // A mistake has its place, and the files stay as they were; its correction is taken.
    write(
        &server,
        "cm/gold.bin.docsis",
        &gold.replace("NetworkAccess 1", "NetworkAccess 7"),
    );
    wait_for("the mistake is logged", || {
        server
            .stderr()
            .contains("gold.bin.docsis:4:16: NetworkAccess: 7 is not within 0 to 1")
    });
    let check = server.run(&["template", "check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        text(&check.stdout).contains("gold.bin.docsis:4:16: NetworkAccess"),
        "{}",
        text(&check.stdout)
    );
    assert_eq!(fetch(&server, "cm/gold.bin").1, file);
    write(
        &server,
        "cm/gold.bin.docsis",
        &gold.replace("NetworkAccess 1", "NetworkAccess 0"),
    );
    wait_for("the correction is taken", || {
        fetch(&server, "cm/gold.bin").1.get(2) == Some(&0)
    });
    // So is another certificate.
    write(&server, "cm/cvc.der", "other");
    wait_for("the other certificate is taken", || {
        contact(&fetch(&server, "cm/gold.bin").1, b" \x05other")
    });
    // A value that is wrong for one request fails that one alone.
    write(
        &server,
        "tiers.tmpl",
        "file cable-modem\nserve \"tier{cpe:integer}.bin\"\ninclude tier\n",
    );
    wait_for("the wider pattern is taken", || fetch(&server, "tier300.bin").0 == 503);
    assert_eq!(fetch(&server, "tier8.bin").1, tier);
    wait_for("the failure is logged", || {
        server
            .stderr()
            .contains("tier.docsis:1:25: TLV MaxCPE: '300' is no number of 8 bits")
    });
    // Two files of one name are a mistake.
    write(&server, "tier.tmpl", "file cable-modem\n");
    wait_for("the two are told", || {
        server.stderr().contains("is the template 'tier' too")
    });
    server.assert_unhurt();
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
