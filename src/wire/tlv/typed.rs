//! The values of TLVs as text and back, as the dictionary types them. The spellings are those of the language of the
//! `docsis` encoder, without its quotes around texts.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dictionary::{Definition, Form};
use crate::value::{Oid, hex, unhex};
use crate::wire::snmp::varbind::Value;

/// A text that is no value of its TLV.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypedError {
    /// It is spelt otherwise.
    #[error("'{text}' is no {expected}")]
    Spelling {
        /// The text, cut to 60 characters.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The number, the length or the count is outside the limits.
    #[error("{found} {unit}is not within {low} to {high}")]
    Limits {
        /// The number, the octets or the members.
        found: u64,
        /// What is counted.
        unit: &'static str,
        /// The least.
        low: u32,
        /// The most.
        high: u32,
    },
    /// The TLV holds TLVs, or a variable binding.
    #[error("it holds {0}, not a value")]
    NoValue(&'static str),
}

fn spelling(text: &str, expected: &'static str) -> TypedError {
    TypedError::Spelling {
        text: text.chars().take(60).collect(),
        expected,
    }
}

impl Definition {
    /// The octets of the value that `text` spells.
    ///
    /// # Errors
    /// [`TypedError`] where it spells none, or one outside the limits.
    pub fn read(&self, text: &str) -> Result<Vec<u8>, TypedError> {
        let octets = self.read_any(text)?;
        self.check(&octets)?;
        Ok(octets)
    }

    /// The octets of the value that `text` spells, within the limits or not.
    ///
    /// # Errors
    /// [`TypedError`] where it spells none.
    pub fn read_any(&self, text: &str) -> Result<Vec<u8>, TypedError> {
        Ok(match self.form {
            Form::Number(octets) => number(text, usize::from(octets))?,
            Form::Text => text.as_bytes().to_vec(),
            Form::TextZero => [text.as_bytes(), &[0]].concat(),
            Form::Hex | Form::Fragment | Form::Digest => hexadecimal(text)?,
            Form::Empty if matches!(text, "" | "0x" | "0x00") => Vec::new(),
            Form::Empty => return Err(spelling(text, "empty value")),
            Form::Ipv4 => ipv4(text)?.octets().to_vec(),
            Form::Ipv6 => ipv6(text)?.octets().to_vec(),
            Form::Ip => address(text)?,
            Form::TaggedIp => {
                let octets = address(text)?;
                [&[if octets.len() == 4 { 1 } else { 2 }], octets.as_slice()].concat()
            }
            Form::IpPort => {
                let (of, port) = text.split_once('/').ok_or_else(|| spelling(text, "address/port"))?;
                [address(of)?, number(port, 2)?].concat()
            }
            Form::Ipv4List => list(text, |part| Ok(ipv4(part)?.octets().to_vec()))?,
            Form::Ipv6List => list(text, |part| Ok(ipv6(part)?.octets().to_vec()))?,
            Form::PrefixList => list(text, prefix)?,
            Form::Mac => mac(text)?,
            Form::MacMask => {
                let (of, mask) = text.split_once('/').ok_or_else(|| spelling(text, "MAC address/mask"))?;
                [mac(of)?, mac(mask)?].concat()
            }
            Form::OctetList => list(text, |part| number(part, 1))?,
            Form::ShortList => list(text, |part| number(part, 2))?,
            Form::TagPair => match list(text, |part| number(part, 2))? {
                octets if octets.len() == 4 => octets,
                _ => return Err(spelling(text, "pair of tags")),
            },
            Form::Oid => object(text)?,
            Form::WriteControl => {
                let (of, allowed) = text
                    .rsplit_once(' ')
                    .ok_or_else(|| spelling(text, "object and 0 or 1"))?;
                [object(of.trim())?, number(allowed, 1)?].concat()
            }
            Form::VarBind => return Err(TypedError::NoValue("a variable binding")),
            Form::Group(_) | Form::Extension(_) => return Err(TypedError::NoValue("TLVs")),
        })
    }

    /// Whether the octets of a value are within the limits.
    ///
    /// # Errors
    /// [`TypedError::Limits`].
    pub fn check(&self, octets: &[u8]) -> Result<(), TypedError> {
        let length = octets.len() as u64;
        let (found, unit) = match self.form {
            Form::Number(width) if length == u64::from(width) => (unsigned(octets), ""),
            Form::TextZero => (length.saturating_sub(1), "octets "),
            Form::ShortList => (length / 2, "members "),
            _ => (length, "octets "),
        };
        match self.limits.filter(|_| !self.allows(found)) {
            Some((low, high)) => Err(TypedError::Limits { found, unit, low, high }),
            None => Ok(()),
        }
    }

    /// The text of a value; `None` where the octets are no value of this TLV, or no text would read back as them.
    pub fn show(&self, octets: &[u8]) -> Option<String> {
        let text = self.shown(octets)?;
        (self.read_any(&text).ok()? == octets).then_some(text)
    }

    fn shown(&self, octets: &[u8]) -> Option<String> {
        Some(match self.form {
            Form::Number(width) if octets.len() == usize::from(width) => unsigned(octets).to_string(),
            Form::Text => printable(octets)?.to_owned(),
            Form::TextZero => printable(octets.strip_suffix(&[0])?)?.to_owned(),
            Form::Hex | Form::Fragment | Form::Digest => format!("0x{}", hex(octets)),
            Form::Empty if octets.is_empty() => "0x00".to_owned(),
            Form::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string(),
            Form::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string(),
            Form::Ip => shown_address(octets)?,
            Form::TaggedIp => shown_address(octets.get(1..)?)?,
            Form::IpPort => {
                let (of, port) = octets.split_at_checked(octets.len().checked_sub(2)?)?;
                format!("{}/{}", shown_address(of)?, unsigned(port))
            }
            Form::Ipv4List => members(octets, 4, shown_address)?,
            Form::Ipv6List => members(octets, 16, shown_address)?,
            Form::PrefixList => members(octets, 17, |one| {
                let (length, of) = one.split_last()?;
                Some(format!("{}/{length}", shown_address(of)?))
            })?,
            Form::Mac => shown_mac(octets)?,
            Form::MacMask => {
                let (of, mask) = octets.split_at_checked(6)?;
                format!("{}/{}", shown_mac(of)?, shown_mac(mask)?)
            }
            Form::OctetList => members(octets, 1, |one| Some(unsigned(one).to_string()))?,
            Form::ShortList | Form::TagPair => members(octets, 2, |one| Some(unsigned(one).to_string()))?,
            Form::Oid => shown_object(octets)?,
            Form::WriteControl => {
                let (allowed, of) = octets.split_last()?;
                format!("{} {allowed}", shown_object(of)?)
            }
            _ => return None,
        })
    }

    /// Whether the text of a value stands in quotes where a language has them.
    pub fn is_text(&self) -> bool {
        matches!(self.form, Form::Text | Form::TextZero)
    }
}

/// The number that up to eight octets spell.
fn unsigned(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
}

fn number(text: &str, width: usize) -> Result<Vec<u8>, TypedError> {
    const EXPECTED: [&str; 5] = [
        "number",
        "number of 8 bits",
        "number of 16 bits",
        "number of 24 bits",
        "number of 32 bits",
    ];
    let wrong = || spelling(text, EXPECTED.get(width).copied().unwrap_or("number"));
    let number: u64 = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map_err(|_| wrong())?,
        None => text.parse().map_err(|_| wrong())?,
    };
    let octets = number.to_be_bytes();
    let (high, low) = octets.split_at(8 - width.min(8));
    match high.iter().all(|&octet| octet == 0) {
        true => Ok(low.to_vec()),
        false => Err(wrong()),
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, TypedError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let wrong = || spelling(text, "row of hexadecimal octets after 0x");
    unhex(digits.ok_or_else(wrong)?).ok_or_else(wrong)
}

fn ipv4(text: &str) -> Result<Ipv4Addr, TypedError> {
    text.parse().map_err(|_| spelling(text, "IPv4 address"))
}

fn ipv6(text: &str) -> Result<Ipv6Addr, TypedError> {
    text.parse().map_err(|_| spelling(text, "IPv6 address"))
}

fn address(text: &str) -> Result<Vec<u8>, TypedError> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address.octets().to_vec()),
        Ok(IpAddr::V6(address)) => Ok(address.octets().to_vec()),
        Err(_) => Err(spelling(text, "IP address")),
    }
}

