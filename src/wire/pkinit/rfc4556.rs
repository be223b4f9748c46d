//! PKINIT as RFC 4556 has it: what a stock client sends, and what it is answered.
//!
//! The KDC uses its own Diffie-Hellman pair for several clients for a while and does not say so: it sends neither
//! serverDHNonce nor dhKeyExpiration, so that each agreement is as fresh as the client's half, and clients that take no
//! nonce of the KDC (RFC 4556 §3.2.3.1) are served like the others.

use rasn::types::{Any, OctetString};
use sha1::{Digest as _, Sha1};

use super::asn1::rfc4556::{AuthPack, DhRepInfo, KdcDhKeyInfo, PaPkAsRep, PaPkAsReq, PkAuthenticator, ReplyKeyPack};
use super::asn1::{self, read, write};
use super::build::generalized_time;
use super::cms::{CmsDigest, SignatureShape, Signed, content_info, sign};
use super::envelope::seal;
use super::identity::Identity;
use super::reply::{ReplyExpectation, verify_kdc};
use super::request::{Authenticator, Binding, Parsed, PkinitRequest, check_nonce};
use super::{DhKeyPair, DhPublic, PkinitError, oid};
use crate::value::{Random, Secret, Timestamp};
use crate::wire::kerberos::{Checksum, ChecksumType, CryptoError, EncType, EncryptionKey, KeyUsage};

/// Takes apart the padata-value of a PA-PK-AS-REQ, type 16.
pub(super) fn read_request(pa_value: &[u8]) -> Result<Parsed, PkinitError> {
    let request: PaPkAsReq = read(pa_value, "PA-PK-AS-REQ")?;
    let signed = Signed::read(&request.signed_auth_pack)?;
    signed.expect_content(&[oid::PK_AUTH_DATA])?;
    let pack: AuthPack = read(&signed.content, "AuthPack")?;
    let PkAuthenticator {
        cusec,
        ctime,
        nonce,
        checksum,
        ..
    } = pack.authenticator;
    Ok(Parsed {
        authenticator: Authenticator::new(cusec, ctime.timestamp(), nonce, Binding::Sha1(checksum))?,
        client_public_value: pack.client_public_value,
        client_dh_nonce: pack.client_dh_nonce.map(|nonce| nonce.to_vec()),
        kdc_certificate: request.kdc_pk_id.map(|name| name.to_vec()),
        signed,
    })
}

/// octetstring2key (RFC 4556 §3.2.3.1): SHA-1 over 00, 01 … each before the secret, as long as the type's key generation
/// needs, through the type's random-to-key.
fn octet_string_to_key(etype: EncType, secret: &Secret) -> Result<EncryptionKey, PkinitError> {
    let mut seed = zeroize::Zeroizing::new(Vec::new());
    for round in 0u8.. {
        if seed.len() >= etype.seed_length() {
            break;
        }
        let block = Sha1::new().chain_update([round]).chain_update(secret.expose());
        seed.extend_from_slice(&block.finalize());
    }
    seed.truncate(etype.seed_length());
    etype.random_to_key(&seed).map_err(internal)
}

fn internal(error: CryptoError) -> PkinitError {
    PkinitError::Internal(error.to_string())
}

/// How this KDC signs for a client of RFC 4556: over signed attributes, with the digest that the client signs with.
fn shape(digest: CmsDigest) -> SignatureShape {
    SignatureShape {
        digest,
        signed_attributes: true,
    }
}

/// Answers a request that has a Diffie-Hellman value: the padata-value for type 17, and the reply key of `etype`. `pair` is
/// in the group of the request's `client_public`, and may serve several requests.
///
/// # Errors
/// `ReplyKind` where the request has no Diffie-Hellman value, `DhValue` where `pair` is in another group.
pub fn build_reply_dh_rfc4556(
    kdc: &Identity,
    request: &PkinitRequest,
    pair: &DhKeyPair,
    etype: EncType,
) -> Result<(Vec<u8>, EncryptionKey), PkinitError> {
    let peer = request.client_public.as_ref();
    let secret = pair.agree(peer.ok_or(PkinitError::ReplyKind("dhInfo"))?)?;
    let info = KdcDhKeyInfo {
        public_key: pair.public_bits(false),
        nonce: i64::from(request.nonce),
        expiration: None,
    };
    let signed = sign(oid::PK_DH_KEY_DATA, write(&info)?, kdc, shape(request.digest))?;
    let reply = PaPkAsRep::DhInfo(DhRepInfo {
        dh_signed_data: OctetString::from(content_info(oid::SIGNED_DATA, signed)?),
        server_dh_nonce: None,
    });
    Ok((write(&reply)?, octet_string_to_key(etype, &secret)?))
}

