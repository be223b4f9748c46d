//! `serve "isrrip{cpe:integer(1..16)}bw{code}.bin"`: the names under which a template's files are asked for.

use std::collections::{BTreeMap, HashSet};

use super::context::Scalar;
use super::declare::VarType;
use super::expression::is_name;

/// The longest pattern and the longest name that is matched, in octets.
const LONGEST: usize = 255;
/// Captures in one pattern, at most.
const MOST_CAPTURES: usize = 16;

/// A pattern of file names: text, and captures between braces. A capture takes one or more characters that its type
/// reads, none of them a `/`; without a type it is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Capture(Box<str>, VarType),
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err("a name of 1 to 255 octets without control characters");
        }
        let mut parts = Vec::new();
        let mut names = HashSet::new();
        let mut rest = text;
        while !rest.is_empty() {
            let literal = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, after) = rest.split_at(literal);
            if !before.is_empty() {
                parts.push(Part::Literal(before.into()));
            }
            if after.is_empty() {
                break;
            }
            let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (capture, after) = inner.ok_or("{name} or {name:type} as a capture")?;
            let (name, kind) = capture.split_once(':').unwrap_or((capture, "text"));
            if !is_name(name) || !names.insert(name) {
                return Err("a capture's name, each once");
            }
            let kind = VarType::parse(kind.trim()).ok_or(VarType::WORDS)?;
            parts.push(Part::Capture(name.into(), kind));
            rest = after;
        }
        if names.len() > MOST_CAPTURES {
            return Err("at most 16 captures");
        }
        let text = text.into();
        Ok(Self { text, parts })
    }

    /// The pattern as written, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is one name, without captures.
    pub fn is_exact(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// The text that every name of the pattern begins with.
    pub fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// How many octets are text: of two patterns that match, the one with more says more.
    pub fn literal_octets(&self) -> usize {
        let octets = |part: &Part| match part {
            Part::Literal(text) => text.len(),
            Part::Capture(..) => 0,
        };
        self.parts.iter().map(octets).sum()
    }

    /// What a name gives the captures; `None` where it does not match.
    pub fn captures(&self, name: &str) -> Option<BTreeMap<String, Scalar>> {
        if name.len() > LONGEST {
            return None;
        }
        let mut found = Vec::new();
        // A capture that is followed by another may end in several places: each pair of part and place is tried once.
        let mut failed = HashSet::new();
        let matched = matches(&self.parts, name, 0, 0, &mut found, &mut failed);
        matched.then(|| {
            found
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        })
    }
}

fn matches<'p>(
    parts: &'p [Part],
    name: &str,
    part: usize,
    at: usize,
    found: &mut Vec<(&'p str, Scalar)>,
    failed: &mut HashSet<(usize, usize)>,
) -> bool {
    let rest = name.get(at..).unwrap_or_default();
    let Some(first) = parts.get(part) else {
        return rest.is_empty();
    };
    if failed.contains(&(part, at)) {
        return false;
    }
    let matched = match first {
        Part::Literal(text) => {
            rest.starts_with(&**text) && matches(parts, name, part + 1, at + text.len(), found, failed)
        }
        Part::Capture(capture, kind) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let ends = rest
                .char_indices()
                .map(|(start, c)| start + c.len_utf8())
                .take_while(|&stop| stop <= end);
            // The longest first: of digits before digits, the capture takes all that it can.
            let ends: Vec<usize> = ends.collect();
            ends.into_iter().rev().any(|stop| {
                let Some(value) = rest.get(..stop).and_then(|text| kind.read(text)) else {
                    return false;
                };
                found.push((capture, value));
                let matched = matches(parts, name, part + 1, at + stop, found, failed);
                if !matched {
                    found.pop();
                }
                matched
            })
        }
    };
    if !matched {
        failed.insert((part, at));
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captures(pattern: &str, name: &str) -> Option<Vec<(String, Scalar)>> {
        let found = Pattern::parse(pattern).unwrap().captures(name);
        found.map(|found| found.into_iter().collect())
    }

    #[test]
    fn captures_have_types() {
        let pattern = "isrrip{cpe:integer(1..16)}bw{code:integer}.bin";
        let int = |name: &str, number| (name.to_owned(), Scalar::Int(number));
        assert_eq!(
            captures(pattern, "isrrip8bw1.bin"),
            Some(vec![int("code", 1), int("cpe", 8)])
        );
        assert_eq!(
            captures(pattern, "isrrip16bw12.bin"),
            Some(vec![int("code", 12), int("cpe", 16)])
        );
        for other in [
            "isrrip17bw1.bin",
            "isrripbw1.bin",
            "isrrip8bw1.bi",
            "xisrrip8bw1.bin",
            "isrrip8bw1.binx",
        ] {
            assert_eq!(captures(pattern, other), None, "{other}");
        }
        let text = |name: &str, text: &str| (name.to_owned(), Scalar::Text(text.to_owned()));
        assert_eq!(
            captures("{isp}/{tier:one-of(gold,silver)}-{rest}.cm", "isrr/gold-a-b.cm"),
            Some(vec![text("isp", "isrr"), text("rest", "a-b"), text("tier", "gold")])
        );
        assert_eq!(captures("{a}{b}", "xyz"), Some(vec![text("a", "xy"), text("b", "z")]));
        assert_eq!(captures("{a}.bin", "x/y.bin"), None);
        assert_eq!(captures("plain.bin", "plain.bin"), Some(vec![]));
    }

    #[test]
    fn other_patterns_are_refused() {
        for wrong in [
            "",
            "{",
            "}",
            "{a",
            "{1a}",
            "{a}{a}",
            "{a:int}",
            "a\u{0}",
            &"x".repeat(256),
        ] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn matching_ends_soon(pattern in "(\\{[a-h]\\}|x){1,12}", name in "x{0,255}y?") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.captures(&name);
            }
        }

        #[test]
        fn numbers_come_back(cpe in 1i64..=16, code in 0i64..100_000) {
            let found = captures("isrrip{cpe:integer(1..16)}bw{code:integer}.bin", &format!("isrrip{cpe}bw{code}.bin"));
            let values: Vec<Scalar> = found.unwrap().into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(values, vec![Scalar::Int(code), Scalar::Int(cpe)]);
        }
    }
}
