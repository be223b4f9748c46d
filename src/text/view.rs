//! A file as data, in JSON and YAML: everything that the octets say, by number and by name, and back without loss.

use serde::{Deserialize, Serialize};

use super::object::{ObjectError, Resolver};
use crate::mib::{IndexValue, Names};
use crate::value::{Oid, hex, unhex};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{
    Body, ConfigFile, DecodeError, Definition, EncodeError, Encoded, FileKind, Form, Tlv, TypedError, printable,
};

/// TLVs within each other, at most: more than the dictionary has.
const DEEPEST: usize = 16;

/// A file of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileView {
    /// `device` or `cable-modem`.
    pub kind: FileKind,
    /// The TLVs in their order.
    pub tlvs: Vec<TlvView>,
    /// What follows the end, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trailing: String,
}

/// A TLV. Its value is one of `value`, `hex` and `tlvs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlvView {
    /// Its type; where it is absent, `name` says which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlv: Option<u8>,
    /// Its name in the dictionary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A variable binding's instance by MIB name. Where `oid` is present as well, `oid` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// A variable binding's instance in numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
    /// A variable binding's type: integer, unsigned, counter32, counter64, timeticks, ipaddress, oid, string, hex, opaque,
    /// null.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The value: a number, or a text as the type spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Scalar>,
    /// What the number of an enumeration means; only to be read by people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The octets of the value in hexadecimal: where nothing else says them exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// The TLVs within.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlvs: Option<Vec<TlvView>>,
}

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A number from zero.
    Number(u64),
    /// A number below zero.
    Negative(i64),
    /// A text.
    Text(String),
}

impl Scalar {
    fn integer(number: i32) -> Self {
        u64::try_from(number).map_or(Self::Negative(number.into()), Self::Number)
    }

    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Negative(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Data that are no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("TLV {path}{}: {reason}", .name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default())]
pub struct ViewError {
    /// The place: the number of the TLV within the file, from 1, and within those that hold it.
    pub path: String,
    /// The TLV's name, as far as it is known.
    pub name: Option<String>,
    /// Why.
    pub reason: ViewReason,
}

/// Why data are no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewReason {
    /// Neither `tlv` nor a known `name`.
    #[error("it has neither 'tlv', its number, nor a 'name' that is known here")]
    Unnamed,
    /// More or less than one of the members that say the value.
    #[error("its value is one of 'value', 'hex' and 'tlvs'")]
    Value,
    /// `hex` is not hexadecimal.
    #[error("'{0}' is not hexadecimal")]
    Hex(String),
    /// The value is not one of the TLV.
    #[error(transparent)]
    Typed(#[from] TypedError),
    /// The TLV has no type of its own, so its octets are to be said.
    #[error("nothing is known of its value: write 'hex'")]
    Unknown,
    /// The object is not known.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The value of a variable binding is not of its type.
    #[error("'{text}' is no value of type {kind}")]
    Snmp {
        /// The value.
        text: String,
        /// The type.
        kind: String,
    },
    /// `hex` and `value` of a variable binding say different things.
    #[error("'hex' says something else than 'oid', 'type' and 'value': remove 'hex'")]
    Disagree,
    /// TLVs within TLVs without end.
    #[error("more than {DEEPEST} TLVs within each other")]
    Deep,
    /// A value is too long.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The octets of a TLV that holds TLVs are wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl FileView {
    /// The view of a file.
    pub fn new(file: &ConfigFile, names: &Names) -> Self {
        let table = Definition::of_file(file.kind);
        let tlvs = file.tlvs.iter();
        Self {
            kind: file.kind,
            tlvs: tlvs
                .map(|tlv| TlvView::new(tlv, Definition::find(table, tlv.kind), names))
                .collect(),
            trailing: hex(&file.trailing),
        }
    }

    /// The file that the view shows.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn to_file(&self, resolver: Resolver<'_>) -> Result<ConfigFile, ViewError> {
        let table = Definition::of_file(self.kind);
        let of_file = |reason: ViewReason| ViewError {
            path: "1".to_owned(),
            name: None,
            reason,
        };
        let tlvs = read_all(&self.tlvs, self.kind, table, "", &resolver, 0)?;
        let trailing = unhex(&self.trailing).ok_or_else(|| of_file(ViewReason::Hex(self.trailing.clone())))?;
        let file = ConfigFile {
            kind: self.kind,
            tlvs,
            trailing,
        };
        // Octets may stand for what the dictionary knows as TLVs.
        let octets = file.encode().map_err(|error| of_file(error.into()))?;
        ConfigFile::decode_as(self.kind, &octets).map_err(|error| of_file(error.into()))
    }
}

