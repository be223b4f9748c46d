//! Each bit of each octet of recorded messages is changed: no changed message is believed, but where the protocol leaves
//! the bit unprotected. Those places are listed by name, with the reason.

#[path = "../fuzz/targets/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the corpus uses the rest")]
mod targets;

use std::collections::BTreeMap;

use hardline::provisioning::{self, KdcRequest};
use hardline::value::SeededRandom;
use hardline::wire::fqdn::open_request;
use hardline::wire::kerberos::{
    ChecksumType, EncType, EncryptionKey, Number32, SafeBody, SafeCoverage, build_safe, open_ap_req, open_safe,
};
use hardline::wire::keymgmt::{HmacKeys, HmacRecipe, Message};
use targets::world::{self, Chains, KDC, NOW};

/// Where in nested DER each octet lies: the indices of the values around it, from the outermost, as `0.1.3`. Octets of a
/// value's own identifier and length belong to the value. OCTET STRINGs and BIT STRINGs are looked into where one DER
/// value fills them.
fn places(octets: &[u8]) -> Vec<String> {
    let mut places = vec![String::new(); octets.len()];
    mark(octets, 0, "", &mut places);
    places
}

/// Marks the values that `octets`, which begin at `start` of the message, consist of.
fn mark(octets: &[u8], start: usize, above: &str, places: &mut [String]) {
    let mut at = 0;
    for index in 0.. {
        let Some((header, length)) = octets.get(at..).and_then(header) else {
            return;
        };
        let name = if above.is_empty() {
            index.to_string()
        } else {
            format!("{above}.{index}")
        };
        let end = at + header + length;
        places[start + at..start + end].fill(name.clone());
        let content = &octets[at + header..end];
        if octets[at] & 0x20 != 0 || fills(content) {
            mark(content, start + at + header, &name, places);
        }
        at = end;
    }
}

/// Whether one constructed DER value is all there is.
fn fills(content: &[u8]) -> bool {
    let constructed = content
        .first()
        .is_some_and(|tag| matches!(tag, 0x30 | 0x1b | 0x60..=0x7f));
    constructed && header(content).is_some_and(|(header, length)| header + length == content.len())
}

/// The sizes of the identifier with the length, and of the content, of the DER value that `octets` begin with.
fn header(octets: &[u8]) -> Option<(usize, usize)> {
    let first = *octets.get(1)?;
    let (header, length) = match first {
        0..=0x7f => (2, usize::from(first)),
        0x81..=0x83 => {
            let count = usize::from(first & 0x7f);
            let length = octets.get(2..2 + count)?;
            (
                2 + count,
                length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
            )
        }
        _ => return None,
    };
    (header + length <= octets.len()).then_some((header, length))
}

/// What became of every bit: the places of the changed messages that `believes` took, with their octets and bits.
fn flipped(message: &[u8], believes: impl Fn(&[u8]) -> bool) -> BTreeMap<String, Vec<(usize, u8)>> {
    assert!(believes(message), "the recorded message itself is believed");
    let places = places(message);
    let mut taken: BTreeMap<String, Vec<(usize, u8)>> = BTreeMap::new();
    let mut changed = message.to_vec();
    for at in 0..message.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            if believes(&changed) {
                taken.entry(places[at].clone()).or_default().push((at, bit));
            }
            changed[at] = message[at];
        }
    }
    taken
}

/// Fails where a changed message was taken outside the `unprotected` places. Each of these must be one: a list that says
/// too much would hide what comes to be taken there.
fn only(unprotected: &[(&str, &str)], taken: &BTreeMap<String, Vec<(usize, u8)>>) {
    for (place, bits) in taken {
        assert!(
            unprotected.iter().any(|(listed, _)| place == listed),
            "believed with another {place} (octets and bits {bits:?})"
        );
    }
    for (listed, reason) in unprotected {
        assert!(
            taken.contains_key(*listed),
            "{listed} is protected: take it off the list ({reason})"
        );
    }
}

/// Why the clear part of AP-REQs may change.
const CLEAR: &str = "AP-REQ and ticket protect what is encrypted (RFC 4120 §3.2); what is believed of the clear part is \
                     held against the encrypted part or the service's own name";

#[test]
fn as_request() {
    // Certificates that no bit touches are verified once.
    let chains = Chains::default();
    let original = believed_as(world::AS_REQUEST, &chains).expect("believed");
    let taken = flipped(world::AS_REQUEST, |octets| match believed_as(octets, &chains) {
        Some(believed) => {
            // Whatever was changed: it is the same device that asks for the same ticket, with the same key.
            assert_eq!(believed, original);
            true
        }
        None => false,
    });
    const PADATA: &str = "an AS Request signs its body; of its padata, only what CMS signs is protected";
    const CMS: &str = "CMS signs the content and the certificates sign themselves; what frames them is not signed \
                       (RFC 5652 §5.4)";
    only(
        &[
            ("0.0.2.0.0.1.0.0.0", CMS),               // signedAuthPack's tag
            ("0.0.2.0.0.1.0.0.0.0.0", CMS),           // ContentInfo's contentType: form
            ("0.0.2.0.0.1.0.0.0.0.1", CMS),           // ContentInfo's content: tag
            ("0.0.2.0.0.1.0.0.0.0.1.0.0", CMS),       // SignedData's version
            ("0.0.2.0.0.1.0.0.0.0.1.0.1.0.0", CMS),   // digestAlgorithms: a hint, never used (profile P40)
            ("0.0.2.0.0.1.0.0.0.0.1.0.1.0.1", CMS),   // and its parameters
            ("0.0.2.0.0.1.0.0.0.0.1.0.2.0", CMS),     // eContentType: the known misspelling (P17, P40), and form
            ("0.0.2.0.0.1.0.0.0.0.1.0.2.1", CMS),     // eContent's tag
            ("0.0.2.0.0.1.0.0.0.0.1.0.4.0.0", CMS),   // SignerInfo's version
            ("0.0.2.0.0.1.0.0.0.0.1.0.4.0.2.0", CMS), // digestAlgorithm: form
            ("0.0.2.0.0.1.0.0.0.0.1.0.4.0.2.1", CMS), // its parameters: NULL or absent (P40)
            ("0.0.2.0.0.1.0.0.0.0.1.0.4.0.3.0", CMS), // signatureAlgorithm: rsaEncryption or sha1WithRSA (P17)
            ("0.0.2.0.1.1.0.0", PADATA),              // PA-PROV-SRV-LOCATION: another server is asked, or none
        ],
        &taken,
    );
}

