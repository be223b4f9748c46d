//! The ten requests of fixtures/heimdal-as-req, none of which our code had a hand in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::wire::cert::{CertError, VerifiedDevice, certificates_from_pem};

/// File, second of sending after 23:00 UTC, whether there is a Diffie-Hellman value.
const REQUESTS: [(&str, u32, u32, bool); 10] = [
    ("2003-nodh", 16, 38, false),
    ("2004-dh-md5", 16, 14, true),
    ("2004-dh-sha1", 16, 17, true),
    ("2004-dh-rawy", 16, 21, true),
    ("2004-dh-highnonce", 16, 24, true),
    ("2004-dh-etype5", 16, 27, true),
    ("2004-dh-tgt", 16, 31, true),
    ("2004-dh-notill-nocname", 16, 34, true),
    ("2005-nodh", 16, 41, false),
    ("2005-dh", 16, 45, false),
];

struct Vector {
    pa_value: Vec<u8>,
    body: Vec<u8>,
    nonce: u32,
    sent: Timestamp,
    has_dh: bool,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/heimdal-as-req")
        .join(name);
    std::fs::read(path).unwrap()
}

/// The first value of `octets`: tag, whole value, content; and what follows it. Tests trust their input.
fn split(octets: &[u8]) -> (u8, &[u8], &[u8], &[u8]) {
    let (header, length) = match octets[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            let length = octets[2..2 + count]
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            (2 + count, length)
        }
    };
    let (whole, rest) = octets.split_at(header + length);
    (octets[0], whole, &whole[header..], rest)
}

/// The content of the child with `tag` of a constructed value's content.
fn child(mut content: &[u8], tag: u8) -> &[u8] {
    loop {
        let (found, _, inner, rest) = split(content);
        if found == tag {
            return inner;
        }
        content = rest;
    }
}

impl Vector {
    fn read((name, minute, second, has_dh): (&str, u32, u32, bool)) -> Self {
        let datagram = fixture(&format!("{name}.der"));
        let (_, _, request, _) = split(split(&datagram).2);
        let body = child(request, 0xa4).to_vec();
        let mut elements = split(child(request, 0xa3)).2;
        let pa_value = loop {
            let (_, _, element, rest) = split(elements);
            if child(element, 0xa1) == [2, 1, 14] {
                break split(child(element, 0xa2)).2.to_vec();
            }
            elements = rest;
        };
        let nonce = split(child(split(&body).2, 0xa7)).2;
        let nonce = nonce.iter().fold(0u32, |sum, octet| sum << 8 | u32::from(*octet));
        Self {
            pa_value,
            nonce,
            sent: Timestamp::from_civil(2026, 11, 21, 23, minute, second).unwrap(),
            has_dh,
            body,
        }
    }

    fn all() -> impl Iterator<Item = (&'static str, Self)> {
        REQUESTS.into_iter().map(|request| (request.0, Self::read(request)))
    }

    fn open(&self, now: Timestamp) -> Result<PkinitRequest, PkinitError> {
        self.open_as(now, &self.pa_value, &self.body, self.nonce)
    }

    fn open_as(&self, now: Timestamp, pa_value: &[u8], body: &[u8], nonce: u32) -> Result<PkinitRequest, PkinitError> {
        let kdc = their_kdc();
        open_request(&RequestParts { pa_value, body, nonce }, &kdc.policy(), now)
    }
}

/// Our KDC with their device root.
fn their_kdc() -> Kdc {
    let root = certificates_from_pem(&fixture("mta-root.pem")).unwrap();
    Kdc {
        anchors: TrustAnchors::from_der(root).unwrap(),
        ..Kdc::new()
    }
}

#[test]
fn every_request_is_accepted_at_its_time() {
    let device = certificates_from_pem(&fixture("device.pem")).unwrap().remove(0);
    for (name, vector) in Vector::all() {
        let request = vector
            .open(vector.sent)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(request.identity.mac.to_string(), "00:11:22:33:44:55", "{name}");
        assert_eq!(request.identity.device.path.leaf.der(), device, "{name}");
        assert_eq!(request.identity.warnings, [], "{name}");
        assert_eq!((request.ctime, request.cusec), (vector.sent, 0), "{name}");
        assert_eq!(request.client_public.is_some(), vector.has_dh, "{name}");
        assert!(
            request.client_public.is_none_or(|y| y.group() == DhGroup::Oakley2),
            "{name}"
        );
        assert!(request.body_bound, "{name}");
    }
}

#[test]
fn the_raw_public_value_is_the_one_in_the_octets() {
    let (_, vector) = Vector::all().find(|(name, _)| *name == "2004-dh-rawy").unwrap();
    let y = vector.open(vector.sent).unwrap().client_public.unwrap();
    assert!(format!("{y:?}").contains("[255, 184, 249, 145, "), "{y:?}");
}

#[test]
fn p36_nonces_are_equal_modulo_2_to_the_32() {
    let (_, vector) = Vector::all().find(|(name, _)| *name == "2004-dh-highnonce").unwrap();
    assert_eq!(vector.nonce, 0x97ab_c244);
    assert_eq!(vector.open(vector.sent).unwrap().nonce, 0x97ab_c244);
}

#[test]
fn every_request_is_refused_outside_the_skew() {
    for (name, vector) in Vector::all() {
        for off in [-301, 301] {
            let now = Timestamp::from_unix(vector.sent.unix() + off);
            let refused = vector.open(now).unwrap_err();
            assert_eq!(refused.krb_code(), 37, "{name} {refused}");
        }
        let now = Timestamp::from_unix(vector.sent.unix() + 300);
        assert!(vector.open(now).is_ok(), "{name}");
    }
}

