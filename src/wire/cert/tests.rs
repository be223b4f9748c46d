//! Chains: what is accepted, and each way of being refused.

use std::sync::Arc;

use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::issue::{self, Credential, SignatureDigest, Terms};
use super::testing::{MAC, NOW, anchors, file, hierarchy, key, openssl, pem_file, realm, terms};
use super::*;
use crate::value::Timestamp;

fn device_of(chain: &[&Credential]) -> Result<VerifiedDevice, CertError> {
    let chain: Vec<&[u8]> = chain.iter().map(|c| c.certificate.as_slice()).collect();
    VerifiedDevice::verify(&chain, &anchors(&hierarchy().mta_root))
}

fn provider_of(chain: &[&Credential]) -> Result<ProviderIdentity, CertError> {
    let chain: Vec<&[u8]> = chain.iter().map(|c| c.certificate.as_slice()).collect();
    ProviderIdentity::verify(
        &chain,
        &anchors(&hierarchy().provider_root),
        &CertPolicy::default(),
        NOW,
    )
}

#[test]
fn a_device_is_named_by_its_certificate() {
    let h = hierarchy();
    for chain in [
        vec![&h.device, &h.manufacturer],
        vec![&h.device, &h.manufacturer, &h.mta_root],
        vec![&h.device, &h.mta_root, &h.kdc, &h.manufacturer],
    ] {
        let device = Arc::new(device_of(&chain).unwrap());
        let identity = device.admit(&CertPolicy::default(), NOW).unwrap();
        assert_eq!(identity.mac, MAC);
        assert_eq!(identity.device.manufacturer().der(), h.manufacturer.certificate);
        assert_eq!(identity.manufacturer_revoked, None);
        assert_eq!(identity.warnings, []);
        let spki = h.device.key.public_key_to_der().unwrap();
        assert_eq!(identity.spki_sha1[..], Sha1::digest(spki)[..]);
        let rsa = h.device.key.rsa().unwrap().public_key_to_der_pkcs1().unwrap();
        assert_eq!(identity.device.path.leaf.key_bits_sha1()[..], Sha1::digest(rsa)[..]);
    }
}

#[test]
fn a_manufacturer_ca_may_be_the_anchor() {
    let h = hierarchy();
    let device = VerifiedDevice::verify(&[&h.device.certificate], &anchors(&h.manufacturer)).unwrap();
    assert_eq!(device.manufacturer().der(), h.manufacturer.certificate);
}

#[test]
fn one_of_several_roots_is_enough() {
    let h = hierarchy();
    let roots = TrustAnchors::from_der([&h.provider_root.certificate, &h.mta_root.certificate]).unwrap();
    let chain = [&h.device.certificate, &h.manufacturer.certificate];
    assert!(VerifiedDevice::verify(&chain, &roots).is_ok());
}

#[test]
fn sha256_and_larger_keys_are_accepted() {
    let terms = Terms {
        digest: SignatureDigest::Sha256,
        ..terms()
    };
    let root = issue::mta_root(key(3), &terms).unwrap();
    let manufacturer = issue::manufacturer_ca(&root, key(4), "New", &terms).unwrap();
    let device = issue::device(&manufacturer, key(5), MAC, &terms).unwrap();
    let chain = [&device.certificate, &manufacturer.certificate];
    assert_eq!(VerifiedDevice::verify(&chain, &anchors(&root)).unwrap().mac, MAC);
}

#[test]
fn a_chain_that_does_not_reach_a_root_is_refused() {
    let h = hierarchy();
    let refused = |chain: &[&Credential]| device_of(chain).unwrap_err();
    let empty: [&[u8]; 0] = [];
    let none = VerifiedDevice::verify(&empty, &anchors(&h.mta_root)).unwrap_err();
    assert_eq!((none.krb_code(), none), (70, CertError::Empty));

    let missing = refused(&[&h.device]);
    assert!(matches!(missing, CertError::IssuerUnknown(_)), "{missing}");
    assert_eq!(missing.krb_code(), 70);

    let crowd = refused(&[&h.device; MAX_CERTIFICATES + 1]);
    assert_eq!((crowd.krb_code(), crowd), (70, CertError::TooMany(9)));

    // A whole foreign hierarchy, root included, under another name.
    let root = issue::provider_root(key(3), &terms()).unwrap();
    let manufacturer = issue::manufacturer_ca(&root, key(4), "Foreign", &terms()).unwrap();
    let device = issue::device(&manufacturer, key(2), MAC, &terms()).unwrap();
    let foreign = refused(&[&device, &manufacturer, &root]);
    assert!(matches!(foreign, CertError::NotTrusted(_)), "{foreign}");
    assert_eq!(foreign.krb_code(), 62);

    // The same under our root's name: the signature tells them apart.
    let root = issue::mta_root(key(3), &terms()).unwrap();
    let manufacturer = issue::manufacturer_ca(&root, key(4), "Foreign", &terms()).unwrap();
    let device = issue::device(&manufacturer, key(2), MAC, &terms()).unwrap();
    let forged = refused(&[&device, &manufacturer]);
    assert!(matches!(forged, CertError::Signature { position: 1, .. }), "{forged}");
    assert_eq!(forged.krb_code(), 71);
    assert!(matches!(
        refused(&[&device, &manufacturer, &root]),
        CertError::NotTrusted(_)
    ));
}

