//! PA-PK-AS-REQ: what the client sends, and how the KDC judges it.

use std::sync::Arc;
use std::time::Duration;

use md5::Md5;
use rasn::types::{Any, GeneralString, GeneralizedTime, OctetString, UtcTime};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq;

use super::asn1::{AuthPack, Checksum, NamedPkAuthenticator, PaPkAsReq, PkAuthenticator, PrincipalName, read, write};
use super::cms::{CmsDigest, SignatureShape, Signed, content_info, sign};
use super::identity::{Identity, names};
use super::{DhKeyPair, DhPublic, PkinitError, oid};
use crate::value::{MacAddress, Realm, Timestamp};
use crate::wire::cert::{CertPolicy, Certificate, ChainCache, DeviceIdentity, TrustAnchors, VerifiedDevice, mac_of};

/// What of an AS-REQ concerns PKINIT.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// The padata-value of the element with type 14.
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
    /// Accept Oakley group 1 (profile P16).
    pub allow_oakley1: bool,
    /// The KDC's realm.
    pub realm: &'a Realm,
    /// The KDC's own certificate, for a client that asks for a particular one.
    pub kdc_certificate: Option<&'a Certificate>,
}

/// A request whose every check has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkinitRequest {
    /// Who asks.
    pub identity: DeviceIdentity,
    /// The nonce, modulo 2^32.
    pub nonce: u32,
    /// The nonce as the authenticator has it: the reply repeats it.
    pub(super) nonce_as_sent: i64,
    /// The client's time, its microseconds included.
    pub ctime: Timestamp,
    /// The microseconds of the client's time, 0 to 999,999.
    pub cusec: u32,
    /// The client's Diffie-Hellman value; without one the reply is an encKeyPack (profile P38).
    pub client_public: Option<DhPublic>,
    /// Whether a checksum binds the request body to the signature. The authenticators of drafts -08 to -11 have none:
    /// only the nonce ties such a request together, and a man in the middle may have changed its server name.
    pub body_bound: bool,
}

/// What both forms of the authenticator say.
struct Authenticator {
    ctime: Timestamp,
    cusec: u32,
    nonce: i64,
    binding: Binding,
}

enum Binding {
    Checksum(Checksum),
    Kdc(GeneralString),
}

/// Opens and judges a PA-PK-AS-REQ. The cheap checks come first: time, nonce, checksum; then the certificates (or the
/// cache), then the signature, and last the Diffie-Hellman value.
///
/// # Errors
/// See [`PkinitError`]; [`PkinitError::krb_code`] and [`PkinitError::e_data`] say what to tell the client.
pub fn open_request(
    parts: &RequestParts<'_>,
    policy: &RequestPolicy<'_>,
    now: Timestamp,
) -> Result<PkinitRequest, PkinitError> {
    let request: PaPkAsReq = read(parts.pa_value, "PA-PK-AS-REQ")?;
    let signed = Signed::read(request.signed_auth_pack.as_bytes())?;
    signed.expect_content(&[oid::PK_AUTH_DATA, oid::PK_AUTH_DATA_MISSPELT, oid::DATA])?;
    let pack: AuthPack = read(&signed.content, "AuthPack")?;
    let authenticator = Authenticator::read(pack.authenticator.as_bytes())?;
    authenticator.check(parts, policy, now)?;
    if let (Some(wanted), Some(own)) = (&request.kdc_certificate, policy.kdc_certificate)
        && !names(wanted, own)
    {
        return Err(PkinitError::KdcCertificate);
    }
    let device = verified_device(&signed, policy)?;
    let identity = device.admit(policy.certificates, now)?;
    signed.verify(&device.path.leaf)?;
    policy.cache.put(signed.chain_key(), &device);
    let client_public = pack
        .client_public_value
        .map(|spki| DhPublic::from_spki(&spki, policy.allow_oakley1))
        .transpose()?;
    Ok(PkinitRequest {
        identity,
        nonce: parts.nonce,
        nonce_as_sent: authenticator.nonce,
        ctime: authenticator.ctime,
        cusec: authenticator.cusec,
        client_public,
        body_bound: matches!(authenticator.binding, Binding::Checksum(_)),
    })
}

/// The MAC address that the signer's certificate in a PA-PK-AS-REQ names. Nothing is verified: it tells an operator whose
/// request was refused, and nothing else may follow from it.
pub fn claimed_mac(pa_value: &[u8]) -> Option<MacAddress> {
    let request: PaPkAsReq = read(pa_value, "PA-PK-AS-REQ").ok()?;
    let signed = Signed::read(request.signed_auth_pack.as_bytes()).ok()?;
    mac_of(&signed.certificates().ok()?.signer).ok()
}

