//! `var NAME: TYPE = EXPRESSION`: what values a variable takes, and the one that it has where nobody gives it any.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::context::Scalar;
use super::expression::Expr;
use super::failure::BuildReason;
use super::scope::{Scope, Val};
use super::value::octets;
use crate::value::{Fqdn, MacAddress};

/// A variable that a template asks for.
#[derive(Debug)]
pub(super) struct Declaration {
    pub name: Arc<str>,
    pub kind: VarType,
    /// Its value where nobody gives it any; without one the build fails then.
    pub default: Option<Arc<Expr>>,
}

/// The values that a variable takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VarType {
    /// At least one character.
    Text,
    /// A whole number in a range.
    Integer(i64, i64),
    /// `true` or `false`.
    Truth,
    /// An address of either family.
    Address,
    Ipv4,
    Ipv6,
    Mac,
    /// A domain name.
    Name,
    /// Pairs of hexadecimal digits.
    Hex,
    /// One of some words.
    OneOf(Vec<Box<str>>),
}

impl VarType {
    /// The types, for an error.
    pub const WORDS: &'static str =
        "a type: text, integer, integer(LOW..HIGH), truth, address, ipv4, ipv6, mac, name, hex, one-of(WORD, WORD)";

    /// The type that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, inner) = match text.split_once('(') {
            Some((word, inner)) => (word.trim_end(), Some(inner.strip_suffix(')')?)),
            None => (text, None),
        };
        Some(match (word, inner) {
            ("text", None) => Self::Text,
            ("integer", None) => Self::Integer(i64::MIN, i64::MAX),
            ("integer", Some(range)) => {
                let (low, high) = range.split_once("..")?;
                let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
                (low <= high).then_some(Self::Integer(low, high))?
            }
            ("truth", None) => Self::Truth,
            ("address", None) => Self::Address,
            ("ipv4", None) => Self::Ipv4,
            ("ipv6", None) => Self::Ipv6,
            ("mac", None) => Self::Mac,
            ("name", None) => Self::Name,
            ("hex", None) => Self::Hex,
            ("one-of", Some(words)) => {
                let words: Vec<Box<str>> = words.split(',').map(|word| word.trim().into()).collect();
                words
                    .iter()
                    .all(|word| !word.is_empty())
                    .then_some(Self::OneOf(words))?
            }
            _ => return None,
        })
    }

    /// The value that `text` is of this type.
    pub fn read(&self, text: &str) -> Option<Scalar> {
        let kept = |fits: bool| fits.then(|| Scalar::Text(text.to_owned()));
        match self {
            Self::Text => kept(!text.is_empty()),
            Self::Integer(low, high) => {
                let plain = !text.starts_with('+');
                let number = text
                    .parse()
                    .ok()
                    .filter(|number| plain && low <= number && number <= high);
                number.map(Scalar::Int)
            }
            Self::Truth => match text {
                "true" | "yes" | "on" | "1" => Some(Scalar::Bool(true)),
                "false" | "no" | "off" | "0" => Some(Scalar::Bool(false)),
                _ => None,
            },
            Self::Address => kept(text.parse::<IpAddr>().is_ok()),
            Self::Ipv4 => kept(text.parse::<Ipv4Addr>().is_ok()),
            Self::Ipv6 => kept(text.parse::<Ipv6Addr>().is_ok()),
            Self::Mac => text.parse::<MacAddress>().ok().map(|mac| Scalar::Text(mac.to_string())),
            Self::Name => kept(text.parse::<Fqdn>().is_ok()),
            Self::Hex => kept(!text.is_empty() && octets(text).is_ok()),
            Self::OneOf(words) => kept(words.iter().any(|word| **word == *text)),
        }
    }
}

impl fmt::Display for VarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text of at least one character"),
            Self::Integer(i64::MIN, i64::MAX) => f.write_str("whole number"),
            Self::Integer(low, high) => write!(f, "whole number from {low} to {high}"),
            Self::Truth => f.write_str("truth value: true or false"),
            Self::Address => f.write_str("address"),
            Self::Ipv4 => f.write_str("IPv4 address"),
            Self::Ipv6 => f.write_str("IPv6 address"),
            Self::Mac => f.write_str("MAC address"),
            Self::Name => f.write_str("domain name"),
            Self::Hex => f.write_str("row of hexadecimal octets"),
            Self::OneOf(words) => write!(f, "word of {}", words.join(", ")),
        }
    }
}

impl Declaration {
    /// Reads the variable's value, its default where there is none, and keeps it under its type.
    pub fn run<'a>(&'a self, scope: &mut Scope<'a>) -> Result<(), BuildReason> {
        let value = match (scope.get(&self.name), &self.default) {
            (Val::Undefined, Some(default)) => default.eval(scope)?,
            (Val::Undefined, None) => return Err(BuildReason::NoValue(self.name.to_string())),
            (value, _) => value,
        };
        let mut text = String::new();
        value.write(&mut text);
        let read = self.kind.read(&text).ok_or_else(|| BuildReason::Variable {
            value: text.chars().take(60).collect(),
            expected: self.kind.to_string(),
        })?;
        let value = match read {
            Scalar::Text(read) if value.as_str() == Some(&read) => value,
            Scalar::Text(read) => Val::Owned(read.into()),
            Scalar::Int(number) => Val::Int(number),
            Scalar::Bool(value) => Val::Bool(value),
        };
        scope.set(&self.name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_their_values_and_no_others() {
        for (kind, good, bad) in [
            ("text", "x", ""),
            ("integer", "-5", "+5"),
            ("integer(1..16)", "16", "17"),
            ("truth", "on", "maybe"),
            ("address", "2001:db8::1", "x"),
            ("ipv4", "192.0.2.1", "2001:db8::1"),
            ("ipv6", "::1", "192.0.2.1"),
            ("mac", "0011.2233.4455", "0011"),
            ("name", "a.example.net", "a b"),
            ("hex", "00:11", "0"),
            ("one-of(gold, silver)", "silver", "lead"),
        ] {
            let kind = VarType::parse(kind).unwrap();
            assert!(kind.read(good).is_some(), "{kind} {good}");
            assert!(kind.read(bad).is_none(), "{kind} {bad}");
        }
        for wrong in ["", "int", "integer(5..1)", "integer(1..", "one-of(a,,b)", "text(5)"] {
            assert_eq!(VarType::parse(wrong), None, "{wrong}");
        }
    }
}
