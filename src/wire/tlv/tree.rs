//! A file of either kind as a tree of TLVs, and its octets.

use super::dictionary::{Definition, Form, VENDOR};
use super::encoded::Encoded;
use super::error::{EncodeError, TlvPath};
use super::file::{DELIMITER, END, LONG_VARBIND, LONGEST_SHORT_VARBIND, VARBIND};
use super::kind::FileKind;
use crate::wire::snmp::varbind::VarBind;

/// The TLV of a cable modem's file that fills it up: one octet, no length.
pub(super) const PAD: u8 = 0;
/// The TLV that ends a cable modem's file: one octet, no length.
pub(super) const END_OF_DATA: u8 = 255;
/// The OUI under which TLV 43 means what the dictionary says.
pub(super) const GENERAL: [u8; 3] = [0xff; 3];

/// A configuration file of either kind. Decoding loses nothing: [`ConfigFile::encode`] of what [`ConfigFile::decode`]
/// read is the same octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Which kind it is.
    pub kind: FileKind,
    /// Its TLVs in their order: delimiters, MICs, pads and the end mark among them.
    pub tlvs: Vec<Tlv>,
    /// What stands after the end: in a cable modem's file most often zero octets, up to a multiple of four.
    pub trailing: Vec<u8>,
}

/// A TLV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlv {
    /// Its type.
    pub kind: u8,
    /// Its value.
    pub body: Body,
}

/// The value of a TLV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing, not even a length: TLVs 0 and 255 of a cable modem's file.
    Mark,
    /// Octets; [`Definition::form`] says what they mean where the dictionary has the TLV.
    Octets(Vec<u8>),
    /// TLVs.
    Tlvs(Vec<Tlv>),
    /// A variable binding.
    VarBind(Encoded<VarBind>),
}

impl ConfigFile {
    /// An empty file: of a device with both delimiters, of a cable modem with nothing.
    pub fn new(kind: FileKind) -> Self {
        let delimiter = |value| Tlv::octets(DELIMITER, vec![value]);
        Self {
            kind,
            tlvs: match kind {
                FileKind::Device => vec![delimiter(super::file::START), delimiter(END)],
                FileKind::CableModem => Vec::new(),
            },
            trailing: Vec::new(),
        }
    }

    /// The file's octets.
    ///
    /// # Errors
    /// [`EncodeError`] where a value is longer than its length field can say.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(self.tlvs.len() * 40 + self.trailing.len());
        self.write_tlvs(&mut out)?;
        out.extend_from_slice(&self.trailing);
        Ok(out)
    }

    /// Appends the octets of the TLVs, without what follows the end.
    pub(super) fn write_tlvs(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.tlvs
            .iter()
            .try_for_each(|tlv| tlv.write(self.kind.is_wide(tlv.kind), TlvPath::top(tlv.kind), out))
    }

    /// The first TLV of type `kind`.
    pub fn get(&self, kind: u8) -> Option<&Tlv> {
        self.tlvs.iter().find(|tlv| tlv.kind == kind)
    }

    /// Visits every TLV, those within TLVs after the one that holds them.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(Place, &'a Tlv)) {
        let mut offset = 0;
        for tlv in &self.tlvs {
            let definition = Definition::find(Definition::of_file(self.kind), tlv.kind);
            let place = Place {
                offset,
                path: TlvPath::top(tlv.kind),
                definition,
            };
            offset += tlv.walk(place, tlv.header_len(self.kind.is_wide(tlv.kind)), visit);
        }
    }
}

/// Where a TLV stands, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Octets from the start of the file to the TLV's type.
    pub offset: usize,
    /// Its types.
    pub path: TlvPath,
    /// What the dictionary says of it.
    pub definition: Option<&'static Definition>,
}

impl Place {
    /// The name in the dictionary; for an unknown TLV `TLV 99`.
    pub fn name(&self) -> String {
        let named = self.definition.map(|definition| definition.name.to_owned());
        named.unwrap_or_else(|| format!("TLV {}", self.path.kinds().last().copied().unwrap_or_default()))
    }
}

