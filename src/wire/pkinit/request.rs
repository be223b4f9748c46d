//! PA-PK-AS-REQ: how the KDC judges what a client sends. What costs nothing comes first ([`Claim::read`]), the public-key
//! operations after it ([`Claim::prove`]).

use std::sync::Arc;
use std::time::Duration;

use md5::Md5;
use rasn::types::{GeneralString, OctetString};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq;

use super::asn1::{
    AuthPack, Checksum, NamedPkAuthenticator, PaPkAsReq, PkAuthenticator, SubjectPublicKeyInfo, read, write,
};
use super::cms::{Certificates, CmsDigest, Signed};
use super::identity::identifies;
use super::typed_data;
use super::{DhGroup, DhPublic, PkinitError, oid};
use crate::value::{MacAddress, Realm, Timestamp};
use crate::wire::cert::{CertPolicy, Certificate, ChainCache, DeviceIdentity, TrustAnchors, VerifiedDevice, mac_of};

/// What of an AS-REQ concerns PKINIT.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// The padata-value of the element with type 14 (drafts) or 16 (RFC 4556).
    pub pa_value: &'a [u8],
    /// The KDC-REQ-BODY as received: the SEQUENCE with its tag and length.
    pub body: &'a [u8],
    /// The body's nonce, modulo 2^32 (profile P36).
    pub nonce: u32,
}

/// What the KDC judges a request by.
#[derive(Clone, Copy)]
pub struct RequestPolicy<'a> {
    /// The device roots.
    pub anchors: &'a TrustAnchors,
    /// Dates and revocation.
    pub certificates: &'a CertPolicy,
    /// Chains verified before, under the same anchors.
    pub cache: &'a dyn ChainCache,
    /// How far the client's clock may be off, both ways.
    pub skew: Duration,
    /// Accept Oakley group 1 from devices (profile P16).
    pub allow_oakley1: bool,
    /// The shortest prime that a client of RFC 4556 may use, bits.
    pub stock_min_bits: usize,
    /// The KDC's realm.
    pub realm: &'a Realm,
    /// The KDC's own certificate, for a client that asks for a particular one.
    pub kdc_certificate: Option<&'a Certificate>,
}

impl RequestPolicy<'_> {
    /// Whether a client that speaks `dialect` may use `group`.
    fn accepts(&self, dialect: Dialect, group: DhGroup) -> bool {
        match dialect {
            Dialect::Draft => group != DhGroup::Oakley1 || self.allow_oakley1,
            Dialect::Rfc4556 => group.octets() * 8 >= self.stock_min_bits,
        }
    }
}

/// A request whose every check has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkinitRequest {
    /// Who asks.
    pub identity: DeviceIdentity,
    /// Which PKINIT it speaks.
    pub dialect: Dialect,
    /// The authenticator's nonce, modulo 2^32.
    pub nonce: u32,
    /// The nonce as the authenticator has it: the reply repeats it.
    pub(super) nonce_as_sent: i64,
    /// The client's time, its microseconds included.
    pub ctime: Timestamp,
    /// The microseconds of the client's time, 0 to 999,999.
    pub cusec: u32,
    /// The client's Diffie-Hellman value; without one the reply is an encKeyPack (profile P38).
    pub client_public: Option<DhPublic>,
    /// clientDHNonce: the client would let the KDC reuse its pair openly (RFC 4556 §3.2.3.1).
    pub client_dh_nonce: Option<Vec<u8>>,
    /// The digest that the client signs with, and so understands.
    pub digest: CmsDigest,
    /// Whether a checksum binds the request body to the signature. The authenticators of drafts -08 to -11 have none:
    /// only the nonce ties such a request together, and a man in the middle may have changed its server name.
    pub body_bound: bool,
}

/// Which PKINIT a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The early drafts: padata types 14 and 15. Devices.
    Draft,
    /// RFC 4556: padata types 16 and 17. Stock clients.
    Rfc4556,
}

/// What every form of the authenticator says.
#[derive(Debug, Clone)]
pub(super) struct Authenticator {
    pub ctime: Timestamp,
    pub cusec: u32,
    pub nonce: i64,
    pub binding: Binding,
}

