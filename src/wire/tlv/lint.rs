//! What an operator should know of a file before a device or modem gets it, each with its place.

use std::fmt;

use super::advice::{advise, object_of};
use super::check::{Requirements, check_device_file};
use super::dictionary::Form;
use super::error::TlvPath;
use super::file::{DeviceFile, Element};
use super::finding::{Finding, Severity};
use super::tree::{ConfigFile, Place, Tlv};
use crate::mib::{MibDialect, Names, dialect};

/// The longest value that MULPI allows in a TLV, in octets (Annex D.1.1).
const LONGEST_VALUE: usize = 254;
/// One thing to know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// How grave it is.
    pub severity: Severity,
    /// Octets from the start of the file to the TLV; `None` where it concerns the file as a whole.
    pub offset: Option<usize>,
    /// The TLV's types.
    pub path: Option<TlvPath>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(offset), Some(path)) = (self.offset, self.path) {
            write!(f, "offset {offset}, TLV {path}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// The findings of one file.
pub(super) struct Linter<'a> {
    pub found: Vec<Lint>,
    /// The place of each TLV of the file itself.
    pub places: Vec<(Place, &'a Tlv)>,
}

impl<'a> Linter<'a> {
    pub fn new(file: &'a ConfigFile) -> Self {
        let mut places = Vec::with_capacity(file.tlvs.len());
        file.walk(&mut |place, tlv| {
            if place.path.kinds().len() == 1 {
                places.push((place, tlv));
            }
        });
        Self {
            found: Vec::new(),
            places,
        }
    }

    pub fn whole(&mut self, severity: Severity, message: impl Into<String>) {
        self.found.push(Lint {
            severity,
            offset: None,
            path: None,
            message: message.into(),
        });
    }

    pub fn at(&mut self, place: Place, severity: Severity, message: impl Into<String>) {
        self.found.push(Lint {
            severity,
            offset: Some(place.offset),
            path: Some(place.path),
            message: message.into(),
        });
    }

    /// A finding about the TLV at `at` of the file, or about the whole of it.
    pub fn element(&mut self, at: Option<usize>, severity: Severity, message: String) {
        match at.and_then(|at| self.places.get(at)) {
            Some(&(place, _)) => self.at(place, severity, message),
            None => self.whole(severity, message),
        }
    }

    /// In the order of the file; what concerns the whole of it first.
    pub fn finish(mut self) -> Vec<Lint> {
        self.found.sort_by_key(|lint| lint.offset);
        self.found
    }
}

/// What is to be known of a device's file.
pub fn lint_device(file: &ConfigFile, requirements: Requirements<'_>, names: &Names) -> Vec<Lint> {
    let mut linter = Linter::new(file);
    values(file, &mut linter);
    let octets = file.encode().unwrap_or_default();
    match DeviceFile::decode(&octets) {
        Ok(device) => {
            let mut findings = check_device_file(&device, requirements, names);
            findings.extend(advise(&device, requirements, names));
            for finding in findings {
                let at = element_of(&finding, &device, names);
                linter.element(at, finding.severity(), finding.to_string());
            }
        }
        Err(error) => linter.found.push(Lint {
            severity: Severity::Error,
            offset: Some(error.offset),
            path: Some(error.path),
            message: format!("expected {}, found {}", error.expected, error.found),
        }),
    }
    linter.finish()
}

/// The element that a finding is about.
fn element_of(finding: &Finding, file: &DeviceFile, names: &Names) -> Option<usize> {
    let of_object = |shown: &str, nth: usize| {
        let all = file.elements.iter().enumerate();
        let mut same = all.filter(|(_, element)| {
            let varbind = element.as_varbind();
            varbind.is_some_and(|varbind| names.display(&varbind.name) == shown)
        });
        same.nth(nth).map(|(at, _)| at)
    };
    let position = |test: &dyn Fn(&Element) -> bool| file.elements.iter().position(test);
    match finding {
        Finding::SecondStart(at) => Some(*at),
        Finding::Duplicate(object) => of_object(object, 1).or_else(|| of_object(object, 0)),
        Finding::HashInFile(object)
        | Finding::RowWithoutStatus(object, _)
        | Finding::RowStatus { object, .. }
        | Finding::UnknownObject(object)
        | Finding::NotWritable(object)
        | Finding::Value { object, .. }
        | Finding::LongWithoutNeed(object)
        | Finding::SecretInClear(object, _) => of_object(object, 0),
        Finding::Hash(_) | Finding::HashNotLast => position(&|element| {
            let hash = |dialect: &MibDialect| dialect::oid(dialect.oids().prov_config_hash);
            let varbind = element.as_varbind();
            varbind.is_some_and(|varbind| MibDialect::ALL.iter().any(|dialect| hash(dialect) == varbind.name))
        }),
        Finding::RealmIncomplete { row, .. } => {
            position(&|element| is_of_realm(element, names, &|index, _| index == row))
        }
        Finding::RealmCase(found) | Finding::OtherOrganisation { found, .. } => {
            position(&|element| is_of_realm(element, names, &|_, text| text == found.as_bytes()))
        }
        Finding::UnknownTlv(kind) => {
            position(&|element| element.kind() == *kind && matches!(element, Element::Unknown { .. }))
        }
        Finding::NoOui => {
            position(&|element| matches!(element, Element::VendorSpecific(vendor) if vendor.oui().is_none()))
        }
        Finding::ReceiverWithoutAddress => position(&|element| {
            matches!(element, Element::NotificationReceiver(receiver)
                if !receiver.settings.iter().any(|setting| matches!(setting.kind(), 1 | 8)))
        }),
        other => object_of(other).and_then(|object| of_object(object, 0)),
    }
}

/// Whether an element is a cell of the realm table with this index and text.
fn is_of_realm(element: &Element, names: &Names, test: &dyn Fn(&str, &[u8]) -> bool) -> bool {
    let Some(varbind) = element.as_varbind() else {
        return false;
    };
    let Some((object, index)) = names.lookup(&varbind.name) else {
        return false;
    };
    let index: Vec<String> = index.iter().map(u32::to_string).collect();
    let text = varbind.value.as_octets().unwrap_or_default();
    object.name.starts_with("pktcMtaDevRealm") && test(&index.join("."), text)
}

/// Values that are none of their TLV, or out of their limits, and TLVs that the dictionary does not have.
pub(super) fn values(file: &ConfigFile, linter: &mut Linter<'_>) {
    let mut found = Vec::new();
    file.walk(&mut |place, tlv| {
        let Some(octets) = tlv.as_octets() else { return };
        if octets.len() > LONGEST_VALUE && place.path.kinds().len() == 1 {
            found.push((
                place,
                Severity::Warning,
                format!(
                    "{} has {} octets; {LONGEST_VALUE} are allowed",
                    place.name(),
                    octets.len()
                ),
            ));
        }
        let Some(definition) = place.definition else { return };
        if definition.show(octets).is_none() && definition.form != Form::Text {
            let message = format!(
                "{}: {} octets are no {}",
                definition.name,
                octets.len(),
                what(definition.form)
            );
            found.push((place, Severity::Error, message));
        } else if let Err(error) = definition.check(octets) {
            found.push((place, Severity::Warning, format!("{}: {error}", definition.name)));
        }
    });
    for (place, severity, message) in found {
        linter.at(place, severity, message);
    }
}

/// What a value of a form is, for a complaint.
fn what(form: Form) -> &'static str {
    match form {
        Form::Number(1) => "number of one octet",
        Form::Number(2) => "number of two octets",
        Form::Number(3) => "number of three octets",
        Form::Number(_) => "number of four octets",
        Form::TextZero => "text with a zero octet at its end",
        Form::Empty => "empty value",
        Form::Ipv4 => "IPv4 address",
        Form::Ipv6 => "IPv6 address",
        Form::Ip | Form::TaggedIp => "IP address",
        Form::IpPort => "IP address and port",
        Form::Ipv4List => "row of IPv4 addresses",
        Form::Ipv6List => "row of IPv6 addresses",
        Form::PrefixList => "row of IPv6 prefixes",
        Form::Mac => "MAC address",
        Form::MacMask => "MAC address and mask",
        Form::ShortList => "row of numbers of two octets",
        Form::TagPair => "pair of tags",
        Form::Oid => "object identifier in BER",
        Form::WriteControl => "object identifier in BER and an octet after it",
        Form::Digest => "digest of 16 octets",
        _ => "value of this TLV",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CmtsMicList, FileFlow, FileKind, SharedSecret, SharedSecrets, lint_modem};
    use super::*;
    use crate::value::unhex;

    fn modem(settings: &str) -> Vec<String> {
        let file = ConfigFile::decode_as(FileKind::CableModem, &unhex(settings).unwrap()).unwrap();
        let secret = SharedSecret::new(b"DOCSIS").unwrap();
        let octets = file.encode_sealed(&secret, CmtsMicList::Docsis).unwrap();
        let mut secrets = SharedSecrets::default();
        secrets.push("cmts", "key", secret);
        lint(&octets, &secrets)
    }

    fn lint(octets: &[u8], secrets: &SharedSecrets) -> Vec<String> {
        let file = ConfigFile::decode(octets).unwrap();
        let found = lint_modem(octets, &file, secrets, Names::embedded());
        found
            .iter()
            .map(|lint| format!("{:?}: {lint}", lint.severity))
            .collect()
    }

    const FLOWS: &str = "1807010200010601071907010200020601 07";

    fn flows() -> String {
        FLOWS.replace(' ', "")
    }

    #[test]
    fn a_small_modem_file_is_right() {
        assert_eq!(modem(&format!("030101{}", flows())), [""; 0]);
        assert_eq!(modem("03010104030101 01".replace(' ', "").as_str()), [""; 0]);
    }

    #[test]
    fn what_is_missing_or_there_twice() {
        assert_eq!(
            modem("120101120102"),
            [
                "Error: TLV 3, Network Access Control Object, is missing",
                "Error: a service flow is missing: a file has at least one TLV 24 and one TLV 25, or a TLV 4 for DOCSIS 1.0",
                "Error: offset 3, TLV 18: MaxCPE stands in the file more than once",
            ]
        );
        let unsealed = lint(
            &unhex(&format!("030101{}ff00", flows())).unwrap(),
            &SharedSecrets::default(),
        );
        assert_eq!(
            unsealed,
            [
                "Error: TLV 6, CM Message Integrity Check (MIC), is missing",
                "Error: TLV 7, CMTS Message Integrity Check (MIC), is missing",
                "Warning: the file's length is no multiple of four octets",
            ]
        );
    }

    #[test]
    fn values_references_and_unknown_tlvs() {
        let settings = format!("030102{}1201ff6b0100160701010103020009", flows());
        let found = modem(&settings);
        assert!(
            found.contains(&"Warning: offset 0, TLV 3: NetworkAccess: 2 is not within 0 to 1".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(&"Warning: offset 21, TLV 18: MaxCPE: 255 is not within 1 to 254".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(&"Warning: offset 24, TLV 107: no TLV of a cable modem's file has this type".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(
                &"Error: offset 27, TLV 22: UsPacketClass is for service flow 9, and the file has none".to_owned()
            ),
            "{found:?}"
        );
    }

    #[test]
    fn changed_files_have_other_mics() {
        let file = ConfigFile::decode_as(FileKind::CableModem, &unhex(&format!("030101{}", flows())).unwrap()).unwrap();
        let secret = SharedSecret::new(b"DOCSIS").unwrap();
        let mut octets = file.encode_sealed(&secret, CmtsMicList::Docsis).unwrap();
        octets[2] = 0;
        let mut secrets = SharedSecrets::default();
        secrets.push("cmts", "key", secret);
        assert_eq!(
            lint(&octets, &secrets),
            [
                "Error: offset 21, TLV 6: the CM MIC is not that of the file",
                "Error: offset 39, TLV 7: the CMTS MIC is that of none of the secrets given",
            ]
        );
    }

    #[test]
    fn findings_of_a_device_file_have_a_place() {
        let octets =
            unhex("fe01010b123010060b2b06010201810c010106000201010b123010060b2b06010201810c01010600020103630102fe01ff");
        let file = ConfigFile::decode(&octets.unwrap()).unwrap();
        let requirements = Requirements {
            flow: FileFlow::Hybrid,
            dialect: MibDialect::Ietf,
            realm: None,
            organisation: None,
        };
        let found = lint_device(&file, requirements, Names::embedded());
        let found: Vec<String> = found.iter().map(Lint::to_string).collect();
        assert_eq!(
            found,
            [
                "offset 3, TLV 11: PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0: 3 is none of true(1), false(2)",
                "offset 23, TLV 11: PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 is set more than once",
                "offset 43, TLV 99: TLV 99 is no TLV of a device file",
            ]
        );
    }
}
