//! How two files differ in what they mean: by name, and without regard to an order that means nothing.

use std::collections::HashMap;

use crate::mib::{MibDialect, Names, dialect};
use crate::value::hex;
use crate::wire::snmp::varbind::Value;
use crate::wire::tlv::{Body, ConfigFile, Definition, Tlv, TlvPath, printable};

/// TLVs whose setting 1 names them among others of their type: classifiers, flows, profiles, communities, views.
const BY_REFERENCE: [u8; 14] = [4, 22, 23, 24, 25, 26, 53, 54, 60, 70, 71, 72, 73, 93];
/// TLVs of eSAFE devices that carry a whole file.
const CARRIES_FILE: [(u8, &str); 2] = [(216, "eMTA"), (220, "eDVA")];
/// The MICs of a cable modem's file.
const MICS: [u8; 2] = [6, 7];

/// A setting that two files do not have in common.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The setting by name, such as `UsServiceFlow[1].MaxRateSustained` or `SNMPv2-MIB::sysContact.0`.
    pub name: String,
    /// The types of its TLV.
    pub path: String,
    /// Its values in the first file, in their order; none where it is absent.
    pub old: Vec<String>,
    /// Its values in the second file.
    pub new: Vec<String>,
}

/// The settings that `old` and `new` do not have in common. Pads, the form of lengths, and TLV 11 or 64 make no
/// difference; MICs and the hash of the basic flow only where nothing else does, for then a secret is another.
pub fn diff(old: &ConfigFile, new: &ConfigFile, names: &Names) -> Vec<Difference> {
    let old = Settings::of(old, names);
    let new = Settings::of(new, names);
    let settings = compare(&old.settings, &new.settings);
    match settings.is_empty() {
        true => compare(&old.derived, &new.derived),
        false => settings,
    }
}

type Entries = Vec<(String, String, String)>;

/// What a file says: name, path and value of each setting; and what is computed from the rest of the file.
struct Settings<'a> {
    settings: Entries,
    derived: Entries,
    names: &'a Names,
}

impl<'a> Settings<'a> {
    fn of(file: &ConfigFile, names: &'a Names) -> Self {
        let mut all = Self {
            settings: Vec::new(),
            derived: Vec::new(),
            names,
        };
        all.settings
            .push(("kind of file".to_owned(), String::new(), file.kind.to_string()));
        all.file(file, "");
        all
    }

    fn file(&mut self, file: &ConfigFile, prefix: &str) {
        let table = Definition::of_file(file.kind);
        let joined = file.joined_kinds();
        let mut seen = Vec::new();
        for tlv in &file.tlvs {
            let definition = Definition::find(table, tlv.kind);
            let path = TlvPath::top(tlv.kind);
            if joined.contains(&tlv.kind) {
                if !seen.contains(&tlv.kind) {
                    seen.push(tlv.kind);
                    self.joined(file, tlv.kind, definition, prefix);
                }
            } else {
                self.tlv(tlv, definition, prefix, path);
            }
        }
    }

    fn joined(&mut self, file: &ConfigFile, kind: u8, definition: Option<&'static Definition>, prefix: &str) {
        let octets = file.joined(kind).unwrap_or_default();
        if let Some((_, name)) = CARRIES_FILE.into_iter().find(|(carrier, _)| *carrier == kind)
            && let Ok(inner) = ConfigFile::decode(&octets)
        {
            return self.file(&inner, &format!("{prefix}{name}."));
        }
        let name = definition.map_or_else(|| format!("TLV {kind}"), |definition| definition.name.to_owned());
        self.settings.push((
            format!("{prefix}{name}"),
            kind.to_string(),
            format!("0x{}", hex(&octets)),
        ));
    }

