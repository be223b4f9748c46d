//! Files of long-term keys: the keytab of MIT Kerberos, version 5.2, and PacketCable's raw service key file.

use super::etype::{EncType, EncryptionKey};
use super::principal::{Principal, PrincipalError, PrincipalName};
use super::ticket::ServiceKey;
use crate::value::{Realm, Secret, Timestamp};
use zeroize::Zeroizing;

const VERSION: [u8; 2] = [5, 2];

/// One key of a keytab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeytabEntry {
    /// Whose key it is.
    pub principal: Principal,
    /// When it was written, whole seconds.
    pub timestamp: Timestamp,
    /// The key's version.
    pub kvno: u32,
    /// The key.
    pub key: EncryptionKey,
}

/// The file is not a keytab, or not a service key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeytabError {
    /// The file does not start with 05 02.
    #[error("not a keytab of version 5.2: it starts otherwise than with 05 02")]
    Version,
    /// An entry or field runs past the octets it stands in.
    #[error("keytab: {field} at offset {offset} runs past the end")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Where in the file it starts.
        offset: usize,
    },
    /// A name or realm is not one.
    #[error("keytab: the principal of the entry at offset {offset}: {source}")]
    Principal {
        /// Where in the file the entry starts.
        offset: usize,
        /// What is wrong with it.
        source: PrincipalError,
    },
    /// A name is not text.
    #[error("keytab: {field} at offset {offset} is not text")]
    Text {
        /// The field.
        field: &'static str,
        /// Where in the file it starts.
        offset: usize,
    },
    /// An entry to be written has a field that its length prefix cannot express.
    #[error("keytab: a field of {0} octets is too long to be written")]
    TooLong(usize),
    /// The size of a service key file fits no number of records.
    #[error("{0} octets are no service key file: records have 26, with or without a newline between them")]
    KeyFileSize(usize),
}

