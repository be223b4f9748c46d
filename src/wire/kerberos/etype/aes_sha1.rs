//! aes128- and aes256-cts-hmac-sha1-96 (17, 18): the simplified profile with AES (RFC 3962).

use super::derive::{Purpose, constant, derive_random};
use super::{CryptoError, KeyUsage, aes, same};
use crate::value::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

const TAG: usize = 12;

/// DK: the key of the same length that `constant` derives from `key`.
fn derive_key(key: &[u8], constant: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    derive_random(constant, aes::BLOCK, key.len(), |block| aes::cbc_encrypt(key, block))
}

fn hmac(key: &[u8], data: &[u8]) -> Option<[u8; TAG]> {
    let mac = Hmac::<Sha1>::new_from_slice(key).ok()?.chain_update(data);
    mac.finalize().into_bytes().first_chunk().copied()
}

/// The keyed checksum hmac-sha1-96-aes128 or -aes256 (15, 16) over `data`.
pub(in crate::wire::kerberos) fn checksum(key: &[u8], usage: KeyUsage, data: &[u8]) -> Option<[u8; TAG]> {
    hmac(&derive_key(key, &constant(usage, Purpose::Checksum))?, data)
}

/// `None` where the key has neither 16 nor 32 octets.
pub(super) fn encrypt(key: &[u8], usage: KeyUsage, confounder: &[u8; aes::BLOCK], message: &[u8]) -> Option<Vec<u8>> {
    let data = [confounder, message].concat();
    let tag = hmac(&derive_key(key, &constant(usage, Purpose::Integrity))?, &data)?;
    let mut output = aes::cts_encrypt(&derive_key(key, &constant(usage, Purpose::Encryption))?, data)?;
    output.extend_from_slice(&tag);
    Some(output)
}

pub(super) fn decrypt(key: &[u8], usage: KeyUsage, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    let wrong_length = || CryptoError::CiphertextLength(ciphertext.len());
    let at = ciphertext
        .len()
        .checked_sub(TAG)
        .filter(|at| *at >= aes::BLOCK)
        .ok_or_else(wrong_length)?;
    let (body, tag) = ciphertext.split_at(at);
    let mut data = Zeroizing::new(body.to_vec());
    let encryption = derive_key(key, &constant(usage, Purpose::Encryption)).ok_or_else(wrong_length)?;
    aes::cts_decrypt(&encryption, &mut data).ok_or_else(wrong_length)?;
    let integrity = derive_key(key, &constant(usage, Purpose::Integrity)).ok_or_else(wrong_length)?;
    let expected = hmac(&integrity, &data).ok_or_else(wrong_length)?;
    if !same(&expected, tag) {
        return Err(CryptoError::Integrity);
    }
    Ok(Secret::from(data.get(aes::BLOCK..).unwrap_or_default()))
}

/// String-to-key: PBKDF2 with HMAC-SHA1, then DK with `kerberos` (RFC 3962 §4).
pub(super) fn string_to_key(password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Option<Secret> {
    let mut intermediate = Zeroizing::new(vec![0; length]);
    let sha1 = openssl::hash::MessageDigest::sha1();
    openssl::pkcs5::pbkdf2_hmac(password, salt, iterations as usize, sha1, &mut intermediate).ok()?;
    let key = derive_key(&intermediate, b"kerberos")?;
    Some(Secret::from(key.as_slice()))
}
