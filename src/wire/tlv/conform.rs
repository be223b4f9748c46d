//! Values against the syntax that a MIB module gives an object.

use crate::mib::{Base, Syntax};
use crate::wire::snmp::varbind::Value;

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
}

/// Whether an object of `syntax` takes `value`.
///
/// # Errors
/// [`Mismatch`] says why not.
pub fn conforms(value: &Value, syntax: &Syntax) -> Result<(), Mismatch> {
    let number = match (syntax.base, value) {
        (Base::Integer, Value::Integer(number)) => i64::from(*number),
        (Base::Unsigned, Value::Unsigned32(number)) => i64::from(*number),
        (Base::OctetString | Base::Bits, value) if value.as_octets().is_some() => {
            return length(value.as_octets().unwrap_or_default().len(), syntax);
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
    if syntax.allows(number) {
        return Ok(());
    }
    Err(Mismatch::Number {
        found: number,
        allowed: allowed(syntax),
    })
}

fn length(octets: usize, syntax: &Syntax) -> Result<(), Mismatch> {
    let fits = syntax.base == Base::Bits || i64::try_from(octets).is_ok_and(|octets| syntax.allows(octets));
    if fits {
        return Ok(());
    }
    Err(Mismatch::Length {
        found: octets,
        allowed: allowed(syntax),
    })
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
}