impl Tlv {
    /// A TLV whose value is bare octets.
    pub fn octets(kind: u8, value: impl Into<Vec<u8>>) -> Self {
        let body = Body::Octets(value.into());
        Self { kind, body }
    }

    /// A TLV of TLVs.
    pub fn group(kind: u8, tlvs: Vec<Self>) -> Self {
        let body = Body::Tlvs(tlvs);
        Self { kind, body }
    }

    /// A mark: TLV 0 or 255 of a cable modem's file.
    pub fn mark(kind: u8) -> Self {
        let body = Body::Mark;
        Self { kind, body }
    }

    /// A variable binding in TLV 11; in a device file in TLV 64 where it is too long for that.
    pub fn varbind(file: FileKind, varbind: Encoded<VarBind>) -> Self {
        let long = file == FileKind::Device && varbind.octets().len() > LONGEST_SHORT_VARBIND;
        Self {
            kind: if long { LONG_VARBIND } else { VARBIND },
            body: Body::VarBind(varbind),
        }
    }

    /// The TLVs within; none where it holds none.
    pub fn children(&self) -> &[Self] {
        match &self.body {
            Body::Tlvs(tlvs) => tlvs,
            _ => &[],
        }
    }

    /// The first TLV of type `kind` within.
    pub fn child(&self, kind: u8) -> Option<&Self> {
        self.children().iter().find(|tlv| tlv.kind == kind)
    }

