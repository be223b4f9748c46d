//! Names, variables with types, cable modems' files, changes by device, what is built once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tests::{device, library, site};
use super::*;
use crate::mib::{MibDialect, Names};
use crate::model::{Device, Family, Flow};
use crate::value::{Timestamp, hex};
use crate::wire::tlv::{ConfigFile, DeviceFile, FileKind, SharedSecret, SharedSecrets, mic};

fn inputs(overrides: &[(&str, Option<&str>)]) -> Inputs {
    let changes: BTreeMap<String, Option<String>> = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect();
    Inputs {
        overrides: Arc::new(Overrides::compile(&changes, Names::embedded()).unwrap()),
        shared_secret: Some(SharedSecret::new(b"DOCSIS").unwrap()),
        ..Inputs::default()
    }
}

fn build(text: &str, device: Option<&Device>, inputs: &Inputs) -> Result<Vec<u8>, String> {
    let site = site();
    let context = Context {
        device,
        family: Family::V4,
        site: &site,
        inputs,
    };
    let built = library(text)?.build_octets("t", &context);
    built.map(|octets| octets.to_vec()).map_err(|error| error.to_string())
}

fn hybrid(vars: &[(&str, &str)]) -> Device {
    device(Flow::Hybrid, MibDialect::Ietf, vars)
}

/// The listing of a device file without what the listing itself says.
fn listed(octets: &[u8]) -> String {
    let text = decode_text(&DeviceFile::decode(octets).unwrap(), Names::embedded());
    text.replace("file device\nauto realm off\nauto hash off\n", "")
}

#[test]
fn variables_have_types_ranges_and_defaults() {
    let text = "var lines: integer(1..4) = 2\nvar proxy: address\nvar on: truth = true\n\
                if on\nmib pktcEUEDevSipPort.0 = {{ 5058 + lines }}\nend\n\
                mib pktcEUEDevPCSCFAddr.1.1 = {{ proxy }}\n";
    let build = |vars: &[(&str, &str)]| build(text, Some(&hybrid(vars)), &Inputs::default());
    let shown = listed(&build(&[("proxy", "192.0.2.9")]).unwrap());
    assert!(shown.contains("pktcEUEDevSipPort.0 unsigned 5060"), "{shown}");
    assert!(
        shown.contains("pktcEUEDevPCSCFAddr.1.1 inetaddress 192.0.2.9"),
        "{shown}"
    );
    let shown = listed(&build(&[("proxy", "::1"), ("lines", "4"), ("on", "off")]).unwrap());
    assert!(!shown.contains("SipPort"), "{shown}");
    assert_eq!(
        build(&[("proxy", "::1"), ("lines", "5")]).unwrap_err(),
        "t:1:1: lines: '5' is no whole number from 1 to 4"
    );
    assert_eq!(
        build(&[]).unwrap_err(),
        "t:2:1: proxy: 'proxy' has no value: give it one by hardline device add --var, in the requested name, or by a \
         default"
    );
}

#[test]
fn an_address_has_the_type_that_its_row_states() {
    let wrong = "mib pktcEUEDevPCSCFAddrType.1.1 integer ipv4\nmib pktcEUEDevPCSCFAddr.1.1 inetaddress {{ proxy }}\n";
    let build = |text: &str| build(text, Some(&hybrid(&[("proxy", "2001:db8::1")])), &Inputs::default());
    assert_eq!(
        build(wrong).unwrap_err(),
        "t:2:1: pktcEUEDevPCSCFAddr.1.1: an address of 16 octets is none of type 1, which takes 4 octets"
    );
    assert!(build(&wrong.replace("AddrType.1.1", "AddrType.1.2")).is_ok());
    assert!(build(&wrong.replace("integer ipv4", "integer ipv6")).is_ok());
    // In one run of octets too.
    assert!(build(&wrong.replace("{{ proxy }}", "2001:db8::1")).is_err());
    assert!(build(&wrong.replace("{{ proxy }}", "192.0.2.1")).is_ok());
}

