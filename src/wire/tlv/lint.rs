//! What an operator should know of a file before a device or modem gets it, each with its place.

use std::collections::HashMap;
use std::fmt;

use super::check::{Finding, Requirements, Severity, check_device_file, objects, rows};
use super::dictionary::{Definition, Form};
use super::error::TlvPath;
use super::file::{DeviceFile, Element};
use super::mic::{CM_MIC, CMTS_MIC, CmtsVerdict, MicError, verify};
use super::secret::SharedSecrets;
use super::tree::{Body, ConfigFile, END_OF_DATA, Place, Tlv};
use crate::mib::Names;
use crate::wire::snmp::varbind::VarBind;

/// The size that every modem takes, in octets (fact sheet provisioning §8, CERTAIN).
const MODEM_TAKES: usize = 8192;
/// The longest value that MULPI allows in a TLV, in octets (Annex D.1.1).
const LONGEST_VALUE: usize = 254;
/// TLVs that a modem's file holds at most once.
const ONCE: [u8; 23] = [
    1, 2, 3, 6, 7, 9, 18, 19, 20, 21, 28, 29, 35, 37, 39, 40, 41, 55, 58, 59, 63, 68, 76,
];

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
struct Linter<'a> {
    found: Vec<Lint>,
    /// The place of each TLV of the file itself.
    places: Vec<(Place, &'a Tlv)>,
}