impl TlvView {
    fn new(tlv: &Tlv, definition: Option<&'static Definition>, names: &Names) -> Self {
        let mut view = Self {
            tlv: Some(tlv.kind),
            name: definition.map(|definition| definition.name.to_owned()),
            ..Self::default()
        };
        match &tlv.body {
            Body::Mark => view.name = Some(if tlv.kind == 0 { "Pad" } else { "EndOfData" }.to_owned()),
            Body::Octets(octets) => view.show_octets(octets, definition),
            Body::Tlvs(inner) => {
                let table = tlv.table(definition);
                let inner = inner.iter();
                let views = inner.map(|tlv| Self::new(tlv, Definition::find(table, tlv.kind), names));
                view.tlvs = Some(views.collect());
            }
            Body::VarBind(varbind) => view.show_varbind(varbind, names),
        }
        view
    }

    fn show_octets(&mut self, octets: &[u8], definition: Option<&'static Definition>) {
        let form = definition.map(|definition| definition.form);
        let text = match form {
            None | Some(Form::Hex | Form::Fragment | Form::Digest) => None,
            Some(_) => definition.and_then(|definition| definition.show(octets)),
        };
        match text {
            Some(text) => {
                let number = text.parse().ok().filter(|_| matches!(form, Some(Form::Number(_))));
                self.value = Some(number.map_or(Scalar::Text(text), Scalar::Number));
            }
            None => self.hex = Some(hex(octets)),
        }
    }

    fn show_varbind(&mut self, varbind: &Encoded<VarBind>, names: &Names) {
        let (kind, value) = match &varbind.value {
            Value::Integer(number) => ("integer", Some(Scalar::integer(*number))),
            Value::Unsigned32(number) => ("unsigned", Some(Scalar::Number((*number).into()))),
            Value::Counter32(number) => ("counter32", Some(Scalar::Number((*number).into()))),
            Value::Counter64(number) => ("counter64", Some(Scalar::Number(*number))),
            Value::TimeTicks(number) => ("timeticks", Some(Scalar::Number((*number).into()))),
            Value::IpAddress(address) => ("ipaddress", Some(Scalar::Text(address.to_string()))),
            Value::Oid(oid) => ("oid", Some(Scalar::Text(oid.to_string()))),
            Value::OctetString(octets) => match printable(octets) {
                Some(text) => ("string", Some(Scalar::Text(text.to_owned()))),
                None => ("hex", Some(Scalar::Text(hex(octets)))),
            },
            Value::Opaque(octets) => ("opaque", Some(Scalar::Text(hex(octets)))),
            _ => ("null", None),
        };
        let syntax = names.syntax_of(&varbind.name);
        if let (Value::Integer(number), Some(syntax)) = (&varbind.value, syntax) {
            self.label = syntax.label(i64::from(*number)).map(str::to_owned);
        }
        self.object = is_instance(&varbind.name, names).then(|| names.display(&varbind.name));
        self.oid = Some(varbind.name.to_string());
        self.kind = Some(kind.to_owned());
        self.value = value;
        self.hex = (!varbind.is_canonical()).then(|| hex(varbind.octets()));
    }

    fn read(
        &self,
        file: FileKind,
        definition: Option<&'static Definition>,
        kind: u8,
        path: &str,
        resolver: &Resolver<'_>,
        depth: usize,
    ) -> Result<Tlv, ViewError> {
        let wrong = |reason| self.wrong(path, definition, reason);
        let mark = file == FileKind::CableModem && depth == 0 && matches!(kind, 0 | 255);
        let varbind = self.oid.is_some() || self.object.is_some();
        let body = match (&self.value, &self.hex, &self.tlvs) {
            (_, _, None) if varbind => Body::VarBind(self.varbind(resolver).map_err(wrong)?),
            (None, None, None) if mark => Body::Mark,
            (Some(value), None, None) => {
                let definition = definition.ok_or_else(|| wrong(ViewReason::Unknown))?;
                Body::Octets(
                    definition
                        .read_any(&value.text())
                        .map_err(|error| wrong(error.into()))?,
                )
            }
            (None, Some(digits), None) => {
                Body::Octets(unhex(digits).ok_or_else(|| wrong(ViewReason::Hex(digits.clone())))?)
            }
            (None, None, Some(inner)) => {
                let table = self.inner_table(definition, inner);
                Body::Tlvs(read_all(inner, file, table, path, resolver, depth + 1)?)
            }
            _ => return Err(wrong(ViewReason::Value)),
        };
        Ok(Tlv { kind, body })
    }

