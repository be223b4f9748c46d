//! The file as a typed tree, and its octets (fact sheet provisioning §1.1, CERTAIN).

use super::encoded::Encoded;
use super::error::{DecodeError, EncodeError, TlvPath};
use super::{NotificationReceiver, VendorSpecific, receiver, vendor};
use crate::value::Oid;
use crate::wire::snmp::varbind::{Value, VarBind};

/// The longest variable binding that goes into a TLV 11 of our own, in octets; a longer one goes into a TLV 64
/// (fact sheet provisioning §1.1: the limit is LIKELY). A TLV 11 of 255 octets is read all the same.
pub const LONGEST_SHORT_VARBIND: usize = 254;

pub(super) const DELIMITER: u8 = 254;
pub(super) const VARBIND: u8 = 11;
pub(super) const LONG_VARBIND: u8 = 64;
pub(super) const START: u8 = 0x01;
pub(super) const END: u8 = 0xff;

/// A device configuration file.
///
/// Decoding loses nothing: [`DeviceFile::encode`] of what [`DeviceFile::decode`] read is the same octets. The tree
/// may break the rules of the format, a missing delimiter for instance; [`super::check_device_file`] finds that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceFile {
    /// The elements in their order, delimiters among them.
    pub elements: Vec<Element>,
    /// What stands after `FE 01 FF`: nothing, or the zero octets that filled the last cipher block (profile P22).
    pub trailing: Vec<u8>,
}

/// One TLV of a device file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// `FE 01 01`, the first of the file.
    Start,
    /// `FE 01 FF`, the last of the file.
    End,
    /// TLV 11, a variable binding of at most 255 octets.
    VarBind(Encoded<VarBind>),
    /// TLV 64, a variable binding with a length of two octets.
    LongVarBind(Encoded<VarBind>),
    /// TLV 38.
    NotificationReceiver(NotificationReceiver),
    /// TLV 43.
    VendorSpecific(VendorSpecific),
    /// Any other TLV, also a delimiter with another value.
    Unknown {
        /// Its type.
        kind: u8,
        /// Its value, at most 255 octets.
        value: Vec<u8>,
    },
}

