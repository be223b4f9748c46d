//! A value beside the octets that stand for it in a file.

use std::ops::Deref;
use std::sync::Arc;

use crate::value::Oid;
use crate::wire::snmp::varbind::{Value, VarBind};

/// A value with its octets: those that it was read from, or the canonical ones. BER allows a length in several forms,
/// so a file encodes back byte for byte only because they are kept; and an element that many files share is encoded
/// once. A clone shares both.
///
/// The value cannot be changed in place: octets that no longer belong to it cannot exist. A changed value is a new
/// `Encoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded<T>(Arc<Both<T>>);

#[derive(Debug, PartialEq, Eq)]
struct Both<T> {
    value: T,
    octets: Vec<u8>,
}

/// A value that has a canonical form in octets.
pub trait Canonical {
    /// The canonical octets: BER with lengths and numbers in their shortest form.
    fn canonical(&self) -> Vec<u8>;
}

impl Canonical for VarBind {
    fn canonical(&self) -> Vec<u8> {
        self.encode()
    }
}

impl Canonical for Oid {
    fn canonical(&self) -> Vec<u8> {
        Value::Oid(self.clone()).encode()
    }
}

impl<T: Canonical> Encoded<T> {
    /// A value of our own, in the canonical form.
    pub fn new(value: T) -> Self {
        let octets = value.canonical();
        Self(Arc::new(Both { value, octets }))
    }

    /// Whether the octets are those that [`Encoded::new`] would give.
    pub fn is_canonical(&self) -> bool {
        self.octets() == self.0.value.canonical()
    }
}

impl<T> Encoded<T> {
    /// A value that was read from `octets`.
    pub(crate) fn read(value: T, octets: &[u8]) -> Self {
        Self(Arc::new(Both {
            value,
            octets: octets.to_vec(),
        }))
    }

    /// The octets in the file, without the TLV's type and length.
    pub fn octets(&self) -> &[u8] {
        &self.0.octets
    }
}

impl<T> Deref for Encoded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}
