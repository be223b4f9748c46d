//! Devices in files: CSV with a header, or JSON lines.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::{CliError, csv, output, pki};
use crate::model::{Delivery, Device};
use crate::store::{SqliteStore, Store};
use crate::value::{MacAddress, Timestamp};

/// How many devices are read at once.
const PAGE: usize = 1_000;
/// The columns of CSV; a variable's column is `var.<name>`.
const COLUMNS: [&str; 10] = [
    "mac",
    "fqdn",
    "flow",
    "mib",
    "addresses",
    "template",
    "overrides",
    "delivery",
    "public_key_sha1",
    "created",
];
/// What `device show --json` adds to a record, and import passes over.
const SHOWN: [&str; 2] = ["config_url", "attempt"];

/// Every device, in pages.
pub(super) async fn all(
    store: &SqliteStore,
    mut each: impl FnMut(Device) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = store.devices(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.mac);
        page.into_iter().try_for_each(&mut each)?;
    }
}

/// Writes every device to a file, or to standard output for `-`; returns how many.
pub(super) async fn export(store: &SqliteStore, file: &Path, as_json: bool) -> Result<usize, CliError> {
    let by_name = file
        .extension()
        .is_some_and(|extension| extension == "jsonl" || extension == "json");
    let mut devices = Vec::new();
    all(store, |device| {
        devices.push(device);
        Ok(())
    })
    .await?;
    let text = if by_name || (as_json && file == Path::new("-")) {
        json_lines(&devices)?
    } else {
        to_csv(&devices)
    };
    if file == Path::new("-") {
        output::print(&text)?;
    } else {
        // The variables hold the lines' credentials.
        pki::write(file, text.as_bytes(), 0o600)?;
    }
    Ok(devices.len())
}

fn json_lines(devices: &[Device]) -> Result<String, CliError> {
    let line = |device| serde_json::to_string(device).map(|line| line + "\n");
    let lines = devices.iter().map(line).collect::<Result<String, _>>();
    lines.map_err(|error| CliError::Failed(format!("JSON: {error}")))
}

fn to_csv(devices: &[Device]) -> String {
    let names: BTreeSet<&String> = devices.iter().flat_map(|device| device.vars.keys()).collect();
    let header = COLUMNS
        .iter()
        .map(ToString::to_string)
        .chain(names.iter().map(|name| format!("var.{name}")));
    let mut text = line(header);
    for device in devices {
        let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
        let fixed = [
            device.mac.to_string(),
            device.fqdn.to_string(),
            device.flow.to_string(),
            device.mib.to_string(),
            addresses.join(" "),
            device.template.clone().unwrap_or_default(),
            if device.overrides.is_empty() {
                String::new()
            } else {
                json!(device.overrides).to_string()
            },
            device.delivery.to_string(),
            device.public_key_sha1.clone().unwrap_or_default(),
            device.created.0.to_string(),
        ];
        let vars = names
            .iter()
            .map(|name| device.vars.get(*name).cloned().unwrap_or_default());
        text.push_str(&line(fixed.into_iter().chain(vars)));
    }
    text
}

fn line(fields: impl Iterator<Item = String>) -> String {
    fields.map(|field| csv::quoted(&field)).collect::<Vec<_>>().join(",") + "\n"
}

/// A file's devices and its bad rows, each with its line.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) devices: Vec<Device>,
    pub(super) bad: Vec<(usize, String)>,
}

/// Reads CSV or JSON lines, told by the first character.
pub(super) fn read(text: &str, delivery: Delivery, now: Timestamp) -> Read {
    let records = if text
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .starts_with('{')
    {
        from_json_lines(text)
    } else {
        from_csv(text)
    };
    let mut read = Read::default();
    let mut lines: HashMap<MacAddress, usize> = HashMap::new();
    for (line, record) in records {
        match record.and_then(|record| device(record, delivery, now)) {
            Ok(device) => match lines.insert(device.mac, line) {
                None => read.devices.push(device),
                Some(first) => read
                    .bad
                    .push((line, format!("{} stands on line {first} already", device.mac))),
            },
            Err(reason) => read.bad.push((line, reason)),
        }
    }
    read
}

type Records = Vec<(usize, Result<Map<String, Value>, String>)>;

fn from_json_lines(text: &str) -> Records {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |line: &str| serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"));
    lines
        .map(|(at, line)| (at + 1, record(line.trim_start_matches('\u{feff}'))))
        .collect()
}

