//! `hardline config` from outside: every form of a file there and back, MICs, hashes, ciphers, findings, differences.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// BaseConfig of the fact sheet provisioning §8, secret `DOCSIS`.
const MODEM: &str = "03010118070102000106010719070102000206010706101a3ba2e7666290b9725605718c01f9670710cb5b0055aad7910351\
                     9691cca2cbbe0fff0000";
/// The basic-flow file of §1.4, IETF.
const DEVICE: &str = "fe01010b123010060b2b06010201810c010106000201010b253023060b2b06010201810c01020b000414d62769c17f998300ba6c\
                      25c6114e61652a33e407fe01ff";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("modem.cm", &unhex(MODEM));
        folder.put("device.bin", &unhex(DEVICE));
        folder.put("key", b"DOCSIS\n");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardline"))
            .arg("config")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn code(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        said(&output)
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn unhex(text: &str) -> Vec<u8> {
    hardline::value::unhex(text).unwrap()
}

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
