//! What a strict device finds wrong with a file: the simulated eUE refuses on it, an operator is told it.

use std::collections::{HashMap, HashSet};

use super::conform::conforms;
use super::finding::{FileFlow, Finding};
use super::realm::{CREATE_AND_GO, realm_rows};
use super::{DeviceFile, Element, LONGEST_SHORT_VARBIND, ReceiverSetting};
use crate::mib::{Access, Kind, MibDialect, Names, Object, dialect};
use crate::value::Oid;
use crate::wire::snmp::varbind::{Value, VarBind};

/// What the device expects of its file.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// The flow it goes through.
    pub flow: FileFlow,
    /// Its MIB.
    pub dialect: MibDialect,
    /// The realm it was given by DHCP; the file's must be the same, letter case aside.
    pub realm: Option<&'a str>,
    /// The organisation in the service provider's certificate that it saw; the file's must be the same.
    pub organisation: Option<&'a str>,
}

/// Everything that is wrong with `file` for a device with these requirements, whose MIB modules `names` knows.
pub fn check_device_file(file: &DeviceFile, requirements: Requirements<'_>, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    delimiters(file, &mut findings);
    mandatory(file, requirements, names, &mut findings);
    match requirements.flow {
        FileFlow::Secure => realm(file, requirements, &mut findings),
        FileFlow::Basic => basic_hash(file, requirements.dialect, &mut findings),
        FileFlow::Hybrid => {}
    }
    let varbinds: Vec<&VarBind> = file.varbinds().collect();
    objects(&varbinds, Some(requirements.flow), names, &mut findings);
    rows(&varbinds, names, &mut findings);
    other_elements(file, names, &mut findings);
    findings
}

fn delimiters(file: &DeviceFile, findings: &mut Vec<Finding>) {
    if file.elements.first() != Some(&Element::Start) {
        findings.push(Finding::NoStart);
    }
    if file.elements.last() != Some(&Element::End) {
        findings.push(Finding::NoEnd);
    }
    let again = file
        .elements
        .iter()
        .enumerate()
        .skip(1)
        .find(|(_, element)| **element == Element::Start);
    findings.extend(again.map(|(at, _)| Finding::SecondStart(at)));
    // What fills a cipher block: fewer octets than the longest block has.
    let fill = file.trailing.len() < 16 && file.trailing.iter().all(|&octet| octet == 0);
    if !fill {
        findings.push(Finding::Trailing(file.trailing.len()));
    }
}

fn mandatory(file: &DeviceFile, requirements: Requirements<'_>, names: &Names, findings: &mut Vec<Finding>) {
    let oids = requirements.dialect.oids();
    let enabled = dialect::oid(oids.enabled);
    if file.get(&enabled).is_none() {
        findings.push(Finding::Missing(names.display(&enabled)));
    }
    let hash = dialect::oid(oids.prov_config_hash);
    if requirements.flow != FileFlow::Basic && file.get(&hash).is_some() {
        findings.push(Finding::HashInFile(names.display(&hash)));
    }
}

fn realm(file: &DeviceFile, requirements: Requirements<'_>, findings: &mut Vec<Finding>) {
    let rows = realm_rows(file, requirements.dialect);
    if rows.is_empty() {
        findings.push(Finding::NoRealm);
        return;
    }
    let mut ours = None;
    for row in &rows {
        findings.extend(row.incomplete());
        if let (Some(realm), Some(organisation)) = (&row.realm, &row.organisation) {
            if realm.bytes().any(|octet| octet.is_ascii_lowercase()) {
                findings.push(Finding::RealmCase(realm.clone()));
            }
            let expected = requirements
                .realm
                .is_none_or(|expected| expected.eq_ignore_ascii_case(realm));
            ours = ours.or(expected.then_some(organisation));
        }
    }
    match (ours, requirements.realm, requirements.organisation) {
        (None, Some(realm), _) => findings.push(Finding::OtherRealm(realm.to_owned())),
        (Some(found), _, Some(expected)) if found != expected => findings.push(Finding::OtherOrganisation {
            expected: expected.to_owned(),
            found: found.clone(),
        }),
        _ => {}
    }
}

