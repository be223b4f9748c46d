//! From the text of a value to the value, by the type that the template names.

use std::net::{IpAddr, Ipv4Addr};

use crate::mib::{Base, Syntax};
use crate::value::{Oid, unhex};
use crate::wire::snmp::varbind::Value;

/// How a template says what a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `integer`: a number, or a label of the object's enumeration.
    Integer,
    /// `unsigned`: Unsigned32 or Gauge32.
    Unsigned,
    /// `counter32`.
    Counter32,
    /// `counter64`.
    Counter64,
    /// `timeticks`: hundredths of a second.
    TimeTicks,
    /// `string`: text in UTF-8.
    String,
    /// `hex`: pairs of hexadecimal digits; colons, hyphens and blanks between them are skipped.
    Hex,
    /// `ipaddress`: an IPv4 address as the SMI's own type.
    IpAddress,
    /// `inetaddress`: an InetAddress in octets: 4, 16, or those of a name.
    InetAddress,
    /// `inetaddresstype`: the InetAddressType of an address or name: 1, 2 or 16.
    InetAddressType,
    /// `oid`: an object identifier in numbers.
    Oid,
    /// `date`: a DateAndTime, written as in RFC 3339: `2026-11-25T22:00:00Z`; without `Z` or offset it is local time.
    Date,
    /// `bits`: labels or numbers of the bits that are set, with commas between them.
    Bits,
    /// `truth`: `true` or `false`.
    Truth,
    /// `rowstatus`: a label of RowStatus, `createAndGo` for instance.
    RowStatus,
    /// `credentials`: the octets of a PktcEUETCCreds: 2 zero octets, the length in 2, the text (LIKELY, from a draft of
    /// the module).
    Credentials,
}

/// A text that is no value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no {expected}")]
pub struct ValueError {
    /// The text, cut to 60 characters.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl ValueError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(60).collect(),
            expected,
        }
    }
}

const TYPES: [(&str, ValueType); 16] = [
    ("integer", ValueType::Integer),
    ("unsigned", ValueType::Unsigned),
    ("counter32", ValueType::Counter32),
    ("counter64", ValueType::Counter64),
    ("timeticks", ValueType::TimeTicks),
    ("string", ValueType::String),
    ("hex", ValueType::Hex),
    ("ipaddress", ValueType::IpAddress),
    ("inetaddress", ValueType::InetAddress),
    ("inetaddresstype", ValueType::InetAddressType),
    ("oid", ValueType::Oid),
    ("date", ValueType::Date),
    ("bits", ValueType::Bits),
    ("truth", ValueType::Truth),
    ("rowstatus", ValueType::RowStatus),
    ("credentials", ValueType::Credentials),
];

const ROW_STATUSES: [(&str, i32); 6] = [
    ("active", 1),
    ("notInService", 2),
    ("notReady", 3),
    ("createAndGo", 4),
    ("createAndWait", 5),
    ("destroy", 6),
];

impl ValueType {
    /// The words of the types, for an error.
    pub const WORDS: &'static str = "a type: integer, unsigned, counter32, counter64, timeticks, string, hex, ipaddress, \
                                     inetaddress, inetaddresstype, oid, date, bits, truth, rowstatus, credentials";

    /// The type that a word of a template names.
    pub fn from_word(word: &str) -> Option<Self> {
        TYPES.into_iter().find(|(name, _)| *name == word).map(|(_, kind)| kind)
    }

