//! The device side: root, manufacturer CA, device (fact sheet security §5).

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{CertError, CertPolicy, CertWarning, Certificate, TrustAnchors, VerifiedPath};
use crate::value::{MacAddress, Timestamp};

/// A device certificate whose chain holds. It depends on the certificates and the anchors alone, not on the time or the
/// policy, so it may be cached for as long as the anchors stay the same; [`VerifiedDevice::admit`] does the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDevice {
    /// The MAC address in the subject's common name.
    pub mac: MacAddress,
    /// The chain, up to its anchor.
    pub path: VerifiedPath,
}

/// Who a device is, by its certificate, at one instant under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The MAC address in the subject's common name.
    pub mac: MacAddress,
    /// SHA-1 over the DER SubjectPublicKeyInfo (profile P19).
    pub spki_sha1: [u8; 20],
    /// The certificate and the chain above it.
    pub device: Arc<VerifiedDevice>,
    /// When the manufacturer's certificate was revoked, where it was.
    pub manufacturer_revoked: Option<Timestamp>,
    /// What was odd and accepted.
    pub warnings: Vec<CertWarning>,
}

/// Where verified chains are kept between requests: a device sends the same certificates each time. The key is
/// [`chain_key`]. To be emptied when the anchors change.
pub trait ChainCache {
    /// The device verified earlier under `key`.
    fn get(&self, key: &[u8; 32]) -> Option<Arc<VerifiedDevice>>;
    /// Keeps `device` under `key`, for as long as the cache likes.
    fn put(&self, key: [u8; 32], device: &Arc<VerifiedDevice>);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

impl ChainCache for NoCache {
    fn get(&self, _: &[u8; 32]) -> Option<Arc<VerifiedDevice>> {
        None
    }

    fn put(&self, _: [u8; 32], _: &Arc<VerifiedDevice>) {}
}

/// SHA-256 over the certificates as sent, each with its length before it (eight octets, big-endian).
pub fn chain_key<C: AsRef<[u8]>>(chain: &[C]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for certificate in chain {
        digest.update((certificate.as_ref().len() as u64).to_be_bytes());
        digest.update(certificate.as_ref());
    }
    digest.finalize().into()
}

impl VerifiedDevice {
    /// Verifies a chain of DER certificates: the device's first, the others in any order, the root may be left out.
    ///
    /// # Errors
    /// See [`CertError`]; dates and revocation are judged by [`VerifiedDevice::admit`].
    pub fn verify<C: AsRef<[u8]>>(chain: &[C], anchors: &TrustAnchors) -> Result<Self, CertError> {
        let certificates = super::chain::parse_all(chain)?;
        let (leaf, others) = certificates.split_first().ok_or(CertError::Empty)?;
        Self::verify_parsed(leaf, others, anchors)
    }

    /// The same for certificates that have been read already; `others` may hold `leaf` as well.
    ///
    /// # Errors
    /// Those of [`VerifiedDevice::verify`].
    pub fn verify_parsed(
        leaf: &Certificate,
        others: &[Certificate],
        anchors: &TrustAnchors,
    ) -> Result<Self, CertError> {
        let mac = mac_of(leaf)?;
        let path = VerifiedPath::build(leaf, others, anchors)?;
        Ok(Self { mac, path })
    }

    /// The manufacturer's CA certificate: the one that issued the device's.
    pub fn manufacturer(&self) -> &Certificate {
        self.path.authorities.first().unwrap_or(&self.path.leaf)
    }

    /// Judges the chain at `now` under `policy`.
    ///
    /// # Errors
    /// `Expired`, `Revoked`, `RevocationUnknown` and `RevocationStale`, where the policy refuses them.
    pub fn admit(self: &Arc<Self>, policy: &CertPolicy, now: Timestamp) -> Result<DeviceIdentity, CertError> {
        let warnings = policy.judge(&self.path, now)?;
        let manufacturer = self.manufacturer();
        let revoked = policy.revoked_manufacturers.since(manufacturer);
        match revoked {
            Some(since) if policy.refuse_revoked && since <= now => Err(CertError::Revoked {
                subject: manufacturer.subject_text(),
                since,
            }),
            _ => Ok(DeviceIdentity {
                mac: self.mac,
                spki_sha1: self.path.leaf.spki_sha1(),
                device: Arc::clone(self),
                manufacturer_revoked: revoked,
                warnings,
            }),
        }
    }
}

/// The MAC address that the subject's common names spell, where they spell exactly one.
pub(crate) fn mac_of(leaf: &Certificate) -> Result<MacAddress, CertError> {
    let mut addresses: Vec<MacAddress> = leaf.common_names.iter().filter_map(|cn| cn.parse().ok()).collect();
    addresses.dedup();
    match addresses.as_slice() {
        [mac] => Ok(*mac),
        _ => Err(CertError::NoMac(leaf.subject_text())),
    }
}
