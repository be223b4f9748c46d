//! The language of templates, one statement a line.
//!
//! ```text
//! # a comment                                      blank lines and lines that start with # mean nothing
//! include NAME                                     the statements of another template
//! default NAME = EXPRESSION                        a value for a variable that has none
//! set NAME = EXPRESSION                            a value for a variable
//! auto delimiters|realm|hash on|off                what the engine adds by itself
//! if EXPRESSION … elif EXPRESSION … else … end
//! for NAME in EXPRESSION … end
//! mib OBJECT TYPE VALUE                            TLV 11, or 64 where it is long
//! receiver … end                                   TLV 38; within: address, port, kind, timeout, retries, filter,
//!                                                  security-name, each with its value
//! vendor OUI … end                                 TLV 43; within: NUMBER TYPE VALUE
//! tlv NUMBER TYPE VALUE                            any other TLV
//! ```
//!
//! OBJECT is a MIB name, qualified by its module where several have it (`MODULE::name`), or an object identifier in
//! numbers; then its instance: `.0` of a scalar, the index of a row, whose parts are numbers, `{{ expressions }}` or
//! `"texts"`. TYPE is one of [`super::ValueType`]; for `vendor` and `tlv` one of hex, string, u8, u16, u32, ipv4, ipv6.
//! VALUE is the rest of the line, bare or in quotes, with `{{ expressions }}`; or `"""` and then lines up to one that
//! is `"""`. EXPRESSION is one of minijinja's.

use std::iter::Peekable;
use std::str::Lines;
use std::sync::Arc;

use super::error::{TemplateError, TemplateReason};
use super::expression::{Text, is_name};
use super::line::Line;
use super::statement::{
    Action, Auto, Instance, InstancePart, OctetsType, ReceiverLine, ReceiverWord, Statement, TypedLine, VarBindLine,
};
use super::value::ValueType;
use crate::mib::{IndexValue, Names, Object};
use crate::value::Oid;
use crate::wire::snmp::varbind::VarBind;
use crate::wire::tlv::Element;
use crate::wire::tlv::conform::conforms;

/// Blocks within blocks, at most.
const DEEPEST: usize = 32;

const WORDS: &str = "include, default, set, auto, if, for, mib, receiver, vendor, tlv";

type Result<T> = std::result::Result<T, TemplateError>;

/// Compiles the text of the template `file`.
pub(super) fn parse(file: &Arc<str>, text: &str, names: &Names) -> Result<Vec<Statement>> {
    let mut parser = Parser {
        file,
        names,
        lines: text.lines().peekable(),
        number: 0,
        depth: 0,
    };
    let (statements, end) = parser.block()?;
    match end {
        Some((line, word)) => Err(line.wrong(TemplateReason::Stray(word.to_owned()))),
        None => Ok(statements),
    }
}

struct Parser<'a> {
    file: &'a Arc<str>,
    names: &'a Names,
    lines: Peekable<Lines<'a>>,
    number: usize,
    depth: usize,
}

/// The line that ends a block, after its word.
type End<'a> = Option<(Line<'a>, &'a str)>;

