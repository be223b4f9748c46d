//! The files that hold service keys.

use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::CliError;
use crate::value::Timestamp;
use crate::wire::kerberos::{
    EncType, KeytabEntry, Principal, ServiceKey, encode_keytab, encode_service_key_file, parse_keytab,
    parse_service_key_file,
};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// The keytab of MIT Kerberos, version 5.2: every encryption type, many principals
    Mit,
    /// PacketCable's service key file: etype 5, one principal, records of version and key
    #[value(alias = "raw")]
    Packetcable,
}

/// A file's octets, and the keys in it.
pub(super) struct Written {
    pub(super) octets: Zeroizing<Vec<u8>>,
    pub(super) keys: Vec<KeytabEntry>,
}

impl Format {
    /// The file with those of `entries` that the format can express, and the others.
    ///
    /// # Errors
    /// The format has no room for what is asked; nothing of it is usable.
    pub(super) fn encode(
        self,
        entries: Vec<KeytabEntry>,
        file: &Path,
    ) -> Result<(Written, Vec<KeytabEntry>), CliError> {
        match self {
            Self::Mit => {
                let octets = encode_keytab(&entries).map_err(|error| CliError::file(file, error))?;
                Ok((Written { octets, keys: entries }, Vec::new()))
            }
            Self::Packetcable => {
                let fits = |entry: &KeytabEntry| {
                    entry.key.enc_type() == Ok(EncType::Des3CbcMd5) && u16::try_from(entry.kvno).is_ok()
                };
                let (keys, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(fits);
                let first = keys.first().ok_or_else(|| {
                    CliError::Failed(
                        "a service key file holds keys of etype 5 (des3-cbc-md5), and there is none".into(),
                    )
                })?;
                if keys.iter().any(|entry| entry.principal != first.principal) {
                    return Err(CliError::Wrong(
                        "a service key file holds the keys of one principal: name it with --principal".into(),
                    ));
                }
                let service_key = |entry: &KeytabEntry| ServiceKey {
                    kvno: entry.kvno,
                    key: entry.key.clone(),
                };
                let octets = encode_service_key_file(&keys.iter().map(service_key).collect::<Vec<_>>());
                Ok((Written { octets, keys }, others))
            }
        }
    }

    /// The keys in a file; `principal` is whose they are where the file does not say.
    ///
    /// # Errors
    /// It is no such file.
    pub(super) fn decode(
        self,
        octets: &[u8],
        principal: Option<&Principal>,
        file: &Path,
    ) -> Result<Vec<KeytabEntry>, CliError> {
        let wrong = |error| CliError::file(file, error);
        match self {
            Self::Mit => parse_keytab(octets).map_err(wrong),
            Self::Packetcable => {
                let principal = principal.ok_or_else(|| {
                    CliError::Wrong(
                        "a service key file does not say whose keys it holds: name the principal with --principal"
                            .into(),
                    )
                })?;
                let keys = parse_service_key_file(octets).map_err(wrong)?;
                let entry = |key: ServiceKey| KeytabEntry {
                    principal: principal.clone(),
                    timestamp: Timestamp::now(),
                    kvno: key.kvno,
                    key: key.key,
                };
                Ok(keys.into_iter().map(entry).collect())
            }
        }
    }
}

/// An encryption type by number and name.
pub(super) fn etype_name(number: i32) -> String {
    match EncType::from_number(number) {
        Some(etype) => format!("{number} {}", etype.name()),
        None => number.to_string(),
    }
}
