//! PA-PK-AS-REQ as a client of the drafts makes it.

use rasn::types::{Any, GeneralString, GeneralizedTime, OctetString, UtcTime};

use super::asn1::{AuthPack, Checksum, NamedPkAuthenticator, PaPkAsReq, PkAuthenticator, PrincipalName, write};
use super::cms::{CmsDigest, SignatureShape, content_info, sign};
use super::identity::Identity;
use super::{DhKeyPair, PaChecksum, PkinitError, oid};
use crate::value::{Realm, Timestamp};

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
pub(super) fn generalized_time(instant: Timestamp) -> Result<GeneralizedTime, PkinitError> {
    UtcTime::from_timestamp(instant.unix(), 0)
        .map(|time| time.fixed_offset())
        .ok_or_else(|| PkinitError::Internal("the time is out of range".to_owned()))
}
