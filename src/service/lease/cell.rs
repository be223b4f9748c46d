//! The columns of a lease, as databases of three kinds spell them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub(super) use super::super::database::Cell;
use super::source::{Key, SourceError};
use crate::model::Lease;
use crate::value::{MacAddress, Timestamp, unhex};

/// A row: the values that are not NULL, by the lower-case names of their columns.
pub(super) type Row = BTreeMap<String, Cell>;

/// The lease that a row describes. Its columns: `mac` and `obtained`; `address`, unless it was asked for; and where the
/// table knows them `cm_mac`, `relay`, `class`, `renewed`, `expires`.
pub(super) fn lease(row: &Row, key: Key) -> Result<Lease, SourceError> {
    let read = |name: &'static str| row.get(name);
    let missing = |name| SourceError::content(format!("column {name} is missing or NULL"));
    let address = match (read("address"), key) {
        (Some(cell), _) => cell.address("address")?,
        (None, Key::Address(address)) => address,
        (None, Key::Mac(_)) => return Err(missing("address")),
    };
    let mac = read("mac").ok_or_else(|| missing("mac"))?.mac("mac")?;
    let obtained = read("obtained").ok_or_else(|| missing("obtained"))?;
    let obtained = obtained.instant("obtained")?.ok_or_else(|| missing("obtained"))?;
    let instant = |name: &'static str| read(name).map_or(Ok(None), |cell| cell.instant(name));
    Ok(Lease {
        cm_mac: read("cm_mac").map(|cell| cell.mac("cm_mac")).transpose()?,
        relay: read("relay").map(|cell| cell.address("relay")).transpose()?,
        class: read("class").map(Cell::text),
        renewed: instant("renewed")?,
        expires: instant("expires")?,
        ..Lease::new(address, mac, obtained)
    })
}

impl Cell {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Octets(octets) => String::from_utf8_lossy(octets).into_owned(),
        }
    }

    fn wrong(&self, column: &str, expected: &str) -> SourceError {
        let shown: String = self.text().chars().filter(|c| !c.is_control()).take(60).collect();
        SourceError::content(format!("column {column}: '{shown}' is not {expected}"))
    }

    /// An address: text, the number of an IPv4 address (`inet_aton`), or 4 or 16 octets in network order.
    fn address(&self, column: &str) -> Result<IpAddr, SourceError> {
        let number = |number: i64| u32::try_from(number).ok().map(|number| Ipv4Addr::from(number).into());
        let address = match self {
            Self::Int(value) => number(*value),
            Self::Text(text) => {
                let text = text.trim();
                let bare = text.strip_suffix("/32").or(text.strip_suffix("/128")).unwrap_or(text);
                bare.parse().ok().or_else(|| bare.parse().ok().and_then(number))
            }
            Self::Octets(octets) => match octets.as_slice() {
                octets if octets.len() == 4 => <[u8; 4]>::try_from(octets)
                    .ok()
                    .map(|octets| Ipv4Addr::from(octets).into()),
                octets => <[u8; 16]>::try_from(octets)
                    .ok()
                    .map(|octets| Ipv6Addr::from(octets).into()),
            },
        };
        address
            .map(|address: IpAddr| address.to_canonical())
            .ok_or_else(|| self.wrong(column, "an address"))
    }

    /// A MAC address: text in any usual spelling, PostgreSQL's `\x…`, or 6 octets.
    fn mac(&self, column: &str) -> Result<MacAddress, SourceError> {
        let mac = match self {
            Self::Int(_) => None,
            Self::Octets(octets) => octets.as_slice().try_into().ok().map(MacAddress),
            Self::Text(text) => match text.strip_prefix("\\x") {
                Some(digits) => unhex(digits).and_then(|octets| octets.try_into().ok()).map(MacAddress),
                None => text.trim().parse().ok(),
            },
        };
        mac.ok_or_else(|| self.wrong(column, "a MAC address"))
    }

    /// An instant: seconds since 1970, or a date and time, in UTC where it names no offset. `None` for `infinity`.
    fn instant(&self, column: &str) -> Result<Option<Timestamp>, SourceError> {
        let wrong = || self.wrong(column, "an instant: expected seconds since 1970, or a date and time");
        match self {
            Self::Int(seconds) => Ok(Some(Timestamp::from_unix(*seconds))),
            Self::Octets(_) => Err(wrong()),
            Self::Text(text) => match text.trim() {
                "infinity" => Ok(None),
                text => number(text).or_else(|| text.parse().ok()).map(Some).ok_or_else(wrong),
            },
        }
    }
}

