//! Encryption types: 5 for PacketCable, 16 to 20 for everybody else.

mod aes;
pub(super) mod aes_sha1;
mod aes_sha2;
mod derive;
mod des3;
mod des3_md5;
pub(super) mod des3_sha1;

use super::der;
use super::message::EncryptedData;
use super::primitive::Number32;
use crate::value::{Random, Secret};
use subtle::ConstantTimeEq;

pub(super) use aes_sha2::Sha2Variant;
pub(super) use des3::cbc_decrypt as des3_cbc_decrypt;
pub(super) use des3::cbc_encrypt as des3_cbc_encrypt;

/// An encryption type (RFC 3961 §8 and IANA's registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncType {
    /// 5, des3-cbc-md5: PacketCable's type (fact sheet security §4.5, CERTAIN). Knows no key usages.
    Des3CbcMd5,
    /// 16, des3-cbc-sha1-kd (RFC 3961 §6.3).
    Des3CbcSha1Kd,
    /// 17, aes128-cts-hmac-sha1-96 (RFC 3962).
    Aes128Sha1,
    /// 18, aes256-cts-hmac-sha1-96 (RFC 3962).
    Aes256Sha1,
    /// 19, aes128-cts-hmac-sha256-128 (RFC 8009).
    Aes128Sha256,
    /// 20, aes256-cts-hmac-sha384-192 (RFC 8009).
    Aes256Sha384,
}

/// Key type 65, subkey-keymaterial: opaque octets that no cipher uses (RFC 3961 §8, registered for PacketCable).
pub const SUBKEY_KEYMATERIAL: i32 = 65;

/// How des3-cbc-md5 fills its last block (profile P14, P39).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PadForm {
    /// The MD5 does not cover the pad: PacketCable's form.
    #[default]
    Uncovered,
    /// The MD5 covers the pad: the form of RFC 3961's simplified types and of Heimdal.
    Covered,
}

/// What a key is used for (RFC 4120 §7.5.1). Type 5 ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyUsage(pub u32);

impl KeyUsage {
    /// PA-ENC-TIMESTAMP, under the client's key.
    pub const PA_ENC_TIMESTAMP: Self = Self(1);
    /// A ticket's encrypted part, under the service's key.
    pub const TICKET: Self = Self(2);
    /// AS-REP's encrypted part, under the reply key.
    pub const AS_REP: Self = Self(3);
    /// A TGS-REQ's enc-authorization-data, under the session key.
    pub const TGS_REQ_AUTH_DATA_SESSION: Self = Self(4);
    /// A TGS-REQ's enc-authorization-data, under the Authenticator's subkey.
    pub const TGS_REQ_AUTH_DATA_SUBKEY: Self = Self(5);
    /// The Authenticator's checksum in a TGS-REQ's PA-TGS-REQ; also asChecksum of PKINIT's ReplyKeyPack (RFC 4556
    /// §3.2.3.2).
    pub const TGS_REQ_CHECKSUM: Self = Self(6);
    /// The Authenticator in a TGS-REQ's PA-TGS-REQ.
    pub const TGS_REQ_AUTHENTICATOR: Self = Self(7);
    /// TGS-REP's encrypted part, under the session key.
    pub const TGS_REP_SESSION: Self = Self(8);
    /// TGS-REP's encrypted part, under the Authenticator's subkey.
    pub const TGS_REP_SUBKEY: Self = Self(9);
    /// The Authenticator's checksum in an AP-REQ.
    pub const AP_REQ_CHECKSUM: Self = Self(10);
    /// The Authenticator in an AP-REQ.
    pub const AP_REQ_AUTHENTICATOR: Self = Self(11);
    /// AP-REP's encrypted part.
    pub const AP_REP: Self = Self(12);
    /// KRB-SAFE's checksum.
    pub const SAFE_CHECKSUM: Self = Self(15);
    /// KRB-ERROR's e-cksum.
    pub const ERROR_CHECKSUM: Self = Self(18);
}

