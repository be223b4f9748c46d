//! A decoded value beside the octets it came from.

use std::ops::Deref;

/// A value with the octets that it was read from, where those are not the ones that the encoder would write: BER
/// allows a length in several forms. So a file encodes back byte for byte.
///
/// The value cannot be changed in place: octets that no longer belong to it cannot exist. A changed value is a new
/// `Encoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded<T> {
    value: T,
    odd: Option<Box<[u8]>>,
}

impl<T> Encoded<T> {
    /// A value of our own: it is written in the canonical form.
    pub fn new(value: T) -> Self {
        Self { value, odd: None }
    }

    /// A value read from `octets`, of which `canonical` is the form that the encoder would write.
    pub(super) fn read(value: T, octets: &[u8], canonical: &[u8]) -> Self {
        Self {
            value,
            odd: (octets != canonical).then(|| octets.into()),
        }
    }

    /// The octets it was read from, where they are not the canonical ones.
    pub fn odd_octets(&self) -> Option<&[u8]> {
        self.odd.as_deref()
    }

    /// The value without its octets.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Encoded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