fn from_csv(text: &str) -> Records {
    let mut rows = csv::rows(text).into_iter();
    let header = match rows.next() {
        None => {
            return vec![(
                1,
                Err("the file is empty: expected a header such as mac,fqdn,flow".into()),
            )];
        }
        Some((line, Err(reason))) => return vec![(line, Err(reason.into()))],
        Some((line, Ok(header))) => match header.iter().find(|name| !is_column(name)) {
            Some(name) => {
                let columns = COLUMNS.join(", ");
                return vec![(
                    line,
                    Err(format!("unknown column '{name}': expected {columns} and var.NAME")),
                )];
            }
            None => header,
        },
    };
    rows.map(|(line, row)| {
        let record = row.map_err(str::to_owned).and_then(|fields| record(&header, fields));
        (line, record)
    })
    .collect()
}

fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name) || name.strip_prefix("var.").is_some_and(|name| !name.is_empty())
}

/// A row of CSV as the object that JSON lines have. Empty fields are absent.
fn record(header: &[String], fields: Vec<String>) -> Result<Map<String, Value>, String> {
    if fields.len() != header.len() {
        return Err(format!("{} fields where the header has {}", fields.len(), header.len()));
    }
    let mut record = Map::new();
    let mut vars = Map::new();
    for (name, field) in header.iter().zip(fields).filter(|(_, field)| !field.is_empty()) {
        if let Some(name) = name.strip_prefix("var.") {
            vars.insert(name.into(), field.into());
            continue;
        }
        let value = match name.as_str() {
            "addresses" => field.split([' ', ';']).filter(|text| !text.is_empty()).collect(),
            "overrides" => serde_json::from_str(&field)
                .map_err(|_| "overrides: expected a JSON object of attributes, each with a text or null".to_owned())?,
            "created" => json!(
                field
                    .parse::<i64>()
                    .map_err(|_| format!("created: '{field}' is not a number"))?
            ),
            _ => field.into(),
        };
        record.insert(name.clone(), value);
    }
    record.insert("vars".into(), vars.into());
    Ok(record)
}

/// A device from its record, with what the record leaves out.
fn device(mut record: Map<String, Value>, delivery: Delivery, now: Timestamp) -> Result<Device, String> {
    SHOWN.iter().for_each(|name| drop(record.remove(*name)));
    if let Some(name) = record
        .keys()
        .find(|name| !COLUMNS.contains(&name.as_str()) && *name != "vars")
    {
        return Err(format!("unknown field '{name}'"));
    }
    // Each word by itself, so that the reason names its field.
    for name in ["mac", "fqdn", "flow"] {
        if !record.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    let defaults: BTreeMap<&str, Value> = [
        ("mib", json!("ietf")),
        ("delivery", json!(delivery)),
        ("created", json!(now)),
    ]
    .into();
    for (name, value) in defaults {
        record.entry(name).or_insert(value);
    }
    serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn both_forms_read_back_what_was_written() {
        let text = "mac,fqdn,flow,mib,addresses,var.line 1,var.note\n\
                    001122aabb01,a.example.net,secure,,192.0.2.1 2001:db8::1,\"x,y\",\n\
                    00:11:22:aa:bb:02,b.example.net,basic,euro,,,\"said \"\"no\"\"\"\n";
        let read = read(text, Delivery::Http, NOW);
        assert!(read.bad.is_empty(), "{:?}", read.bad);
        assert_eq!(read.devices[0].addresses.len(), 2);
        assert_eq!(read.devices[0].vars["line 1"], "x,y");
        assert_eq!(
            (read.devices[1].delivery, read.devices[1].created),
            (Delivery::Http, NOW)
        );
        for text in [to_csv(&read.devices), json_lines(&read.devices).unwrap()] {
            assert_eq!(
                super::read(&text, Delivery::Tftp, Timestamp(0)).devices,
                read.devices,
                "{text}"
            );
        }
    }

    #[test]
    fn bad_rows_have_their_line_and_reason() {
        let text = "mac,fqdn,flow\nxx,a.net,secure\n\n001122aabb01,a.net,sure\n001122aabb01,a.net\n001122aabb01,,basic\n\
                    001122aabb01,a.net,basic\n00:11:22:aa:bb:01,b.net,basic\n";
        let read = read(text, Delivery::Tftp, NOW);
        let lines: Vec<usize> = read.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 5, 6, 8]);
        let reasons = [
            "'xx' is not a MAC",
            "sure",
            "2 fields",
            "fqdn is missing",
            "on line 7 already",
        ];
        for ((_, reason), expected) in read.bad.iter().zip(reasons) {
            assert!(reason.contains(expected), "{reason}");
        }
        assert_eq!(read.devices.len(), 1);
        assert!(
            super::read("mac,name\n", Delivery::Tftp, NOW).bad[0]
                .1
                .contains("unknown column 'name'")
        );
        assert_eq!(super::read("", Delivery::Tftp, NOW).bad.len(), 1);
        let lines = super::read("{\"mac\": 5}\n{\"mac\"\n{\"colour\": 1}\n", Delivery::Tftp, NOW);
        assert_eq!(lines.bad.len(), 3);
    }
}