impl<'a> Linter<'a> {
    fn new(file: &'a ConfigFile) -> Self {
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

    fn whole(&mut self, severity: Severity, message: impl Into<String>) {
        self.found.push(Lint {
            severity,
            offset: None,
            path: None,
            message: message.into(),
        });
    }

    fn at(&mut self, place: Place, severity: Severity, message: impl Into<String>) {
        self.found.push(Lint {
            severity,
            offset: Some(place.offset),
            path: Some(place.path),
            message: message.into(),
        });
    }

    /// A finding about the TLV at `at` of the file, or about the whole of it.
    fn element(&mut self, at: Option<usize>, severity: Severity, message: String) {
        match at.and_then(|at| self.places.get(at)) {
            Some(&(place, _)) => self.at(place, severity, message),
            None => self.whole(severity, message),
        }
    }

    /// In the order of the file; what concerns the whole of it first.
    fn finish(mut self) -> Vec<Lint> {
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
            for finding in check_device_file(&device, requirements, names) {
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
        _ => None,
    }
}

/// Values that are none of their TLV, or out of their limits, and TLVs that the dictionary does not have.
fn values(file: &ConfigFile, linter: &mut Linter<'_>) {
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

/// What is to be known of a cable modem's file. The CMTS MIC is checked where there are secrets.
pub fn lint_modem(octets: &[u8], file: &ConfigFile, secrets: &SharedSecrets, names: &Names) -> Vec<Lint> {
    let mut linter = Linter::new(file);
    values(file, &mut linter);
    mandatory(file, &mut linter);
    unknown(&mut linter);
    once(&mut linter);
    references(&mut linter);
    extended(&mut linter);
    end(octets, file, &mut linter);
    mics(octets, secrets, &mut linter);
    snmp(names, &mut linter);
    encapsulated(file, &mut linter);
    linter.finish()
}

fn mandatory(file: &ConfigFile, linter: &mut Linter<'_>) {
    for kind in [3, CM_MIC, CMTS_MIC] {
        if file.get(kind).is_none() {
            let definition = Definition::find(Definition::of_file(file.kind), kind);
            let title = definition.map_or("", |definition| definition.title);
            linter.whole(Severity::Error, format!("TLV {kind}, {title}, is missing"));
        }
    }
    let flows = [24, 25].map(|kind| file.get(kind).is_some());
    match (file.get(4).is_some(), flows) {
        (false, [true, true]) | (true, [false, false]) => {}
        (false, _) => linter.whole(
            Severity::Error,
            "a service flow is missing: a file has at least one TLV 24 and one TLV 25, or a TLV 4 for DOCSIS 1.0",
        ),
        (true, _) => linter.whole(
            Severity::Error,
            "TLV 4, a class of service of DOCSIS 1.0, stands beside service flows (TLVs 24 and 25)",
        ),
    }
    if file.get(END_OF_DATA).is_none() {
        linter.whole(Severity::Error, "the file does not end with FF");
    }
}

fn unknown(linter: &mut Linter<'_>) {
    let unknown: Vec<Place> = linter
        .places
        .iter()
        .filter(|(place, tlv)| place.definition.is_none() && tlv.body != Body::Mark)
        .map(|(place, _)| *place)
        .collect();
    for place in unknown {
        linter.at(place, Severity::Warning, "no TLV of a cable modem's file has this type");
    }
}

fn once(linter: &mut Linter<'_>) {
    let mut seen = [false; 256];
    for (place, tlv) in linter.places.clone() {
        let seen = &mut seen[usize::from(tlv.kind)];
        if *seen && ONCE.contains(&tlv.kind) {
            linter.at(
                place,
                Severity::Error,
                format!("{} stands in the file more than once", place.name()),
            );
        }
        *seen = true;
    }
}

/// The number that a setting of one or two octets says.
fn number(tlv: &Tlv, kind: u8) -> Option<u64> {
    let octets = tlv.child(kind)?.as_octets()?;
    Some(
        octets
            .iter()
            .take(8)
            .fold(0, |number, octet| number << 8 | u64::from(*octet)),
    )
}

/// References of service flows are unique, and classifiers refer to flows that are there.
fn references(linter: &mut Linter<'_>) {
    let mut flows: HashMap<u64, u8> = HashMap::new();
    let mut classifiers: HashMap<u64, u8> = HashMap::new();
    for (place, tlv) in linter.places.clone() {
        let known = match tlv.kind {
            24 | 25 | 70 | 71 => &mut flows,
            22 | 23 => &mut classifiers,
            _ => continue,
        };
        match number(tlv, 1) {
            Some(reference) => {
                if let Some(other) = known.insert(reference, tlv.kind) {
                    let message = format!("{}: reference {reference} is that of another TLV {other}", place.name());
                    linter.at(place, Severity::Error, message);
                }
            }
            None => linter.at(
                place,
                Severity::Error,
                format!("{} has no reference, setting 1", place.name()),
            ),
        }
    }
    for (place, tlv) in linter.places.clone() {
        let reference = match tlv.kind {
            22 | 23 | 26 => number(tlv, 3),
            _ => continue,
        };
        if let Some(reference) = reference.filter(|reference| !flows.contains_key(reference)) {
            let message = format!(
                "{} is for service flow {reference}, and the file has none",
                place.name()
            );
            linter.at(place, Severity::Error, message);
        }
    }
}

/// TLV 43.6 shares its TLV 43 with the OUI alone (MULPI 3.1 C.1.1.18.1.6).
fn extended(linter: &mut Linter<'_>) {
    for (place, tlv) in linter.places.clone() {
        let shares = tlv.children().iter().any(|tlv| !matches!(tlv.kind, 6 | 8));
        if tlv.kind == 43 && tlv.child(6).is_some() && shares {
            linter.at(
                place,
                Severity::Error,
                "43.6, the extended CMTS MIC, shares its TLV 43 with other settings than 43.8",
            );
        }
    }
}

fn end(octets: &[u8], file: &ConfigFile, linter: &mut Linter<'_>) {
    if octets.len() > MODEM_TAKES {
        let message = format!(
            "the file has {} octets; a modem need not take more than {MODEM_TAKES}",
            octets.len()
        );
        linter.whole(Severity::Warning, message);
    }
    if file.trailing.iter().any(|&octet| octet != 0) {
        linter.whole(Severity::Error, "octets other than zero follow FF");
    } else if !octets.len().is_multiple_of(4) && file.get(END_OF_DATA).is_some() {
        linter.whole(Severity::Warning, "the file's length is no multiple of four octets");
    }
    let settings = linter.places.iter().filter(|(_, tlv)| tlv.body != Body::Mark);
    let kinds: Vec<(Place, u8)> = settings.map(|(place, tlv)| (*place, tlv.kind)).collect();
    let Some(at) = kinds.iter().position(|(_, kind)| matches!(*kind, CM_MIC | CMTS_MIC)) else {
        return;
    };
    if let Some((place, _)) = kinds
        .iter()
        .skip(at)
        .find(|(_, kind)| !matches!(*kind, CM_MIC | CMTS_MIC))
    {
        linter.at(
            *place,
            Severity::Error,
            "a setting follows the MICs, which do not cover it",
        );
    }
}

fn mics(octets: &[u8], secrets: &SharedSecrets, linter: &mut Linter<'_>) {
    let report = match verify(octets, secrets) {
        Ok(report) => report,
        Err(MicError::Decode(_) | MicError::DeviceFile) => return,
        Err(error) => return linter.whole(Severity::Error, error.to_string()),
    };
    let position = |kind: u8| linter.places.iter().position(|(_, tlv)| tlv.kind == kind);
    let (cm, cmts, extension) = (position(CM_MIC), position(CMTS_MIC), position(43));
    if report.cm == Some(false) {
        linter.element(cm, Severity::Error, "the CM MIC is not that of the file".to_owned());
    }
    if report.cmts == Some(CmtsVerdict::Mismatch) {
        let message = "the CMTS MIC is that of none of the secrets given";
        linter.element(cmts, Severity::Error, message.to_owned());
    }
    match report.extended {
        Some(CmtsVerdict::Mismatch) => {
            let message = "the extended CMTS MIC is that of none of the secrets given";
            linter.element(extension, Severity::Error, message.to_owned());
        }
        Some(CmtsVerdict::Unknown(error)) => linter.element(extension, Severity::Warning, error.to_string()),
        _ => {}
    }
}

fn snmp(names: &Names, linter: &mut Linter<'_>) {
    let varbinds: Vec<(usize, &VarBind)> = linter
        .places
        .iter()
        .enumerate()
        .filter_map(|(at, (_, tlv))| Some((at, &**tlv.as_varbind()?)))
        .collect();
    let all: Vec<&VarBind> = varbinds.iter().map(|(_, varbind)| *varbind).collect();
    let mut findings = Vec::new();
    objects(&all, None, names, &mut findings);
    rows(&all, names, &mut findings);
    for finding in findings {
        let (object, nth) = match &finding {
            Finding::Duplicate(object) => (object, 1),
            Finding::RowWithoutStatus(object, _)
            | Finding::UnknownObject(object)
            | Finding::NotWritable(object)
            | Finding::Value { object, .. } => (object, 0),
            // A modem supports every way to make a row.
            _ => continue,
        };
        let mut same = varbinds
            .iter()
            .filter(|(_, varbind)| names.display(&varbind.name) == *object);
        let at = same.nth(nth).map(|(at, _)| *at);
        linter.element(at, Severity::Warning, finding.to_string());
    }
}

/// The file of an eSAFE device within.
fn encapsulated(file: &ConfigFile, linter: &mut Linter<'_>) {
    for kind in [216, 220] {
        let Some(octets) = file.joined(kind) else { continue };
        if let Err(error) = ConfigFile::decode(&octets) {
            let at = linter.places.iter().position(|(_, tlv)| tlv.kind == kind);
            let message = format!("the file within TLVs {kind} cannot be read: {error}");
            linter.element(at, Severity::Error, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CmtsMicList, FileFlow, FileKind, SharedSecret};
    use super::*;
    use crate::mib::MibDialect;
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
