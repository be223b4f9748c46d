//! The object of a `mib` line: its name, its instance, the type of its value.

use std::sync::Arc;

use super::emit::fingerprint;
use super::error::{TemplateError, TemplateReason};
use super::line::Line;
use super::statement::{FixedName, Instance, InstancePart, VarBindLine};
use super::value::ValueType;
use crate::mib::{IndexForm, IndexValue, Kind, Names, Object};
use crate::value::Oid;
use crate::wire::tlv::conform::conforms;

type Result<T> = std::result::Result<T, TemplateError>;

/// An object by name or in numbers, and its instance.
pub(super) fn object(written: &str, names: &Names, line: &Line<'_>) -> Result<(Option<Arc<Object>>, Instance)> {
    if written.starts_with(|c: char| c.is_ascii_digit() || c == '.') && !written.contains("{{") {
        let oid: Oid = written
            .parse()
            .map_err(|error: crate::value::OidError| line.wrong(error))?;
        let leaf = leaf(&oid, names);
        let instance = fixed(&oid, leaf);
        return Ok((leaf.map(|leaf| line.object_copy(leaf)), instance));
    }
    let (name, instance) = written.split_once('.').ok_or_else(|| {
        line.wrong(TemplateReason::Expected(
            "an instance after the object's name, .0 for a scalar",
        ))
    })?;
    let object = line.object_copy(names.resolve(name).map_err(|error| line.wrong(error))?);
    let parts = instance_parts(instance, line)?;
    let fixed_parts: Option<Vec<IndexValue>> = parts.iter().map(constant_part).collect();
    let instance = match fixed_parts {
        Some(values) => {
            let oid = object.instance(&values).map_err(|error| line.wrong(error))?;
            fixed(&oid, Some(&object))
        }
        None if is_numbers(&object, &parts) => {
            let content = object.oid.to_ber();
            Instance::Numbers(content.as_slice().into(), fingerprint(&content), parts)
        }
        None => Instance::Parts(Arc::clone(&object), parts),
    };
    Ok((Some(object), instance))
}

/// The object whose instance an object identifier is, where a module knows it.
fn leaf<'a>(oid: &Oid, names: &'a Names) -> Option<&'a Object> {
    let (object, rest) = names.lookup(oid)?;
    (object.syntax().is_some() && !rest.is_empty()).then_some(object)
}

/// An instance that is the same for every device.
fn fixed(oid: &Oid, object: Option<&Object>) -> Instance {
    let content = oid.to_ber();
    let index = object.map_or(0, |object| content.len().saturating_sub(object.oid.to_ber().len()));
    Instance::Fixed(FixedName::new(&content, index))
}

/// Whether each part is a number that is one arc of the index.
fn is_numbers(object: &Object, parts: &[InstancePart]) -> bool {
    let Kind::Column { index, .. } = &object.kind else {
        return false;
    };
    let numbers = parts.iter().all(|part| !matches!(part, InstancePart::Text(_)));
    numbers && index.len() == parts.len() && index.iter().all(|part| part.form == IndexForm::Integer)
}

/// `TYPE`, or `=` for the type that the object has.
pub(super) fn value_type(object: Option<&Object>, line: &mut Line<'_>) -> Result<ValueType> {
    let at = line.clone();
    let word = line.word();
    let syntax = object.and_then(Object::syntax);
    if word == Some("=") {
        return match syntax {
            Some(syntax) => Ok(ValueType::of(syntax)),
            None => Err(at.wrong(TemplateReason::Expected(
                "a type, since no MIB module says what the object takes",
            ))),
        };
    }
    let kind = word.and_then(ValueType::from_word);
    let kind = kind.ok_or_else(|| at.wrong(TemplateReason::Expected(ValueType::WORDS)))?;
    match (object, syntax) {
        (Some(object), Some(syntax)) if !kind.suits(syntax.base) => Err(at.wrong(TemplateReason::Type {
            object: object.qualified(),
            takes: syntax.base.name(),
            found: kind.word(),
        })),
        _ => Ok(kind),
    }
}

/// A value that is the same for every device is wrong for all of them, and where it stands.
pub(super) fn check_constant(compiled: &VarBindLine, line: &Line<'_>) -> Result<()> {
    let Some(text) = compiled.value.constant() else {
        return Ok(());
    };
    let syntax = compiled.object.as_ref().and_then(|object| object.syntax());
    let wrong = |reason| {
        let attribute = compiled.written.to_string();
        line.wrong(TemplateReason::Constant { attribute, reason })
    };
    let value = compiled.kind.read(text, syntax).map_err(|error| wrong(error.into()))?;
    match syntax {
        Some(syntax) => conforms(&value, syntax).map_err(|error| wrong(error.into())),
        None => Ok(()),
    }
}

/// The parts between the dots that stand outside quotes and `{{ }}`.
fn instance_parts(text: &str, line: &Line<'_>) -> Result<Vec<InstancePart>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = first_part(rest);
        parts.push(instance_part(part, line)?);
        match after {
            Some(after) => rest = after,
            None => return Ok(parts),
        }
    }
}

fn first_part(text: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    let mut braces = 0usize;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'"' if braces == 0 => quoted = !quoted,
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            b'.' if !quoted && braces == 0 => {
                return (text.get(..at).unwrap_or_default(), text.get(at + 1..));
            }
            _ => {}
        }
    }
    (text, None)
}

fn instance_part(part: &str, line: &Line<'_>) -> Result<InstancePart> {
    const EXPECTED: TemplateReason =
        TemplateReason::Expected("a number, {{ an expression }} or \"a text\" as part of the instance");
    if let Ok(number) = part.parse() {
        return Ok(InstancePart::Number(number));
    }
    if let Some(inner) = part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
        return line.pieces(inner, true).map(InstancePart::Text);
    }
    let source = part.strip_prefix("{{").and_then(|part| part.strip_suffix("}}"));
    let source = source.ok_or_else(|| line.wrong(EXPECTED))?;
    line.compile(source).map(InstancePart::Expr)
}

fn constant_part(part: &InstancePart) -> Option<IndexValue> {
    match part {
        InstancePart::Number(number) => Some(IndexValue::Number(*number)),
        InstancePart::Text(text) => text.constant().map(|text| IndexValue::Text(text.to_owned())),
        InstancePart::Expr(_) => None,
    }
}
