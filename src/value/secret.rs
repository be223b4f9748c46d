//! Key material and other octets that must leave no trace.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret octets: overwritten when dropped, never shown by `Debug`, compared in constant time, without `Display`,
/// `Hash`, `Ord`, or serde. What is stored of them is sealed first (`store::MasterKey`).
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `octets`.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for the one place that computes with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many octets there are; lengths are public.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no octet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}
