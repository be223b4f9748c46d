//! Why a file is not made.

use super::error::Place;
use super::expression::ExpressionError;
use super::value::ValueError;
use crate::mib::InstanceError;
use crate::value::Oid;
use crate::wire::tlv::conform::Mismatch;
use crate::wire::tlv::{EncodeError, MicError, TypedError};

/// The statements that one build runs and the turns of its loops, at most: a file of usual size takes some hundred.
pub(super) const MOST_STATEMENTS: usize = 100_000;
/// The octets of a file, at most: what TFTP and the devices that are known take is a fraction of it.
pub(super) const MOST_OCTETS: usize = 4 << 20;

/// A template that cannot make this device's file. Nothing else is touched by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The library has no template of that name.
    #[error("there is no template '{0}'")]
    NoTemplate(String),
    /// A statement failed.
    #[error("{place}: {attribute}: {reason}")]
    Statement {
        /// Where the statement stands.
        place: Place,
        /// What it sets: a MIB object or a TLV.
        attribute: String,
        /// Why it failed.
        reason: BuildReason,
    },
    /// An object is set twice.
    #[error("template '{template}': {object} is set more than once")]
    Twice {
        /// The template.
        template: String,
        /// The object.
        object: Oid,
    },
    /// What the engine adds does not fit, or what the device's record changes.
    #[error("template '{template}': {reason}")]
    Finish {
        /// The template.
        template: String,
        /// Why.
        reason: FinishReason,
    },
}

/// Why a file cannot be finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FinishReason {
    /// Something is too large for its format.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The MICs of a cable modem's file.
    #[error(transparent)]
    Mic(#[from] MicError),
    /// TLV 7 needs a secret.
    #[error(
        "TLV 7: no secret is shared with the modem's CMTS: name its file in secrets of [cable_modem], or switch it off with auto cmts-mic off"
    )]
    NoSecret,
    /// TLV 19 needs the time, which only a request has.
    #[error("TLV 19: the time of the request is not known here")]
    NoTime,
    /// TLV 20 or 59 needs the modem's address.
    #[error("TLV 20: the modem's address is not known")]
    NoAddress,
    /// The octets of a bare TLV are none that a file can hold.
    #[error("the file does not read back: {0}")]
    Decode(String),
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildReason {
    /// An expression has no value.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A variable that the template asks for has no value.
    #[error("'{0}' has no value: give it one by hardline device add --var, in the requested name, or by a default")]
    NoValue(String),
    /// A variable has a value of another type.
    #[error("'{value}' is no {expected}")]
    Variable {
        /// The value, cut to 60 characters.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A text is no value of its type.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A text is no value of its TLV.
    #[error(transparent)]
    Typed(#[from] TypedError),
    /// The object does not take the value.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The index does not fit the object.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The TLV is too long.
    #[error("{length} octets, and its length field counts to {limit}")]
    Length {
        /// Its length, in octets.
        length: usize,
        /// What its length field can say.
        limit: usize,
    },
    /// The build has no end in sight.
    #[error("more than {MOST_STATEMENTS} statements and turns of loops were run")]
    Endless,
    /// The file has no end in sight.
    #[error("the file is larger than {MOST_OCTETS} octets")]
    Enormous,
    /// A statement stands where its kind of file has no place for it.
    #[error("{0}")]
    Kind(&'static str),
}

/// A statement that failed: where, what it sets, why.
pub(super) type Failed = (Place, String, BuildReason);

impl From<Failed> for BuildError {
    fn from((place, attribute, reason): Failed) -> Self {
        Self::Statement {
            place,
            attribute,
            reason,
        }
    }
}
