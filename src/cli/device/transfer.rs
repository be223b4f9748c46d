//! Devices in files: CSV with a header, or JSON lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::rows::{self, Columns, PAGE, Read, Record};
use crate::cli::{CliError, csv};
use crate::model::{Delivery, Device};
use crate::store::{SqliteStore, Store};
use crate::value::Timestamp;

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
pub(super) async fn all(store: &SqliteStore, each: impl FnMut(Device) -> Result<(), CliError>) -> Result<(), CliError> {
    rows::pages(
        async |after| store.devices(after, PAGE).await,
        |device| device.mac,
        each,
    )
    .await
}

/// Writes every device to a file, or to standard output for `-`. The variables hold the lines' credentials.
pub(super) async fn export(store: &SqliteStore, file: &Path, as_json: bool) -> Result<(), CliError> {
    let mut devices = Vec::new();
    all(store, |device| {
        devices.push(device);
        Ok(())
    })
    .await?;
    let text = if rows::as_lines(file, as_json) {
        json_lines(&devices)?
    } else {
        to_csv(&devices)
    };
    rows::export(file, &text, devices.len(), "devices", as_json)
}

/// Adds or replaces the devices of a file: all of its good rows, or none where one is bad and `skip_bad` is not said.
/// Those that name no delivery have `delivery`.
pub(super) async fn import(
    store: &SqliteStore,
    file: &Path,
    delivery: Delivery,
    skip_bad: bool,
    as_json: bool,
) -> Result<(), CliError> {
    let text = rows::text(file)?;
    let read = read(&text, delivery, Timestamp::now());
    let put = async |devices| Ok(store.put_devices(devices).await?);
    rows::import(file, read, "devices", (skip_bad, as_json), put).await
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

/// Reads CSV or JSON lines.
fn read(text: &str, delivery: Delivery, now: Timestamp) -> Read<'_, Device> {
    let columns = Columns {
        known: &is_column,
        expected: &format!("{} and var.NAME", COLUMNS.join(", ")),
        example: "mac,fqdn,flow",
        secret: false,
    };
    let records = rows::records(text, &columns, typed);
    Read::new(records, |record| device(record, delivery, now), |device| device.mac)
}

fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name) || name.strip_prefix("var.").is_some_and(|name| !name.is_empty())
}

/// A row of CSV as the object that JSON lines have.
fn typed(fields: Record) -> Result<Record, String> {
    let mut record = Map::new();
    let mut vars = Map::new();
    for (name, value) in fields {
        if let Some(name) = name.strip_prefix("var.") {
            vars.insert(name.into(), value);
            continue;
        }
        let field = value.as_str().unwrap_or_default();
        let value = match name.as_str() {
            "addresses" => field.split([' ', ';']).filter(|text| !text.is_empty()).collect(),
            "overrides" => serde_json::from_str(field)
                .map_err(|_| "overrides: expected a JSON object of attributes, each with a text or null".to_owned())?,
            "created" => json!(
                field
                    .parse::<i64>()
                    .map_err(|_| format!("created: '{field}' is not a number"))?
            ),
            _ => value,
        };
        record.insert(name, value);
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
        assert_eq!(read.rows[0].1.addresses.len(), 2);
        assert_eq!(read.rows[0].1.vars["line 1"], "x,y");
        assert_eq!((read.rows[1].1.delivery, read.rows[1].1.created), (Delivery::Http, NOW));
        let all = |read: Read<'_, Device>| read.rows.into_iter().map(|(_, device)| device).collect::<Vec<_>>();
        let devices = all(read);
        for text in [to_csv(&devices), json_lines(&devices).unwrap()] {
            assert_eq!(all(super::read(&text, Delivery::Tftp, Timestamp(0))), devices, "{text}");
        }
    }

    #[test]
    fn bad_rows_have_their_line_and_reason() {
        let text = "mac,fqdn,flow\nxx,a.net,secure\n\n001122aabb01,a.net,sure\n001122aabb01,a.net\n001122aabb01,,basic\n\
                    001122aabb01,a.net,basic\n00:11:22:aa:bb:01,b.net,basic\n";
        let read = read(text, Delivery::Tftp, NOW);
        let lines: Vec<usize> = read.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 4, 5, 6, 8]);
        let reasons = [
            "'xx' is not a MAC",
            "sure",
            "2 fields",
            "fqdn is missing",
            "on line 7 already",
        ];
        for (bad, expected) in read.bad.iter().zip(reasons) {
            assert!(bad.reason.contains(expected), "{bad:?}");
        }
        assert_eq!(read.rows.len(), 1);
        assert!(
            super::read("mac,name\n", Delivery::Tftp, NOW).bad[0]
                .reason
                .contains("unknown column 'name'")
        );
        assert_eq!(super::read("", Delivery::Tftp, NOW).bad.len(), 1);
        let lines = super::read("{\"mac\": 5}\n{\"mac\"\n{\"colour\": 1}\n", Delivery::Tftp, NOW);
        assert_eq!(lines.bad.len(), 3);
    }
}
