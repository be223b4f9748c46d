//! The openssl command line tool on what we build: `openssl cms` knows SignedData and EnvelopedData of its own.

use super::super::asn1::{PaPkAsRep, PaPkAsReq};
use super::super::{cms, oid};
use super::*;
use crate::value::{Secret, SeededRandom};
use crate::wire::cert::testing::{file, openssl, pem_file};
use crate::wire::cert::{issue::Credential, key_to_pem};

/// `openssl cms -verify`: the signed content, where signature and chain hold.
fn verified(content_info: &[u8], root: &Credential) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let input = file(folder.path(), "signed.der", content_info);
    let root = pem_file(folder.path(), "root.pem", &[root]);
    let time = NOW.unix().to_string();
    openssl(&[
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        input.to_str().unwrap(),
        "-CAfile",
        root.to_str().unwrap(),
        "-purpose",
        "any",
        "-attime",
        &time,
    ])
}

#[test]
fn the_openssl_tool_verifies_our_requests() {
    let pair = DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(1)).unwrap();
    for (digest, signed_attributes) in [
        (CmsDigest::Sha1, false),
        (CmsDigest::Sha256, false),
        (CmsDigest::Sha1, true),
        (CmsDigest::Sha256, true),
    ] {
        let shape = RequestShape {
            digest,
            signed_attributes,
            ..RequestShape::default()
        };
        let value: PaPkAsReq = rasn::der::decode(&request(Some(&pair), &shape)).unwrap();
        let content = verified(value.signed_auth_pack.as_bytes(), &hierarchy().mta_root);
        assert!(
            rasn::der::decode::<super::super::asn1::AuthPack>(&content).is_ok(),
            "{shape:?}"
        );
    }
}

#[test]
fn the_openssl_tool_verifies_our_diffie_hellman_reply() {
    let kdc = Kdc::new();
    let pair = DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(1)).unwrap();
    let opened = kdc.open(&request(Some(&pair), &RequestShape::default()), NOW).unwrap();
    let (reply, _) = build_reply_dh(&kdc.identity, &opened, &pair, ReplyKeyRule::default()).unwrap();
    let Ok(PaPkAsRep::DhSignedData(content)) = rasn::der::decode(&reply) else {
        panic!("not dhSignedData")
    };
    let content = verified(content.as_bytes(), &hierarchy().provider_root);
    assert!(rasn::der::decode::<super::super::asn1::KdcDhKeyInfo>(&content).is_ok());
}

#[test]
fn the_openssl_tool_decrypts_our_envelope_and_verifies_what_is_inside() {
    let (kdc, h) = (Kdc::new(), hierarchy());
    let opened = kdc.open(&request(None, &RequestShape::default()), NOW).unwrap();
    let key = Secret::new(vec![0x2a; 24]);
    let reply = build_reply_enc_key_pack(&kdc.identity, &opened, 5, &key, &mut SeededRandom::new(1)).unwrap();
    let Ok(PaPkAsRep::EncKeyPack(content)) = rasn::der::decode(&reply) else {
        panic!("not encKeyPack")
    };
    let folder = tempfile::tempdir().unwrap();
    let input = file(folder.path(), "enveloped.der", content.as_bytes());
    let recipient = pem_file(folder.path(), "device.pem", &[&h.device]);
    let private = file(folder.path(), "device.key", key_to_pem(&h.device.key).unwrap().expose());
    let signed = openssl(&[
        "cms",
        "-decrypt",
        "-binary",
        "-inform",
        "DER",
        "-in",
        input.to_str().unwrap(),
        "-recip",
        recipient.to_str().unwrap(),
        "-inkey",
        private.to_str().unwrap(),
    ]);
    let signed = cms::content_info(oid::SIGNED_DATA, signed).unwrap();
    let pack = verified(&signed, &h.provider_root);
    assert!(pack.windows(24).any(|window| window == key.expose()));
}