    fn tlv(&mut self, tlv: &Tlv, definition: Option<&'static Definition>, prefix: &str, path: TlvPath) {
        let name = definition.map_or_else(|| format!("TLV {}", tlv.kind), |definition| definition.name.to_owned());
        let name = format!("{prefix}{name}");
        match &tlv.body {
            Body::Mark => {}
            Body::VarBind(varbind) => {
                let entry = (
                    format!("{prefix}{}", self.names.display(&varbind.name)),
                    path.to_string(),
                    value(&varbind.value, &varbind.name, self.names),
                );
                let hash = MibDialect::ALL
                    .iter()
                    .any(|of| dialect::oid(of.oids().prov_config_hash) == varbind.name);
                match hash {
                    true => {
                        // That a hash is there, and of which MIB, is a setting; its value is not.
                        self.settings
                            .push((entry.0.clone(), entry.1.clone(), "a hash".to_owned()));
                        self.derived.push(entry);
                    }
                    false => self.settings.push(entry),
                }
            }
            Body::Tlvs(inner) => {
                let table = tlv.table(definition);
                let name = format!("{name}{}", identity(tlv, path));
                if inner.is_empty() {
                    self.settings.push((name.clone(), path.to_string(), "empty".to_owned()));
                }
                for inner in inner {
                    let definition = Definition::find(table, inner.kind);
                    self.tlv(inner, definition, &format!("{name}."), path.child(inner.kind));
                }
            }
            Body::Octets(octets) => {
                let shown = definition.and_then(|definition| {
                    let text = definition.show(octets)?;
                    Some(if definition.is_text() {
                        format!("\"{text}\"")
                    } else {
                        text
                    })
                });
                let value = shown.unwrap_or_else(|| format!("0x{}", hex(octets)));
                let derived = prefix.is_empty() && MICS.contains(&tlv.kind) && path.kinds().len() == 1;
                let to = if derived { &mut self.derived } else { &mut self.settings };
                to.push((name, path.to_string(), value));
            }
        }
    }
}