/// What a KDC believes of an AS Request.
#[derive(Debug, PartialEq)]
struct Believed {
    mac: String,
    service: String,
    pkinit: String,
}

fn believed_as(octets: &[u8], chains: &Chains) -> Option<Believed> {
    let Ok(KdcRequest::Pkinit(request)) = provisioning::read_request(octets, &KDC) else {
        return None;
    };
    let claim = provisioning::claim(&request, &KDC, chains, NOW).ok()?;
    let pkinit = provisioning::prove(&request, &claim, &KDC, chains, NOW).ok()?;
    Some(Believed {
        mac: pkinit.identity.mac.to_string(),
        service: request.service.to_string(),
        pkinit: format!("{pkinit:?}"),
    })
}

#[test]
fn tgs_request() {
    let keys = [world::service_key()];
    let taken = flipped(&world::tgs_request(), |octets| {
        match provisioning::read_request(octets, &KDC) {
            Ok(KdcRequest::Tgs(request)) => {
                provisioning::open_tgs(&request, &keys, world::peer().ip(), &KDC, NOW).is_ok()
            }
            _ => false,
        }
    });
    only(
        &[
            ("0.0.2.0.0.1.0.0.0.2.0", CLEAR),           // ap-options but use-session-key
            ("0.0.2.0.0.1.0.0.0.3.0.0.1.0", CLEAR),     // the ticket's realm: compared without case
            ("0.0.2.0.0.1.0.0.0.3.0.0.2.0.0.0", CLEAR), // the service's name type: no part of the name (RFC 4120 §6.2)
        ],
        &taken,
    );
}

#[test]
fn ap_request() {
    let (datagram, session_key, _) = world::ap_request();
    let taken = flipped(&datagram, |octets| {
        let Ok(Message::ApRequest(sealed)) = Message::decode(octets) else {
            return false;
        };
        let (service, keys) = (world::mtaprovsrvr(), [world::service_key()]);
        let Ok(opened) = open_ap_req(sealed.body.ap_req, &world::expectation(&service, &keys, NOW)) else {
            return false;
        };
        let keys = HmacKeys {
            session_key: &opened.session_key().value,
            authenticator_subkey: opened.authenticator.subkey.as_ref().map(|key| &key.value),
        };
        sealed.recipe(HmacRecipe::ALL, keys).is_some()
    });
    // The HMAC covers all of it (profile P1, P2).
    only(&[], &taken);
    assert_eq!(session_key.etype, 5);
}

#[test]
fn fqdn_request() {
    let (datagram, _) = targets::mta_fqdn_query();
    let (service, keys) = (world::mtafqdnmap(), [world::service_key()]);
    let open = |octets: &[u8]| open_request(octets, &world::expectation(&service, &keys, NOW)).ok();
    let original = open(&datagram).expect("believed");
    let taken = flipped(&datagram, |octets| match open(octets) {
        Some(opened) => {
            // It is the same question, and the replay cache knows it for the same.
            assert_eq!(opened.request, original.request);
            assert_eq!(opened.ap.replay_hash, original.ap.replay_hash);
            assert_eq!(opened.ap.client, original.ap.client);
            true
        }
        None => false,
    });
    only(
        &[
            ("0.0.2.0", CLEAR),           // ap-options but use-session-key
            ("0.0.3.0.0.1.0", CLEAR),     // the ticket's realm: compared without case
            ("0.0.3.0.0.2.0.0.0", CLEAR), // the service's name type: no part of the name (RFC 4120 §6.2)
        ],
        &taken,
    );
}

#[test]
fn krb_safe() {
    let mut random = SeededRandom::new(3);
    let body = SafeBody::new(b"user data".to_vec(), NOW, Some(Number32::new(77)));
    let mut cases: Vec<(EncryptionKey, Option<ChecksumType>, SafeCoverage)> = Vec::new();
    for etype in EncType::ALL {
        for coverage in [SafeCoverage::Message, SafeCoverage::Body] {
            cases.push((etype.generate(&mut random), None, coverage));
        }
    }
    for (key, kind, coverage) in cases {
        let safe = build_safe(&body, &key, kind, coverage, &mut random).expect("a KRB-SAFE");
        let taken = flipped(&safe, |octets| open_safe(octets, &key).is_ok());
        assert!(taken.is_empty(), "etype {} {coverage:?}: {taken:?}", key.etype);
    }
}
