//! The master key, under which everything secret in the database is sealed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::value::{OsRandom, Random, Secret, hex, unhex};

/// The first octet of every sealed value: the form below.
const FORM: u8 = 1;
const NONCE: usize = 12;

/// Why a master key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written; the text is the system's.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Others than the owner may read the file.
    #[error("{path}: others than its owner may read it (mode {mode:03o}): run chmod 600 {path}")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else than 64 hexadecimal digits.
    #[error("{path}: expected 64 hexadecimal digits: restore the file that init wrote")]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// The sealed value was not sealed by this key for this context, or was altered since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open")]
pub struct SealError;

/// 32 secret octets. Nothing is sealed under them directly: each context has its own key, derived from them, so that
/// a sealed value that is copied to another row or table does not open there.
#[derive(Clone)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// A fresh key.
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut octets = vec![0; 32];
        random.fill(&mut octets);
        Self(Secret::new(octets))
    }

    /// Writes the key to a new file that only its owner may read: 64 hexadecimal digits and a line feed.
    ///
    /// # Errors
    /// [`MasterKeyError::File`], also where the file exists.
    pub fn write_new(&self, path: &Path) -> Result<(), MasterKeyError> {
        let failed = |error: std::io::Error| MasterKeyError::File {
            path: path.into(),
            reason: error.to_string(),
        };
        let text = Zeroizing::new(hex(self.0.expose()) + "\n");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// [`MasterKeyError`]: also where the file's group or others may read it.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |error: std::io::Error| MasterKeyError::File {
            path: path.into(),
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Readable {
                path: path.into(),
                mode,
            });
        }
        // Room for the whole text from the start, so that no copy of it is left behind by a growing buffer.
        let mut text = Zeroizing::new(String::with_capacity(256));
        let wrong = || MasterKeyError::Content { path: path.into() };
        file.take(128).read_to_string(&mut text).map_err(|_| wrong())?;
        let octets = unhex(text.trim_end())
            .map(Secret::new)
            .filter(|octets| octets.len() == 32)
            .ok_or_else(wrong)?;
        Ok(Self(octets))
    }

    /// AES-256-GCM under HMAC-SHA-256(master key, context).
    fn cipher(&self, context: &str) -> Aes256Gcm {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(context.as_bytes());
        let mut key: [u8; 32] = mac.finalize().into_bytes().into();
        let cipher = Aes256Gcm::new(&key.into());
        key.zeroize();
        cipher
    }

    /// Seals `plaintext` for `context`, which names the table and the row where the value will lie: one octet 01, a
    /// random nonce of 12 octets, the AES-256-GCM ciphertext, its tag of 16 octets. The context is authenticated too.
    pub fn seal(&self, context: &str, plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = OsRandom.array();
        let payload = Payload {
            msg: plaintext,
            aad: context.as_bytes(),
        };
        let ciphertext = self.cipher(context).encrypt(&Nonce::from(nonce), payload);
        let ciphertext = ciphertext.expect("AES-GCM takes what fits in memory");
        let mut sealed = Vec::with_capacity(1 + NONCE + ciphertext.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens what [`MasterKey::seal`] sealed for the same context.
    ///
    /// # Errors
    /// [`SealError`] where key or context are others, or an octet was changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let (&form, rest) = sealed.split_first().ok_or(SealError)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(SealError)?;
        if form != FORM {
            return Err(SealError);
        }
        let payload = Payload {
            msg: ciphertext,
            aad: context.as_bytes(),
        };
        self.cipher(context)
            .decrypt(&Nonce::from(*nonce), payload)
            .map(Secret::new)
            .map_err(|_| SealError)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::value::SeededRandom;

    #[test]
    fn what_is_sealed_opens_under_its_own_key_and_context_only() {
        let key = MasterKey::generate(&mut SeededRandom::new(1));
        let sealed = key.seal("files/a", b"secret");
        assert_eq!(key.open("files/a", &sealed).unwrap().expose(), b"secret");
        assert!(key.open("files/b", &sealed).is_err());
        let other = MasterKey::generate(&mut SeededRandom::new(2));
        assert!(other.open("files/a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open("files/a", &altered).is_err(), "octet {at}");
            assert!(key.open("files/a", &sealed[..at]).is_err(), "{at} octets");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let key = MasterKey::generate(&mut SeededRandom::new(1));
        assert_ne!(key.seal("a", b"x"), key.seal("a", b"x"));
    }

    #[test]
    fn the_file_is_the_owners_alone_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::generate(&mut SeededRandom::new(1));
        key.write_new(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), 65);
        let sealed = key.seal("a", b"x");
        assert_eq!(
            MasterKey::load(&path).unwrap().open("a", &sealed).unwrap().expose(),
            b"x"
        );
        assert!(
            matches!(key.write_new(&path), Err(MasterKeyError::File { .. })),
            "an existing file stays"
        );
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::generate(&mut SeededRandom::new(1)).write_new(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let error = MasterKey::load(&path).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        for content in ["", "00", "zz", &"0".repeat(66), &"g".repeat(64)] {
            std::fs::write(&path, content).unwrap();
            assert!(
                matches!(MasterKey::load(&path), Err(MasterKeyError::Content { .. })),
                "{content}"
            );
        }
    }
}
