//! The language, the shipped templates and the listing, from text to octets and back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::mib::{MibDialect, Names};
use crate::model::{Device, Family, Flow};
use crate::value::{Timestamp, hex};
use crate::wire::tlv::{DeviceFile, Element, Requirements, check_device_file};

pub(super) fn device(flow: Flow, mib: MibDialect, vars: &[(&str, &str)]) -> Device {
    let vars = vars
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Device {
        mac: "00:11:22:aa:bb:cc".parse().unwrap(),
        fqdn: "mta1.pktc.example.net".parse().unwrap(),
        flow,
        mib,
        addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        template: None,
        vars: vars.collect(),
        overrides: Default::default(),
        delivery: Default::default(),
        public_key_sha1: None,
        created: Timestamp::default(),
    }
}

pub(super) fn site() -> Site {
    Site {
        realm: "PKTC.EXAMPLE.NET".parse().unwrap(),
        organisation: "Example Operator".to_owned(),
        prov_fqdn: "prov.pktc.example.net".parse().unwrap(),
        ipv4: Some([192, 0, 2, 1].into()),
        ipv6: Some("2001:db8::1".parse().unwrap()),
        notification_port: 162,
        vars: BTreeMap::new(),
    }
}

pub(super) fn library(text: &str) -> Result<TemplateLibrary, String> {
    TemplateLibrary::load([("t", text)], Names::embedded()).map_err(|error| error.to_string())
}

/// Builds `text` for a hybrid device of the IETF MIB, to whose file the engine adds the delimiters alone.
fn build(text: &str, vars: &[(&str, &str)]) -> Result<DeviceFile, String> {
    let device = device(Flow::Hybrid, MibDialect::Ietf, vars);
    let site = site();
    let context = Context::new(&device, Family::V4, &site);
    library(text)?.build("t", &context).map_err(|error| error.to_string())
}

fn shown(text: &str, vars: &[(&str, &str)]) -> String {
    decode_text(&build(text, vars).unwrap(), Names::embedded())
        .replace("file device\nauto realm off\nauto hash off\n", "")
}

#[test]
fn names_instances_and_types() {
    let text = r#"
        # comment
        mib pktcEUEDevSipPort.0 unsigned 5060
        mib 1.3.6.1.2.1.140.1.1.6.0 truth true
        mib PKTC-MTA-MIB::pktcMtaDevRealmOrgName."{{ realm }}" string "{{ organisation }} \"x\""
        mib PKTC-MTA-MIB::pktcMtaDevRealmOrgName."AB.C" string Fixed
        mib pktcEUEDevPCSCFAddr.1.{{ 1 + 1 }} inetaddress {{ server }}
        mib pktcMtaDevProvConfigEncryptAlg.0 integer aes128CbcMode
    "#;
    let realm: String = "PKTC.EXAMPLE.NET".bytes().map(|octet| format!(".{octet}")).collect();
    assert_eq!(
        shown(text, &[]),
        format!(
            "mib CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort.0 unsigned 5060\n\
             mib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 truth true\n\
             mib PKTC-MTA-MIB::pktcMtaDevRealmOrgName{realm} string \"Example Operator \\\"x\\\"\"\n\
             mib PKTC-MTA-MIB::pktcMtaDevRealmOrgName.65.66.46.67 string Fixed\n\
             mib CL-PKTC-EUE-DEV-MIB::pktcEUEDevPCSCFAddr.1.2 inetaddress 192.0.2.1\n\
             mib PKTC-IETF-MTA-MIB::pktcMtaDevProvConfigEncryptAlg.0 integer aes128CbcMode\n"
        )
    );
}

#[test]
fn conditions_loops_and_variables() {
    let text = "
        default lines = 1
        set base = 10
        for line in range(0, lines | int)
          if line == 0
            mib IF-MIB::ifAdminStatus.{{ base }} integer up
          elif line == 1
            mib IF-MIB::ifAdminStatus.{{ base + line }} integer down
          else
            mib IF-MIB::ifAdminStatus.{{ base + line }} integer testing
          end
        end
        if line is defined
          mib pktcEUEDevSipPort.0 unsigned 1
        end";
    assert_eq!(shown(text, &[]), "mib IF-MIB::ifAdminStatus.10 integer up\n");
    assert_eq!(
        shown(text, &[("lines", "3")]),
        "mib IF-MIB::ifAdminStatus.10 integer up\n\
         mib IF-MIB::ifAdminStatus.11 integer down\n\
         mib IF-MIB::ifAdminStatus.12 integer testing\n"
    );
}

