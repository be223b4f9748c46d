//! The corpora of the fuzz targets, and simple mutations of each input, without a fuzzer.

#[path = "../fuzz/targets/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the bit flips use the rest")]
mod targets;

use std::path::{Path, PathBuf};

use hardline::value::{Random, SeededRandom};

/// Mutations of each input.
const MUTATIONS: u64 = 32;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// `input` with a few octets changed, cut or repeated.
fn mutated(input: &[u8], seed: u64) -> Vec<u8> {
    let mut random = SeededRandom::new(seed);
    let mut draw = |below: usize| usize::from(u16::from_be_bytes(random.array())) % below.max(1);
    let mut octets = input.to_vec();
    for _ in 0..=draw(3) {
        let at = draw(octets.len());
        match draw(4) {
            0 => octets.truncate(at),
            1 => octets.insert(at, u8::try_from(draw(256)).unwrap()),
            _ => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = u8::try_from(draw(256)).unwrap();
                }
            }
        }
    }
    octets
}

#[test]
fn every_stored_input_and_its_mutations_keep_the_promises() {
    for (name, run) in targets::TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for (path, input) in inputs {
            eprintln!("{}", path.display());
            run(&input);
            for seed in 0..MUTATIONS {
                run(&mutated(&input, seed));
            }
        }
    }
}

#[test]
fn every_corpus_has_its_target() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(targets::find(&name).is_some(), "fuzz/corpus/{name} is nobody's");
    }
}

/// Writes the inputs that every corpus begins with: `cargo test --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes fuzz/corpus"]
fn seeds() {
    let put = |target: &str, name: &str, octets: &[u8]| {
        let folder = corpus().join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), octets).unwrap();
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/heimdal-as-req");
    let fixture = |name: &str| std::fs::read(fixtures.join(name)).unwrap();
    for name in ["2003-nodh", "2004-dh-md5", "2004-dh-rawy", "2004-dh-tgt", "2005-dh"] {
        let request = fixture(&format!("{name}.der"));
        put("as_exchange", name, &targets::framed(&[&request]));
        put("kerberos", name, &request);
    }
    let twice = fixture("2004-dh-md5.der");
    put("as_exchange", "twice", &targets::framed(&[&twice, &twice]));

    let tgs = targets::world::tgs_request();
    put("as_exchange", "tgs-twice", &targets::framed(&[&tgs, &tgs]));
    put("kerberos", "tgs-req", &tgs);

    let (ap_request, _, _) = targets::world::ap_request();
    put("key_management", "twice", &targets::framed(&[&ap_request, &ap_request]));
    let wake_up = [
        &[1, 2, 0x10, 0, 0, 0, 7][..],
        b"mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET\0",
    ]
    .concat();
    put(
        "key_management",
        "wake-up",
        &targets::framed(&[&wake_up, &ap_request[..100]]),
    );

    let (query, _) = targets::mta_fqdn_query();
    let reply = targets::mta_fqdn_served(&query).unwrap();
    put("mta_fqdn", "query-and-reply", &targets::framed(&[&query, &reply]));
    put("kerberos", "ap-req", &query[..usize::from(query[3]) + 4]);

    let varbind: &[u8] = &[
        0x30, 0x13, 0x06, 0x0e, 0x2b, 6, 1, 4, 1, 0xa3, 0x0b, 2, 2, 1, 1, 1, 7, 0, 2, 1, 1,
    ];
    let bindings = [&[0x30, 0x15][..], varbind].concat();
    let pdu = [&[0xa6, 0x20, 2, 1, 1, 2, 1, 0, 2, 1, 0][..], &bindings].concat();
    let v2c = [&[0x30, 0x2d, 2, 1, 1, 4, 6][..], b"public", &pdu].concat();
    put("snmp", "v2c-inform", &v2c);
    put("snmp", "v3-discovery", &hardline::wire::snmp::encode_discovery(1));

    let device = [&[0xfe, 1, 1, 0x0b, 0x15][..], varbind, &[0xfe, 1, 0xff]].concat();
    put("tlv", "device", &device);
    put(
        "tlv",
        "cable-modem",
        &[&[3, 1, 1, 0x18, 3, 1, 1, 7, 0x0b, 0x15][..], varbind, &[0xff, 0]].concat(),
    );

    let phone = "# a phone\nserve \"{who}-{line:integer(1..4)}.bin\"\nvar port: integer(1..65535) = 5060\nset name = \"a\" ~ \"b\"\n\
                 for row in range(1, 3)\nif row == 1\nmib pktcEUEDevPCSCFAddrType.{{ row }}.1 = ipv4\nelse\n\
                 mib pktcEUEDevPCSCFAddrType.{{ row }}.1 = 2\nend\nend\n\
                 mib PKTC-MTA-MIB::pktcMtaDevRealmOrgName.\"A.B\" string \"{{ name | upper }}\\n\"\n\
                 mib 1.3.6.1.4.1.99999.1 hex 00:01\nmib sysContact.0 = \"\"\"\ntwo\nlines\n\"\"\"\n\
                 receiver\naddress 192.0.2.1\nport {{ port }}\nkind v2c-inform\nend\nvendor 001095\n1 u8 7\nend\n\
                 tlv 200 u16 5\nauto hash off\n";
    put("template", "phone", phone.as_bytes());
    let modem = "file cable-modem\ntlv NetworkAccess 1\ngroup UsServiceFlow\ntlv UsServiceFlowRef 1\ntlv QosParamSetType 7\nend\n\
                 auto timestamp on\nauto modem-address on\n";
    put("template", "modem", modem.as_bytes());
    let docsis = "Main /* of all kinds */ { NetworkAccess 1; MaxCPE {{ 2 + 3 }};\n UsServiceFlow { UsServiceFlowRef 1; }\n\
                  SnmpMibObject sysContact.0 String \"{{ mac | default('x') }}\";\n GenericTLV TlvCode 99 TlvLength 2 TlvValue 0x0102; }\n";
    put("template", "docsis", docsis.as_bytes());
    let mta = "Main { MtaConfigDelimiter 1; SnmpMibObject .1.3.6.1.4.1.99999.1 Gauge32 5; MtaConfigDelimiter 255; }";
    put("template", "docsis-device", mta.as_bytes());

    let request = b"\0\x01file.cfg\0octet\0blksize\x001400\0tsize\x000\0windowsize\x008\0";
    let acks: [&[u8]; 4] = [&[0, 4, 0, 0], &[0, 4, 0, 8], &[0, 4, 0, 8], &[0, 4, 0, 51]];
    put(
        "tftp",
        "transfer",
        &targets::framed(&[&[&request[..]], &acks[..]].concat()),
    );
    put("tftp", "data", &targets::framed(&[request, b"\0\x03\0\x01some octets"]));

    for name in ["device.pem", "mfr-ca.pem", "mta-root.pem"] {
        let der = hardline::wire::cert::certificates_from_pem(&fixture(name))
            .unwrap()
            .remove(0);
        put("certificate", name.trim_end_matches(".pem"), &der);
    }
}