    /// The table by which the names of the TLVs within are found.
    fn inner_table(&self, definition: Option<&'static Definition>, inner: &[Self]) -> &'static [Definition] {
        let oui = inner
            .iter()
            .find(|view| view.tlv == Some(8) || view.name.as_deref() == Some("VendorIdentifier"));
        let probe = oui
            .and_then(|view| unhex(view.hex.as_deref()?))
            .map(|oui| Tlv::octets(8, oui));
        Tlv::group(0, probe.into_iter().collect()).table(definition)
    }

    fn wrong(&self, path: &str, definition: Option<&'static Definition>, reason: ViewReason) -> ViewError {
        let known = definition.map(|definition| definition.name.to_owned());
        ViewError {
            path: path.to_owned(),
            name: known
                .or_else(|| self.name.clone())
                .or_else(|| self.tlv.map(|kind| format!("TLV {kind}"))),
            reason,
        }
    }

    fn varbind(&self, resolver: &Resolver<'_>) -> Result<Encoded<VarBind>, ViewReason> {
        let name = match (&self.oid, &self.object) {
            (Some(text), _) | (None, Some(text)) => resolver.oid(text)?,
            (None, None) => return Err(ViewReason::Unnamed),
        };
        let varbind = VarBind::new(name.clone(), self.snmp_value(&name, resolver)?);
        let Some(digits) = &self.hex else {
            return Ok(Encoded::new(varbind));
        };
        let octets = unhex(digits).ok_or_else(|| ViewReason::Hex(digits.clone()))?;
        match VarBind::decode(&octets) {
            Ok(read) if read == varbind => Ok(Encoded::read(varbind, &octets)),
            _ => Err(ViewReason::Disagree),
        }
    }

    fn snmp_value(&self, object: &Oid, resolver: &Resolver<'_>) -> Result<Value, ViewReason> {
        let kind = self.kind.as_deref().unwrap_or_default();
        let text = self.value.as_ref().map(Scalar::text).unwrap_or_default();
        let unsigned = || text.parse().ok();
        let value = match kind {
            "integer" => {
                let syntax = resolver.names().syntax_of(object);
                let label = syntax.and_then(|syntax| syntax.number(&text));
                let number = label.and_then(|number| i32::try_from(number).ok());
                number.or_else(|| text.parse().ok()).map(Value::Integer)
            }
            "unsigned" => unsigned().map(Value::Unsigned32),
            "counter32" => unsigned().map(Value::Counter32),
            "timeticks" => unsigned().map(Value::TimeTicks),
            "counter64" => text.parse().ok().map(Value::Counter64),
            "ipaddress" => text.parse().ok().map(Value::IpAddress),
            "oid" => resolver.oid(&text).ok().map(Value::Oid),
            "string" => Some(Value::text(&text)),
            "hex" => unhex(&text).map(Value::OctetString),
            "opaque" => unhex(&text).map(Value::Opaque),
            "null" => Some(Value::Null),
            _ => None,
        };
        value.ok_or_else(|| ViewReason::Snmp {
            text: text.chars().take(60).collect(),
            kind: kind.to_owned(),
        })
    }
}

fn is_instance(oid: &Oid, names: &Names) -> bool {
    names.lookup(oid).is_some_and(|(object, rest)| {
        let index: Vec<IndexValue> = rest.iter().map(|&arc| IndexValue::Number(arc)).collect();
        object.instance(&index).is_ok_and(|instance| instance == *oid)
    })
}

fn read_all(
    views: &[TlvView],
    file: FileKind,
    table: &'static [Definition],
    path: &str,
    resolver: &Resolver<'_>,
    depth: usize,
) -> Result<Vec<Tlv>, ViewError> {
    let mut tlvs = Vec::with_capacity(views.len());
    for (at, view) in views.iter().enumerate() {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", at + 1);
        let named = view.name.as_deref().and_then(|name| Definition::named(table, name));
        let mark = match view.name.as_deref() {
            Some("Pad") => Some(0),
            Some("EndOfData") => Some(255),
            _ => None,
        };
        let kind = view.tlv.or_else(|| named.map(|definition| definition.kind)).or(mark);
        let kind = kind.ok_or_else(|| view.wrong(&path, None, ViewReason::Unnamed))?;
        if depth == DEEPEST {
            return Err(view.wrong(&path, None, ViewReason::Deep));
        }
        let definition = Definition::find(table, kind);
        tlvs.push(view.read(file, definition, kind, &path, resolver, depth)?);
    }
    Ok(tlvs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tlv::tests::any_file_octets;
    use proptest::prelude::*;

    fn resolver() -> Resolver<'static> {
        Resolver::new(Names::embedded(), None)
    }

    fn there_and_back(octets: &[u8], kind: FileKind) -> Option<()> {
        let file = ConfigFile::decode_as(kind, octets).ok()?;
        let view = FileView::new(&file, Names::embedded());
        let json = serde_json::to_string(&view).unwrap();
        let read: FileView = serde_json::from_str(&json).unwrap();
        let again = read
            .to_file(resolver())
            .unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(hex(&again.encode().unwrap()), hex(octets), "{json}");
        let yaml = serde_yaml_ng::to_string(&view).unwrap();
        let read: FileView = serde_yaml_ng::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
        assert_eq!(read, view, "{yaml}");
        Some(())
    }

    #[test]
    fn a_modems_file_is_shown_by_name() {
        let octets = unhex("0301011807010200010601072b0808030010950101026302abcdff000000").unwrap();
        let file = ConfigFile::decode(&octets).unwrap();
        let view = serde_json::to_value(FileView::new(&file, Names::embedded())).unwrap();
        assert_eq!(
            view,
            serde_json::json!({
                "kind": "cable-modem",
                "tlvs": [
                    {"tlv": 3, "name": "NetworkAccess", "value": 1},
                    {"tlv": 24, "name": "UsServiceFlow", "tlvs": [
                        {"tlv": 1, "name": "UsServiceFlowRef", "value": 1},
                        {"tlv": 6, "name": "QosParamSetType", "value": 7},
                    ]},
                    {"tlv": 43, "name": "VendorSpecific", "tlvs": [
                        {"tlv": 8, "name": "VendorIdentifier", "hex": "001095"},
                        {"tlv": 1, "hex": "02"},
                    ]},
                    {"tlv": 99, "name": "CMSystemInformation", "hex": "abcd"},
                    {"tlv": 255, "name": "EndOfData"},
                ],
                "trailing": "000000",
            })
        );
        there_and_back(&octets, FileKind::CableModem).unwrap();
    }

    #[test]
    fn names_are_enough_to_write_a_file() {
        let text = r#"{"kind": "device", "tlvs": [
            {"name": "MtaConfigDelimiter", "value": 1},
            {"tlv": 11, "object": "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0", "type": "integer", "value": "true"},
            {"name": "SnmpV3TrapReceiver", "tlvs": [{"name": "SnmpV3TrapRxIP", "value": "10.0.0.1"}]},
            {"name": "MtaConfigDelimiter", "value": 255}]}"#;
        let view: FileView = serde_json::from_str(text).unwrap();
        let octets = view.to_file(resolver()).unwrap().encode().unwrap();
        assert_eq!(
            hex(&octets),
            "fe01010b123010060b2b06010201810c01010600020101260601040a000001fe01ff"
        );
    }

    #[test]
    fn mistakes_name_the_place() {
        let error = |tlv: &str| {
            let text = format!(r#"{{"kind": "cable-modem", "tlvs": [{{"tlv": 3, "value": 1}}, {tlv}]}}"#);
            let view: FileView = serde_json::from_str(&text).unwrap();
            view.to_file(resolver()).unwrap_err().to_string()
        };
        assert_eq!(
            error(r#"{"tlv": 18, "value": 256}"#),
            "TLV 2 (MaxCPE): '256' is no number of 8 bits"
        );
        assert_eq!(
            error(r#"{"name": "UsServiceFlow", "tlvs": [{"name": "Nothing", "value": 1}]}"#),
            "TLV 2.1 (Nothing): it has neither 'tlv', its number, nor a 'name' that is known here"
        );
        assert_eq!(
            error(r#"{"tlv": 18, "value": 1, "hex": "01"}"#),
            "TLV 2 (MaxCPE): its value is one of 'value', 'hex' and 'tlvs'"
        );
        assert_eq!(
            error(r#"{"tlv": 107, "value": 1}"#),
            "TLV 2 (TLV 107): nothing is known of its value: write 'hex'"
        );
        assert_eq!(
            error(r#"{"tlv": 11, "oid": "1.3.6.1.1.0", "type": "integer", "value": 1, "hex": "3000"}"#),
            "TLV 2 (SnmpMibObject): 'hex' says something else than 'oid', 'type' and 'value': remove 'hex'"
        );
    }

    proptest! {
        #[test]
        fn device_files_come_back(octets in any_file_octets()) {
            there_and_back(&octets, FileKind::Device);
        }

        #[test]
        fn modem_files_come_back(octets in crate::wire::tlv::tests::any_modem_octets()) {
            prop_assert!(there_and_back(&octets, FileKind::CableModem).is_some());
        }
    }
}