impl<'a> Parser<'a> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.next_raw()?;
            if !line.rest().is_empty() && !line.rest().starts_with('#') {
                return Some(line);
            }
        }
    }

    fn next_raw(&mut self) -> Option<Line<'a>> {
        let text = self.lines.next()?;
        self.number += 1;
        Some(Line::new(self.file, self.number, text))
    }

    /// Statements up to the end of the text, or to a line that ends or divides a block.
    fn block(&mut self) -> Result<(Vec<Statement>, End<'a>)> {
        let mut statements = Vec::new();
        while let Some(mut line) = self.next_line() {
            let start = line.clone();
            let word = line.word().unwrap_or_default();
            if matches!(word, "end" | "elif" | "else") {
                return Ok((statements, Some((line, word))));
            }
            let action = self.statement(word, &start, line)?;
            statements.push(Statement {
                place: start.place(),
                action,
            });
        }
        Ok((statements, None))
    }

    fn statement(&mut self, word: &str, start: &Line<'a>, mut line: Line<'a>) -> Result<Action> {
        match word {
            "mib" => self.varbind(line),
            "include" => match line.word() {
                Some(name) => nothing_more(&line).map(|()| Action::Include(name.into(), 0)),
                None => Err(line.wrong(TemplateReason::Expected("the name of a template"))),
            },
            "default" => assignment(line).map(|(name, value)| Action::Default(name, value)),
            "set" => assignment(line).map(|(name, value)| Action::Set(name, value)),
            "auto" => auto(line),
            "if" => self.nested(start, |parser| parser.conditional(start, line)),
            "for" => self.nested(start, |parser| parser.repetition(start, line)),
            "receiver" => self.receiver(start, line),
            "vendor" => self.vendor(start, line),
            "tlv" => self.typed(line).map(Action::Tlv),
            _ => Err(start.wrong(TemplateReason::Statement {
                found: word.to_owned(),
                expected: WORDS,
            })),
        }
    }

    fn nested<T>(&mut self, start: &Line<'a>, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            return Err(start.wrong(TemplateReason::Expected("at most 32 blocks within each other")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn conditional(&mut self, start: &Line<'a>, line: Line<'a>) -> Result<Action> {
        let mut branches = Vec::new();
        let mut condition = Some(line.expression()?);
        loop {
            let otherwise = condition.is_none();
            let (statements, end) = self.block()?;
            branches.push((condition, statements));
            let (line, word) = end.ok_or_else(|| start.wrong(TemplateReason::Open("if")))?;
            condition = match word {
                "end" => {
                    nothing_more(&line)?;
                    return Ok(Action::If(branches));
                }
                _ if otherwise => return Err(line.wrong(TemplateReason::Stray(word.to_owned()))),
                "elif" => Some(line.expression()?),
                _ => {
                    nothing_more(&line)?;
                    None
                }
            };
        }
    }

    fn repetition(&mut self, start: &Line<'a>, mut line: Line<'a>) -> Result<Action> {
        let name = variable(&mut line)?;
        match line.word() {
            Some("in") => {}
            _ => return Err(line.wrong(TemplateReason::Expected("'in' after the variable"))),
        }
        let list = line.expression()?;
        let (statements, end) = self.block()?;
        match end {
            Some((line, "end")) => nothing_more(&line).map(|()| Action::For(name, list, statements)),
            Some((line, word)) => Err(line.wrong(TemplateReason::Stray(word.to_owned()))),
            None => Err(start.wrong(TemplateReason::Open("for"))),
        }
    }

    /// The lines of a block that holds no statements.
    fn settings<T>(
        &mut self,
        start: &Line<'a>,
        block: &'static str,
        read: impl Fn(&mut Self, Line<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut settings = Vec::new();
        loop {
            let line = self
                .next_line()
                .ok_or_else(|| start.wrong(TemplateReason::Open(block)))?;
            if line.rest() == "end" {
                return Ok(settings);
            }
            settings.push(read(self, line)?);
        }
    }

    fn receiver(&mut self, start: &Line<'a>, line: Line<'a>) -> Result<Action> {
        nothing_more(&line)?;
        let settings = self.settings(start, "receiver", |parser, mut line| {
            let place = line.place();
            let start = line.clone();
            let word = line.word().unwrap_or_default();
            let named = ReceiverWord::ALL.into_iter().find(|(name, _)| *name == word);
            let (_, setting) = named.ok_or_else(|| {
                start.wrong(TemplateReason::Statement {
                    found: word.to_owned(),
                    expected: ReceiverWord::WORDS,
                })
            })?;
            let value = parser.value(&line)?;
            Ok(ReceiverLine { place, setting, value })
        })?;
        Ok(Action::Receiver(settings))
    }

    fn vendor(&mut self, start: &Line<'a>, line: Line<'a>) -> Result<Action> {
        let oui = line.text()?;
        let settings = self.settings(start, "vendor", Self::typed)?;
        Ok(Action::Vendor(oui, settings))
    }

    fn typed(&mut self, mut line: Line<'a>) -> Result<TypedLine> {
        let place = line.place();
        let number = line.clone().word().and_then(|word| word.parse().ok());
        let number = number.ok_or_else(|| line.wrong(TemplateReason::Expected("a type number from 0 to 255")))?;
        line.word();
        let at = line.clone();
        let kind = line
            .word()
            .and_then(|word| OctetsType::ALL.into_iter().find(|(name, _)| *name == word));
        let (_, kind) = kind.ok_or_else(|| at.wrong(TemplateReason::Expected(OctetsType::WORDS)))?;
        let value = self.value(&line)?;
        Ok(TypedLine {
            place,
            number,
            kind,
            value,
        })
    }

    /// The value of a line: its rest, or the lines between `"""` and `"""`.
    fn value(&mut self, line: &Line<'a>) -> Result<Text> {
        if line.rest() != "\"\"\"" {
            return line.text();
        }
        let mut text = String::new();
        let mut first = true;
        loop {
            let more = self
                .next_raw()
                .ok_or_else(|| line.wrong(TemplateReason::Expected("a line \"\"\" at the end of the text")))?;
            if more.rest() == "\"\"\"" {
                break;
            }
            if !first {
                text.push('\n');
            }
            first = false;
            text.push_str(more.whole());
        }
        line.pieces(&text, false)
    }

    fn varbind(&mut self, mut line: Line<'a>) -> Result<Action> {
        let object_at = line.clone();
        let written = line
            .object()
            .ok_or_else(|| object_at.wrong(TemplateReason::Expected("an object's name")))?;
        let (object, instance) = self.object(written, &object_at)?;
        let type_at = line.clone();
        let kind = line.word().and_then(ValueType::from_word);
        let kind = kind.ok_or_else(|| type_at.wrong(TemplateReason::Expected(ValueType::WORDS)))?;
        if let Some(object) = &object {
            suits(kind, object, &type_at)?;
        }
        let value = self.value(&line)?;
        let compiled = VarBindLine {
            written: written.into(),
            object,
            instance,
            kind,
            value,
        };
        constant(&compiled, &line).map(|element| element.map_or(Action::VarBind(compiled), Action::Element))
    }

    /// An object by name or in numbers, and its instance.
    fn object(&self, written: &str, line: &Line<'_>) -> Result<(Option<Arc<Object>>, Instance)> {
        if written.starts_with(|c: char| c.is_ascii_digit() || c == '.') && !written.contains("{{") {
            let oid: Oid = written
                .parse()
                .map_err(|error: crate::value::OidError| line.wrong(error))?;
            return Ok((self.leaf(&oid), Instance::Fixed(oid)));
        }
        let (name, instance) = written.split_once('.').ok_or_else(|| {
            line.wrong(TemplateReason::Expected(
                "an instance after the object's name, .0 for a scalar",
            ))
        })?;
        let object = Arc::new(self.names.resolve(name).map_err(|error| line.wrong(error))?.clone());
        let parts = instance_parts(instance, line)?;
        let fixed: Option<Vec<IndexValue>> = parts.iter().map(constant_part).collect();
        let instance = match fixed {
            Some(values) => Instance::Fixed(object.instance(&values).map_err(|error| line.wrong(error))?),
            None => Instance::Parts(Arc::clone(&object), parts),
        };
        Ok((Some(object), instance))
    }

    /// The object whose instance an object identifier is, where a module knows it.
    fn leaf(&self, oid: &Oid) -> Option<Arc<Object>> {
        let (object, rest) = self.names.lookup(oid)?;
        (object.syntax().is_some() && !rest.is_empty()).then(|| Arc::new(object.clone()))
    }
}

