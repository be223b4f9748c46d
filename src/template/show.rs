//! A file in the language of templates, with MIB names.

use std::fmt::Write;

use super::value::ValueType;
use crate::mib::{Base, IndexValue, Names, Object, Syntax};
use crate::value::{Oid, hex};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{
    Body, ConfigFile, Definition, DeviceFile, Element, Encoded, FileKind, NotificationReceiver, ReceiverKind,
    ReceiverSetting, Tlv,
};

/// A setting of TLV 38.
struct SettingView {
    /// Its name in templates, where it has one.
    name: Option<&'static str>,
    /// Its value as text; octets in hexadecimal.
    value: String,
}

fn setting_view(setting: &ReceiverSetting) -> SettingView {
    let (name, value) = match setting {
        ReceiverSetting::Address(address) => (Some("address"), address.to_string()),
        ReceiverSetting::Address6(address) => (Some("address"), address.to_string()),
        ReceiverSetting::Port(number) => (Some("port"), number.to_string()),
        ReceiverSetting::Kind(kind) => (Some("kind"), kind_word(*kind)),
        ReceiverSetting::Timeout(number) => (Some("timeout"), number.to_string()),
        ReceiverSetting::Retries(number) => (Some("retries"), number.to_string()),
        ReceiverSetting::Filter(oid) => (Some("filter"), oid.to_string()),
        ReceiverSetting::SecurityName(octets) => match printable(octets) {
            Some(text) => (Some("security-name"), text.to_owned()),
            None => (None, hex(octets)),
        },
        ReceiverSetting::Unknown { value, .. } => (None, hex(value)),
    };
    SettingView { name, value }
}

fn kind_word(kind: ReceiverKind) -> String {
    let named = ReceiverKind::NAMED.into_iter().find(|(named, _)| *named == kind);
    named.map_or_else(|| kind.number().to_string(), |(_, word)| word.to_owned())
}

/// The object whose instance an object identifier is.
fn leaf<'a>(oid: &Oid, names: &'a Names) -> Option<&'a Object> {
    let (object, rest) = names.lookup(oid)?;
    let index: Vec<IndexValue> = rest.iter().map(|&arc| IndexValue::Number(arc)).collect();
    let instance = object.instance(&index).ok()?;
    (instance == *oid).then_some(object)
}

/// The value as a template writes it: the type, and a text that reads back as the same value. No type where the
/// language has none.
fn written(value: &Value, syntax: Option<&Syntax>) -> (Option<ValueType>, String) {
    let convention = syntax.map_or("", |syntax| &*syntax.convention);
    let candidates = match value {
        Value::Integer(number) => {
            let label = syntax.and_then(|syntax| syntax.label(i64::from(*number)));
            let text = label.map_or_else(|| number.to_string(), str::to_owned);
            let kind = match convention {
                "TruthValue" => ValueType::Truth,
                "RowStatus" => ValueType::RowStatus,
                _ => ValueType::Integer,
            };
            vec![(kind, text), (ValueType::Integer, number.to_string())]
        }
        Value::Unsigned32(number) => vec![(ValueType::Unsigned, number.to_string())],
        Value::Counter32(number) => vec![(ValueType::Counter32, number.to_string())],
        Value::Counter64(number) => vec![(ValueType::Counter64, number.to_string())],
        Value::TimeTicks(number) => vec![(ValueType::TimeTicks, number.to_string())],
        Value::IpAddress(address) => vec![(ValueType::IpAddress, address.to_string())],
        Value::Oid(oid) => vec![(ValueType::Oid, oid.to_string())],
        Value::OctetString(octets) => written_octets(octets, syntax),
        Value::Opaque(octets) => return (None, hex(octets)),
        Value::Secret(_) | Value::Null | Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => {
            return (None, String::new());
        }
    };
    let same = |(kind, text): &(ValueType, String)| kind.read(text, syntax).as_ref() == Ok(value);
    match candidates.into_iter().find(same) {
        Some((kind, text)) => (Some(kind), text),
        None => (None, format!("{value:?}")),
    }
}