/// A cipher, checksum or key could not be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// No encryption type has the number.
    #[error("encryption type {0} is not supported")]
    UnknownEncType(i32),
    /// The data is of another type than the key.
    #[error("data of encryption type {data} and a key of type {key}")]
    KeyType {
        /// Type of the data.
        data: i32,
        /// Type of the key.
        key: i32,
    },
    /// The key has the wrong size.
    #[error("a key of encryption type {etype} has {expected} octets, not {found}")]
    KeyLength {
        /// The encryption type's number.
        etype: i32,
        /// Octets it should have.
        expected: usize,
        /// Octets it has.
        found: usize,
    },
    /// The ciphertext cannot come from this encryption type.
    #[error("{0} octets are no ciphertext of this encryption type")]
    CiphertextLength(usize),
    /// The integrity check failed: wrong key, or changed data.
    #[error("integrity check failed")]
    Integrity,
    /// The checksum type is unknown, or not usable with the key.
    #[error("checksum type {0} is not supported with this key")]
    ChecksumType(i32),
    /// String-to-key does not exist for the type, or its parameters are out of bounds.
    #[error("no string-to-key for encryption type {0} with these parameters")]
    StringToKey(i32),
}

/// What decryption gives.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The plaintext. Behind a DER element the pad is removed; a plaintext of another form may keep its zero pad.
    pub plaintext: Secret,
    /// Which pad form matched; `None` where the type has no choice or the plaintext needed no pad.
    pub pad: Option<PadForm>,
}

impl EncType {
    /// Every encryption type.
    pub const ALL: [Self; 6] = [
        Self::Des3CbcMd5,
        Self::Des3CbcSha1Kd,
        Self::Aes128Sha1,
        Self::Aes256Sha1,
        Self::Aes128Sha256,
        Self::Aes256Sha384,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Des3CbcMd5 => 5,
            Self::Des3CbcSha1Kd => 16,
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// The type of a number, or `None` for one that is not supported.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|etype| etype.number() == number)
    }

    /// The name that Kerberos tools know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Des3CbcMd5 => "des3-cbc-md5",
            Self::Des3CbcSha1Kd => "des3-cbc-sha1",
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha256 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha384 => "aes256-cts-hmac-sha384-192",
        }
    }

    /// Octets of a key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Des3CbcMd5 | Self::Des3CbcSha1Kd => 24,
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// Octets of random input that make a key (RFC 3961 §3 "key-generation seed length").
    pub const fn seed_length(self) -> usize {
        match self {
            Self::Des3CbcMd5 | Self::Des3CbcSha1Kd => 21,
            _ => self.key_length(),
        }
    }

    /// The key that [`EncType::seed_length`] random octets make (RFC 3961 §3 "random-to-key"). Weak DES keys are not
    /// corrected (profile, P15 and P16).
    ///
    /// # Errors
    /// [`CryptoError::KeyLength`] where `seed` has another length.
    pub fn random_to_key(self, seed: &[u8]) -> Result<EncryptionKey, CryptoError> {
        let wrong = || CryptoError::KeyLength {
            etype: self.number(),
            expected: self.seed_length(),
            found: seed.len(),
        };
        let value = match self {
            Self::Des3CbcMd5 | Self::Des3CbcSha1Kd => {
                let seed = seed.try_into().map_err(|_| wrong())?;
                Secret::from(&des3::random_to_key(seed)[..])
            }
            _ if seed.len() == self.key_length() => Secret::from(seed),
            _ => return Err(wrong()),
        };
        Ok(EncryptionKey {
            etype: self.number(),
            value,
        })
    }

    /// A fresh key.
    pub fn generate(self, random: &mut dyn Random) -> EncryptionKey {
        let mut value = zeroize::Zeroizing::new(vec![0; self.key_length()]);
        random.fill(&mut value);
        if matches!(self, Self::Des3CbcMd5 | Self::Des3CbcSha1Kd) {
            des3::parity(&mut value);
        }
        EncryptionKey {
            etype: self.number(),
            value: Secret::from(value.as_slice()),
        }
    }

    /// The key that a password and salt make (RFC 3961 §6.3.1, RFC 3962 §4, RFC 8009 §4; for type 5 the form of the drafts
    /// before RFC 3961, which Heimdal has). `iterations` is the AES types' parameter; `None` takes the type's default of
    /// 4,096 (RFC 3962) or 32,768 (RFC 8009).
    ///
    /// # Errors
    /// [`CryptoError::StringToKey`] for 0 or more than 2^20 iterations.
    pub fn string_to_key(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: Option<u32>,
    ) -> Result<EncryptionKey, CryptoError> {
        let refused = CryptoError::StringToKey(self.number());
        if iterations.is_some_and(|count| count == 0 || count > 1 << 20) {
            return Err(refused);
        }
        let value = match self {
            Self::Des3CbcMd5 => des3_md5::string_to_key(password, salt),
            Self::Des3CbcSha1Kd => des3_sha1::string_to_key(password, salt),
            Self::Aes128Sha1 | Self::Aes256Sha1 => {
                aes_sha1::string_to_key(password, salt, iterations.unwrap_or(4_096), self.key_length())
            }
            Self::Aes128Sha256 | Self::Aes256Sha384 => {
                let variant = Sha2Variant::of_key_length(self.key_length());
                variant.string_to_key(password, salt, iterations.unwrap_or(32_768))
            }
        };
        value
            .map(|value| EncryptionKey {
                etype: self.number(),
                value,
            })
            .ok_or(refused)
    }
}