/// What ties an authenticator to the rest of the request.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    /// A checksum over the body; in the drafts the nonce as well.
    Checksum(Checksum),
    /// The name of the KDC's realm, and the nonce.
    Kdc(GeneralString),
    /// SHA-1 over the body (RFC 4556: the nonce need not be the body's); `None` where it is missing.
    Sha1(Option<OctetString>),
}

/// A PA-PK-AS-REQ taken apart in either dialect.
pub(super) struct Parsed {
    pub signed: Signed,
    pub authenticator: Authenticator,
    pub client_public_value: Option<SubjectPublicKeyInfo>,
    pub client_dh_nonce: Option<Vec<u8>>,
    /// The DER SignerIdentifier of the KDC certificate that the client asks for.
    pub kdc_certificate: Option<Vec<u8>>,
}

/// A PA-PK-AS-REQ that passed every check that costs no public-key operation: it is well formed, fresh, and bound to its
/// body. Nothing of it is proven.
pub struct Claim {
    dialect: Dialect,
    parsed: Parsed,
    chain_key: [u8; 32],
    mac: MacAddress,
    /// The device, where its chain was verified before.
    known: Option<Arc<VerifiedDevice>>,
    /// The certificates, where it was not.
    certificates: Option<Certificates>,
}

impl Claim {
    /// Reads `parts`, whose `pa_value` is in `dialect`, and checks what is cheap: the form, the time, the nonce and the
    /// checksum over the body, which KDC certificate is wanted, and that the signer's certificate names a MAC address.
    ///
    /// # Errors
    /// See [`PkinitError`].
    pub fn read(
        dialect: Dialect,
        parts: &RequestParts<'_>,
        policy: &RequestPolicy<'_>,
        now: Timestamp,
    ) -> Result<Self, PkinitError> {
        let parsed = match dialect {
            Dialect::Draft => read_draft(parts.pa_value)?,
            Dialect::Rfc4556 => super::rfc4556::read_request(parts.pa_value)?,
        };
        parsed.authenticator.check(parts, policy, now)?;
        if let (Some(wanted), Some(own)) = (&parsed.kdc_certificate, policy.kdc_certificate)
            && !identifies(wanted, own)
        {
            return Err(PkinitError::KdcCertificate);
        }
        let chain_key = parsed.signed.chain_key();
        let known = policy.cache.get(&chain_key);
        let certificates = match known {
            Some(_) => None,
            None => Some(parsed.signed.certificates()?),
        };
        let mac = match (&known, &certificates) {
            (Some(device), _) => device.mac,
            (None, Some(certificates)) => mac_of(&certificates.signer)?,
            (None, None) => return Err(PkinitError::SignerUnknown(0)),
        };
        Ok(Self {
            dialect,
            parsed,
            chain_key,
            mac,
            known,
            certificates,
        })
    }

    /// The MAC address that the signer's certificate names.
    pub fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Proves the claim: the certificates' signatures (or the cache), then the request's, and last the Diffie-Hellman value.
    ///
    /// # Errors
    /// See [`PkinitError`].
    pub fn prove(&self, policy: &RequestPolicy<'_>, now: Timestamp) -> Result<PkinitRequest, PkinitError> {
        let Parsed {
            signed, authenticator, ..
        } = &self.parsed;
        let device = match (&self.known, &self.certificates) {
            (Some(device), _) => device.clone(),
            (None, Some(sent)) => Arc::new(VerifiedDevice::verify_parsed(&sent.signer, &sent.all, policy.anchors)?),
            (None, None) => return Err(PkinitError::SignerUnknown(0)),
        };
        let identity = device.admit(policy.certificates, now)?;
        signed.verify(&device.path.leaf)?;
        policy.cache.put(self.chain_key, &device);
        let client_public = match &self.parsed.client_public_value {
            Some(spki) => Some(self.public_value(spki, policy)?),
            None => None,
        };
        Ok(PkinitRequest {
            identity,
            dialect: self.dialect,
            nonce: authenticator.nonce as u32,
            nonce_as_sent: authenticator.nonce,
            ctime: authenticator.ctime,
            cusec: authenticator.cusec,
            client_public,
            client_dh_nonce: self.parsed.client_dh_nonce.clone(),
            digest: signed.digest()?,
            body_bound: !matches!(authenticator.binding, Binding::Kdc(_)),
        })
    }