#[test]
fn a_device_changes_any_attribute() {
    let text = "mib pktcEUEDevSipPort.0 unsigned 5060\nmib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 truth true\n\
                tlv 9 hex 00\n";
    let build = |changes: &[(&str, Option<&str>)]| {
        let octets = build(text, Some(&hybrid(&[])), &inputs(changes)).unwrap();
        listed(&octets)
    };
    assert_eq!(
        build(&[
            ("PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0", Some("false")),
            ("pktcEUEDevSipPort.0", None),
            ("tlv 9", Some("u16 258")),
            ("pktcEUEDevOpDomain.1", Some("example.net")),
            ("1.3.6.1.4.1.99999.1.0", Some("integer 7")),
        ]),
        "mib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 truth false\ntlv 9 hex 0102\n\
         mib 1.3.6.1.4.1.99999.1.0 integer 7\nmib CL-PKTC-EUE-DEV-MIB::pktcEUEDevOpDomain.1 string example.net\n"
    );
    let wrong = |name: &str, value: &str| {
        let changes = BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]);
        Overrides::compile(&changes, Names::embedded()).unwrap_err().to_string()
    };
    assert_eq!(
        wrong("pktcMtaDevEnabled.0", "false"),
        "override 'pktcMtaDevEnabled.0': 'pktcMtaDevEnabled' is in several MIB modules; write one of \
         PKTC-EXCENTIS-MTA-MIB::pktcMtaDevEnabled, PKTC-IETF-MTA-MIB::pktcMtaDevEnabled, \
         PKTC-MTA-MIB::pktcMtaDevEnabled"
    );
    assert_eq!(
        wrong("pktcEUEDevSipPort.0", "65536"),
        "override 'pktcEUEDevSipPort.0': 65536 is none of 0 to 65535"
    );
    assert!(wrong("tlv 300", "u8 1").contains("type number"));
    assert!(wrong("1.3.6.1.4.1.99999.1.0", "7").contains("a type before the value"));
}

#[test]
fn a_changed_basic_file_has_the_hash_of_the_change() {
    let device = device(Flow::Basic, MibDialect::Ietf, &[]);
    let octets = build(
        "mib pktcEUEDevSipPort.0 unsigned 5060\n",
        Some(&device),
        &inputs(&[("pktcEUEDevSipPort.0", Some("5070"))]),
    );
    let file = DeviceFile::decode(&octets.unwrap()).unwrap();
    assert_eq!(file.verify_basic_flow_hash(MibDialect::Ietf), Ok(()));
    assert!(decode_text(&file, Names::embedded()).contains("5070"));
}

#[test]
fn the_bootstrapping_is_triggered_unless_a_template_says_otherwise() {
    let inputs = Inputs {
        bootstrap_uri: Some("https://cb.example.net/eue".to_owned()),
        ..Inputs::default()
    };
    let build = |text: &str| listed(&build(text, Some(&hybrid(&[])), &inputs).unwrap());
    assert_eq!(
        build(""),
        "mib CL-PKTC-EUE-DEV-MIB::pktcEUECBData.0 string https://cb.example.net/eue\n\
         mib CL-PKTC-EUE-DEV-MIB::pktcEUECBEnable.0 truth true\n"
    );
    assert_eq!(build("auto bootstrap off"), "");
    assert_eq!(
        build("mib pktcEUECBEnable.0 truth false"),
        "mib CL-PKTC-EUE-DEV-MIB::pktcEUECBEnable.0 truth false\n"
    );
}

#[test]
fn a_cable_modems_file_has_names_groups_and_mics() {
    let text = "file cable-modem\ntlv NetworkAccess 1\ntlv MaxCPE {{ 2 * 2 }}\ngroup UsServiceFlow\n\
                tlv UsServiceFlowRef 1\nif true\ntlv QosParamSetType 7\nend\nend\ngroup 25\ntlv DsServiceFlowRef 2\nend\n";
    let octets = build(text, None, &inputs(&[])).unwrap();
    assert!(hex(&octets).starts_with("030101120104180701020001060107190401020002"));
    let mut secrets = SharedSecrets::default();
    secrets.push("any", "key", SharedSecret::new(b"DOCSIS").unwrap());
    let report = mic::verify(&octets, &secrets).unwrap();
    assert_eq!(report.cm, Some(true));
    assert!(report.cmts.unwrap().is_match());
    assert_eq!(octets.len() % 4, 0);
    // The listing makes the same file again.
    let file = ConfigFile::decode_as(FileKind::CableModem, &octets).unwrap();
    let again = build(&cable_modem_text(&file, Names::embedded()), None, &inputs(&[])).unwrap();
    assert_eq!(hex(&again), hex(&octets));
    // The vector of the fact sheet provisioning §8, by name.
    let base = "file cable-modem\ntlv NetworkAccess 1\ngroup 24\ntlv 1 hex 0001\ntlv 6 hex 07\nend\n\
                group 25\ntlv 1 hex 0002\ntlv 6 hex 07\nend\n";
    assert_eq!(
        hex(&build(base, None, &inputs(&[])).unwrap()),
        "03010118070102000106010719070102000206010706101a3ba2e7666290b9725605718c01f9670710cb5b0055aad79103519691cca2cbbe0fff0000"
    );
}

