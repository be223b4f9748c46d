//! What can be wrong with the text of a template.

use std::fmt;
use std::sync::Arc;

use super::failure::BuildReason;
use crate::mib::{InstanceError, NameError};
use crate::text::docsis::ReadReason;
use crate::value::OidError;

/// A place in a template. Displays as `file:line:column`; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The template's name.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A template that cannot be compiled; the library that holds it is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct TemplateError {
    /// Where.
    pub place: Place,
    /// Why.
    pub reason: TemplateReason,
}

/// Why a template cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateReason {
    /// The line's first word is none of the language.
    #[error("'{found}' is no statement; expected one of {expected}")]
    Statement {
        /// The word.
        found: String,
        /// The words that may stand there.
        expected: &'static str,
    },
    /// Something else belongs there.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A block is not closed.
    #[error("this '{0}' has no 'end'")]
    Open(&'static str),
    /// An `end`, `elif` or `else` without its block.
    #[error("this '{0}' belongs to no block")]
    Stray(String),
    /// An expression that does not compile.
    #[error("the expression '{expression}' is wrong: {error}")]
    Expression {
        /// Its text.
        expression: String,
        /// What is wrong.
        error: String,
    },
    /// An object's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An object identifier in numbers.
    #[error(transparent)]
    Oid(#[from] OidError),
    /// The instance of an object.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// A value type that its object does not take.
    #[error("{object} takes {takes}, not {found}")]
    Type {
        /// The object.
        object: String,
        /// What it takes.
        takes: &'static str,
        /// The type written.
        found: &'static str,
    },
    /// A TLV that is not known where it stands.
    #[error("no TLV '{0}' is known here; write its number and type: tlv 99 hex 00")]
    Tlv(String),
    /// A statement that is wrong for every device.
    #[error("{attribute}: {reason}")]
    Constant {
        /// What it sets: a MIB object or a TLV.
        attribute: String,
        /// Why it is wrong.
        reason: BuildReason,
    },
    /// A text in the language of the `docsis` encoder.
    #[error(transparent)]
    Docsis(#[from] ReadReason),
    /// Two templates are served under one name.
    #[error("'{name}' is the name of template '{other}' too")]
    Served {
        /// The name.
        name: String,
        /// The other template.
        other: String,
    },
    /// The settings have no lookup of the name.
    #[error("the settings have no [lookup.{0}]")]
    Lookup(String),
    /// A template of another kind of file.
    #[error("template '{0}' makes another kind of file")]
    OtherKind(String),
    /// An included template that the library does not have.
    #[error("the library has no template '{0}'")]
    Include(String),
    /// Templates that include each other.
    #[error("templates include each other: {0}")]
    Cycle(String),
    /// Templates that include one another too deeply.
    #[error("more than {0} templates include one another")]
    Depth(usize),
}