#[test]
fn an_altered_certificate_is_refused() {
    let h = hierarchy();
    let roots = anchors(&h.mta_root);
    let position = h.device.certificate.len() - 5;
    let mut altered = h.device.certificate.clone();
    altered[position] ^= 1;
    let refused = VerifiedDevice::verify(&[&altered, &h.manufacturer.certificate], &roots).unwrap_err();
    assert!(matches!(refused, CertError::Signature { position: 0, .. }), "{refused}");

    let mac = MAC.upper();
    let at = h
        .device
        .certificate
        .windows(mac.len())
        .position(|w| w == mac.as_bytes())
        .unwrap();
    let mut renamed = h.device.certificate.clone();
    renamed[at] = b'F';
    let refused = VerifiedDevice::verify(&[&renamed, &h.manufacturer.certificate], &roots).unwrap_err();
    assert!(matches!(refused, CertError::Signature { position: 0, .. }), "{refused}");
}

#[test]
fn a_device_may_not_vouch_for_another() {
    let h = hierarchy();
    let other = "00:11:22:00:00:01".parse().unwrap();
    let accomplice = issue::device(&h.device, key(5), other, &terms()).unwrap();
    let refused = device_of(&[&accomplice, &h.device, &h.manufacturer]).unwrap_err();
    assert!(matches!(refused, CertError::NotAnAuthority { .. }), "{refused}");
    assert_eq!(refused.krb_code(), 71);
}

#[test]
fn rfc5280_4_2_1_9_path_length() {
    let h = hierarchy();
    let below = issue::manufacturer_ca(&h.manufacturer, key(4), "Subsidiary", &terms()).unwrap();
    let device = issue::device(&below, key(2), MAC, &terms()).unwrap();
    let refused = device_of(&[&device, &below, &h.manufacturer]).unwrap_err();
    assert!(matches!(refused, CertError::NotAnAuthority { .. }), "{refused}");
}

#[test]
fn a_long_chain_is_refused() {
    let h = hierarchy();
    let mut chain = vec![issue::provider_ca(&h.mta_root, key(4), "0", &terms()).unwrap()];
    for name in ["1", "2"] {
        let next = issue::provider_ca(&chain[0], key(4), name, &terms()).unwrap();
        chain.insert(0, next);
    }
    let device = issue::device(&chain[0], key(2), MAC, &terms()).unwrap();
    let all: Vec<&Credential> = std::iter::once(&device).chain(&chain).collect();
    assert_eq!(device_of(&all), Err(CertError::TooLong));
    assert_eq!(CertError::TooLong.krb_code(), 70);
}

#[test]
fn expiry_is_the_operators_decision_for_devices_and_authorities_apart() {
    let h = hierarchy();
    let long_ago = Terms {
        not_before: Timestamp::from_unix(946_684_800),
        not_after: Timestamp::from_unix(1_577_836_800),
        ..terms()
    };
    let old_ca = issue::manufacturer_ca(&h.mta_root, key(1), "Old", &long_ago).unwrap();
    let device = issue::device(&old_ca, key(2), MAC, &terms()).unwrap();
    let device = Arc::new(device_of(&[&device, &old_ca]).unwrap());
    let judged = |end_entity, authority| {
        let policy = CertPolicy {
            end_entity,
            authority,
            ..CertPolicy::default()
        };
        device.admit(&policy, NOW)
    };
    use ExpiryPolicy::{Enforce, Ignore, Warn};
    let refused = judged(Ignore, Enforce).unwrap_err();
    assert!(matches!(refused, CertError::Expired { .. }), "{refused}");
    assert_eq!(refused.krb_code(), 71);
    let warned = judged(Enforce, Warn).unwrap().warnings;
    assert!(
        matches!(warned.as_slice(), [CertWarning::OutsideValidity { .. }]),
        "{warned:?}"
    );
    assert_eq!(judged(Enforce, Ignore).unwrap().warnings, []);

    let young = Arc::new(device_of(&[&h.device, &h.manufacturer]).unwrap());
    let policy = CertPolicy {
        authority: Ignore,
        ..CertPolicy::default()
    };
    assert!(
        young
            .admit(&policy, Timestamp::from_unix(NOW.unix() - 2 * 365 * 86_400))
            .is_err()
    );
    assert!(young.admit(&policy, NOW).is_ok());
}

