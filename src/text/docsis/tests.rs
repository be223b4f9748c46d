use super::*;
use crate::mib::{MibDialect, Names};
use crate::text::Resolver;
use crate::value::{hex, unhex};
use crate::wire::tlv::tests::{any_file_octets, any_modem_octets};
use crate::wire::tlv::{ConfigFile, FileKind};
use proptest::prelude::*;

fn resolver() -> Resolver<'static> {
    Resolver::new(Names::embedded(), None)
}

fn no_files(_: &str) -> std::io::Result<Vec<u8>> {
    Err(std::io::ErrorKind::NotFound.into())
}

fn encoded(text: &str) -> String {
    let file = read(text, resolver(), &no_files).unwrap_or_else(|error| panic!("{error}"));
    hex(&file.encode().unwrap())
}

fn error(text: &str) -> String {
    read(text, resolver(), &no_files).unwrap_err().to_string()
}

#[test]
fn settings_groups_and_comments() {
    let text = "/* a modem */ Main\n{\n  NetworkAccess 1;\n  UsServiceFlow { UsServiceFlowRef 1; QosParamSetType 7; }\n\
                /* { */ SwUpgradeFilename \"a \\\"b\\\".bin\";\n CpeMacAddress 00:11:22:aa:bb:cc;\n\
                SnmpWriteControl .1.3.6.1 1;\n GenericTLV TlvCode 99 TlvLength 2 TlvValue 0x0102;\n\
                GenericTLV TlvCode 98 TlvString \"ab\"; GenericTLV TlvCode 98 TlvStringZero \"ab\";\n\
                GenericTLV TlvCode 97 TlvType Short TlvValue 258;\n\
                VendorSpecific { VendorIdentifier 0x001095; GenericTLV TlvCode 1 TlvLength 1 TlvValue 0x02; } }";
    assert_eq!(
        encoded(text),
        "030101180701020001060107090961202262222e62696e0e06001122aabbcc0a0606032b06010163020102620261626203616200610201\
         022b080803001095010102"
    );
}

#[test]
fn variable_bindings_of_every_type() {
    let binding = |object: &str, rest: &str| {
        let text = format!("Main {{ SnmpMibObject {object} {rest}; }}");
        let octets = encoded(&text);
        // Without TLV, SEQUENCE and name.
        octets[2 * (4 + 2 + 5)..].to_owned()
    };
    let plain = |rest: &str| binding(".1.3.6.1.4.1", rest);
    assert_eq!(plain("Integer -1"), "0201ff");
    assert_eq!(plain("Gauge 4294967295"), "420500ffffffff");
    assert_eq!(plain("Gauge32 1"), "420101");
    assert_eq!(plain("Unsigned32 1"), "420101");
    assert_eq!(plain("Counter32 1"), "410101");
    assert_eq!(plain("TimeTicks 1"), "430101");
    assert_eq!(plain("IPAddress 10.0.0.1"), "40040a000001");
    assert_eq!(plain("ObjectID .1.3.6.1"), "06032b0601");
    assert_eq!(plain("String \"\""), "0400");
    assert_eq!(plain("HexString 0x00ff"), "040200ff");
}

#[test]
fn a_device_file_is_told_by_its_delimiter_and_has_long_variable_bindings() {
    let text = format!(
        "Main {{ MtaConfigDelimiter 1; SnmpMibObject pktcMtaDevEnabled.0 Integer 1;\n\
         SnmpMibObject pktcEUEDevSipPort.0 Gauge32 5060; SnmpMibObject enterprises.1.0 String \"{}\";\n\
         MtaConfigDelimiter 255; }}",
        "x".repeat(300)
    );
    let file = read(&text, resolver(), &no_files).unwrap();
    assert_eq!(file.kind, FileKind::Device);
    let octets = hex(&file.encode().unwrap());
    // The name that three MIBs have is the IETF's, as the eUE's MIB beside it says.
    assert!(
        octets.starts_with(
            "fe01010b123010060b2b06010201810c0101060002010 1"
                .replace(' ', "")
                .as_str()
        )
    );
    assert!(
        octets.contains("40013d30820139060 72b060104010100 0482012c78".replace(' ', "").as_str()),
        "{octets}"
    );
    assert!(octets.ends_with("fe01ff"));
    let ambiguous = "Main { MtaConfigDelimiter 1; SnmpMibObject pktcMtaDevEnabled.0 Integer 1; }";
    assert!(error(ambiguous).contains("--mib"), "{}", error(ambiguous));
    let euro = Resolver::new(Names::embedded(), Some(MibDialect::Euro));
    assert!(read(ambiguous, euro, &no_files).is_ok());
}

#[test]
fn long_strings_have_lengths_as_the_docsis_encoder_writes_them() {
    let text = |length| {
        format!(
            "Main {{ SnmpMibObject .1.3.6.1.4.1.1 String \"{}\"; }}",
            "x".repeat(length)
        )
    };
    assert!(encoded(&text(111)).starts_with("0b7b307906062b0601040101 046f".replace(' ', "").as_str()));
    assert!(encoded(&text(112)).starts_with("0b7e3082007a06062b0601040101 0470".replace(' ', "").as_str()));
    assert!(encoded(&text(128)).starts_with("0b8f3082008b06062b0601040101 048180".replace(' ', "").as_str()));
}

