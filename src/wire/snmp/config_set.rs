//! The SET that tells a device where its configuration file is, what its hash is and how it is encrypted
//! (step eUE-19; fact sheet provisioning §2.3, profile P23).

use super::pdu::ErrorStatus;
use super::varbind::{SecretOctets, Value, VarBind};
use crate::mib::dialect::{MibDialect, oid};
use crate::value::Secret;

/// The greatest SnmpAdminString, in octets.
const MAX_URL: usize = 255;
/// pktcMtaDevProvConfigEncryptAlg's value for DES, its default and the only cipher where there is no such object.
const DES: i32 = 1;

/// What a device is told about its file.
#[derive(Debug, Clone)]
pub struct ConfigSet<'a> {
    /// Where the file is: 1 to 255 ASCII octets.
    pub url: &'a str,
    /// The file's hash: 20 octets, under the CableLabs MIB 16 or 20.
    pub hash: &'a [u8],
    /// How the file is encrypted, where it is.
    pub encryption: Option<FileEncryption>,
}

/// How a file is encrypted, as the device's objects say it.
#[derive(Debug, Clone)]
pub struct FileEncryption {
    /// pktcMtaDevProvConfigEncryptAlg: 1 DES, 2 triple DES, 3 AES-128, 4 AES-256 (fact sheet provisioning §2.3,
    /// CERTAIN). The CableLabs and Euro MIBs have no such object and know 1 only.
    pub algorithm: i32,
    /// The whole content of pktcMtaDevProvConfigKey: 32 octets, under the CableLabs and Euro MIBs 8 (profile P23).
    pub key_object: Secret,
}

/// What a device was told about its file.
#[derive(Debug, Clone)]
pub struct ReceivedConfig {
    /// Where the file is.
    pub url: String,
    /// The file's hash: 16 or 20 octets.
    pub hash: Vec<u8>,
    /// How the file is encrypted, where it is.
    pub encryption: Option<FileEncryption>,
}

/// The file's parameters do not fit into the dialect's objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigSetError {
    /// The URL is empty, longer than 255 octets, or not ASCII.
    #[error("a configuration file URL has 1 to 255 ASCII octets; this one has {0} octets")]
    Url(usize),
    /// The hash has the wrong size.
    #[error("a device with the {dialect} MIB takes no configuration file hash of {length} octets")]
    Hash {
        /// The device's MIB.
        dialect: MibDialect,
        /// How many octets the hash has.
        length: usize,
    },
    /// The key object has the wrong size.
    #[error("a device with the {dialect} MIB takes no configuration file key object of {length} octets")]
    Key {
        /// The device's MIB.
        dialect: MibDialect,
        /// How many octets the object has.
        length: usize,
    },
    /// The dialect has no way to name the cipher, or there is none with this number.
    #[error("a device with the {dialect} MIB cannot be told of configuration file cipher {algorithm}")]
    Algorithm {
        /// The device's MIB.
        dialect: MibDialect,
        /// The cipher's number.
        algorithm: i32,
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

impl ConfigSet<'_> {
    /// The SET's bindings: ConfigFile, ProvConfigHash and, for an encrypted file, ProvConfigKey and, where the
    /// dialect has it, ProvConfigEncryptAlg.
    ///
    /// # Errors
    /// [`ConfigSetError`].
    pub fn bindings(&self, dialect: MibDialect) -> Result<Vec<VarBind>, ConfigSetError> {
        let oids = dialect.oids();
        if !(1..=MAX_URL).contains(&self.url.len()) || !self.url.is_ascii() {
            return Err(ConfigSetError::Url(self.url.len()));
        }
        let length = self.hash.len();
        if !is_hash_length(dialect, length) {
            return Err(ConfigSetError::Hash { dialect, length });
        }
        let mut bindings = vec![
            VarBind::new(oid(oids.config_file), Value::text(self.url)),
            VarBind::new(oid(oids.prov_config_hash), Value::OctetString(self.hash.to_vec())),
        ];
        if let Some(encryption) = &self.encryption {
            encryption.check(dialect)?;
            let key = SecretOctets(encryption.key_object.clone());
            bindings.push(VarBind::new(oid(oids.prov_config_key), Value::Secret(key)));
            if let Some(arcs) = oids.prov_config_encrypt_alg {
                bindings.push(VarBind::new(oid(arcs), Value::Integer(encryption.algorithm)));
            }
        }
        Ok(bindings)
    }
}

impl FileEncryption {
    /// Whether the dialect's objects can say this.
    fn check(&self, dialect: MibDialect) -> Result<(), ConfigSetError> {
        let algorithm = self.algorithm;
        let length = self.key_object.len();
        let ciphers = match dialect {
            MibDialect::Ietf => DES..=4,
            MibDialect::CableLabs | MibDialect::Euro => DES..=DES,
        };
        if !ciphers.contains(&algorithm) {
            return Err(ConfigSetError::Algorithm { dialect, algorithm });
        }
        if length != key_object_length(dialect) {
            return Err(ConfigSetError::Key { dialect, length });
        }
        Ok(())
    }
}

fn is_hash_length(dialect: MibDialect, length: usize) -> bool {
    length == 20 || length == 16 && dialect == MibDialect::CableLabs
}

fn key_object_length(dialect: MibDialect) -> usize {
    match dialect {
        MibDialect::Ietf => 32,
        MibDialect::CableLabs | MibDialect::Euro => 8,
    }
}

