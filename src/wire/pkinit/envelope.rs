//! CMS EnvelopedData for one RSA recipient, as encKeyPack uses it (RFC 5652 §6; profile P38).

use openssl::rsa::Padding;
use openssl::symm::{Cipher, decrypt, encrypt};
use rasn::types::{Any, OctetString, SetOf};
use zeroize::Zeroizing;

use super::asn1::{
    AlgorithmIdentifier, ContentInfo, EncryptedContentInfo, EnvelopedData, KeyTransRecipientInfo, read, write,
};
use super::cms::{algorithm, content_info};
use super::identity::{Identity, issuer_and_serial, names};
use super::reply_key::odd_parity;
use super::{PkinitError, oid};
use crate::value::{Random, Secret};
use crate::wire::cert::{Certificate, der};

/// The initialisation vector. The key encrypts this one message, so a fixed IV gives nothing away; and the public client
/// of 2003 takes zeros whatever the parameters say.
const IV: [u8; 8] = [0; 8];

/// Seals `content` (a DER SignedData) for `recipient`: a fresh des-ede3-cbc key under RSA PKCS#1 v1.5. Gives the DER
/// ContentInfo.
pub(super) fn seal(recipient: &Certificate, content: &Secret, random: &mut dyn Random) -> Result<Vec<u8>, PkinitError> {
    let mut key = Zeroizing::new([0u8; 24]);
    random.fill(&mut *key);
    key.iter_mut().for_each(|octet| *octet = odd_parity(*octet));
    let encrypted = encrypt(Cipher::des_ede3_cbc(), &*key, Some(&IV), content.expose())?;
    let envelope = EnvelopedData {
        version: 0,
        recipient_infos: SetOf::from_vec(vec![KeyTransRecipientInfo {
            version: 0,
            recipient: issuer_and_serial(recipient),
            key_encryption_algorithm: algorithm(oid::RSA_ENCRYPTION),
            encrypted_key: OctetString::from(encrypt_key(recipient, &*key, random)?),
        }]),
        encrypted: EncryptedContentInfo {
            content_type: oid::identifier(oid::SIGNED_DATA),
            content_encryption_algorithm: AlgorithmIdentifier {
                algorithm: oid::identifier(oid::DES_EDE3_CBC),
                parameters: Some(Any::new(der::tlv(0x04, &IV))),
            },
            encrypted_content: Some(OctetString::from(encrypted)),
        },
    };
    content_info(oid::ENVELOPED_DATA, write(&envelope)?)
}

/// RSA PKCS#1 v1.5 encryption (RFC 8017 §7.2.1), its padding from `random` and not from OpenSSL's generator.
fn encrypt_key(recipient: &Certificate, key: &[u8], random: &mut dyn Random) -> Result<Vec<u8>, PkinitError> {
    let rsa = recipient.key().rsa()?;
    let length = rsa.size() as usize;
    let mut block = Zeroizing::new(vec![0u8, 2]);
    while block.len() + 1 + key.len() < length {
        let mut octet = [0];
        random.fill(&mut octet);
        block.extend(octet.into_iter().filter(|&octet| octet != 0));
    }
    block.push(0);
    block.extend_from_slice(key);
    let mut encrypted = vec![0; length];
    rsa.public_encrypt(&block, &mut encrypted, Padding::NONE)?;
    Ok(encrypted)
}

/// Opens a ContentInfo around an EnvelopedData for `identity` and gives what was sealed.
pub(super) fn open(octets: &[u8], identity: &Identity) -> Result<Secret, PkinitError> {
    let info: ContentInfo = read(octets, "ContentInfo")?;
    if !oid::is(&info.content_type, oid::ENVELOPED_DATA) {
        return Err(PkinitError::Unsupported {
            what: "the content type",
            found: info.content_type.to_string(),
        });
    }
    let envelope: EnvelopedData = read(info.content.as_bytes(), "EnvelopedData")?;
    let recipients = envelope.recipient_infos.to_vec();
    let mine = recipients
        .iter()
        .find(|recipient| names(&recipient.recipient, identity.certificate()))
        .ok_or(PkinitError::Envelope("it is for another certificate"))?;
    if !oid::is(&mine.key_encryption_algorithm.algorithm, oid::RSA_ENCRYPTION) {
        return Err(PkinitError::Envelope("its key is not encrypted with RSA PKCS#1 v1.5"));
    }
    let key = decrypt_key(identity, &mine.encrypted_key)?;
    let algorithm = &envelope.encrypted.content_encryption_algorithm;
    if !oid::is(&algorithm.algorithm, oid::DES_EDE3_CBC) {
        return Err(PkinitError::Envelope("it is not encrypted with des-ede3-cbc"));
    }
    let parameters = algorithm.parameters.as_ref().map_or(&[][..], Any::as_bytes);
    let iv = der::content(0x04, parameters)
        .filter(|iv| iv.len() == IV.len())
        .ok_or(PkinitError::Envelope("its initialisation vector is not 8 octets"))?;
    let encrypted = envelope.encrypted.encrypted_content.as_ref();
    let encrypted = encrypted.ok_or(PkinitError::Envelope("it holds nothing"))?;
    decrypt(Cipher::des_ede3_cbc(), key.expose(), Some(iv), encrypted)
        .map(Secret::new)
        .map_err(|_| PkinitError::Envelope("its content does not decrypt"))
}

fn decrypt_key(identity: &Identity, encrypted: &[u8]) -> Result<Secret, PkinitError> {
    let rsa = identity.key().rsa()?;
    let mut key = Zeroizing::new(vec![0; rsa.size() as usize]);
    rsa.private_decrypt(encrypted, &mut key, Padding::PKCS1)
        .ok()
        .and_then(|length| key.get(..length))
        .filter(|key| key.len() == 24)
        .map(Secret::from)
        .ok_or(PkinitError::Envelope("its key does not decrypt to 24 octets"))
}
