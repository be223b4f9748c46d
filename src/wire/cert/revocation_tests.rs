//! Revocation lists, made by the openssl tool and judged beside it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;

use super::issue::{self, Credential};
use super::testing::{MAC, NOW, anchors, file, hierarchy, key, openssl, pem_file, terms};
use super::*;
use crate::value::Timestamp;

const DAY: i64 = 86_400;

/// A time as `openssl ca` takes it.
fn asn1(time: Timestamp) -> String {
    let text: String = time.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{text}Z")
}

fn at(days: i64) -> Timestamp {
    Timestamp::from_unix(NOW.unix() + days * DAY)
}

/// A list of `issuer` made by the openssl tool, PEM: of `revoked` each is revoked at its time; valid between the two
/// `updates`.
fn list(folder: &Path, issuer: &Credential, revoked: &[(&Credential, Timestamp)], updates: [Timestamp; 2]) -> Vec<u8> {
    let mut index = String::new();
    for (credential, since) in revoked {
        let certificate = Certificate::parse(&credential.certificate, 0).unwrap();
        let mut serial = crate::value::hex(certificate.serial()).to_uppercase();
        serial = serial.trim_start_matches('0').to_owned();
        if serial.len() % 2 == 1 {
            serial.insert(0, '0');
        }
        // The index has years of two digits.
        let (expiry, since) = (asn1(at(9_000)), asn1(*since));
        writeln!(index, "R\t{}\t{}\t{serial}\tunknown\t/CN=x", &expiry[2..], &since[2..]).unwrap();
    }
    file(folder, "index.txt", index.as_bytes());
    let settings = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={}/index.txt\ndefault_md=sha256\n",
        folder.display()
    );
    let settings = file(folder, "ca.cnf", settings.as_bytes());
    let certificate = pem_file(folder, "issuer.pem", &[issuer]);
    let private = file(folder, "issuer.key", key_to_pem(&issuer.key).unwrap().expose());
    openssl(&[
        "ca",
        "-gencrl",
        "-config",
        settings.to_str().unwrap(),
        "-cert",
        certificate.to_str().unwrap(),
        "-keyfile",
        private.to_str().unwrap(),
        "-crl_lastupdate",
        &asn1(updates[0]),
        "-crl_nextupdate",
        &asn1(updates[1]),
    ])
}

fn parse(pem: &[u8]) -> RevocationList {
    let lists = crls_from_file(pem).unwrap();
    assert_eq!(lists.len(), 1);
    RevocationList::parse(&lists[0]).unwrap()
}

fn policy(lists: Vec<RevocationList>, stale: StalePolicy, missing: MissingPolicy) -> CertPolicy {
    let lists = RevocationLists::new(lists, &[]).unwrap();
    CertPolicy {
        lists: Arc::new(lists.under(stale, missing)),
        ..CertPolicy::default()
    }
}

fn device() -> Arc<VerifiedDevice> {
    let h = hierarchy();
    let chain = [&h.device.certificate, &h.manufacturer.certificate];
    Arc::new(VerifiedDevice::verify(&chain, &anchors(&h.mta_root)).unwrap())
}

/// What `openssl verify` says of the device's chain with these lists, each given as PEM.
fn openssl_accepts(folder: &Path, lists: &[&[u8]]) -> bool {
    let h = hierarchy();
    let root = pem_file(folder, "root.pem", &[&h.mta_root]);
    let ca = pem_file(folder, "ca.pem", &[&h.manufacturer]);
    let leaf = pem_file(folder, "leaf.pem", &[&h.device]);
    let lists = file(folder, "lists.pem", &lists.concat());
    let paths = [&root, &ca, &lists, &leaf].map(|path| path.to_str().unwrap());
    let time = NOW.unix().to_string();
    let output = Command::new("openssl")
        .args([
            "verify",
            "-crl_check_all",
            "-attime",
            &time,
            "-CAfile",
            paths[0],
            "-untrusted",
            paths[1],
        ])
        .args(["-CRLfile", paths[2], paths[3]])
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn lists_are_judged_as_openssl_judges_them() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let fresh = [at(-1), at(30)];
    let (root, ca) = (&h.mta_root, &h.manufacturer);
    let clean_root = list(folder, root, &[], fresh);
    let clean_ca = list(folder, ca, &[], fresh);
    let cases = [
        ("nobody is revoked", clean_root.clone(), clean_ca.clone(), None),
        (
            "the device",
            clean_root.clone(),
            list(folder, ca, &[(&h.device, at(-2))], fresh),
            Some(72),
        ),
        (
            "its manufacturer",
            list(folder, root, &[(ca, at(-2))], fresh),
            clean_ca.clone(),
            Some(72),
        ),
        (
            "others",
            list(folder, root, &[(&h.provider_root, at(-2))], fresh),
            list(folder, ca, &[(&h.kdc, at(-2))], fresh),
            // They have the device's serial number where the terms are the same; the test makes sure that they have not.
            None,
        ),
        (
            "the CA's list is old",
            clean_root.clone(),
            list(folder, ca, &[], [at(-60), at(-30)]),
            Some(74),
        ),
        (
            "the root's list is old",
            list(folder, root, &[], [at(-60), at(-30)]),
            clean_ca.clone(),
            Some(74),
        ),
        (
            "an old list still revokes",
            clean_root.clone(),
            list(folder, ca, &[(&h.device, at(-40))], [at(-60), at(-30)]),
            Some(72),
        ),
    ];
    let same_serial = Certificate::parse(&h.kdc.certificate, 0).unwrap().serial() == device().path.leaf.serial();
    for (what, root_list, ca_list, code) in cases {
        if what == "others" && same_serial {
            continue;
        }
        let lists = vec![parse(&root_list), parse(&ca_list)];
        let policy = policy(lists, StalePolicy::Enforce, MissingPolicy::Refuse);
        let judged = device().admit(&policy, NOW).map(drop).map_err(|error| error.krb_code());
        assert_eq!(judged, code.map_or(Ok(()), Err), "{what}");
        assert_eq!(
            openssl_accepts(folder, &[&root_list, &ca_list]),
            code.is_none(),
            "{what}"
        );
    }
    // A CA that no list is of.
    let only_root = policy(vec![parse(&clean_root)], StalePolicy::Enforce, MissingPolicy::Refuse);
    assert_eq!(device().admit(&only_root, NOW).unwrap_err().krb_code(), 73);
    assert!(!openssl_accepts(folder, &[&clean_root]));
    let ignored = policy(vec![parse(&clean_root)], StalePolicy::Enforce, MissingPolicy::Ignore);
    assert!(device().admit(&ignored, NOW).is_ok());
}