/// The device of the signer's certificate, from the cache or by verifying its chain.
fn verified_device(signed: &Signed, policy: &RequestPolicy<'_>) -> Result<Arc<VerifiedDevice>, PkinitError> {
    if let Some(device) = policy.cache.get(&signed.chain_key()) {
        return Ok(device);
    }
    let certificates = signed.certificates()?;
    let device = VerifiedDevice::verify_parsed(&certificates.signer, &certificates.all, policy.anchors)?;
    Ok(Arc::new(device))
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
            ctime: Timestamp::from_unix(ctime.timestamp()).plus(Duration::from_micros(cusec.into())),
            cusec,
            nonce,
            binding,
        })
    }

    fn check(&self, parts: &RequestParts<'_>, policy: &RequestPolicy<'_>, now: Timestamp) -> Result<(), PkinitError> {
        if now.distance(self.ctime) > policy.skew {
            return Err(PkinitError::Skew { client: self.ctime });
        }
        check_nonce(self.nonce, parts.nonce)?;
        match &self.binding {
            Binding::Checksum(checksum) => check_body(checksum, parts.body),
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

    fn over(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(body).to_vec(),
            Self::Sha1Rfc3961 | Self::Sha1 => Sha1::digest(body).to_vec(),
        }
    }
}

/// The choices that clients make differently. The default is profile P17's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestShape {
    /// The checksum over the body.
    pub checksum: PaChecksum,
    /// The authenticator of drafts -08 to -11, naming the KDC of this realm, in place of the one with a checksum.
    pub named_authenticator: Option<Realm>,
    /// The content's type.
    pub content_type: AuthContentType,
    /// The digest of the signature.
    pub digest: CmsDigest,
    /// Sign over signed attributes.
    pub signed_attributes: bool,
    /// The public value stands in its BIT STRING without an INTEGER around it (profile P37).
    pub bare_public_value: bool,
    /// Write a nonce whose top bit is set as a negative INTEGER (profile P36).
    pub signed_nonce: bool,
}

/// The eContentType of the AuthPack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthContentType {
    /// id-pkauthdata.
    #[default]
    PkAuthData,
    /// id-pkauthdata as one client misspells it (profile P40).
    Misspelt,
    /// id-data, as draft -09 has it.
    Data,
}

/// Builds the padata-value of a PA-PK-AS-REQ: the client's half.
///
/// `body` is the DER KDC-REQ-BODY as it will be sent, `nonce` its nonce. Without `pair` the KDC answers with an encKeyPack.
///
/// # Errors
/// `Internal` where OpenSSL fails or the time has no GeneralizedTime.
pub fn build_request(
    identity: &Identity,
    body: &[u8],
    nonce: u32,
    ctime: Timestamp,
    pair: Option<&DhKeyPair>,
    shape: &RequestShape,
) -> Result<Vec<u8>, PkinitError> {
    let pack = AuthPack {
        authenticator: Any::new(authenticator(body, nonce, ctime, shape)?),
        client_public_value: pair.map(|pair| pair.spki(shape.bare_public_value)),
    };
    let content_type = match shape.content_type {
        AuthContentType::PkAuthData => oid::PK_AUTH_DATA,
        AuthContentType::Misspelt => oid::PK_AUTH_DATA_MISSPELT,
        AuthContentType::Data => oid::DATA,
    };
    let signature = SignatureShape {
        digest: shape.digest,
        signed_attributes: shape.signed_attributes,
    };
    let signed = sign(content_type, write(&pack)?, identity, signature)?;
    write(&PaPkAsReq {
        signed_auth_pack: Any::new(content_info(oid::SIGNED_DATA, signed)?),
        trusted_certifiers: None,
        kdc_certificate: None,
        encryption_certificate: None,
    })
}

fn authenticator(body: &[u8], nonce: u32, ctime: Timestamp, shape: &RequestShape) -> Result<Vec<u8>, PkinitError> {
    let cusec = i64::from(ctime.micros());
    let nonce = match shape.signed_nonce {
        true => i64::from(nonce as i32),
        false => i64::from(nonce),
    };
    let ctime = generalized_time(ctime)?;
    match &shape.named_authenticator {
        None => write(&PkAuthenticator {
            cusec,
            ctime,
            nonce,
            checksum: Checksum {
                kind: shape.checksum.number(),
                value: OctetString::from(shape.checksum.over(body)),
            },
        }),
        Some(realm) => write(&NamedPkAuthenticator {
            kdc_name: PrincipalName {
                name_type: 2,
                components: vec![general("krbtgt")?, general(realm.as_str())?],
            },
            kdc_realm: general(realm.as_str())?,
            cusec,
            ctime,
            nonce,
        }),
    }
}

fn general(text: &str) -> Result<GeneralString, PkinitError> {
    GeneralString::from_bytes(text.as_bytes()).map_err(|error| PkinitError::Internal(error.to_string()))
}

/// The GeneralizedTime of an instant, to the second.
fn generalized_time(instant: Timestamp) -> Result<GeneralizedTime, PkinitError> {
    UtcTime::from_timestamp(instant.unix(), 0)
        .map(|time| time.fixed_offset())
        .ok_or_else(|| PkinitError::Internal("the time is out of range".to_owned()))
}
