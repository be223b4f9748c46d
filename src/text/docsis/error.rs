//! What can be wrong with a text.

use std::fmt;

use super::lex::Position;
use crate::text::object::ObjectError;
use crate::wire::tlv::{DecodeError, EncodeError, TypedError};

/// A text that is no configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Where it goes wrong.
    pub position: Position,
    /// Why.
    pub reason: ReadReason,
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.position.line, self.position.column, self.reason)
    }
}

/// Why a text is no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadReason {
    /// A text is not closed.
    #[error("the text has no closing quote on this line")]
    Quote,
    /// A comment is not closed.
    #[error("the comment has no */")]
    Comment,
    /// An expression is not closed.
    #[error("the expression has no }}}} on this line")]
    Expression,
    /// An expression in a text that is no template.
    #[error("an expression in a value: only a template of the library has variables")]
    Template,
    /// Something else belongs here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// No TLV has the name.
    #[error("no TLV is called '{0}'; a TLV by its number is written as GenericTLV TlvCode …")]
    Name(String),
    /// The value is not one of the TLV.
    #[error("{name}: {error}")]
    Value {
        /// The TLV's name.
        name: String,
        /// What is wrong.
        error: TypedError,
    },
    /// A variable binding's object is not known.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A variable binding's value is not of its type.
    #[error("'{text}' is no {expected}")]
    Typed {
        /// The text.
        text: String,
        /// The type.
        expected: &'static str,
    },
    /// The stated length is another.
    #[error("TlvLength says {stated}, and TlvValue has {found} octets")]
    Length {
        /// What TlvLength says.
        stated: u64,
        /// The octets.
        found: usize,
    },
    /// A file that the text names cannot be read.
    #[error("{name}: {error}")]
    File {
        /// The file's name.
        name: String,
        /// Why.
        error: String,
    },
    /// A TLV is too long.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What a GenericTLV holds is not what its TLV has.
    #[error("the octets of this TLV are wrong: {0}")]
    Decode(#[from] DecodeError),
}

pub(super) type Result<T> = std::result::Result<T, ReadError>;