    /// The octets, where the value is bare octets.
    pub fn as_octets(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Octets(octets) => Some(octets),
            _ => None,
        }
    }

    /// The variable binding, where the value is one.
    pub fn as_varbind(&self) -> Option<&Encoded<VarBind>> {
        match &self.body {
            Body::VarBind(varbind) => Some(varbind),
            _ => None,
        }
    }

    /// The octets of the value.
    ///
    /// # Errors
    /// [`EncodeError`] where a TLV within is too long.
    pub fn value(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.write_value(TlvPath::top(self.kind), &mut out)?;
        Ok(out)
    }

    /// The table that the TLVs within are read by.
    pub fn table(&self, definition: Option<&'static Definition>) -> &'static [Definition] {
        match definition.map(|definition| definition.form) {
            Some(Form::Group(children)) => children,
            Some(Form::Extension(children)) if is_general(self.children().iter().map(Self::oui)) => children,
            Some(Form::Extension(_)) => VENDOR,
            _ => &[],
        }
    }

    /// For [`is_general`]: the OUI that this TLV says.
    fn oui(&self) -> Option<&[u8]> {
        self.as_octets().filter(|_| self.kind == 8)
    }

    fn write_value(&self, path: TlvPath, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.body {
            Body::Mark => {}
            Body::Octets(octets) => out.extend_from_slice(octets),
            Body::VarBind(varbind) => out.extend_from_slice(varbind.octets()),
            Body::Tlvs(tlvs) => {
                for tlv in tlvs {
                    tlv.write(false, path.child(tlv.kind), out)?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, wide: bool, path: TlvPath, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.push(self.kind);
        if self.body == Body::Mark {
            return Ok(());
        }
        let length_at = out.len();
        out.extend_from_slice(if wide { &[0, 0] } else { &[0] });
        let start = out.len();
        self.write_value(path, out)?;
        let length = out.len() - start;
        let limit = if wide { 0xffff } else { 0xff };
        if length > limit {
            return Err(EncodeError { path, length, limit });
        }
        let [.., high, low] = length.to_be_bytes();
        let field: &[u8] = if wide { &[high, low] } else { &[low] };
        out[length_at..start].copy_from_slice(field);
        Ok(())
    }

    fn header_len(&self, wide: bool) -> usize {
        match (&self.body, wide) {
            (Body::Mark, _) => 1,
            (_, true) => 3,
            (_, false) => 2,
        }
    }

    /// Visits this TLV and those within; the result is how many octets it takes.
    fn walk<'a>(&'a self, place: Place, header: usize, visit: &mut dyn FnMut(Place, &'a Self)) -> usize {
        visit(place, self);
        header
            + match &self.body {
                Body::Mark => 0,
                Body::Octets(octets) => octets.len(),
                Body::VarBind(varbind) => varbind.octets().len(),
                Body::Tlvs(tlvs) => {
                    let table = self.table(place.definition);
                    let mut length = 0;
                    for tlv in tlvs {
                        let inner = Place {
                            offset: place.offset + header + length,
                            path: place.path.child(tlv.kind),
                            definition: Definition::find(table, tlv.kind),
                        };
                        length += tlv.walk(inner, 2, visit);
                    }
                    length
                }
            }
    }
}

/// Whether an extension field means what the dictionary says: where it names no vendor, or all of them.
pub(super) fn is_general<'a>(ouis: impl Iterator<Item = Option<&'a [u8]>>) -> bool {
    ouis.flatten().next().is_none_or(|oui| oui == GENERAL)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::tests::{any_file_octets, any_file_value};
    use super::*;
    use crate::value::{hex, unhex};
    use crate::wire::snmp::varbind::tests::any_oid;
    use proptest::prelude::*;

    fn decode(text: &str) -> Result<ConfigFile, String> {
        ConfigFile::decode(&unhex(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cable_modems_file_is_a_tree() {
        // The vectors of the fact sheet §8 and §1.3, an unknown TLV and an unknown setting between them.
        let text = "000301011807010200010601076302abcd180563030a0b0c\
                    262601040a0001fd0202ddd603020002040201f4050200030707326164666c6136060506032b0601ff00";
        let file = decode(text).unwrap();
        assert_eq!(file.kind, FileKind::CableModem);
        let kinds: Vec<u8> = file.tlvs.iter().map(|tlv| tlv.kind).collect();
        assert_eq!(kinds, [0, 3, 24, 99, 24, 38, 255]);
        assert_eq!(file.trailing, [0]);
        assert_eq!(file.tlvs[2].child(6), Some(&Tlv::octets(6, [7])));
        assert_eq!(file.tlvs[4].children(), [Tlv::octets(99, [10, 11, 12])]);
        assert_eq!(hex(&file.encode().unwrap()), text.replace(' ', ""));
    }

    #[test]
    fn tlv_64_has_a_length_by_the_kind_of_file() {
        let device = "fe010140001230100 60b2b06010201810c01010600020101fe01ff".replace(' ', "");
        let file = decode(&device).unwrap();
        assert!(file.tlvs[1].as_varbind().is_some());
        assert_eq!(hex(&file.encode().unwrap()), device);
        let modem = "40060104ef010101ff";
        let file = decode(modem).unwrap();
        assert_eq!(file.tlvs[0].child(1), Some(&Tlv::octets(1, [239, 1, 1, 1])));
        assert_eq!(hex(&file.encode().unwrap()), modem);
    }

    #[test]
    fn an_extension_field_of_a_vendor_is_the_vendors() {
        let file = decode("2b0b08030010950604010201ff").unwrap();
        assert_eq!(file.tlvs[0].child(6), Some(&Tlv::octets(6, [1, 2, 1, 0xff])));
        let general = decode("2b0b0803ffffff0604010201ff").unwrap();
        assert_eq!(
            general.tlvs[0].child(6),
            Some(&Tlv::group(6, vec![Tlv::octets(1, [1, 0xff])]))
        );
        // What only the vendor knows need not be TLVs.
        for octets in ["2b0808030010950105ff", "2b03424242"] {
            let opaque = decode(octets).unwrap();
            assert!(opaque.tlvs[0].as_octets().is_some());
            assert_eq!(hex(&opaque.encode().unwrap()), octets);
        }
    }

    #[test]
    fn an_error_names_offset_path_and_expectation() {
        let error = |text: &str| decode(text).unwrap_err();
        assert_eq!(
            error("030101180501020001"),
            "offset 4, TLV 24: expected a length and as many octets, found 4 of 5 octets"
        );
        assert_eq!(
            error("2b0b0803ffffff060401030304"),
            "offset 10, TLV 43.6.1: expected a length and as many octets, found 2 of 3 octets"
        );
        assert_eq!(
            error("03010112"),
            "offset 4, TLV 18: expected a length and as many octets, found the end"
        );
        assert_eq!(
            error("ca090b07300506012b0401"),
            "offset 9, TLV 202.11: expected as many octets as the BER length says, found element cut short"
        );
    }

    #[test]
    fn a_value_too_long_names_its_path() {
        let inner = Tlv::group(5, vec![Tlv::octets(1, vec![0; 254])]);
        let mut file = ConfigFile::new(FileKind::CableModem);
        file.tlvs.push(Tlv::group(43, vec![inner]));
        assert_eq!(
            file.encode().unwrap_err().to_string(),
            "TLV 43.5: 256 octets, and its length field counts to 255"
        );
    }

    /// A TLV of a table, with a value that suits its form or not.
    fn any_tlv(table: &'static [Definition], depth: u32) -> BoxedStrategy<Tlv> {
        let octets = || prop::collection::vec(any::<u8>(), 0..20);
        let leaf = any::<prop::sample::Index>().prop_flat_map(move |at| {
            let definition = &table[at.index(table.len())];
            let kind = definition.kind;
            match definition.form {
                Form::VarBind => (any_oid(), any_file_value())
                    .prop_map(move |(oid, value)| Tlv {
                        kind,
                        body: Body::VarBind(Encoded::new(VarBind::new(oid, value))),
                    })
                    .prop_filter("too long", |tlv| tlv.value().is_ok_and(|value| value.len() < 250))
                    .boxed(),
                Form::Group(children) if depth > 0 => prop::collection::vec(any_tlv(children, depth - 1), 0..3)
                    .prop_map(move |tlvs| Tlv::group(kind, tlvs))
                    .prop_filter("too long", |tlv| tlv.value().is_ok_and(|value| value.len() < 250))
                    .boxed(),
                Form::Group(_) | Form::Extension(_) => Just(Tlv::group(kind, Vec::new())).boxed(),
                Form::Number(width) => prop::collection::vec(any::<u8>(), usize::from(width))
                    .prop_map(move |octets| Tlv::octets(kind, octets))
                    .boxed(),
                _ => octets().prop_map(move |octets| Tlv::octets(kind, octets)).boxed(),
            }
        });
        leaf.boxed()
    }

    /// The octets of a cable modem's file, with its end or without.
    pub(crate) fn any_modem_octets() -> impl Strategy<Value = Vec<u8>> {
        let unknown = (107u8..200, prop::collection::vec(any::<u8>(), 0..20));
        let unknown = unknown.prop_map(|(kind, octets)| Tlv::octets(kind, octets));
        let known = any_tlv(Definition::of_file(FileKind::CableModem), 3);
        let tlv = prop_oneof![8 => known, 1 => unknown, 1 => Just(Tlv::mark(PAD))];
        let end = prop::option::of(0usize..4);
        (prop::collection::vec(tlv, 1..12), end).prop_map(|(tlvs, end)| {
            let mut file = ConfigFile::new(FileKind::CableModem);
            file.tlvs = tlvs;
            if let Some(pads) = end {
                file.tlvs.push(Tlv::mark(END_OF_DATA));
                file.trailing = vec![0; pads];
            }
            file.encode().unwrap()
        })
    }

    proptest! {
        #[test]
        fn decode_and_encode_is_identity_on_modem_files(octets in any_modem_octets()) {
            let file = ConfigFile::decode_as(FileKind::CableModem, &octets).unwrap();
            prop_assert_eq!(file.encode().unwrap(), octets.clone());
            file.walk(&mut |place, tlv| assert_eq!(octets[place.offset], tlv.kind));
        }

        #[test]
        fn decode_and_encode_is_identity_on_device_files(octets in any_file_octets()) {
            let file = ConfigFile::decode_as(FileKind::Device, &octets);
            if let Ok(file) = file {
                prop_assert_eq!(file.encode().unwrap(), octets);
            }
        }

        #[test]
        fn decode_and_encode_is_identity_on_hostile_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            for kind in [FileKind::Device, FileKind::CableModem] {
                if let Ok(file) = ConfigFile::decode_as(kind, &octets) {
                    prop_assert_eq!(file.encode().unwrap(), octets.clone());
                    file.walk(&mut |place, tlv| assert_eq!(octets[place.offset], tlv.kind));
                }
            }
        }
    }
}