#[test]
fn certificates_come_from_files_in_pieces() {
    let open = |name: &str| match name {
        "cvc.der" => Ok(vec![7; 300]),
        _ => no_files(name),
    };
    let file = read("Main { ManufacturerCVC \"cvc.der\"; }", resolver(), &open).unwrap();
    assert_eq!(file.joined(32), Some(vec![7; 300]));
    assert_eq!(file.tlvs.len(), 2);
    assert_eq!(
        error("Main { CoSignerCVC \"missing\"; }"),
        "1:20: missing: entity not found"
    );
}

#[test]
fn a_text_that_is_no_utf_8_stands_for_its_octets() {
    let text = b"Main { SwUpgradeFilename \"\xe4\xc0\"; SnmpMibObject .1.3.6.1.4.1 String \"\xff\"; }";
    let file = read_octets(text, resolver(), &no_files).unwrap();
    assert_eq!(hex(&file.encode().unwrap()), "0902e4c00b0c300a06052b060104010401ff");
}

#[test]
fn mistakes_have_a_place() {
    for (text, expected) in [
        ("", "1:1: expected Main, found the end"),
        (
            "Main {\n NetworkAccess 2; }",
            "2:16: NetworkAccess: 2 is not within 0 to 1",
        ),
        (
            "Main {\n Nothing 1; }",
            "2:2: no TLV is called 'Nothing'; a TLV by its number is written as GenericTLV TlvCode …",
        ),
        ("Main { NetworkAccess 1 }", "1:24: expected ;, found }"),
        (
            "Main { SwUpgradeFilename \"a\n\"; }",
            "1:26: the text has no closing quote on this line",
        ),
        ("Main { /* ", "1:8: the comment has no */"),
        (
            "Main { SnmpMibObject noSuchObject.0 Integer 1; }",
            "1:22: no MIB module defines 'noSuchObject'",
        ),
        (
            "Main { SnmpMibObject .1.3.6.1.0 Integer x; }",
            "1:41: 'x' is no number of 32 bits",
        ),
        (
            "Main { GenericTLV TlvCode 1 TlvLength 2 TlvValue 0x01; }",
            "1:50: TlvLength says 2, and TlvValue has 1 octets",
        ),
        (
            "Main { } more",
            "1:10: expected nothing after the } of Main, found 'more'",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn what_is_written_reads_back_as_the_same_octets() {
    for octets in [
        "0301011807010200010601072b0808030010950101026b02abcd",
        "fe01010b123010060b2b06010201810c010106000201012601060 40a000001fe01ff",
        "2b100803ffffff0609010101020100030100",
    ] {
        let octets = octets.replace(' ', "").replace("260106040a000001", "260601040a000001");
        let file = ConfigFile::decode(&unhex(&octets).unwrap()).unwrap();
        let text = write(&file, Names::embedded());
        assert_eq!(encoded(&text), octets, "{text}");
    }
}

/// What the language keeps: all but pads, MICs, the end and what follows it, and how BER spells a length.
fn kept(file: &ConfigFile) -> Vec<String> {
    let mut kept = Vec::new();
    file.walk(&mut |place, tlv| match tlv.as_varbind() {
        Some(varbind) => kept.push(format!("{} {:?}", varbind.name, varbind.value)),
        None if tlv.children().is_empty()
            && place.path.kinds() != [0]
            && !matches!(place.path.kinds(), [6 | 7 | 255]) =>
        {
            kept.push(format!("{} {}", place.path, hex(&tlv.value().unwrap())));
        }
        None => {}
    });
    kept
}

proptest! {
    #[test]
    fn modem_files_keep_their_meaning(octets in any_modem_octets()) {
        let file = ConfigFile::decode_as(FileKind::CableModem, &octets).unwrap();
        let text = write(&file, Names::embedded());
        let again = read(&text, resolver(), &no_files).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if again.kind == FileKind::CableModem {
            prop_assert_eq!(kept(&again), kept(&file), "{}", text);
        }
    }

    #[test]
    fn device_files_keep_their_meaning(octets in any_file_octets()) {
        if FileKind::of(&octets) == FileKind::Device {
            let file = ConfigFile::decode(&octets).unwrap();
            let text = write(&file, Names::embedded());
            let again = read(&text, resolver(), &no_files).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(kept(&again), kept(&file), "{}", text);
        }
    }

    #[test]
    fn hostile_texts_never_panic(text in "(Main|\\{|\\}|;|\"|'|/\\*|\\*/|NetworkAccess|GenericTLV|TlvCode|SnmpMibObject|[ -~]| ){0,30}") {
        let _ = read(&text, resolver(), &no_files);
        let _ = read(&format!("Main {{ {text}"), resolver(), &no_files);
    }
}

#[test]
fn an_error_in_octets_has_the_place_of_its_setting() {
    let text = "Main {\n  NetworkAccess 1;\n  GenericTLV TlvCode 24 TlvLength 1 TlvValue 0x01;\n  MaxCPE 1;\n}";
    assert_eq!(
        error(text),
        "3:3: the octets of this TLV are wrong: offset 3, TLV 24.1: expected a length and as many octets, found the end"
    );
    assert_eq!(
        error("Main {\n MaxCPE {{ cpe }};\n}"),
        "2:9: MaxCPE: '{{ cpe }}' is no number of 8 bits"
    );
}