#[test]
fn every_request_is_refused_with_another_nonce() {
    for (name, vector) in Vector::all() {
        let refused = vector.open_as(vector.sent, &vector.pa_value, &vector.body, vector.nonce ^ 1);
        assert!(matches!(refused, Err(PkinitError::Nonce { .. })), "{name} {refused:?}");
    }
}

#[test]
fn every_request_is_refused_with_another_body() {
    for (name, vector) in Vector::all() {
        let mut body = vector.body.clone();
        *body.last_mut().unwrap() ^= 1;
        let refused = vector.open_as(vector.sent, &vector.pa_value, &body, vector.nonce);
        assert_eq!(refused, Err(PkinitError::Checksum), "{name}");
    }
}

#[test]
fn every_request_is_refused_with_another_signature() {
    for (name, vector) in Vector::all() {
        // The signature is the last field of a PA-PK-AS-REQ with nothing optional.
        let mut pa_value = vector.pa_value.clone();
        *pa_value.last_mut().unwrap() ^= 1;
        let refused = vector
            .open_as(vector.sent, &pa_value, &vector.body, vector.nonce)
            .unwrap_err();
        assert!(matches!(refused, PkinitError::Signature(_)), "{name} {refused}");
        assert_eq!(refused.krb_code(), 64);
    }
}

#[test]
fn every_request_is_refused_with_another_certificate() {
    let device = certificates_from_pem(&fixture("device.pem")).unwrap().remove(0);
    for (name, vector) in Vector::all() {
        let start = vector
            .pa_value
            .windows(device.len())
            .position(|window| window == device)
            .unwrap();
        // The last octet of the certificate's own signature; and one of the MAC in its subject.
        let mac = device
            .windows(17)
            .position(|window| window == b"00:11:22:33:44:55")
            .unwrap();
        for at in [start + device.len() - 1, start + mac + 16] {
            let mut pa_value = vector.pa_value.clone();
            pa_value[at] ^= 1;
            let refused = vector
                .open_as(vector.sent, &pa_value, &vector.body, vector.nonce)
                .unwrap_err();
            assert!(
                matches!(
                    refused,
                    PkinitError::Certificate(CertError::Signature { position: 0, .. })
                ),
                "{name} {refused}"
            );
            assert_eq!(refused.krb_code(), 71);
        }
    }
}

#[test]
fn every_request_is_refused_with_another_public_value() {
    for (name, vector) in Vector::all().filter(|(_, vector)| vector.has_dh) {
        // A bit of the prime in the signed content: the signature is weighed before the group.
        let prime = [0x51, 0x4a, 0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd];
        let at = vector.pa_value.windows(8).position(|window| window == prime).unwrap();
        let mut pa_value = vector.pa_value.clone();
        pa_value[at] ^= 1;
        let refused = vector
            .open_as(vector.sent, &pa_value, &vector.body, vector.nonce)
            .unwrap_err();
        assert_eq!(refused.krb_code(), 64, "{name} {refused}");
    }
}

#[test]
fn every_request_is_refused_under_another_root() {
    for (name, vector) in Vector::all() {
        let kdc = Kdc::new();
        let parts = RequestParts {
            pa_value: &vector.pa_value,
            body: &vector.body,
            nonce: vector.nonce,
        };
        let refused = open_request(&parts, &kdc.policy(), vector.sent).unwrap_err();
        assert!(matches!(refused, PkinitError::Certificate(_)), "{name} {refused}");
    }
}

/// Remembers chains and counts how often that helped.
#[derive(Default)]
struct Counting {
    chains: Mutex<HashMap<[u8; 32], Arc<VerifiedDevice>>>,
    hits: AtomicU32,
}

impl ChainCache for Counting {
    fn get(&self, key: &[u8; 32]) -> Option<Arc<VerifiedDevice>> {
        let found = self.chains.lock().unwrap().get(key).cloned();
        self.hits.fetch_add(u32::from(found.is_some()), Ordering::Relaxed);
        found
    }

    fn put(&self, key: [u8; 32], device: &Arc<VerifiedDevice>) {
        self.chains.lock().unwrap().insert(key, Arc::clone(device));
    }
}

#[test]
fn a_verified_chain_is_verified_once_and_still_judged_each_time() {
    let cache = Counting::default();
    let kdc = their_kdc();
    for (name, vector) in Vector::all().filter(|(name, _)| name.starts_with("2004")) {
        let parts = |pa_value| RequestParts {
            pa_value,
            body: &vector.body,
            nonce: vector.nonce,
        };
        assert!(
            open_request(&parts(&vector.pa_value), &kdc.policy_with(&cache), vector.sent).is_ok(),
            "{name}"
        );
        // A hit does not spare the signature.
        let mut altered = vector.pa_value.clone();
        *altered.last_mut().unwrap() ^= 1;
        let refused = open_request(&parts(&altered), &kdc.policy_with(&cache), vector.sent).unwrap_err();
        assert_eq!(refused.krb_code(), 64, "{name}");
    }
    assert_eq!(
        cache.hits.into_inner(),
        13,
        "seven requests and seven forgeries, all but the first from the cache"
    );
}

#[test]
fn a_request_answered_opens_with_nothing_of_ours_but_the_reply() {
    let vectors: Vec<_> = Vector::all().filter(|(_, vector)| vector.has_dh).collect();
    let kdc = their_kdc();
    let mut random = crate::value::SeededRandom::new(5);
    let pair = DhKeyPair::generate(DhGroup::Oakley2, &mut random).unwrap();
    for (name, vector) in vectors {
        let request = vector.open(vector.sent).unwrap();
        let (pa_value, key) = build_reply_dh(&kdc.identity, &request, &pair, ReplyKeyRule::default()).unwrap();
        assert_eq!(key.len(), 24, "{name}");
        assert_eq!(pa_value[0], 0xa0, "{name}");
    }
}
