//! The language of templates, one statement a line.
//!
//! ```text
//! # a comment                                      blank lines and lines that start with # mean nothing
//! file device|cable-modem                          which kind of file it makes, before all else; device by default
//! serve PATTERN                                    a name under which the file is asked for, with {captures}
//! lookup NAME                                      asks a lookup of the settings; its row's columns are NAME.column
//! include NAME                                     the statements of another template
//! var NAME: TYPE [= EXPRESSION]                    the values that a variable takes, and its default
//! default NAME = EXPRESSION                        a value for a variable that has none
//! set NAME = EXPRESSION                            a value for a variable
//! auto WORD on|off                                 what the engine adds by itself
//! if EXPRESSION … elif EXPRESSION … else … end
//! for NAME in EXPRESSION … end
//! mib OBJECT TYPE VALUE                            TLV 11, or 64 where it is long
//! mib OBJECT = VALUE                               the same, of the type that the object has
//! receiver … end                                   TLV 38; within: address, port, kind, timeout, retries, filter,
//!                                                  security-name, each with its value
//! vendor OUI … end                                 TLV 43; within: NUMBER TYPE VALUE
//! tlv NAME VALUE                                   a TLV of the dictionary, or of the group that it stands in
//! tlv NUMBER TYPE VALUE                            any other TLV
//! group NAME|NUMBER … end                          a TLV that holds those of the statements within
//! ```
//!
//! OBJECT is a MIB name, qualified by its module where several have it (`MODULE::name`), or an object identifier in
//! numbers; then its instance: `.0` of a scalar, the index of a row, whose parts are numbers, `{{ expressions }}` or
//! `"texts"`. TYPE is one of [`super::ValueType`]; for `vendor` and `tlv` one of hex, string, zstring, u8, u16, u32, ipv4,
//! ipv6, mac, oid. VALUE is the rest of the line, bare or in quotes, with `{{ expressions }}`; or `"""` and then lines up
//! to one that is `"""`. EXPRESSION is one of minijinja's.

use std::iter::Peekable;
use std::str::Lines;
use std::sync::Arc;

use super::declare::{Declaration, VarType};
use super::error::{Place, TemplateError, TemplateReason};
use super::expression::{Text, is_name};
use super::fold::fold;
use super::intern::Interner;
use super::line::Line;
use super::object::{check_constant, object, value_type};
use super::serve::Pattern;
use super::statement::{Action, Auto, OctetsType, ReceiverLine, ReceiverWord, Statement, TypedLine, VarBindLine};
use crate::mib::Names;
use crate::wire::tlv::{Definition, FileKind};

/// Blocks within blocks, at most.
const DEEPEST: usize = 32;

const WORDS: &str = "file, serve, lookup, include, var, default, set, auto, if, for, mib, receiver, vendor, tlv, group";

type Result<T> = std::result::Result<T, TemplateError>;

/// A template's text, compiled.
#[derive(Debug)]
pub(super) struct Parsed {
    pub statements: Vec<Statement>,
    /// What `file` says.
    pub kind: Option<FileKind>,
    pub serves: Vec<(Place, Pattern)>,
    pub lookups: Vec<Box<str>>,
}

/// Compiles the text of the template `file`.
pub(super) fn parse(file: &Arc<str>, text: &str, names: &Names, interner: &Interner) -> Result<Parsed> {
    let mut parser = Parser {
        file,
        names,
        interner,
        lines: text.lines().peekable(),
        number: 0,
        depth: 0,
        tables: Vec::new(),
        started: false,
        kind: None,
        serves: Vec::new(),
        lookups: Vec::new(),
    };
    let (statements, end) = parser.block()?;
    if let Some((line, word)) = end {
        return Err(line.wrong(TemplateReason::Stray(word.to_owned())));
    }
    Ok(Parsed {
        statements,
        kind: parser.kind,
        serves: parser.serves,
        lookups: parser.lookups,
    })
}

