//! aes128-cts-hmac-sha256-128 and aes256-cts-hmac-sha384-192 (19, 20): encrypt, then authenticate (RFC 8009).

use super::derive::{Purpose, constant};
use super::{CryptoError, KeyUsage, aes, same};
use crate::value::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

/// Which of the two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire::kerberos) enum Sha2Variant {
    /// AES-128 with SHA-256, tags of 16 octets.
    Aes128Sha256,
    /// AES-256 with SHA-384, tags of 24 octets.
    Aes256Sha384,
}

impl Sha2Variant {
    /// The variant whose keys have `length` octets.
    pub(in crate::wire::kerberos) fn of_key_length(length: usize) -> Self {
        if length == 16 {
            Self::Aes128Sha256
        } else {
            Self::Aes256Sha384
        }
    }

    /// Octets of a tag, and of Ki and Kc.
    const fn tag_length(self) -> usize {
        match self {
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 24,
        }
    }

    const fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 32,
        }
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Self::Aes128Sha256 => b"aes128-cts-hmac-sha256-128",
            Self::Aes256Sha384 => b"aes256-cts-hmac-sha384-192",
        }
    }

    /// The whole HMAC over the concatenation of `parts`.
    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Option<Zeroizing<Vec<u8>>> {
        let output = match self {
            Self::Aes128Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
            Self::Aes256Sha384 => {
                let mut mac = Hmac::<Sha384>::new_from_slice(key).ok()?;
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
        };
        Some(Zeroizing::new(output))
    }

    fn tag(self, key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
        self.hmac(key, parts)?.get(..self.tag_length()).map(<[u8]>::to_vec)
    }

    /// KDF-HMAC-SHA2 with an empty context: one round gives every length needed here (RFC 8009 §3).
    fn derive(self, key: &[u8], label: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let bits = (length as u32 * 8).to_be_bytes();
        let mut output = self.hmac(key, &[&[0, 0, 0, 1], label, &[0], &bits])?;
        output.truncate(length);
        Some(output)
    }

    fn integrity_tag(self, key: &[u8], usage: KeyUsage, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let integrity = self.derive(key, &constant(usage, Purpose::Integrity), self.tag_length())?;
        // The cipher state in front is the IV, which is zero.
        self.tag(&integrity, &[&[0; aes::BLOCK], ciphertext])
    }

    /// The keyed checksum hmac-sha256-128-aes128 or hmac-sha384-192-aes256 (19, 20) over `data`.
    pub(in crate::wire::kerberos) fn checksum(self, key: &[u8], usage: KeyUsage, data: &[u8]) -> Option<Vec<u8>> {
        let checksum = self.derive(key, &constant(usage, Purpose::Checksum), self.tag_length())?;
        self.tag(&checksum, &[data])
    }

    /// `None` where the key has the wrong length.
    pub(super) fn encrypt(
        self,
        key: &[u8],
        usage: KeyUsage,
        confounder: &[u8; aes::BLOCK],
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let encryption = self.derive(key, &constant(usage, Purpose::Encryption), self.key_length())?;
        let mut output = aes::cts_encrypt(&encryption, [confounder, message].concat())?;
        let tag = self.integrity_tag(key, usage, &output)?;
        output.extend_from_slice(&tag);
        Some(output)
    }

    pub(super) fn decrypt(self, key: &[u8], usage: KeyUsage, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let wrong_length = || CryptoError::CiphertextLength(ciphertext.len());
        let at = ciphertext
            .len()
            .checked_sub(self.tag_length())
            .filter(|at| *at >= aes::BLOCK)
            .ok_or_else(wrong_length)?;
        let (body, tag) = ciphertext.split_at(at);
        let expected = self.integrity_tag(key, usage, body).ok_or_else(wrong_length)?;
        if !same(&expected, tag) {
            return Err(CryptoError::Integrity);
        }
        let mut data = Zeroizing::new(body.to_vec());
        let encryption = self
            .derive(key, &constant(usage, Purpose::Encryption), self.key_length())
            .ok_or_else(wrong_length)?;
        aes::cts_decrypt(&encryption, &mut data).ok_or_else(wrong_length)?;
        Ok(Secret::from(data.get(aes::BLOCK..).unwrap_or_default()))
    }

    /// String-to-key: PBKDF2 over the type's name and the salt, then the KDF with `kerberos` (RFC 8009 §4).
    pub(super) fn string_to_key(self, password: &[u8], salt: &[u8], iterations: u32) -> Option<Secret> {
        let salt = [self.name(), &[0], salt].concat();
        let digest = match self {
            Self::Aes128Sha256 => openssl::hash::MessageDigest::sha256(),
            Self::Aes256Sha384 => openssl::hash::MessageDigest::sha384(),
        };
        let mut intermediate = Zeroizing::new(vec![0; self.key_length()]);
        openssl::pkcs5::pbkdf2_hmac(password, &salt, iterations as usize, digest, &mut intermediate).ok()?;
        let key = self.derive(&intermediate, b"kerberos", self.key_length())?;
        Some(Secret::from(key.as_slice()))
    }
}
