//! Checksum types (RFC 3961 §8; which keys go with which: RFC 4120 and profile P20).

use super::etype::{
    CryptoError, EncType, EncryptionKey, KeyUsage, Sha2Variant, aes_sha1, des3_cbc_decrypt, des3_cbc_encrypt, des3_sha1,
};
use super::message::Checksum;
use crate::value::Random;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A checksum type (RFC 3961 §8 and IANA's registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumType {
    /// 7: MD5 without a key.
    RsaMd5,
    /// 9: a confounder and an MD5, encrypted with a variant of the key; 24 octets.
    RsaMd5Des3,
    /// 10: SHA-1 without a key.
    Sha1,
    /// 12: HMAC-SHA1 with a key derived from a triple DES key.
    HmacSha1Des3Kd,
    /// 13: HMAC-SHA1 with the triple DES key itself.
    HmacSha1Des3,
    /// 14: SHA-1 without a key, under its other number.
    Sha1Other,
    /// 15: 96 bits of HMAC-SHA1 with a key of type 17.
    HmacSha1Aes128,
    /// 16: 96 bits of HMAC-SHA1 with a key of type 18.
    HmacSha1Aes256,
    /// 19: 128 bits of HMAC-SHA256 with a key of type 19.
    HmacSha256Aes128,
    /// 20: 192 bits of HMAC-SHA384 with a key of type 20.
    HmacSha384Aes256,
}

impl ChecksumType {
    /// Every checksum type.
    pub const ALL: [Self; 10] = [
        Self::RsaMd5,
        Self::RsaMd5Des3,
        Self::Sha1,
        Self::HmacSha1Des3Kd,
        Self::HmacSha1Des3,
        Self::Sha1Other,
        Self::HmacSha1Aes128,
        Self::HmacSha1Aes256,
        Self::HmacSha256Aes128,
        Self::HmacSha384Aes256,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::RsaMd5 => 7,
            Self::RsaMd5Des3 => 9,
            Self::Sha1 => 10,
            Self::HmacSha1Des3Kd => 12,
            Self::HmacSha1Des3 => 13,
            Self::Sha1Other => 14,
            Self::HmacSha1Aes128 => 15,
            Self::HmacSha1Aes256 => 16,
            Self::HmacSha256Aes128 => 19,
            Self::HmacSha384Aes256 => 20,
        }
    }

    /// The type of a number, or `None` for one that is not supported.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The keyed checksum that goes with keys of `etype` (profile P20).
    pub const fn of_enc_type(etype: EncType) -> Self {
        match etype {
            EncType::Des3CbcMd5 => Self::RsaMd5Des3,
            EncType::Des3CbcSha1Kd => Self::HmacSha1Des3Kd,
            EncType::Aes128Sha1 => Self::HmacSha1Aes128,
            EncType::Aes256Sha1 => Self::HmacSha1Aes256,
            EncType::Aes128Sha256 => Self::HmacSha256Aes128,
            EncType::Aes256Sha384 => Self::HmacSha384Aes256,
        }
    }

    /// Whether only who holds the key can make the checksum.
    pub const fn is_keyed(self) -> bool {
        !matches!(self, Self::RsaMd5 | Self::Sha1 | Self::Sha1Other)
    }

    /// Whether `key` is one this keyed type can use.
    fn fits(self, key: &EncryptionKey) -> bool {
        let Ok(etype) = key.enc_type() else { return false };
        match self {
            Self::RsaMd5Des3 | Self::HmacSha1Des3Kd | Self::HmacSha1Des3 => {
                matches!(etype, EncType::Des3CbcMd5 | EncType::Des3CbcSha1Kd)
            }
            _ => Self::of_enc_type(etype) == self,
        }
    }

    /// The checksum without a key; `None` for the keyed types.
    fn plain(self, data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::RsaMd5 => Some(Md5::digest(data).to_vec()),
            Self::Sha1 | Self::Sha1Other => Some(Sha1::digest(data).to_vec()),
            _ => None,
        }
    }

    /// The deterministic checksums with a key; `None` for the others.
    fn keyed(self, key: &[u8], usage: KeyUsage, data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::HmacSha1Des3Kd => des3_sha1::checksum(key, usage, data).map(|sum| sum.to_vec()),
            Self::HmacSha1Des3 => {
                let mac = Hmac::<Sha1>::new_from_slice(key).ok()?.chain_update(data);
                Some(mac.finalize().into_bytes().to_vec())
            }
            Self::HmacSha1Aes128 | Self::HmacSha1Aes256 => aes_sha1::checksum(key, usage, data).map(|sum| sum.to_vec()),
            Self::HmacSha256Aes128 | Self::HmacSha384Aes256 => {
                Sha2Variant::of_key_length(key.len()).checksum(key, usage, data)
            }
            _ => None,
        }
    }
}

