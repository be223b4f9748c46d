//! A template in the language of the open-source `docsis` encoder.
//!
//! What the engine adds by itself is left out of it: delimiters, MICs, the end mark. Values may have `{{ expressions }}`;
//! everything else that templates say, a template of our own language says that includes this one.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::emit::Run;
use super::error::{Place, TemplateError, TemplateReason};
use super::expression::Text;
use super::fold::fold;
use super::intern::Interner;
use super::library::Source;
use super::line::Line;
use super::overrides::objects;
use super::parse::Parsed;
use super::statement::{Action, FixedName, Instance, OctetsType, Statement, TypedLine, VarBindLine};
use super::value::ValueType;
use crate::mib::Names;
use crate::text::docsis::{Position, ReadError, ReadReason, Setting, SettingBody, settings};
use crate::text::{ObjectError, Resolver};
use crate::wire::tlv::{ConfigFile, FileKind, Tlv};

type Result<T> = std::result::Result<T, TemplateError>;

/// Compiles a text; `open` gives the content of a file that it names.
pub(super) fn parse(
    source: &Source<'_>,
    bare: bool,
    file: &Arc<str>,
    names: &Names,
    interner: &Interner,
    open: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Parsed> {
    let compiler = |kind| Compiler {
        file,
        names,
        interner,
        kind,
        seen: RefCell::default(),
    };
    let read = settings(source.text, bare, Resolver::new(names, None), open);
    let (kind, settings) = read.map_err(|ReadError { position, reason }| {
        let reason = match reason {
            // There is no option here that says which MIB is meant.
            ReadReason::Object(ObjectError::Dialect(error)) => TemplateReason::Name(error),
            reason => reason.into(),
        };
        compiler(FileKind::Device).wrong(position, reason)
    })?;
    Ok(Parsed {
        statements: compiler(kind).statements(settings, false)?,
        kind: Some(kind),
        serves: Vec::new(),
        lookups: Vec::new(),
    })
}

struct Compiler<'a> {
    file: &'a Arc<str>,
    names: &'a Names,
    interner: &'a Interner,
    kind: FileKind,
    /// The objects that are set already: that encoder takes a text that sets one again, and so do modems.
    seen: RefCell<HashSet<u64>>,
}

impl Compiler<'_> {
    fn place(&self, position: Position) -> Place {
        Place {
            file: Arc::clone(self.file),
            line: position.line,
            column: position.column,
        }
    }

    fn wrong(&self, position: Position, reason: impl Into<TemplateReason>) -> TemplateError {
        TemplateError {
            place: self.place(position),
            reason: reason.into(),
        }
    }

    /// The statements of settings; `nested` says that they stand within another.
    fn statements(&self, settings: Vec<Setting>, nested: bool) -> Result<Vec<Statement>> {
        let mut statements = Vec::with_capacity(settings.len());
        for Setting { position, body } in settings {
            let action = match body {
                SettingBody::Fixed(tlvs) => self.fixed(position, tlvs, nested)?,
                SettingBody::Group(number, _) if self.is_added(number, nested) => continue,
                SettingBody::Group(number, inner) => Action::Group(number, self.statements(inner, true)?),
                SettingBody::Value { definition, text } => Action::Tlv(Box::new(TypedLine {
                    place: self.place(position),
                    written: definition.name.into(),
                    number: definition.kind,
                    kind: OctetsType::Named(definition),
                    value: self.text(position, &text)?,
                })),
                SettingBody::Object {
                    written,
                    name,
                    kind,
                    text,
                } => {
                    let digits = text.strip_prefix("0x").unwrap_or(&text);
                    let kind =
                        value_type(&kind).ok_or_else(|| self.wrong(position, TemplateReason::Expected(TYPES)))?;
                    let text = if kind == ValueType::Hex { digits } else { &text };
                    let value = self.text(position, text)?;
                    Action::VarBind(Box::new(self.varbind(&written, &name, kind, value)))
                }
            };
            let place = self.place(position);
            statements.push(Statement { place, action });
        }
        fold(statements, self.kind, nested)
    }

    /// Whether the engine adds a TLV of the file by itself.
    fn is_added(&self, number: u8, nested: bool) -> bool {
        !nested
            && match self.kind {
                FileKind::Device => number == 254,
                FileKind::CableModem => matches!(number, 0 | 6 | 7 | 255),
            }
    }

    /// TLVs that are the same for every device.
    fn fixed(&self, position: Position, mut tlvs: Vec<Tlv>, nested: bool) -> Result<Action> {
        tlvs.retain(|tlv| !self.is_added(tlv.kind, nested));
        // Within a TLV every length is one octet, as those of a cable modem's file are.
        let kind = if nested { FileKind::CableModem } else { self.kind };
        let trailing = Vec::new();
        let file = ConfigFile { kind, tlvs, trailing };
        let encoded = file.encode();
        let octets = encoded.map_err(|error| self.wrong(position, ReadReason::from(error)))?;
        if !nested {
            // A GenericTLV may stand for TLVs of the dictionary.
            let decoded = ConfigFile::decode_as(kind, &octets);
            decoded.map_err(|error| self.wrong(position, ReadReason::from(error)))?;
        }
        let mut seen = self.seen.borrow_mut();
        let new = objects(&octets, kind).into_iter().filter(|object| seen.insert(*object));
        Ok(Action::Run(Box::new(Run {
            objects: new.collect(),
            wide: file.tlvs.iter().any(|tlv| kind.is_wide(tlv.kind)).then_some(kind),
            octets,
            ..Run::default()
        })))
    }

    fn text(&self, position: Position, text: &str) -> Result<Text> {
        let line = Line::new(self.file, self.interner, position.line, text);
        line.pieces(text, false).map_err(|error| TemplateError {
            place: self.place(position),
            ..error
        })
    }

    fn varbind(&self, written: &str, name: &crate::value::Oid, kind: ValueType, value: Text) -> VarBindLine {
        let content = name.to_ber();
        let known = self.names.lookup(name);
        let object = known.filter(|(object, rest)| object.syntax().is_some() && !rest.is_empty());
        let object = object.map(|(object, _)| object);
        let copy = |object| self.interner.object(object);
        VarBindLine {
            written: written.into(),
            address_type: object.and_then(|object| self.names.address_type_of(object)).map(copy),
            instance: Instance::Fixed(FixedName::new(
                &content,
                object.map_or(0, |object| content.len().saturating_sub(object.oid.to_ber().len())),
            )),
            object: object.map(copy),
            kind,
            value,
        }
    }
}

const TYPES: &str = "a type: Integer, Unsigned32, Gauge32, Counter32, Counter64, TimeTicks, IPAddress, ObjectID, String, \
                     HexString";

/// The type of a value whose text is known only for a device.
fn value_type(word: &str) -> Option<ValueType> {
    Some(match word {
        "Integer" => ValueType::Integer,
        "Gauge" | "Gauge32" | "Unsigned32" => ValueType::Unsigned,
        "Counter32" => ValueType::Counter32,
        "Counter64" => ValueType::Counter64,
        "TimeTicks" => ValueType::TimeTicks,
        "IPAddress" => ValueType::IpAddress,
        "ObjectID" => ValueType::Oid,
        "String" => ValueType::String,
        "HexString" | "BitString" => ValueType::Hex,
        _ => return None,
    })
}