fn prefix(text: &str) -> Result<Vec<u8>, TypedError> {
    let (of, length) = text.split_once('/').ok_or_else(|| spelling(text, "IPv6 prefix"))?;
    Ok([ipv6(of)?.octets().as_slice(), &number(length, 1)?].concat())
}

fn mac(text: &str) -> Result<Vec<u8>, TypedError> {
    let address: crate::value::MacAddress = text.parse().map_err(|_| spelling(text, "MAC address"))?;
    Ok(address.0.to_vec())
}

fn object(text: &str) -> Result<Vec<u8>, TypedError> {
    let wrong = || spelling(text, "object identifier in numbers");
    // The `docsis` encoder writes a dot before the first arc.
    let oid: Oid = text.strip_prefix('.').unwrap_or(text).parse().map_err(|_| wrong())?;
    Ok(Value::Oid(oid).encode())
}

fn list(text: &str, read: impl Fn(&str) -> Result<Vec<u8>, TypedError>) -> Result<Vec<u8>, TypedError> {
    let mut octets = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        octets.extend(read(part)?);
    }
    Ok(octets)
}

fn members(octets: &[u8], size: usize, show: impl Fn(&[u8]) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    for (at, one) in octets.chunks(size).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}", show(one).filter(|_| one.len() == size)?);
    }
    (!text.is_empty()).then_some(text)
}

