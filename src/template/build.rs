//! From a compiled template and a device's context to the device's file.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use minijinja::Value as Variable;

use super::context::{Context, Variables};
use super::error::Place;
use super::expression::{Expr, ExpressionError, Text};
use super::library::Template;
use super::statement::{
    Action, Auto, Instance, InstancePart, OctetsType, ReceiverLine, ReceiverWord, Statement, TypedLine, VarBindLine,
};
use super::value::{ValueError, octets};
use crate::mib::{IndexValue, InstanceError, Object};
use crate::model::Flow;
use crate::value::Oid;
use crate::wire::snmp::varbind::VarBind;
use crate::wire::tlv::conform::{Mismatch, conforms};
use crate::wire::tlv::{
    DeviceFile, Element, EncodeError, Encoded, HashAlgorithm, NotificationReceiver, ReceiverKind, ReceiverSetting,
    SubTlv, VendorSpecific, realm_row,
};

/// The statements that one build runs, at most: a file of usual size takes some hundred.
const MOST_STATEMENTS: usize = 100_000;

/// A template that cannot make this device's file. Nothing else is touched by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The library has no template of that name.
    #[error("there is no template '{0}'")]
    NoTemplate(String),
    /// A statement failed.
    #[error("{place}: {attribute}: {reason}")]
    Statement {
        /// Where the statement stands.
        place: Place,
        /// What it sets: a MIB object or a TLV.
        attribute: String,
        /// Why it failed.
        reason: BuildReason,
    },
    /// An object is set twice.
    #[error("template '{template}': {object} is set more than once")]
    Twice {
        /// The template.
        template: String,
        /// The object.
        object: Oid,
    },
    /// The file is too large for its format.
    #[error("template '{template}': {error}")]
    Encode {
        /// The template.
        template: String,
        /// What is too large.
        error: EncodeError,
    },
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildReason {
    /// An expression has no value.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A text is no value of its type.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The object does not take the value.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The index does not fit the object.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The TLV is too long.
    #[error("{length} octets, and its length field counts to {limit}")]
    Length {
        /// Its length, in octets.
        length: usize,
        /// What its length field can say.
        limit: usize,
    },
    /// The build has no end in sight.
    #[error("more than {MOST_STATEMENTS} statements were run")]
    Endless,
}

/// Builds a file from `template`, one of `library`.
pub(super) fn build(
    library: &[Template],
    template: &Template,
    context: &Context<'_>,
) -> Result<DeviceFile, BuildError> {
    let mut builder = Builder {
        library,
        context,
        scope: Scope::new(context.variables()),
        elements: Vec::with_capacity(64),
        statements: 0,
        delimiters: true,
        realm: true,
        hash: true,
    };
    builder.run(&template.statements)?;
    let file = builder.finish(template)?;
    refuse_twice(&file, template)?;
    Ok(file)
}

fn refuse_twice(file: &DeviceFile, template: &Template) -> Result<(), BuildError> {
    let mut seen = HashSet::with_capacity(file.elements.len());
    match file.varbinds().find(|varbind| !seen.insert(varbind.name.arcs())) {
        None => Ok(()),
        Some(varbind) => Err(BuildError::Twice {
            template: template.name.to_string(),
            object: varbind.name.clone(),
        }),
    }
}

/// The variables, and the object as which expressions see them.
struct Scope {
    variables: Arc<Variables>,
    seen: Variable,
}

impl Scope {
    fn new(variables: Variables) -> Self {
        let variables = Arc::new(variables);
        let seen = Variable::from_dyn_object(Arc::clone(&variables));
        Self { variables, seen }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Variables) -> T) -> T {
        // Without the expressions' handle nobody shares the variables, and nothing is copied.
        self.seen = Variable::UNDEFINED;
        let changed = change(Arc::make_mut(&mut self.variables));
        self.seen = Variable::from_dyn_object(Arc::clone(&self.variables));
        changed
    }
}

struct Builder<'a> {
    library: &'a [Template],
    context: &'a Context<'a>,
    scope: Scope,
    elements: Vec<Element>,
    /// How many were run.
    statements: usize,
    delimiters: bool,
    realm: bool,
    hash: bool,
}