fn basic_hash(file: &DeviceFile, dialect: MibDialect, findings: &mut Vec<Finding>) {
    match file.verify_basic_flow_hash(dialect) {
        Err(error) => findings.push(error.into()),
        Ok(()) => {
            let hash = dialect.oids().prov_config_hash;
            let last = file.elements.iter().rev().nth(1).and_then(Element::as_varbind);
            if last.is_none_or(|varbind| varbind.name.arcs() != hash) {
                findings.push(Finding::HashNotLast);
            }
        }
    }
}

/// What is wrong with each object that is set; `flow` is that of a device's file.
pub(super) fn objects(varbinds: &[&VarBind], flow: Option<FileFlow>, names: &Names, findings: &mut Vec<Finding>) {
    let mut seen: HashSet<&Oid> = HashSet::new();
    for varbind in varbinds {
        if !seen.insert(&varbind.name) {
            findings.push(Finding::Duplicate(names.display(&varbind.name)));
        }
        findings.extend(object(varbind, names));
        findings.extend(flow.and_then(|flow| secret(varbind, flow, names)));
    }
}

fn object(varbind: &VarBind, names: &Names) -> Option<Finding> {
    let shown = || names.display(&varbind.name);
    let Some((object, [_, ..])) = names.lookup(&varbind.name) else {
        return Some(Finding::UnknownObject(shown()));
    };
    let (syntax, access) = match &object.kind {
        Kind::Scalar { syntax, access } | Kind::Column { syntax, access, .. } => (syntax, access),
        _ => return Some(Finding::UnknownObject(shown())),
    };
    if !Access::writable(*access) {
        return Some(Finding::NotWritable(shown()));
    }
    let mismatch = conforms(&varbind.value, syntax).err()?;
    Some(Finding::Value {
        object: shown(),
        mismatch,
    })
}

/// Credentials in a file that goes over the network in clear. Hybrid files are never encrypted either, but their
/// devices have no other way.
fn secret(varbind: &VarBind, flow: FileFlow, names: &Names) -> Option<Finding> {
    let (object, _) = names.lookup(&varbind.name)?;
    let convention = &*object.syntax()?.convention;
    let filled = varbind.value.as_octets().is_some_and(|octets| !octets.is_empty());
    let exposed = flow == FileFlow::Basic && convention == "PktcEUETCCreds" && filled;
    exposed.then(|| Finding::SecretInClear(names.display(&varbind.name), flow))
}

/// Each row that the file creates has its RowStatus, and that is createAndGo.
pub(super) fn rows(varbinds: &[&VarBind], names: &Names, findings: &mut Vec<Finding>) {
    let mut first_cells: Vec<(&Object, &VarBind)> = Vec::new();
    let mut known: HashSet<(&Oid, &[u32])> = HashSet::new();
    let mut statuses: HashMap<(&Oid, &[u32]), &VarBind> = HashMap::new();
    for &varbind in varbinds {
        let Some((column, index)) = names.lookup(&varbind.name) else {
            continue;
        };
        let Some(status) = names.row_status(column) else {
            continue;
        };
        if column.oid == status.oid {
            statuses.insert((&status.oid, index), varbind);
        } else if known.insert((&status.oid, index)) {
            first_cells.push((status, varbind));
        }
    }
    for (status, cell) in first_cells {
        let index = names.lookup(&cell.name).map(|(_, index)| index).unwrap_or_default();
        if !statuses.contains_key(&(&status.oid, index)) {
            findings.push(Finding::RowWithoutStatus(
                names.display(&cell.name),
                status.name.to_string(),
            ));
        }
    }
    let mut wrong: Vec<Finding> = statuses
        .values()
        .filter_map(|varbind| match varbind.value {
            Value::Integer(found) if found != CREATE_AND_GO => Some(Finding::RowStatus {
                object: names.display(&varbind.name),
                found,
            }),
            _ => None,
        })
        .collect();
    wrong.sort_by_key(Finding::to_string);
    findings.append(&mut wrong);
}

