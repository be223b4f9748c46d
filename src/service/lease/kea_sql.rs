//! The leases of ISC Kea in its own tables, in PostgreSQL or MySQL.
//!
//! Kea keeps the last exchange of a lease (`expire` less `valid_lifetime`), not when it was obtained. State 0 is an
//! assigned lease; the others are declined or reclaimed.

use super::cell::{Cell, Row};
use super::kea::{Extended, mac_of_duid};
use super::sql::{Queries, SqlSource};
use crate::settings::LeaseSource as Described;
use crate::value::unhex;

/// Kea's tables by the URL of `described`.
///
/// # Errors
/// What is wrong with the URL or the password file.
pub(super) fn source(described: &Described) -> Result<SqlSource, String> {
    let url = described.url.as_deref().unwrap_or_default();
    let queries = if url.starts_with("postgres") {
        postgres()
    } else {
        mysql()
    };
    SqlSource::with(described, queries, shape)
}

fn postgres() -> Queries {
    let v4 =
        "SELECT address::text AS address, encode(hwaddr, 'hex') AS mac, subnet_id, user_context, expire AS expires,
        expire - valid_lifetime * interval '1 second' AS obtained FROM lease4 WHERE state = 0 AND";
    // The address is text or inet, depending on the version of the schema.
    let v6 = "SELECT address::text AS address, encode(hwaddr, 'hex') AS mac, encode(duid, 'hex') AS duid, subnet_id,
        user_context, expire AS expires, expire - valid_lifetime * interval '1 second' AS obtained
        FROM lease6 WHERE state = 0 AND lease_type = 0 AND";
    Queries {
        v4: Some(format!("{v4} address = :address_number")),
        v6: Some(format!("{v6} address = :address")),
        mac: vec![
            format!("{v4} hwaddr = decode(:mac_digits, 'hex')"),
            format!("{v6} (hwaddr = decode(:mac_digits, 'hex') OR duid = decode('00030001' || :mac_digits, 'hex'))"),
        ],
    }
}

fn mysql() -> Queries {
    let v4 = "SELECT address, hex(hwaddr) AS mac, subnet_id, user_context, unix_timestamp(expire) AS expires,
        unix_timestamp(expire) - valid_lifetime AS obtained FROM lease4 WHERE state = 0 AND";
    // The address is text or 16 octets, depending on the version of the schema.
    let v6 = "SELECT address, hex(hwaddr) AS mac, hex(duid) AS duid, subnet_id, user_context,
        unix_timestamp(expire) AS expires, unix_timestamp(expire) - valid_lifetime AS obtained
        FROM lease6 WHERE state = 0 AND lease_type = 0 AND";
    Queries {
        v4: Some(format!("{v4} address = :address_number")),
        v6: Some(format!("{v6} address IN (:address, inet6_aton(:address))")),
        mac: vec![
            format!("{v4} hwaddr = unhex(:mac_digits)"),
            format!("{v6} (hwaddr = unhex(:mac_digits) OR duid = unhex(concat('00030001', :mac_digits)))"),
        ],
    }
}

/// Adds the columns that Kea holds in other forms.
fn shape(row: &mut Row, described: &Described) {
    let is_mac = |cell: &Cell| cell.text().len() == 12;
    if !row.get("mac").is_some_and(is_mac)
        && let Some(mac) = row
            .get("duid")
            .and_then(|duid| unhex(&duid.text()))
            .and_then(|duid| mac_of_duid(&duid))
    {
        row.insert("mac".into(), Cell::Text(mac.to_string()));
    }
    let context = row.get("user_context").map(Cell::text).unwrap_or_default();
    let extended = Extended::of(&serde_json::from_str(&context).unwrap_or_default());
    let subnet = row.get("subnet_id").map(Cell::text).unwrap_or_default();
    let class = described.classes.get(&subnet).cloned().or(extended.class);
    let known = [
        ("class", class),
        ("cm_mac", extended.cm_mac.map(|mac| mac.to_string())),
        ("relay", extended.relay.map(|relay| relay.to_string())),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            row.insert(name.into(), Cell::Text(value));
        }
    }
}
