//! What a device makes of the SET that tells it where its file is (step eUE-19).

use std::str::FromStr;

use crate::mib::dialect::{MibDialect, oid};
use crate::model::ConfigUrl;
use crate::value::Oid;
use crate::wire::snmp::{self, ErrorStatus, ReceivedConfig, VarBind};
use crate::wire::tlv::{EncryptAlgorithm, FileHash, FileKey, IvSource, KeyPlacement};

/// What the SET said.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// Where the file is.
    pub url: ConfigUrl,
    /// The hash of what will be delivered.
    pub hash: FileHash,
    /// The key, where the file is encrypted.
    pub key: Option<FileKey>,
}

/// Where a file's key, and perhaps its IV, stand in pktcMtaDevProvConfigKey (profile P22, P23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyForm {
    /// Where the key stands.
    pub placement: KeyPlacement,
    /// Where the IV comes from.
    pub iv: IvSource,
}

/// Why a SET is refused: what the Response says, and what the report says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the SET is refused with {status:?} at binding {index}: {why}")]
pub struct SetRefusal {
    /// The error-status of the Response.
    pub status: ErrorStatus,
    /// Which binding is to blame, from 1; 0 where one is missing.
    pub index: u32,
    /// What is wrong with it.
    pub why: String,
}

/// Reads the bindings of a SET as a device with the MIB of `dialect` does; `secure` says whether the flow may carry a
/// key (RFC 4682, pktcMtaDevProvConfigKey; fact sheet provisioning §2.3).
///
/// Strict: every binding is an object of step eUE-19 and stands there once, URL and hash both do, and algorithm and
/// key stand there together or not at all (profile P23). `key_form` says where in its object the key stands, and
/// whether the IV stands there too.
///
/// # Errors
/// [`SetRefusal`].
pub fn read_set(
    bindings: &[VarBind],
    dialect: MibDialect,
    secure: bool,
    key_form: KeyForm,
) -> Result<Instruction, SetRefusal> {
    check_objects(bindings, dialect, secure)?;
    let refused = |refusal: snmp::SetRefusal| SetRefusal {
        status: refusal.status,
        index: refusal.index,
        why: "its value, or its absence, is not what the MIB allows".into(),
    };
    let read = ReceivedConfig::from_bindings(bindings, dialect).map_err(refused)?;
    let wrong = |name, why: String| SetRefusal {
        status: ErrorStatus::WrongValue,
        index: place(bindings, name),
        why,
    };
    let oids = dialect.oids();
    let url = ConfigUrl::from_str(&read.url).map_err(|error| wrong(oids.config_file, error.to_string()))?;
    let hash = FileHash::from_object(&read.hash);
    let hash = hash.ok_or_else(|| wrong(oids.prov_config_hash, "not a hash".into()))?;
    let key = read.encryption.map(|encryption| {
        let algorithm = EncryptAlgorithm::from_number(encryption.algorithm).unwrap_or(EncryptAlgorithm::None);
        FileKey::from_object(
            encryption.key_object.expose(),
            algorithm,
            dialect,
            key_form.placement,
            key_form.iv,
        )
        .map_err(|error| wrong(oids.prov_config_key, error.to_string()))
    });
    let key = key.transpose()?;
    Ok(Instruction { url, hash, key })
}

/// The place of `name` among the bindings, from 1.
fn place(bindings: &[VarBind], name: &'static [u32]) -> u32 {
    (1..)
        .zip(bindings)
        .find(|(_, binding)| binding.name == oid(name))
        .map_or(0, |(index, _)| index)
}

/// Refuses objects that have no business in this step, twice or at all.
fn check_objects(bindings: &[VarBind], dialect: MibDialect, secure: bool) -> Result<(), SetRefusal> {
    let oids = dialect.oids();
    let refuse = |status, index, why: String| Err(SetRefusal { status, index, why });
    let inconsistent = ErrorStatus::InconsistentValue;
    let allowed: Vec<Oid> = [oids.config_file, oids.prov_config_hash, oids.prov_config_key]
        .into_iter()
        .chain(oids.prov_config_encrypt_alg)
        .map(oid)
        .collect();
    for (index, binding) in (1..).zip(bindings) {
        let name = &binding.name;
        if !allowed.contains(name) {
            return refuse(
                ErrorStatus::NotWritable,
                index,
                format!("{name} is not set in this step"),
            );
        }
        if bindings
            .iter()
            .take(index as usize - 1)
            .any(|before| before.name == *name)
        {
            return refuse(inconsistent, index, format!("{name} is set twice"));
        }
    }
    let key = place(bindings, oids.prov_config_key);
    let algorithm = oids.prov_config_encrypt_alg.map(|name| place(bindings, name));
    match (key, algorithm) {
        (1.., _) if !secure => refuse(inconsistent, key, "a key travels in secure flow only".into()),
        (0, Some(algorithm @ 1..)) => refuse(inconsistent, algorithm, "an algorithm without a key".into()),
        (1.., Some(0)) => refuse(inconsistent, key, "a key without its algorithm".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Secret;
    use crate::wire::snmp::{ConfigSet, FileEncryption, Value};

    const DIALECT: MibDialect = MibDialect::Ietf;
    const FORM: KeyForm = KeyForm {
        placement: KeyPlacement::First,
        iv: IvSource::Prepended,
    };

    fn bindings(encrypted: bool) -> Vec<VarBind> {
        let key_object = Secret::new([[7; 16], [0; 16]].concat());
        let set = ConfigSet {
            url: "tftp://192.0.2.1/file",
            hash: &[9; 20],
            encryption: encrypted.then_some(FileEncryption {
                algorithm: 3,
                key_object,
            }),
        };
        set.bindings(DIALECT).unwrap()
    }

    fn status(bindings: &[VarBind], secure: bool) -> Result<(), (ErrorStatus, u32)> {
        let read = read_set(bindings, DIALECT, secure, FORM);
        read.map(drop).map_err(|refusal| (refusal.status, refusal.index))
    }

    #[test]
    fn p23_the_four_objects_of_an_encrypted_file() {
        let read = read_set(&bindings(true), DIALECT, true, FORM).unwrap();
        let key = read.key.unwrap();
        assert_eq!(key.algorithm(), EncryptAlgorithm::Aes128Cbc);
        assert!(key.octets().ct_eq(&[7; 16]));
    }

    #[test]
    fn rfc4682_a_key_outside_secure_flow_is_inconsistent() {
        assert_eq!(status(&bindings(true), false), Err((ErrorStatus::InconsistentValue, 3)));
        assert_eq!(status(&bindings(false), false), Ok(()));
    }

    #[test]
    fn algorithm_and_key_stand_together_or_not_at_all() {
        let mut only_key = bindings(true);
        let algorithm = only_key.pop().unwrap();
        assert_eq!(status(&only_key, true), Err((ErrorStatus::InconsistentValue, 3)));
        let mut only_algorithm = bindings(false);
        only_algorithm.push(algorithm);
        assert_eq!(status(&only_algorithm, true), Err((ErrorStatus::InconsistentValue, 3)));
    }

    #[test]
    fn foreign_and_doubled_objects_are_refused() {
        let mut foreign = bindings(false);
        foreign.push(VarBind::new(oid(DIALECT.oids().enabled), Value::Integer(1)));
        assert_eq!(status(&foreign, true), Err((ErrorStatus::NotWritable, 3)));
        let mut doubled = bindings(false);
        doubled.push(doubled[0].clone());
        assert_eq!(status(&doubled, true), Err((ErrorStatus::InconsistentValue, 3)));
    }
}
