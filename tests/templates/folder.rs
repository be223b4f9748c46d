//! The folder of templates while the server runs: what is new is taken, what is wrong is told, in our language and in that of the `docsis` encoder.

use super::{digest, fetch, text, write};
use crate::support::peers::wait_for;
use crate::support::server::Server;

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
