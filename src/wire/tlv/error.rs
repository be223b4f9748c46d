//! What can be wrong with a file's octets or tree.

use std::fmt;

use crate::wire::snmp::ber::{BerError, BerErrorKind, OBJECT_IDENTIFIER, SEQUENCE};

/// Where an element stands: its type, and within TLVs 38 and 43 the type of the setting, such as `38.6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlvPath {
    /// An element of the file.
    Top(u8),
    /// A setting within an element.
    Sub(u8, u8),
}

impl fmt::Display for TlvPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(kind) => write!(f, "{kind}"),
            Self::Sub(kind, setting) => write!(f, "{kind}.{setting}"),
        }
    }
}

/// The octets are no device configuration file.
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