/// Seconds since 1970, perhaps with a fraction.
fn number(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = Timestamp::from_unix(seconds.parse().ok()?);
    let digits = format!("0.{fraction}0").parse().ok()?;
    Some(seconds.plus(Duration::try_from_secs_f64(digits).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn every_spelling_of_an_instant() {
        for (cell, expected) in [
            (text("2026-11-25 21:57:46"), "2026-11-25T21:57:46.000Z"),
            (text("2026-11-25 21:57:46.5+00"), "2026-11-25T21:57:46.500Z"),
            (text("2026-11-25T21:57:46.123456Z"), "2026-11-25T21:57:46.123Z"),
            (text("2026-11-25T22:57:46+01:00"), "2026-11-25T21:57:46.000Z"),
            (text("2026-11-25 16:27:46 -0530"), "2026-11-25T21:57:46.000Z"),
            (text("1795643866"), "2026-11-25T21:57:46.000Z"),
            (text("1795643866.25"), "2026-11-25T21:57:46.250Z"),
            (Cell::Int(1_795_643_866), "2026-11-25T21:57:46.000Z"),
        ] {
            let read = cell.instant("obtained").unwrap().unwrap();
            assert_eq!(read.to_string(), expected, "{cell:?}");
        }
        assert_eq!(text("infinity").instant("expires"), Ok(None));
        for wrong in [
            "",
            "now",
            "0000-00-00 00:00:00",
            "2026-11-25",
            "2026-11-25 21:57:46 CET",
            "1.x",
        ] {
            assert!(text(wrong).instant("x").is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_spelling_of_addresses() {
        let octets = |octets: &[u8]| Cell::Octets(octets.to_vec());
        for (cell, expected) in [
            (text("192.0.2.7"), "192.0.2.7"),
            (text("192.0.2.7/32"), "192.0.2.7"),
            (text("3221225991"), "192.0.2.7"),
            (Cell::Int(3_221_225_991), "192.0.2.7"),
            (octets(&[192, 0, 2, 7]), "192.0.2.7"),
            (text("2001:db8::7/128"), "2001:db8::7"),
            (
                octets(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
                "2001:db8::7",
            ),
        ] {
            assert_eq!(cell.address("address").unwrap().to_string(), expected);
        }
        for cell in [
            text("00:11:22:33:44:55"),
            text("\\x001122334455"),
            text("001122334455"),
            octets(&[0, 0x11, 0x22, 0x33, 0x44, 0x55]),
        ] {
            assert_eq!(cell.mac("mac").unwrap().to_string(), "00:11:22:33:44:55");
        }
        for cell in [
            text("192.0.2"),
            text("192.0.2.0/24"),
            Cell::Int(-1),
            octets(&[1]),
            text("4294967296"),
        ] {
            assert!(cell.address("address").is_err(), "{cell:?}");
        }
        assert!(octets(&[1; 8]).mac("mac").is_err() && text("\\x00").mac("mac").is_err());
    }

    #[test]
    fn a_row_says_which_column_is_wrong() {
        let key = Key::Address("192.0.2.7".parse().unwrap());
        let row = |cells: &[(&str, &str)]| -> Row {
            cells
                .iter()
                .map(|(name, value)| ((*name).into(), text(value)))
                .collect()
        };
        let good = [("mac", "001122334455"), ("obtained", "1795643866"), ("class", "gold")];
        let read = lease(&row(&good), key).unwrap();
        assert_eq!(
            (read.address.to_string(), read.class.as_deref()),
            ("192.0.2.7".into(), Some("gold"))
        );
        let error = |cells: &[(&str, &str)], key| lease(&row(cells), key).unwrap_err().to_string();
        assert!(error(&good, Key::Mac(read.mac)).contains("column address is missing"));
        assert!(error(&good[..1], key).contains("column obtained is missing"));
        assert!(error(&[("mac", "x"), good[1]], key).contains("column mac: 'x' is not a MAC"));
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(content in "\\PC{0,40}") {
            let cell = text(&content);
            let _ = (cell.instant("a"), cell.address("b"), cell.mac("c"));
        }
    }
}