struct Parser<'a> {
    file: &'a Arc<str>,
    names: &'a Names,
    interner: &'a Interner,
    lines: Peekable<Lines<'a>>,
    number: usize,
    depth: usize,
    /// The TLVs that may stand in the groups that are open, the innermost last.
    tables: Vec<&'static [Definition]>,
    /// Whether there was a statement that the kind of the file matters to.
    started: bool,
    kind: Option<FileKind>,
    serves: Vec<(Place, Pattern)>,
    lookups: Vec<Box<str>>,
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
        Some(Line::new(self.file, self.interner, self.number, text))
    }

    /// Statements up to the end of the text, or to a line that ends or divides a block.
    fn block(&mut self) -> Result<(Vec<Statement>, End<'a>)> {
        let mut statements = Vec::new();
        while let Some(mut line) = self.next_line() {
            let start = line.clone();
            let word = line.word().unwrap_or_default();
            if matches!(word, "end" | "elif" | "else") {
                return Ok((
                    fold(statements, self.file_kind(), !self.tables.is_empty())?,
                    Some((line, word)),
                ));
            }
            if self.head(word, &start, line.clone())? {
                continue;
            }
            self.started = true;
            let action = self.statement(word, &start, line)?;
            statements.push(Statement {
                place: start.place(),
                action,
            });
        }
        Ok((fold(statements, self.file_kind(), !self.tables.is_empty())?, None))
    }

    fn file_kind(&self) -> FileKind {
        self.kind.unwrap_or(FileKind::Device)
    }

    /// What is said of the template as a whole. Whether the line was such.
    fn head(&mut self, word: &str, start: &Line<'a>, mut line: Line<'a>) -> Result<bool> {
        if !matches!(word, "file" | "serve" | "lookup") {
            return Ok(false);
        }
        if self.depth > 0 {
            return Err(start.wrong(TemplateReason::Expected("this statement outside of every block")));
        }
        match word {
            "file" => {
                let at = line.clone();
                self.kind = Some(match line.word() {
                    _ if self.started || self.kind.is_some() => {
                        return Err(start.wrong(TemplateReason::Expected("'file' once, before everything else")));
                    }
                    Some("device") => FileKind::Device,
                    Some("cable-modem") => FileKind::CableModem,
                    _ => return Err(at.wrong(TemplateReason::Expected("device or cable-modem"))),
                });
                nothing_more(&line)?;
            }
            "serve" => {
                let bare = line.rest();
                let quoted = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let pattern = Pattern::parse(quoted.unwrap_or(bare));
                let pattern = pattern.map_err(|expected| line.wrong(TemplateReason::Expected(expected)))?;
                self.serves.push((line.place(), pattern));
            }
            _ => {
                let name = line.clone().word().filter(|word| is_name(word));
                let name = name.ok_or_else(|| line.wrong(TemplateReason::Expected("the name of a lookup")))?;
                line.word();
                nothing_more(&line)?;
                self.lookups.push(name.into());
            }
        }
        Ok(true)
    }

    fn statement(&mut self, word: &str, start: &Line<'a>, mut line: Line<'a>) -> Result<Action> {
        match word {
            "mib" => self.varbind(line),
            "include" => match line.word() {
                Some(name) => nothing_more(&line).map(|()| Action::Include(name.into(), 0)),
                None => Err(line.wrong(TemplateReason::Expected("the name of a template"))),
            },
            "var" => declaration(line),
            "group" => self.nested(start, |parser| parser.group(start, line)),
            "default" => assignment(line).map(|(name, value)| Action::Default(name, value)),
            "set" => assignment(line).map(|(name, value)| Action::Set(name, value)),
            "auto" => auto(line),
            "if" => self.nested(start, |parser| parser.conditional(start, line)),
            "for" => self.nested(start, |parser| parser.repetition(start, line)),
            "receiver" => self.receiver(start, line),
            "vendor" => self.vendor(start, line),
            "tlv" => self.typed(line).map(|line| Action::Tlv(Box::new(line))),
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

    fn group(&mut self, start: &Line<'a>, mut line: Line<'a>) -> Result<Action> {
        let at = line.clone();
        let (number, children) = match self.tlv(line.word().unwrap_or_default(), &at)? {
            (number, Some(definition)) => match definition.form.children() {
                Some(children) => (number, children),
                None => return Err(at.wrong(TemplateReason::Expected("the name of a TLV that holds TLVs"))),
            },
            (number, None) => (number, &[][..]),
        };
        nothing_more(&line)?;
        self.tables.push(children);
        let (statements, end) = self.block()?;
        self.tables.pop();
        match end {
            Some((line, "end")) => nothing_more(&line).map(|()| Action::Group(number, statements)),
            Some((line, word)) => Err(line.wrong(TemplateReason::Stray(word.to_owned()))),
            None => Err(start.wrong(TemplateReason::Open("group"))),
        }
    }

    /// The TLV that a word names or numbers, where it stands.
    ///
    /// Where nothing says which kind of file it is, a name that cable modems' files alone have says it.
    fn tlv(&mut self, word: &str, at: &Line<'a>) -> Result<(u8, Option<&'static Definition>)> {
        let table = self
            .tables
            .last()
            .copied()
            .unwrap_or(Definition::of_file(self.file_kind()));
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = word.parse().ok();
            let number = number.ok_or_else(|| at.wrong(TemplateReason::Expected("a type number from 0 to 255")))?;
            // A numbered group knows its TLVs by name all the same.
            return Ok((
                number,
                Definition::find(table, number).filter(|definition| definition.form.children().is_some()),
            ));
        }
        let mut definition = Definition::named(table, word);
        if definition.is_none() && self.kind.is_none() && self.tables.is_empty() {
            definition = Definition::named(Definition::of_file(FileKind::CableModem), word);
            self.kind = definition.map(|_| FileKind::CableModem);
        }
        match definition {
            Some(definition) => Ok((definition.kind, Some(definition))),
            None if word.is_empty() => Err(at.wrong(TemplateReason::Expected("the name or type number of a TLV"))),
            None => Err(at.wrong(TemplateReason::Tlv(word.chars().take(80).collect()))),
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
        let at = line.clone();
        let written = line.word().unwrap_or_default();
        let (number, definition) = self.tlv(written, &at)?;
        if !written.starts_with(|c: char| c.is_ascii_digit())
            && let Some(definition) = definition
        {
            if definition.form.children().is_some() {
                return Err(at.wrong(TemplateReason::Expected("'group' for a TLV that holds TLVs")));
            }
            return Ok(TypedLine {
                place,
                written: written.into(),
                number,
                kind: OctetsType::Named(definition),
                value: self.value(&line)?,
            });
        }
        let at = line.clone();
        let kind = line
            .word()
            .and_then(|word| OctetsType::ALL.into_iter().find(|(name, _)| *name == word));
        let (_, kind) = kind.ok_or_else(|| at.wrong(TemplateReason::Expected(OctetsType::WORDS)))?;
        let value = self.value(&line)?;
        Ok(TypedLine {
            place,
            written: written.into(),
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
        let (object, instance) = object(written, self.names, &object_at)?;
        let kind = value_type(object.as_deref(), &mut line)?;
        let value = self.value(&line)?;
        let address_type = object.as_deref().and_then(|object| self.names.address_type_of(object));
        let compiled = VarBindLine {
            written: written.into(),
            address_type: address_type.map(|object| line.object_copy(object)),
            object,
            instance,
            kind,
            value,
        };
        check_constant(&compiled, &line)?;
        Ok(Action::VarBind(Box::new(compiled)))
    }
}

fn variable(line: &mut Line<'_>) -> Result<Arc<str>> {
    let start = line.clone();
    let name = line.word().filter(|word| is_name(word));
    name.map(|name| line.name(name))
        .ok_or_else(|| start.wrong(TemplateReason::Expected("the name of a variable")))
}

/// `NAME: TYPE [= EXPRESSION]`.
fn declaration(line: Line<'_>) -> Result<Action> {
    const EXPECTED: TemplateReason = TemplateReason::Expected("NAME: TYPE, or NAME: TYPE = EXPRESSION");
    let (name, rest) = line.rest().split_once(':').ok_or_else(|| line.wrong(EXPECTED))?;
    let name = name.trim();
    if !is_name(name) {
        return Err(line.wrong(TemplateReason::Expected("the name of a variable")));
    }
    let (kind, default) = match rest.split_once('=') {
        Some((kind, default)) => (kind, Some(default)),
        None => (rest, None),
    };
    let kind = VarType::parse(kind.trim()).ok_or_else(|| line.wrong(TemplateReason::Expected(VarType::WORDS)))?;
    let default = default.map(|text| line.compile(text)).transpose()?;
    let name = line.name(name);
    Ok(Action::Declare(Box::new(Declaration { name, kind, default })))
}

fn assignment(mut line: Line<'_>) -> Result<(Arc<str>, Arc<super::expression::Expr>)> {
    let name = variable(&mut line)?;
    match line.clone().word() {
        Some("=") => line.word(),
        _ => return Err(line.wrong(TemplateReason::Expected("'=' after the variable"))),
    };
    Ok((name, line.expression()?))
}

fn auto(mut line: Line<'_>) -> Result<Action> {
    let start = line.clone();
    let word = line.word().unwrap_or_default();
    let named = Auto::ALL.into_iter().find(|(name, _)| *name == word);
    let (_, what) = named.ok_or_else(|| start.wrong(TemplateReason::Expected(Auto::WORDS)))?;
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