    /// The client's Diffie-Hellman value; its group is weighed before the costly validation.
    fn public_value(&self, spki: &SubjectPublicKeyInfo, policy: &RequestPolicy<'_>) -> Result<DhPublic, PkinitError> {
        let group = DhPublic::group_of(spki)?;
        if !policy.accepts(self.dialect, group) {
            let bits = group.octets() * 8;
            return Err(PkinitError::DhGroup { bits });
        }
        DhPublic::from_bits(group, &spki.public_key)
    }

    /// The e-data of the KRB-ERROR that tells the client of `error`: what [`PkinitError::e_data`] says, and for a
    /// certificate that is refused which of those sent it is.
    pub fn e_data(&self, error: &PkinitError, anchors: &TrustAnchors) -> Option<Vec<u8>> {
        match self.refused_certificate(error) {
            Some((at, certificate)) => typed_data::refused_certificate(self.dialect, at, certificate),
            None => error.e_data(self.dialect, anchors),
        }
    }

    /// Which of the certificates sent `error` speaks of, and its place among them.
    fn refused_certificate(&self, error: &PkinitError) -> Option<(usize, &Certificate)> {
        let sent = match (&self.certificates, &self.known) {
            (Some(certificates), _) => certificates.all.iter().collect::<Vec<_>>(),
            (None, Some(device)) => device.path.certificates().collect(),
            (None, None) => Vec::new(),
        };
        let PkinitError::Certificate(error) = error else {
            return None;
        };
        let subject = error.refused_subject()?;
        let named = |certificate: &&Certificate| certificate.subject_text() == subject;
        let at = sent.iter().position(named)?;
        sent.get(at).map(|certificate| (at, *certificate))
    }
}

/// Opens and judges a PA-PK-AS-REQ of the drafts: [`Claim::read`], then [`Claim::prove`].
///
/// # Errors
/// See [`PkinitError`]; [`PkinitError::krb_code`] and [`PkinitError::e_data`] say what to tell the client.
pub fn open_request(
    parts: &RequestParts<'_>,
    policy: &RequestPolicy<'_>,
    now: Timestamp,
) -> Result<PkinitRequest, PkinitError> {
    Claim::read(Dialect::Draft, parts, policy, now)?.prove(policy, now)
}

/// Takes apart a PA-PK-AS-REQ of the drafts.
fn read_draft(pa_value: &[u8]) -> Result<Parsed, PkinitError> {
    let request: PaPkAsReq = read(pa_value, "PA-PK-AS-REQ")?;
    let signed = Signed::read(request.signed_auth_pack.as_bytes())?;
    signed.expect_content(&[oid::PK_AUTH_DATA, oid::PK_AUTH_DATA_MISSPELT, oid::DATA])?;
    let pack: AuthPack = read(&signed.content, "AuthPack")?;
    Ok(Parsed {
        authenticator: Authenticator::read(pack.authenticator.as_bytes())?,
        client_public_value: pack.client_public_value,
        client_dh_nonce: None,
        kdc_certificate: request.kdc_certificate.map(|name| write(&name)).transpose()?,
        signed,
    })
}

/// The MAC address that the signer's certificate in a PA-PK-AS-REQ of either dialect names. Nothing is verified: it tells
/// an operator whose request was refused, and nothing else may follow from it.
pub fn claimed_mac(dialect: Dialect, pa_value: &[u8]) -> Option<MacAddress> {
    let parsed = match dialect {
        Dialect::Draft => read_draft(pa_value).ok()?,
        Dialect::Rfc4556 => super::rfc4556::read_request(pa_value).ok()?,
    };
    mac_of(&parsed.signed.certificates().ok()?.signer).ok()
}

