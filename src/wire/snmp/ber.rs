//! The part of BER that SNMP uses: definite lengths, one-octet tags (RFC 3417 §8, X.690).
//!
//! SNMP has its own reader and writer because the user-based security model needs what a general decoder hides:
//! the offset of the authentication parameters in the datagram, and an offset for every complaint.

use zeroize::Zeroize;

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// NULL.
pub(crate) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// SEQUENCE and SEQUENCE OF.
pub(crate) const SEQUENCE: u8 = 0x30;

/// What is wrong with BER octets, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at octet {offset}")]
pub struct BerError {
    /// Octets from the start of what was decoded (for a message, of the datagram) to the offending element.
    pub offset: usize,
    /// What is wrong there.
    pub kind: BerErrorKind,
}

/// The ways in which BER octets are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BerErrorKind {
    /// The element, or its length, goes on past the end of what contains it.
    #[error("element cut short")]
    Truncated,
    /// The length is in the indefinite form, or in more than four octets.
    #[error("unusable length")]
    Length,
    /// Another element stands where one with the tag `expected` belongs.
    #[error("tag {found:#04x} instead of {expected:#04x}")]
    Tag {
        /// The tag that belongs here.
        expected: u8,
        /// The tag that stands here.
        found: u8,
    },
    /// No SNMP value, or no PDU, has this tag.
    #[error("unknown tag {0:#04x}")]
    UnknownTag(u8),
    /// The value lies outside its type's range or size.
    #[error("value out of range")]
    Range,
    /// The octets are no object identifier.
    #[error("not an object identifier")]
    Oid,
    /// Something follows the last element.
    #[error("octets after the last element")]
    Trailing,
}

/// Reads elements one after another, from a slice whose place in the datagram is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Reader<'a> {
    /// Reads `octets`, which stand `base` octets into the datagram.
    pub(crate) fn new(octets: &'a [u8], base: usize) -> Self {
        Self { octets, at: 0, base }
    }

    /// Where the next element starts, in octets from the start of the datagram.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.octets.len()
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Result<u8, BerError> {
        self.rest().first().copied().ok_or(self.wrong(BerErrorKind::Truncated))
    }

    /// A complaint about the next element.
    pub(crate) fn wrong(&self, kind: BerErrorKind) -> BerError {
        BerError {
            offset: self.offset(),
            kind,
        }
    }

    /// The next element: its tag and a reader of its content.
    pub(crate) fn element(&mut self) -> Result<(u8, Reader<'a>), BerError> {
        let truncated = self.wrong(BerErrorKind::Truncated);
        let (header, length) = match *self.rest() {
            [_, short, ..] if short < 0x80 => (2, usize::from(short)),
            [_, form, ..] => {
                let count = usize::from(form & 0x7f);
                if !(1..=4).contains(&count) {
                    return Err(self.wrong(BerErrorKind::Length));
                }
                let length = self.rest().get(2..2 + count).ok_or(truncated)?;
                let length = length.iter().fold(0u64, |sum, &octet| sum << 8 | u64::from(octet));
                (2 + count, usize::try_from(length).map_err(|_| truncated)?)
            }
            _ => return Err(truncated),
        };
        let tag = self.peek()?;
        let end = header.checked_add(length).ok_or(truncated)?;
        let content = self.rest().get(header..end).ok_or(truncated)?;
        let reader = Reader::new(content, self.offset() + header);
        self.at += end;
        Ok((tag, reader))
    }

    /// The next element, which must have the tag `expected`: a reader of its content.
    pub(crate) fn expect(&mut self, expected: u8) -> Result<Reader<'a>, BerError> {
        let found = self.peek()?;
        if found != expected {
            return Err(self.wrong(BerErrorKind::Tag { expected, found }));
        }
        Ok(self.element()?.1)
    }

    /// The next element, an OCTET STRING: its content.
    pub(crate) fn octet_string(&mut self) -> Result<&'a [u8], BerError> {
        Ok(self.expect(OCTET_STRING)?.rest())
    }

    /// The next element, an INTEGER from `low` to `high`.
    pub(crate) fn integer(&mut self, low: i32, high: i32) -> Result<i32, BerError> {
        let range = self.wrong(BerErrorKind::Range);
        let value = self.expect(INTEGER)?.signed()?;
        i32::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value))
            .ok_or(range)
    }

    /// The content as a two's-complement integer of 1 to 8 octets. More octets than needed are let through:
    /// agents that write them exist, and no two values are confused.
    pub(crate) fn signed(&self) -> Result<i64, BerError> {
        match *self.rest() {
            [first, ref rest @ ..] if rest.len() < 8 => {
                let start = i64::from(first as i8);
                Ok(rest.iter().fold(start, |sum, &octet| sum << 8 | i64::from(octet)))
            }
            _ => Err(self.wrong(BerErrorKind::Range)),
        }
    }

    /// The content as an unsigned integer of at most `width` octets (4 or 8). A value of exactly `width` octets is
    /// read as unsigned even where its first bit is set: agents that leave out the leading zero octet exist.
    pub(crate) fn unsigned(&self, width: usize) -> Result<u64, BerError> {
        let range = self.wrong(BerErrorKind::Range);
        let digits = match *self.rest() {
            [] => return Err(range),
            [0, ref rest @ ..] if rest.len() == width => rest,
            [first, ..] if self.rest().len() < width && first >= 0x80 => return Err(range),
            _ => self.rest(),
        };
        if digits.len() > width {
            return Err(range);
        }
        Ok(digits.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet)))
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), BerError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.wrong(BerErrorKind::Trailing))
        }
    }
}

