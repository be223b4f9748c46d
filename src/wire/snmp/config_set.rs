//! The SET that tells a device where its configuration file is, what its hash is and how it is encrypted
//! (step eUE-19; fact sheet provisioning §2.3, profile P23 and P24).

use super::pdu::ErrorStatus;
use super::varbind::{SecretOctets, Value, VarBind};
use crate::mib::dialect::{MibDialect, oid};
use crate::value::Secret;

/// The size of the IETF MIB's key object.
const IETF_KEY_OBJECT: usize = 32;
/// The greatest SnmpAdminString.
const MAX_URL: usize = 255;

/// pktcMtaDevProvConfigEncryptAlg: how the file is encrypted (RFC 4682; fact sheet provisioning §2.3, CERTAIN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum EncryptAlg {
    /// Not at all.
    None = 0,
    /// DES in CBC mode: the object's default, and the only one without the object.
    Des64CbcMode = 1,
    /// Triple DES with three keys, in CBC mode.
    T3Des192CbcMode = 2,
    /// AES-128 in CBC mode.
    Aes128CbcMode = 3,
    /// AES-256 in CBC mode.
    Aes256CbcMode = 4,
}

/// Where a key shorter than its object stands in it (profile P23). The other octets are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlacement {
    /// The key first.
    #[default]
    Leading,
    /// The key last.
    Trailing,
}

/// What a device is told about its file.
#[derive(Debug, Clone)]
pub struct ConfigSet<'a> {
    /// Where the file is: 1 to 255 ASCII octets.
    pub url: &'a str,
    /// The file's hash: 20 octets, under the CableLabs MIB 16 or 20.
    pub hash: &'a [u8],
    /// The cipher and the key, where the file is encrypted. The key has the cipher's own length.
    pub encryption: Option<(EncryptAlg, &'a Secret)>,
}

/// What a device was told about its file.
#[derive(Debug, Clone)]
pub struct ReceivedConfig {
    /// Where the file is.
    pub url: String,
    /// The file's hash: 16 or 20 octets.
    pub hash: Vec<u8>,
    /// The cipher and its key, where the file is encrypted.
    pub encryption: Option<(EncryptAlg, Secret)>,
}

/// The file's parameters do not fit into the dialect's objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigSetError {
    /// The URL is empty, longer than 255 octets, or not ASCII.
    #[error("a configuration file URL has 1 to 255 ASCII octets; this one has {0} octets")]
    Url(usize),
    /// The hash has the wrong size.
    #[error("a {dialect} device takes no configuration file hash of {length} octets")]
    Hash {
        /// The device's MIB.
        dialect: MibDialect,
        /// How many octets the hash has.
        length: usize,
    },
    /// The key does not belong to the cipher.
    #[error("{algorithm:?} does not take a key of {length} octets")]
    Key {
        /// The cipher.
        algorithm: EncryptAlg,
        /// How many octets the key has.
        length: usize,
    },
    /// The dialect has no way to say that the file is encrypted so.
    #[error("a {dialect} device cannot be told of {algorithm:?}")]
    Algorithm {
        /// The device's MIB.
        dialect: MibDialect,
        /// The cipher.
        algorithm: EncryptAlg,
    },
}

/// Why a device refuses the SET: the response's error-status, and its error-index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{status:?} at binding {index}")]
pub struct SetRefusal {
    /// The response's error-status.
    pub status: ErrorStatus,
    /// Which binding is to blame, from 1; 0 where one is missing.
    pub index: u32,
}

impl EncryptAlg {
    /// The cipher with this number, 0 to 4.
    pub fn from_number(number: i32) -> Option<Self> {
        [
            Self::None,
            Self::Des64CbcMode,
            Self::T3Des192CbcMode,
            Self::Aes128CbcMode,
            Self::Aes256CbcMode,
        ]
        .into_iter()
        .find(|algorithm| *algorithm as i32 == number)
    }

    /// How many octets the cipher's key has.
    pub const fn key_length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Des64CbcMode => 8,
            Self::T3Des192CbcMode => 24,
            Self::Aes128CbcMode => 16,
            Self::Aes256CbcMode => 32,
        }
    }
}

