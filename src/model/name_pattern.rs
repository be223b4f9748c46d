//! Patterns of file names, by which an operator says which files a lease entitles to.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::Lease;
use crate::value::MacAddress;

/// The longest pattern in characters.
const LONGEST: usize = 255;

/// A pattern of file names: text, `?` for one character and `*` for any number of them, neither of them a `/`; `**` for
/// any characters at all; `{mac}` and `{MAC}` for the MAC address of the lease's device, `{cm}` and `{CM}` for that of
/// its cable modem, twelve hexadecimal digits in lower or upper case; `{class}` for the lease's class and `{address}` for
/// its address. A part that the lease does not know matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Run,
    Deep,
    Lease(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Mac { upper: bool },
    Cm { upper: bool },
    Class,
    Address,
}

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no pattern of file names: {reason}")]
pub struct NamePatternError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl std::str::FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| NamePatternError {
            text: text.chars().take(64).collect(),
            reason,
        };
        let name = text.strip_prefix('/').unwrap_or(text);
        if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
            return Err(wrong("expected 1 to 255 characters without control characters"));
        }
        Ok(Self {
            text: text.to_owned(),
            parts: parts(name).map_err(wrong)?,
        })
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn parts(mut rest: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (part, length) = match first {
            '?' => (Part::One, 1),
            '*' if rest.starts_with("**") => (Part::Deep, 2),
            '*' => (Part::Run, 1),
            '{' => {
                let end = rest.find('}').ok_or("a { is not closed")?;
                let field = match rest.get(1..end).unwrap_or_default() {
                    "mac" => Field::Mac { upper: false },
                    "MAC" => Field::Mac { upper: true },
                    "cm" => Field::Cm { upper: false },
                    "CM" => Field::Cm { upper: true },
                    "class" => Field::Class,
                    "address" => Field::Address,
                    _ => return Err("between { and } stands mac, MAC, cm, CM, class or address"),
                };
                (Part::Lease(field), end + 1)
            }
            other => (Part::Char(other), other.len_utf8()),
        };
        parts.push(part);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(parts)
}

impl NamePattern {
    /// Whether it matches `name` for the device of `lease`; without a lease, only where it asks for nothing of one.
    pub fn matches(&self, name: &str, lease: Option<&Lease>) -> bool {
        let Some(parts) = self
            .parts
            .iter()
            .map(|part| part.resolved(lease))
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let parts: Vec<Part> = parts.into_iter().flatten().collect();
        let name: Vec<char> = name.chars().collect();
        matches(&parts, &name)
    }

    /// Whether it asks for something of the lease, so that it tells devices apart.
    pub fn is_of_lease(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Lease(_)))
    }
}

impl Part {
    /// The part with what the lease knows in the place of its name.
    fn resolved(&self, lease: Option<&Lease>) -> Option<Vec<Self>> {
        let Self::Lease(field) = self else {
            return Some(vec![self.clone()]);
        };
        let text = field.of(lease?)?;
        Some(text.chars().map(Self::Char).collect())
    }
}

impl Field {
    fn of(self, lease: &Lease) -> Option<String> {
        let spelled = |mac: MacAddress, upper| {
            let bare = mac.bare();
            if upper { bare.to_ascii_uppercase() } else { bare }
        };
        match self {
            Self::Mac { upper } => Some(spelled(lease.mac, upper)),
            Self::Cm { upper } => lease.cm_mac.map(|mac| spelled(mac, upper)),
            // A class that is empty would turn the pattern into another one.
            Self::Class => lease.class.clone().filter(|class| !class.is_empty()),
            Self::Address => Some(IpAddr::to_string(&lease.address)),
        }
    }
}

/// Whether `parts` match all of `name`. Each position of the name is combined with each part once at the most.
fn matches(parts: &[Part], name: &[char]) -> bool {
    // `reached[n]`: the parts so far match the first n characters.
    let mut reached = vec![false; name.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in parts {
        let mut next = vec![false; name.len() + 1];
        let mut open = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let before = at.checked_sub(1);
            let here = before.and_then(|before| name.get(before));
            let came = before.and_then(|before| reached.get(before)).copied().unwrap_or(false);
            *slot = match part {
                Part::Char(expected) => came && here == Some(expected),
                Part::One => came && here.is_some_and(|&c| c != '/'),
                Part::Run | Part::Deep => {
                    let passes = *part == Part::Deep || here.is_none_or(|&c| c != '/');
                    open = reached.get(at).copied().unwrap_or(false) || (open && passes);
                    open
                }
                Part::Lease(_) => false,
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Timestamp;

    fn lease() -> Lease {
        Lease {
            class: Some("gold_*".into()),
            cm_mac: Some(MacAddress([0, 0x11, 0x22, 0x33, 0x44, 2])),
            ..Lease::new(
                "192.0.2.7".parse().unwrap(),
                MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0xaa]),
                Timestamp(0),
            )
        }
    }

    fn is(pattern: &str, name: &str) -> bool {
        pattern.parse::<NamePattern>().unwrap().matches(name, Some(&lease()))
    }

    #[test]
    fn what_patterns_match() {
        for (pattern, name, expected) in [
            ("firmware/*", "firmware/a.bin", true),
            ("/firmware/*", "firmware/a.bin", true),
            ("firmware/*", "firmware/", true),
            ("firmware/*", "firmware/x/a.bin", false),
            ("firmware/*", "other/a.bin", false),
            ("firmware/**", "firmware/x/a.bin", true),
            ("**.bin", "x/a.bin", true),
            ("*.bin", "x/a.bin", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a?c", "ac", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
            ("{mac}.cfg", "0011223344aa.cfg", true),
            ("{mac}.cfg", "0011223344AA.cfg", false),
            ("{MAC}.cfg", "0011223344AA.cfg", true),
            ("cm-{cm}*", "cm-001122334402.bin", true),
            ("{address}", "192.0.2.7", true),
            ("{class}.bin", "gold_*.bin", true),
            // What a DHCP server writes into a class is text, never a pattern.
            ("{class}.bin", "gold_x.bin", false),
            ("*", "", true),
            ("x", "", false),
        ] {
            assert_eq!(is(pattern, name), expected, "{pattern} {name}");
        }
        let pattern: NamePattern = "{class}.bin".parse().unwrap();
        let unknown = Lease { class: None, ..lease() };
        assert!(!pattern.matches(".bin", Some(&unknown)) && !pattern.matches(".bin", None));
        let empty = Lease {
            class: Some(String::new()),
            ..lease()
        };
        assert!(!pattern.matches(".bin", Some(&empty)));
        for wrong in ["", "/", "{mac", "{mac:}", "{}", "a\0", &"x".repeat(256)] {
            assert!(wrong.parse::<NamePattern>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_without_signs_matches_itself_alone(name in "[a-z./-]{1,40}", other in "[a-z./-]{1,40}") {
            let text = format!("x{name}");
            prop_assert!(is(&text, &text));
            prop_assert_eq!(is(&text, &format!("x{other}")), name == other);
            prop_assert!(is("**", &other));
            prop_assert_eq!(is("*", &other), !other.contains('/'));
        }

        #[test]
        fn hostile_patterns_and_names_end_soon(pattern in "[*?a{}]{1,60}", name in ".{0,200}") {
            if let Ok(pattern) = pattern.parse::<NamePattern>() {
                pattern.matches(&name, None);
            }
        }
    }
}