fn other_elements(file: &DeviceFile, names: &Names, findings: &mut Vec<Finding>) {
    for element in &file.elements {
        findings.extend(match element {
            Element::Unknown { kind, .. } => Some(Finding::UnknownTlv(*kind)),
            Element::VendorSpecific(vendor) if vendor.oui().is_none() => Some(Finding::NoOui),
            Element::NotificationReceiver(receiver) => {
                let address = |setting: &ReceiverSetting| {
                    matches!(setting, ReceiverSetting::Address(_) | ReceiverSetting::Address6(_))
                };
                (!receiver.settings.iter().any(address)).then_some(Finding::ReceiverWithoutAddress)
            }
            Element::LongVarBind(varbind) if varbind.octets().len() <= LONGEST_SHORT_VARBIND => {
                Some(Finding::LongWithoutNeed(names.display(&varbind.name)))
            }
            _ => None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::HashAlgorithm;
    use super::super::realm::realm_row;
    use super::super::tests::set;
    use super::*;

    fn enabled() -> Element {
        set("PKTC-IETF-MTA-MIB::pktcMtaDevEnabled", &[0], Value::Integer(1))
    }

    fn file(inner: impl IntoIterator<Item = Element>) -> DeviceFile {
        let delimited = [Element::Start].into_iter().chain(inner).chain([Element::End]);
        DeviceFile {
            elements: delimited.collect(),
            trailing: Vec::new(),
        }
    }

    fn requirements(flow: FileFlow) -> Requirements<'static> {
        Requirements {
            flow,
            dialect: MibDialect::Ietf,
            realm: Some("PKTC.EXAMPLE.NET"),
            organisation: Some("Example Operator"),
        }
    }

    fn findings(file: &DeviceFile, flow: FileFlow) -> Vec<String> {
        let findings = check_device_file(file, requirements(flow), Names::embedded());
        findings
            .iter()
            .map(|finding| format!("{:?}: {finding}", finding.severity()))
            .collect()
    }

    fn realm(organisation: &str) -> impl Iterator<Item = Element> {
        let realm = "PKTC.EXAMPLE.NET".parse().unwrap();
        realm_row(MibDialect::Ietf, &realm, organisation)
            .into_iter()
            .map(Element::varbind)
    }

    #[test]
    fn the_smallest_files_of_each_flow_pass() {
        assert_eq!(findings(&file([enabled()]), FileFlow::Hybrid), [""; 0]);
        let secure = file([enabled()].into_iter().chain(realm("Example Operator")));
        assert_eq!(findings(&secure, FileFlow::Secure), [""; 0]);
        let mut basic = file([enabled()]);
        basic
            .insert_basic_flow_hash(MibDialect::Ietf, HashAlgorithm::Sha1)
            .unwrap();
        assert_eq!(findings(&basic, FileFlow::Basic), [""; 0]);
        assert_eq!(
            findings(&basic, FileFlow::Hybrid),
            [
                "Warning: PKTC-IETF-MTA-MIB::pktcMtaDevProvConfigHash.0 stands in the file, and in this flow it comes by SNMP"
            ]
        );
    }

    #[test]
    fn delimiters_and_the_mandatory_object() {
        let bare = DeviceFile {
            elements: vec![],
            trailing: vec![1],
        };
        assert_eq!(
            findings(&bare, FileFlow::Hybrid),
            [
                "Error: the file does not start with FE 01 01",
                "Error: the file does not end with FE 01 FF",
                "Error: 1 octets follow FE 01 FF",
                "Error: PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 is missing",
            ]
        );
        let mut filled = file([enabled()]);
        filled.trailing = vec![0; 15];
        assert_eq!(findings(&filled, FileFlow::Hybrid), [""; 0]);
    }

    #[test]
    fn a_realm_needs_its_organisation_in_the_same_row() {
        let name = |row| {
            set(
                "PKTC-IETF-MTA-MIB::pktcMtaDevRealmName",
                &[row],
                Value::text("PKTC.EXAMPLE.NET"),
            )
        };
        let organisation = set(
            "PKTC-IETF-MTA-MIB::pktcMtaDevRealmOrgName",
            &[2],
            Value::text("Example Operator"),
        );
        let status = |row| set("PKTC-IETF-MTA-MIB::pktcMtaDevRealmStatus", &[row], Value::Integer(4));
        let apart = file([enabled(), name(1), organisation, status(1), status(2)]);
        assert_eq!(
            findings(&apart, FileFlow::Secure),
            [
                "Error: row 1 of the realm table has no organisation name",
                "Error: row 2 of the realm table has no realm name",
                "Error: no row of the realm table is for the realm PKTC.EXAMPLE.NET",
            ]
        );
        assert_eq!(
            findings(&file([enabled()]), FileFlow::Secure),
            ["Error: the realm table has no row: a secure-flow file names its realm and organisation"]
        );
        let other = file([enabled()].into_iter().chain(realm("Another Operator")));
        assert_eq!(
            findings(&other, FileFlow::Secure),
            [
                "Error: the organisation is 'Another Operator', and the service provider's certificate says 'Example Operator'"
            ]
        );
    }

    #[test]
    fn rows_are_created_by_create_and_go() {
        let domain = set("pktcEUEDevOpDomain", &[1], Value::text("."));
        let without = file([enabled(), domain.clone()]);
        assert_eq!(
            findings(&without, FileFlow::Hybrid),
            ["Error: CL-PKTC-EUE-DEV-MIB::pktcEUEDevOpDomain.1 is set, and its row has no pktcEUEDevOpRowStatus"]
        );
        let waiting = file([enabled(), domain, set("pktcEUEDevOpRowStatus", &[1], Value::Integer(5))]);
        assert_eq!(
            findings(&waiting, FileFlow::Hybrid),
            [
                "Error: CL-PKTC-EUE-DEV-MIB::pktcEUEDevOpRowStatus.1 is createAndWait(5); rows are created by createAndGo(4)"
            ]
        );
    }

    #[test]
    fn objects_are_set_once_known_writable_and_in_range() {
        let port = set("pktcEUEDevSipPort", &[0], Value::Unsigned32(70000));
        let version = set("pktcEUEDevProfileVersion", &[0], Value::text("1.0"));
        let unknown = Element::varbind(VarBind::new(
            "1.3.6.1.4.1.99999.1.0".parse().unwrap(),
            Value::Integer(1),
        ));
        assert_eq!(
            findings(&file([enabled(), enabled(), port, version, unknown]), FileFlow::Hybrid),
            [
                "Error: PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 is set more than once",
                "Warning: CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort.0: 70000 is none of 0 to 65535",
                "Warning: CL-PKTC-EUE-DEV-MIB::pktcEUEDevProfileVersion.0 cannot be set",
                "Warning: no MIB module defines 1.3.6.1.4.1.99999.1.0",
            ]
        );
    }

    #[test]
    fn other_tlvs_and_the_hash_of_another_dialect() {
        let long = match enabled() {
            Element::VarBind(varbind) => Element::LongVarBind(varbind),
            other => other,
        };
        let receiver = Element::NotificationReceiver(Default::default());
        let unknown = Element::Unknown {
            kind: 99,
            value: vec![],
        };
        let mut odd = file([long, receiver, unknown]);
        odd.insert_basic_flow_hash(MibDialect::Euro, HashAlgorithm::Sha1)
            .unwrap();
        assert_eq!(
            findings(&odd, FileFlow::Basic),
            [
                "Error: the file's hash is the object of the euro MIB; the device has the ietf MIB",
                "Warning: PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 stands in TLV 64 and has room in TLV 11",
                "Warning: TLV 38 has neither 38.1 nor 38.8, the receiver's address",
                "Warning: TLV 99 is no TLV of a device file",
            ]
        );
    }

    #[test]
    fn credentials_in_clear_are_found() {
        let credentials = set("pktcEUEUsrIMPICredentials", &[1], Value::text("secret"));
        let status = set("pktcEUEUsrIMPIRowStatus", &[1], Value::Integer(4));
        let mut basic = file([enabled(), credentials, status]);
        basic
            .insert_basic_flow_hash(MibDialect::Ietf, HashAlgorithm::Sha1)
            .unwrap();
        assert_eq!(
            findings(&basic, FileFlow::Basic),
            ["Warning: CL-PKTC-EUE-USER-MIB::pktcEUEUsrIMPICredentials.1 stands in clear in a file of the basic flow"]
        );
    }
}
