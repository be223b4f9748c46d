//! The key of an encrypted file, and the MIB object that brings it to the device (profile P23).

use super::cipher::{EncryptAlgorithm, IvSource};
use crate::mib::MibDialect;
use crate::value::{Random, Secret};

/// A file's key: fresh for each device and attempt.
#[derive(Debug, Clone)]
pub struct FileKey {
    algorithm: EncryptAlgorithm,
    octets: Secret,
    iv: Option<Secret>,
}

/// Where the key stands in an object that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPlacement {
    /// The key first, zero octets after it.
    #[default]
    First,
    /// Zero octets first, the key at the end.
    Last,
}

/// The key does not fit the object, or the object holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyObjectError {
    /// This dialect's object has room for a DES key alone.
    #[error("the {dialect} MIB's key object takes a DES key alone, not one for {algorithm:?}")]
    Algorithm {
        /// The device's MIB.
        dialect: MibDialect,
        /// The algorithm that was asked for.
        algorithm: EncryptAlgorithm,
    },
    /// The object has no room for an IV beside the key.
    #[error("the {dialect} MIB's key object has no room for an IV beside the key for {algorithm:?}")]
    NoRoomForIv {
        /// The device's MIB.
        dialect: MibDialect,
        /// The algorithm.
        algorithm: EncryptAlgorithm,
    },
    /// The object's length is not the dialect's.
    #[error("the key object has {found} octets, and the {dialect} MIB's has {expected}")]
    Length {
        /// The device's MIB.
        dialect: MibDialect,
        /// The length by its MIB, in octets.
        expected: usize,
        /// The length found, in octets.
        found: usize,
    },
}

impl FileKey {
    /// Takes a key without an IV of its own; for [`EncryptAlgorithm::None`] an empty one.
    pub fn new(algorithm: EncryptAlgorithm, octets: Secret) -> Self {
        Self {
            algorithm,
            octets,
            iv: None,
        }
    }

    /// Takes what [`FileKey::material`] gave.
    pub fn from_material(algorithm: EncryptAlgorithm, material: &Secret) -> Self {
        let octets = material.expose();
        let (key, iv) = octets.split_at(algorithm.key_len().min(octets.len()));
        Self {
            algorithm,
            octets: key.into(),
            iv: (!iv.is_empty()).then(|| iv.into()),
        }
    }

    /// The key and, where the key object carries one, the IV after it: what has to be kept until the device is told.
    pub fn material(&self) -> Secret {
        let iv = self.iv().unwrap_or_default();
        // Room for all of it, so that key octets are never left behind by a growing vector.
        let mut material = Vec::with_capacity(self.octets.len() + iv.len());
        material.extend_from_slice(self.octets.expose());
        material.extend_from_slice(iv);
        Secret::new(material)
    }

