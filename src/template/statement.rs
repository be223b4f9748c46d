//! A template after compilation.

use std::sync::Arc;

use super::declare::Declaration;
use super::emit::{Run, element_content, fingerprint, name_element};
use super::error::Place;
use super::expression::{Expr, Text};
use super::value::ValueType;
use crate::mib::Object;
use crate::wire::tlv::Definition;

/// One statement with its place.
#[derive(Debug)]
pub(super) struct Statement {
    pub place: Place,
    pub action: Action,
}

/// What a statement does.
#[derive(Debug)]
pub(super) enum Action {
    /// Adds octets that are the same for every device: those of one statement, or of several that follow each other.
    Run(Box<Run>),
    /// Adds a variable binding.
    VarBind(Box<VarBindLine>),
    /// Adds a TLV 38.
    Receiver(Vec<ReceiverLine>),
    /// Adds a TLV 43.
    Vendor(Text, Vec<TypedLine>),
    /// Adds a TLV by its number.
    Tlv(Box<TypedLine>),
    /// Adds a TLV that holds those of its statements.
    Group(u8, Vec<Statement>),
    /// Gives a variable a value where it has none.
    Default(Arc<str>, Arc<Expr>),
    /// Gives a variable a value.
    Set(Arc<str>, Arc<Expr>),
    /// Says what values a variable takes, and reads the one it has.
    Declare(Box<Declaration>),
    /// Switches on or off what the engine adds by itself.
    Auto(Auto, bool),
    /// The statements of the first branch whose condition holds; `None` always holds.
    If(Vec<(Option<Arc<Expr>>, Vec<Statement>)>),
    /// The statements for each item of a list.
    For(Arc<str>, Arc<Expr>, Vec<Statement>),
    /// The statements of another template: its name, and its place in the library once that is linked.
    Include(Box<str>, usize),
}

/// What the engine adds by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auto {
    /// What begins and ends a file: `FE 01 01` and `FE 01 FF`; in a cable modem's file `FF` and the padding.
    Delimiters,
    /// The row of the realm table, in secure flow.
    Realm,
    /// The hash within the file, in basic flow.
    Hash,
    /// What makes a device fetch its credentials.
    Bootstrap,
    /// TLV 6 of a cable modem's file.
    CmMic,
    /// TLV 7 of a cable modem's file.
    CmtsMic,
    /// TLV 19 of a cable modem's file.
    Timestamp,
    /// TLV 20 or 59 of a cable modem's file.
    ModemAddress,
}

impl Auto {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 8] = [
        ("delimiters", Self::Delimiters),
        ("realm", Self::Realm),
        ("hash", Self::Hash),
        ("bootstrap", Self::Bootstrap),
        ("cm-mic", Self::CmMic),
        ("cmts-mic", Self::CmtsMic),
        ("timestamp", Self::Timestamp),
        ("modem-address", Self::ModemAddress),
    ];
    /// The words, for an error.
    pub const WORDS: &'static str =
        "one of delimiters, realm, hash, bootstrap, cm-mic, cmts-mic, timestamp, modem-address";
}

/// What the engine adds, switched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switches([bool; 8]);

impl Switches {
    /// Everything that needs nobody's wish: all but TLV 19, 20 and 59, which a CMTS may compare with what it knows.
    pub const DEFAULT: Self = Self([true, true, true, true, true, true, false, false]);

    /// Whether it is on.
    pub fn has(self, what: Auto) -> bool {
        self.0.get(what as usize).copied().unwrap_or(false)
    }

    /// Switches it.
    pub fn set(&mut self, what: Auto, on: bool) {
        if let Some(slot) = self.0.get_mut(what as usize) {
            *slot = on;
        }
    }
}

/// `mib OBJECT TYPE VALUE`.
#[derive(Debug)]
pub(super) struct VarBindLine {
    /// The object as written.
    pub written: Box<str>,
    /// The object, where it is written by name or a module knows its number.
    pub object: Option<Arc<Object>>,
    /// The object that says of which type its addresses are, where it is an InetAddress.
    pub address_type: Option<Arc<Object>>,
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
    /// The same for every device: the element in BER.
    Fixed(FixedName),
    /// Parts that are all numbers, after the BER content of the object's identifier, whose fingerprint this is.
    Numbers(Box<[u8]>, u64, Vec<InstancePart>),
    /// A named object and parts of which some have values by device.
    Parts(Arc<Object>, Vec<InstancePart>),
}

/// An instance that is known when the template is compiled.
#[derive(Debug)]
pub(super) struct FixedName {
    /// Tag, length and content in BER.
    pub element: Box<[u8]>,
    /// The fingerprint of the content.
    pub object: u64,
    /// How many octets of the content follow the object's own identifier.
    pub index: usize,
}

impl FixedName {
    /// The name of `content` in BER, of whose octets the last `index` are the instance.
    pub fn new(content: &[u8], index: usize) -> Self {
        let mut element = Vec::with_capacity(content.len() + 3);
        name_element(content, &mut element);
        Self {
            element: element.into(),
            object: fingerprint(content),
            index,
        }
    }

    /// The content, without tag and length.
    pub fn content(&self) -> &[u8] {
        element_content(&self.element)
    }
}

/// A part of an instance.
#[derive(Debug)]
pub(super) enum InstancePart {
    /// An arc.
    Number(u32),
    /// An expression whose value is an arc.
    Expr(Arc<Expr>),
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
    /// As written: a number, or a name.
    pub written: Box<str>,
    pub number: u8,
    pub kind: OctetsType,
    pub value: Text,
}

/// How the octets of a bare TLV are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OctetsType {
    Hex,
    String,
    /// A text with a zero octet after it, as service class names have it.
    ZString,
    U8,
    U16,
    U32,
    Ipv4,
    Ipv6,
    Mac,
    Oid,
    /// As the dictionary of TLVs says.
    Named(&'static Definition),
}

impl OctetsType {
    /// Every type with its word.
    pub const ALL: [(&'static str, Self); 10] = [
        ("hex", Self::Hex),
        ("string", Self::String),
        ("zstring", Self::ZString),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
        ("mac", Self::Mac),
        ("oid", Self::Oid),
    ];
    /// The words, for an error.
    pub const WORDS: &'static str = "a type: hex, string, zstring, u8, u16, u32, ipv4, ipv6, mac, oid";
}
