//! A template after compilation.

use std::sync::Arc;

use super::error::Place;
use super::expression::{Expr, Text};
use super::value::ValueType;
use crate::mib::Object;
use crate::value::Oid;
use crate::wire::tlv::Element;

/// One statement with its place.
#[derive(Debug)]
pub(super) struct Statement {
    pub place: Place,
    pub action: Action,
}

/// What a statement does.
#[derive(Debug)]
pub(super) enum Action {
    /// Adds an element that is the same for every device.
    Element(Element),
    /// Adds a variable binding.
    VarBind(VarBindLine),
    /// Adds a TLV 38.
    Receiver(Vec<ReceiverLine>),
    /// Adds a TLV 43.
    Vendor(Text, Vec<TypedLine>),
    /// Adds a TLV by its number.
    Tlv(TypedLine),
    /// Gives a variable a value where it has none.
    Default(Box<str>, Expr),
    /// Gives a variable a value.
    Set(Box<str>, Expr),
    /// Switches on or off what the engine adds by itself.
    Auto(Auto, bool),
    /// The statements of the first branch whose condition holds; `None` always holds.
    If(Vec<(Option<Expr>, Vec<Statement>)>),
    /// The statements for each item of a list.
    For(Box<str>, Expr, Vec<Statement>),
    /// The statements of another template: its name, and its place in the library once that is linked.
    Include(Box<str>, usize),
}

/// What the engine adds by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auto {
    /// `FE 01 01` and `FE 01 FF`.
    Delimiters,
    /// The row of the realm table, in secure flow.
    Realm,
    /// The hash within the file, in basic flow.
    Hash,
}

/// `mib OBJECT TYPE VALUE`.
#[derive(Debug)]
pub(super) struct VarBindLine {
    /// The object as written.
    pub written: Box<str>,
    /// The object, where it is written by name.
    pub object: Option<Arc<Object>>,
    /// The instance.
    pub instance: Instance,
    /// The value's type.
    pub kind: ValueType,
    /// The value.
    pub value: Text,
}

/// The instance of an object.
#[derive(Debug)]
pub(super) enum Instance {
    /// The same for every device.
    Fixed(Oid),
    /// A named object and parts of which some have values by device.
    Parts(Arc<Object>, Vec<InstancePart>),
}

/// A part of an instance.
#[derive(Debug)]
pub(super) enum InstancePart {
    /// An arc.
    Number(u32),
    /// An expression whose value is an arc.
    Expr(Expr),
    /// A text, in the form that the object's index has.
    Text(Text),
}

/// A setting of TLV 38.
#[derive(Debug)]
pub(super) struct ReceiverLine {
    pub place: Place,
    pub setting: ReceiverWord,
    pub value: Text,
}

/// The settings of TLV 38 by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiverWord {
    /// 38.1 or 38.8, as the address is.
    Address,
    Port,
    Kind,
    Timeout,
    Retries,
    Filter,
    SecurityName,
}

impl ReceiverWord {
    /// Every setting with its word.
    pub const ALL: [(&'static str, Self); 7] = [
        ("address", Self::Address),
        ("port", Self::Port),
        ("kind", Self::Kind),
        ("timeout", Self::Timeout),
        ("retries", Self::Retries),
        ("filter", Self::Filter),
        ("security-name", Self::SecurityName),
    ];
    /// The words, for an error.
    pub const WORDS: &'static str = "address, port, kind, timeout, retries, filter, security-name, end";
}

/// `NUMBER TYPE VALUE`: a TLV or a setting of TLV 43 whose value is bare octets.
#[derive(Debug)]
pub(super) struct TypedLine {
    pub place: Place,
    pub number: u8,
    pub kind: OctetsType,
    pub value: Text,
}

/// How the octets of a bare TLV are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OctetsType {
    Hex,
    String,
    U8,
    U16,
    U32,
    Ipv4,
    Ipv6,
}

impl OctetsType {
    /// Every type with its word.
    pub const ALL: [(&'static str, Self); 7] = [
        ("hex", Self::Hex),
        ("string", Self::String),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
    ];
    /// The words, for an error.
    pub const WORDS: &'static str = "a type: hex, string, u8, u16, u32, ipv4, ipv6";
}
