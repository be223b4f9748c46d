//! What a text says, setting by setting.

use super::lex::Position;
use crate::value::Oid;
use crate::wire::tlv::{Definition, Tlv};

/// One setting of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Where its name stands.
    pub position: Position,
    /// What it sets.
    pub body: SettingBody,
}

/// What a setting sets.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingBody {
    /// TLVs whose octets the text says; several where a file is longer than one takes.
    Fixed(Vec<Tlv>),
    /// A TLV that holds those of the settings within.
    Group(u8, Vec<Setting>),
    /// A TLV whose value has `{{ expressions }}`.
    Value {
        /// The TLV.
        definition: &'static Definition,
        /// The value as written.
        text: String,
    },
    /// A variable binding whose value has `{{ expressions }}`.
    Object {
        /// The object as written.
        written: String,
        /// The object.
        name: Oid,
        /// The type of its value, as the language has it.
        kind: String,
        /// The value as written.
        text: String,
    },
}

/// The TLVs of settings; the error is the place of the first whose value has expressions.
pub(super) fn tlvs(settings: Vec<Setting>) -> Result<Vec<Tlv>, Position> {
    let mut all = Vec::with_capacity(settings.len());
    for Setting { position, body } in settings {
        match body {
            SettingBody::Fixed(fixed) => all.extend(fixed),
            SettingBody::Group(kind, inner) => all.push(Tlv::group(kind, tlvs(inner)?)),
            SettingBody::Value { .. } | SettingBody::Object { .. } => return Err(position),
        }
    }
    Ok(all)
}
