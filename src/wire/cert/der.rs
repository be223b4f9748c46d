//! The few octets of DER that are cheaper to write and read by hand than through a codec: one value's frame.

/// One DER value: tag, definite length, `content` (X.690 §8.1, §10.1). For contents below 65,536 octets.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(content.len() + 4);
    value.push(tag);
    match content.len() {
        short @ 0..=0x7f => value.push(short as u8),
        medium @ 0x80..=0xff => value.extend([0x81, medium as u8]),
        long => value.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    value.extend_from_slice(content);
    value
}

/// The content of `value` where it is exactly one definite-length value with `tag` and nothing follows it.
pub(crate) fn content(tag: u8, value: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = value.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, content) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(&low, rest)| (usize::from(low), rest))?,
        0x82 => rest
            .split_first_chunk::<2>()
            .map(|(octets, rest)| (usize::from(u16::from_be_bytes(*octets)), rest))?,
        _ => return None,
    };
    (first == tag && length == content.len()).then_some(content)
}

/// The DER INTEGER whose value is the big-endian unsigned `magnitude`.
pub(crate) fn unsigned_integer(magnitude: &[u8]) -> Vec<u8> {
    let digits = without_leading_zeros(magnitude);
    match digits.first() {
        None => tlv(0x02, &[0]),
        Some(0x80..) => tlv(0x02, &[&[0], digits].concat()),
        Some(_) => tlv(0x02, digits),
    }
}

/// The magnitude of a DER INTEGER that is not negative, without leading zeros, or `None` for anything else.
pub(crate) fn unsigned_magnitude(integer: &[u8]) -> Option<&[u8]> {
    let digits = content(0x02, integer)?;
    (digits.first()? & 0x80 == 0).then(|| without_leading_zeros(digits))
}

/// `magnitude` from its first octet that is not zero.
pub(crate) fn without_leading_zeros(magnitude: &[u8]) -> &[u8] {
    let zeros = magnitude.iter().take_while(|&&octet| octet == 0).count();
    magnitude.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_reads_back(tag in 0u8..0x1f, octets in proptest::collection::vec(any::<u8>(), 0..700)) {
            let value = tlv(tag, &octets);
            prop_assert_eq!(content(tag, &value), Some(octets.as_slice()));
            let integer = unsigned_integer(&octets);
            prop_assert_eq!(unsigned_magnitude(&integer), Some(without_leading_zeros(&octets)));
        }

        #[test]
        fn hostile_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = unsigned_magnitude(&octets);
            let _ = content(0x30, &octets);
        }
    }
}
