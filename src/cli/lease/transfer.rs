//! Leases in files: CSV with a header, or JSON lines.

use std::path::Path;

use serde_json::Value;

use crate::cli::rows::{self, Columns, PAGE, Read};
use crate::cli::{CliError, csv};
use crate::model::Lease;
use crate::store::{SqliteStore, Store};
use crate::value::Timestamp;

/// The columns of CSV.
const COLUMNS: [&str; 8] = [
    "address", "mac", "cm_mac", "relay", "class", "obtained", "renewed", "expires",
];

/// Every lease, in pages.
pub(super) async fn all(store: &SqliteStore, each: impl FnMut(Lease) -> Result<(), CliError>) -> Result<(), CliError> {
    rows::pages(
        async |after| store.leases(after, PAGE).await,
        |lease| lease.address,
        each,
    )
    .await
}

/// Writes every lease to a file, or to standard output for `-`.
pub(super) async fn export(store: &SqliteStore, file: &Path, as_json: bool) -> Result<(), CliError> {
    let as_lines = rows::as_lines(file, as_json);
    let mut text = if as_lines {
        String::new()
    } else {
        COLUMNS.join(",") + "\n"
    };
    let mut count = 0;
    all(store, |lease| {
        count += 1;
        let record =
            serde_json::to_value(writable(lease)).map_err(|error| CliError::Failed(format!("JSON: {error}")))?;
        text.push_str(&if as_lines { record.to_string() } else { row(&record) });
        text.push('\n');
        Ok(())
    })
    .await?;
    rows::export(file, &text, count, "leases", as_json)
}

/// The lease as it can be read again: an end that no text can say is none, another instant the nearest one that it can.
fn writable(mut lease: Lease) -> Lease {
    lease.obtained = nearest(lease.obtained);
    lease.renewed = lease.renewed.map(nearest);
    lease.expires = lease.expires.filter(|expires| *expires <= Timestamp::LAST).map(nearest);
    lease
}

fn nearest(instant: Timestamp) -> Timestamp {
    instant.clamp(Timestamp::FIRST, Timestamp::LAST)
}

fn row(record: &Value) -> String {
    let field = |name: &&str| csv::quoted(record[*name].as_str().unwrap_or_default());
    COLUMNS.iter().map(field).collect::<Vec<_>>().join(",")
}

/// Adds or replaces the leases of a file: all of its good rows, or none where one is bad and `skip_bad` is not said.
pub(super) async fn import(store: &SqliteStore, file: &Path, skip_bad: bool, as_json: bool) -> Result<(), CliError> {
    let text = rows::text(file)?;
    let read = read(&text);
    let put = async |leases| Ok(store.put_leases(leases).await?);
    rows::import(file, read, "leases", (skip_bad, as_json), put).await
}

/// Reads CSV or JSON lines.
fn read(text: &str) -> Read<'_, Lease> {
    let columns = Columns {
        known: &|name| COLUMNS.contains(&name),
        expected: &COLUMNS.join(", "),
        example: "address,mac,obtained",
        secret: false,
    };
    let lease = |record| {
        let mut lease: Lease = serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())?;
        lease.address = lease.address.to_canonical();
        Ok(lease)
    };
    Read::new(rows::records(text, &columns, Ok), lease, |lease| lease.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_read_the_same_and_bad_rows_have_their_line() {
        let csv = "address,mac,class,obtained,expires\n192.0.2.7,001122334401,\"a,b\",2026-11-25T21:57:46Z,\n\
                   ::ffff:192.0.2.8,00:11:22:33:44:02,,2026-11-25 21:57:46,2026-11-26T00:00:00Z\n";
        let from_csv = read(csv);
        assert!(from_csv.bad.is_empty(), "{:?}", from_csv.bad);
        assert_eq!(from_csv.rows[0].1.class.as_deref(), Some("a,b"));
        assert_eq!(from_csv.rows[1].1.address.to_string(), "192.0.2.8");
        let lines: String = from_csv
            .rows
            .iter()
            .map(|(_, lease)| serde_json::to_string(lease).unwrap() + "\n")
            .collect();
        let leases = |read: Read<'_, Lease>| read.rows.into_iter().map(|(_, lease)| lease).collect::<Vec<_>>();
        assert_eq!(leases(read(&lines)), leases(from_csv));
        let bad = "address,mac,obtained\n192.0.2.7,x,2026-11-25T21:57:46Z\n192.0.2.8,001122334401\n\
                   192.0.2.9,001122334401,yesterday\n192.0.2.9,001122334401,\n\
                   192.0.2.9,001122334401,2026-11-25T21:57:46Z\n192.0.2.9,001122334401,2026-11-25T21:57:46Z\n";
        let read = read(bad);
        let lines: Vec<usize> = read.bad.iter().map(|bad| bad.line).collect();
        assert_eq!((lines, read.rows.len()), (vec![2, 3, 4, 5, 7], 1));
        assert!(
            super::read("address,colour\n").bad[0]
                .reason
                .contains("unknown column 'colour'")
        );
    }
}