#[test]
fn revocation_is_told_and_refused_where_the_operator_says_so() {
    let h = hierarchy();
    let device = Arc::new(device_of(&[&h.device, &h.manufacturer]).unwrap());
    let since = Timestamp::from_unix(NOW.unix() - 60);
    let mut policy = CertPolicy::default();
    let manufacturer = device.manufacturer();
    let serial = der::without_leading_zeros(manufacturer.serial()).to_vec();
    let names = [
        ManufacturerName::Fingerprint(manufacturer.fingerprint()),
        ManufacturerName::Subject(manufacturer.subject_text()),
        ManufacturerName::Subject("Example Devices PacketCable CA".into()),
        ManufacturerName::Serial {
            issuer: manufacturer.issuer_text(),
            serial: serial.clone(),
        },
        ManufacturerName::Serial {
            issuer: "PacketCable Root Device Certificate Authority".into(),
            serial: serial.clone(),
        },
    ];
    for name in names {
        policy.revoked_manufacturers.0 = [(name.clone(), since)].into();
        let told = device.admit(&policy, NOW).unwrap().manufacturer_revoked;
        assert_eq!(told, Some(since), "{name:?}");
    }
    let strangers = [
        ManufacturerName::Subject("Example Devices".into()),
        ManufacturerName::Serial {
            issuer: "Example Devices PacketCable CA".into(),
            serial,
        },
    ];
    for name in strangers {
        let mut policy = policy.clone();
        policy.revoked_manufacturers.0 = [(name.clone(), since)].into();
        assert_eq!(
            device.admit(&policy, NOW).unwrap().manufacturer_revoked,
            None,
            "{name:?}"
        );
    }
    policy.refuse_revoked = true;
    let refused = device.admit(&policy, NOW).unwrap_err();
    assert_eq!(refused.krb_code(), 72);
    assert!(device.admit(&policy, Timestamp::from_unix(since.unix() - 1)).is_ok());
}

#[test]
fn a_certificate_without_a_mac_names_no_device() {
    let h = hierarchy();
    let kdc = issue::kdc(
        &h.manufacturer,
        key(5),
        "O",
        &"kdc.example.net".parse().unwrap(),
        &realm(),
        &terms(),
    )
    .unwrap();
    let refused = device_of(&[&kdc, &h.manufacturer]).unwrap_err();
    assert!(matches!(refused, CertError::NoMac(_)), "{refused}");
    assert_eq!(refused.krb_code(), 75);
}

#[test]
fn weak_keys_are_refused() {
    let h = hierarchy();
    let weak = issue::device(&h.manufacturer, issue::generate_key(768).unwrap(), MAC, &terms()).unwrap();
    let refused = device_of(&[&weak, &h.manufacturer]).unwrap_err();
    assert_eq!(refused.krb_code(), 65, "{refused}");
}

#[test]
fn p35_the_organisation_stands_directly_below_the_root() {
    let h = hierarchy();
    let kdc = provider_of(&[&h.kdc, &h.provider]).unwrap();
    assert_eq!(kdc.organisation, "Example Operator");
    kdc.check_kdc_of(&realm()).unwrap();
    kdc.check_organisation("Example Operator").unwrap();
    assert!(matches!(
        kdc.check_organisation("Other"),
        Err(CertError::Organisation { .. })
    ));

    let local = issue::local_system_ca(&h.provider, key(1), "Elsewhere", "North", &terms()).unwrap();
    let fqdn = "kdc.pktc.example.net".parse().unwrap();
    let leaf = issue::kdc(&local, key(5), "Elsewhere", &fqdn, &realm(), &terms()).unwrap();
    let kdc = provider_of(&[&leaf, &local, &h.provider]).unwrap();
    assert_eq!(kdc.organisation, "Example Operator");
    kdc.check_kdc_of(&realm()).unwrap();
}