fn shown_address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string()))
        .ok()
}

fn shown_mac(octets: &[u8]) -> Option<String> {
    let octets: [u8; 6] = octets.try_into().ok()?;
    Some(crate::value::MacAddress(octets).to_string())
}

fn shown_object(octets: &[u8]) -> Option<String> {
    match octets {
        [0x06, length, content @ ..] if usize::from(*length) == content.len() => {
            Some(format!(".{}", Oid::from_ber(content).ok()?))
        }
        _ => None,
    }
}

/// The octets as text, where they are text without control characters but line feeds and tabs.
pub fn printable(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().all(plain).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
    use super::*;
    use proptest::prelude::*;

    fn definition(path: &[u8]) -> &'static Definition {
        let (last, first) = path.split_last().unwrap();
        let table = first
            .iter()
            .fold(Definition::of_file(FileKind::CableModem), |table, &kind| {
                Definition::find(table, kind).unwrap().form.children().unwrap()
            });
        Definition::find(table, *last).unwrap()
    }

    #[test]
    fn values_of_every_form_are_spelt_and_read() {
        let cases: [(&[u8], &str, &str); 22] = [
            (&[1], "340000000", "1443fd00"),
            (&[43, 5, 26], "1048575", "0fffff"),
            (&[9], "image.bin", "696d6167652e62696e"),
            (&[24, 4], "gold", "676f6c6400"),
            (&[35], "0x020001", "020001"),
            (&[43, 5, 2, 1], "0x00", ""),
            (&[20], "10.0.0.1", "0a000001"),
            (&[58], "2001:db8::1", "20010db8000000000000000000000001"),
            (&[64, 1], "239.1.1.1", "ef010101"),
            (&[43, 5, 2, 5], "10.0.0.1", "010a000001"),
            (&[53, 2, 1], "10.0.0.1/161", "0a00000100a1"),
            (&[36], "10.0.0.1,10.0.0.2", "0a0000010a000002"),
            (
                &[67],
                "::1,::2",
                "0000000000000000000000000000000100000000000000000000000000000002",
            ),
            (&[61], "2001:db8::/32", "20010db800000000000000000000000020"),
            (&[14], "00:11:22:aa:bb:cc", "001122aabbcc"),
            (
                &[22, 10, 1],
                "01:00:5e:00:00:00/ff:ff:ff:00:00:00",
                "01005e000000ffffff000000",
            ),
            (&[62], "1,2,3", "010203"),
            (&[37], "1,2,3,65535", "000100020003ffff"),
            (&[43, 5, 2, 3], "25,26", "0019001a"),
            (&[54, 2], ".1.3.6.1", "06032b0601"),
            (&[10], ".1.3.6.1 1", "06032b060101"),
            (&[43, 6, 2], "0x", ""),
        ];
        for (path, text, octets) in cases {
            let definition = definition(path);
            assert_eq!(hex(&definition.read(text).unwrap()), octets, "{path:?}");
            assert_eq!(
                definition.show(&unhex(octets).unwrap()).as_deref(),
                Some(text),
                "{path:?}"
            );
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let error = |path: &[u8], text| definition(path).read(text).unwrap_err().to_string();
        assert_eq!(error(&[3], "2"), "2 is not within 0 to 1");
        assert_eq!(error(&[3], "256"), "'256' is no number of 8 bits");
        assert_eq!(error(&[35], "0x02"), "1 octets is not within 3 to 3");
        assert_eq!(
            error(&[35], "020001"),
            "'020001' is no row of hexadecimal octets after 0x"
        );
        assert_eq!(error(&[37], "1,2,3"), "3 members is not within 4 to 10");
        assert_eq!(error(&[24], "1"), "it holds TLVs, not a value");
        assert_eq!(error(&[43, 5, 2, 3], "1"), "'1' is no pair of tags");
    }

    #[test]
    fn octets_that_no_text_spells_are_not_shown() {
        assert_eq!(definition(&[3]).show(&[0, 1]), None);
        assert_eq!(definition(&[24, 4]).show(b"gold"), None);
        assert_eq!(definition(&[43, 5, 2, 5]).show(&[2, 10, 0, 0, 1]), None);
        assert_eq!(definition(&[54, 2]).show(&[6, 0x81, 3, 0x2b, 6, 1]), None);
        assert_eq!(definition(&[9]).show(&[0xff]), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            for path in [&[1u8][..], &[9], &[24, 4], &[36], &[53, 2, 1], &[61], &[37], &[10], &[54, 2], &[22, 10, 1]] {
                let definition = definition(path);
                if let Some(text) = definition.show(&octets) {
                    prop_assert_eq!(definition.read_any(&text).unwrap(), octets.clone());
                }
            }
        }
    }
}
