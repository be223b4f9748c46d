//! Credentials in files: CSV with a header, or JSON lines. No error quotes a value: it might be a secret.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::rows::{self, Columns, Place, Read, Record, Records};
use crate::model::{CredentialRow, Credentials, CredentialsType, IdType, Impi, Impu};
use crate::store::{CredentialStore, SqliteStore, Store};
use crate::value::{MacAddress, Secret, Timestamp, hex, unhex};

/// The columns of CSV, and the fields of a JSON line that is one row.
const COLUMNS: [&str; 13] = [
    "mac",
    "table",
    "index",
    "id_type",
    "id",
    "impi",
    "credentials_type",
    "credentials",
    "encoding",
    "display",
    "operators",
    "active",
    "signalling_security",
];
/// One more column, which few need.
const ADDITIONAL: &str = "additional";

/// A row of a device.
type Row = (MacAddress, CredentialRow);

/// Adds or replaces the rows of a file: all of its good rows, or none where one is bad and `skip_bad` is not said.
pub(super) async fn import(store: &SqliteStore, file: &Path, skip_bad: bool, as_json: bool) -> Result<(), CliError> {
    let text = rows::text(file)?;
    let mut read = read(&text);
    let mut known = HashMap::new();
    let mut of_known = Vec::new();
    for (place, (mac, row)) in read.rows {
        let is_known = match known.get(&mac) {
            Some(is_known) => *is_known,
            None => {
                let found = store.device(mac).await?.is_some();
                known.insert(mac, found);
                found
            }
        };
        if is_known {
            of_known.push((place, (mac, row)));
        } else {
            let reason = format!("mac: {mac} is not a known device: add it first");
            read.bad.push(place.bad(reason));
        }
    }
    read.rows = of_known;
    read.bad.sort();
    let put = async |rows| Ok(store.put_credentials(rows, Timestamp::now()).await?);
    rows::import(file, read, "rows", (skip_bad, as_json), put).await
}

/// Reads CSV or JSON lines. A JSON line is one row, or a device with `impus` and `impis` as `credentials show` writes it.
fn read(text: &str) -> Read<'_, Row> {
    let columns = Columns {
        known: &is_column,
        expected: &format!("{}, {ADDITIONAL}", COLUMNS.join(", ")),
        example: &COLUMNS.join(","),
        secret: true,
    };
    let records = rows::records(text, &columns, Ok).into_iter();
    let records = records.flat_map(|(place, record)| match record {
        Ok(record) if record.contains_key("impus") || record.contains_key("impis") => rows_of_device(&place, record),
        other => vec![(place, other)],
    });
    let row = |record: Record| {
        let mac = field(&record, "mac").ok_or("mac: it is missing")?;
        let mac: MacAddress = mac.parse().map_err(|_| "mac: expected a MAC address")?;
        Ok((mac, row(&record)?))
    };
    Read::new(records.collect(), row, |(mac, row)| {
        format!("{} {} of {mac}", row.table(), row.index())
    })
}

fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name) || name == ADDITIONAL
}

/// The rows of a device's lists, each with the device's MAC address and the name of its table.
fn rows_of_device<'a>(place: &Place<'a>, mut device: Record) -> Records<'a> {
    let mut rows = Vec::new();
    for (list, table) in [("impus", "impu"), ("impis", "impi")] {
        let Some(entries) = device.remove(list).filter(|entries| !entries.is_null()) else {
            continue;
        };
        let Value::Array(entries) = entries else {
            let reason = format!("{list}: expected a list of objects");
            rows.push((place.clone(), Err(place.bad(reason))));
            continue;
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let Value::Object(mut row) = entry else {
                let reason = format!("{list}: entry {index} is no object");
                rows.push((place.clone(), Err(place.bad(reason))));
                continue;
            };
            row.insert("table".into(), table.into());
            row.insert("mac".into(), device.get("mac").cloned().unwrap_or_default());
            rows.push((place.entry(list, index), Ok(row)));
        }
    }
    rows
}

