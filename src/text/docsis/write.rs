//! From the file to the text.

use std::fmt::Write;

use crate::mib::Names;
use crate::value::{Oid, hex};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{Body, ConfigFile, Definition, Form, Tlv, printable};

/// The text of a file. What the language cannot say is a comment: MICs, pads, the end mark, and what follows it.
pub fn write(file: &ConfigFile, names: &Names) -> String {
    let mut writer = Writer {
        out: String::from("Main\n{\n"),
        names,
        depth: 1,
    };
    let table = Definition::of_file(file.kind);
    for tlv in &file.tlvs {
        writer.tlv(tlv, Definition::find(table, tlv.kind));
    }
    writer.out + "}\n"
}

struct Writer<'a> {
    out: String,
    names: &'a Names,
    depth: usize,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.out.push('\t');
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn tlv(&mut self, tlv: &Tlv, definition: Option<&'static Definition>) {
        match &tlv.body {
            Body::Mark if tlv.kind == 0 => self.line("/* Pad */"),
            Body::Mark => self.line("/* EndOfData */"),
            Body::Tlvs(inner) => self.group(tlv, inner, definition),
            Body::VarBind(varbind) => match snmp(varbind, self.names) {
                Some(line) => self.line(&format!("SnmpMibObject {line}")),
                None => self.generic(tlv.kind, varbind.octets()),
            },
            Body::Octets(octets) => self.octets(tlv.kind, octets, definition),
        }
    }

    fn group(&mut self, tlv: &Tlv, inner: &[Tlv], definition: Option<&'static Definition>) {
        match definition.filter(|definition| definition.shared) {
            Some(definition) => self.line(definition.name),
            None => self.line(&format!("GenericTLV TlvCode {}", tlv.kind)),
        }
        self.line("{");
        self.depth += 1;
        let table = tlv.table(definition);
        for tlv in inner {
            self.tlv(tlv, Definition::find(table, tlv.kind));
        }
        self.depth -= 1;
        self.line("}");
    }

    fn octets(&mut self, kind: u8, octets: &[u8], definition: Option<&'static Definition>) {
        let known = definition.filter(|definition| definition.shared);
        let spelt = known.and_then(|definition| {
            let text = definition.show(octets)?;
            // What the encoder would refuse is written without its name.
            definition.check(octets).ok()?;
            match definition.is_text() {
                true => Some((definition, format!("\"{}\"", quotable(&text)?))),
                false => Some((definition, text)),
            }
        });
        match spelt {
            Some((definition, text)) if definition.form == Form::Digest => {
                self.line(&format!("/* {} {text}; */", definition.name));
            }
            Some((definition, text)) => self.line(&format!("{} {text};", definition.name)),
            None => self.generic(kind, octets),
        }
    }

    fn generic(&mut self, kind: u8, octets: &[u8]) {
        self.line(&format!(
            "GenericTLV TlvCode {kind} TlvLength {} TlvValue 0x{};",
            octets.len(),
            hex(octets)
        ));
    }
}

/// A text between quotes; `None` where the language has no spelling for it.
fn quotable(text: &str) -> Option<String> {
    let spellable = !text.contains(['\n', '\t']) && !text.ends_with('\\');
    spellable.then(|| text.replace('"', "\\\""))
}

/// Object, type, value and semicolon of a variable binding, with the label of an enumeration.
fn snmp(varbind: &VarBind, names: &Names) -> Option<String> {
    let syntax = names.syntax_of(&varbind.name);
    let mut line = object(&varbind.name, names);
    let mut label = None;
    let _ = match &varbind.value {
        Value::Integer(number) => {
            label = syntax.and_then(|syntax| syntax.label(i64::from(*number)));
            write!(line, " Integer {number};")
        }
        Value::Unsigned32(number) => write!(line, " Gauge32 {number};"),
        Value::Counter32(number) => write!(line, " Counter32 {number};"),
        Value::TimeTicks(number) => write!(line, " TimeTicks {number};"),
        Value::IpAddress(address) => write!(line, " IPAddress {address};"),
        Value::Oid(oid) => write!(line, " ObjectID .{oid};"),
        Value::OctetString(octets) => match printable(octets).and_then(quotable) {
            Some(text) => write!(line, " String \"{text}\";"),
            None => write!(line, " HexString 0x{};", hex(octets)),
        },
        _ => return None,
    };
    if let Some(label) = label {
        let _ = write!(line, " /* {label} */");
    }
    Some(line)
}

/// The object by its name alone where no other module has that, else in numbers.
fn object(oid: &Oid, names: &Names) -> String {
    let named = names
        .lookup(oid)
        .filter(|(object, rest)| object.syntax().is_some() && !rest.is_empty() && names.resolve(&object.name).is_ok());
    match named {
        Some((object, rest)) => {
            let instance: String = rest.iter().map(|arc| format!(".{arc}")).collect();
            format!("{}{instance}", object.name)
        }
        None => format!(".{oid}"),
    }
}