/// Answers a request without a Diffie-Hellman value (RFC 4556 §3.2.3.2): the padata-value for type 17, in which `key` and its
/// checksum over the whole AS-REQ are signed by the KDC and encrypted for the client's certificate.
///
/// # Errors
/// `Internal` where OpenSSL fails, or `key` makes no checksum.
pub fn build_reply_enc_key_pack_rfc4556(
    kdc: &Identity,
    request: &PkinitRequest,
    as_req: &[u8],
    key: &EncryptionKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, PkinitError> {
    let kind = ChecksumType::of_enc_type(key.enc_type().map_err(internal)?);
    let sum = Checksum::keyed(kind, key, KeyUsage::TGS_REQ_CHECKSUM, as_req, random).map_err(internal)?;
    let pack = Secret::new(write(&ReplyKeyPack {
        key: asn1::EncryptionKey {
            kind: key.etype,
            value: OctetString::from_slice(key.value.expose()),
        },
        as_checksum: asn1::Checksum {
            kind: sum.cksumtype,
            value: sum.checksum,
        },
    })?);
    let signed = sign(
        oid::PK_REPLY_KEY_DATA,
        pack.expose().to_vec(),
        kdc,
        shape(request.digest),
    )?;
    let sealed = seal(&request.identity.device.path.leaf, &Secret::new(signed), random)?;
    write(&PaPkAsRep::EncKeyPack(OctetString::from(sealed)))
}

/// Builds the padata-value of a PA-PK-AS-REQ, type 16: the client's half. `body` is the DER KDC-REQ-BODY as it will be sent.
///
/// # Errors
/// `Internal` where OpenSSL fails or the time has no GeneralizedTime.
pub fn build_request_rfc4556(
    identity: &Identity,
    body: &[u8],
    nonce: u32,
    ctime: Timestamp,
    pair: Option<&DhKeyPair>,
    digest: CmsDigest,
) -> Result<Vec<u8>, PkinitError> {
    let pack = AuthPack {
        authenticator: PkAuthenticator {
            cusec: i64::from(ctime.micros()),
            ctime: generalized_time(ctime)?,
            nonce: i64::from(nonce),
            checksum: Some(OctetString::from(Sha1::digest(body).to_vec())),
            freshness: None,
            other_checksum: None,
        },
        client_public_value: pair.map(|pair| pair.spki(false)),
        supported_cms_types: None,
        client_dh_nonce: None,
        supported_kdfs: None,
    };
    let signed = sign(oid::PK_AUTH_DATA, write(&pack)?, identity, shape(digest))?;
    write(&PaPkAsReq {
        signed_auth_pack: OctetString::from(content_info(oid::SIGNED_DATA, signed)?),
        trusted_certifiers: None::<Any>,
        kdc_pk_id: None,
    })
}

/// Opens and judges the dhInfo of a PA-PK-AS-REP, type 17: the client's half. Gives the reply key of `etype`, the encryption
/// type of the AS-REP's encrypted part.
///
/// # Errors
/// See [`PkinitError`].
pub fn open_reply_dh_rfc4556(
    pa_value: &[u8],
    expectation: &ReplyExpectation<'_>,
    etype: EncType,
    now: Timestamp,
) -> Result<EncryptionKey, PkinitError> {
    let (PaPkAsRep::DhInfo(info), Some(pair)) = (read(pa_value, "PA-PK-AS-REP")?, expectation.pair) else {
        return Err(PkinitError::ReplyKind("no dhInfo, or one that was not asked for"));
    };
    let signed = Signed::read(&info.dh_signed_data)?;
    signed.expect_content(&[oid::PK_DH_KEY_DATA])?;
    let key_info: KdcDhKeyInfo = read(&signed.content, "KDCDHKeyInfo")?;
    check_nonce(key_info.nonce, expectation.nonce)?;
    verify_kdc(&signed, expectation, now)?;
    let peer = DhPublic::from_bits(pair.group(), &key_info.public_key)?;
    octet_string_to_key(etype, &pair.agree(&peer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hex;

    /// Sets 2 to 4 of Appendix B, for a type whose seed has 32 octets and is the key.
    #[test]
    fn rfc4556_b_octet_string_to_key() {
        let counted = |length: usize| (0..17u8).cycle().take(length).collect::<Vec<u8>>();
        let cases = [
            (
                vec![0; 128],
                "acf7707c08973ddfdb27cd361442ccfba355c8884cb472f37da636d07d56787e",
            ),
            (
                counted(128),
                "c442da585fcb80e43b47946f254093e37329d99001380db78371db3acf5c797e",
            ),
            (
                counted(77),
                "0053953b84c896f4eb385c3f2e751c4a590ed6ffadca6ff64f47ebeb8d780ffc",
            ),
        ];
        for (octets, expected) in cases {
            let key = octet_string_to_key(EncType::Aes256Sha1, &Secret::new(octets)).expect("a key");
            assert_eq!(hex(key.value.expose()), expected);
        }
    }
}