/// A field as text; `None` where it is absent or null.
fn field(record: &Record, name: &str) -> Option<String> {
    match record.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn row(record: &Record) -> Result<CredentialRow, String> {
    if record.keys().any(|name| !is_column(name)) {
        return Err(format!(
            "there is an unknown field: expected {}, {ADDITIONAL}",
            COLUMNS.join(", ")
        ));
    }
    let text = |name| field(record, name).unwrap_or_default();
    let index = match field(record, "index") {
        None => 1,
        Some(text) => text.parse().map_err(|_| "index: expected 1 to 63")?,
    };
    let flag = |name: &str| match field(record, name).as_deref() {
        None | Some("true" | "yes" | "1") => Ok(true),
        Some("false" | "no" | "0" | "2") => Ok(false),
        Some(_) => Err(format!("{name}: expected true or false")),
    };
    let id_type = |default| match field(record, "id_type") {
        None => Ok(default),
        Some(text) => text.parse().map_err(|error| format!("id_type: {error}")),
    };
    let row = match text("table").as_str() {
        "impu" => {
            if field(record, "credentials").is_some() {
                return Err("credentials: they stand with an IMPI, not with an IMPU".into());
            }
            CredentialRow::Impu(Impu {
                index,
                id_type: id_type(IdType::PublicIdentity)?,
                id: text("id"),
                impi: match field(record, "impi") {
                    None => 0,
                    Some(text) => text.parse().map_err(|_| "impi: expected 0 to 63")?,
                },
                display: text("display"),
                operators: text("operators"),
                active: flag("active")?,
                signalling_security: flag("signalling_security")?,
                additional: text(ADDITIONAL),
            })
        }
        "impi" => {
            let credentials = decode(&text("credentials"), &text("encoding"))?;
            let credentials_type = match field(record, "credentials_type") {
                Some(text) => text.parse().map_err(|error| format!("credentials_type: {error}"))?,
                None if credentials.is_empty() => CredentialsType::None,
                None => CredentialsType::Password,
            };
            CredentialRow::Impi(Impi {
                index,
                id_type: id_type(IdType::PrivateIdentity)?,
                id: text("id"),
                credentials_type,
                credentials,
            })
        }
        _ => return Err("table: expected impu or impi".into()),
    };
    row.check()?;
    Ok(row)
}

/// Credentials from their text: as they are, or as hexadecimal digits or base64.
pub(super) fn decode(text: &str, encoding: &str) -> Result<Secret, String> {
    match encoding {
        "" | "text" => Ok(Secret::new(text.as_bytes().to_vec())),
        "hex" => unhex(text)
            .map(Secret::new)
            .ok_or("credentials: they are no hexadecimal digits".into()),
        "base64" => openssl::base64::decode_block(text.trim())
            .map(Secret::new)
            .map_err(|_| "credentials: they are no base64".into()),
        _ => Err("encoding: expected text, hex or base64".into()),
    }
}

/// A device's credentials as JSON; secrets stand there only where `reveal` says so.
pub(super) fn to_json(mac: MacAddress, credentials: &Credentials, reveal: bool) -> Value {
    let impis = credentials.impis.iter().map(|row| {
        let mut shown = json!({
            "index": row.index,
            "id_type": row.id_type.mib_name(),
            "id": row.id,
            "credentials_type": row.credentials_type.mib_name(),
        });
        if reveal {
            let octets = row.credentials.expose();
            let (encoding, text) = match std::str::from_utf8(octets) {
                Ok(text) => ("text", text.to_owned()),
                Err(_) => ("hex", hex(octets)),
            };
            shown["encoding"] = encoding.into();
            shown["credentials"] = text.into();
        }
        shown
    });
    let impus = credentials.impus.iter().map(|row| {
        json!({
            "index": row.index,
            "id_type": row.id_type.mib_name(),
            "id": row.id,
            "impi": row.impi,
            "display": row.display,
            "operators": row.operators,
            "active": row.active,
            "signalling_security": row.signalling_security,
            "additional": row.additional,
        })
    });
    json!({"mac": mac, "impus": impus.collect::<Vec<_>>(), "impis": impis.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_lines_give_the_same_rows() {
        let csv = "mac,table,index,id,impi,credentials,encoding,display\n\
                   001122334401,impi,1,u@ims,,s3cret,,\n001122334401,impu,1,sip:u@ims,1,,,\"A, B\"\n\
                   001122334402,impi,2,v@ims,,00ff,hex,\n";
        let read_csv = read(csv);
        assert!(read_csv.bad.is_empty(), "{:?}", read_csv.bad);
        assert_eq!(read_csv.rows.len(), 3);
        let CredentialRow::Impi(second) = &read_csv.rows[2].1.1 else {
            panic!("an IMPI")
        };
        assert_eq!(second.credentials.expose(), [0, 255]);
        assert_eq!((second.credentials_type, second.index), (CredentialsType::Password, 2));
        let json = "{\"mac\":\"00:11:22:33:44:01\",\"impis\":[{\"id\":\"u@ims\",\"credentials\":\"s3cret\"}],\
                    \"impus\":[{\"id\":\"sip:u@ims\",\"impi\":1,\"display\":\"A, B\"}]}\n\
                    {\"mac\":\"00:11:22:33:44:02\",\"table\":\"impi\",\"index\":2,\"id\":\"v@ims\",\"credentials\":\"AP8=\",\"encoding\":\"base64\"}";
        let read_json = read(json);
        assert!(read_json.bad.is_empty(), "{:?}", read_json.bad);
        assert_eq!(read_json.rows.len(), 3);
    }

    #[test]
    fn what_show_reveals_reads_back() {
        let read_first = read("mac,table,id,credentials\n001122334401,impi,u@ims,s3cret\n");
        let (_, (mac, CredentialRow::Impi(impi))) = &read_first.rows[0] else {
            panic!("an IMPI")
        };
        let credentials = Credentials {
            impus: Vec::new(),
            impis: vec![impi.clone()],
        };
        let shown = to_json(*mac, &credentials, true).to_string();
        let again = read(&shown);
        assert!(again.bad.is_empty(), "{:?}", again.bad);
        assert!(!to_json(*mac, &credentials, false).to_string().contains("s3cret"));
    }

    #[test]
    fn bad_rows_have_their_line_and_no_error_quotes_a_secret() {
        let text = "mac,table,index,id,credentials_type,credentials,encoding\n\
                    xx,impi,1,u,,s3cret,\n001122334401,table,1,u,,s3cret,\n001122334401,impi,99,u,,s3cret,\n\
                    001122334401,impi,1,u,none,s3cret,\n001122334401,impi,1,u,,s3cret,hex\n\
                    001122334401,impi,1,u,,s3cret,rot13\n001122334401,impu,1,u,,s3cret,\n001122334401,impi,1,u\n\
                    001122334401,impi,1,u,,s3cret,\n00:11:22:33:44:01,impi,1,w,,s3cret,\n001122334401,impi,1,u,s3cret,x,\n\
                    s3cret,impi,1,u,,x,\n001122334401,s3cret,1,u,,x,\n001122334401,impi,s3cret,u,,x,\n\
                    001122334401,impi,2,u,,x,s3cret\n";
        let read_text = read(text);
        let lines: Vec<usize> = read_text.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16]);
        assert_eq!(read_text.rows.len(), 1);
        let columns: Vec<Option<usize>> = read_text.bad.iter().map(|bad| bad.column).collect();
        let expected = [1, 14, 19, 28, 24, 31, 24, 0, 0, 23, 1, 14, 19, 26];
        assert_eq!(
            columns,
            expected.map(|column| Some(column).filter(|&column| column > 0))
        );
        for bad in &read_text.bad {
            assert!(!bad.reason.contains("s3cret"), "{bad:?}");
        }
        let nested =
            "{\"mac\":\"001122334401\",\"impus\":[{\"id\":\"sip:u@ims\"},{\"id\":\"v\",\"index\":99}],\"impis\":[4]}";
        let reasons: Vec<String> = read(nested).bad.into_iter().map(|bad| bad.reason).collect();
        assert_eq!(
            reasons,
            ["impus[1].index: 99 is not 1 to 63", "impis: entry 0 is no object"]
        );
        for text in [
            "s3cret\n",
            "{\"mac\": s3cret}",
            "{\"s3cret\": 1}",
            "{\"mac\":1,\"impis\":\"s3cret\"}",
            "",
        ] {
            let bad = read(text).bad;
            assert!(!bad.is_empty() && !bad[0].reason.contains("s3cret"), "{bad:?}");
        }
    }
}
