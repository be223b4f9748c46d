//! Octets of a file as they are written, with what has to be known of them afterwards.

use super::error::Place;
use super::failure::BuildReason;
use crate::wire::snmp::varbind::Value;
use crate::wire::tlv::{FileKind, LONGEST_SHORT_VARBIND};

const VARBIND: u8 = 11;
const LONG_VARBIND: u8 = 64;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 6;
const OCTET_STRING: u8 = 4;
const INTEGER: u8 = 2;
const UNSIGNED32: u8 = 0x42;

/// Octets that are the same for every device, and what [`Out`] notes of them.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub octets: Vec<u8>,
    /// The fingerprints of the objects that are set.
    pub objects: Vec<u64>,
    /// InetAddressTypes: the object's fingerprint and the value.
    pub types: Vec<(u64, i64)>,
    /// InetAddresses.
    pub addresses: Vec<AddressUse>,
    /// Where a TLV among them has a length of two octets: the one kind of file that has a place for it.
    pub wide: Option<FileKind>,
}

impl Run {
    /// These octets and then those of `other`.
    pub fn append(&mut self, other: Self) {
        self.octets.extend(other.octets);
        self.objects.extend(other.objects);
        self.types.extend(other.types);
        self.addresses.extend(other.addresses);
        self.wide = self.wide.or(other.wide);
    }

    /// Gives back the memory that is not needed: a library keeps many of these.
    pub fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.objects.shrink_to_fit();
        self.types.shrink_to_fit();
        self.addresses.shrink_to_fit();
    }

    /// These octets as the value of a TLV.
    pub fn within(&self, number: u8, kind: FileKind) -> Result<Self, BuildReason> {
        let mut out = Out::new(kind, self.octets.len() + 2);
        let open = out.open(number);
        out.append(self)?;
        out.close(open)?;
        Ok(out.run)
    }
}

/// An InetAddress in the file.
#[derive(Debug, Clone)]
pub(super) struct AddressUse {
    /// The fingerprint of the object that says its type.
    pub of: u64,
    /// Its length in octets.
    pub length: usize,
    /// The statement that sets it.
    pub place: Place,
    /// The object as written.
    pub attribute: Box<str>,
}

/// The file so far: one buffer that everything is appended to.
pub(super) struct Out {
    pub run: Run,
    /// The format, which says how long a TLV may be.
    pub kind: FileKind,
    /// TLVs that are open: only one of the file itself has a length of two octets.
    pub depth: usize,
}

/// A TLV whose end is not yet written.
pub(super) struct Open {
    at: usize,
    wide: bool,
}

/// A number that two object identifiers share only by chance (FNV-1a over the BER content).
pub(super) fn fingerprint(content: &[u8]) -> u64 {
    longer_fingerprint(0xcbf2_9ce4_8422_2325, content)
}