impl std::fmt::Display for EncType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// No encryption type has this name or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no encryption type: expected 5, 16, 17, 18, 19 or 20, or a name such as aes256-cts-hmac-sha1-96")]
pub struct EncTypeError(String);

impl std::str::FromStr for EncType {
    type Err = EncTypeError;

    /// Reads a name or a number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|etype| etype.name() == text);
        let numbered = || text.parse().ok().and_then(Self::from_number);
        named
            .or_else(numbered)
            .ok_or_else(|| EncTypeError(text.chars().take(40).collect()))
    }
}

/// A key and the number of the encryption type it belongs to (RFC 4120 §5.2.9 EncryptionKey).
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    /// The encryption type's number; also [`SUBKEY_KEYMATERIAL`] and numbers that are not supported.
    pub etype: i32,
    /// The key's octets.
    pub value: Secret,
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.etype == other.etype && self.value.ct_eq(other.value.expose())
    }
}

impl Eq for EncryptionKey {}

impl EncryptionKey {
    /// A key of a supported type.
    ///
    /// # Errors
    /// [`CryptoError::KeyLength`] where `value` has another length than the type's keys.
    pub fn new(etype: EncType, value: Secret) -> Result<Self, CryptoError> {
        let key = Self {
            etype: etype.number(),
            value,
        };
        key.enc_type()?;
        Ok(key)
    }

    /// The encryption type, once the key's length is known to fit it.
    ///
    /// # Errors
    /// [`CryptoError::UnknownEncType`] or [`CryptoError::KeyLength`].
    pub fn enc_type(&self) -> Result<EncType, CryptoError> {
        let etype = EncType::from_number(self.etype).ok_or(CryptoError::UnknownEncType(self.etype))?;
        if self.value.len() != etype.key_length() {
            return Err(CryptoError::KeyLength {
                etype: self.etype,
                expected: etype.key_length(),
                found: self.value.len(),
            });
        }
        Ok(etype)
    }

