//! What no device complains of and its operator should: objects of another device's MIB, users who cannot register.

use super::finding::{FileFlow, Finding};
use super::realm::realm_rows;
use super::{DeviceFile, Requirements};
use crate::mib::{MibDialect, Names, dialect};
use crate::wire::snmp::varbind::{Value, VarBind};

/// The tables without which the users of an eUE cannot register (fact sheet provisioning §1.5), and what the names of
/// their columns begin with.
const OF_USERS: [(&str, &str); 4] = [
    ("pktcEUEDevOpTable", "pktcEUEDevOp"),
    ("pktcEUEDevPCSCFTable", "pktcEUEDevPCSCF"),
    ("pktcEUEUsrIMPITable", "pktcEUEUsrIMPI"),
    ("pktcEUEUsrAppMapTable", "pktcEUEUsrAppMap"),
];

/// What an operator should know of a file that its device would take.
pub(super) fn advise(file: &DeviceFile, requirements: Requirements<'_>, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    other_dialects(file, requirements, names, &mut findings);
    if requirements.flow != FileFlow::Secure {
        for row in realm_rows(file, requirements.dialect) {
            findings.extend(row.incomplete());
        }
    }
    users(file, names, &mut findings);
    findings
}

/// Objects of the MIB of other devices: this one does not know them.
fn other_dialects(file: &DeviceFile, requirements: Requirements<'_>, names: &Names, findings: &mut Vec<Finding>) {
    for varbind in file.varbinds() {
        let found = MibDialect::ALL
            .into_iter()
            .filter(|dialect| *dialect != requirements.dialect)
            .find(|dialect| varbind.name.arcs().starts_with(dialect.root()));
        let Some(found) = found else { continue };
        // The hash of the basic flow has a finding of its own.
        let is_hash = varbind.name == dialect::oid(found.oids().prov_config_hash);
        if !(is_hash && requirements.flow == FileFlow::Basic) {
            findings.push(Finding::OtherDialect {
                object: names.display(&varbind.name),
                found,
                expected: requirements.dialect,
            });
        }
    }
}

/// Users (IMPUs) have an operator, a proxy, an identity to register with, and a feature.
fn users(file: &DeviceFile, names: &Names, findings: &mut Vec<Finding>) {
    let cells: Vec<(&VarBind, &str, &[u32])> = file
        .varbinds()
        .filter_map(|varbind| {
            let (object, index) = names.lookup(&varbind.name)?;
            object
                .name
                .starts_with("pktcEUE")
                .then_some((varbind, &*object.name, index))
        })
        .collect();
    let has = |prefix: &str, row: &dyn Fn(&[u32]) -> bool| {
        let mut cells = cells.iter();
        cells.any(|(_, name, index)| name.starts_with(prefix) && row(index))
    };
    if !has("pktcEUEUsrIMPU", &|_| true) {
        return;
    }
    for (table, prefix) in OF_USERS {
        if !has(prefix, &|_| true) {
            findings.push(Finding::UserWithout(table));
        }
    }
    for (varbind, name, index) in &cells {
        let (table, prefix, row) = match (*name, number(&varbind.value), index) {
            ("pktcEUEUsrIMPUIMPIIndexRef", Some(row), _) if row != 0 => ("pktcEUEUsrIMPITable", "pktcEUEUsrIMPI", row),
            ("pktcEUEDevPCSCFRowStatus", _, [operator, ..]) => ("pktcEUEDevOpTable", "pktcEUEDevOp", *operator),
            ("pktcEUEUsrAppMapRowStatus", _, [user, ..]) => ("pktcEUEUsrIMPUTable", "pktcEUEUsrIMPU", *user),
            _ => continue,
        };
        if has(prefix, &|_| true) && !has(prefix, &|index| index == [row]) {
            findings.push(Finding::NoSuchRow {
                object: names.display(&varbind.name),
                table,
                row,
            });
        }
    }
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Unsigned32(number) => Some(*number),
        Value::Integer(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}

/// The objects that a finding of this page is about.
pub(super) fn object_of(finding: &Finding) -> Option<&str> {
    match finding {
        Finding::OtherDialect { object, .. } | Finding::NoSuchRow { object, .. } => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Element;
    use super::super::tests::set;
    use super::*;

    fn advice(elements: Vec<Element>, flow: FileFlow) -> Vec<String> {
        let file = DeviceFile {
            elements,
            trailing: Vec::new(),
        };
        let requirements = Requirements {
            flow,
            dialect: MibDialect::Ietf,
            realm: None,
            organisation: None,
        };
        let found = advise(&file, requirements, Names::embedded());
        found.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn objects_of_another_mib_are_named() {
        let enabled = set("PKTC-EXCENTIS-MTA-MIB::pktcMtaDevEnabled", &[0], Value::Integer(1));
        assert_eq!(
            advice(vec![enabled], FileFlow::Hybrid),
            ["PKTC-EXCENTIS-MTA-MIB::pktcMtaDevEnabled.0 is of the euro MIB; the device has the ietf MIB"]
        );
    }

    #[test]
    fn users_without_what_they_register_with() {
        let user = || set("pktcEUEUsrIMPUIMPIIndexRef", &[1], Value::Unsigned32(2));
        assert_eq!(
            advice(vec![user()], FileFlow::Hybrid),
            [
                "there are users (pktcEUEUsrIMPUTable) and no row of pktcEUEDevOpTable",
                "there are users (pktcEUEUsrIMPUTable) and no row of pktcEUEDevPCSCFTable",
                "there are users (pktcEUEUsrIMPUTable) and no row of pktcEUEUsrIMPITable",
                "there are users (pktcEUEUsrIMPUTable) and no row of pktcEUEUsrAppMapTable",
            ]
        );
        let rows = vec![
            user(),
            set("pktcEUEDevOpRowStatus", &[1], Value::Integer(4)),
            set("pktcEUEDevPCSCFRowStatus", &[2, 1], Value::Integer(4)),
            set("pktcEUEUsrIMPIRowStatus", &[1], Value::Integer(4)),
            set("pktcEUEUsrAppMapRowStatus", &[1, 1], Value::Integer(4)),
        ];
        assert_eq!(
            advice(rows, FileFlow::Hybrid),
            [
                "CL-PKTC-EUE-USER-MIB::pktcEUEUsrIMPUIMPIIndexRef.1 is for row 2 of pktcEUEUsrIMPITable, and the file has none",
                "CL-PKTC-EUE-DEV-MIB::pktcEUEDevPCSCFRowStatus.2.1 is for row 2 of pktcEUEDevOpTable, and the file has none",
            ]
        );
    }

    #[test]
    fn a_realm_without_its_organisation_is_named_in_every_flow() {
        let name = set(
            "PKTC-IETF-MTA-MIB::pktcMtaDevRealmName",
            &[1],
            Value::text("PKTC.EXAMPLE.NET"),
        );
        assert_eq!(
            advice(vec![name], FileFlow::Hybrid),
            ["row 1 of the realm table has no organisation name"]
        );
    }
}
