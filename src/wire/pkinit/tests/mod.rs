//! PKINIT: against requests that were made elsewhere, against the openssl tool, and both of our halves together.

mod heimdal;
mod hostile;
mod openssl;
mod round_trip;

use std::time::Duration;

use super::*;
use crate::value::{Realm, Timestamp};
use crate::wire::cert::testing::{NOW, anchors, hierarchy, realm};
use crate::wire::cert::{CertPolicy, ChainCache, NoCache, TrustAnchors};

/// A body's stand-in: PKINIT treats it as octets.
const BODY: &[u8] = b"\x30\x04body";
const NONCE: u32 = 0x97ab_c244;

/// Everything a KDC judges by, in one place to borrow from.
struct Kdc {
    anchors: TrustAnchors,
    certificates: CertPolicy,
    realm: Realm,
    identity: Identity,
}

impl Kdc {
    /// The KDC of the look-alike hierarchy.
    fn new() -> Self {
        let h = hierarchy();
        let chain = [&h.kdc.certificate, &h.provider.certificate];
        Self {
            anchors: anchors(&h.mta_root),
            certificates: CertPolicy::default(),
            realm: realm(),
            identity: Identity::new(&chain, h.kdc.key.clone()).unwrap(),
        }
    }

    fn policy(&self) -> RequestPolicy<'_> {
        self.policy_with(&NoCache)
    }

    fn policy_with<'a>(&'a self, cache: &'a dyn ChainCache) -> RequestPolicy<'a> {
        RequestPolicy {
            anchors: &self.anchors,
            certificates: &self.certificates,
            cache,
            skew: Duration::from_secs(300),
            allow_oakley1: false,
            stock_min_bits: 1024,
            realm: &self.realm,
            kdc_certificate: Some(self.identity.certificate()),
        }
    }

    fn open(&self, pa_value: &[u8], now: Timestamp) -> Result<PkinitRequest, PkinitError> {
        let parts = RequestParts {
            pa_value,
            body: BODY,
            nonce: NONCE,
        };
        open_request(&parts, &self.policy(), now)
    }
}

/// The device of the look-alike hierarchy.
fn device() -> Identity {
    let h = hierarchy();
    let chain = [&h.device.certificate, &h.manufacturer.certificate];
    Identity::new(&chain, h.device.key.clone()).unwrap()
}

/// A request of that device with `shape`.
fn request(pair: Option<&DhKeyPair>, shape: &RequestShape) -> Vec<u8> {
    build_request(&device(), BODY, NONCE, NOW, pair, shape).unwrap()
}
