//! What a MIB module says of an object.

use crate::value::Oid;

/// An object, a notification or a plain node of a MIB module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The module that defines it.
    pub module: Box<str>,
    /// Its name within the module.
    pub name: Box<str>,
    /// Its object identifier, without an instance.
    pub oid: Oid,
    /// What it is.
    pub kind: Kind,
    /// What its module says of it, in one line; may be empty.
    pub description: Box<str>,
}

/// What a name of a MIB module stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A branch, a module's identity, an identity.
    Node,
    /// A table (SEQUENCE OF).
    Table,
    /// The rows of a table.
    Row,
    /// An object with the one instance `.0`.
    Scalar {
        /// The values it takes.
        syntax: Syntax,
        /// What a manager may do with it.
        access: Access,
    },
    /// A column of a table; its instances end in the row's index.
    Column {
        /// The values it takes.
        syntax: Syntax,
        /// What a manager may do with it.
        access: Access,
        /// The index of its rows.
        index: Vec<IndexPart>,
    },
    /// A notification.
    Notification,
}

/// What a manager may do with an object (RFC 2578 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: an index.
    NotAccessible,
    /// See it in notifications.
    Notify,
    /// Read it.
    ReadOnly,
    /// Read and set it.
    ReadWrite,
    /// Read it, set it, create a row with it.
    ReadCreate,
}

impl Access {
    /// Whether a configuration file may set the object.
    pub fn writable(self) -> bool {
        matches!(self, Self::ReadWrite | Self::ReadCreate)
    }
}

/// The values that an object takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    /// The type in BER.
    pub base: Base,
    /// The textual convention or type that the object names, such as `RowStatus` or `Unsigned32`.
    pub convention: Box<str>,
    /// The labels of an enumeration or of BITS, with their numbers.
    pub labels: Box<[(Box<str>, i64)]>,
    /// The numbers (of octet strings: the lengths) that are allowed, as inclusive ranges; empty where all are.
    pub ranges: Box<[(i64, i64)]>,
}

impl Syntax {
    /// The number of a label.
    pub fn number(&self, label: &str) -> Option<i64> {
        self.labels
            .iter()
            .find(|(name, _)| **name == *label)
            .map(|(_, number)| *number)
    }

    /// The label of a number.
    pub fn label(&self, number: i64) -> Option<&str> {
        self.labels
            .iter()
            .find(|(_, value)| *value == number)
            .map(|(name, _)| &**name)
    }

    /// Whether a number, or a length in octets, is one of those allowed.
    pub fn allows(&self, number: i64) -> bool {
        let listed = self.labels.is_empty() || self.base == Base::Bits || self.label(number).is_some();
        let in_range = self.ranges.is_empty() || self.ranges.iter().any(|&(low, high)| low <= number && number <= high);
        listed && in_range
    }
}

/// The types of the SMI (RFC 2578 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// INTEGER, Integer32, enumerations.
    Integer,
    /// Unsigned32 and Gauge32.
    Unsigned,
    /// Counter32.
    Counter32,
    /// Counter64.
    Counter64,
    /// TimeTicks.
    TimeTicks,
    /// IpAddress.
    IpAddress,
    /// OCTET STRING.
    OctetString,
    /// OBJECT IDENTIFIER.
    ObjectIdentifier,
    /// BITS, an octet string on the wire.
    Bits,
    /// Opaque.
    Opaque,
}

/// One part of a table's index, and how it is spelt in arcs (RFC 2578 §7.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// The object's name.
    pub name: Box<str>,
    /// Its spelling.
    pub form: IndexForm,
}

/// How the value of an index part becomes arcs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexForm {
    /// A number: one arc.
    Integer,
    /// A string of this many octets: one arc each.
    Fixed(usize),
    /// A string or an object identifier: its length, then one arc for each octet or arc.
    Counted,
    /// The same without the length; only the last part is so.
    Implied,
    /// An IPv4 address: four arcs.
    IpAddress,
}

impl Base {
    /// The type's name in SMIv2.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Unsigned => "Unsigned32",
            Self::Counter32 => "Counter32",
            Self::Counter64 => "Counter64",
            Self::TimeTicks => "TimeTicks",
            Self::IpAddress => "IpAddress",
            Self::OctetString => "OCTET STRING",
            Self::ObjectIdentifier => "OBJECT IDENTIFIER",
            Self::Bits => "BITS",
            Self::Opaque => "Opaque",
        }
    }
}