#[test]
fn what_a_cable_modems_file_is_given_can_be_switched() {
    let mut inputs = inputs(&[("MaxCPE", Some("9"))]);
    let text = "file cable-modem\ntlv MaxCPE 1\n";
    let build = |text: &str, inputs: &Inputs| build(text, None, inputs).map(|octets| hex(&octets));
    assert!(build(text, &inputs).unwrap().starts_with("1201090610"));
    assert_eq!(
        build(&format!("{text}auto cmts-mic off\nauto cm-mic off\n"), &inputs).unwrap(),
        "120109ff"
    );
    let cm_only = build(&format!("{text}auto cmts-mic off\nauto delimiters off\n"), &inputs).unwrap();
    assert!(cm_only.starts_with("1201090610") && cm_only.len() == 2 * (3 + 18));
    let dated = format!("{text}auto timestamp on\nauto modem-address on\nauto cm-mic off\nauto cmts-mic off\n");
    assert!(build(&dated, &inputs).unwrap_err().contains("TLV 19"));
    inputs.now = Some(Timestamp::from_unix(0));
    assert!(build(&dated, &inputs).unwrap_err().contains("TLV 20"));
    inputs.address = Some("192.0.2.1".parse().unwrap());
    assert_eq!(
        build(&dated, &inputs).unwrap(),
        "1201091304 83aa7e80 1404 c0000201 ff".replace(' ', "")
    );
    inputs.shared_secret = None;
    assert!(build(text, &inputs).unwrap_err().contains("[cable_modem]"));
    let long = format!(
        "file cable-modem\nmib docsDevNmAccessCommunity.1 string {}\n",
        "x".repeat(240)
    );
    let error = build(&long, &inputs).unwrap_err();
    assert!(error.contains("its length field counts to 255"), "{error}");
}