impl ReceivedConfig {
    /// What the bindings of a SET tell a device of this dialect; other objects among them are left aside.
    ///
    /// # Errors
    /// [`SetRefusal`]: what the device answers to a value of the wrong type, size or range, to a SET without file or
    /// hash, and to a key for no cipher.
    pub fn from_bindings(bindings: &[VarBind], dialect: MibDialect) -> Result<Self, SetRefusal> {
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
            None => DES,
        };
        let encryption = match find(oids.prov_config_key) {
            Some(object) => object.key(dialect, algorithm)?,
            None => None,
        };
        Ok(Self { url, hash, encryption })
    }
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

    fn algorithm(self) -> Result<i32, SetRefusal> {
        match self.value {
            Value::Integer(number @ 0..=4) => Ok(*number),
            Value::Integer(_) => Err(self.refuse(ErrorStatus::WrongValue)),
            _ => Err(self.refuse(ErrorStatus::WrongType)),
        }
    }

    /// The key object's content; of no octets, where the dialect allows it, no key.
    fn key(self, dialect: MibDialect, algorithm: i32) -> Result<Option<FileEncryption>, SetRefusal> {
        let may_be_empty = dialect != MibDialect::Ietf;
        let octets = self.octets(|length| length == key_object_length(dialect) || may_be_empty && length == 0)?;
        if octets.is_empty() {
            return Ok(None);
        }
        if algorithm == 0 {
            return Err(self.refuse(ErrorStatus::InconsistentValue));
        }
        Ok(Some(FileEncryption {
            algorithm,
            key_object: Secret::from(octets),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "tftp://[2001:db8::1]/0011.bin";

    fn encrypted(algorithm: i32, length: u8) -> ConfigSet<'static> {
        ConfigSet {
            encryption: Some(FileEncryption {
                algorithm,
                key_object: Secret::new((1..=length).collect()),
            }),
            ..clear(&[9; 20])
        }
    }

    fn clear(hash: &'static [u8]) -> ConfigSet<'static> {
        ConfigSet {
            url: URL,
            hash,
            encryption: None,
        }
    }

    #[test]
    fn p23_every_cipher_of_each_dialect_and_back() {
        let names = [
            (MibDialect::Ietf, 1..=4, 32),
            (MibDialect::CableLabs, 1..=1, 8),
            (MibDialect::Euro, 1..=1, 8),
        ];
        for (dialect, ciphers, length) in names {
            for algorithm in ciphers {
                let set = encrypted(algorithm, length);
                let bindings = set.bindings(dialect).unwrap();
                assert_eq!(bindings.len(), if dialect == MibDialect::Ietf { 4 } else { 3 });
                let received = ReceivedConfig::from_bindings(&bindings, dialect).unwrap();
                assert_eq!((received.url.as_str(), received.hash.as_slice()), (URL, &[9; 20][..]));
                let read = received.encryption.unwrap();
                assert_eq!(read.algorithm, algorithm);
                assert!(read.key_object.ct_eq(set.encryption.unwrap().key_object.expose()));
            }
        }
    }

    #[test]
    fn p23_a_clear_file_goes_without_key_and_algorithm() {
        for dialect in MibDialect::ALL {
            let bindings = clear(&[0; 20]).bindings(dialect).unwrap();
            assert_eq!(bindings.len(), 2);
            let received = ReceivedConfig::from_bindings(&bindings, dialect).unwrap();
            assert!(received.encryption.is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        let error = |set: &ConfigSet<'_>, dialect| set.bindings(dialect).map(drop);
        assert_eq!(error(&clear(&[0; 16]), MibDialect::CableLabs), Ok(()));
        for dialect in [MibDialect::Ietf, MibDialect::Euro] {
            let expected = ConfigSetError::Hash { dialect, length: 16 };
            assert_eq!(error(&clear(&[0; 16]), dialect), Err(expected));
        }
        for (dialect, algorithm, length) in [
            (MibDialect::CableLabs, 3, 8),
            (MibDialect::Euro, 2, 8),
            (MibDialect::Ietf, 0, 32),
            (MibDialect::Ietf, 5, 32),
        ] {
            let expected = ConfigSetError::Algorithm { dialect, algorithm };
            assert_eq!(error(&encrypted(algorithm, length), dialect), Err(expected));
        }
        for (dialect, length) in [
            (MibDialect::Ietf, 8),
            (MibDialect::CableLabs, 32),
            (MibDialect::Euro, 0),
        ] {
            let expected = ConfigSetError::Key {
                dialect,
                length: usize::from(length),
            };
            assert_eq!(error(&encrypted(1, length), dialect), Err(expected));
        }
        let long = "x".repeat(256);
        for url in ["", "tftp://é/", &long] {
            let set = ConfigSet { url, ..clear(&[0; 20]) };
            assert_eq!(error(&set, MibDialect::Ietf), Err(ConfigSetError::Url(url.len())));
        }
    }

    #[test]
    fn rfc_3416_4_2_5_a_device_names_the_binding_it_refuses() {
        let good = encrypted(3, 32).bindings(MibDialect::Ietf).unwrap();
        let refusal = |at: usize, value: Value| {
            let mut bindings = good.clone();
            bindings[at].value = value;
            ReceivedConfig::from_bindings(&bindings, MibDialect::Ietf).unwrap_err()
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
            expected(ErrorStatus::InconsistentValue, 3)
        );
        let without_hash = ReceivedConfig::from_bindings(&good[..1], MibDialect::Ietf);
        assert_eq!(without_hash.unwrap_err(), expected(ErrorStatus::InconsistentValue, 0));
    }
}
