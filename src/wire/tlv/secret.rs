//! The secrets that provisioning shares with CMTSs: the keys of the CMTS MIC.

use std::collections::BTreeMap;

use crate::value::Secret;

/// A shared secret: 1 to 64 octets, the key of HMAC-MD5 as it stands (fact sheet provisioning §8, CERTAIN).
#[derive(Debug, Clone)]
pub struct SharedSecret(Secret);

/// A shared secret that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shared secret has 1 to 64 octets, and this one has {0}; line ends at its end do not count")]
pub struct SecretError(pub usize);

impl SharedSecret {
    /// Takes a secret; carriage returns and line feeds at its end, as a key file has them, are no part of it.
    ///
    /// # Errors
    /// [`SecretError`] where nothing or more than 64 octets are left.
    pub fn new(octets: &[u8]) -> Result<Self, SecretError> {
        let end = octets.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n'));
        let kept = octets.get(..end.map_or(0, |last| last + 1)).unwrap_or_default();
        match kept.len() {
            1..=64 => Ok(Self(kept.into())),
            length => Err(SecretError(length)),
        }
    }

    /// Whether both are the same; compares in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.expose())
    }

    /// The octets, for the one place that computes with them.
    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The secrets by CMTS. While a CMTS moves from one secret to the next it has two: the first is current, files are made
/// with it; the others are still taken where a file is verified.
#[derive(Debug, Clone, Default)]
pub struct SharedSecrets(BTreeMap<String, Vec<(String, SharedSecret)>>);

impl SharedSecrets {
    /// Adds a secret of the CMTS `cmts` after those that it has. `label` names it in reports, a file's name for instance.
    pub fn push(&mut self, cmts: &str, label: &str, secret: SharedSecret) {
        let secrets = self.0.entry(cmts.to_owned()).or_default();
        secrets.push((label.to_owned(), secret));
    }

    /// The secret with which the files of `cmts` are made.
    pub fn current(&self, cmts: &str) -> Option<&SharedSecret> {
        let (_, secret) = self.0.get(cmts)?.first()?;
        Some(secret)
    }

    /// Every secret with its CMTS and label; of each CMTS the current one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &SharedSecret)> {
        self.0.iter().flat_map(|(cmts, secrets)| {
            let of_one = secrets.iter();
            of_one.map(|(label, secret)| (cmts.as_str(), label.as_str(), secret))
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_files_line_end_is_no_part_of_the_secret() {
        assert_eq!(SharedSecret::new(b"DOCSIS\r\n").unwrap().expose(), b"DOCSIS");
        assert_eq!(SharedSecret::new(b"a\nb\n").unwrap().expose(), b"a\nb");
        assert_eq!(SharedSecret::new(b"\n").unwrap_err(), SecretError(0));
        assert_eq!(SharedSecret::new(&[1; 65]).unwrap_err(), SecretError(65));
        assert!(SharedSecret::new(&[1; 64]).is_ok());
        let shown = format!("{:?}", SharedSecret::new(b"DOCSIS").unwrap());
        assert!(!shown.contains("DOCSIS"), "{shown}");
    }

    #[test]
    fn the_first_secret_of_a_cmts_is_current() {
        let mut secrets = SharedSecrets::default();
        for (cmts, label, octets) in [("b", "new", b"1"), ("b", "old", b"2"), ("a", "only", b"3")] {
            secrets.push(cmts, label, SharedSecret::new(octets).unwrap());
        }
        assert_eq!(secrets.current("b").unwrap().expose(), b"1");
        assert!(secrets.current("c").is_none());
        let all: Vec<_> = secrets.iter().map(|(cmts, label, _)| (cmts, label)).collect();
        assert_eq!(all, [("a", "only"), ("b", "new"), ("b", "old")]);
    }
}