#[test]
fn only_the_realms_kdc_is_its_kdc() {
    let h = hierarchy();
    let kdc = provider_of(&[&h.kdc, &h.provider]).unwrap();
    let refused = kdc.check_kdc_of(&"OTHER.EXAMPLE.NET".parse().unwrap()).unwrap_err();
    assert_eq!(refused.krb_code(), 76);
    let fqdn = "boot.pktc.example.net".parse().unwrap();
    let server = issue::bootstrap(&h.provider, key(5), "Example Operator", &[fqdn], &[], &terms()).unwrap();
    let server = provider_of(&[&server, &h.provider]).unwrap();
    assert!(server.check_kdc_of(&realm()).is_err());
    assert!(check_kdc_purpose(&kdc.path.leaf) && !check_kdc_purpose(&server.path.leaf));
    assert!(check_kdc_purpose(&kdc.path.authorities[0]), "no purpose at all");
}

#[test]
fn the_openssl_tool_verifies_what_is_issued() {
    let h = hierarchy();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let names = ["boot.pktc.example.net".parse().unwrap()];
    let addresses = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let bootstrap = issue::bootstrap(&h.provider, key(1), "Example Operator", &names, &addresses, &terms()).unwrap();
    for (root, ca, leaf) in [
        (&h.mta_root, &h.manufacturer, &h.device),
        (&h.provider_root, &h.provider, &h.kdc),
        (&h.provider_root, &h.provider, &bootstrap),
    ] {
        let root = pem_file(folder, "root.pem", &[root]);
        let ca = pem_file(folder, "ca.pem", &[ca]);
        let leaf = pem_file(folder, "leaf.pem", &[leaf]);
        let paths = [&root, &ca, &leaf].map(|path| path.to_str().unwrap());
        let time = NOW.unix().to_string();
        openssl(&[
            "verify",
            "-x509_strict",
            "-attime",
            &time,
            "-CAfile",
            paths[0],
            "-untrusted",
            paths[1],
            paths[2],
        ]);
    }
    let text = |credential: &Credential| {
        let path = file(folder, "leaf.der", &credential.certificate);
        let said = openssl(&[
            "x509",
            "-inform",
            "DER",
            "-noout",
            "-text",
            "-in",
            path.to_str().unwrap(),
        ]);
        String::from_utf8(said).unwrap()
    };
    let server = text(&bootstrap);
    assert!(
        server.contains("DNS:boot.pktc.example.net, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"),
        "{server}"
    );
    let device = text(&h.device);
    assert!(device.contains("CN = 00:11:22:AA:BB:CC"), "{device}");
    assert!(device.contains("sha1WithRSAEncryption"), "{device}");
    let kdc = text(&h.kdc);
    assert!(kdc.contains("CN = kdc.pktc.example.net"), "{kdc}");
    assert!(kdc.contains("othername: 1.3.6.1.5.2.2"), "{kdc}");
    // RFC 4556 §3.2.4, by the name that openssl has for it.
    assert!(kdc.contains("Signing KDC Response"), "{kdc}");
}

#[test]
fn the_same_terms_and_keys_give_the_same_certificate() {
    let h = hierarchy();
    let again = issue::device(&h.manufacturer, key(2), MAC, &terms()).unwrap();
    assert_eq!(again.certificate, h.device.certificate);
}

#[test]
fn pem_reads_back() {
    let h = hierarchy();
    let chain = vec![h.device.certificate.clone(), h.manufacturer.certificate.clone()];
    let text = certificates_to_pem(&chain).unwrap();
    assert_eq!(certificates_from_pem(text.as_bytes()), Ok(chain));
    let key = key_to_pem(&h.device.key).unwrap();
    assert!(key_from_pem(key.expose()).unwrap().public_eq(&h.device.key));
    assert_eq!(certificates_from_pem(b"nothing"), Err(PemError::Certificate));
    assert_eq!(key_from_pem(text.as_bytes()).unwrap_err(), PemError::Key);
    assert!(certificates_to_pem(&[b"nothing"]).is_err());
}

#[test]
fn no_single_bit_of_a_certificate_can_be_changed() {
    let h = hierarchy();
    let anchors = anchors(&h.mta_root);
    for bit in 0..h.device.certificate.len() * 8 {
        let mut altered = h.device.certificate.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let chain = [&altered, &h.manufacturer.certificate];
        assert!(
            VerifiedDevice::verify(&chain, &anchors).is_err(),
            "octet {} bit {}",
            bit / 8,
            bit % 8
        );
    }
}

proptest! {
    #[test]
    fn hostile_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Certificate::parse(&octets, 0);
    }

    #[test]
    fn an_altered_octet_never_panics_nor_passes(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let h = hierarchy();
        let mut altered = h.device.certificate.clone();
        let at = at.index(altered.len());
        altered[at] ^= flip;
        let chain = [&altered, &h.manufacturer.certificate];
        prop_assert!(VerifiedDevice::verify(&chain, &anchors(&h.mta_root)).is_err(), "octet {at}");
    }
}
