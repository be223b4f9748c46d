//! The 48-bit MAC address that names a device.

use std::fmt;
use std::str::FromStr;

/// A device's MAC address: six octets in transmission order. It is the device's identity throughout Hardline.
///
/// Displays as `00:11:22:aa:bb:cc`; [`MacAddress::upper`] and [`MacAddress::bare`] give the other spellings in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

/// The text is not a MAC address in any usual spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a MAC address: expected 12 hexadecimal digits, such as 00:11:22:aa:bb:cc")]
pub struct MacAddressError(pub String);

impl MacAddress {
    /// Six upper-case pairs joined by colons, as device certificates and SNMPv3 user names carry it (profile P11).
    pub fn upper(&self) -> String {
        self.to_string().to_ascii_uppercase()
    }

    /// Twelve lower-case hexadecimal digits.
    pub fn bare(&self) -> String {
        super::hex(&self.0)
    }

    /// The organisationally unique identifier: the first three octets.
    pub fn oui(&self) -> [u8; 3] {
        [self.0[0], self.0[1], self.0[2]]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    /// Reads `00:11:22:aa:bb:cc`, `00-11-…`, `0011.22aa.bbcc` and `001122aabbcc`, either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || MacAddressError(text.chars().take(40).collect());
        let group = match text.len() {
            12 => None,
            14 => Some((5, b'.')),
            17 if text.contains('-') => Some((3, b'-')),
            17 => Some((3, b':')),
            _ => return Err(wrong()),
        };
        let mut digits = String::with_capacity(12);
        for (at, byte) in text.bytes().enumerate() {
            match group {
                Some((width, separator)) if at % width == width - 1 => {
                    if byte != separator {
                        return Err(wrong());
                    }
                }
                _ if byte.is_ascii_hexdigit() => digits.push(byte as char),
                _ => return Err(wrong()),
            }
        }
        let octets: [u8; 6] = super::unhex(&digits)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(wrong)?;
        Ok(Self(octets))
    }
}

impl serde::Serialize for MacAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MacAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_reads_as_the_same_address() {
        let expected = MacAddress([0x00, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);
        for text in [
            "00:11:22:aa:bb:cc",
            "00-11-22-AA-BB-CC",
            "0011.22aa.bbcc",
            "001122AABBCC",
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(expected.upper(), "00:11:22:AA:BB:CC");
        assert_eq!(expected.bare(), "001122aabbcc");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "00:11:22:aa:bb",
            "00:11:22:aa:bb:cg",
            "00:11-22:aa:bb:cc",
            "0011:22aa:bbcc",
            "é0112233445",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
