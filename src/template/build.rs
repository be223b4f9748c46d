//! From a compiled template and a device's context to the octets of the device's file.

use std::net::IpAddr;

use super::context::Context;
use super::emit::{
    AddressUse, Out, Run, fingerprint, longer_fingerprint, name_element, octet_string, push_arc, value_element,
};
use super::error::Place;
use super::expression::{ExpressionError, Text};
use super::failure::{BuildError, BuildReason, Failed, MOST_OCTETS, MOST_STATEMENTS};
use super::finish::START;
use super::library::Template;
use super::scope::{Scope, Val};
use super::statement::{
    Action, Instance, InstancePart, OctetsType, ReceiverLine, ReceiverWord, Statement, Switches, TypedLine, VarBindLine,
};
use super::value::{ValueError, ValueType, octets};
use crate::mib::{IndexValue, Object};
use crate::value::Oid;
use crate::wire::snmp::varbind::Value;
use crate::wire::tlv::conform::{conforms, octets_conform};
use crate::wire::tlv::{FileKind, ReceiverKind};

/// What the statements of a template made: octets without what the engine adds, and what it is to add.
pub(super) struct Body {
    pub out: Out,
    pub switches: Switches,
}

/// Runs the statements of `template`, one of `library`.
pub(super) fn run<'a>(
    library: &'a [Template],
    template: &'a Template,
    context: &'a Context<'a>,
) -> Result<Body, BuildError> {
    let mut builder = Builder {
        library,
        writer: Writer::new(Scope::new(context), template.kind, template.expected_octets()),
        statements: 0,
        switches: Switches::DEFAULT,
    };
    if template.kind == FileKind::Device {
        builder.writer.out.run.octets.extend(START);
    }
    builder.run(&template.statements)?;
    check_addresses(&builder.writer.out.run.types, &builder.writer.out.run.addresses)?;
    Ok(Body {
        out: builder.writer.out,
        switches: builder.switches,
    })
}

/// An InetAddress has the length of the type that the same row states.
fn check_addresses(types: &[(u64, i64)], addresses: &[AddressUse]) -> Result<(), Failed> {
    for used in addresses {
        let stated = types.iter().find(|(object, _)| *object == used.of);
        if let Some(&(_, kind)) = stated {
            crate::wire::tlv::conform::address_conforms(kind, used.length)
                .map_err(|reason| (used.place.clone(), used.attribute.to_string(), reason.into()))?;
        }
    }
    Ok(())
}

/// Writes single statements. What is in it besides the file is memory that statements share.
pub(super) struct Writer<'a> {
    pub scope: Scope<'a>,
    pub out: Out,
    text: String,
    name: Vec<u8>,
    element: Vec<u8>,
    value: Vec<u8>,
}

struct Builder<'a> {
    library: &'a [Template],
    writer: Writer<'a>,
    /// How many were run, with the turns of loops.
    statements: usize,
    switches: Switches,
}

impl<'a> Builder<'a> {
    fn run(&mut self, statements: &'a [Statement]) -> Result<(), Failed> {
        for statement in statements {
            let failed = |attribute: &str, reason: BuildReason| (statement.place.clone(), attribute.to_owned(), reason);
            self.step().map_err(|reason| failed("the file", reason))?;
            if self.writer.out.run.octets.len() > MOST_OCTETS {
                return Err(failed("the file", BuildReason::Enormous));
            }
            match &statement.action {
                Action::Run(run) => self
                    .writer
                    .out
                    .append(run)
                    .map_err(|reason| failed("the file", reason))?,
                Action::Group(number, body) => {
                    let open = self.writer.out.open(*number);
                    self.run(body)?;
                    let closed = self.writer.out.close(open);
                    closed.map_err(|reason| failed(&format!("TLV {number}"), reason))?;
                }
                Action::Default(name, value) => {
                    if !self.writer.scope.has(name) {
                        let value = value.eval(&mut self.writer.scope);
                        let value = value.map_err(|error| failed(name, error.into()))?;
                        self.writer.scope.set(name, value);
                    }
                }
                Action::Set(name, value) => {
                    let value = value.eval(&mut self.writer.scope);
                    let value = value.map_err(|error| failed(name, error.into()))?;
                    self.writer.scope.set(name, value);
                }
                Action::Declare(declaration) => {
                    let run = declaration.run(&mut self.writer.scope);
                    run.map_err(|reason| failed(&declaration.name, reason))?;
                }
                Action::Auto(what, on) => self.switches.set(*what, *on),
                Action::If(branches) => self.conditional(branches, &statement.place)?,
                Action::For(name, list, body) => self.repetition(name, list, body, &statement.place)?,
                // Linked when the library was loaded, without cycles.
                Action::Include(_, at) => {
                    if let Some(template) = self.library.get(*at) {
                        self.run(&template.statements)?;
                    }
                }
                leaf => self.writer.leaf(leaf, &statement.place)?,
            }
        }
        Ok(())
    }