impl ConfigSet<'_> {
    /// The SET's bindings: ConfigFile, ProvConfigHash and, for an encrypted file, ProvConfigKey and, where the
    /// dialect has it, ProvConfigEncryptAlg.
    ///
    /// # Errors
    /// [`ConfigSetError`].
    pub fn bindings(&self, dialect: MibDialect, placement: KeyPlacement) -> Result<Vec<VarBind>, ConfigSetError> {
        let oids = dialect.oids();
        if !(1..=MAX_URL).contains(&self.url.len()) || !self.url.is_ascii() {
            return Err(ConfigSetError::Url(self.url.len()));
        }
        if !is_hash_length(dialect, self.hash.len()) {
            return Err(ConfigSetError::Hash {
                dialect,
                length: self.hash.len(),
            });
        }
        let mut bindings = vec![
            VarBind::new(oid(oids.config_file), Value::text(self.url)),
            VarBind::new(oid(oids.prov_config_hash), Value::OctetString(self.hash.to_vec())),
        ];
        if let Some((algorithm, key)) = self.encryption {
            let object = key_object(dialect, algorithm, key, placement)?;
            bindings.push(VarBind::new(
                oid(oids.prov_config_key),
                Value::Secret(SecretOctets(object)),
            ));
            if let Some(arcs) = oids.prov_config_encrypt_alg {
                bindings.push(VarBind::new(oid(arcs), Value::Integer(algorithm as i32)));
            }
        }
        Ok(bindings)
    }
}

fn is_hash_length(dialect: MibDialect, length: usize) -> bool {
    length == 20 || length == 16 && dialect == MibDialect::CableLabs
}

/// The content of ProvConfigKey: under the IETF MIB 32 octets, under the others a DES key.
fn key_object(
    dialect: MibDialect,
    algorithm: EncryptAlg,
    key: &Secret,
    placement: KeyPlacement,
) -> Result<Secret, ConfigSetError> {
    let sayable = match dialect {
        MibDialect::Ietf => algorithm != EncryptAlg::None,
        MibDialect::CableLabs | MibDialect::Euro => algorithm == EncryptAlg::Des64CbcMode,
    };
    if !sayable {
        return Err(ConfigSetError::Algorithm { dialect, algorithm });
    }
    if key.len() != algorithm.key_length() {
        return Err(ConfigSetError::Key {
            algorithm,
            length: key.len(),
        });
    }
    if dialect != MibDialect::Ietf {
        return Ok(key.clone());
    }
    let filling = vec![0; IETF_KEY_OBJECT - key.len()];
    Ok(Secret::new(match placement {
        KeyPlacement::Leading => [key.expose(), &filling].concat(),
        KeyPlacement::Trailing => [&filling, key.expose()].concat(),
    }))
}

impl ReceivedConfig {
    /// What the bindings of a SET tell a device of this dialect; other objects among them are left aside.
    ///
    /// # Errors
    /// [`SetRefusal`]: what the device answers to a value of the wrong type, size or range, to a SET without file or
    /// hash, and to a cipher without key.
    pub fn from_bindings(
        bindings: &[VarBind],
        dialect: MibDialect,
        placement: KeyPlacement,
    ) -> Result<Self, SetRefusal> {
        let oids = dialect.oids();
        let find = |arcs: &[u32]| Object::find(bindings, arcs);
        let missing = SetRefusal {
            status: ErrorStatus::InconsistentValue,
            index: 0,
        };
        let url = find(oids.config_file).ok_or(missing)?.url()?;
        let hash = find(oids.prov_config_hash).ok_or(missing)?;
        let hash = hash.octets(|length| is_hash_length(dialect, length))?.to_vec();
        let algorithm = match oids.prov_config_encrypt_alg.and_then(find) {
            Some(object) => object.algorithm()?,
            None => EncryptAlg::Des64CbcMode,
        };
        let key = match find(oids.prov_config_key) {
            Some(object) => object.key(dialect)?,
            None => None,
        };
        let encryption = match (key, algorithm) {
            (Some(_), EncryptAlg::None) => return Err(missing),
            (Some(key), _) => Some((algorithm, key_in(key, algorithm, placement))),
            (None, _) => None,
        };
        Ok(Self { url, hash, encryption })
    }
}