/// Whether the object takes values of a type.
fn suits(kind: ValueType, object: &Object, line: &Line<'_>) -> Result<()> {
    let Some(syntax) = object.syntax() else { return Ok(()) };
    if kind.suits(syntax.base) {
        return Ok(());
    }
    Err(line.wrong(TemplateReason::Type {
        object: object.qualified(),
        takes: syntax.base.name(),
        found: kind.word(),
    }))
}

/// The element of a line that is the same for every device; `None` where it is not.
fn constant(compiled: &VarBindLine, line: &Line<'_>) -> Result<Option<Element>> {
    let (Instance::Fixed(oid), Some(text)) = (&compiled.instance, compiled.value.constant()) else {
        return Ok(None);
    };
    let syntax = compiled.object.as_ref().and_then(|object| object.syntax());
    let value = compiled.kind.read(text, syntax).map_err(|error| line.wrong(error))?;
    if let Some(syntax) = syntax {
        conforms(&value, syntax).map_err(|error| line.wrong(error))?;
    }
    Ok(Some(Element::varbind(VarBind::new(oid.clone(), value))))
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
    let compiled = super::expression::Expr::compile(source);
    compiled.map(InstancePart::Expr).map_err(|error| {
        line.wrong(TemplateReason::Expression {
            expression: source.trim().to_owned(),
            error,
        })
    })
}

fn constant_part(part: &InstancePart) -> Option<IndexValue> {
    match part {
        InstancePart::Number(number) => Some(IndexValue::Number(*number)),
        InstancePart::Text(text) => text.constant().map(|text| IndexValue::Text(text.to_owned())),
        InstancePart::Expr(_) => None,
    }
}

fn variable(line: &mut Line<'_>) -> Result<Box<str>> {
    let start = line.clone();
    let name = line.word().filter(|word| is_name(word));
    name.map(Into::into)
        .ok_or_else(|| start.wrong(TemplateReason::Expected("the name of a variable")))
}

fn assignment(mut line: Line<'_>) -> Result<(Box<str>, super::expression::Expr)> {
    let name = variable(&mut line)?;
    match line.clone().word() {
        Some("=") => line.word(),
        _ => return Err(line.wrong(TemplateReason::Expected("'=' after the variable"))),
    };
    Ok((name, line.expression()?))
}

fn auto(mut line: Line<'_>) -> Result<Action> {
    let start = line.clone();
    let what = match line.word() {
        Some("delimiters") => Auto::Delimiters,
        Some("realm") => Auto::Realm,
        Some("hash") => Auto::Hash,
        _ => return Err(start.wrong(TemplateReason::Expected("delimiters, realm or hash"))),
    };
    let start = line.clone();
    let on = match line.word() {
        Some("on") => true,
        Some("off") => false,
        _ => return Err(start.wrong(TemplateReason::Expected("on or off"))),
    };
    nothing_more(&line).map(|()| Action::Auto(what, on))
}

fn nothing_more(line: &Line<'_>) -> Result<()> {
    match line.rest() {
        "" => Ok(()),
        _ => Err(line.wrong(TemplateReason::Expected("nothing more on this line"))),
    }
}
