//! The hash by which a device knows that a file is whole (profile P21, fact sheet provisioning §1.4).

use md5::Md5;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::{DeviceFile, Element, EncodeError};
use crate::mib::{MibDialect, dialect};
use crate::wire::snmp::varbind::{Value, VarBind};

/// Which hash; SHA-1 unless a peer of the CableLabs MIB asks for MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashAlgorithm {
    /// 20 octets.
    #[default]
    Sha1,
    /// 16 octets; only the CableLabs MIB has room for it.
    Md5,
}

/// The value of `pktcMtaDevProvConfigHash`. In secure and hybrid flow it is taken over the octets that are delivered,
/// after encryption; in basic flow over the file without the variable binding that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileHash {
    /// SHA-1, 20 octets.
    Sha1([u8; 20]),
    /// MD5, 16 octets.
    Md5([u8; 16]),
}

impl FileHash {
    /// The hash of `octets`.
    pub fn of(octets: &[u8], algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha1 => Self::Sha1(Sha1::digest(octets).into()),
            HashAlgorithm::Md5 => Self::Md5(Md5::digest(octets).into()),
        }
    }

    /// Takes the value of the MIB object: 20 octets are SHA-1, 16 are MD5, anything else is no hash.
    pub fn from_object(octets: &[u8]) -> Option<Self> {
        let sha1 = octets.try_into().map(Self::Sha1);
        sha1.or_else(|_| octets.try_into().map(Self::Md5)).ok()
    }

    /// The value of the MIB object.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Sha1(octets) => octets,
            Self::Md5(octets) => octets,
        }
    }

    /// Which hash it is.
    pub fn algorithm(&self) -> HashAlgorithm {
        match self {
            Self::Sha1(_) => HashAlgorithm::Sha1,
            Self::Md5(_) => HashAlgorithm::Md5,
        }
    }

    /// Whether it is the hash of `octets`; compares in constant time.
    pub fn verify(&self, octets: &[u8]) -> bool {
        let computed = Self::of(octets, self.algorithm());
        self.octets().ct_eq(computed.octets()).into()
    }
}

/// Why a device of the basic flow refuses a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BasicHashError {
    /// No variable binding carries the hash of this dialect.
    #[error("the file has no {}", dialect::oid(.0.oids().prov_config_hash))]
    Missing(MibDialect),
    /// The file carries the hash of another dialect's MIB.
    #[error("the file's hash is the object of the {found} MIB; the device has the {expected} MIB")]
    Dialect {
        /// The device's MIB.
        expected: MibDialect,
        /// The MIB whose object the file sets.
        found: MibDialect,
    },
    /// More than one variable binding carries it.
    #[error("the file has {0} hashes")]
    Several(usize),
    /// The object's value is no OCTET STRING of 20 octets (CableLabs MIB: or 16).
    #[error("the hash is no OCTET STRING of 20 octets (in the CableLabs MIB: or 16)")]
    Value,
    /// The hash is not that of the rest of the file.
    #[error("the hash is not that of the file")]
    Mismatch,
    /// The rest of the file cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Computes a [`FileHash`] piece by piece.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha1(Sha1),
    Md5(Md5),
}

impl Hasher {
    pub fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            HashAlgorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(octets),
            Self::Md5(hash) => hash.update(octets),
        }
    }

    pub fn finish(self) -> FileHash {
        match self {
            Self::Sha1(hash) => FileHash::Sha1(hash.finalize().into()),
            Self::Md5(hash) => FileHash::Md5(hash.finalize().into()),
        }
    }
}

fn carries(element: &Element, dialect: MibDialect) -> bool {
    let hash = dialect.oids().prov_config_hash;
    element.as_varbind().is_some_and(|varbind| varbind.name.arcs() == hash)
}

impl DeviceFile {
    /// The hash over this file without the variable bindings that carry a hash of `dialect`, delimiters included.
    ///
    /// # Errors
    /// [`EncodeError`] where the file cannot be encoded.
    pub fn basic_flow_hash(&self, dialect: MibDialect, algorithm: HashAlgorithm) -> Result<FileHash, EncodeError> {
        let mut octets = Vec::with_capacity(self.elements.len() * 40);
        for element in self.elements.iter().filter(|element| !carries(element, dialect)) {
            element.write(&mut octets)?;
        }
        Ok(FileHash::of(&octets, algorithm))
    }

    /// Inserts the hash of the basic flow before the end delimiter, instead of one that is there.
    ///
    /// # Errors
    /// [`EncodeError`] where the file cannot be encoded.
    pub fn insert_basic_flow_hash(&mut self, dialect: MibDialect, algorithm: HashAlgorithm) -> Result<(), EncodeError> {
        let hash = self.basic_flow_hash(dialect, algorithm)?;
        self.elements.retain(|element| !carries(element, dialect));
        let value = Value::OctetString(hash.octets().to_vec());
        let oid = dialect::oid(dialect.oids().prov_config_hash);
        self.push(Element::varbind(VarBind::new(oid, value)));
        Ok(())
    }

