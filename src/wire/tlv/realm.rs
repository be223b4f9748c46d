//! The conceptual row of the realm table that a secure-flow file must hold: the realm and its organisation
//! (fact sheet provisioning §1.5 and §3.2, CERTAIN for the IETF and CableLabs MIBs).

use super::finding::Finding;
use super::{DeviceFile, Element};
use crate::mib::MibDialect;
use crate::value::{Oid, Realm};
use crate::wire::snmp::varbind::{Value, VarBind};

/// `createAndGo` of RowStatus (RFC 2579).
pub(super) const CREATE_AND_GO: i32 = 4;

/// The realm table of one dialect.
struct Table {
    /// The row object, whose children are the columns.
    entry: &'static [u32],
    /// The column of the realm's name; `None` where the name is the index.
    name: Option<u32>,
    organisation: u32,
    status: u32,
}

fn table(dialect: MibDialect) -> Table {
    match dialect {
        MibDialect::Ietf => Table {
            entry: &[1, 3, 6, 1, 2, 1, 140, 1, 3, 6, 1],
            name: Some(2),
            organisation: 5,
            status: 9,
        },
        MibDialect::CableLabs => Table {
            entry: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 3, 16, 1],
            name: None,
            organisation: 4,
            status: 9,
        },
        // The arcs of the security group are LIKELY: those of RFC 4682, whose draft this MIB follows.
        MibDialect::Euro => Table {
            entry: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 3, 6, 1],
            name: Some(2),
            organisation: 5,
            status: 9,
        },
    }
}

/// A row of the realm table as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmRow {
    /// The row's index, as arcs.
    pub index: Vec<u32>,
    /// The realm's name as the file spells it.
    pub realm: Option<String>,
    /// The organisation's name.
    pub organisation: Option<String>,
}

impl RealmRow {
    /// What it lacks: a device refuses a realm without its organisation, and the other way round.
    pub(super) fn incomplete(&self) -> Option<Finding> {
        let what = match (&self.realm, &self.organisation) {
            (None, _) => "realm name",
            (_, None) => "organisation name",
            (Some(_), Some(_)) => return None,
        };
        let index: Vec<String> = self.index.iter().map(u32::to_string).collect();
        let row = index.join(".");
        Some(Finding::RealmIncomplete { row, what })
    }
}

/// The variable bindings of a realm's row: name (where it is no index), organisation, createAndGo. Tables with a
/// number for an index get row 1.
pub fn realm_row(dialect: MibDialect, realm: &Realm, organisation: &str) -> Vec<VarBind> {
    let table = table(dialect);
    let index: Vec<u32> = match table.name {
        Some(_) => vec![1],
        None => realm.as_str().bytes().map(u32::from).collect(),
    };
    let cell = |column: u32, value| {
        let arcs: Vec<u32> = table.entry.iter().chain([&column]).chain(&index).copied().collect();
        // A realm that leaves no room among the 128 arcs has no row, and then the file's check says so.
        Oid::new(&arcs).ok().map(|oid| VarBind::new(oid, value))
    };
    [
        table.name.and_then(|column| cell(column, Value::text(realm.as_str()))),
        cell(table.organisation, Value::text(organisation)),
        cell(table.status, Value::Integer(CREATE_AND_GO)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rows of the realm table in a file, in the order in which they begin.
pub fn realm_rows(file: &DeviceFile, dialect: MibDialect) -> Vec<RealmRow> {
    let table = table(dialect);
    let mut rows: Vec<RealmRow> = Vec::new();
    for varbind in file.elements.iter().filter_map(Element::as_varbind) {
        let Some((&column, index)) = cell_of(&varbind.name, table.entry) else {
            continue;
        };
        let at = rows.iter().position(|row| row.index == index).unwrap_or_else(|| {
            rows.push(RealmRow {
                index: index.to_vec(),
                realm: table.name.is_none().then(|| text_of_arcs(index)),
                organisation: None,
            });
            rows.len() - 1
        });
        let text = varbind
            .value
            .as_octets()
            .map(|octets| String::from_utf8_lossy(octets).into_owned());
        let Some(row) = rows.get_mut(at) else { continue };
        if Some(column) == table.name {
            row.realm = text;
        } else if column == table.organisation {
            row.organisation = text;
        }
    }
    rows
}

fn cell_of<'a>(oid: &'a Oid, entry: &[u32]) -> Option<(&'a u32, &'a [u32])> {
    oid.arcs().strip_prefix(entry)?.split_first()
}

fn text_of_arcs(arcs: &[u32]) -> String {
    arcs.iter()
        .map(|&arc| char::from_u32(arc).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::Names;

    fn displayed(dialect: MibDialect) -> Vec<String> {
        let realm: Realm = "PKTC.NET".parse().unwrap();
        let row = realm_row(dialect, &realm, "Example Operator");
        row.iter()
            .map(|varbind| Names::embedded().display(&varbind.name))
            .collect()
    }

    #[test]
    fn ietf_and_euro_rows_have_a_number_and_cablelabs_rows_the_realm() {
        assert_eq!(
            displayed(MibDialect::Ietf),
            [
                "PKTC-IETF-MTA-MIB::pktcMtaDevRealmName.1",
                "PKTC-IETF-MTA-MIB::pktcMtaDevRealmOrgName.1",
                "PKTC-IETF-MTA-MIB::pktcMtaDevRealmStatus.1",
            ]
        );
        assert_eq!(
            displayed(MibDialect::Euro)[1],
            "PKTC-EXCENTIS-MTA-MIB::pktcMtaDevRealmOrgName.1"
        );
        assert_eq!(
            displayed(MibDialect::CableLabs),
            [
                "PKTC-MTA-MIB::pktcMtaDevRealmOrgName.80.75.84.67.46.78.69.84",
                "PKTC-MTA-MIB::pktcMtaDevRealmStatus.80.75.84.67.46.78.69.84",
            ]
        );
    }

    #[test]
    fn a_row_reads_back() {
        let realm: Realm = "PKTC.NET".parse().unwrap();
        for dialect in MibDialect::ALL {
            let varbinds = realm_row(dialect, &realm, "Example Operator");
            let file = DeviceFile {
                elements: varbinds.into_iter().map(Element::varbind).collect(),
                trailing: Vec::new(),
            };
            let rows = realm_rows(&file, dialect);
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].realm.as_deref(), Some("PKTC.NET"));
            assert_eq!(rows[0].organisation.as_deref(), Some("Example Operator"));
        }
    }
}