/// What tells a TLV from others of its type.
fn identity(tlv: &Tlv, path: TlvPath) -> String {
    let octets = match path.kinds() {
        [kind] if BY_REFERENCE.contains(kind) => tlv.child(1).and_then(Tlv::as_octets),
        [38] => tlv.child(1).or_else(|| tlv.child(8)).and_then(Tlv::as_octets),
        [.., 43] => tlv.child(8).and_then(Tlv::as_octets),
        _ => None,
    };
    let Some(octets) = octets else { return String::new() };
    let shown = match (path.kinds(), octets) {
        ([53 | 54], _) => printable(octets).map(str::to_owned),
        ([38], [a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
        ([38 | 43] | [.., 43], _) => Some(hex(octets)),
        _ if octets.len() <= 8 => {
            let number = octets
                .iter()
                .fold(0u64, |number, octet| number << 8 | u64::from(*octet));
            Some(number.to_string())
        }
        _ => None,
    };
    format!("[{}]", shown.unwrap_or_else(|| hex(octets)))
}

fn value(value: &Value, object: &crate::value::Oid, names: &Names) -> String {
    match value {
        Value::Integer(number) => {
            let syntax = names.syntax_of(object);
            let label = syntax.and_then(|syntax| syntax.label(i64::from(*number)));
            label.map_or_else(|| number.to_string(), |label| format!("{number} ({label})"))
        }
        Value::Unsigned32(number) => format!("{number} (unsigned)"),
        Value::Counter32(number) => format!("{number} (counter32)"),
        Value::TimeTicks(number) => format!("{number} (timeticks)"),
        Value::Counter64(number) => format!("{number} (counter64)"),
        Value::IpAddress(address) => address.to_string(),
        Value::Oid(oid) => names.display(oid),
        Value::OctetString(octets) => {
            let text = printable(octets);
            text.map_or_else(|| format!("0x{}", hex(octets)), |text| format!("{text:?}"))
        }
        Value::Opaque(octets) => format!("opaque 0x{}", hex(octets)),
        _ => "null".to_owned(),
    }
}

/// The names whose values differ, in the order of the first file and then of the second. Values under one name keep
/// their order: a row that is destroyed and made anew is another than one made and destroyed.
fn compare(old: &Entries, new: &Entries) -> Vec<Difference> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<Difference> = Vec::new();
    let sides = old.iter().map(|entry| (false, entry));
    for (is_new, (name, path, value)) in sides.chain(new.iter().map(|entry| (true, entry))) {
        let at = *places.entry(name).or_insert_with(|| {
            all.push(Difference {
                name: name.clone(),
                path: path.clone(),
                old: Vec::new(),
                new: Vec::new(),
            });
            all.len() - 1
        });
        if let Some(difference) = all.get_mut(at) {
            let side = if is_new {
                &mut difference.new
            } else {
                &mut difference.old
            };
            side.push(value.clone());
        }
    }
    all.retain(|difference| difference.old != difference.new);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::unhex;
    use crate::wire::tlv::tests::any_modem_octets;
    use crate::wire::tlv::{CmtsMicList, FileKind, SharedSecret};
    use proptest::prelude::*;

    fn differences(old: &str, new: &str) -> Vec<String> {
        let file = |text: &str| ConfigFile::decode(&unhex(text).unwrap()).unwrap();
        let found = diff(&file(old), &file(new), Names::embedded());
        found
            .iter()
            .map(|one| {
                format!(
                    "{} ({}): {} -> {}",
                    one.name,
                    one.path,
                    one.old.join(" "),
                    one.new.join(" ")
                )
            })
            .collect()
    }

    #[test]
    fn order_and_pads_make_no_difference() {
        let flow = |rate: &str| format!("180d01020001060107 0804{rate}").replace(' ', "");
        let one = format!("030101{}120101", flow("000f4240"));
        let other = "120101180d080400 0f4240010200010601 0703010100".replace(' ', "");
        assert_eq!(differences(&one, &other), [""; 0]);
        assert_eq!(
            differences(&one, &format!("030101{}", flow("001e8480"))),
            [
                "UsServiceFlow[1].MaxRateSustained (24.8): 1000000 -> 2000000",
                "MaxCPE (18): 1 -> ",
            ]
        );
    }

    #[test]
    fn mib_names_and_the_order_of_one_object() {
        let set = |value: &str| format!("0b0f300d06082b06010201010400 0401{value}").replace(' ', "");
        let file = |values: &[&str]| values.iter().map(|value| set(value)).collect::<String>();
        assert_eq!(differences(&file(&["41", "42"]), &file(&["41", "42"])), [""; 0]);
        assert_eq!(
            differences(&file(&["41", "42"]), &file(&["42", "41"])),
            ["SNMPv2-MIB::sysContact.0 (11): \"A\" \"B\" -> \"B\" \"A\""]
        );
    }

    #[test]
    fn a_mic_differs_where_a_secret_does() {
        let file = |settings: &str, secret: &[u8]| {
            let file = ConfigFile::decode_as(FileKind::CableModem, &unhex(settings).unwrap()).unwrap();
            let secret = SharedSecret::new(secret).unwrap();
            hex(&file.encode_sealed(&secret, CmtsMicList::Docsis).unwrap())
        };
        let one = file("030101", b"one");
        let found = differences(&one, &file("030101", b"two"));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("CmtsMic (7): 0x"), "{found:?}");
        assert_eq!(
            differences(&one, &file("030100", b"two")),
            ["NetworkAccess (3): 1 -> 0"]
        );
    }

    #[test]
    fn a_device_file_within_is_compared_by_its_settings() {
        let file = |enabled: &str| {
            format!("d81afe01010b123010060b2b06010201810c01010600 0201{enabled}fe01ff").replace(' ', "")
        };
        assert_eq!(
            differences(&file("01"), &file("02")),
            ["eMTA.PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 (11): 1 (true) -> 2 (false)"]
        );
    }

    proptest! {
        #[test]
        fn a_file_does_not_differ_from_itself(octets in any_modem_octets()) {
            let file = ConfigFile::decode_as(FileKind::CableModem, &octets).unwrap();
            prop_assert_eq!(diff(&file, &file, Names::embedded()), []);
        }
    }
}