/// The cipher's key within its object.
fn key_in(object: &[u8], algorithm: EncryptAlg, placement: KeyPlacement) -> Secret {
    let length = algorithm.key_length().min(object.len());
    Secret::from(match placement {
        KeyPlacement::Leading => &object[..length],
        KeyPlacement::Trailing => &object[object.len() - length..],
    })
}

/// One binding of a SET and its number.
#[derive(Clone, Copy)]
struct Object<'a> {
    value: &'a Value,
    index: u32,
}

impl<'a> Object<'a> {
    fn find(bindings: &'a [VarBind], arcs: &[u32]) -> Option<Self> {
        (1..)
            .zip(bindings)
            .find(|(_, binding)| binding.name.arcs() == arcs)
            .map(|(index, binding)| Self {
                value: &binding.value,
                index,
            })
    }

    fn refuse(self, status: ErrorStatus) -> SetRefusal {
        SetRefusal {
            status,
            index: self.index,
        }
    }

    fn octets(self, fits: impl FnOnce(usize) -> bool) -> Result<&'a [u8], SetRefusal> {
        let octets = self.value.as_octets().ok_or(self.refuse(ErrorStatus::WrongType))?;
        if fits(octets.len()) {
            Ok(octets)
        } else {
            Err(self.refuse(ErrorStatus::WrongLength))
        }
    }

    fn url(self) -> Result<String, SetRefusal> {
        let octets = self.octets(|length| (1..=MAX_URL).contains(&length))?;
        match std::str::from_utf8(octets) {
            Ok(url) if url.is_ascii() => Ok(url.to_owned()),
            _ => Err(self.refuse(ErrorStatus::WrongValue)),
        }
    }

    fn algorithm(self) -> Result<EncryptAlg, SetRefusal> {
        match self.value {
            Value::Integer(number) => EncryptAlg::from_number(*number).ok_or(self.refuse(ErrorStatus::WrongValue)),
            _ => Err(self.refuse(ErrorStatus::WrongType)),
        }
    }

    /// The key object's content; of no octets, where the dialect allows it, no key.
    fn key(self, dialect: MibDialect) -> Result<Option<&'a [u8]>, SetRefusal> {
        let octets = self.octets(|length| match dialect {
            MibDialect::Ietf => length == IETF_KEY_OBJECT,
            MibDialect::CableLabs | MibDialect::Euro => length == 0 || length == 8,
        })?;
        Ok((!octets.is_empty()).then_some(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "tftp://[2001:db8::1]/0011.bin";

    fn set(hash: &[u8], encryption: Option<(EncryptAlg, &Secret)>) -> ConfigSet<'static> {
        // Leaked for the test's sake: the fields are borrowed.
        ConfigSet {
            url: URL,
            hash: hash.to_vec().leak(),
            encryption: encryption.map(|(algorithm, key)| (algorithm, &*Box::leak(Box::new(key.clone())))),
        }
    }

    #[test]
    fn p23_every_cipher_of_each_dialect_and_back() {
        use EncryptAlg::*;
        for (dialect, ciphers) in [
            (
                MibDialect::Ietf,
                &[Des64CbcMode, T3Des192CbcMode, Aes128CbcMode, Aes256CbcMode][..],
            ),
            (MibDialect::CableLabs, &[Des64CbcMode]),
            (MibDialect::Euro, &[Des64CbcMode]),
        ] {
            for &algorithm in ciphers {
                for placement in [KeyPlacement::Leading, KeyPlacement::Trailing] {
                    let key = Secret::new((1..=algorithm.key_length() as u8).collect());
                    let bindings = set(&[9; 20], Some((algorithm, &key)))
                        .bindings(dialect, placement)
                        .unwrap();
                    assert_eq!(bindings.len(), if dialect == MibDialect::Ietf { 4 } else { 3 });
                    let received = ReceivedConfig::from_bindings(&bindings, dialect, placement).unwrap();
                    assert_eq!((received.url.as_str(), received.hash.as_slice()), (URL, &[9; 20][..]));
                    let (with, read) = received.encryption.unwrap();
                    assert_eq!(with, algorithm);
                    assert!(read.ct_eq(key.expose()));
                }
            }
        }
    }

    #[test]
    fn p23_the_ietf_key_stands_first_in_32_octets() {
        let key = Secret::new(vec![0xaa; 16]);
        let bindings = set(&[0; 20], Some((EncryptAlg::Aes128CbcMode, &key)))
            .bindings(MibDialect::Ietf, KeyPlacement::Leading)
            .unwrap();
        let octets = bindings[2].value.as_octets().unwrap();
        assert_eq!(octets, [[0xaa; 16], [0; 16]].concat());
        assert_eq!(bindings[3].value, Value::Integer(3));
    }

    #[test]
    fn p23_a_clear_file_goes_without_key_and_algorithm() {
        for dialect in MibDialect::ALL {
            let bindings = set(&[0; 20], None).bindings(dialect, KeyPlacement::Leading).unwrap();
            assert_eq!(bindings.len(), 2);
            let received = ReceivedConfig::from_bindings(&bindings, dialect, KeyPlacement::Leading).unwrap();
            assert!(received.encryption.is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        let bindings = |set: &ConfigSet<'_>, dialect| set.bindings(dialect, KeyPlacement::Leading).map(drop);
        let md5 = set(&[0; 16], None);
        assert_eq!(bindings(&md5, MibDialect::CableLabs), Ok(()));
        for dialect in [MibDialect::Ietf, MibDialect::Euro] {
            assert_eq!(
                bindings(&md5, dialect),
                Err(ConfigSetError::Hash { dialect, length: 16 })
            );
        }
        let key = Secret::new(vec![0; 16]);
        let aes = set(&[0; 20], Some((EncryptAlg::Aes128CbcMode, &key)));
        for dialect in [MibDialect::CableLabs, MibDialect::Euro] {
            let algorithm = EncryptAlg::Aes128CbcMode;
            assert_eq!(
                bindings(&aes, dialect),
                Err(ConfigSetError::Algorithm { dialect, algorithm })
            );
        }
        let des = set(&[0; 20], Some((EncryptAlg::Des64CbcMode, &key)));
        let wrong_key = ConfigSetError::Key {
            algorithm: EncryptAlg::Des64CbcMode,
            length: 16,
        };
        assert_eq!(bindings(&des, MibDialect::Ietf), Err(wrong_key));
        let long = "x".repeat(256);
        let long = ConfigSet {
            url: &long,
            ..set(&[0; 20], None)
        };
        assert_eq!(bindings(&long, MibDialect::Ietf), Err(ConfigSetError::Url(256)));
    }

    #[test]
    fn rfc_3416_4_2_5_a_device_names_the_binding_it_refuses() {
        let key = Secret::new(vec![1; 16]);
        let good = set(&[0; 20], Some((EncryptAlg::Aes128CbcMode, &key)))
            .bindings(MibDialect::Ietf, KeyPlacement::Leading)
            .unwrap();
        let refusal = |at: usize, value: Value| {
            let mut bindings = good.clone();
            bindings[at].value = value;
            ReceivedConfig::from_bindings(&bindings, MibDialect::Ietf, KeyPlacement::Leading).unwrap_err()
        };
        let expected = |status, index| SetRefusal { status, index };
        assert_eq!(refusal(0, Value::text("")), expected(ErrorStatus::WrongLength, 1));
        assert_eq!(refusal(1, Value::Integer(1)), expected(ErrorStatus::WrongType, 2));
        assert_eq!(
            refusal(2, Value::OctetString(vec![0; 8])),
            expected(ErrorStatus::WrongLength, 3)
        );
        assert_eq!(refusal(3, Value::Integer(9)), expected(ErrorStatus::WrongValue, 4));
        assert_eq!(
            refusal(3, Value::Integer(0)),
            expected(ErrorStatus::InconsistentValue, 0)
        );
        let without_hash = [good[0].clone()];
        let refused = ReceivedConfig::from_bindings(&without_hash, MibDialect::Ietf, KeyPlacement::Leading);
        assert_eq!(refused.unwrap_err(), expected(ErrorStatus::InconsistentValue, 0));
    }
}
