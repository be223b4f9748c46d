//! Values against the syntax that a MIB module gives an object.

use crate::mib::{Base, Syntax};
use crate::wire::snmp::varbind::Value;

/// The RowStatus that only a device says (RFC 2579 §2).
const NOT_READY: i64 = 3;

/// A value that its object does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The BER type is another.
    #[error("the object takes {} and the value is {found}", .expected.name())]
    Type {
        /// The object's type.
        expected: Base,
        /// The value's type.
        found: &'static str,
    },
    /// The number is out of range, or no label of the enumeration.
    #[error("{found} is none of {}", .allowed)]
    Number {
        /// The number.
        found: i64,
        /// What is allowed.
        allowed: String,
    },
    /// The length is none of those allowed.
    #[error("{found} octets are none of {} octets", .allowed)]
    Length {
        /// The length, in octets.
        found: usize,
        /// What is allowed.
        allowed: String,
    },
    /// A bit of BITS that has no label.
    #[error("bit {bit} is none of {allowed}")]
    Bit {
        /// The bit, 0 being the most significant of the first octet.
        bit: usize,
        /// The labels.
        allowed: String,
    },
    /// The octets are no value of a textual convention.
    #[error("the value is no {convention}: {expected}")]
    Convention {
        /// The textual convention.
        convention: &'static str,
        /// What its values are.
        expected: &'static str,
    },
    /// An address that is not of the type that its row states.
    #[error("an address of {octets} octets is none of type {kind}, which takes {expected}")]
    Address {
        /// The length of the address.
        octets: usize,
        /// The InetAddressType.
        kind: i64,
        /// What addresses of that type are.
        expected: &'static str,
    },
}

/// Whether an object of `syntax` takes `value`.
///
/// # Errors
/// [`Mismatch`] says why not.
pub fn conforms(value: &Value, syntax: &Syntax) -> Result<(), Mismatch> {
    let number = match (syntax.base, value) {
        (Base::Integer, Value::Integer(number)) => i64::from(*number),
        (Base::Unsigned, Value::Unsigned32(number)) => i64::from(*number),
        (Base::Bits, value) if value.as_octets().is_some() => {
            return bits(value.as_octets().unwrap_or_default(), syntax);
        }
        (Base::OctetString, value) if value.as_octets().is_some() => {
            return octets_conform(value.as_octets().unwrap_or_default(), syntax);
        }
        (Base::Counter32, Value::Counter32(_))
        | (Base::Counter64, Value::Counter64(_))
        | (Base::TimeTicks, Value::TimeTicks(_))
        | (Base::IpAddress, Value::IpAddress(_))
        | (Base::ObjectIdentifier, Value::Oid(_))
        | (Base::Opaque, Value::Opaque(_)) => return Ok(()),
        (expected, value) => {
            return Err(Mismatch::Type {
                expected,
                found: type_name(value),
            });
        }
    };
    if &*syntax.convention == "RowStatus" && number == NOT_READY {
        return Err(Mismatch::Convention {
            convention: "RowStatus",
            expected: "notReady is what a device says, and nothing that it is told",
        });
    }
    if syntax.allows(number) {
        return Ok(());
    }
    Err(Mismatch::Number {
        found: number,
        allowed: allowed(syntax),
    })
}

/// Whether an object whose values are octet strings takes these octets.
///
/// # Errors
/// [`Mismatch`] says why not.
pub fn octets_conform(octets: &[u8], syntax: &Syntax) -> Result<(), Mismatch> {
    length(octets.len(), syntax)?;
    convention(octets, syntax)
}

fn length(octets: usize, syntax: &Syntax) -> Result<(), Mismatch> {
    if i64::try_from(octets).is_ok_and(|octets| syntax.allows(octets)) {
        return Ok(());
    }
    Err(Mismatch::Length {
        found: octets,
        allowed: allowed(syntax),
    })
}

/// Every bit that is set has a label, where the module names any.
fn bits(octets: &[u8], syntax: &Syntax) -> Result<(), Mismatch> {
    let mut set = (0..octets.len() * 8).filter(|bit| {
        octets
            .get(bit / 8)
            .is_some_and(|octet| octet & (0x80 >> (bit % 8)) != 0)
    });
    let unnamed = set.find(|&bit| i64::try_from(bit).ok().and_then(|bit| syntax.label(bit)).is_none());
    match unnamed.filter(|_| !syntax.labels.is_empty()) {
        None => Ok(()),
        Some(bit) => Err(Mismatch::Bit {
            bit,
            allowed: allowed(syntax),
        }),
    }
}

/// What textual conventions say beyond sizes (RFC 2579 §2, RFC 3411 §5).
fn convention(octets: &[u8], syntax: &Syntax) -> Result<(), Mismatch> {
    let (convention, fits, expected) = match &*syntax.convention {
        "DisplayString" => ("DisplayString", octets.is_ascii(), "ASCII text"),
        "SnmpAdminString" => ("SnmpAdminString", std::str::from_utf8(octets).is_ok(), "text in UTF-8"),
        "DateAndTime" => (
            "DateAndTime",
            is_date_and_time(octets),
            "8 octets: year (2), month, day, hour, minutes, seconds, tenths; and 3 for the offset: + or -, hours, minutes",
        ),
        _ => return Ok(()),
    };
    if fits {
        Ok(())
    } else {
        Err(Mismatch::Convention { convention, expected })
    }
}

