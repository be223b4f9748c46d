//! What an operator should know of a cable modem's file.

use std::collections::HashMap;

use super::check::{objects, rows};
use super::dictionary::Definition;
use super::finding::{Finding, Severity};
use super::lint::{Lint, Linter, values};
use super::mic::{CM_MIC, CMTS_MIC, CmtsVerdict, MicError, verify};
use super::secret::SharedSecrets;
use super::tree::{Body, ConfigFile, END_OF_DATA, Place, Tlv};
use crate::mib::Names;
use crate::wire::snmp::varbind::VarBind;

/// The size that every modem takes, in octets (fact sheet provisioning §8, CERTAIN).
const MODEM_TAKES: usize = 8192;
/// TLVs that a modem's file holds at most once.
const ONCE: [u8; 23] = [
    1, 2, 3, 6, 7, 9, 18, 19, 20, 21, 28, 29, 35, 37, 39, 40, 41, 55, 58, 59, 63, 68, 76,
];

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
    let unknown: Vec<(Place, u8)> = linter
        .places
        .iter()
        .filter(|(place, tlv)| place.definition.is_none() && tlv.body != Body::Mark)
        .map(|(place, tlv)| (*place, tlv.kind))
        .collect();
    for (place, kind) in unknown {
        let message = match kind {
            254 => "no TLV of a cable modem's file has this type; the file of an eUE or eMTA begins with FE 01 01",
            _ => "no TLV of a cable modem's file has this type",
        };
        linter.at(place, Severity::Warning, message);
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
