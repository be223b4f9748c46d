//! Leases in files: CSV with a header, or JSON lines.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::{CliError, csv, output, pki};
use crate::model::Lease;
use crate::store::{SqliteStore, Store};

/// How many leases are read at once.
const PAGE: usize = 1_000;
/// The columns of CSV.
const COLUMNS: [&str; 8] = [
    "address", "mac", "cm_mac", "relay", "class", "obtained", "renewed", "expires",
];

/// Every lease, in pages.
pub(super) async fn all(
    store: &SqliteStore,
    mut each: impl FnMut(Lease) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = store.leases(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.address);
        page.into_iter().try_for_each(&mut each)?;
    }
}

/// Writes every lease to a file, or to standard output for `-`.
pub(super) async fn export(store: &SqliteStore, file: &Path, as_json: bool) -> Result<(), CliError> {
    let to_stdout = file == Path::new("-");
    let by_name = file
        .extension()
        .is_some_and(|extension| extension == "jsonl" || extension == "json");
    let as_lines = by_name || (as_json && to_stdout);
    let mut text = if as_lines {
        String::new()
    } else {
        COLUMNS.join(",") + "\n"
    };
    let mut count = 0;
    all(store, |lease| {
        count += 1;
        let record = serde_json::to_value(&lease).map_err(|error| CliError::Failed(format!("JSON: {error}")))?;
        text.push_str(&if as_lines { record.to_string() } else { row(&record) });
        text.push('\n');
        Ok(())
    })
    .await?;
    if to_stdout {
        return output::print(&text);
    }
    pki::write(file, text.as_bytes(), 0o600)?;
    if as_json {
        return output::print_json(&json!({"exported": count, "file": file}));
    }
    output::print(&format!("{count} leases exported to {}\n", file.display()))
}

fn row(record: &Value) -> String {
    let field = |name: &&str| csv::quoted(record[*name].as_str().unwrap_or_default());
    COLUMNS.iter().map(field).collect::<Vec<_>>().join(",")
}

/// Adds or replaces the leases of a file: all of its good rows, or none where one is bad and `skip_bad` is not said.
pub(super) async fn import(store: &SqliteStore, file: &Path, skip_bad: bool, as_json: bool) -> Result<(), CliError> {
    let text = match file == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let read = read(&text.map_err(|error| CliError::file(file, error))?);
    for (line, reason) in &read.bad {
        eprintln!("hardline: {}:{line}: {reason}", file.display());
    }
    let whole = read.bad.is_empty() || skip_bad;
    let stored = if whole { read.leases.len() } else { 0 };
    if stored > 0 {
        store.put_leases(read.leases).await?;
    }
    if as_json {
        let bad: Vec<_> = read
            .bad
            .iter()
            .map(|(line, reason)| json!({"line": line, "error": reason}))
            .collect();
        output::print_json(&json!({"stored": stored, "bad": bad}))?;
    } else {
        output::print(&format!("{stored} leases stored, {} bad rows\n", read.bad.len()))?;
    }
    if whole {
        return Ok(());
    }
    eprintln!(
        "hardline: nothing of {} is stored: correct the rows, or pass --skip-bad",
        file.display()
    );
    Err(CliError::Reported(1))
}

/// A file's leases and its bad rows, each with its line.
#[derive(Debug, Default)]
struct Read {
    leases: Vec<Lease>,
    bad: Vec<(usize, String)>,
}

type Records = Vec<(usize, Result<Value, String>)>;

/// Reads CSV or JSON lines, told by the first character.
fn read(text: &str) -> Read {
    let text = text.trim_start_matches('\u{feff}');
    let records = if text.trim_start().starts_with('{') {
        from_json_lines(text)
    } else {
        from_csv(text)
    };
    let mut read = Read::default();
    let mut lines: HashMap<IpAddr, usize> = HashMap::new();
    for (line, record) in records {
        let lease: Result<Lease, _> =
            record.and_then(|record| serde_json::from_value(record).map_err(|error| error.to_string()));
        match lease {
            Ok(mut lease) => {
                lease.address = lease.address.to_canonical();
                match lines.insert(lease.address, line) {
                    None => read.leases.push(lease),
                    Some(first) => read
                        .bad
                        .push((line, format!("{} stands on line {first} already", lease.address))),
                }
            }
            Err(reason) => read.bad.push((line, reason)),
        }
    }
    read
}

fn from_json_lines(text: &str) -> Records {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |line: &str| serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"));
    lines.map(|(at, line)| (at + 1, record(line))).collect()
}

fn from_csv(text: &str) -> Records {
    let mut rows = csv::rows(text).into_iter();
    let header = match rows.next() {
        None => {
            return vec![(
                1,
                Err("the file is empty: expected a header such as address,mac,obtained".into()),
            )];
        }
        Some((line, Err(reason))) => return vec![(line, Err(reason.into()))],
        Some((line, Ok(header))) => match header.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
            Some(name) => {
                let reason = format!("unknown column '{name}': expected {}", COLUMNS.join(", "));
                return vec![(line, Err(reason))];
            }
            None => header,
        },
    };
    rows.map(|(line, row)| {
        let record = row.map_err(str::to_owned).and_then(|fields| {
            if fields.len() != header.len() {
                return Err(format!("{} fields where the header has {}", fields.len(), header.len()));
            }
            let known = header.iter().zip(fields).filter(|(_, field)| !field.is_empty());
            Ok(Value::Object(
                known
                    .map(|(name, field)| (name.clone(), field.into()))
                    .collect::<Map<_, _>>(),
            ))
        });
        (line, record)
    })
    .collect()
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
        assert_eq!(from_csv.leases[0].class.as_deref(), Some("a,b"));
        assert_eq!(from_csv.leases[1].address.to_string(), "192.0.2.8");
        let lines: String = from_csv
            .leases
            .iter()
            .map(|lease| serde_json::to_string(lease).unwrap() + "\n")
            .collect();
        assert_eq!(read(&lines).leases, from_csv.leases);
        let bad = "address,mac,obtained\n192.0.2.7,x,2026-11-25T21:57:46Z\n192.0.2.8,001122334401\n\
                   192.0.2.9,001122334401,yesterday\n192.0.2.9,001122334401,\n\
                   192.0.2.9,001122334401,2026-11-25T21:57:46Z\n192.0.2.9,001122334401,2026-11-25T21:57:46Z\n";
        let read = read(bad);
        let lines: Vec<usize> = read.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!((lines, read.leases.len()), (vec![2, 3, 4, 5, 7], 1));
        assert!(
            super::read("address,colour\n").bad[0]
                .1
                .contains("unknown column 'colour'")
        );
    }
}
