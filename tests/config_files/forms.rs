//! One file in every form: octets, our text, the language of the `docsis` encoder, what tshark makes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Folder, MODEM, unhex};

#[test]
fn every_form_comes_back_as_the_same_octets() {
    let folder = Folder::new();
    for file in ["modem.cm", "device.bin"] {
        for format in ["json", "yaml", "docsis", "text"] {
            folder.ok(&["decode", "--format", format, file, "--output", "shown"]);
            let mut encode = vec!["encode", "shown", "--output", "again"];
            // Text and the docsis encoder's language leave the MICs to whoever encodes.
            if file == "modem.cm" && matches!(format, "docsis" | "text") {
                encode.extend(["--secret-file", "key"]);
            }
            folder.ok(&encode);
            assert_eq!(
                folder.get("again"),
                folder.get(file),
                "{file} as {format}: {}",
                String::from_utf8_lossy(&folder.get("shown"))
            );
        }
    }
    folder.ok(&["encode", "modem.cm", "--output", "again"]);
    assert_eq!(folder.get("again"), folder.get("modem.cm"));
    // What has no MICs has none after JSON and YAML either.
    folder.put("bare.cm", &unhex("030101120101"));
    for format in ["json", "yaml"] {
        folder.ok(&["decode", "--format", format, "bare.cm", "--output", "shown"]);
        folder.ok(&["encode", "shown", "--output", "again"]);
        assert_eq!(folder.get("again"), folder.get("bare.cm"));
    }
}

#[test]
fn a_modems_file_is_written_in_the_docsis_language() {
    let folder = Folder::new();
    let text = "Main { NetworkAccess 1;\n UsServiceFlow { UsServiceFlowRef 1; QosParamSetType 7; }\n\
                DsServiceFlow { DsServiceFlowRef 2; QosParamSetType 7; } }\n";
    folder.put("base.txt", text.as_bytes());
    folder.ok(&["encode", "base.txt", "--output", "base.cm", "--secret-file", "key"]);
    assert_eq!(folder.get("base.cm"), unhex(MODEM));
    // Without a secret there is the CM MIC alone, and a word about it.
    let said = folder.code(&["encode", "base.txt", "--output", "bare.cm"], 0);
    assert!(said.contains("--secret-file"), "{said}");
    assert_eq!(folder.json(&["mic", "bare.cm"], 1)["cm_mic"]["status"], "right");
    folder.ok(&["encode", "base.txt", "--output", "bare.cm", "--no-mic"]);
    assert_eq!(folder.get("bare.cm"), unhex(&MODEM[..42]));
    folder.put("bad.txt", b"Main {\n  NetworkAccess 7;\n}");
    let refused = folder.code(&["encode", "bad.txt", "--output", "bad.cm"], 1);
    assert!(
        refused.contains("bad.txt:2:17: NetworkAccess: 7 is not within 0 to 1"),
        "{refused}"
    );
    assert!(!folder.path("bad.cm").exists());
}

/// A registration request with the TLVs of a file, as a modem sends it, in a capture of DOCSIS frames.
fn registration(tlvs: &[u8]) -> Vec<u8> {
    let message = [&[0, 0, 3, 1, 6, 0, 0, 1], tlvs].concat();
    let mut management = vec![0; 12];
    management.extend((message.len() as u16).to_be_bytes());
    management.extend(message);
    management.extend([0; 4]);
    let mut frame = vec![0xc2, 0];
    frame.extend((management.len() as u16).to_be_bytes());
    let check = frame.iter().fold(0xffff_u16, |sum, octet| {
        (0..8).fold(sum ^ u16::from(*octet), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0x8408 } else { sum >> 1 }
        })
    });
    frame.extend((!check).to_le_bytes());
    frame.extend(management);
    let mut capture = Vec::new();
    // libpcap's file header with the link type DOCSIS, then one packet.
    for word in [
        0xa1b2_c3d4_u32,
        0x0004_0002,
        0,
        0,
        65535,
        143,
        0,
        0,
        frame.len() as u32,
        frame.len() as u32,
    ] {
        capture.extend(word.to_le_bytes());
    }
    capture.extend(frame);
    capture
}

