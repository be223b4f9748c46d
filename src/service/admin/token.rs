//! The token that proves that a request of the admin API is the operator's.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::value::{Random, Secret, hex};

/// Octets of a fresh token; it is written as twice as many hexadecimal digits.
const LENGTH: usize = 32;
/// The fewest characters of a token of the operator's own.
const SHORTEST: usize = 16;
/// The most.
const LONGEST: u64 = 1_024;

/// The bearer token of the admin API (RFC 6750).
#[derive(Debug, Clone)]
pub struct AdminToken(Secret);

/// Why a token file is not used.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others than its owner may read it.
    #[error("its mode is {0:03o}: chmod 600")]
    Mode(u32),
    /// What it holds is no token.
    #[error("expected a line of 16 to 1024 printable characters without blanks")]
    Content,
}

impl AdminToken {
    /// The token in a file that its owner alone may read.
    ///
    /// # Errors
    /// [`AdminTokenError`].
    pub fn load(path: &Path) -> Result<Self, AdminTokenError> {
        let file = std::fs::File::open(path)?;
        let mode = file.metadata()?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(AdminTokenError::Mode(mode));
        }
        let mut text = zeroize::Zeroizing::new(String::new());
        file.take(LONGEST + 2).read_to_string(&mut text)?;
        let token = text.trim_end_matches(['\r', '\n']);
        if token.len() < SHORTEST || token.len() as u64 > LONGEST || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AdminTokenError::Content);
        }
        Ok(Self(Secret::from(token.as_bytes())))
    }

    /// Writes a fresh token to a new file that its owner alone may read.
    ///
    /// # Errors
    /// [`AdminTokenError::Io`], also where the file exists.
    pub fn write_new(path: &Path, random: &mut dyn Random) -> Result<(), AdminTokenError> {
        let mut octets = zeroize::Zeroizing::new([0; LENGTH]);
        random.fill(octets.as_mut_slice());
        let text = zeroize::Zeroizing::new(hex(octets.as_slice()) + "\n");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// Whether the value of an Authorization field carries this token. The comparison takes the same time wherever the
    /// two differ.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let Some((scheme, token)) = authorization.split_at_checked(7) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.0.ct_eq(token.trim_ascii())
    }

    /// The value of an Authorization field that carries it.
    pub fn authorization(&self) -> Secret {
        Secret::new([b"Bearer ", self.0.expose()].concat())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::value::SeededRandom;

    #[test]
    fn a_fresh_token_is_read_back_and_admits_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        AdminToken::write_new(&path, &mut SeededRandom::new(1)).unwrap();
        assert!(AdminToken::write_new(&path, &mut SeededRandom::new(2)).is_err());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let token = AdminToken::load(&path).unwrap();
        let good = token.authorization();
        assert!(token.admits(good.expose()));
        let mut other = good.expose().to_vec();
        *other.last_mut().unwrap() ^= 1;
        for wrong in [
            &other[..],
            b"",
            b"Bearer ",
            b"Basic x",
            &good.expose()[..20],
            &good.expose()[7..],
        ] {
            assert!(!token.admits(wrong));
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(AdminToken::load(&path), Err(AdminTokenError::Mode(0o640))));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        for wrong in ["", "short", "sixteen letters and blanks", &"x".repeat(1100)] {
            std::fs::write(&path, wrong).unwrap();
            assert!(AdminToken::load(&path).is_err(), "{wrong}");
        }
    }
}
