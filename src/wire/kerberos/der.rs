//! Distinguished encoding: one element at a time, definite and shortest lengths only.
//!
//! Key management and the MTA-FQDN exchange put a Kerberos message in front of other octets with nothing between them
//! (fact sheet security §1.2 and §3, CERTAIN), so an element is first cut off by its own length and then decoded.

use rasn::{Decode, Encode};

/// The octets are not the DER element that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The octets end inside the element.
    #[error("the element at offset 0 has {needed} octets, {available} stand there")]
    Truncated {
        /// Octets that the identifier and length octets ask for, as far as they are known.
        needed: usize,
        /// Octets that are there.
        available: usize,
    },
    /// The identifier octets are not of the single-octet form, which is all that Kerberos uses.
    #[error("the identifier octet {0:#04x} at offset 0 announces a tag number above 30")]
    Identifier(u8),
    /// The length is indefinite, longer than four octets or not the shortest form (X.690 §10.1).
    #[error("the length octet {0:#04x} at offset 1 is not the shortest definite form")]
    Length(u8),
    /// Another element was expected.
    #[error("identifier octet {found:#04x} at offset 0, expected {expected:#04x}")]
    Unexpected {
        /// The identifier octet that was expected.
        expected: u8,
        /// The identifier octet that stands there.
        found: u8,
    },
    /// The identifier octet of an element within says primitive where the type is constructed, or the reverse.
    #[error("the identifier octet {0:#04x} has the wrong form")]
    Form(u8),
    /// Elements lie within elements, deeper than in any Kerberos message.
    #[error("more than {MAX_DEPTH} elements lie within each other")]
    Depth,
    /// Octets follow an element that must stand alone.
    #[error("{0} octets follow the element")]
    Trailing(usize),
    /// The element's content does not follow its type.
    #[error("{what}: {reason}")]
    Content {
        /// The ASN.1 type.
        what: &'static str,
        /// What is wrong, in the decoder's words.
        reason: String,
    },
}

/// Identifier octet of an element, and where its content starts and ends.
struct Header {
    identifier: u8,
    start: usize,
    end: usize,
}

fn header(input: &[u8]) -> Result<Header, DerError> {
    let short = |needed| DerError::Truncated {
        needed,
        available: input.len(),
    };
    let [identifier, first, rest @ ..] = input else {
        return Err(short(2));
    };
    if identifier & 0x1f == 0x1f {
        return Err(DerError::Identifier(*identifier));
    }
    let (start, length) = match *first {
        length @ 0..=0x7f => (2, usize::from(length)),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let octets = rest.get(..count).ok_or_else(|| short(2 + count))?;
            let length = octets
                .iter()
                .fold(0usize, |value, octet| value << 8 | usize::from(*octet));
            if octets.first() == Some(&0) || length < 0x80 {
                return Err(DerError::Length(*first));
            }
            (2 + count, length)
        }
        other => return Err(DerError::Length(other)),
    };
    let end = start.checked_add(length).ok_or(DerError::Length(*first))?;
    if end > input.len() {
        return Err(short(end));
    }
    Ok(Header {
        identifier: *identifier,
        start,
        end,
    })
}

/// Cuts the first DER element, identifier and length octets included, off `input`; returns it and the octets behind it.
///
/// # Errors
/// [`DerError`] where the identifier has more than one octet, the length is not the shortest definite form, or the
/// element does not end within `input`. The content is not looked at.
pub fn split_der(input: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let end = header(input)?.end;
    Ok(input.split_at(end))
}

/// The length in octets of the DER element that `input` starts with, if there is one.
pub(super) fn element_length(input: &[u8]) -> Option<usize> {
    header(input).ok().map(|header| header.end)
}

/// The content of the one element that `input` consists of, whose identifier octet must be `identifier`.
pub(super) fn unwrap(identifier: u8, input: &[u8]) -> Result<&[u8], DerError> {
    let header = header(input)?;
    if header.identifier != identifier {
        return Err(DerError::Unexpected {
            expected: identifier,
            found: header.identifier,
        });
    }
    if header.end != input.len() {
        return Err(DerError::Trailing(input.len() - header.end));
    }
    Ok(input.get(header.start..header.end).unwrap_or_default())
}

