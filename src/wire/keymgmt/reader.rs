//! Reads a datagram front to back and knows where it is.

use super::DecodeError;
use crate::wire::kerberos::split_der;

/// A position in a datagram.
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// How many octets were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// The next `length` octets.
    pub(super) fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let octets = self
            .rest()
            .get(..length)
            .ok_or(DecodeError::Truncated { field, offset: self.at })?;
        self.at += length;
        Ok(octets)
    }

    /// The next `N` octets as an array.
    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let offset = self.at;
        let octets = self.take(N, field)?;
        octets.try_into().map_err(|_| DecodeError::Truncated { field, offset })
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// A one-octet boolean. The sources give 0 and 1 as likely only, so that any other octet counts as set.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.u8(field)? != 0)
    }

    /// Octets up to a NUL, which is read too and not given.
    pub(super) fn nul_terminated(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self
            .rest()
            .iter()
            .position(|&octet| octet == 0)
            .ok_or(DecodeError::Truncated { field, offset: self.at })?;
        let text = self.take(length, field)?;
        self.take(1, field)?;
        Ok(text)
    }

    /// The DER element with the application tag `expected`; nothing but its own length delimits it.
    pub(super) fn kerberos(&mut self, expected: u8) -> Result<&'a [u8], DecodeError> {
        let wrong = DecodeError::Kerberos {
            expected,
            offset: self.at,
        };
        if self.rest().first() != Some(&expected) {
            return Err(wrong);
        }
        let (element, _) = split_der(self.rest()).map_err(|_| wrong)?;
        self.at += element.len();
        Ok(element)
    }

    /// Succeeds where nothing is left.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.rest() {
            [] => Ok(()),
            _ => Err(DecodeError::Trailing { offset: self.at }),
        }
    }
}