#[test]
fn mistakes_in_the_head_and_in_names_are_found_when_a_library_is_loaded() {
    for (text, error) in [
        ("file tape", "t:1:6: expected device or cable-modem"),
        (
            "tlv 1 u8 1\nfile device",
            "t:2:1: expected 'file' once, before everything else",
        ),
        (
            "if true\nserve x\nend",
            "t:2:1: expected this statement outside of every block",
        ),
        ("serve a{b", "t:1:7: expected {name} or {name:type} as a capture"),
        (
            "file cable-modem\ntlv MaxCPU 1",
            "t:2:5: no TLV 'MaxCPU' is known here; write its number and type: tlv 99 hex 00",
        ),
        (
            "file cable-modem\ntlv MaxCPE 0",
            "t:2:5: TLV MaxCPE: 0 is not within 1 to 254",
        ),
        (
            "file cable-modem\ntlv UsServiceFlow 0",
            "t:2:5: expected 'group' for a TLV that holds TLVs",
        ),
        ("group 24\nend\nend", "t:3:4: this 'end' belongs to no block"),
        ("group 24", "t:1:1: this 'group' has no 'end'"),
        ("var x: number", "t:1:5: expected a type: text, integer,"),
        ("var x", "t:1:5: expected NAME: TYPE, or NAME: TYPE = EXPRESSION"),
        ("receiver\naddress x\nend", "t:2:1: receiver: 'x' is no address"),
    ] {
        let found = library(text).unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
    let sources = [("cm", "file cable-modem"), ("mta", "file device\ninclude cm")];
    let error = TemplateLibrary::load(sources, Names::embedded()).unwrap_err();
    assert_eq!(error.to_string(), "mta:2:1: template 'cm' makes another kind of file");
    let sources = [("a", "serve x.bin"), ("b", "\nserve x.bin")];
    let error = TemplateLibrary::load(sources, Names::embedded()).unwrap_err();
    assert_eq!(error.to_string(), "b:2:7: 'x.bin' is the name of template 'a' too");
    let library = library("lookup crm").unwrap();
    assert!(library.check_lookups(|_| false).is_err() && library.check_lookups(|name| name == "crm").is_ok());
}

#[test]
fn every_mistake_of_a_library_is_named() {
    let source = |name, text| Source::new(name, name, text);
    let sources = [source("a", "mip"), source("b", ""), source("c", "\n  end")];
    let errors = TemplateLibrary::compile(&sources, Names::embedded()).unwrap_err();
    let places: Vec<String> = errors.iter().map(|error| error.place.to_string()).collect();
    assert_eq!(places, ["a:1:1", "c:2:6"]);
}

#[test]
fn names_stand_for_templates() {
    let sources = [
        (
            "gold",
            "serve \"isrrip{cpe:integer(1..16)}bw{code:integer}.bin\"\nserve gold.cm",
        ),
        ("other", "serve isrr{rest}.bin"),
    ];
    let library = TemplateLibrary::load(sources, Names::embedded()).unwrap();
    let resolve = |name: &str| {
        let found = library.resolve(name)?;
        let captures: Vec<String> = found
            .captures
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        Some((
            found.template.to_string(),
            captures.join(" "),
            found.device.map(|mac| mac.bare()),
        ))
    };
    let plain = |name: &str| Some((name.to_owned(), String::new(), None));
    for _ in 0..2 {
        assert_eq!(resolve("gold"), plain("gold"));
        assert_eq!(resolve("/gold.cm"), plain("gold"));
        assert_eq!(
            resolve("isrrip8bw1.bin"),
            Some(("gold".to_owned(), "code=Int(1) cpe=Int(8)".to_owned(), None))
        );
        // More text says more; what does not fit it falls to the other.
        assert_eq!(
            resolve("isrrip17bw1.bin"),
            Some(("other".to_owned(), "rest=Text(\"ip17bw1\")".to_owned(), None))
        );
        assert_eq!(
            resolve("isrrip8bw1.bin@0a0102030405"),
            Some((
                "gold".to_owned(),
                "code=Int(1) cpe=Int(8)".to_owned(),
                Some("0a0102030405".to_owned())
            ))
        );
        assert_eq!(resolve("gold@0A0102030405"), None);
        assert_eq!(resolve("nothing"), None);
    }
}

#[test]
fn a_static_template_is_built_once() {
    let library = TemplateLibrary::shipped(Names::embedded()).unwrap();
    let infos = library.infos();
    let statics: Vec<&str> = infos
        .iter()
        .filter(|info| info.is_static)
        .map(|info| info.name.as_str())
        .collect();
    assert_eq!(statics, ["cable-modem"]);
    let (site, inputs) = (site(), inputs(&[]));
    let context = Context {
        device: None,
        family: Family::V4,
        site: &site,
        inputs: &inputs,
    };
    let first = library.build_octets("cable-modem", &context).unwrap();
    let second = library.build_octets("cable-modem", &context).unwrap();
    assert_eq!(first.as_ptr(), second.as_ptr());
    // Another secret is another file.
    let inputs = Inputs {
        shared_secret: Some(SharedSecret::new(b"other").unwrap()),
        ..Inputs::default()
    };
    let other = library
        .build_octets(
            "cable-modem",
            &Context {
                inputs: &inputs,
                ..context
            },
        )
        .unwrap();
    assert_ne!(first, other);
}

#[test]
fn the_tiers_of_the_shipped_cable_modem_follow_its_name() {
    let library = TemplateLibrary::shipped(Names::embedded()).unwrap();
    let site = site();
    let build = |name: &str| {
        let found = library.resolve(name).unwrap();
        let inputs = Inputs {
            captures: BTreeMap::clone(&found.captures),
            ..inputs(&[])
        };
        let context = Context {
            device: None,
            family: Family::V4,
            site: &site,
            inputs: &inputs,
        };
        let octets = library.build_octets(&found.template, &context).unwrap();
        let file = ConfigFile::decode_as(FileKind::CableModem, &octets).unwrap();
        cable_modem_text(&file, Names::embedded())
    };
    let gold = build("cm-gold-8.bin");
    assert!(
        gold.contains("tlv MaxCPE 8\n") && gold.contains("tlv MaxRateSustained 250000000\n"),
        "{gold}"
    );
    let silver = build("cm-silver-1.bin");
    assert!(
        silver.contains("tlv MaxCPE 1\n") && silver.contains("tlv MaxRateSustained 100000000\n"),
        "{silver}"
    );
    assert!(library.resolve("cm-gold-17.bin").is_none() && library.resolve("cm-lead-1.bin").is_none());
}

#[test]
fn lookups_and_leases_have_fields() {
    let mut fields = Fields::default();
    fields.set("port", Scalar::Int(5070));
    let mut lease = Fields::default();
    lease.set_text("class", Some("gold"));
    let inputs = Inputs {
        lookups: [("crm".to_owned(), fields)].into(),
        lease: Some(lease),
        ..Inputs::default()
    };
    let text = "lookup crm\nmib pktcEUEDevSipPort.0 = {{ crm.port }}\n\
                if lease.class == \"gold\" and crm.nothing is not defined\nmib pktcEUEDevOpDomain.1 = \
                {{ lease.class ~ crm.nothing | default('.net') }}\nend\n";
    assert_eq!(
        listed(&build(text, Some(&hybrid(&[])), &inputs).unwrap()),
        "mib CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort.0 unsigned 5070\n\
         mib CL-PKTC-EUE-DEV-MIB::pktcEUEDevOpDomain.1 string gold.net\n"
    );
    assert!(build(text, Some(&hybrid(&[])), &Inputs::default()).is_err());
}