impl Builder<'_> {
    fn run(&mut self, statements: &[Statement]) -> Result<(), BuildError> {
        for statement in statements {
            let failed = |(attribute, reason): (String, BuildReason)| BuildError::Statement {
                place: statement.place.clone(),
                attribute,
                reason,
            };
            self.statements += 1;
            if self.statements > MOST_STATEMENTS {
                return Err(failed(("the file".to_owned(), BuildReason::Endless)));
            }
            match &statement.action {
                Action::Element(element) => self.elements.push(element.clone()),
                Action::VarBind(line) => {
                    let element = self
                        .varbind(line)
                        .map_err(|reason| failed((line.written.to_string(), reason)))?;
                    self.elements.push(element);
                }
                Action::Receiver(lines) => self.receiver(lines)?,
                Action::Vendor(oui, lines) => {
                    let oui = self.oui(oui).map_err(|reason| failed(("vendor".to_owned(), reason)))?;
                    self.vendor(oui, lines)?;
                }
                Action::Tlv(line) => {
                    let value = self.bare(line, if line.number == 64 { 0xffff } else { 0xff })?;
                    self.elements.push(Element::Unknown {
                        kind: line.number,
                        value,
                    });
                }
                Action::Default(name, value) => {
                    if !self.scope.variables.has(name) {
                        let value = self.eval(value).map_err(|reason| failed((name.to_string(), reason)))?;
                        self.scope.change(|variables| variables.set(name, value));
                    }
                }
                Action::Set(name, value) => {
                    let value = self.eval(value).map_err(|reason| failed((name.to_string(), reason)))?;
                    self.scope.change(|variables| variables.set(name, value));
                }
                Action::Auto(what, on) => self.switch(*what, *on),
                Action::If(branches) => self.conditional(branches, &failed)?,
                Action::For(name, list, body) => self.repetition(name, list, body, &failed)?,
                // Linked when the library was loaded, without cycles.
                Action::Include(_, at) => {
                    let library = self.library;
                    if let Some(template) = library.get(*at) {
                        self.run(&template.statements)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn eval(&self, expression: &Expr) -> Result<Variable, BuildReason> {
        Ok(expression.eval(&self.scope.seen)?)
    }

    fn text(&self, text: &Text) -> Result<String, BuildReason> {
        Ok(text.eval(&self.scope.seen)?)
    }

    fn switch(&mut self, what: Auto, on: bool) {
        match what {
            Auto::Delimiters => self.delimiters = on,
            Auto::Realm => self.realm = on,
            Auto::Hash => self.hash = on,
        }
    }

    fn conditional(
        &mut self,
        branches: &[(Option<Expr>, Vec<Statement>)],
        failed: &dyn Fn((String, BuildReason)) -> BuildError,
    ) -> Result<(), BuildError> {
        for (condition, statements) in branches {
            let holds = match condition {
                Some(condition) => self
                    .eval(condition)
                    .map_err(|reason| failed(("if".to_owned(), reason)))?
                    .is_true(),
                None => true,
            };
            if holds {
                return self.run(statements);
            }
        }
        Ok(())
    }

    fn repetition(
        &mut self,
        name: &str,
        list: &Expr,
        body: &[Statement],
        failed: &dyn Fn((String, BuildReason)) -> BuildError,
    ) -> Result<(), BuildError> {
        let wrong = |error: minijinja::Error| {
            let expression = name.to_owned();
            let error = error.to_string();
            failed(("for".to_owned(), ExpressionError::Failed { expression, error }.into()))
        };
        let list = self.eval(list).map_err(|reason| failed(("for".to_owned(), reason)))?;
        let mut before = None;
        for (at, item) in list.try_iter().map_err(wrong)?.enumerate() {
            if at == MOST_STATEMENTS {
                return Err(failed(("for".to_owned(), BuildReason::Endless)));
            }
            let replaced = self.scope.change(|variables| variables.set(name, item));
            before = if at == 0 { replaced } else { before };
            self.run(body)?;
        }
        self.scope.change(|variables| match before {
            Some(value) => {
                variables.set(name, value);
            }
            None => variables.remove(name),
        });
        Ok(())
    }

    fn varbind(&self, line: &VarBindLine) -> Result<Element, BuildReason> {
        let oid = match &line.instance {
            Instance::Fixed(oid) => oid.clone(),
            Instance::Parts(object, parts) => self.instance(object, parts)?,
        };
        let text = self.text(&line.value)?;
        let syntax = line.object.as_ref().and_then(|object| object.syntax());
        let value = line.kind.read(&text, syntax)?;
        if let Some(syntax) = syntax {
            conforms(&value, syntax)?;
        }
        let varbind = VarBind::new(oid, value);
        Ok(Element::varbind(varbind))
    }

    fn instance(&self, object: &Object, parts: &[InstancePart]) -> Result<Oid, BuildReason> {
        let values = parts
            .iter()
            .map(|part| match part {
                InstancePart::Number(number) => Ok(IndexValue::Number(*number)),
                InstancePart::Text(text) => self.text(text).map(IndexValue::Text),
                InstancePart::Expr(expression) => {
                    let text = self.eval(expression)?.to_string();
                    let number = text.parse().map_err(|_| ValueError::new(&text, "arc of an instance"))?;
                    Ok(IndexValue::Number(number))
                }
            })
            .collect::<Result<Vec<_>, BuildReason>>()?;
        Ok(object.instance(&values)?)
    }

    fn receiver(&mut self, lines: &[ReceiverLine]) -> Result<(), BuildError> {
        let settings = lines
            .iter()
            .map(|line| {
                let setting = self.receiver_setting(line);
                setting.map_err(|reason| BuildError::Statement {
                    place: line.place.clone(),
                    attribute: "receiver".to_owned(),
                    reason,
                })
            })
            .collect::<Result<_, _>>()?;
        self.elements
            .push(Element::NotificationReceiver(NotificationReceiver { settings }));
        Ok(())
    }

    fn receiver_setting(&self, line: &ReceiverLine) -> Result<ReceiverSetting, BuildReason> {
        let text = self.text(&line.value)?;
        let number = || {
            text.parse()
                .map_err(|_| ValueError::new(&text, "number from 0 to 65535"))
        };
        Ok(match line.setting {
            ReceiverWord::Address => match text.parse().map_err(|_| ValueError::new(&text, "address"))? {
                IpAddr::V4(address) => ReceiverSetting::Address(address),
                IpAddr::V6(address) => ReceiverSetting::Address6(address),
            },
            ReceiverWord::Port => ReceiverSetting::Port(number()?),
            ReceiverWord::Timeout => ReceiverSetting::Timeout(number()?),
            ReceiverWord::Retries => ReceiverSetting::Retries(number()?),
            ReceiverWord::Kind => {
                let named = ReceiverKind::NAMED.into_iter().find(|(_, name)| *name == text);
                ReceiverSetting::Kind(named.map_or_else(|| number().map(ReceiverKind::from), |(kind, _)| Ok(kind))?)
            }
            ReceiverWord::Filter => {
                let oid = text
                    .parse()
                    .map_err(|_| ValueError::new(&text, "object identifier in numbers"))?;
                ReceiverSetting::Filter(Encoded::new(oid))
            }
            ReceiverWord::SecurityName => ReceiverSetting::SecurityName(text.into_bytes()),
        })
    }

    fn oui(&self, oui: &Text) -> Result<[u8; 3], BuildReason> {
        let text = self.text(oui)?;
        let octets = octets(&text)?;
        Ok(octets
            .try_into()
            .map_err(|_| ValueError::new(&text, "OUI of three octets"))?)
    }

    fn vendor(&mut self, oui: [u8; 3], lines: &[TypedLine]) -> Result<(), BuildError> {
        let settings = lines
            .iter()
            .map(|line| {
                let value = self.bare(line, 0xff)?;
                Ok(SubTlv {
                    kind: line.number,
                    value,
                })
            })
            .collect::<Result<Vec<_>, BuildError>>()?;
        self.elements
            .push(Element::VendorSpecific(VendorSpecific::new(oui, settings)));
        Ok(())
    }

    /// The octets of a bare TLV or setting, at most `limit`.
    fn bare(&self, line: &TypedLine, limit: usize) -> Result<Vec<u8>, BuildError> {
        let octets = self
            .text(&line.value)
            .and_then(|text| bare_octets(line.kind, &text, limit));
        octets.map_err(|reason| BuildError::Statement {
            place: line.place.clone(),
            attribute: format!("TLV {}", line.number),
            reason,
        })
    }

    /// Adds what the engine adds by itself.
    fn finish(mut self, template: &Template) -> Result<DeviceFile, BuildError> {
        let Context { device, site, .. } = *self.context;
        let encode = |error| BuildError::Encode {
            template: template.name.to_string(),
            error,
        };
        if self.realm && device.flow == Flow::Secure {
            let row = realm_row(device.mib, &site.realm, &site.organisation);
            self.elements.extend(row.into_iter().map(Element::varbind));
        }
        if self.delimiters {
            self.elements.insert(0, Element::Start);
            self.elements.push(Element::End);
        }
        let mut file = DeviceFile {
            elements: self.elements,
            trailing: Vec::new(),
        };
        if self.hash && device.flow == Flow::Basic {
            file.insert_basic_flow_hash(device.mib, HashAlgorithm::Sha1)
                .map_err(encode)?;
        }
        Ok(file)
    }
}

fn bare_octets(kind: OctetsType, text: &str, limit: usize) -> Result<Vec<u8>, BuildReason> {
    let wrong = |expected| ValueError::new(text, expected);
    let value = match kind {
        OctetsType::Hex => octets(text)?,
        OctetsType::String => text.as_bytes().to_vec(),
        OctetsType::U8 => vec![text.parse().map_err(|_| wrong("number from 0 to 255"))?],
        OctetsType::U16 => text
            .parse::<u16>()
            .map_err(|_| wrong("number from 0 to 65535"))?
            .to_be_bytes()
            .to_vec(),
        OctetsType::U32 => text
            .parse::<u32>()
            .map_err(|_| wrong("number of 32 bits"))?
            .to_be_bytes()
            .to_vec(),
        OctetsType::Ipv4 => text
            .parse::<std::net::Ipv4Addr>()
            .map_err(|_| wrong("IPv4 address"))?
            .octets()
            .to_vec(),
        OctetsType::Ipv6 => text
            .parse::<std::net::Ipv6Addr>()
            .map_err(|_| wrong("IPv6 address"))?
            .octets()
            .to_vec(),
    };
    if value.len() > limit {
        return Err(BuildReason::Length {
            length: value.len(),
            limit,
        });
    }
    Ok(value)
}