#[test]
fn tshark_reads_what_we_write() {
    let folder = Folder::new();
    let text = "Main { DownstreamFrequency 555000000; NetworkAccess 1; MaxCPE 7; TftpTimestamp 3900000000; TftpModemAddress 192.0.2.7;\n\
                SwUpgradeFilename \"image.bin\"; SwUpgradeServer 192.0.2.1; SwUpgradeServer6 2001:db8::1; GlobalPrivacyEnable 1;\n\
                MaxClassifiers 20; CpeMacAddress 00:11:22:aa:bb:cc;\n\
                UsPacketClass { ClassifierRef 1; ServiceFlowRef 1; RulePriority 9; IpPacketClassifier { IpProto 17; IpSrcAddr 10.1.2.3; DstPortStart 5060; } }\n\
                UsServiceFlow { UsServiceFlowRef 1; ServiceClassName \"gold\"; QosParamSetType 7; MaxRateSustained 1000000; SchedulingType 2; }\n\
                DsServiceFlow { DsServiceFlowRef 2; QosParamSetType 7; MaxRateSustained 20000000; }\n\
                VendorSpecific { VendorIdentifier 0xffffff; CMLoadBalancingPolicyID 5; } }";
    folder.put("modem.txt", text.as_bytes());
    folder.ok(&["encode", "modem.txt", "--output", "modem.cm", "--secret-file", "key"]);
    let octets = folder.get("modem.cm");
    let end = octets.iter().rposition(|&octet| octet == 0xff).unwrap();
    folder.put("capture", &registration(&octets[..end]));
    let fields = [
        ("docsis_tlv.downfreq", "555000000"),
        ("docsis_tlv.netaccess", "1"),
        ("docsis_tlv.maxcpe", "7"),
        ("docsis_tlv.tftp_time", "3900000000"),
        ("docsis_tlv.tftpmodemaddr", "192.0.2.7"),
        ("docsis_tlv.sw_upg_file", "image.bin"),
        ("docsis_tlv.sw_upg_srvr", "192.0.2.1"),
        ("docsis_tlv.sw_upg_srvr_ipv6", "2001:db8::1"),
        ("docsis_tlv.bpi_en", "1"),
        ("docsis_tlv.maxclass", "20"),
        ("docsis_tlv.cpe_ether", "00:11:22:aa:bb:cc"),
        ("docsis_tlv.clsfr.ref", "1"),
        ("docsis_tlv.clsfr.rulepri", "9"),
        ("docsis_tlv.clsfr.ip.ipproto", "17"),
        ("docsis_tlv.clsfr.ip.src", "10.1.2.3"),
        ("docsis_tlv.clsfr.ip.dportstart", "5060"),
        ("docsis_tlv.sflow.ref", "1,2"),
        ("docsis_tlv.sflow.cname", "gold"),
        ("docsis_tlv.sflow.maxtrafrate", "1000000,20000000"),
        ("docsis_tlv.sflow.schedtype", "0x00000002"),
        ("docsis_tlv.cmmic", &hardline::value::hex(&octets[end - 34..end - 18])),
        ("docsis_tlv.cmtsmic", &hardline::value::hex(&octets[end - 16..end])),
        ("docsis_tlv.unknown", ""),
        ("_ws.malformed", ""),
        ("_ws.expert.message", ""),
    ];
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(folder.path("capture"))
        .args(["-T", "fields", "-E", "separator=|"]);
    for (field, _) in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = line.trim_end_matches('\n').split('|').collect();
    for ((field, expected), found) in fields.iter().zip(&found) {
        let found = match *found {
            "True" => "1",
            found => found,
        };
        assert_eq!(found, *expected, "{field} in {line}");
    }
    assert_eq!(found.len(), fields.len(), "{line}");
}

/// The corpus of the `docsis` encoder, which is not ours to ship: `HARDLINE_DOCSIS_CORPUS` names a folder with its
/// tests, `HARDLINE_DOCSIS_MIBS` one with the MIB modules that they speak of. See docs/configuration-files.md.
#[test]
fn the_corpus_of_the_docsis_encoder() {
    let Some(folder) = std::env::var_os("HARDLINE_DOCSIS_CORPUS").map(PathBuf::from) else {
        eprintln!("HARDLINE_DOCSIS_CORPUS is not set: the corpus is not compared");
        return;
    };
    let mibs: Vec<PathBuf> = std::env::var_os("HARDLINE_DOCSIS_MIBS")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    let (names, warnings) = hardline::service::mib_path::names(&mibs).unwrap();
    eprintln!("{} warnings about the modules", warnings.len());
    let secret = hardline::wire::tlv::SharedSecret::new(b"DOCSIS").unwrap();
    let mut pairs = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let text = entry.unwrap().path();
        let binary = ["cm", "cfg", "bin"]
            .iter()
            .map(|ending| text.with_extension(ending))
            .find(|path| path.exists());
        let Some(binary) = binary.filter(|_| text.extension().is_some_and(|ending| ending == "txt")) else {
            continue;
        };
        pairs += 1;
        if let Err(reason) = compare(&text, &fs::read(&binary).unwrap(), &names, &secret) {
            failures.push(format!("{}: {reason}", text.file_name().unwrap().to_string_lossy()));
        }
    }
    failures.sort();
    eprintln!(
        "{} of {pairs} pairs are the same\n{}",
        pairs - failures.len(),
        failures.join("\n")
    );
    let known = |failure: &&String| !failure.starts_with("StaticMulticastSession.txt");
    assert_eq!(failures.iter().filter(known).count(), 0, "{failures:#?}");
    assert!(pairs > 0);
}

fn compare(
    text: &Path,
    expected: &[u8],
    names: &hardline::mib::Names,
    secret: &hardline::wire::tlv::SharedSecret,
) -> Result<(), String> {
    use hardline::text::{Resolver, diff, docsis};
    use hardline::wire::tlv::{CmtsMicList, ConfigFile, FileKind};
    let content = fs::read_to_string(text).map_err(|error| error.to_string())?;
    let resolver = Resolver::new(names, None);
    let open = |name: &str| fs::read(text.with_file_name(name));
    let encode = |content: &str| {
        let file = docsis::read(content, resolver, &open).map_err(|error| error.to_string())?;
        let octets = match file.kind {
            FileKind::Device => file.encode().map_err(|error| error.to_string())?,
            FileKind::CableModem => file
                .encode_sealed(secret, CmtsMicList::Docsis)
                .map_err(|error| error.to_string())?,
        };
        Ok::<_, String>((file, octets))
    };
    let (_, octets) = encode(&content)?;
    let decoded = ConfigFile::decode(expected).map_err(|error| error.to_string())?;
    if decoded.encode().as_deref() != Ok(expected) {
        return Err("the octets do not come back".to_owned());
    }
    if octets != expected {
        let ours = ConfigFile::decode(&octets).map_err(|error| error.to_string())?;
        return Err(format!("other octets: {:?}", diff(&decoded, &ours, names)));
    }
    // Their octets, shown in their language, mean the same.
    let (again, _) = encode(&docsis::write(&decoded, names))?;
    let mut settings = decoded.clone();
    settings.strip_mics();
    match diff(&settings, &again, names) {
        found if found.is_empty() => Ok(()),
        found => Err(format!("shown and read again it differs: {found:?}")),
    }
}