#[test]
fn receivers_vendors_and_bare_tlvs() {
    let text = "
        receiver
          address {{ server_ipv6 }}
          kind v3-inform
          filter 1.3.6.1
          security-name {{ mac }}
        end
        vendor 00:10:95
          1 u16 258
          2 string {{ hostname }}
        end
        tlv 200 ipv4 192.0.2.1";
    let file = build(text, &[]).unwrap();
    assert_eq!(
        hex(&file.encode().unwrap()),
        "fe0101\
         2630 0810 20010db8000000000000000000000001 03020005 060506032b0601 0711 30303a31313a32323a61613a62623a6363\
         2b0f 0803001095 01020102 02046d746131\
         c804 c0000201\
         fe01ff"
            .replace(' ', "")
    );
}

#[test]
fn long_texts_stand_between_lines_of_quotes() {
    let text = "mib pktcEUERSTDMValue.1 string \"\"\"\nMAPS\n  Dial = \"{{ hostname }}\"\n\n(x{7})\n\"\"\"\n";
    let file = build(text, &[]).unwrap();
    let value = &file.varbinds().next().unwrap().value;
    assert_eq!(value.as_octets().unwrap(), b"MAPS\n  Dial = \"mta1\"\n\n(x{7})");
}

#[test]
fn mistakes_are_found_when_a_library_is_loaded() {
    for (text, error) in [
        (
            "\nmip x.0 integer 1",
            "t:2:1: 'mip' is no statement; expected one of file, serve, lookup, include, var, default, set, auto, if, for, mib, receiver, vendor, tlv, group",
        ),
        (
            "mib pktcNoSuch.0 integer 1",
            "t:1:5: no MIB module defines 'pktcNoSuch'",
        ),
        (
            "mib pktcEUEDevSipPort unsigned 1",
            "t:1:5: expected an instance after the object's name, .0 for a scalar",
        ),
        (
            "mib pktcEUEDevSipPort.1 unsigned 1",
            "t:1:5: CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort is a scalar: its instance is .0",
        ),
        (
            "mib pktcEUEDevSipPort.0 integer 1",
            "t:1:25: CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort takes Unsigned32, not integer",
        ),
        (
            "mib pktcEUEDevSipPort.0 number 1",
            "t:1:25: expected a type: integer, unsigned, counter32, counter64, timeticks, string, hex, ipaddress, inetaddress, inetaddresstype, oid, date, bits, truth, rowstatus, credentials",
        ),
        (
            "mib pktcEUEDevSipPort.0 unsigned 65536",
            "t:1:34: pktcEUEDevSipPort.0: 65536 is none of 0 to 65535",
        ),
        (
            "mib pktcEUEDevSipPort.0 unsigned x",
            "t:1:34: pktcEUEDevSipPort.0: 'x' is no number from 0 to 4294967295",
        ),
        (
            "  mib pktcEUEDevOpDomain.1 string \"x",
            "t:1:35: expected a closing quote at the end of the line",
        ),
        ("mib pktcEUEDevOpDomain.1 string {{ x", "t:1:33: expected }} after {{"),
        (
            "if 1 +\nend",
            "t:1:4: the expression '1 +' is wrong: unexpected end of input, expected expression",
        ),
        ("if true\nfor x in y\nend", "t:1:1: this 'if' has no 'end'"),
        ("end", "t:1:4: this 'end' belongs to no block"),
        ("if true\nelse\nelse\nend", "t:3:5: this 'else' belongs to no block"),
        ("include nowhere", "t:1:1: the library has no template 'nowhere'"),
        ("include t", "t:1:1: templates include each other: t → t"),
        ("auto hash maybe", "t:1:11: expected on or off"),
        (
            "receiver\n  colour red\nend",
            "t:2:3: 'colour' is no statement; expected one of address, port, kind, timeout, retries, filter, security-name, end",
        ),
        ("default true = 1", "t:1:9: expected the name of a variable"),
        ("tlv 256 hex 00", "t:1:5: expected a type number from 0 to 255"),
    ] {
        assert_eq!(library(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn templates_that_include_each_other_are_refused() {
    let sources = [
        ("a", "include b"),
        ("b", "if true\ninclude c\nend"),
        ("c", "include b"),
        ("d", "include a"),
    ];
    let error = TemplateLibrary::load(sources, Names::embedded())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "c:1:1: templates include each other: b → c → b");
    let chain: Vec<(String, String)> = (0..40)
        .map(|at| (format!("t{at}"), format!("include t{}", at + 1)))
        .collect();
    let chain = chain
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .chain([("t40", "")]);
    assert!(TemplateLibrary::load(chain, Names::embedded()).is_err());
}

#[test]
fn an_operators_template_replaces_the_shipped_one() {
    let names = Names::embedded();
    let own = TemplateLibrary::shipped_and([("blocks-management", "")], names).unwrap();
    assert_eq!(own.names().len(), 14);
    let device = device(Flow::Hybrid, MibDialect::Euro, &[]);
    let site = site();
    let context = Context::new(&device, Family::V4, &site);
    let receivers = |library: &TemplateLibrary| {
        let file = DeviceFile::decode(&library.build_for(&context).unwrap()).unwrap();
        file.elements.iter().filter(|element| element.kind() == 38).count()
    };
    assert_eq!(receivers(&TemplateLibrary::shipped(names).unwrap()), 1);
    assert_eq!(receivers(&own), 0);
}

#[test]
fn a_build_that_fails_names_the_attribute() {
    for (text, error) in [
        (
            "mib pktcEUEDevOpDomain.1 string {{ nothing }}",
            "t:1:1: pktcEUEDevOpDomain.1: 'nothing' is not defined",
        ),
        (
            "mib pktcEUEDevSipPort.0 unsigned {{ 65535 + 1 }}",
            "t:1:1: pktcEUEDevSipPort.0: 65536 is none of 0 to 65535",
        ),
        (
            "mib pktcEUEDevOpDomain.{{ mac }} string x",
            "t:1:1: pktcEUEDevOpDomain.{{ mac }}: '00:11:22:aa:bb:cc' is no arc of an instance",
        ),
        (
            "receiver\n  address {{ mac }}\nend",
            "t:2:3: receiver: '00:11:22:aa:bb:cc' is no address",
        ),
        (
            "tlv 200 hex {{ '00' * 256 }}",
            "t:1:5: TLV 200: 256 octets, and its length field counts to 255",
        ),
        (
            "mib pktcEUEDevSipPort.0 unsigned 1\nmib pktcEUEDevSipPort.0 unsigned 2",
            "template 't': 1.3.6.1.4.1.4491.2.2.10.3.1.1.9.0 is set more than once",
        ),
        (
            "for a in range(0, 10000)\nfor b in range(0, 10000)\nset c = 1\nend\nend",
            "t:3:1: the file: more than 100000 statements and turns of loops were run",
        ),
    ] {
        let found = build(text, &[]).unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
    assert_eq!(
        library("").unwrap().build(
            "u",
            &Context::new(&device(Flow::Basic, MibDialect::Ietf, &[]), Family::V6, &site())
        ),
        Err(BuildError::NoTemplate("u".to_owned()))
    );
}

#[test]
fn what_the_engine_adds_can_be_switched_off() {
    let build = |flow, text: &str| {
        let device = device(flow, MibDialect::Ietf, &[]);
        let site = site();
        let context = Context::new(&device, Family::V4, &site);
        let file = library(text).unwrap().build("t", &context).unwrap();
        file.elements.iter().map(Element::kind).collect::<Vec<_>>()
    };
    assert_eq!(build(Flow::Secure, ""), [254, 11, 11, 11, 254]);
    assert_eq!(build(Flow::Secure, "auto realm off"), [254, 254]);
    assert_eq!(build(Flow::Basic, ""), [254, 11, 254]);
    assert_eq!(
        build(Flow::Basic, "auto hash off\nauto delimiters off\ntlv 1 u8 1"),
        [1]
    );
    assert_eq!(build(Flow::Hybrid, ""), [254, 254]);
}

/// Every shipped template of a flow and dialect, built for both families.
fn shipped(vars: &[(&str, &str)]) -> Vec<(Flow, MibDialect, Family, DeviceFile)> {
    let library = TemplateLibrary::shipped(Names::embedded()).unwrap();
    let mut files = Vec::new();
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        for dialect in MibDialect::ALL {
            for family in [Family::V4, Family::V6] {
                let device = device(flow, dialect, vars);
                let site = site();
                let context = Context::new(&device, family, &site);
                files.push((
                    flow,
                    dialect,
                    family,
                    DeviceFile::decode(&library.build_for(&context).unwrap()).unwrap(),
                ));
            }
        }
    }
    files
}

#[test]
fn a_strict_device_takes_every_shipped_file_without_a_warning() {
    let everything = [
        ("syslog", "192.0.2.9"),
        ("vendor_oui", "00:10:95"),
        ("lines", "4"),
        ("pcscf", "2001:db8::5"),
    ];
    for vars in [&everything[..], &[]] {
        for (flow, dialect, family, file) in shipped(vars) {
            let octets = file.encode().unwrap();
            let read = DeviceFile::decode(&octets).unwrap();
            assert_eq!(read, file);
            let requirements = Requirements {
                flow: flow.into(),
                dialect,
                realm: Some("PKTC.EXAMPLE.NET"),
                organisation: Some("Example Operator"),
            };
            let findings = check_device_file(&read, requirements, Names::embedded());
            assert_eq!(findings, [], "{flow} {dialect} {family}");
        }
    }
}

#[test]
fn the_digit_map_is_in_a_tlv_64_and_the_receiver_in_the_devices_family() {
    for (_, dialect, family, file) in shipped(&[]) {
        let count = |kind| file.elements.iter().filter(|element| element.kind() == kind).count();
        assert_eq!(count(64), usize::from(dialect == MibDialect::Ietf));
        let octets = file.encode().unwrap();
        let address: &[u8] = match family {
            Family::V4 => &[1, 4, 192, 0, 2, 1],
            Family::V6 => &[8, 16, 0x20, 0x01, 0x0d, 0xb8],
        };
        assert!(octets.windows(address.len()).any(|window| window == address));
    }
}

#[test]
fn credentials_are_in_the_file_only_where_they_are_given() {
    let credentials = |vars: &[(&str, &str)]| {
        let files = shipped(vars)
            .into_iter()
            .filter(|(_, dialect, ..)| *dialect == MibDialect::Ietf);
        let texts = files.map(|(_, _, _, file)| decode_text(&file, Names::embedded()));
        texts
            .filter(|text| text.contains("pktcEUEUsrIMPICredentials.1 credentials s3cret"))
            .count()
    };
    assert_eq!(credentials(&[]), 0);
    assert_eq!(credentials(&[("ims_password", "s3cret")]), 6);
}

/// What [`decode_text`] says of a file, compiled and built.
fn rebuilt(file: &DeviceFile) -> Vec<u8> {
    let text = decode_text(file, Names::embedded());
    let rebuilt = build(&text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    rebuilt.encode().unwrap()
}

#[test]
fn a_listing_builds_the_same_file_again() {
    let everything = [
        ("syslog", "p.example.net"),
        ("vendor_oui", "001095"),
        ("ims_password", "a \"b\" {{c}}"),
    ];
    for (.., file) in shipped(&everything) {
        assert_eq!(hex(&rebuilt(&file)), hex(&file.encode().unwrap()));
    }
}

proptest! {
    #[test]
    fn any_octets_that_are_a_file_have_a_listing_that_builds_them(
        octets in crate::wire::tlv::tests::any_file_octets()
    ) {
        let file = DeviceFile::decode(&octets).unwrap();
        let twice = {
            let mut seen = std::collections::HashSet::new();
            file.varbinds().any(|varbind| !seen.insert(varbind.name.clone()))
        };
        if !twice {
            let without_trailing = octets.len() - file.trailing.len();
            prop_assert_eq!(hex(&rebuilt(&file)), hex(&octets[..without_trailing]));
        }
    }

    #[test]
    fn hostile_text_never_panics(text in "[a-z\"{}. 0-9\\n]{0,80}") {
        let _ = library(&text);
        let _ = library(&format!("mib {text}"));
        let _ = library(&format!("mib pktcEUEDevOpDomain.1 string {text}"));
    }
}