/// The fingerprint of an object identifier that goes on with `more` after what `start` is the fingerprint of.
pub(super) fn longer_fingerprint(start: u64, more: &[u8]) -> u64 {
    more.iter().fold(start, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Out {
    /// Nothing yet.
    pub fn new(kind: FileKind, capacity: usize) -> Self {
        let mut run = Run::default();
        run.octets.reserve(capacity);
        run.objects.reserve(64);
        Self { run, kind, depth: 0 }
    }

    /// Whether a TLV 64 that begins here has a length of two octets.
    fn takes_long(&self) -> bool {
        self.kind == FileKind::Device && self.depth == 0
    }

    /// Appends what was compiled.
    pub fn append(&mut self, run: &Run) -> Result<(), BuildReason> {
        if run.wide.is_some_and(|kind| kind != self.kind || self.depth > 0) {
            return Err(BuildReason::Kind(
                "a TLV with a length of two octets has no place in this kind of file, nor in a group: for a device's file \
                 a variable binding of more than 255 octets, for a cable modem's TLVs 103 and 104",
            ));
        }
        self.run.wide = self.run.wide.or(run.wide);
        self.run.octets.extend_from_slice(&run.octets);
        self.run.objects.extend_from_slice(&run.objects);
        self.run.types.extend_from_slice(&run.types);
        self.run.addresses.extend_from_slice(&run.addresses);
        Ok(())
    }

    /// Appends a variable binding: the object's name as a BER element, and its value as one; `object` is the
    /// fingerprint of the name. In a device file it goes into the TLV that its length asks for.
    pub fn varbind(&mut self, name: &[u8], object: u64, value: &[u8]) -> Result<(), BuildReason> {
        let content = name.len() + value.len();
        let whole = 1 + length_octets(content) + content;
        let limit = if self.takes_long() { 0xffff } else { 0xff };
        if whole > limit {
            return Err(BuildReason::Length { length: whole, limit });
        }
        let [.., high, low] = whole.to_be_bytes();
        let long = self.takes_long();
        let out = &mut self.run.octets;
        if whole <= LONGEST_SHORT_VARBIND || !long {
            out.extend([VARBIND, low, SEQUENCE]);
        } else {
            out.extend([LONG_VARBIND, high, low, SEQUENCE]);
            self.run.wide = Some(self.kind);
        }
        push_length(content, out);
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        self.run.objects.push(object);
        Ok(())
    }

    /// Appends a TLV of octets.
    pub fn tlv(&mut self, number: u8, value: &[u8]) -> Result<(), BuildReason> {
        let open = self.open(number);
        self.run.octets.extend_from_slice(value);
        self.close(open)
    }

    /// Begins a TLV; its length is written when it is closed.
    pub fn open(&mut self, number: u8) -> Open {
        let wide = self.depth == 0 && self.kind.is_wide(number);
        self.depth += 1;
        self.run.octets.push(number);
        let at = self.run.octets.len();
        if wide {
            self.run.wide = Some(self.kind);
        }
        self.run.octets.extend_from_slice(if wide { &[0, 0] } else { &[0] });
        Open { at, wide }
    }

    /// Ends a TLV.
    pub fn close(&mut self, open: Open) -> Result<(), BuildReason> {
        self.depth = self.depth.saturating_sub(1);
        let start = open.at + if open.wide { 2 } else { 1 };
        let length = self.run.octets.len().saturating_sub(start);
        let limit = if open.wide { 0xffff } else { 0xff };
        if length > limit {
            return Err(BuildReason::Length { length, limit });
        }
        let [.., high, low] = length.to_be_bytes();
        let field: &[u8] = if open.wide { &[high, low] } else { &[low] };
        if let Some(slot) = self.run.octets.get_mut(open.at..start) {
            slot.copy_from_slice(field);
        }
        Ok(())
    }
}

/// The content of a name's element: tag and length take two octets up to 127 of content, three after that.
pub(super) fn element_content(element: &[u8]) -> &[u8] {
    let short = element.get(1).is_some_and(|&length| length < 0x80);
    element.get(if short { 2 } else { 3 }..).unwrap_or_default()
}

/// Appends an OCTET STRING.
pub(super) fn octet_string(octets: &[u8], out: &mut Vec<u8>) {
    out.push(OCTET_STRING);
    push_length(octets.len(), out);
    out.extend_from_slice(octets);
}

/// Appends a value as a BER element.
pub(super) fn value_element(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::OctetString(octets) => octet_string(octets, out),
        Value::Integer(number) => integer(INTEGER, i64::from(*number), out),
        Value::Unsigned32(number) => integer(UNSIGNED32, i64::from(*number), out),
        value => out.extend(value.encode()),
    }
}

/// A number in as few octets as leave room for its sign.
fn integer(tag: u8, number: i64, out: &mut Vec<u8>) {
    let octets = number.to_be_bytes();
    let redundant = if number < 0 {
        number.leading_ones()
    } else {
        number.leading_zeros()
    };
    let skipped = usize::try_from(redundant.saturating_sub(1) / 8).unwrap_or(0);
    let kept = octets.get(skipped..).unwrap_or_default();
    out.push(tag);
    push_length(kept.len(), out);
    out.extend_from_slice(kept);
}

/// Octets that a BER length takes.
fn length_octets(length: usize) -> usize {
    match length {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        _ => 5,
    }
}

fn push_length(length: usize, out: &mut Vec<u8>) {
    let octets = length.to_be_bytes();
    let needed = length_octets(length) - 1;
    if needed > 0 {
        out.push(0x80 | u8::try_from(needed).unwrap_or(0));
        out.extend(octets.iter().skip(octets.len() - needed));
    } else {
        out.extend(octets.last());
    }
}

/// The BER element of an object identifier's content.
pub(super) fn name_element(content: &[u8], out: &mut Vec<u8>) {
    out.push(OBJECT_IDENTIFIER);
    push_length(content.len(), out);
    out.extend_from_slice(content);
}

/// Appends an arc in base 128 (X.690 §8.19).
pub(super) fn push_arc(arc: u32, out: &mut Vec<u8>) {
    let groups = (32 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push(u8::try_from(arc >> (7 * group) & 0x7f).unwrap_or(0) | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Oid;
    use crate::wire::snmp::varbind::VarBind;
    use crate::wire::snmp::varbind::tests::any_value;
    use crate::wire::tlv::{DeviceFile, Element};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_are_what_the_codec_writes(value in any_value()) {
            let mut octets = Vec::new();
            value_element(&value, &mut octets);
            prop_assert_eq!(octets, value.encode());
        }

        #[test]
        fn varbinds_are_what_the_codec_writes(last in any::<u32>(), more in any::<u32>(), length in 0usize..400) {
            let oid = Oid::new(&[1, 3, 6, 1, more, last]).unwrap();
            let varbind = VarBind::new(oid.clone(), Value::OctetString(vec![b'x'; length]));
            let mut content = Oid::new(&[1, 3, 6, 1]).unwrap().to_ber();
            push_arc(more, &mut content);
            push_arc(last, &mut content);
            prop_assert_eq!(&content, &oid.to_ber());
            let mut name = Vec::new();
            name_element(&content, &mut name);
            let mut out = Out::new(FileKind::Device, 0);
            out.varbind(&name, fingerprint(&content), &varbind.value.encode()).unwrap();
            let file = DeviceFile { elements: vec![Element::varbind(varbind)], trailing: Vec::new() };
            prop_assert_eq!(&out.run.octets, &file.encode().unwrap());
            prop_assert_eq!(out.run.objects, [fingerprint(&content)]);
        }
    }
}
