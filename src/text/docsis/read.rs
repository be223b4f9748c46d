//! From the text to the file.

use super::cursor::Cursor;
use super::error::{ReadError, ReadReason, Result};
use super::lex::{LexError, Position, Token, lex};
use super::setting::{Setting, SettingBody, tlvs};
use super::statement::{DIGIT_MAP, DIGIT_MAP_OBJECT, FROM_FILE, varbind_octets};
use crate::mib::MibDialect;
use crate::text::object::{ObjectError, Resolver};
use crate::value::{Oid, unhex};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{Body, ConfigFile, Definition, Encoded, FileKind, Form, Tlv, fragments};

/// Settings within settings, at most; the dictionary goes to 7.
const DEEPEST: usize = 16;
/// The longest variable binding in a TLV 11 of the `docsis` encoder, in octets.
const LONGEST_SHORT: usize = 255;

/// Reads a text. `open` gives the content of a file that the text names, a certificate for instance. Where several MIBs
/// have a name and `resolver` knows no dialect, the dialect is guessed from the other names.
///
/// # Errors
/// [`ReadError`] with line and column.
pub fn read(text: &str, resolver: Resolver<'_>, open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<ConfigFile> {
    read_text(text, false, resolver, open)
}

/// Reads a text of which nothing is known but its octets: where it is no UTF-8, a text in quotes stands for its octets
/// as they are.
///
/// # Errors
/// As [`read`].
pub fn read_octets(
    content: &[u8],
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<ConfigFile> {
    match std::str::from_utf8(content) {
        Ok(text) => read_text(text, false, resolver, open),
        Err(_) => {
            let text: String = content.iter().map(|&octet| char::from(octet)).collect();
            read_text(&text, true, resolver, open)
        }
    }
}

/// What a text says as a template: its values may have `{{ expressions }}`. `bare` says that each character of the text
/// stands for one octet.
///
/// # Errors
/// As [`read`].
pub fn settings(
    text: &str,
    bare: bool,
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<(FileKind, Vec<Setting>)> {
    read_settings(text, Mode { bare, templated: true }, resolver, open)
}

/// Reads a text; `bare` says that each of its characters stands for one octet.
fn read_text(
    text: &str,
    bare: bool,
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<ConfigFile> {
    let mode = Mode { bare, templated: false };
    let (kind, settings) = read_settings(text, mode, resolver, open)?;
    let mut all = Vec::with_capacity(settings.len());
    for setting in settings {
        let position = setting.position;
        let of_template = |position| ReadError {
            position,
            reason: ReadReason::Template,
        };
        let own = tlvs(vec![setting]).map_err(of_template)?;
        decoded(kind, own.clone()).map_err(|reason| ReadError { position, reason })?;
        all.extend(own);
    }
    let position = end_of(text);
    decoded(kind, all).map_err(|reason| ReadError { position, reason })
}

/// The file of these TLVs as it is read: a GenericTLV may stand for TLVs of the dictionary.
fn decoded(kind: FileKind, tlvs: Vec<Tlv>) -> std::result::Result<ConfigFile, ReadReason> {
    let trailing = Vec::new();
    let octets = ConfigFile { kind, tlvs, trailing }.encode()?;
    Ok(ConfigFile::decode_as(kind, &octets)?)
}

fn read_settings(
    text: &str,
    mode: Mode,
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<(FileKind, Vec<Setting>)> {
    let tokens = lex(text).map_err(|(position, error)| ReadError {
        position,
        reason: match error {
            LexError::Quote => ReadReason::Quote,
            LexError::Comment => ReadReason::Comment,
            LexError::Expression => ReadReason::Expression,
        },
    })?;
    let is_device = matches!(tokens.get(2), Some((_, Token::Word(word))) if word == "MtaConfigDelimiter");
    let kind = match is_device {
        true => FileKind::Device,
        false => FileKind::CableModem,
    };
    let resolver = match resolver.has_dialect() {
        true => resolver,
        false => Resolver::new(resolver.names(), guess(&tokens, resolver)),
    };
    let mut reader = Reader {
        words: Cursor::new(&tokens, end_of(text)),
        kind,
        resolver,
        open,
        depth: 0,
        mode,
    };
    Ok((kind, reader.file()?))
}

fn end_of(text: &str) -> Position {
    Position {
        line: text.lines().count().max(1),
        column: 1,
    }
}

/// How a text is read.
#[derive(Debug, Clone, Copy)]
struct Mode {
    /// Each character stands for one octet.
    bare: bool,
    /// `{{` in a value begins an expression.
    templated: bool,
}

/// The dialect that the names of a text speak for.
fn guess(tokens: &[(Position, Token)], resolver: Resolver<'_>) -> Option<MibDialect> {
    let objects = tokens.windows(2).filter_map(|pair| match pair {
        [(_, Token::Word(setting)), (_, Token::Word(object))] if setting == "SnmpMibObject" => Some(object.as_str()),
        _ => None,
    });
    objects.into_iter().find_map(|written| {
        let name = written.split('.').next().unwrap_or_default();
        if name == "pktcMtaDevRealmOrgName" && written.contains(['\'', '"']) {
            return Some(MibDialect::CableLabs);
        }
        let module = &resolver.names().resolve(name).ok()?.module;
        match &**module {
            "PKTC-IETF-MTA-MIB" | "PKTC-IETF-SIG-MIB" => Some(MibDialect::Ietf),
            module if module.starts_with("CL-PKTC-EUE-") => Some(MibDialect::Ietf),
            "PKTC-MTA-MIB" | "PKTC-SIG-MIB" => Some(MibDialect::CableLabs),
            "PKTC-EXCENTIS-MTA-MIB" => Some(MibDialect::Euro),
            _ => None,
        }
    })
}

pub(super) struct Reader<'a> {
    pub words: Cursor<'a>,
    kind: FileKind,
    resolver: Resolver<'a>,
    open: &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>,
    depth: usize,
    mode: Mode,
}

impl Reader<'_> {
    /// The octets of a text in quotes.
    pub fn octets(&self, text: &str) -> Vec<u8> {
        match self.mode.bare {
            // Characters up to U+00FF are the octets that they were read from.
            true => text.chars().map(|c| c as u32 as u8).collect(),
            false => text.as_bytes().to_vec(),
        }
    }

    fn file(&mut self) -> Result<Vec<Setting>> {
        match self.words.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("main") => self.words.next(),
            _ => return self.words.expected("Main"),
        };
        let settings = self.block(Definition::of_file(self.kind))?;
        match self.words.peek() {
            None => Ok(settings),
            Some(_) => self.words.expected("nothing after the } of Main"),
        }
    }

    /// Settings within braces.
    pub fn block(&mut self, table: &'static [Definition]) -> Result<Vec<Setting>> {
        self.words.take(&Token::Open, "{")?;
        if self.depth == DEEPEST {
            return self.words.expected("at most 16 settings within each other");
        }
        self.depth += 1;
        let mut settings = Vec::new();
        while self.words.peek() != Some(&Token::Close) {
            let position = self.words.position();
            let body = self.setting(table)?;
            settings.push(Setting { position, body });
        }
        self.depth -= 1;
        self.words.next();
        Ok(settings)
    }

    fn setting(&mut self, table: &'static [Definition]) -> Result<SettingBody> {
        let name = self.words.word("the name of a setting, or }")?;
        let from_file = FROM_FILE.into_iter().find(|(word, _)| *word == name);
        let body = match (name, from_file) {
            ("GenericTLV", _) => return self.generic(),
            (_, Some((_, kind))) => SettingBody::Fixed(fragments(kind, &self.named_file()?).collect()),
            ("SnmpMibObject", _) => self.varbind()?,
            (DIGIT_MAP, _) => self.digit_map()?,
            _ => {
                let found = Definition::named(table, name).or_else(|| anywhere(self.kind, name));
                let Some(definition) = found else {
                    return self.words.before(ReadReason::Name(name.chars().take(60).collect()));
                };
                if self.words.peek() == Some(&Token::Open) {
                    // A setting of which this dictionary knows a value may have settings all the same.
                    let children = definition.form.children().unwrap_or_default();
                    return Ok(SettingBody::Group(definition.kind, self.block(children)?));
                }
                self.value(definition)?
            }
        };
        self.words.take(&Token::Semicolon, ";")?;
        Ok(body)
    }

    /// Whether a value has expressions.
    fn is_templated(&self, written: &str) -> bool {
        self.mode.templated && written.contains("{{")
    }

    fn value(&mut self, definition: &'static Definition) -> Result<SettingBody> {
        let mut spelt = self.words.value()?.to_owned();
        if self.is_templated(&spelt) && definition.form != Form::WriteControl {
            let text = spelt;
            return Ok(SettingBody::Value { definition, text });
        }
        let of_object = matches!(definition.form, Form::Oid | Form::WriteControl);
        if of_object {
            spelt = self.object(&spelt)?.to_string();
        }
        if definition.form == Form::WriteControl {
            spelt = format!("{spelt} {}", self.words.word("0 or 1")?);
        }
        let read = match definition.form {
            Form::Text if self.mode.bare => Ok(self.octets(&spelt)),
            Form::TextZero if self.mode.bare => Ok([self.octets(&spelt), vec![0]].concat()),
            _ => definition.read(&spelt),
        };
        match read {
            Ok(octets) => Ok(SettingBody::Fixed(vec![Tlv::octets(definition.kind, octets)])),
            Err(error) => self.words.before(ReadReason::Value {
                name: definition.name.to_owned(),
                error,
            }),
        }
    }

    /// The object that the word before the present one names.
    fn object(&self, written: &str) -> Result<Oid> {
        self.resolver
            .oid(written)
            .or_else(|error| self.words.before(error.into()))
    }

    fn varbind(&mut self) -> Result<SettingBody> {
        let written = self.words.word("an object")?;
        let name = self.object(written)?;
        let kind = self.words.word("the type of the value, such as Integer or String")?;
        if let Some(Token::Word(text) | Token::Text(text)) = self.words.peek()
            && self.is_templated(text)
        {
            self.words.next();
            return Ok(SettingBody::Object {
                written: written.to_owned(),
                name,
                kind: kind.to_owned(),
                text: text.clone(),
            });
        }
        let value = self.snmp_value(kind, &name)?;
        Ok(SettingBody::Fixed(vec![self.varbind_tlv(VarBind::new(name, value))]))
    }

    fn varbind_tlv(&self, varbind: VarBind) -> Tlv {
        let octets = varbind_octets(&varbind);
        let long = self.kind == FileKind::Device && octets.len() > LONGEST_SHORT;
        Tlv {
            kind: if long { 64 } else { 11 },
            body: Body::VarBind(Encoded::read(varbind, &octets)),
        }
    }

    fn snmp_value(&mut self, kind: &str, object: &Oid) -> Result<Value> {
        if kind == "String" {
            let text = self.words.text("a text in quotes")?;
            return Ok(Value::OctetString(self.octets(text)));
        }
        let word = self.words.value()?;
        let typed = |expected| ReadReason::Typed {
            text: word.chars().take(60).collect(),
            expected,
        };
        let unsigned = || word.parse::<u32>().map_err(|_| typed("number from 0 to 4294967295"));
        let octets = || {
            let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
            digits
                .and_then(unhex)
                .ok_or_else(|| typed("row of hexadecimal octets after 0x"))
        };
        let value = match kind {
            "Integer" => {
                let syntax = self.resolver.names().syntax_of(object);
                let label = syntax.and_then(|syntax| syntax.number(word));
                let number = label.and_then(|number| i32::try_from(number).ok());
                let number = number.or_else(|| word.parse().ok());
                number.map(Value::Integer).ok_or_else(|| typed("number of 32 bits"))
            }
            "Gauge" | "Gauge32" | "Unsigned32" => unsigned().map(Value::Unsigned32),
            "Counter32" => unsigned().map(Value::Counter32),
            "TimeTicks" => unsigned().map(Value::TimeTicks),
            "Counter64" => word
                .parse()
                .map(Value::Counter64)
                .map_err(|_| typed("number of 64 bits")),
            "IPAddress" => word.parse().map(Value::IpAddress).map_err(|_| typed("IPv4 address")),
            "HexString" | "BitString" => octets().map(Value::OctetString),
            "Opaque" => octets().map(Value::Opaque),
            "ObjectID" => self.resolver.oid(word).map(Value::Oid).map_err(Into::into),
            _ => {
                self.words.back(2);
                return self.words.expected(
                    "a type: Integer, Unsigned32, Gauge32, Counter32, Counter64, TimeTicks, IPAddress, ObjectID, String, \
                     HexString",
                );
            }
        };
        value.or_else(|reason| self.words.before(reason))
    }

    fn digit_map(&mut self) -> Result<SettingBody> {
        let octets = self.named_file()?;
        let name = match Oid::new(DIGIT_MAP_OBJECT) {
            Ok(name) => name,
            Err(error) => return self.words.before(ObjectError::from(error).into()),
        };
        let varbind = VarBind::new(name, Value::OctetString(octets));
        Ok(SettingBody::Fixed(vec![self.varbind_tlv(varbind)]))
    }

    fn named_file(&mut self) -> Result<Vec<u8>> {
        let name = self.words.text("the name of a file in quotes")?;
        (self.open)(name).or_else(|error| {
            self.words.before(ReadReason::File {
                name: name.to_owned(),
                error: error.to_string(),
            })
        })
    }
}

/// The first TLV called `name` anywhere: the `docsis` encoder asks for no order of names.
fn anywhere(kind: FileKind, name: &str) -> Option<&'static Definition> {
    fn search(table: &'static [Definition], name: &str) -> Option<&'static Definition> {
        Definition::named(table, name).or_else(|| {
            let inner = table.iter().filter_map(|definition| definition.form.children());
            inner.into_iter().find_map(|children| search(children, name))
        })
    }
    search(Definition::of_file(kind), name).or_else(|| match kind {
        FileKind::Device => anywhere(FileKind::CableModem, name),
        FileKind::CableModem => None,
    })
}
