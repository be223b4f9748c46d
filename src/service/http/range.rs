//! Byte ranges (RFC 9110 §14).

use std::ops::Range;

/// What a Range field asks for of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: there is no range, or one that may be passed over (another unit, several ranges, broken).
    Whole,
    /// These octets; at least one.
    Part(Range<u64>),
    /// Octets that the file does not have.
    Unsatisfiable,
}

/// What the Range field `value` asks for of a file of `size` octets.
pub(super) fn wanted(value: Option<&str>, size: u64) -> Wanted {
    let range = value
        .and_then(|value| value.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'));
    let Some((first, last)) = range else {
        return Wanted::Whole;
    };
    match (number(first.trim()), number(last.trim())) {
        // The last octets.
        (Some(None), Some(Some(count))) => part(size.saturating_sub(count), size.saturating_sub(1), size, count > 0),
        (Some(Some(first)), Some(None)) => part(first, size.saturating_sub(1), size, true),
        (Some(Some(first)), Some(Some(last))) if first <= last => {
            part(first, last.min(size.saturating_sub(1)), size, true)
        }
        _ => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, size: u64, any: bool) -> Wanted {
    if any && first < size {
        Wanted::Part(first..last + 1)
    } else {
        Wanted::Unsatisfiable
    }
}

/// `Some(None)` for no text, `None` for text that is no number.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    // A number beyond all bounds is beyond the file's end.
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9110_14_1_2_single_ranges() {
        for (value, size, expected) in [
            ("bytes=0-0", 10, Wanted::Part(0..1)),
            ("bytes=2-5", 10, Wanted::Part(2..6)),
            ("bytes=2-", 10, Wanted::Part(2..10)),
            ("bytes=-3", 10, Wanted::Part(7..10)),
            ("bytes=-30", 10, Wanted::Part(0..10)),
            ("bytes=5-99999999999999999999", 10, Wanted::Part(5..10)),
            ("bytes=10-", 10, Wanted::Unsatisfiable),
            ("bytes=-0", 10, Wanted::Unsatisfiable),
            ("bytes=0-", 0, Wanted::Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Wanted::Unsatisfiable),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(value), size), expected, "{value}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
    }
}