/// `content` behind `identifier` and its length octets.
pub(super) fn wrap(identifier: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_be_bytes();
    let skipped = length.iter().take_while(|octet| **octet == 0).count().min(7);
    let octets = &length[skipped..];
    let mut element = Vec::with_capacity(content.len() + 2 + octets.len());
    element.push(identifier);
    if content.len() >= 0x80 {
        element.push(0x80 | octets.len() as u8);
    }
    element.extend_from_slice(octets);
    element.extend_from_slice(content);
    element
}

/// How deep elements may lie within each other. The messages here have some twenty.
const MAX_DEPTH: u32 = 48;

/// Checks the form of the first element of `input` and of all within it. Every tag of Kerberos that is not universal is
/// explicit, hence constructed; of the universal ones SEQUENCE and SET are (X.690 §8.1.2.5). The decoder overlooks a wrong
/// form, which would let octets be changed on the way that no key protects.
fn check_forms(input: &[u8], depth: u32) -> Result<usize, DerError> {
    const SEQUENCE: u8 = 0x10;
    const SET: u8 = 0x11;
    let Header { identifier, start, end } = header(input)?;
    let constructed = identifier & 0x20 != 0;
    let is_universal = identifier & 0xc0 == 0;
    if constructed != (!is_universal || matches!(identifier & 0x1f, SEQUENCE | SET)) {
        return Err(DerError::Form(identifier));
    }
    if constructed {
        let within = depth.checked_sub(1).ok_or(DerError::Depth)?;
        let mut rest = input.get(start..end).unwrap_or_default();
        while !rest.is_empty() {
            let length = check_forms(rest, within)?;
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Ok(end)
}

/// The value of type `T`, called `what`, that `input` encodes and nothing else.
pub(super) fn decode<T: Decode>(what: &'static str, input: &[u8]) -> Result<T, DerError> {
    check_forms(input, MAX_DEPTH)?;
    rasn::der::decode(input).map_err(|error| DerError::Content {
        what,
        reason: error.to_string(),
    })
}

/// The DER of `value`.
pub(super) fn encode<T: Encode>(value: &T) -> Vec<u8> {
    // The types here carry no size, value or alphabet constraint, which are the only reasons DER encoding has to fail.
    rasn::der::encode(value).expect("types without constraints encode")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_element_is_cut_off_by_its_own_length() {
        assert_eq!(
            split_der(&[0x6e, 2, 1, 2, 0xaa]),
            Ok((&[0x6e, 2, 1, 2][..], &[0xaa][..]))
        );
        let long = wrap(0x6e, &[7; 300]);
        assert_eq!(split_der(&long), Ok((long.as_slice(), &[][..])));
        assert_eq!(long.get(..4), Some(&[0x6e, 0x82, 0x01, 0x2c][..]));
    }

    #[test]
    fn lengths_are_strict() {
        for octets in [
            &[][..],
            &[0x30],
            &[0x30, 2, 1],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0x85, 0, 0, 0, 0, 1],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 1, 0],
        ] {
            assert!(split_der(octets).is_err(), "{octets:02x?}");
        }
    }

    #[test]
    fn forms_are_checked_all_the_way_down() {
        let forms = |octets: &[u8]| check_forms(octets, MAX_DEPTH);
        assert_eq!(forms(&[0x6e, 5, 0x30, 3, 2, 1, 7]), Ok(7));
        assert_eq!(forms(&[0x4e, 5, 0x30, 3, 2, 1, 7]), Err(DerError::Form(0x4e)));
        assert_eq!(forms(&[0x6e, 5, 0x10, 3, 2, 1, 7]), Err(DerError::Form(0x10)));
        assert_eq!(forms(&[0x6e, 5, 0x30, 3, 0x22, 1, 7]), Err(DerError::Form(0x22)));
        assert!(forms(&[0x30, 3, 0xa0, 2, 1]).is_err());
        let deep = (0..60).fold(Vec::new(), |within, _| wrap(0x30, &within));
        assert_eq!(forms(&deep), Err(DerError::Depth));
    }

    proptest! {
        #[test]
        fn what_is_wrapped_unwraps(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let element = wrap(0x30, &content);
            prop_assert_eq!(unwrap(0x30, &element), Ok(content.as_slice()));
        }

        #[test]
        fn hostile_octets_split_within_themselves(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((element, rest)) = split_der(&octets) {
                prop_assert_eq!(element.len() + rest.len(), octets.len());
            }
        }
    }
}