fn written_octets(octets: &[u8], syntax: Option<&Syntax>) -> Vec<(ValueType, String)> {
    let convention = syntax.map_or("", |syntax| &*syntax.convention);
    let mut candidates = Vec::new();
    if let Some(syntax) = syntax.filter(|syntax| syntax.base == Base::Bits) {
        candidates.push((ValueType::Bits, bit_words(octets, syntax)));
    } else if convention == "InetAddress" {
        let address = match octets.len() {
            4 => <[u8; 4]>::try_from(octets)
                .ok()
                .map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(octets)
                .ok()
                .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
            _ => None,
        };
        candidates.extend(address.map(|address| (ValueType::InetAddress, address)));
    } else if let ("PktcEUETCCreds", [_, _, _, _, text @ ..]) = (convention, octets) {
        candidates.extend(printable(text).map(|text| (ValueType::Credentials, text.to_owned())));
    }
    if convention == "DateAndTime" {
        candidates.extend(date_text(octets).map(|text| (ValueType::Date, text)));
    }
    let binary = matches!(
        convention,
        "MacAddress" | "PhysAddress" | "DateAndTime" | "PktcRingCadence"
    );
    if !binary {
        candidates.extend(printable(octets).map(|text| (ValueType::String, text.to_owned())));
    }
    candidates.push((ValueType::Hex, hex(octets)));
    candidates
}

/// A DateAndTime as RFC 3339 writes it, with tenths of a second.
fn date_text(octets: &[u8]) -> Option<String> {
    let [y1, y2, month, day, hour, minute, second, tenth, zone @ ..] = octets else {
        return None;
    };
    let year = u16::from_be_bytes([*y1, *y2]);
    let zone = match zone {
        [] => String::new(),
        [b'+', 0, 0] => "Z".to_owned(),
        [sign @ (b'+' | b'-'), hours, minutes] => format!("{}{hours:02}:{minutes:02}", char::from(*sign)),
        _ => return None,
    };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{tenth}{zone}"
    ))
}

fn bit_words(octets: &[u8], syntax: &Syntax) -> String {
    let bits = octets.iter().enumerate().flat_map(|(at, octet)| {
        let set = (0..8).filter(move |bit| octet & (0x80 >> bit) != 0);
        set.map(move |bit| at * 8 + bit)
    });
    let words = bits.map(|bit| {
        let label = i64::try_from(bit).ok().and_then(|number| syntax.label(number));
        label.map_or_else(|| bit.to_string(), str::to_owned)
    });
    words.collect::<Vec<_>>().join(", ")
}

fn printable(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().all(plain).then_some(text)
}

/// A file in the language of templates. Building it as a template gives the same octets, but for what follows the end
/// delimiter.
pub fn decode_text(file: &DeviceFile, names: &Names) -> String {
    let (inner, delimited) = match file.elements.as_slice() {
        [Element::Start, inner @ .., Element::End] => (inner, true),
        all => (all, false),
    };
    let mut out = String::from("file device\nauto realm off\nauto hash off\n");
    if !delimited {
        out.push_str("auto delimiters off\n");
    }
    for element in inner {
        let lines = match element {
            Element::VarBind(varbind) | Element::LongVarBind(varbind) => varbind_line(element, varbind, names),
            Element::NotificationReceiver(receiver) => receiver_lines(receiver),
            Element::VendorSpecific(vendor) => vendor.oui().map(|oui| {
                let mut lines = format!("vendor {}\n", hex(&oui));
                for setting in vendor.settings.iter().skip(1) {
                    let _ = writeln!(lines, "  {} hex {}", setting.kind, hex(&setting.value));
                }
                lines + "end\n"
            }),
            _ => None,
        };
        out.push_str(&lines.unwrap_or_else(|| bare_line(element)));
    }
    if !file.trailing.is_empty() {
        let _ = writeln!(out, "# after the end: {}", hex(&file.trailing));
    }
    out
}