    /// Counts a statement, or a turn of a loop.
    fn step(&mut self) -> Result<(), BuildReason> {
        self.statements += 1;
        if self.statements > MOST_STATEMENTS {
            return Err(BuildReason::Endless);
        }
        Ok(())
    }

    fn conditional(
        &mut self,
        branches: &'a [(Option<std::sync::Arc<super::expression::Expr>>, Vec<Statement>)],
        place: &Place,
    ) -> Result<(), Failed> {
        for (condition, statements) in branches {
            let holds = match condition {
                Some(condition) => condition
                    .eval(&mut self.writer.scope)
                    .map_err(|error| (place.clone(), "if".to_owned(), error.into()))?
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
        name: &'a std::sync::Arc<str>,
        list: &'a super::expression::Expr,
        body: &'a [Statement],
        place: &Place,
    ) -> Result<(), Failed> {
        let failed = |reason: BuildReason| (place.clone(), "for".to_owned(), reason);
        let list = list
            .eval(&mut self.writer.scope)
            .map_err(|error| failed(error.into()))?;
        let mut before = None;
        if let Val::Range(low, high) = list {
            for number in low..high {
                self.step().map_err(failed)?;
                let replaced = self.writer.scope.set(name, Val::Int(number));
                before.get_or_insert(replaced);
                self.run(body)?;
            }
        } else {
            let list = minijinja::Value::from(&list);
            let items = list.try_iter().map_err(|error| {
                let expression = name.to_string();
                let error = error.to_string();
                failed(ExpressionError::Failed { expression, error }.into())
            })?;
            for item in items {
                self.step().map_err(failed)?;
                let replaced = self.writer.scope.set(name, item.into());
                before.get_or_insert(replaced);
                self.run(body)?;
            }
        }
        if let Some(value) = before {
            self.writer.scope.set(name, value);
        }
        Ok(())
    }
}

impl<'a> Writer<'a> {
    /// Nothing written yet.
    pub fn new(scope: Scope<'a>, kind: FileKind, capacity: usize) -> Self {
        Self {
            scope,
            out: Out::new(kind, capacity),
            text: String::new(),
            name: Vec::new(),
            element: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Writes what a statement without statements in it adds to the file.
    pub fn leaf(&mut self, action: &'a Action, place: &Place) -> Result<(), Failed> {
        let failed = |attribute: &str, reason| (place.clone(), attribute.to_owned(), reason);
        match action {
            Action::VarBind(line) => self
                .varbind(line, place)
                .map_err(|reason| failed(&line.written, reason)),
            Action::Receiver(lines) => self.receiver(lines, place),
            Action::Vendor(oui, lines) => self.vendor(oui, lines, place),
            Action::Tlv(line) => self.typed(line),
            _ => Ok(()),
        }
    }

    fn varbind(&mut self, line: &'a VarBindLine, place: &Place) -> Result<(), BuildReason> {
        let (index, object) = self.object_name(&line.instance)?;
        line.value.eval(&mut self.scope, &mut self.text)?;
        self.value.clear();
        match line.object.as_ref().and_then(|object| object.syntax()) {
            // Most values are texts: they need no copy.
            Some(syntax) if line.kind == ValueType::String => {
                octets_conform(self.text.as_bytes(), syntax)?;
                octet_string(self.text.as_bytes(), &mut self.value);
            }
            syntax => {
                let value = line.kind.read(&self.text, syntax)?;
                if let Some(syntax) = syntax {
                    conforms(&value, syntax)?;
                    let content = match &line.instance {
                        Instance::Fixed(fixed) => fixed.content(),
                        _ => &self.name,
                    };
                    note_address(&mut self.out.run, line, content, index, &value, place);
                }
                value_element(&value, &mut self.value);
            }
        }
        match &line.instance {
            Instance::Fixed(fixed) => self.out.varbind(&fixed.element, object, &self.value),
            _ => {
                self.element.clear();
                name_element(&self.name, &mut self.element);
                self.out.varbind(&self.element, object, &self.value)
            }
        }
    }

    /// The BER content of an instance that is known only now goes into `name`; the octets of its index, and its
    /// fingerprint.
    fn object_name(&mut self, instance: &'a Instance) -> Result<(usize, u64), BuildReason> {
        self.name.clear();
        match instance {
            Instance::Fixed(fixed) => Ok((fixed.index, fixed.object)),
            Instance::Numbers(column, object, parts) => {
                self.name.extend_from_slice(column);
                for part in parts {
                    let arc = self.arc(part)?;
                    push_arc(arc, &mut self.name);
                }
                let index = self.name.get(column.len()..).unwrap_or_default();
                Ok((index.len(), longer_fingerprint(*object, index)))
            }
            Instance::Parts(object, parts) => {
                let values = parts
                    .iter()
                    .map(|part| self.index_value(part))
                    .collect::<Result<Vec<_>, _>>()?;
                let oid = object.instance(&values)?;
                self.name = oid.to_ber();
                let index = self.name.len().saturating_sub(object.oid.to_ber().len());
                Ok((index, fingerprint(&self.name)))
            }
        }
    }

    fn arc(&mut self, part: &'a InstancePart) -> Result<u32, BuildReason> {
        match part {
            InstancePart::Number(number) => Ok(*number),
            InstancePart::Expr(expression) => {
                let value = expression.eval(&mut self.scope)?;
                if let Val::Int(number) = value
                    && let Ok(arc) = u32::try_from(number)
                {
                    return Ok(arc);
                }
                self.text.clear();
                value.write(&mut self.text);
                Ok(self
                    .text
                    .parse()
                    .map_err(|_| ValueError::new(&self.text, "arc of an instance"))?)
            }
            InstancePart::Text(_) => Err(ValueError::new("", "arc of an instance").into()),
        }
    }

    fn index_value(&mut self, part: &'a InstancePart) -> Result<IndexValue, BuildReason> {
        match part {
            InstancePart::Text(text) => {
                text.eval(&mut self.scope, &mut self.text)?;
                Ok(IndexValue::Text(self.text.clone()))
            }
            part => self.arc(part).map(IndexValue::Number),
        }
    }

    fn receiver(&mut self, lines: &'a [ReceiverLine], place: &Place) -> Result<(), Failed> {
        let open = self.out.open(38);
        for line in lines {
            let written = self.receiver_setting(line);
            written.map_err(|reason| (line.place.clone(), "receiver".to_owned(), reason))?;
        }
        let closed = self.out.close(open);
        closed.map_err(|reason| (place.clone(), "receiver".to_owned(), reason))
    }

    fn receiver_setting(&mut self, line: &'a ReceiverLine) -> Result<(), BuildReason> {
        line.value.eval(&mut self.scope, &mut self.text)?;
        let text = self.text.as_str();
        let number = || {
            let number = text.parse::<u16>();
            number.map_err(|_| ValueError::new(text, "number from 0 to 65535"))
        };
        match line.setting {
            ReceiverWord::Address => match text.parse().map_err(|_| ValueError::new(text, "address"))? {
                IpAddr::V4(address) => self.out.tlv(1, &address.octets()),
                IpAddr::V6(address) => self.out.tlv(8, &address.octets()),
            },
            ReceiverWord::Port => self.out.tlv(2, &number()?.to_be_bytes()),
            ReceiverWord::Kind => {
                let named = ReceiverKind::NAMED.into_iter().find(|(_, name)| *name == text);
                let kind = named.map_or_else(number, |(kind, _)| Ok(kind.number()))?;
                self.out.tlv(3, &kind.to_be_bytes())
            }
            ReceiverWord::Timeout => self.out.tlv(4, &number()?.to_be_bytes()),
            ReceiverWord::Retries => self.out.tlv(5, &number()?.to_be_bytes()),
            ReceiverWord::Filter => {
                let oid: Oid = text
                    .parse()
                    .map_err(|_| ValueError::new(text, "object identifier in numbers"))?;
                self.out.tlv(6, &Value::Oid(oid).encode())
            }
            ReceiverWord::SecurityName => self.out.tlv(7, text.as_bytes()),
        }
    }

    fn vendor(&mut self, oui: &'a Text, lines: &'a [TypedLine], place: &Place) -> Result<(), Failed> {
        let failed = |reason: BuildReason| (place.clone(), "vendor".to_owned(), reason);
        let evaluated = oui.eval(&mut self.scope, &mut self.text);
        evaluated.map_err(|error| failed(error.into()))?;
        let octets = octets(&self.text).map_err(|error| failed(error.into()))?;
        if octets.len() != 3 {
            return Err(failed(ValueError::new(&self.text, "OUI of three octets").into()));
        }
        let open = self.out.open(43);
        self.out.tlv(8, &octets).map_err(failed)?;
        for line in lines {
            self.typed(line)?;
        }
        self.out.close(open).map_err(failed)
    }

    /// A TLV of bare octets.
    fn typed(&mut self, line: &'a TypedLine) -> Result<(), Failed> {
        let failed = |reason| (line.place.clone(), format!("TLV {}", line.written), reason);
        let evaluated = line.value.eval(&mut self.scope, &mut self.text);
        evaluated.map_err(|error| failed(error.into()))?;
        let octets = typed_octets(line.kind, &self.text).map_err(failed)?;
        self.out.tlv(line.number, &octets).map_err(failed)
    }
}

/// Notes an InetAddress or an InetAddressType, so that the two can be compared when both are there. `content` is the
/// object's name, of which the last `index` octets are the instance.
fn note_address(run: &mut Run, line: &VarBindLine, content: &[u8], index: usize, value: &Value, place: &Place) {
    if let (Some(kind), Some(octets)) = (&line.address_type, value.as_octets()) {
        let mut of = kind.oid.to_ber();
        of.extend_from_slice(content.get(content.len().saturating_sub(index)..).unwrap_or_default());
        run.addresses.push(AddressUse {
            of: fingerprint(&of),
            length: octets.len(),
            place: place.clone(),
            attribute: line.written.clone(),
        });
    } else if let Value::Integer(number) = value
        && is_address_type(line.object.as_deref())
    {
        run.types.push((fingerprint(content), i64::from(*number)));
    }
}

fn is_address_type(object: Option<&Object>) -> bool {
    let syntax = object.and_then(Object::syntax);
    syntax.is_some_and(|syntax| &*syntax.convention == "InetAddressType")
}

/// The octets of a value in a type that a template names, or in that of its TLV.
pub(super) fn typed_octets(kind: OctetsType, text: &str) -> Result<Vec<u8>, BuildReason> {
    match kind {
        OctetsType::Named(definition) => Ok(definition.read(text)?),
        kind => Ok(bare_octets(kind, text)?),
    }
}

/// The octets of a value in a type that a template names.
fn bare_octets(kind: OctetsType, text: &str) -> Result<Vec<u8>, ValueError> {
    let wrong = |expected| ValueError::new(text, expected);
    Ok(match kind {
        OctetsType::Hex => octets(text)?,
        OctetsType::String => text.as_bytes().to_vec(),
        OctetsType::ZString => [text.as_bytes(), &[0]].concat(),
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
        OctetsType::Mac => text
            .parse::<crate::value::MacAddress>()
            .map_err(|_| wrong("MAC address"))?
            .0
            .to_vec(),
        OctetsType::Named(_) => return Err(wrong("value of a named TLV")),
        OctetsType::Oid => Value::Oid(text.parse().map_err(|_| wrong("object identifier in numbers"))?).encode(),
    })
}