    /// The word in a template.
    pub fn word(self) -> &'static str {
        let named = TYPES.into_iter().find(|(_, kind)| *kind == self);
        named.map_or("", |(name, _)| name)
    }

    /// Whether an object of this base type can take it.
    pub fn suits(self, base: Base) -> bool {
        match self {
            Self::Integer | Self::InetAddressType | Self::Truth | Self::RowStatus => base == Base::Integer,
            Self::Unsigned => base == Base::Unsigned,
            Self::Counter32 => base == Base::Counter32,
            Self::Counter64 => base == Base::Counter64,
            Self::TimeTicks => base == Base::TimeTicks,
            Self::String | Self::InetAddress | Self::Date | Self::Credentials => base == Base::OctetString,
            Self::Hex => matches!(base, Base::OctetString | Base::Bits),
            Self::IpAddress => base == Base::IpAddress,
            Self::Oid => base == Base::ObjectIdentifier,
            Self::Bits => base == Base::Bits,
        }
    }

    /// The type that values of `syntax` are written in where nothing else is said.
    pub fn of(syntax: &Syntax) -> Self {
        match (&*syntax.convention, syntax.base) {
            ("TruthValue", _) => Self::Truth,
            ("RowStatus", _) => Self::RowStatus,
            ("InetAddress", _) => Self::InetAddress,
            ("DateAndTime", _) => Self::Date,
            ("PktcEUETCCreds", _) => Self::Credentials,
            ("MacAddress" | "PhysAddress" | "SnmpEngineID" | "KeyChange" | "PktcRingCadence", Base::OctetString) => {
                Self::Hex
            }
            (_, Base::Integer) => Self::Integer,
            (_, Base::Unsigned) => Self::Unsigned,
            (_, Base::Counter32) => Self::Counter32,
            (_, Base::Counter64) => Self::Counter64,
            (_, Base::TimeTicks) => Self::TimeTicks,
            (_, Base::IpAddress) => Self::IpAddress,
            (_, Base::ObjectIdentifier) => Self::Oid,
            (_, Base::Bits) => Self::Bits,
            (_, Base::OctetString) => Self::String,
            (_, Base::Opaque) => Self::Hex,
        }
    }

    /// Reads `text`. Labels are those of `syntax`, the object's.
    ///
    /// # Errors
    /// [`ValueError`] says what was expected.
    pub fn read(self, text: &str, syntax: Option<&Syntax>) -> Result<Value, ValueError> {
        let wrong = |expected| ValueError::new(text, expected);
        Ok(match self {
            Self::Integer => Value::Integer(labelled(text, syntax)?),
            Self::Unsigned => Value::Unsigned32(text.parse().map_err(|_| wrong("number from 0 to 4294967295"))?),
            Self::Counter32 => Value::Counter32(text.parse().map_err(|_| wrong("number from 0 to 4294967295"))?),
            Self::Counter64 => Value::Counter64(text.parse().map_err(|_| wrong("number of 64 bits"))?),
            Self::TimeTicks => Value::TimeTicks(text.parse().map_err(|_| wrong("number from 0 to 4294967295"))?),
            Self::String => Value::text(text),
            Self::Hex => Value::OctetString(octets(text)?),
            Self::IpAddress => Value::IpAddress(text.parse::<Ipv4Addr>().map_err(|_| wrong("IPv4 address"))?),
            Self::InetAddress => Value::OctetString(inet_address(text)?),
            Self::InetAddressType => Value::Integer(inet_address_type(text)?),
            Self::Oid => Value::Oid(text.parse::<Oid>().map_err(|_| wrong("object identifier in numbers"))?),
            Self::Date => {
                Value::OctetString(date(text).ok_or_else(|| wrong("date and time such as 2026-11-25T22:00:00Z"))?)
            }
            Self::Bits => Value::OctetString(bits(text, syntax)?),
            Self::Truth => Value::Integer(truth(text).ok_or_else(|| wrong("truth value: true or false"))?),
            Self::RowStatus => {
                let status = ROW_STATUSES.into_iter().find(|(label, _)| *label == text);
                Value::Integer(status.ok_or_else(|| wrong("label of RowStatus"))?.1)
            }
            Self::Credentials => Value::OctetString(credentials(text)?),
        })
    }
}

/// Hexadecimal digits with separators between the pairs.
pub(super) fn octets(text: &str) -> Result<Vec<u8>, ValueError> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | ' ')).collect();
    unhex(&digits).ok_or_else(|| ValueError::new(text, "row of hexadecimal octets"))
}

fn labelled(text: &str, syntax: Option<&Syntax>) -> Result<i32, ValueError> {
    let label = syntax
        .and_then(|syntax| syntax.number(text))
        .and_then(|number| i32::try_from(number).ok());
    label
        .or_else(|| text.parse().ok())
        .ok_or_else(|| ValueError::new(text, "number of 32 bits and no label of the object"))
}

/// `true` and `false`, or the numbers of TruthValue.
fn truth(text: &str) -> Option<i32> {
    match text {
        "true" | "1" => Some(1),
        "false" | "2" => Some(2),
        _ => None,
    }
}

fn inet_address(text: &str) -> Result<Vec<u8>, ValueError> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address.octets().to_vec()),
        Ok(IpAddr::V6(address)) => Ok(address.octets().to_vec()),
        Err(_) if is_name(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => Err(ValueError::new(text, "address and no domain name")),
    }
}

/// Numbers of InetAddressType (RFC 4001).
fn inet_address_type(text: &str) -> Result<i32, ValueError> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Ok(1),
        Ok(IpAddr::V6(_)) => Ok(2),
        Err(_) if is_name(text) => Ok(16),
        Err(_) => Err(ValueError::new(text, "address and no domain name")),
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<crate::value::Fqdn>().is_ok()
}

/// Bit 0 is the most significant of the first octet (RFC 2578 §8). As many octets as the highest bit set needs.
fn bits(text: &str, syntax: Option<&Syntax>) -> Result<Vec<u8>, ValueError> {
    let mut octets = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let label = syntax.and_then(|syntax| syntax.number(word));
        let bit = label
            .or_else(|| word.parse().ok())
            .and_then(|bit| usize::try_from(bit).ok())
            .filter(|&bit| bit < 2048)
            .ok_or_else(|| ValueError::new(word, "bit's label or number"))?;
        if octets.len() <= bit / 8 {
            octets.resize(bit / 8 + 1, 0);
        }
        if let Some(octet) = octets.get_mut(bit / 8) {
            *octet |= 0x80 >> (bit % 8);
        }
    }
    Ok(octets)
}

