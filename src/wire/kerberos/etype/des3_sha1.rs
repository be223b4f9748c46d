//! des3-cbc-sha1-kd (16): the simplified profile with triple DES and HMAC-SHA1 (RFC 3961 §5.3 and §6.3).

use super::derive::{Purpose, constant, derive_random, n_fold};
use super::{CryptoError, KeyUsage, des3, same};
use crate::value::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

const BLOCK: usize = 8;
const TAG: usize = 20;
const SEED: usize = 21;

/// DK: the key that `constant` derives from `key` (RFC 3961 §5.1).
pub(super) fn derive_key(key: &[u8], constant: &[u8]) -> Option<Zeroizing<[u8; 24]>> {
    let seed = derive_random(constant, BLOCK, SEED, |block| des3::cbc_encrypt(key, block))?;
    Some(des3::random_to_key(seed.as_slice().try_into().ok()?))
}

fn hmac(key: &[u8], data: &[u8]) -> Option<[u8; TAG]> {
    let mac = Hmac::<Sha1>::new_from_slice(key).ok()?.chain_update(data);
    Some(mac.finalize().into_bytes().into())
}

/// The keyed checksum hmac-sha1-des3-kd (12) over `data` (RFC 3961 §6.3).
pub(in crate::wire::kerberos) fn checksum(key: &[u8], usage: KeyUsage, data: &[u8]) -> Option<[u8; TAG]> {
    hmac(&derive_key(key, &constant(usage, Purpose::Checksum))?[..], data)
}

/// `None` where the key has not 24 octets.
pub(super) fn encrypt(key: &[u8], usage: KeyUsage, confounder: &[u8; BLOCK], message: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::with_capacity(BLOCK + message.len() + BLOCK + TAG);
    data.extend_from_slice(confounder);
    data.extend_from_slice(message);
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    let tag = hmac(&derive_key(key, &constant(usage, Purpose::Integrity))?[..], &data)?;
    des3::cbc_encrypt(&derive_key(key, &constant(usage, Purpose::Encryption))?[..], &mut data)?;
    data.extend_from_slice(&tag);
    Some(data)
}

/// The message with its zero pad.
pub(super) fn decrypt(key: &[u8], usage: KeyUsage, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    let wrong_length = || CryptoError::CiphertextLength(ciphertext.len());
    let at = ciphertext
        .len()
        .checked_sub(TAG)
        .filter(|at| *at >= BLOCK)
        .ok_or_else(wrong_length)?;
    let (body, tag) = ciphertext.split_at(at);
    let mut data = Zeroizing::new(body.to_vec());
    let encryption = derive_key(key, &constant(usage, Purpose::Encryption)).ok_or_else(wrong_length)?;
    des3::cbc_decrypt(&encryption[..], &mut data).ok_or_else(wrong_length)?;
    let integrity = derive_key(key, &constant(usage, Purpose::Integrity)).ok_or_else(wrong_length)?;
    let expected = hmac(&integrity[..], &data).ok_or_else(wrong_length)?;
    if !same(&expected, tag) {
        return Err(CryptoError::Integrity);
    }
    Ok(Secret::from(data.get(BLOCK..).unwrap_or_default()))
}

/// String-to-key: the folded password and salt, then DK with `kerberos` (RFC 3961 §6.3.1).
pub(super) fn string_to_key(password: &[u8], salt: &[u8]) -> Option<Secret> {
    let text = Zeroizing::new([password, salt].concat());
    let folded = Zeroizing::new(n_fold(&text, SEED));
    let intermediate = des3::random_to_key(folded.as_slice().try_into().ok()?);
    let key = derive_key(&intermediate[..], b"kerberos")?;
    Some(Secret::from(&key[..]))
}