#[test]
fn an_old_list_is_the_operators_decision() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let old = list(folder.path(), &h.manufacturer, &[], [at(-60), at(-30)]);
    let judged = |stale| device().admit(&policy(vec![parse(&old)], stale, MissingPolicy::Ignore), NOW);
    let refused = judged(StalePolicy::Enforce).unwrap_err();
    assert!(matches!(refused, CertError::RevocationStale { .. }), "{refused}");
    let warnings = judged(StalePolicy::Warn).unwrap().warnings;
    assert!(
        matches!(warnings.as_slice(), [CertWarning::StaleList { .. }]),
        "{warnings:?}"
    );
    assert_eq!(judged(StalePolicy::Ignore).unwrap().warnings, []);
    // The newest list counts, in whatever order they stand.
    let new = list(folder.path(), &h.manufacturer, &[], [at(-1), at(30)]);
    for lists in [[&old, &new], [&new, &old]] {
        let lists = lists.map(|list| parse(list)).into();
        let judged = device().admit(&policy(lists, StalePolicy::Enforce, MissingPolicy::Ignore), NOW);
        assert!(judged.is_ok());
    }
}

#[test]
fn a_device_is_revoked_from_the_lists_date_on() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let later = list(folder.path(), &h.manufacturer, &[(&h.device, at(1))], [at(-1), at(30)]);
    let policy = policy(vec![parse(&later)], StalePolicy::Enforce, MissingPolicy::Ignore);
    assert!(device().admit(&policy, NOW).is_ok());
    let refused = device().admit(&policy, at(1)).unwrap_err();
    assert!(
        matches!(refused, CertError::Revoked { since, .. } if since == at(1)),
        "{refused}"
    );
}

#[test]
fn rfc5280_6_3_3_a_list_that_its_ca_did_not_sign_says_nothing() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    // The manufacturer's name, another's key.
    let forger = issue::manufacturer_ca(&h.mta_root, key(4), "Example Devices", &terms()).unwrap();
    let forged = list(folder, &forger, &[(&h.device, at(-2))], [at(-1), at(30)]);
    let known = Certificate::parse(&h.manufacturer.certificate, 0).unwrap();
    let refused = RevocationLists::new(vec![parse(&forged)], &[known]).unwrap_err();
    assert!(matches!(refused, CrlError::Signature(_)), "{refused}");
    let ignored = policy(vec![parse(&forged)], StalePolicy::Enforce, MissingPolicy::Ignore);
    assert!(device().admit(&ignored, NOW).is_ok());
    let missed = policy(vec![parse(&forged)], StalePolicy::Enforce, MissingPolicy::Refuse);
    assert_eq!(device().admit(&missed, NOW).unwrap_err().krb_code(), 73);
    // A device may not revoke others: its keyUsage lacks cRLSign.
    let own = list(folder, &h.device, &[], [at(-1), at(30)]);
    assert!(!parse(&own).is_signed_by(&device().path.leaf));
}

#[test]
fn no_single_bit_of_a_list_can_be_changed() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let pem = list(folder.path(), &h.manufacturer, &[(&h.device, at(-2))], [at(-1), at(30)]);
    let der = crls_from_file(&pem).unwrap().remove(0);
    let issuer = Certificate::parse(&h.manufacturer.certificate, 0).unwrap();
    assert!(RevocationList::parse(&der).unwrap().is_signed_by(&issuer));
    for bit in 0..der.len() * 8 {
        let mut altered = der.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let signed = RevocationList::parse(&altered).is_ok_and(|list| list.is_signed_by(&issuer));
        assert!(!signed, "octet {} bit {}", bit / 8, bit % 8);
    }
}

#[test]
fn files_hold_any_number_of_lists() {
    let (h, folder) = (hierarchy(), tempfile::tempdir().unwrap());
    let one = list(folder.path(), &h.manufacturer, &[], [at(-1), at(30)]);
    let two = list(folder.path(), &h.mta_root, &[], [at(-1), at(30)]);
    let both = crls_from_file(&[one.clone(), two].concat()).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(crls_from_file(&both[0]), Ok(vec![both[0].clone()]), "DER");
    assert_eq!(crls_from_file(b""), Err(PemError::Crl));
    assert_eq!(crls_from_file(b"nothing"), Err(PemError::Crl));
    let certificate = certificates_to_pem(&[&h.device.certificate]).unwrap();
    assert_eq!(crls_from_file(certificate.as_bytes()), Err(PemError::Crl));
    assert!(matches!(
        RevocationList::parse(&h.device.certificate),
        Err(CrlError::Malformed(_))
    ));
    assert_eq!(MAC, device().mac);
}

proptest! {
    #[test]
    fn hostile_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = RevocationList::parse(&octets);
        let _ = crls_from_file(&octets);
    }
}