    /// Encrypts `plaintext` with a fresh confounder. `pad` matters to type 5 alone.
    ///
    /// # Errors
    /// [`CryptoError`] where the key's type or length is wrong.
    pub fn encrypt(
        &self,
        usage: KeyUsage,
        plaintext: &[u8],
        pad: PadForm,
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let etype = self.enc_type()?;
        let key = self.value.expose();
        let mut confounder = [0; 16];
        random.fill(&mut confounder);
        let short = confounder.first_chunk().unwrap_or(&[0; 8]);
        match etype {
            EncType::Des3CbcMd5 => des3_md5::encrypt(key, short, plaintext, pad),
            EncType::Des3CbcSha1Kd => des3_sha1::encrypt(key, usage, short, plaintext),
            EncType::Aes128Sha1 | EncType::Aes256Sha1 => aes_sha1::encrypt(key, usage, &confounder, plaintext),
            EncType::Aes128Sha256 | EncType::Aes256Sha384 => {
                Sha2Variant::of_key_length(key.len()).encrypt(key, usage, &confounder, plaintext)
            }
        }
        .ok_or(CryptoError::UnknownEncType(self.etype))
    }

    /// Decrypts `ciphertext` and checks its integrity in constant time.
    ///
    /// # Errors
    /// [`CryptoError`] where the key's type or length, the ciphertext's length or the integrity check is wrong.
    pub fn decrypt(&self, usage: KeyUsage, ciphertext: &[u8]) -> Result<Opened, CryptoError> {
        let key = self.value.expose();
        match self.enc_type()? {
            EncType::Des3CbcMd5 => des3_md5::decrypt(key, ciphertext),
            EncType::Des3CbcSha1Kd => des3_sha1::decrypt(key, usage, ciphertext).map(Opened::unpadded),
            EncType::Aes128Sha1 | EncType::Aes256Sha1 => aes_sha1::decrypt(key, usage, ciphertext).map(Opened::exact),
            EncType::Aes128Sha256 | EncType::Aes256Sha384 => Sha2Variant::of_key_length(key.len())
                .decrypt(key, usage, ciphertext)
                .map(Opened::exact),
        }
    }

    /// Encrypts into an EncryptedData; `kvno` names the version of a long-term key.
    ///
    /// # Errors
    /// As [`EncryptionKey::encrypt`].
    pub fn seal(
        &self,
        kvno: Option<Number32>,
        usage: KeyUsage,
        plaintext: &[u8],
        pad: PadForm,
        random: &mut dyn Random,
    ) -> Result<EncryptedData, CryptoError> {
        Ok(EncryptedData {
            etype: self.etype,
            kvno,
            cipher: self.encrypt(usage, plaintext, pad, random)?.into(),
        })
    }

    /// Decrypts an EncryptedData of this key's type.
    ///
    /// # Errors
    /// As [`EncryptionKey::decrypt`], and [`CryptoError::KeyType`] where the types differ.
    pub fn open(&self, data: &EncryptedData, usage: KeyUsage) -> Result<Opened, CryptoError> {
        if data.etype != self.etype {
            return Err(CryptoError::KeyType {
                data: data.etype,
                key: self.etype,
            });
        }
        self.decrypt(usage, data.cipher.as_ref())
    }
}

impl Opened {
    fn exact(plaintext: Secret) -> Self {
        Self { plaintext, pad: None }
    }

    /// Removes the zero pad behind a DER element.
    fn unpadded(plaintext: Secret) -> Self {
        Self::exact(Secret::from(without_pad(plaintext.expose())))
    }
}

/// `plaintext` without the up to seven zero octets behind the DER element that it starts with; unchanged where it does
/// not start with one.
fn without_pad(plaintext: &[u8]) -> &[u8] {
    let Some((element, pad)) = der::element_length(plaintext).and_then(|length| plaintext.split_at_checked(length))
    else {
        return plaintext;
    };
    if pad.len() < 8 && pad.iter().all(|octet| *octet == 0) {
        element
    } else {
        plaintext
    }
}

/// Whether `one` and `two` are the same octets, in time that depends on the lengths alone.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.ct_eq(two).into()
}

#[cfg(test)]
mod tests;
