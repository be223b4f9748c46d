//! What can be wrong with a file's octets or tree.

use std::fmt;

use crate::wire::snmp::ber::{BerError, BerErrorKind, OBJECT_IDENTIFIER, SEQUENCE};

/// How deep TLVs stand within each other at most: the dictionary goes to 22.43.5.24.4.1.1.
pub(super) const DEEPEST: usize = 8;

/// Where an element stands: its type after the types of those that hold it, such as `38.6`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlvPath {
    kinds: [u8; DEEPEST],
    depth: u8,
}

impl TlvPath {
    /// An element of the file.
    pub fn top(kind: u8) -> Self {
        Self {
            kinds: [0; DEEPEST],
            depth: 0,
        }
        .child(kind)
    }

    /// A setting within this element. Below the depth of the dictionary the path ends.
    pub fn child(mut self, kind: u8) -> Self {
        if let Some(place) = self.kinds.get_mut(usize::from(self.depth)) {
            *place = kind;
            self.depth += 1;
        }
        self
    }

    /// The types, from the file's own to the innermost.
    pub fn kinds(&self) -> &[u8] {
        self.kinds.get(..usize::from(self.depth)).unwrap_or_default()
    }
}

impl fmt::Display for TlvPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, kind) in self.kinds().iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{kind}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TlvPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlvPath({self})")
    }
}

/// The octets are no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}, TLV {path}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// Octets from the start of the file.
    pub offset: usize,
    /// The TLV that holds what is wrong.
    pub path: TlvPath,
    /// What the format has there.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

/// The tree does not fit the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("TLV {path}: {length} octets, and its length field counts to {limit}")]
pub struct EncodeError {
    /// The TLV that is too long.
    pub path: TlvPath,
    /// How many octets its value has.
    pub length: usize,
    /// How many its length field can say.
    pub limit: usize,
}

impl DecodeError {
    /// What is wrong with the BER in the value of `path`; `base` octets are to be added to the BER's own offset.
    pub(super) fn ber(path: TlvPath, base: usize, error: BerError) -> Self {
        let expected = match error.kind {
            BerErrorKind::Truncated => "as many octets as the BER length says",
            BerErrorKind::Length => "a definite BER length of at most four octets",
            BerErrorKind::Tag { expected: SEQUENCE, .. } => "a SEQUENCE (tag 0x30): name and value",
            BerErrorKind::Tag {
                expected: OBJECT_IDENTIFIER,
                ..
            } => "an OBJECT IDENTIFIER (tag 0x06)",
            BerErrorKind::Tag { .. } => "another tag",
            BerErrorKind::UnknownTag(_) => "a value of the SMI",
            BerErrorKind::Range => "a value in the range and size of its type",
            BerErrorKind::Oid => "an object identifier",
            BerErrorKind::Trailing => "nothing after the last element",
        };
        Self {
            offset: base + error.offset,
            path,
            expected,
            found: error.kind.to_string(),
        }
    }
}
