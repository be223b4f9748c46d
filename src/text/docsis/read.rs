//! From the text to the file.

use std::fmt;

use super::lex::{LexError, Position, Token, lex};
use super::statement::{DIGIT_MAP, DIGIT_MAP_OBJECT, FROM_FILE, varbind_octets};
use crate::mib::MibDialect;
use crate::text::object::{ObjectError, Resolver};
use crate::value::{Oid, unhex};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{
    Body, ConfigFile, DecodeError, Definition, EncodeError, Encoded, FileKind, Form, Tlv, TypedError, fragments,
};

/// Settings within settings, at most; the dictionary goes to 7.
const DEEPEST: usize = 16;
/// The longest variable binding in a TLV 11 of the `docsis` encoder, in octets.
const LONGEST_SHORT: usize = 255;

/// A text that is no configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Where it goes wrong.
    pub position: Position,
    /// Why.
    pub reason: ReadReason,
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.position.line, self.position.column, self.reason)
    }
}

/// Why a text is no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadReason {
    /// A text is not closed.
    #[error("the text has no closing quote on this line")]
    Quote,
    /// A comment is not closed.
    #[error("the comment has no */")]
    Comment,
    /// Something else belongs here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// No TLV has the name.
    #[error("no TLV is called '{0}'; a TLV by its number is written as GenericTLV TlvCode …")]
    Name(String),
    /// The value is not one of the TLV.
    #[error("{name}: {error}")]
    Value {
        /// The TLV's name.
        name: String,
        /// What is wrong.
        error: TypedError,
    },
    /// A variable binding's object is not known.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A variable binding's value is not of its type.
    #[error("'{text}' is no {expected}")]
    Typed {
        /// The text.
        text: String,
        /// The type.
        expected: &'static str,
    },
    /// The stated length is another.
    #[error("TlvLength says {stated}, and TlvValue has {found} octets")]
    Length {
        /// What TlvLength says.
        stated: u64,
        /// The octets.
        found: usize,
    },
    /// A file that the text names cannot be read.
    #[error("{name}: {error}")]
    File {
        /// The file's name.
        name: String,
        /// Why.
        error: String,
    },
    /// A TLV is too long.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What a GenericTLV holds is not what its TLV has.
    #[error("a GenericTLV is wrong: {0}")]
    Decode(#[from] DecodeError),
}

type Result<T> = std::result::Result<T, ReadError>;