/// A TLV of which only the octets are said.
fn bare_line(element: &Element) -> String {
    let file = DeviceFile {
        elements: vec![element.clone()],
        trailing: Vec::new(),
    };
    // What was decoded can be encoded, and what cannot be encoded has no octets.
    let octets = file.encode().unwrap_or_default();
    let header = if element.kind() == 64 { 3 } else { 2 };
    let value = octets.get(header..).unwrap_or_default();
    format!("tlv {} hex {}\n", element.kind(), hex(value))
}

/// A `mib` line, where one gives the same TLV.
fn varbind_line(element: &Element, varbind: &Encoded<VarBind>, names: &Names) -> Option<String> {
    let (kind, text) = written(&varbind.value, names.syntax_of(&varbind.name));
    let same = *element == Element::varbind(VarBind::new(varbind.name.clone(), varbind.value.clone()));
    let kind = kind.filter(|_| same)?;
    let object = match leaf(&varbind.name, names).filter(|object| takes(object, kind, &varbind.value)) {
        Some(_) => names.display(&varbind.name),
        // Under its name the object would refuse the value.
        None => {
            return Some(bare_line(element))
                .filter(|_| leaf(&varbind.name, names).is_some())
                .or_else(|| Some(format!("mib {} {} {}\n", varbind.name, kind.word(), quoted(&text))));
        }
    };
    Some(format!("mib {object} {} {}\n", kind.word(), quoted(&text)))
}

fn takes(object: &Object, kind: ValueType, value: &Value) -> bool {
    object
        .syntax()
        .is_some_and(|syntax| kind.suits(syntax.base) && crate::wire::tlv::conform::conforms(value, syntax).is_ok())
}

fn receiver_lines(receiver: &NotificationReceiver) -> Option<String> {
    let mut lines = String::from("receiver\n");
    for setting in &receiver.settings {
        let view = setting_view(setting);
        let odd = matches!(setting, ReceiverSetting::Filter(oid) if !oid.is_canonical());
        let name = view.name.filter(|_| !odd)?;
        let _ = writeln!(lines, "  {name} {}", quoted(&view.value));
    }
    Some(lines + "end\n")
}

/// The text as a template's value: in quotes where it has blanks at an end, quotes, braces or several lines.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.trim() == text && !text.contains(['"', '\\', '{', '\n', '\t']);
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' | '{' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out + "\""
}

/// A cable modem's file in the language of templates, without its MICs and its end, which the engine adds.
pub fn cable_modem_text(file: &ConfigFile, names: &Names) -> String {
    let mut out = String::from("file cable-modem\n");
    let ends = |tlv: &&Tlv| !matches!((tlv.kind, &tlv.body), (6 | 7, _) | (_, Body::Mark));
    tlv_lines(
        file.tlvs.iter().filter(ends),
        Definition::of_file(FileKind::CableModem),
        names,
        0,
        &mut out,
    );
    out
}

fn tlv_lines<'a>(
    tlvs: impl Iterator<Item = &'a Tlv>,
    table: &'static [Definition],
    names: &Names,
    depth: usize,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    for tlv in tlvs {
        let definition = Definition::find(table, tlv.kind);
        let name = definition.map_or_else(|| tlv.kind.to_string(), |definition| definition.name.to_owned());
        match &tlv.body {
            Body::Mark => {}
            Body::Tlvs(inner) => {
                let _ = writeln!(out, "{indent}group {name}");
                tlv_lines(inner.iter(), tlv.table(definition), names, depth + 1, out);
                let _ = writeln!(out, "{indent}end");
            }
            Body::VarBind(varbind) => {
                let element = Element::VarBind(varbind.clone());
                let line = varbind_line(&element, varbind, names).unwrap_or_else(|| bare_line(&element));
                out.push_str(&indent);
                out.push_str(&line);
            }
            Body::Octets(octets) => {
                let text = definition.and_then(|definition| definition.show(octets));
                let _ = match text {
                    Some(text) => writeln!(out, "{indent}tlv {name} {}", quoted(&text)),
                    None => writeln!(out, "{indent}tlv {} hex {}", tlv.kind, hex(octets)),
                };
            }
        }
    }
}