/// The key that rsa-md5-des3 encrypts with: each octet XOR F0 (profile P20), which keeps its parity.
fn variant(key: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut variant = Zeroizing::new(key.to_vec());
    variant.iter_mut().for_each(|octet| *octet ^= 0xf0);
    variant
}

/// rsa-md5-des3: E(confounder ‖ MD5(confounder ‖ data)), IV zero.
fn md5_des3(key: &[u8], confounder: [u8; 8], data: &[u8]) -> Option<Vec<u8>> {
    let digest = Md5::new().chain_update(confounder).chain_update(data).finalize();
    let mut sum = [&confounder[..], &digest[..]].concat();
    des3_cbc_encrypt(&variant(key), &mut sum)?;
    Some(sum)
}

/// Whether `sum` is an rsa-md5-des3 of `data` under the variant of `key` or `key` itself (profile P20).
fn md5_des3_matches(key: &[u8], sum: &[u8], data: &[u8]) -> bool {
    let matches = |key: &[u8]| {
        let mut opened = Zeroizing::new(sum.to_vec());
        if sum.len() != 24 || des3_cbc_decrypt(key, &mut opened).is_none() {
            return false;
        }
        let (confounder, digest) = opened.split_at(8);
        let expected = Md5::new().chain_update(confounder).chain_update(data).finalize();
        bool::from(expected.as_slice().ct_eq(digest))
    };
    matches(&variant(key)) || matches(key)
}

impl Checksum {
    /// A checksum of `data` that needs no key.
    ///
    /// # Errors
    /// [`CryptoError::ChecksumType`] for a keyed type.
    pub fn unkeyed(kind: ChecksumType, data: &[u8]) -> Result<Self, CryptoError> {
        let sum = kind.plain(data).ok_or(CryptoError::ChecksumType(kind.number()))?;
        Ok(Self {
            cksumtype: kind.number(),
            checksum: sum.into(),
        })
    }

    /// A checksum of `data` under `key`.
    ///
    /// # Errors
    /// [`CryptoError::ChecksumType`] where the type is unkeyed or does not go with the key.
    pub fn keyed(
        kind: ChecksumType,
        key: &EncryptionKey,
        usage: KeyUsage,
        data: &[u8],
        random: &mut dyn Random,
    ) -> Result<Self, CryptoError> {
        let refused = CryptoError::ChecksumType(kind.number());
        if !kind.is_keyed() || !kind.fits(key) {
            return Err(refused);
        }
        let secret = key.value.expose();
        let sum = if kind == ChecksumType::RsaMd5Des3 {
            let mut confounder = [0; 8];
            random.fill(&mut confounder);
            md5_des3(secret, confounder, data)
        } else {
            kind.keyed(secret, usage, data)
        };
        Ok(Self {
            cksumtype: kind.number(),
            checksum: sum.ok_or(refused)?.into(),
        })
    }

    /// The checksum's type, where it is supported.
    pub fn kind(&self) -> Option<ChecksumType> {
        ChecksumType::from_number(self.cksumtype)
    }

    /// Checks the checksum against `data`, comparing in constant time. Without a key only unkeyed types verify.
    ///
    /// # Errors
    /// [`CryptoError::ChecksumType`] where the type is not supported or does not go with the key;
    /// [`CryptoError::Integrity`] where the checksum is another.
    pub fn verify(&self, key: Option<&EncryptionKey>, usage: KeyUsage, data: &[u8]) -> Result<(), CryptoError> {
        let refused = CryptoError::ChecksumType(self.cksumtype);
        let kind = self.kind().ok_or(refused.clone())?;
        let sum = self.checksum.as_ref();
        let good = if !kind.is_keyed() {
            bool::from(kind.plain(data).ok_or(refused)?.ct_eq(sum))
        } else {
            let key = key.filter(|key| kind.fits(key)).ok_or(refused.clone())?.value.expose();
            if kind == ChecksumType::RsaMd5Des3 {
                md5_des3_matches(key, sum, data)
            } else {
                bool::from(kind.keyed(key, usage, data).ok_or(refused)?.ct_eq(sum))
            }
        };
        if good { Ok(()) } else { Err(CryptoError::Integrity) }
    }
}