impl DeviceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DecodeError`] names the offset, the TLV and what the format has there.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let mut file = Self::default();
        let mut rest = octets;
        while let Some((&kind, after_kind)) = rest.split_first() {
            let offset = octets.len() - rest.len();
            let (value, after) = split_value(kind, after_kind).map_err(|found| DecodeError {
                offset: offset + 1,
                path: TlvPath::top(kind),
                expected: "a length and as many octets",
                found,
            })?;
            let value_offset = octets.len() - after.len() - value.len();
            let element = Element::read(kind, value, value_offset)?;
            rest = after;
            let ended = element == Element::End;
            file.elements.push(element);
            if ended {
                file.trailing = rest.to_vec();
                break;
            }
        }
        Ok(file)
    }

    /// The file's octets.
    ///
    /// # Errors
    /// [`EncodeError`] where a value is longer than its length field can say.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(self.elements.len() * 40);
        for element in &self.elements {
            element.write(&mut out)?;
        }
        out.extend_from_slice(&self.trailing);
        Ok(out)
    }

    /// The variable bindings of TLVs 11 and 64, in their order.
    pub fn varbinds(&self) -> impl Iterator<Item = &VarBind> {
        self.elements.iter().filter_map(Element::as_varbind)
    }

    /// The first variable binding that sets `oid`.
    pub fn get(&self, oid: &Oid) -> Option<&VarBind> {
        self.varbinds().find(|varbind| varbind.name == *oid)
    }

    /// Adds an element before the end delimiter, or at the end where there is none.
    pub fn push(&mut self, element: Element) {
        let at = self.elements.iter().rposition(|element| *element == Element::End);
        self.elements.insert(at.unwrap_or(self.elements.len()), element);
    }
}

/// Takes the length field and the value from `octets`, the octets after the type. The error says what was found.
fn split_value(kind: u8, octets: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = match (kind, octets) {
        (LONG_VARBIND, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        (LONG_VARBIND, _) | (_, []) => return Err("the end".to_owned()),
        (_, [length, rest @ ..]) => (usize::from(*length), rest),
    };
    if length > rest.len() {
        return Err(format!("{} of {length} octets", rest.len()));
    }
    Ok(rest.split_at(length))
}

impl Element {
    /// A variable binding in the TLV that its length asks for: 11 up to [`LONGEST_SHORT_VARBIND`] octets, else 64.
    pub fn varbind(varbind: VarBind) -> Self {
        let encoded = Encoded::new(varbind);
        if encoded.octets().len() > LONGEST_SHORT_VARBIND {
            Self::LongVarBind(encoded)
        } else {
            Self::VarBind(encoded)
        }
    }

    /// The variable binding of a TLV 11 or 64.
    pub fn as_varbind(&self) -> Option<&VarBind> {
        match self {
            Self::VarBind(varbind) | Self::LongVarBind(varbind) => Some(varbind),
            _ => None,
        }
    }

    /// The type octet.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Start | Self::End => DELIMITER,
            Self::VarBind(_) => VARBIND,
            Self::LongVarBind(_) => LONG_VARBIND,
            Self::NotificationReceiver(_) => receiver::KIND,
            Self::VendorSpecific(_) => vendor::KIND,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn read(kind: u8, value: &[u8], offset: usize) -> Result<Self, DecodeError> {
        Ok(match (kind, value) {
            (DELIMITER, [START]) => Self::Start,
            (DELIMITER, [END]) => Self::End,
            (VARBIND, _) => Self::VarBind(read_varbind(TlvPath::top(kind), value, offset)?),
            (LONG_VARBIND, _) => Self::LongVarBind(read_varbind(TlvPath::top(kind), value, offset)?),
            (receiver::KIND, _) => Self::NotificationReceiver(NotificationReceiver::read(value, offset)?),
            (vendor::KIND, _) => Self::VendorSpecific(VendorSpecific::read(value, offset)?),
            _ => Self::Unknown {
                kind,
                value: value.to_vec(),
            },
        })
    }

    /// Appends type, length and value.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let kind = self.kind();
        out.push(kind);
        let length_at = out.len();
        out.extend_from_slice(if kind == LONG_VARBIND { &[0, 0] } else { &[0] });
        let start = out.len();
        match self {
            Self::Start => out.push(START),
            Self::End => out.push(END),
            Self::VarBind(varbind) | Self::LongVarBind(varbind) => out.extend_from_slice(varbind.octets()),
            Self::NotificationReceiver(receiver) => receiver.write(out)?,
            Self::VendorSpecific(vendor) => vendor.write(out)?,
            Self::Unknown { value, .. } => out.extend_from_slice(value),
        }
        let length = out.len() - start;
        let limit = if kind == LONG_VARBIND { 0xffff } else { 0xff };
        if length > limit {
            return Err(EncodeError {
                path: TlvPath::top(kind),
                length,
                limit,
            });
        }
        let [.., high, low] = length.to_be_bytes();
        let field: &[u8] = if kind == LONG_VARBIND { &[high, low] } else { &[low] };
        out[length_at..start].copy_from_slice(field);
        Ok(())
    }
}

/// Reads the variable binding that the TLV `path` holds, which stands at `offset` of the file.
pub(super) fn read_varbind(path: TlvPath, value: &[u8], offset: usize) -> Result<Encoded<VarBind>, DecodeError> {
    let varbind = VarBind::decode(value).map_err(|error| DecodeError::ber(path, offset, error))?;
    if matches!(
        varbind.value,
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView
    ) {
        return Err(DecodeError {
            offset,
            path,
            expected: "a value of the SMI",
            found: format!("{:?}, which only a response carries", varbind.value),
        });
    }
    Ok(Encoded::read(varbind, value))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{ReceiverKind, ReceiverSetting, SubTlv};
    use super::*;
    use crate::value::{hex, unhex};
    use crate::wire::snmp::varbind::tests::{any_oid, any_value};
    use proptest::prelude::*;

    fn decode(text: &str) -> DeviceFile {
        DeviceFile::decode(&unhex(text).unwrap()).unwrap()
    }

    #[test]
    fn the_receiver_vector_of_the_fact_sheet_1_3() {
        let text = "262601040a0001fd0202ddd603020002040201f4050200030707326164666c6136060506032b0601";
        let file = decode(text);
        let [Element::NotificationReceiver(receiver)] = file.elements.as_slice() else {
            panic!("one receiver: {file:?}");
        };
        assert_eq!(
            receiver.settings,
            [
                ReceiverSetting::Address([10, 0, 1, 253].into()),
                ReceiverSetting::Port(56790),
                ReceiverSetting::Kind(ReceiverKind::V2cTrap),
                ReceiverSetting::Timeout(500),
                ReceiverSetting::Retries(3),
                ReceiverSetting::SecurityName(b"2adfla6".to_vec()),
                ReceiverSetting::Filter(Encoded::new("1.3.6.1".parse().unwrap())),
            ]
        );
        assert_eq!(hex(&file.encode().unwrap()), text);
    }

    #[test]
    fn a_long_variable_binding_goes_into_tlv_64() {
        let oid: Oid = "1.3.6.1.4.1.4491.2.2.8.2.1.1.3.1.1.2.1".parse().unwrap();
        let file = |length| DeviceFile {
            elements: vec![Element::varbind(VarBind::new(
                oid.clone(),
                Value::OctetString(vec![b'x'; length]),
            ))],
            trailing: Vec::new(),
        };
        // 2 or 3 octets for the SEQUENCE, 20 for the name, 2 or 3 for the value's header.
        assert_eq!(&file(228).encode().unwrap()[..3], [11, 254, 0x30]);
        assert_eq!(&file(229).encode().unwrap()[..3], [64, 0, 255]);
        assert_eq!(
            &file(8192).encode().unwrap()[..7],
            [64, 0x20, 0x1c, 0x30, 0x82, 0x20, 0x18]
        );
        assert_eq!(
            file(66000).encode().unwrap_err().to_string(),
            "TLV 64: 66030 octets, and its length field counts to 65535"
        );
    }

    #[test]
    fn long_form_lengths_come_back_as_they_were() {
        // As the docsis encoder writes them: 82 for every length from 128, here for a shorter one.
        let text = "fe01010b15308200110682000b2b06010201810c010106000201010000".replace("0000", "");
        assert!(DeviceFile::decode(&unhex(&text).unwrap()).is_err());
        let text = "fe01010b1430820010060b2b06010201810c01010600020101fe01ff000000";
        let file = decode(text);
        assert_eq!(file.varbinds().count(), 1);
        assert_eq!(file.trailing, [0, 0, 0]);
        assert_eq!(hex(&file.encode().unwrap()), text);
    }

    #[test]
    fn an_error_names_offset_tlv_and_expectation() {
        let error = |text: &str| DeviceFile::decode(&unhex(text).unwrap()).unwrap_err().to_string();
        assert_eq!(
            error("fe01010b05300301"),
            "offset 4, TLV 11: expected a length and as many octets, found 3 of 5 octets"
        );
        assert_eq!(
            error("fe010126040203001 0".replace(' ', "").as_str()),
            "offset 5, TLV 38.2: expected a setting with its length and value, found 2 of 3 octets"
        );
        assert_eq!(
            error("2605020300a200"),
            "offset 4, TLV 38.2: expected 2 octets, found 3 octets"
        );
        assert_eq!(
            error("2b020801"),
            "offset 2, TLV 43.8: expected a setting with its length and value, found 0 of 1 octets"
        );
        assert_eq!(
            error("40"),
            "offset 1, TLV 64: expected a length and as many octets, found the end"
        );
        assert_eq!(
            error("0b09300706022b06090100"),
            "offset 8, TLV 11: expected a value of the SMI, found unknown tag 0x09"
        );
    }

    #[test]
    fn vendor_settings_are_led_by_the_oui() {
        let vendor = VendorSpecific::new(
            [0x00, 0x10, 0x95],
            [SubTlv {
                kind: 1,
                value: vec![2],
            }],
        );
        let file = DeviceFile {
            elements: vec![Element::VendorSpecific(vendor)],
            trailing: Vec::new(),
        };
        let octets = file.encode().unwrap();
        assert_eq!(hex(&octets), "2b080803001095010102");
        assert_eq!(DeviceFile::decode(&octets), Ok(file));
    }

    pub(crate) fn any_file_value() -> impl Strategy<Value = Value> {
        let response =
            |value: &Value| matches!(value, Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView);
        any_value().prop_filter("only a response carries it", move |value| !response(value))
    }

    fn element() -> impl Strategy<Value = Element> {
        let octets = || prop::collection::vec(any::<u8>(), 0..60);
        prop_oneof![
            (any_oid(), any_file_value()).prop_map(|(oid, value)| Element::varbind(VarBind::new(oid, value))),
            (any::<[u8; 3]>(), octets(), any::<u8>()).prop_map(|(oui, value, kind)| {
                Element::VendorSpecific(VendorSpecific::new(oui, [SubTlv { kind, value }]))
            }),
            (any_oid(), any::<u16>(), any::<[u8; 16]>(), octets()).prop_map(|(filter, port, address, name)| {
                Element::NotificationReceiver(NotificationReceiver {
                    settings: vec![
                        ReceiverSetting::Address6(address.into()),
                        ReceiverSetting::Kind(port.into()),
                        ReceiverSetting::Filter(Encoded::new(filter)),
                        ReceiverSetting::SecurityName(name),
                    ],
                })
            }),
            (100u8..200, octets()).prop_map(|(kind, value)| Element::Unknown { kind, value }),
        ]
    }

    /// The octets of any file that can be read, delimited or not.
    pub(crate) fn any_file_octets() -> impl Strategy<Value = Vec<u8>> {
        let damage = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
        (prop::collection::vec(element(), 1..6), any::<bool>(), damage).prop_filter_map(
            "no file",
            |(elements, delimited, damage)| {
                let mut file = DeviceFile {
                    elements,
                    trailing: Vec::new(),
                };
                if delimited {
                    file.elements.insert(0, Element::Start);
                    file.elements.push(Element::End);
                }
                let mut octets = file.encode().ok()?;
                if let Some((at, octet)) = damage {
                    let at = at.index(octets.len());
                    octets[at] = octet;
                }
                DeviceFile::decode(&octets).ok()?;
                Some(octets)
            },
        )
    }

    proptest! {
        #[test]
        fn encode_and_decode_is_identity(elements in prop::collection::vec(element(), 0..12)) {
            let delimited = std::iter::once(Element::Start).chain(elements).chain([Element::End]);
            let file = DeviceFile { elements: delimited.collect(), trailing: Vec::new() };
            let octets = file.encode().unwrap();
            prop_assert_eq!(DeviceFile::decode(&octets).unwrap(), file);
        }

        #[test]
        fn decode_and_encode_is_identity_on_hostile_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(file) = DeviceFile::decode(&octets) {
                prop_assert_eq!(file.encode().unwrap(), octets);
            }
        }

        #[test]
        fn decode_and_encode_is_identity_on_damaged_files(
            elements in prop::collection::vec(element(), 1..6), at in any::<prop::sample::Index>(), octet in any::<u8>(),
        ) {
            let file = DeviceFile { elements, trailing: Vec::new() };
            let mut octets = file.encode().unwrap();
            let at = at.index(octets.len());
            octets[at] = octet;
            if let Ok(file) = DeviceFile::decode(&octets) {
                prop_assert_eq!(file.encode().unwrap(), octets);
            }
        }
    }
}
