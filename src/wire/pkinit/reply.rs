//! PA-PK-AS-REP: what the KDC answers, and how the client judges it.

use rasn::types::{Any, OctetString};

use super::asn1::{EncryptionKey, KdcDhKeyInfo, PaPkAsRep, ReplyKeyPack, read, write};
use super::cms::{SignatureShape, Signed, content_info, sign};
use super::envelope::{open, seal};
use super::identity::Identity;
use super::request::{PkinitRequest, check_nonce};
use super::{DhKeyPair, DhPublic, PkinitError, ReplyKeyRule, oid};
use crate::value::{Random, Realm, Secret, Timestamp};
use crate::wire::cert::{CertPolicy, ProviderIdentity, TrustAnchors};

/// The etype of the key that Diffie-Hellman gives: des3-cbc-md5 (fact sheet security §4.4).
pub const DH_REPLY_ETYPE: i32 = 5;

/// Answers a request that has a Diffie-Hellman value: the padata-value for type 15, and the reply key (24 octets, etype
/// 5). `pair` is in the group of the request's `client_public`, and may serve several requests.
///
/// # Errors
/// `ReplyKind` where the request has no Diffie-Hellman value, `DhValue` where `pair` is in another group.
pub fn build_reply_dh(
    kdc: &Identity,
    request: &PkinitRequest,
    pair: &DhKeyPair,
    rule: ReplyKeyRule,
) -> Result<(Vec<u8>, Secret), PkinitError> {
    let peer = request.client_public.as_ref();
    let secret = pair.agree(peer.ok_or(PkinitError::ReplyKind("dhSignedData"))?)?;
    let info = KdcDhKeyInfo {
        public_key: pair.public_bits(false),
        nonce: request.nonce_as_sent,
        expiration: None,
    };
    let signed = sign(oid::PK_DH_KEY_DATA, write(&info)?, kdc, SignatureShape::default())?;
    let content = Any::new(content_info(oid::SIGNED_DATA, signed)?);
    Ok((write(&PaPkAsRep::DhSignedData(content))?, rule.derive(&secret)))
}

/// Answers a request without a Diffie-Hellman value (profile P38): the padata-value for type 15, in which the reply key
/// `key` of `etype` is signed by the KDC and encrypted for the device's certificate.
///
/// # Errors
/// `Internal` where OpenSSL fails.
pub fn build_reply_enc_key_pack(
    kdc: &Identity,
    request: &PkinitRequest,
    etype: i32,
    key: &Secret,
    random: &mut dyn Random,
) -> Result<Vec<u8>, PkinitError> {
    let pack = Secret::new(write(&ReplyKeyPack {
        key: EncryptionKey {
            kind: etype,
            value: OctetString::from_slice(key.expose()),
        },
        nonce: request.nonce_as_sent,
    })?);
    let shape = SignatureShape::default();
    let signed = Secret::new(sign(oid::PK_REPLY_KEY_DATA, pack.expose().to_vec(), kdc, shape)?);
    let sealed = seal(&request.identity.device.path.leaf, &signed, random)?;
    write(&PaPkAsRep::EncKeyPack(Any::new(sealed)))
}

/// What a client expects of a reply.
#[derive(Clone, Copy)]
pub struct ReplyExpectation<'a> {
    /// The service provider roots.
    pub anchors: &'a TrustAnchors,
    /// Dates.
    pub certificates: &'a CertPolicy,
    /// The realm whose KDC must have signed.
    pub realm: &'a Realm,
    /// The service provider's name, where the client knows it already.
    pub organisation: Option<&'a str>,
    /// The request's nonce.
    pub nonce: u32,
    /// The key pair of the request; without one an encKeyPack is expected.
    pub pair: Option<&'a DhKeyPair>,
    /// How the reply key is derived.
    pub rule: ReplyKeyRule,
    /// The client's own certificate and key.
    pub identity: &'a Identity,
}

/// A reply whose every check has passed.
#[derive(Debug, Clone)]
pub struct OpenedReply {
    /// The key's encryption type.
    pub etype: i32,
    /// The reply key.
    pub key: Secret,
    /// Who answered.
    pub kdc: ProviderIdentity,
}

/// Opens and judges the padata-value of a PA-PK-AS-REP: the client's half.
///
/// # Errors
/// See [`PkinitError`].
pub fn open_reply(
    pa_value: &[u8],
    expectation: &ReplyExpectation<'_>,
    now: Timestamp,
) -> Result<OpenedReply, PkinitError> {
    match (read::<PaPkAsRep>(pa_value, "PA-PK-AS-REP")?, expectation.pair) {
        (PaPkAsRep::DhSignedData(content), Some(pair)) => open_dh(content.as_bytes(), pair, expectation, now),
        (PaPkAsRep::EncKeyPack(content), None) => open_enc_key_pack(content.as_bytes(), expectation, now),
        (PaPkAsRep::DhSignedData(_), None) => Err(PkinitError::ReplyKind("dhSignedData")),
        (PaPkAsRep::EncKeyPack(_), Some(_)) => Err(PkinitError::ReplyKind("encKeyPack")),
    }
}

fn open_dh(
    content: &[u8],
    pair: &DhKeyPair,
    expectation: &ReplyExpectation<'_>,
    now: Timestamp,
) -> Result<OpenedReply, PkinitError> {
    let signed = Signed::read(content)?;
    signed.expect_content(&[oid::PK_DH_KEY_DATA, oid::DATA])?;
    let info: KdcDhKeyInfo = read(&signed.content, "KdcDHKeyInfo")?;
    check_nonce(info.nonce, expectation.nonce)?;
    let kdc = verify_kdc(&signed, expectation, now)?;
    let peer = DhPublic::from_bits(pair.group(), &info.public_key)?;
    Ok(OpenedReply {
        etype: DH_REPLY_ETYPE,
        key: expectation.rule.derive(&pair.agree(&peer)?),
        kdc,
    })
}

fn open_enc_key_pack(
    content: &[u8],
    expectation: &ReplyExpectation<'_>,
    now: Timestamp,
) -> Result<OpenedReply, PkinitError> {
    let opened = open(content, expectation.identity)?;
    let signed = Signed::read(opened.expose())?;
    signed.expect_content(&[oid::PK_REPLY_KEY_DATA, oid::DATA])?;
    let pack: ReplyKeyPack = read(&signed.content, "ReplyKeyPack")?;
    check_nonce(pack.nonce, expectation.nonce)?;
    let kdc = verify_kdc(&signed, expectation, now)?;
    Ok(OpenedReply {
        etype: pack.key.kind,
        key: Secret::from(&*pack.key.value),
        kdc,
    })
}

/// Verifies that the realm's KDC signed, and that it is the expected service provider's.
pub(super) fn verify_kdc(
    signed: &Signed,
    expectation: &ReplyExpectation<'_>,
    now: Timestamp,
) -> Result<ProviderIdentity, PkinitError> {
    let certificates = signed.certificates()?;
    let kdc = ProviderIdentity::verify_parsed(
        &certificates.signer,
        &certificates.all,
        expectation.anchors,
        expectation.certificates,
        now,
    )?;
    kdc.check_kdc_of(expectation.realm)?;
    if let Some(organisation) = expectation.organisation {
        kdc.check_organisation(organisation)?;
    }
    signed.verify(&kdc.path.leaf)?;
    Ok(kdc)
}