    /// Whether a device with the MIB of `dialect` takes this file in basic flow.
    ///
    /// # Errors
    /// [`BasicHashError`].
    pub fn verify_basic_flow_hash(&self, dialect: MibDialect) -> Result<(), BasicHashError> {
        let of = |dialect| self.elements.iter().filter(move |element| carries(element, dialect));
        let carrier = match of(dialect).count() {
            1 => of(dialect).find_map(Element::as_varbind),
            0 => None,
            several => return Err(BasicHashError::Several(several)),
        };
        let Some(carrier) = carrier else {
            let other = MibDialect::ALL.into_iter().find(|&other| of(other).next().is_some());
            return Err(match other {
                Some(found) => BasicHashError::Dialect {
                    expected: dialect,
                    found,
                },
                None => BasicHashError::Missing(dialect),
            });
        };
        let Value::OctetString(octets) = &carrier.value else {
            return Err(BasicHashError::Value);
        };
        let stated = FileHash::from_object(octets).ok_or(BasicHashError::Value)?;
        if stated.algorithm() == HashAlgorithm::Md5 && dialect != MibDialect::CableLabs {
            return Err(BasicHashError::Value);
        }
        let computed = self.basic_flow_hash(dialect, stated.algorithm())?;
        match stated.octets().ct_eq(computed.octets()).into() {
            true => Ok(()),
            false => Err(BasicHashError::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{hex, unhex};

    /// Fact sheet provisioning §1.4, computed by its author from the definition.
    const VECTORS: [(MibDialect, &str); 3] = [
        (
            MibDialect::Ietf,
            "fe01010b123010060b2b06010201810c010106000201010b253023060b2b06010201810c01020b000414\
             d62769c17f998300ba6c25c6114e61652a33e407fe01ff",
        ),
        (
            MibDialect::CableLabs,
            "fe01010b153013060e2b06010401a30b020201010107000201010b283026060e2b06010401a30b0202010102070004\
             147efcd7780596fa9ef4bdfb627a95b776a93ffd4afe01ff",
        ),
        (
            MibDialect::Euro,
            "fe01010b133011060c2b06010401ba0801010106000201010b263024060c2b06010401ba0801010209000414\
             ce583cc8a61e42c5f21459f15d081aef352cee3cfe01ff",
        ),
    ];

    fn enabled(dialect: MibDialect) -> DeviceFile {
        let varbind = VarBind::new(dialect::oid(dialect.oids().enabled), Value::Integer(1));
        DeviceFile {
            elements: vec![Element::Start, Element::varbind(varbind), Element::End],
            trailing: Vec::new(),
        }
    }

    #[test]
    fn the_three_vectors_of_the_fact_sheet_1_4() {
        for (dialect, text) in VECTORS {
            let mut file = enabled(dialect);
            file.insert_basic_flow_hash(dialect, HashAlgorithm::Sha1).unwrap();
            assert_eq!(hex(&file.encode().unwrap()), text, "{dialect}");
            file.insert_basic_flow_hash(dialect, HashAlgorithm::Sha1).unwrap();
            assert_eq!(hex(&file.encode().unwrap()), text, "{dialect}, inserted again");
        }
    }

    #[test]
    fn a_device_takes_its_own_dialect_and_no_other() {
        for (dialect, text) in VECTORS {
            let file = DeviceFile::decode(&unhex(text).unwrap()).unwrap();
            for device in MibDialect::ALL {
                let expected = match device == dialect {
                    true => Ok(()),
                    false => Err(BasicHashError::Dialect {
                        expected: device,
                        found: dialect,
                    }),
                };
                assert_eq!(file.verify_basic_flow_hash(device), expected);
            }
        }
    }

    #[test]
    fn a_changed_file_is_refused() {
        let dialect = MibDialect::Ietf;
        let mut octets = unhex(VECTORS[0].1).unwrap();
        // The value of pktcMtaDevEnabled: false instead of true.
        octets[22] ^= 0x03;
        let file = DeviceFile::decode(&octets).unwrap();
        assert_eq!(file.verify_basic_flow_hash(dialect), Err(BasicHashError::Mismatch));
        assert_eq!(
            enabled(dialect).verify_basic_flow_hash(dialect),
            Err(BasicHashError::Missing(dialect))
        );
    }

    #[test]
    fn md5_is_for_the_cablelabs_mib_alone() {
        for dialect in MibDialect::ALL {
            let mut file = enabled(dialect);
            file.insert_basic_flow_hash(dialect, HashAlgorithm::Md5).unwrap();
            let expected = match dialect {
                MibDialect::CableLabs => Ok(()),
                _ => Err(BasicHashError::Value),
            };
            assert_eq!(file.verify_basic_flow_hash(dialect), expected);
        }
    }

    #[test]
    fn the_object_tells_the_algorithm_by_its_length() {
        let file = b"fe0101";
        for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Md5] {
            let hash = FileHash::of(file, algorithm);
            assert_eq!(FileHash::from_object(hash.octets()), Some(hash));
            assert!(hash.verify(file) && !hash.verify(b"fe0102"));
        }
        assert_eq!(FileHash::from_object(&[0; 19]), None);
    }
}