/// RFC 3339 without leap seconds; blanks or `T` between date and time, tenths of a second where they are given.
fn date(text: &str) -> Option<Vec<u8>> {
    let (day, time) = text.split_once(['T', ' '])?;
    let mut day = day.splitn(3, '-');
    let year: u16 = day.next()?.parse().ok()?;
    let mut octets = year.to_be_bytes().to_vec();
    octets.push(day.next()?.parse().ok()?);
    octets.push(day.next()?.parse().ok()?);
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, ""),
    };
    let (clock, tenths) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':');
    for _ in 0..3 {
        octets.push(clock.next()?.parse().ok()?);
    }
    octets.push(tenths.get(..1)?.parse().ok()?);
    match zone {
        "" => {}
        "Z" => octets.extend([b'+', 0, 0]),
        offset => {
            let (sign, hours_minutes) = offset.split_at_checked(1)?;
            let (hours, minutes) = hours_minutes.split_once(':')?;
            octets.extend(sign.bytes());
            octets.extend([hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?]);
        }
    }
    Some(octets)
}

fn credentials(text: &str) -> Result<Vec<u8>, ValueError> {
    let length = u16::try_from(text.len()).map_err(|_| ValueError::new(text, "credential of at most 65535 octets"))?;
    Ok([&[0, 0], length.to_be_bytes().as_slice(), text.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::Names;

    fn read(kind: &str, text: &str) -> Result<Value, String> {
        let kind = ValueType::from_word(kind).unwrap();
        kind.read(text, None).map_err(|error| error.to_string())
    }

    #[test]
    fn every_type_reads_its_values() {
        for (kind, text, value) in [
            ("integer", "-1", Value::Integer(-1)),
            ("unsigned", "4294967295", Value::Unsigned32(u32::MAX)),
            ("counter64", "18446744073709551615", Value::Counter64(u64::MAX)),
            ("timeticks", "100", Value::TimeTicks(100)),
            ("string", "Größe", Value::OctetString("Größe".into())),
            ("hex", "00:11-22 33", Value::OctetString(vec![0, 0x11, 0x22, 0x33])),
            ("ipaddress", "192.0.2.1", Value::IpAddress([192, 0, 2, 1].into())),
            ("inetaddress", "192.0.2.1", Value::OctetString(vec![192, 0, 2, 1])),
            (
                "inetaddress",
                "p.example.net",
                Value::OctetString(b"p.example.net".to_vec()),
            ),
            ("inetaddresstype", "192.0.2.1", Value::Integer(1)),
            ("inetaddresstype", "2001:db8::1", Value::Integer(2)),
            ("inetaddresstype", "p.example.net", Value::Integer(16)),
            ("oid", "1.3.6.1", Value::Oid("1.3.6.1".parse().unwrap())),
            (
                "date",
                "2026-11-25T22:00:59.5+01:30",
                Value::OctetString(vec![7, 0xea, 11, 25, 22, 0, 59, 5, b'+', 1, 30]),
            ),
            (
                "date",
                "2026-11-25 22:00:00Z",
                Value::OctetString(vec![7, 0xea, 11, 25, 22, 0, 0, 0, b'+', 0, 0]),
            ),
            ("bits", "0, 9", Value::OctetString(vec![0x80, 0x40])),
            ("bits", "", Value::OctetString(vec![])),
            ("truth", "false", Value::Integer(2)),
            ("rowstatus", "createAndGo", Value::Integer(4)),
            ("credentials", "pw", Value::OctetString(vec![0, 0, 0, 2, b'p', b'w'])),
        ] {
            assert_eq!(read(kind, text), Ok(value), "{kind} {text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (kind, text) in [
            ("integer", "createAndGo"),
            ("unsigned", "-1"),
            ("hex", "0"),
            ("ipaddress", "2001:db8::1"),
            ("inetaddress", "not a name"),
            ("bits", "4000"),
            ("date", "2026-11-25"),
            ("date", "yesterday at noon"),
            ("truth", "maybe"),
            ("rowstatus", "4"),
        ] {
            assert!(read(kind, text).is_err(), "{kind} {text}");
        }
    }

    #[test]
    fn labels_are_the_objects_own() {
        let syntax = |name: &str| Names::embedded().resolve(name).unwrap().syntax();
        let kind = ValueType::Integer.read("publicIdentity", syntax("pktcEUEUsrIMPUIdType"));
        assert_eq!(kind, Ok(Value::Integer(3)));
        let tickets = syntax("PKTC-IETF-MTA-MIB::pktcMtaDevResetKrbTickets");
        let bits = ValueType::Bits.read("invalidateAllCmsOnReboot", tickets);
        assert_eq!(bits, Ok(Value::OctetString(vec![0x40])));
    }
}