fn is_date_and_time(octets: &[u8]) -> bool {
    let (date, zone) = match octets {
        [date @ .., sign, hours, minutes] if date.len() == 8 => (date, Some((*sign, *hours, *minutes))),
        date => (date, None),
    };
    let [_, _, month, day, hour, minute, second, tenth] = *date else {
        return false;
    };
    let zoned = zone.is_none_or(|(sign, hours, minutes)| matches!(sign, b'+' | b'-') && hours <= 13 && minutes <= 59);
    zoned
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60
        && tenth <= 9
}

/// Whether an InetAddress has the length that its InetAddressType gives it (RFC 4001 §3).
///
/// # Errors
/// [`Mismatch::Address`].
pub fn address_conforms(kind: i64, octets: usize) -> Result<(), Mismatch> {
    let (fits, expected) = match kind {
        0 => (octets == 0, "no octets"),
        1 => (octets == 4, "4 octets"),
        2 => (octets == 16, "16 octets"),
        3 => (octets == 8, "8 octets"),
        4 => (octets == 20, "20 octets"),
        16 => ((1..=255).contains(&octets), "a name of 1 to 255 octets"),
        _ => (true, ""),
    };
    if fits {
        Ok(())
    } else {
        Err(Mismatch::Address { octets, kind, expected })
    }
}

fn allowed(syntax: &Syntax) -> String {
    if !syntax.labels.is_empty() {
        let labels: Vec<String> = syntax
            .labels
            .iter()
            .map(|(label, number)| format!("{label}({number})"))
            .collect();
        return labels.join(", ");
    }
    let ranges: Vec<String> = syntax
        .ranges
        .iter()
        .map(|(low, high)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low} to {high}")
            }
        })
        .collect();
    ranges.join(" or ")
}

/// The name of a value's type in templates, listings and errors.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "integer",
        Value::OctetString(_) | Value::Secret(_) => "octets",
        Value::Oid(_) => "oid",
        Value::Null => "null",
        Value::IpAddress(_) => "ipaddress",
        Value::Counter32(_) => "counter32",
        Value::Unsigned32(_) => "unsigned",
        Value::TimeTicks(_) => "timeticks",
        Value::Opaque(_) => "opaque",
        Value::Counter64(_) => "counter64",
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::Names;

    fn check(name: &str, value: Value) -> Result<(), String> {
        let object = Names::embedded().resolve(name).unwrap();
        conforms(&value, object.syntax().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn types_ranges_sizes_and_labels_are_checked() {
        assert_eq!(check("pktcEUEDevSipPort", Value::Unsigned32(5060)), Ok(()));
        assert_eq!(
            check("pktcEUEDevSipPort", Value::Integer(5060)).unwrap_err(),
            "the object takes Unsigned32 and the value is integer"
        );
        assert_eq!(
            check("pktcEUEDevSipPort", Value::Unsigned32(65536)).unwrap_err(),
            "65536 is none of 0 to 65535"
        );
        assert_eq!(
            check("PKTC-IETF-MTA-MIB::pktcMtaDevEnabled", Value::Integer(3)).unwrap_err(),
            "3 is none of true(1), false(2)"
        );
        let octets = |length| Value::OctetString(vec![0; length]);
        assert_eq!(
            check("PKTC-MTA-MIB::pktcMtaDevProvConfigHash", octets(19)).unwrap_err(),
            "19 octets are none of 16 or 20 octets"
        );
        assert_eq!(check("PKTC-MTA-MIB::pktcMtaDevProvConfigHash", octets(20)), Ok(()));
        assert_eq!(check("PKTC-IETF-MTA-MIB::pktcMtaDevResetKrbTickets", octets(1)), Ok(()));
    }

    #[test]
    fn textual_conventions_say_more_than_sizes() {
        let octets = |octets: &[u8]| Value::OctetString(octets.to_vec());
        let date = [0x07, 0xea, 11, 25, 22, 0, 0, 0];
        assert_eq!(check("docsDevDateTime", octets(&date)), Ok(()));
        assert_eq!(
            check("docsDevDateTime", octets(&[&date[..], b"+\x01\x00"].concat())),
            Ok(())
        );
        assert!(check("docsDevDateTime", octets(&[0x07, 0xea, 13, 25, 22, 0, 0, 0])).is_err());
        assert!(check("docsDevDateTime", octets(&date[..7])).is_err());
        assert_eq!(check("ifAlias", octets(b"lines 1-2")), Ok(()));
        assert_eq!(
            check("ifAlias", octets("größe".as_bytes())).unwrap_err(),
            "the value is no DisplayString: ASCII text"
        );
        assert!(check("snmpCommunityIndex", octets(&[0xff])).is_err());
        assert_eq!(
            check("snmpCommunityStatus", Value::Integer(3)).unwrap_err(),
            "the value is no RowStatus: notReady is what a device says, and nothing that it is told"
        );
        assert_eq!(
            check("PKTC-IETF-MTA-MIB::pktcMtaDevResetKrbTickets", octets(&[0x20])).unwrap_err(),
            "bit 2 is none of invalidateProvOnReboot(0), invalidateAllCmsOnReboot(1)"
        );
    }

    #[test]
    fn addresses_have_the_length_of_their_type() {
        for (kind, octets) in [(1, 4), (2, 16), (3, 8), (4, 20), (16, 9), (0, 0), (99, 7)] {
            assert_eq!(address_conforms(kind, octets), Ok(()));
        }
        assert_eq!(
            address_conforms(1, 16).unwrap_err().to_string(),
            "an address of 16 octets is none of type 1, which takes 4 octets"
        );
    }
}
