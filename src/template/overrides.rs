//! What a device's record changes in the file that its template makes.

use std::collections::BTreeMap;

use super::build::typed_octets;
use super::emit::{Out, element_content, fingerprint, name_element};
use super::failure::BuildReason;
use super::statement::OctetsType;
use super::value::{ValueError, ValueType};
use crate::mib::{IndexValue, InstanceError, NameError, Names};
use crate::value::{Oid, OidError};
use crate::wire::snmp::varbind::VarBind;
use crate::wire::tlv::conform::{Mismatch, conforms};
use crate::wire::tlv::{Definition, FileKind};

/// Changes to a file, compiled: attributes that have another value, or none.
///
/// An attribute is a MIB object with its instance, as templates write it (`pktcMtaDevEnabled.0`), the name of a cable
/// modem's TLV (`MaxCPE`), or `tlv NUMBER`. The value of an object or a named TLV is written in the type that its module or
/// the dictionary gives it; that of a numbered TLV, or of an object that no module knows, after its type: `u8 4`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Override {
    target: Target,
    /// The whole TLV; `None` where there is to be none.
    octets: Option<Replacement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// The BER content of an instance.
    Object(Vec<u8>),
    /// A TLV of the file itself.
    Tlv(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Replacement {
    /// Name and value as BER elements.
    VarBind(Vec<u8>, Vec<u8>),
    Tlv(Vec<u8>),
}

/// A change that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("override '{attribute}': {reason}")]
pub struct OverrideError {
    /// The attribute as written.
    pub attribute: String,
    /// Why.
    pub reason: OverrideReason,
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideReason {
    /// The object's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An object identifier in numbers.
    #[error(transparent)]
    Oid(#[from] OidError),
    /// The instance.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The value of a TLV.
    #[error(transparent)]
    Typed(#[from] BuildReason),
    /// The object does not take the value.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Something else belongs there.
    #[error("expected {0}")]
    Expected(&'static str),
}

impl Overrides {
    /// Compiles the changes of a device's record; an attribute without a value is taken out of the file.
    ///
    /// # Errors
    /// [`OverrideError`] with the first mistake.
    pub fn compile(changes: &BTreeMap<String, Option<String>>, names: &Names) -> Result<Self, OverrideError> {
        let compiled = changes.iter().map(|(attribute, value)| {
            compile(attribute, value.as_deref(), names).map_err(|reason| OverrideError {
                attribute: attribute.chars().take(80).collect(),
                reason,
            })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The TLVs of `octets` with the changes: a new value in the place of the first of its kind, at the end where there is
    /// none. `None` where the octets are no row of TLVs, or a value is too long for its place.
    pub(super) fn apply(&self, octets: &[u8], kind: FileKind) -> Option<Vec<u8>> {
        let mut out = Out::new(kind, octets.len() + 64);
        let mut done = vec![false; self.0.len()];
        let mut rest = octets;
        while !rest.is_empty() {
            let (number, value, after) = next_tlv(rest, kind)?;
            let whole = rest.get(..rest.len() - after.len())?;
            let found = self.0.iter().position(|change| change.concerns(number, value, kind));
            match found.and_then(|at| Some((self.0.get(at)?, done.get_mut(at)?))) {
                None => out.run.octets.extend_from_slice(whole),
                Some((change, done)) => {
                    if !std::mem::replace(done, true) {
                        change.write(&mut out)?;
                    }
                }
            }
            rest = after;
        }
        for (change, _) in self.0.iter().zip(done).filter(|(_, done)| !done) {
            change.write(&mut out)?;
        }
        Some(out.run.octets)
    }
}

/// A TLV's value, and what comes after it.
fn split_value(number: u8, octets: &[u8], kind: FileKind) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match kind.is_wide(number) {
        true => {
            let (length, rest) = octets.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        false => {
            let (length, rest) = octets.split_first()?;
            (usize::from(*length), rest)
        }
    };
    rest.split_at_checked(length)
}

impl Override {
    fn concerns(&self, number: u8, value: &[u8], kind: FileKind) -> bool {
        match &self.target {
            Target::Tlv(target) => *target == number,
            Target::Object(content) => {
                varbind_of(number, value, kind).is_some_and(|varbind| varbind.name.to_ber() == *content)
            }
        }
    }

    fn write(&self, out: &mut Out) -> Option<()> {
        match (&self.octets, &self.target) {
            (None, _) => Some(()),
            (Some(Replacement::VarBind(name, value)), _) => {
                out.varbind(name, fingerprint(element_content(name)), value).ok()
            }
            (Some(Replacement::Tlv(value)), Target::Tlv(number)) => out.tlv(*number, value).ok(),
            (Some(Replacement::Tlv(_)), Target::Object(_)) => Some(()),
        }
    }
}

fn compile(attribute: &str, value: Option<&str>, names: &Names) -> Result<Override, OverrideReason> {
    if let Some(number) = attribute.strip_prefix("tlv ") {
        let number = number.trim().parse();
        let number = number.map_err(|_| OverrideReason::Expected("tlv and a type number from 0 to 255"))?;
        let octets = value.map(typed).transpose()?;
        return Ok(Override {
            target: Target::Tlv(number),
            octets: octets.map(Replacement::Tlv),
        });
    }
    let named = Definition::named(Definition::of_file(FileKind::CableModem), attribute);
    if let Some(definition) = named {
        let octets = value.map(|text| short(definition.read(text).map_err(BuildReason::from)?));
        return Ok(Override {
            target: Target::Tlv(definition.kind),
            octets: octets.transpose()?.map(Replacement::Tlv),
        });
    }
    let oid = instance(attribute, names)?;
    let content = oid.to_ber();
    let replacement = value.map(|text| object_value(&oid, text, names)).transpose()?;
    Ok(Override {
        octets: replacement.map(|value| {
            let mut name = Vec::new();
            name_element(&content, &mut name);
            Replacement::VarBind(name, value)
        }),
        target: Target::Object(content),
    })
}

fn typed(text: &str) -> Result<Vec<u8>, OverrideReason> {
    let (word, value) = text.split_once(' ').unwrap_or((text, ""));
    let kind = OctetsType::ALL.into_iter().find(|(name, _)| *name == word);
    let (_, kind) = kind.ok_or(OverrideReason::Expected(OctetsType::WORDS))?;
    short(typed_octets(kind, value)?)
}

fn short(octets: Vec<u8>) -> Result<Vec<u8>, OverrideReason> {
    match octets.len() {
        0..=0xff => Ok(octets),
        _ => Err(OverrideReason::Expected("at most 255 octets")),
    }
}

/// The instance of `MODULE::name.index` or of numbers.
fn instance(attribute: &str, names: &Names) -> Result<Oid, OverrideReason> {
    if attribute.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(attribute.parse::<Oid>()?);
    }
    const EXPECTED: OverrideReason = OverrideReason::Expected("an instance after the object's name, .0 for a scalar");
    let (name, index) = attribute.split_once('.').ok_or(EXPECTED)?;
    let object = names.resolve(name)?;
    let mut values = Vec::new();
    let mut rest = index;
    while !rest.is_empty() {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, after) = quoted.split_once('"').ok_or(EXPECTED)?;
                (IndexValue::Text(text.to_owned()), after)
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                (IndexValue::Number(number.parse().map_err(|_| EXPECTED)?), after)
            }
        };
        values.push(value);
        rest = match after.strip_prefix('.') {
            Some(more) if !more.is_empty() => more,
            None if after.is_empty() => "",
            _ => return Err(EXPECTED),
        };
    }
    Ok(object.instance(&values)?)
}

/// The value as a BER element.
fn object_value(oid: &Oid, text: &str, names: &Names) -> Result<Vec<u8>, OverrideReason> {
    let Some(syntax) = names.syntax_of(oid) else {
        let (word, value) = text.split_once(' ').unwrap_or((text, ""));
        let kind = ValueType::from_word(word).ok_or(OverrideReason::Expected(
            "a type before the value, since no MIB module says what the object takes: 'integer 1'",
        ))?;
        return Ok(kind.read(value, None)?.encode());
    };
    let value = ValueType::of(syntax).read(text, Some(syntax))?;
    conforms(&value, syntax)?;
    Ok(value.encode())
}

/// The first TLV of a row: its type, its value, and the rest of the row.
pub(super) fn next_tlv(octets: &[u8], kind: FileKind) -> Option<(u8, &[u8], &[u8])> {
    let (&number, after) = octets.split_first()?;
    let (value, after) = split_value(number, after, kind)?;
    Some((number, value, after))
}

/// The variable binding of a TLV 11, or of a device file's TLV 64.
pub(super) fn varbind_of(number: u8, value: &[u8], kind: FileKind) -> Option<VarBind> {
    let holds = number == 11 || number == 64 && kind == FileKind::Device;
    holds.then(|| VarBind::decode(value).ok()).flatten()
}

/// The fingerprints of the objects that a row of TLVs sets.
pub(super) fn objects(octets: &[u8], kind: FileKind) -> Vec<u64> {
    let mut found = Vec::new();
    let mut rest = octets;
    while let Some((number, value, after)) = next_tlv(rest, kind) {
        found.extend(varbind_of(number, value, kind).map(|varbind| fingerprint(&varbind.name.to_ber())));
        rest = after;
    }
    found
}