/// A cursor that never leaves the octets it was given.
struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    /// Offset of `octets` in the file, for error messages.
    base: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], KeytabError> {
        let taken = self
            .at
            .checked_add(length)
            .and_then(|end| self.octets.get(self.at..end))
            .ok_or(KeytabError::Truncated {
                field,
                offset: self.base + self.at,
            })?;
        self.at += length;
        Ok(taken)
    }

    fn number(&mut self, field: &'static str, length: usize) -> Result<u32, KeytabError> {
        let octets = self.take(field, length)?;
        Ok(octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
    }

    /// Octets behind their number in two octets.
    fn counted(&mut self, field: &'static str) -> Result<&'a [u8], KeytabError> {
        let length = self.number(field, 2)?;
        self.take(field, length as usize)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, KeytabError> {
        let offset = self.base + self.at;
        std::str::from_utf8(self.counted(field)?).map_err(|_| KeytabError::Text { field, offset })
    }
}

/// The keys of a keytab file's `octets`, in order; holes that deleted entries left are skipped.
///
/// # Errors
/// [`KeytabError`] where the version is another, or an entry breaks its bounds or names no principal.
pub fn parse_keytab(octets: &[u8]) -> Result<Vec<KeytabEntry>, KeytabError> {
    let body = octets.strip_prefix(&VERSION).ok_or(KeytabError::Version)?;
    let mut file = Reader {
        octets: body,
        at: 0,
        base: VERSION.len(),
    };
    let mut entries = Vec::new();
    while file.at < file.octets.len() {
        let size = file.number("entry size", 4)? as i32;
        let base = file.base + file.at;
        let entry = file.take("entry", size.unsigned_abs() as usize)?;
        match size {
            // A file extended in advance ends in zeros.
            0 => break,
            1.. => entries.push(parse_entry(entry, base)?),
            _ => {}
        }
    }
    Ok(entries)
}

fn parse_entry(octets: &[u8], base: usize) -> Result<KeytabEntry, KeytabError> {
    let mut entry = Reader { octets, at: 0, base };
    let count = entry.number("component count", 2)?;
    let wrong_principal = |source| KeytabError::Principal { offset: base, source };
    let realm: Realm = entry
        .text("realm")?
        .parse()
        .map_err(|error| wrong_principal(PrincipalError::Realm(error)))?;
    let components = (0..count)
        .map(|_| entry.text("component").map(str::to_owned))
        .collect::<Result<Vec<_>, _>>()?;
    let name_type = entry.number("name type", 4)? as i32;
    let timestamp = Timestamp::from_unix(i64::from(entry.number("timestamp", 4)?));
    let short_kvno = entry.number("key version", 1)?;
    let etype = entry.number("key type", 2)? as i32;
    let value = Secret::from(entry.counted("key")?);
    // A version above 255 follows in four octets, which older writers leave out or fill with zero.
    let long_kvno = entry.number("key version", 4).unwrap_or(0);
    Ok(KeytabEntry {
        principal: PrincipalName::new(name_type, components)
            .map_err(wrong_principal)?
            .at(&realm),
        timestamp,
        kvno: if long_kvno == 0 { short_kvno } else { long_kvno },
        key: EncryptionKey { etype, value },
    })
}

/// The keytab file that holds `entries`.
///
/// # Errors
/// [`KeytabError::TooLong`] where a name, realm or key has more than 65,535 octets.
pub fn encode_keytab(entries: &[KeytabEntry]) -> Result<Zeroizing<Vec<u8>>, KeytabError> {
    let mut file = Zeroizing::new(VERSION.to_vec());
    for entry in entries {
        let octets = encode_entry(entry)?;
        let size = i32::try_from(octets.len()).map_err(|_| KeytabError::TooLong(octets.len()))?;
        file.extend_from_slice(&size.to_be_bytes());
        file.extend_from_slice(&octets);
    }
    Ok(file)
}

fn encode_entry(entry: &KeytabEntry) -> Result<Zeroizing<Vec<u8>>, KeytabError> {
    let short = |length: usize| u16::try_from(length).map_err(|_| KeytabError::TooLong(length));
    let components = entry.principal.name.components();
    let mut octets = Zeroizing::new(Vec::new());
    let counted = |octets: &mut Vec<u8>, field: &[u8]| {
        octets.extend_from_slice(&short(field.len())?.to_be_bytes());
        octets.extend_from_slice(field);
        Ok(())
    };
    octets.extend_from_slice(&short(components.len())?.to_be_bytes());
    counted(&mut octets, entry.principal.realm.as_str().as_bytes())?;
    for component in components {
        counted(&mut octets, component.as_bytes())?;
    }
    octets.extend_from_slice(&entry.principal.name.name_type().to_be_bytes());
    // Four octets of seconds: the format wraps in 2106.
    octets.extend_from_slice(&(entry.timestamp.unix() as u32).to_be_bytes());
    octets.push(entry.kvno as u8);
    octets.extend_from_slice(&(entry.key.etype as u16).to_be_bytes());
    counted(&mut octets, entry.key.value.expose())?;
    octets.extend_from_slice(&entry.kvno.to_be_bytes());
    Ok(octets)
}

/// The keys of `principal` among `entries`, every version and type.
pub fn service_keys(entries: &[KeytabEntry], principal: &Principal) -> Vec<ServiceKey> {
    entries
        .iter()
        .filter(|entry| entry.principal == *principal)
        .map(|entry| ServiceKey {
            kvno: entry.kvno,
            key: entry.key.clone(),
        })
        .collect()
}

/// Octets of a record of a service key file: version and key.
const RECORD: usize = 26;

/// The keys of a PacketCable service key file: records of a version (2 octets, most significant first) and an etype 5
/// key (24 octets), with or without a newline between them (fact sheet security §3, CERTAIN).
///
/// # Errors
/// [`KeytabError::KeyFileSize`] where the octets are no whole number of records.
pub fn parse_service_key_file(octets: &[u8]) -> Result<Vec<ServiceKey>, KeytabError> {
    let with_newlines = octets
        .chunks(RECORD + 1)
        .all(|chunk| match chunk.split_at_checked(RECORD) {
            Some((_, end)) => matches!(end, [] | [b'\n']),
            None => false,
        });
    let step = if with_newlines { RECORD + 1 } else { RECORD };
    octets
        .chunks(step)
        .map(|chunk| {
            let (kvno, rest) = chunk
                .split_first_chunk()
                .ok_or(KeytabError::KeyFileSize(octets.len()))?;
            let key = rest.first_chunk::<24>().ok_or(KeytabError::KeyFileSize(octets.len()))?;
            Ok(ServiceKey {
                kvno: u32::from(u16::from_be_bytes(*kvno)),
                key: EncryptionKey {
                    etype: EncType::Des3CbcMd5.number(),
                    value: Secret::from(&key[..]),
                },
            })
        })
        .collect()
}

/// The service key file that holds those of `keys` it can express: etype 5, versions up to 65,535. No newlines.
pub fn encode_service_key_file(keys: &[ServiceKey]) -> Zeroizing<Vec<u8>> {
    let mut file = Zeroizing::new(Vec::with_capacity(keys.len() * RECORD));
    for key in keys {
        let etype = key.key.enc_type();
        if let (Ok(kvno), Ok(EncType::Des3CbcMd5)) = (u16::try_from(key.kvno), etype) {
            file.extend_from_slice(&kvno.to_be_bytes());
            file.extend_from_slice(key.key.value.expose());
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;
    use proptest::prelude::*;

    fn entries() -> Vec<KeytabEntry> {
        EncType::ALL
            .into_iter()
            .zip([1, 2, 255, 256, 70_000, 3])
            .map(|(etype, kvno)| KeytabEntry {
                principal: "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET"
                    .parse()
                    .expect("principal"),
                timestamp: Timestamp::from_unix(1_795_302_974),
                kvno,
                key: etype.generate(&mut SeededRandom::new(kvno.into())),
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let file = encode_keytab(&entries()).expect("encodes");
        assert_eq!(parse_keytab(&file), Ok(entries()));
        assert_eq!(service_keys(&entries(), &entries()[0].principal).len(), 6);
    }

    #[test]
    fn holes_short_versions_and_zero_tails_are_read() {
        let file = encode_keytab(&entries()[..1]).expect("encodes");
        let entry = &file[6..file.len() - 4];
        let mut edited = vec![5, 2, 0xff, 0xff, 0xff, 0xfd, 1, 2, 3];
        edited.extend_from_slice(&(entry.len() as i32).to_be_bytes());
        edited.extend_from_slice(entry);
        edited.extend_from_slice(&[0; 8]);
        assert_eq!(parse_keytab(&edited), Ok(entries()[..1].to_vec()));
    }

    #[test]
    fn mit_klist_reads_what_is_written() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), &*encode_keytab(&entries()).expect("encodes")).expect("writes");
        let listed = std::process::Command::new("klist")
            .arg("-kte")
            .arg(file.path())
            .output()
            .expect("klist of krb5-user is installed");
        let text = String::from_utf8_lossy(&listed.stdout);
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        assert_eq!(
            text.matches("mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET")
                .count(),
            6,
            "{text}"
        );
        for shown in [
            "aes256-cts-hmac-sha384-192",
            "aes128-cts-hmac-sha1-96",
            " 256 ",
            "70000 ",
        ] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
    }

    /// MIT makes the keys from the password itself, so its string-to-key judges ours as well.
    #[test]
    fn what_mit_ktutil_writes_is_read() {
        use std::io::Write;
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keytab");
        let names = [
            (EncType::Aes128Sha1, "aes128-cts-hmac-sha1-96"),
            (EncType::Aes256Sha1, "aes256-cts-hmac-sha1-96"),
            (EncType::Aes128Sha256, "aes128-cts-hmac-sha256-128"),
            (EncType::Aes256Sha384, "aes256-cts-hmac-sha384-192"),
        ];
        let mut script: String = names
            .iter()
            .map(|(_, name)| format!("addent -password -p mta/one@PKTC.EXAMPLE.NET -k 300 -e {name}\nsecret\n"))
            .collect();
        script.push_str(&format!("wkt {}\nq\n", path.display()));
        let mut ktutil = std::process::Command::new("ktutil")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("ktutil of krb5-user is installed");
        let mut stdin = ktutil.stdin.take().expect("a pipe");
        stdin.write_all(script.as_bytes()).expect("writes");
        drop(stdin);
        assert!(ktutil.wait().expect("ends").success());
        let read = parse_keytab(&std::fs::read(&path).expect("reads")).expect("parses");
        assert_eq!(read.len(), names.len());
        for (entry, (etype, name)) in read.iter().zip(names) {
            let expected = etype.string_to_key(b"secret", b"PKTC.EXAMPLE.NETmtaone", None);
            assert_eq!(Ok(&entry.key), expected.as_ref(), "{name}");
            assert_eq!(entry.kvno, 300);
            assert_eq!(entry.principal.to_string(), "mta/one@PKTC.EXAMPLE.NET");
        }
    }

    #[test]
    fn service_key_files_with_and_without_newlines() {
        let keys = [
            ServiceKey {
                kvno: 1,
                key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(1)),
            },
            ServiceKey {
                kvno: 0x0a0a,
                key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(2)),
            },
        ];
        let plain = encode_service_key_file(&keys);
        assert_eq!(plain.len(), 52);
        let (one, two) = plain.split_at(26);
        for file in [
            plain.to_vec(),
            [one, b"\n", two].concat(),
            [one, b"\n", two, b"\n"].concat(),
        ] {
            let read = parse_service_key_file(&file).expect("reads");
            assert_eq!(read.len(), 2);
            assert!(read.iter().zip(&keys).all(|(a, b)| a.kvno == b.kvno && a.key == b.key));
        }
        assert!(parse_service_key_file(&plain[..51]).is_err());
        assert!(parse_service_key_file(&[one, b"x", two].concat()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_files_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_keytab(&[&VERSION[..], &octets].concat());
            let _ = parse_keytab(&octets);
            let _ = parse_service_key_file(&octets);
        }

        #[test]
        fn a_cut_keytab_is_refused_or_shorter(cut in 0usize..100) {
            let file = encode_keytab(&entries()).expect("encodes");
            let kept = file.len() - cut;
            prop_assert!(parse_keytab(&file[..kept]).map_or(true, |read| read.len() <= 6));
        }
    }
}
