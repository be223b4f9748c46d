//! The vectors of the fact sheet provisioning §8, and extended MICs that the module's own rules check.

use super::super::tests::any_file_octets;
use super::*;
use crate::value::{hex, unhex};
use proptest::prelude::*;

fn secret(octets: &[u8]) -> SharedSecret {
    SharedSecret::new(octets).unwrap()
}

fn secrets(labels: &[(&str, &str)]) -> SharedSecrets {
    let mut all = SharedSecrets::default();
    for (label, octets) in labels {
        all.push("cmts", label, secret(octets.as_bytes()));
    }
    all
}

const VECTORS: [&str; 3] = [
    "03010118070102000106010719070102000206010706101a3ba2e7666290b9725605718c01f9670710cb5b0055aad79103519691cca2cb\
     be0fff0000",
    "0301011201030412010101020401312d000304009896800701000610817865a1f6e47e81a7364ff607a246480710f90e368f5d979a2d50\
     93bbaba37f1497ff00",
    "03010118070102000106010719070102000206010726120810200200000000000000000000000200020610c298e6e8c58cbcc108ca1514\
     198d1c8c0710851dca5a82d3bf721a7e4648099e599dff0000",
];

fn matched(label: &str, list: Option<CmtsMicList>) -> CmtsVerdict {
    CmtsVerdict::Match {
        cmts: "cmts".to_owned(),
        label: label.to_owned(),
        list,
    }
}

#[test]
fn the_vectors_of_the_fact_sheet_8() {
    for vector in VECTORS {
        let octets = unhex(vector).unwrap();
        let report = verify(&octets, &secrets(&[("new", "other"), ("old", "DOCSIS")])).unwrap();
        assert_eq!(report.cm, Some(true));
        assert_eq!(report.cmts, Some(matched("old", Some(CmtsMicList::Docsis))));
        assert_eq!(report.extended, None);
        let file = ConfigFile::decode(&octets).unwrap();
        assert_eq!(file.kind, FileKind::CableModem);
        assert_eq!(hex(&file.encode().unwrap()), vector.replace(' ', ""));
        let sealed = file.encode_sealed(&secret(b"DOCSIS"), CmtsMicList::Docsis).unwrap();
        assert_eq!(sealed, octets);
    }
}

#[test]
fn changes_and_other_secrets_are_found() {
    let octets = unhex(VECTORS[0]).unwrap();
    let known = secrets(&[("one", "DOCSIS")]);
    let mut changed = octets.clone();
    changed[2] = 0;
    let report = verify(&changed, &known).unwrap();
    assert_eq!((report.cm, report.cmts), (Some(false), Some(CmtsVerdict::Mismatch)));
    let report = verify(&octets, &secrets(&[("one", "other")])).unwrap();
    assert_eq!((report.cm, report.cmts), (Some(true), Some(CmtsVerdict::Mismatch)));
    let report = verify(&octets, &SharedSecrets::default()).unwrap();
    assert_eq!(report.cmts, Some(CmtsVerdict::Untried));
    let report = verify(&octets[..3], &known).unwrap();
    assert_eq!((report.cm, report.cmts), (None, None));
    assert_eq!(
        verify(&unhex("fe0101fe01ff").unwrap(), &known),
        Err(MicError::DeviceFile)
    );
    assert!(matches!(verify(&octets[..40], &known), Err(MicError::Decode(_))));
}

fn settings() -> ConfigFile {
    let mut file = ConfigFile::new(FileKind::CableModem);
    file.tlvs = vec![
        Tlv::octets(3, [1]),
        Tlv::octets(59, [0x20; 16]),
        Tlv::octets(76, [1]),
        Tlv::group(24, vec![Tlv::octets(1, [0, 1]), Tlv::octets(6, [7])]),
    ];
    file
}

#[test]
fn the_list_of_mulpi_covers_the_ipv6_address() {
    let known = secrets(&[("one", "key")]);
    let verdicts = CmtsMicList::ALL.map(|list| {
        let octets = settings().encode_sealed(&secret(b"key"), list).unwrap();
        assert_eq!(octets.len() % 4, 0);
        let mut moved = octets.clone();
        let at = moved.iter().position(|&octet| octet == 0x20).unwrap();
        moved[at] ^= 1;
        // The CM MIC stands under both lists, so that the changed address is seen in its place.
        let of_moved = verify(&moved, &known).unwrap();
        assert_eq!(of_moved.cm, Some(false));
        (verify(&octets, &known).unwrap().cmts, of_moved.cmts.unwrap().is_match())
    });
    assert_eq!(verdicts[0], (Some(matched("one", Some(CmtsMicList::Docsis))), true));
    assert_eq!(verdicts[1], (Some(matched("one", Some(CmtsMicList::Mulpi))), false));
}