/// Writes elements **from the last to the first**, so that each length is known when it is written.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
    start: usize,
}

impl Writer {
    /// A writer that needs no more memory up to `capacity` octets.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            buffer: vec![0; capacity],
            start: capacity,
        }
    }

    /// How many octets are written.
    pub(crate) fn written(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Puts `octets` before what is written.
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        if octets.len() > self.start {
            self.grow(octets.len());
        }
        let start = self.start - octets.len();
        self.buffer[start..self.start].copy_from_slice(octets);
        self.start = start;
    }

    fn grow(&mut self, needed: usize) {
        let mut wider = vec![0; (self.buffer.len() + needed) * 2];
        let start = wider.len() - self.written();
        wider[start..].copy_from_slice(&self.buffer[self.start..]);
        // What is written may hold a file's key in the clear.
        self.buffer.zeroize();
        self.buffer = wider;
        self.start = start;
    }

    /// Puts a tag and a length before the octets written since `mark`, a value of [`Writer::written`].
    fn header(&mut self, tag: u8, mark: usize) {
        let length = self.written() - mark;
        let octets = (length as u64).to_be_bytes();
        let significant = 8 - (length as u64).leading_zeros() as usize / 8;
        if length < 0x80 {
            self.raw(&[tag, octets[7]]);
        } else {
            self.raw(&octets[8 - significant..]);
            self.raw(&[tag, 0x80 | significant as u8]);
        }
    }

    /// An element with the tag `tag` around what `content` writes.
    pub(crate) fn around(&mut self, tag: u8, content: impl FnOnce(&mut Self)) {
        let mark = self.written();
        content(self);
        self.header(tag, mark);
    }

    /// An element with the tag `tag` and the content `octets`.
    pub(crate) fn primitive(&mut self, tag: u8, octets: &[u8]) {
        self.around(tag, |writer| writer.raw(octets));
    }

    /// A signed integer under `tag`, in as few octets as it needs.
    pub(crate) fn signed(&mut self, tag: u8, value: i64) {
        let octets = value.to_be_bytes();
        let redundant = if value < 0 {
            value.leading_ones()
        } else {
            value.leading_zeros()
        } as usize;
        // One bit of sign must be left.
        self.primitive(tag, &octets[(redundant - 1) / 8..]);
    }

    /// An unsigned integer under `tag`, in as few octets as it needs, with a zero octet before a set first bit.
    pub(crate) fn unsigned(&mut self, tag: u8, value: u64) {
        let mut octets = [0; 9];
        octets[1..].copy_from_slice(&value.to_be_bytes());
        let significant = (64 - value.leading_zeros() as usize) / 8 + 1;
        self.primitive(tag, &octets[9 - significant..]);
    }

    /// Everything that was written.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let written = self.written();
        self.buffer.copy_within(self.start.., 0);
        // No copy of what was written stays behind its end: it may be encrypted where it now stands.
        self.buffer[written..].zeroize();
        self.buffer.truncate(written);
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new(4);
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn x690_8_3_integers_take_the_fewest_octets() {
        for (value, octets) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 0x7f]),
            (128, &[2, 2, 0, 0x80]),
            (-128, &[2, 1, 0x80]),
            (-129, &[2, 2, 0xff, 0x7f]),
            (-1, &[2, 1, 0xff]),
            (i64::from(i32::MAX), &[2, 4, 0x7f, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(written(|w| w.signed(INTEGER, value)), octets, "{value}");
        }
        assert_eq!(written(|w| w.unsigned(0x42, 0x13c4)), [0x42, 2, 0x13, 0xc4]);
        assert_eq!(
            written(|w| w.unsigned(0x42, 0xffff_ffff)),
            [0x42, 5, 0, 255, 255, 255, 255]
        );
    }

    #[test]
    fn x690_8_1_3_lengths_of_every_form() {
        for (length, header) in [
            (0usize, &[4, 0][..]),
            (127, &[4, 0x7f]),
            (128, &[4, 0x81, 0x80]),
            (256, &[4, 0x82, 1, 0]),
            (65536, &[4, 0x83, 1, 0, 0]),
        ] {
            let octets = written(|w| w.primitive(OCTET_STRING, &vec![7; length]));
            assert_eq!(octets[..octets.len() - length], *header);
            let mut reader = Reader::new(&octets, 0);
            assert_eq!(reader.octet_string().unwrap().len(), length);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn complaints_name_the_offset_in_the_datagram() {
        let mut reader = Reader::new(&[0x30, 4, 2, 1, 5, 4], 0);
        let mut inside = reader.expect(SEQUENCE).unwrap();
        assert_eq!(inside.integer(0, 9), Ok(5));
        assert_eq!(
            inside.octet_string(),
            Err(BerError {
                offset: 5,
                kind: BerErrorKind::Truncated
            })
        );
        let indefinite = Reader::new(&[0x30, 0x80, 0, 0], 9).element().map(|_| ());
        assert_eq!(
            indefinite,
            Err(BerError {
                offset: 9,
                kind: BerErrorKind::Length
            })
        );
    }

    #[test]
    fn an_unsigned_value_without_its_leading_zero_is_read() {
        let read = |octets: &[u8]| Reader::new(octets, 0).unsigned(4).ok();
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff]), Some(0xffff_ffff));
        assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff]), Some(0xffff_ffff));
        assert_eq!(read(&[0xff]), None);
        assert_eq!(read(&[1, 0, 0, 0, 0]), None);
        assert_eq!(read(&[]), None);
    }

    proptest! {
        #[test]
        fn integers_and_back(signed: i64, unsigned: u64) {
            let octets = written(|w| { w.unsigned(0x46, unsigned); w.signed(INTEGER, signed); });
            let mut reader = Reader::new(&octets, 0);
            prop_assert_eq!(reader.expect(INTEGER).unwrap().signed(), Ok(signed));
            prop_assert_eq!(reader.expect(0x46).unwrap().unsigned(8), Ok(unsigned));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&octets, 0);
            while let Ok((_, content)) = reader.element() {
                let _ = (content.signed(), content.unsigned(4), content.unsigned(8));
            }
        }
    }
}