impl Authenticator {
    /// Reads either form. Under [0] the one has an INTEGER, the other a SEQUENCE, so at most one of them reads.
    fn read(octets: &[u8]) -> Result<Self, PkinitError> {
        let (cusec, ctime, nonce, binding) = match read::<PkAuthenticator>(octets, "PKAuthenticator") {
            Ok(form) => (form.cusec, form.ctime, form.nonce, Binding::Checksum(form.checksum)),
            Err(error) => {
                let form: NamedPkAuthenticator = read(octets, "PKAuthenticator").map_err(|_| error)?;
                (form.cusec, form.ctime, form.nonce, Binding::Kdc(form.kdc_realm))
            }
        };
        Self::new(cusec, ctime.timestamp(), nonce, binding)
    }

    /// The authenticator with these fields.
    pub fn new(cusec: i64, ctime: i64, nonce: i64, binding: Binding) -> Result<Self, PkinitError> {
        let out_of_range = |what: &str| PkinitError::Malformed {
            what: "PKAuthenticator",
            reason: format!("{what} is out of range"),
        };
        let cusec = u32::try_from(cusec).ok().filter(|cusec| *cusec < 1_000_000);
        let cusec = cusec.ok_or_else(|| out_of_range("cusec"))?;
        if !(i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&nonce) {
            return Err(out_of_range("nonce"));
        }
        Ok(Self {
            ctime: Timestamp::from_unix(ctime).plus(Duration::from_micros(cusec.into())),
            cusec,
            nonce,
            binding,
        })
    }

    fn check(&self, parts: &RequestParts<'_>, policy: &RequestPolicy<'_>, now: Timestamp) -> Result<(), PkinitError> {
        if now.distance(self.ctime) > policy.skew {
            return Err(PkinitError::Skew { client: self.ctime });
        }
        if !matches!(self.binding, Binding::Sha1(_)) {
            check_nonce(self.nonce, parts.nonce)?;
        }
        match &self.binding {
            Binding::Checksum(checksum) => check_body(checksum, parts.body),
            Binding::Sha1(None) => Err(PkinitError::ChecksumMissing),
            Binding::Sha1(Some(sum)) => match bool::from(Sha1::digest(parts.body).as_slice().ct_eq(sum)) {
                true => Ok(()),
                false => Err(PkinitError::Checksum),
            },
            Binding::Kdc(realm) if realm.as_bytes().eq_ignore_ascii_case(policy.realm.as_str().as_bytes()) => Ok(()),
            Binding::Kdc(realm) => Err(PkinitError::KdcName(
                String::from_utf8_lossy(realm.as_bytes())
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(64)
                    .collect(),
            )),
        }
    }
}

/// Compares nonces modulo 2^32 (profile P36).
pub(super) fn check_nonce(found: i64, expected: u32) -> Result<(), PkinitError> {
    match found as u32 {
        found if found == expected => Ok(()),
        found => Err(PkinitError::Nonce { found, expected }),
    }
}

fn check_body(checksum: &Checksum, body: &[u8]) -> Result<(), PkinitError> {
    let kind = PaChecksum::ALL.into_iter().find(|kind| kind.number() == checksum.kind);
    let kind = kind.ok_or(PkinitError::ChecksumType(checksum.kind))?;
    match bool::from(kind.over(body).as_slice().ct_eq(&checksum.value)) {
        true => Ok(()),
        false => Err(PkinitError::Checksum),
    }
}

/// The unkeyed checksums of a paChecksum (fact sheet security §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaChecksum {
    /// Type 7: RSA-MD5, what the public client with a PacketCable switch sends.
    #[default]
    Md5,
    /// Type 10: SHA-1 by RFC 3961's number.
    Sha1Rfc3961,
    /// Type 14: SHA-1 by the drafts' number.
    Sha1,
}

impl PaChecksum {
    const ALL: [Self; 3] = [Self::Md5, Self::Sha1Rfc3961, Self::Sha1];

    /// The checksum type.
    pub fn number(self) -> i32 {
        match self {
            Self::Md5 => 7,
            Self::Sha1Rfc3961 => 10,
            Self::Sha1 => 14,
        }
    }

    pub(super) fn over(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(body).to_vec(),
            Self::Sha1Rfc3961 | Self::Sha1 => Sha1::digest(body).to_vec(),
        }
    }
}