#[test]
fn an_implicit_extended_mic_stands_in_tlv_7_and_covers_what_its_bits_say() {
    let mut file = settings();
    file.ask_extended_mic(&ExtendedMic {
        explicit: false,
        covers: vec![3, 43, 76],
    });
    let known = secrets(&[("one", "key")]);
    let settings = file.encode().unwrap();
    let extension = &settings[settings.len() - 24..];
    assert!(
        hex(extension).starts_with("2b160803ffffff060f010101020a"),
        "{}",
        hex(extension)
    );
    let octets = file.encode_sealed(&secret(b"key"), CmtsMicList::Docsis).unwrap();
    let report = verify(&octets, &known).unwrap();
    assert_eq!((report.cm, report.extended), (Some(true), None));
    assert_eq!(report.cmts, Some(matched("one", None)));
    // By hand: the covered TLVs one after another.
    let mut mac = hmac(&secret(b"key"));
    for tlv in ["030101", "4c0101", &hex(extension)] {
        mac.update(&unhex(tlv).unwrap());
    }
    let digest: [u8; 16] = mac.finalize().into_bytes().into();
    assert!(hex(&octets).contains(&format!("0710{}", hex(&digest))));
    let mut uncovered = octets.clone();
    uncovered[5] ^= 1;
    assert!(verify(&uncovered, &known).unwrap().cmts.unwrap().is_match());
    let mut covered = octets;
    covered[2] ^= 1;
    assert!(!verify(&covered, &known).unwrap().cmts.unwrap().is_match());
}

#[test]
fn an_explicit_digest_counts_as_zero_while_it_is_computed() {
    let mut file = settings();
    file.ask_extended_mic(&ExtendedMic {
        explicit: true,
        covers: vec![3, 24, 43],
    });
    let zeroed = file.encode().unwrap();
    let octets = file.encode_sealed(&secret(b"key"), CmtsMicList::Docsis).unwrap();
    let report = verify(&octets, &secrets(&[("one", "key")])).unwrap();
    assert_eq!(report.cm, Some(true));
    assert_eq!(report.extended, Some(matched("one", None)));
    assert_eq!(report.cmts, Some(matched("one", Some(CmtsMicList::Docsis))));
    let mut mac = hmac(&secret(b"key"));
    let (settings, extension) = zeroed.split_at(zeroed.len() - 2 - 5 - 2 - 3 - 8 - 18);
    mac.update(&settings[..3]);
    mac.update(&settings[settings.len() - 9..]);
    mac.update(extension);
    let digest: [u8; 16] = mac.finalize().into_bytes().into();
    assert!(hex(&octets).contains(&format!("0310{}", hex(&digest))));
    // Sealing again changes nothing.
    let again = ConfigFile::decode(&octets).unwrap();
    assert_eq!(
        again.encode_sealed(&secret(b"key"), CmtsMicList::Docsis).unwrap(),
        octets
    );
}

#[test]
fn an_extended_mic_that_cannot_be_is_refused() {
    let seal = |explicit, covers: &[u8]| {
        let mut file = settings();
        let covers = covers.to_vec();
        file.ask_extended_mic(&ExtendedMic { explicit, covers });
        file.encode_sealed(&secret(b"key"), CmtsMicList::Docsis)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        seal(true, &[6]).unwrap_err(),
        "TLV 43.6.2: an extended CMTS MIC in 43.6.3 cannot cover TLV 6, which depends on it"
    );
    assert!(seal(false, &[6]).is_ok());
    assert!(seal(false, &[7]).is_err());
    // The other kinds of TLV 43.6.1, and the vector with a digest of one octet.
    let odd = unhex("2b160803ffffff060f0101020201000310").unwrap();
    let mut octets = [odd, vec![0; 16]].concat();
    octets[1] = 5 + 2 + 24;
    octets[8] = 24;
    assert_eq!(seal_octets(&octets), Err(MicError::Kind(2)));
}

fn seal_octets(settings: &[u8]) -> Result<Vec<u8>, MicError> {
    let mut octets = settings.to_vec();
    seal(&mut octets, &secret(b"key"), CmtsMicList::Docsis).map(|()| octets)
}

#[test]
fn a_digest_of_another_length_is_left_alone() {
    // The vector of the fact sheet §8: type 1, bitmap 00, digest 00.
    let settings = unhex("0301012b100803ffffff0609010101020100030100").unwrap();
    let octets = seal_octets(&settings).unwrap();
    assert!(octets.starts_with(&settings));
}

proptest! {
    #[test]
    fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = verify(&octets, &secrets(&[("one", "key")]));
        let _ = seal_octets(&octets);
    }

    #[test]
    fn what_is_sealed_verifies(settings in any_modem_settings()) {
        let octets = seal_octets(&settings).unwrap();
        let report = verify(&octets, &secrets(&[("one", "key")])).unwrap();
        prop_assert_eq!(report.cm, Some(true));
        prop_assert!(report.cmts.unwrap().is_match());
    }

    #[test]
    fn device_files_have_no_mics(octets in any_file_octets()) {
        if FileKind::of(&octets) == FileKind::Device {
            prop_assert_eq!(verify(&octets, &secrets(&[("one", "key")])), Err(MicError::DeviceFile));
        }
    }
}

/// TLVs of a cable modem's file that are no MICs and ask for no extended one.
fn any_modem_settings() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![1u8..6, 8u8..43, 44u8..253];
    let tlv = (kind, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(kind, value)| {
        let wide = matches!(kind, 103 | 104);
        let length: &[u8] = if wide {
            &[0, value.len() as u8]
        } else {
            &[value.len() as u8]
        };
        [&[kind], length, &value].concat()
    });
    prop::collection::vec(tlv, 0..20).prop_map(|tlvs| tlvs.concat())
}