    /// Draws a key, with the IV beside it where `iv` says that it comes from the key object. DES keys get odd parity:
    /// the cipher ignores it, a device may not.
    pub fn generate(algorithm: EncryptAlgorithm, iv: IvSource, random: &mut dyn Random) -> Self {
        let mut octets = vec![0; algorithm.key_len()];
        random.fill(&mut octets);
        if matches!(
            algorithm,
            EncryptAlgorithm::Des64Cbc | EncryptAlgorithm::TripleDes192Cbc
        ) {
            octets.iter_mut().for_each(|octet| *octet = odd_parity(*octet));
        }
        let iv = (iv == IvSource::KeyObject && algorithm != EncryptAlgorithm::None).then(|| {
            let mut iv = vec![0; algorithm.block_len()];
            random.fill(&mut iv);
            Secret::new(iv)
        });
        Self {
            algorithm,
            octets: Secret::new(octets),
            iv,
        }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> EncryptAlgorithm {
        self.algorithm
    }

    /// The key.
    pub fn octets(&self) -> &Secret {
        &self.octets
    }

    /// The IV that the key object carries, where it does.
    pub fn iv(&self) -> Option<&[u8]> {
        self.iv.as_ref().map(Secret::expose)
    }

    /// The value of `pktcMtaDevProvConfigKey`: in the IETF MIB 32 octets, the key and the IV where there is one and
    /// zero octets; in the CableLabs and Euro MIBs the 8 octets of a DES key. `None` for a clear file, for which the
    /// object is not sent (CERTAIN).
    ///
    /// # Errors
    /// [`KeyObjectError`] where they do not fit.
    pub fn to_object(&self, dialect: MibDialect, placement: KeyPlacement) -> Result<Option<Secret>, KeyObjectError> {
        let algorithm = self.algorithm;
        if algorithm == EncryptAlgorithm::None {
            return Ok(None);
        }
        let size = object_len(dialect, algorithm)?;
        let iv = self.iv().unwrap_or_default();
        let used = self.octets.len() + iv.len();
        let unused = size
            .checked_sub(used)
            .ok_or(KeyObjectError::NoRoomForIv { dialect, algorithm })?;
        let mut object = Vec::with_capacity(size);
        if placement == KeyPlacement::Last {
            object.resize(unused, 0);
        }
        object.extend_from_slice(self.octets.expose());
        object.extend_from_slice(iv);
        object.resize(size, 0);
        Ok(Some(Secret::new(object)))
    }

    /// The device's side: the key in a value of `pktcMtaDevProvConfigKey`.
    ///
    /// # Errors
    /// [`KeyObjectError`] where the object is not of the dialect's length, or has no room for what `algorithm` and `iv` ask.
    pub fn from_object(
        object: &[u8],
        algorithm: EncryptAlgorithm,
        dialect: MibDialect,
        placement: KeyPlacement,
        iv: IvSource,
    ) -> Result<Self, KeyObjectError> {
        let expected = object_len(dialect, algorithm)?;
        if object.len() != expected {
            return Err(KeyObjectError::Length {
                dialect,
                expected,
                found: object.len(),
            });
        }
        let iv_len = match iv {
            IvSource::KeyObject => algorithm.block_len(),
            _ => 0,
        };
        let used = algorithm.key_len() + iv_len;
        let start = match placement {
            KeyPlacement::First => Some(0),
            KeyPlacement::Last => object.len().checked_sub(used),
        };
        let (key, iv) = start
            .and_then(|start| object.get(start..start + used))
            .ok_or(KeyObjectError::NoRoomForIv { dialect, algorithm })?
            .split_at(algorithm.key_len());
        Ok(Self {
            algorithm,
            octets: key.into(),
            iv: (iv_len > 0).then(|| iv.into()),
        })
    }
}

/// The length of the dialect's key object (fact sheet security §6, CERTAIN).
fn object_len(dialect: MibDialect, algorithm: EncryptAlgorithm) -> Result<usize, KeyObjectError> {
    match (dialect, algorithm) {
        (MibDialect::Ietf, _) => Ok(32),
        (_, EncryptAlgorithm::Des64Cbc) => Ok(8),
        (_, EncryptAlgorithm::None) => Ok(0),
        _ => Err(KeyObjectError::Algorithm { dialect, algorithm }),
    }
}

/// The octet with its last bit set or cleared so that an odd number of bits is set (FIPS 46-3).
fn odd_parity(octet: u8) -> u8 {
    let bits = octet & 0xfe;
    bits | u8::from(bits.count_ones().is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;

    #[test]
    fn p23_the_ietf_object_is_the_key_and_zero_octets() {
        let key = FileKey::new(EncryptAlgorithm::Aes128Cbc, Secret::new(vec![7; 16]));
        let object = |placement| key.to_object(MibDialect::Ietf, placement).unwrap().unwrap();
        assert_eq!(object(KeyPlacement::First).expose(), [[7; 16], [0; 16]].concat());
        assert_eq!(object(KeyPlacement::Last).expose(), [[0; 16], [7; 16]].concat());
    }

    #[test]
    fn the_cablelabs_and_euro_objects_take_a_des_key_alone() {
        for dialect in [MibDialect::CableLabs, MibDialect::Euro] {
            let mut random = SeededRandom::new(1);
            let des = FileKey::generate(EncryptAlgorithm::Des64Cbc, IvSource::Prepended, &mut random);
            let object = des.to_object(dialect, KeyPlacement::First).unwrap().unwrap();
            assert!(object.ct_eq(des.octets().expose()));
            let aes = FileKey::generate(EncryptAlgorithm::Aes128Cbc, IvSource::Prepended, &mut random);
            assert!(aes.to_object(dialect, KeyPlacement::First).is_err());
            let with_iv = FileKey::generate(EncryptAlgorithm::Des64Cbc, IvSource::KeyObject, &mut random);
            assert!(with_iv.to_object(dialect, KeyPlacement::First).is_err());
        }
    }

    #[test]
    fn the_device_reads_back_what_the_server_wrote() {
        let mut random = SeededRandom::new(2);
        for algorithm in EncryptAlgorithm::ALL {
            for placement in [KeyPlacement::First, KeyPlacement::Last] {
                for iv in [IvSource::Prepended, IvSource::KeyObject] {
                    let key = FileKey::generate(algorithm, iv, &mut random);
                    let object = match key.to_object(MibDialect::Ietf, placement) {
                        Ok(Some(object)) => object,
                        Ok(None) => continue,
                        Err(error) => {
                            assert_eq!(
                                (algorithm, iv),
                                (EncryptAlgorithm::Aes256Cbc, IvSource::KeyObject),
                                "{error}"
                            );
                            continue;
                        }
                    };
                    let read =
                        FileKey::from_object(object.expose(), algorithm, MibDialect::Ietf, placement, iv).unwrap();
                    assert_eq!((read.octets().expose(), read.iv()), (key.octets().expose(), key.iv()));
                }
            }
        }
    }

    #[test]
    fn an_object_of_another_length_is_refused() {
        let read = |object: &[u8], dialect| {
            FileKey::from_object(
                object,
                EncryptAlgorithm::Des64Cbc,
                dialect,
                KeyPlacement::First,
                IvSource::Prepended,
            )
        };
        assert!(read(&[0; 31], MibDialect::Ietf).is_err());
        assert!(read(&[0; 32], MibDialect::CableLabs).is_err());
        assert!(read(&[0; 8], MibDialect::Euro).is_ok());
    }

    #[test]
    fn des_keys_have_odd_parity() {
        let key = FileKey::generate(
            EncryptAlgorithm::TripleDes192Cbc,
            IvSource::Prepended,
            &mut SeededRandom::new(3),
        );
        assert!(key.octets().expose().iter().all(|octet| octet.count_ones() % 2 == 1));
    }
}