/// Reads a text. `open` gives the content of a file that the text names, a certificate for instance. Where several MIBs
/// have a name and `resolver` knows no dialect, the dialect is guessed from the other names.
///
/// # Errors
/// [`ReadError`] with line and column.
pub fn read(
    text: &str,
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> std::result::Result<ConfigFile, ReadError> {
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
) -> std::result::Result<ConfigFile, ReadError> {
    match std::str::from_utf8(content) {
        Ok(text) => read_text(text, false, resolver, open),
        Err(_) => {
            let text: String = content.iter().map(|&octet| char::from(octet)).collect();
            read_text(&text, true, resolver, open)
        }
    }
}

/// Reads a text; `bare` says that each of its characters stands for one octet.
fn read_text(
    text: &str,
    bare: bool,
    resolver: Resolver<'_>,
    open: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> std::result::Result<ConfigFile, ReadError> {
    let tokens = lex(text).map_err(|(position, error)| ReadError {
        position,
        reason: match error {
            LexError::Quote => ReadReason::Quote,
            LexError::Comment => ReadReason::Comment,
        },
    })?;
    let end = Position {
        line: text.lines().count().max(1),
        column: 1,
    };
    let is_device = matches!(tokens.get(2), Some((_, Token::Word(word))) if word == "MtaConfigDelimiter");
    let kind = if is_device {
        FileKind::Device
    } else {
        FileKind::CableModem
    };
    let resolver = match resolver.has_dialect() {
        true => resolver,
        false => Resolver::new(resolver.names(), guess(&tokens, resolver)),
    };
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        end,
        kind,
        resolver,
        open,
        depth: 0,
        bare,
    };
    let tlvs = reader.file()?;
    let file = ConfigFile {
        kind,
        tlvs,
        trailing: Vec::new(),
    };
    let wrong = |reason| ReadError { position: end, reason };
    let octets = file.encode().map_err(|error| wrong(error.into()))?;
    // A GenericTLV may stand for TLVs of the dictionary.
    ConfigFile::decode_as(kind, &octets).map_err(|error| wrong(error.into()))
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

struct Reader<'a> {
    tokens: &'a [(Position, Token)],
    at: usize,
    end: Position,
    kind: FileKind,
    resolver: Resolver<'a>,
    open: &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>,
    depth: usize,
    bare: bool,
}

impl<'a> Reader<'a> {
    /// The octets of a text in quotes.
    fn octets(&self, text: &str) -> Vec<u8> {
        match self.bare {
            // Characters up to U+00FF are the octets that they were read from.
            true => text.chars().map(|c| c as u32 as u8).collect(),
            false => text.as_bytes().to_vec(),
        }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn position(&self) -> Position {
        self.tokens.get(self.at).map_or(self.end, |(position, _)| *position)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// An error at the word before the present one.
    fn before<T>(&self, reason: ReadReason) -> Result<T> {
        let position = self
            .tokens
            .get(self.at.saturating_sub(1))
            .map_or(self.end, |(position, _)| *position);
        Err(ReadError { position, reason })
    }

    /// An error at the present word.
    fn expected<T>(&self, expected: &'static str) -> Result<T> {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Open) => "{".to_owned(),
            Some(Token::Close) => "}".to_owned(),
            Some(Token::Semicolon) => ";".to_owned(),
            Some(Token::Text(text)) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
            Some(Token::Word(word)) => format!("'{}'", word.chars().take(40).collect::<String>()),
        };
        Err(ReadError {
            position: self.position(),
            reason: ReadReason::Expected { expected, found },
        })
    }

    fn take(&mut self, token: &Token, expected: &'static str) -> Result<()> {
        if self.peek() != Some(token) {
            return self.expected(expected);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.expected(expected),
        }
    }

    fn text(&mut self, expected: &'static str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(text)
            }
            _ => self.expected(expected),
        }
    }

    fn number(&mut self, expected: &'static str) -> Result<u64> {
        let word = self.word(expected)?;
        word.parse().or_else(|_| {
            self.at -= 1;
            self.expected(expected)
        })
    }

    fn keyword(&mut self, keyword: &'static str) -> Result<()> {
        if self.peek() != Some(&Token::Word(keyword.to_owned())) {
            return self.expected(keyword);
        }
        self.at += 1;
        Ok(())
    }

    fn file(&mut self) -> Result<Vec<Tlv>> {
        match self.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("main") => self.at += 1,
            _ => return self.expected("Main"),
        }
        let tlvs = self.block(Definition::of_file(self.kind))?;
        match self.peek() {
            None => Ok(tlvs),
            Some(_) => self.expected("nothing after the } of Main"),
        }
    }

    /// Settings within braces.
    fn block(&mut self, table: &'static [Definition]) -> Result<Vec<Tlv>> {
        self.take(&Token::Open, "{")?;
        if self.depth == DEEPEST {
            return self.expected("at most 16 settings within each other");
        }
        self.depth += 1;
        let mut tlvs = Vec::new();
        while self.peek() != Some(&Token::Close) {
            self.setting(table, &mut tlvs)?;
        }
        self.depth -= 1;
        self.at += 1;
        Ok(tlvs)
    }

    fn setting(&mut self, table: &'static [Definition], tlvs: &mut Vec<Tlv>) -> Result<()> {
        let name = self.word("the name of a setting, or }")?;
        if let Some((_, kind)) = FROM_FILE.into_iter().find(|(word, _)| *word == name) {
            let octets = self.named_file()?;
            tlvs.extend(fragments(kind, &octets));
            return self.take(&Token::Semicolon, ";");
        }
        let tlv = match name {
            "GenericTLV" => return self.generic(tlvs),
            "SnmpMibObject" => self.varbind()?,
            DIGIT_MAP => self.digit_map()?,
            _ => {
                let found = Definition::named(table, name).or_else(|| anywhere(self.kind, name));
                let Some(definition) = found else {
                    return self.before(ReadReason::Name(name.chars().take(60).collect()));
                };
                if self.peek() == Some(&Token::Open) {
                    // A setting of which this dictionary knows a value may have settings all the same.
                    let children = definition.form.children().unwrap_or_default();
                    let inner = self.block(children)?;
                    tlvs.push(Tlv::group(definition.kind, inner));
                    return Ok(());
                }
                self.value(definition)?
            }
        };
        tlvs.push(tlv);
        self.take(&Token::Semicolon, ";")
    }

    fn value(&mut self, definition: &Definition) -> Result<Tlv> {
        let mut spelt = match self.next() {
            Some(Token::Word(word)) => word.clone(),
            Some(Token::Text(text)) => text.clone(),
            _ => {
                self.at -= 1;
                return self.expected("a value");
            }
        };
        let of_object = matches!(definition.form, Form::Oid | Form::WriteControl);
        if of_object {
            spelt = self.object(&spelt)?.to_string();
        }
        if definition.form == Form::WriteControl {
            spelt = format!("{spelt} {}", self.word("0 or 1")?);
        }
        let read = match definition.form {
            Form::Text if self.bare => Ok(self.octets(&spelt)),
            Form::TextZero if self.bare => Ok([self.octets(&spelt), vec![0]].concat()),
            _ => definition.read(&spelt),
        };
        match read {
            Ok(octets) => Ok(Tlv::octets(definition.kind, octets)),
            Err(error) => self.before(ReadReason::Value {
                name: definition.name.to_owned(),
                error,
            }),
        }
    }

    /// The object that the word before the present one names.
    fn object(&self, written: &str) -> Result<Oid> {
        self.resolver.oid(written).or_else(|error| self.before(error.into()))
    }

    fn varbind(&mut self) -> Result<Tlv> {
        let written = self.word("an object")?;
        let name = self.object(written)?;
        let kind = self.word("the type of the value, such as Integer or String")?;
        let value = self.snmp_value(kind, &name)?;
        Ok(self.varbind_tlv(VarBind::new(name, value)))
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
            let text = self.text("a text in quotes")?;
            return Ok(Value::OctetString(self.octets(text)));
        }
        let word = match self.peek() {
            Some(Token::Word(word) | Token::Text(word)) => word.as_str(),
            _ => return self.expected("a value"),
        };
        self.at += 1;
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
                self.at -= 2;
                return self.expected(
                    "a type: Integer, Unsigned32, Gauge32, Counter32, Counter64, TimeTicks, IPAddress, ObjectID, String, \
                     HexString",
                );
            }
        };
        value.or_else(|reason| self.before(reason))
    }

    fn digit_map(&mut self) -> Result<Tlv> {
        let octets = self.named_file()?;
        let name = match Oid::new(DIGIT_MAP_OBJECT) {
            Ok(name) => name,
            Err(error) => return self.before(ObjectError::from(error).into()),
        };
        Ok(self.varbind_tlv(VarBind::new(name, Value::OctetString(octets))))
    }

    fn named_file(&mut self) -> Result<Vec<u8>> {
        let name = self.text("the name of a file in quotes")?;
        (self.open)(name).or_else(|error| {
            self.before(ReadReason::File {
                name: name.to_owned(),
                error: error.to_string(),
            })
        })
    }

    /// What follows `GenericTLV`.
    fn generic(&mut self, tlvs: &mut Vec<Tlv>) -> Result<()> {
        self.keyword("TlvCode")?;
        let kind = self.number("a type from 0 to 255")?;
        let Ok(kind) = u8::try_from(kind) else {
            self.at -= 1;
            return self.expected("a type from 0 to 255");
        };
        if self.peek() == Some(&Token::Open) {
            let inner = self.block(&[])?;
            tlvs.push(Tlv::group(kind, inner));
            return Ok(());
        }
        let octets = match self.word("TlvLength, TlvType, TlvString or TlvStringZero")? {
            "TlvLength" => self.generic_octets()?,
            "TlvType" => self.generic_typed()?,
            "TlvString" => {
                let text = self.text("a text in quotes")?;
                self.octets(text)
            }
            "TlvStringZero" => {
                let text = self.text("a text in quotes")?;
                [self.octets(text), vec![0]].concat()
            }
            _ => {
                self.at -= 1;
                return self.expected("TlvLength, TlvType, TlvString or TlvStringZero");
            }
        };
        tlvs.push(Tlv::octets(kind, octets));
        self.take(&Token::Semicolon, ";")
    }

    fn generic_octets(&mut self) -> Result<Vec<u8>> {
        let stated = self.number("a length")?;
        self.keyword("TlvValue")?;
        let word = self.word("octets in hexadecimal after 0x")?;
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let Some(octets) = digits.and_then(unhex) else {
            self.at -= 1;
            return self.expected("octets in hexadecimal after 0x");
        };
        if octets.len() as u64 != stated {
            let found = octets.len();
            return self.before(ReadReason::Length { stated, found });
        }
        Ok(octets)
    }

    fn generic_typed(&mut self) -> Result<Vec<u8>> {
        let kind = self.word("Integer, Short, Char or IPAddress")?;
        self.keyword("TlvValue")?;
        let word = self.word("a value")?;
        let unsigned = |most: u32| word.parse::<u32>().ok().filter(|number| *number <= most);
        let octets = match kind {
            "Integer" => unsigned(u32::MAX).map(|number| number.to_be_bytes().to_vec()),
            "Short" => unsigned(0xffff).map(|number| number.to_be_bytes()[2..].to_vec()),
            "Char" => unsigned(0xff).map(|number| number.to_be_bytes()[3..].to_vec()),
            "IPAddress" => word
                .parse()
                .ok()
                .map(|address: std::net::Ipv4Addr| address.octets().to_vec()),
            _ => None,
        };
        octets.map_or_else(
            || {
                self.before(ReadReason::Typed {
                    text: word.chars().take(60).collect(),
                    expected: "value of TlvType Integer, Short, Char or IPAddress",
                })
            },
            Ok,
        )
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
