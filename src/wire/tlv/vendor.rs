//! TLV 43: vendor-specific settings (fact sheet provisioning §1.1).

use super::error::{DecodeError, EncodeError, TlvPath};

/// The type of the element.
pub(super) const KIND: u8 = 43;

/// A setting within TLV 43: one octet of type, one of length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTlv {
    /// The type; 8 is the vendor's OUI, the others are the vendor's own.
    pub kind: u8,
    /// The value, at most 255 octets.
    pub value: Vec<u8>,
}

/// TLV 43: the vendor's OUI in a setting 8 of three octets, and the vendor's own settings. A device ignores what
/// another vendor's OUI leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorSpecific {
    /// The settings in their order in the file; the OUI comes first (LIKELY; [`super::check_device_file`] says so where it
    /// does not).
    pub settings: Vec<SubTlv>,
}

impl VendorSpecific {
    /// The vendor's settings, led by its OUI.
    pub fn new(oui: [u8; 3], settings: impl IntoIterator<Item = SubTlv>) -> Self {
        let oui = SubTlv {
            kind: 8,
            value: oui.to_vec(),
        };
        Self {
            settings: std::iter::once(oui).chain(settings).collect(),
        }
    }

    /// The vendor's OUI, where the first setting is one.
    pub fn oui(&self) -> Option<[u8; 3]> {
        let first = self.settings.first().filter(|setting| setting.kind == 8)?;
        first.value.as_slice().try_into().ok()
    }

    pub(super) fn read(octets: &[u8], offset: usize) -> Result<Self, DecodeError> {
        let settings = sub_tlvs(KIND, octets, offset)
            .map(|tlv| {
                tlv.map(|(kind, value, _)| SubTlv {
                    kind,
                    value: value.to_vec(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { settings })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.settings
            .iter()
            .try_for_each(|setting| write_sub_tlv(KIND, setting.kind, &setting.value, out))
    }
}

type Setting<'a> = Result<(u8, &'a [u8], usize), DecodeError>;

/// The settings in the value of element `kind`, which stands at `offset` of the file: type, value, offset of the value.
pub(super) fn sub_tlvs(kind: u8, mut octets: &[u8], mut offset: usize) -> impl Iterator<Item = Setting<'_>> {
    std::iter::from_fn(move || {
        let (setting, rest) = match *octets {
            [] => return None,
            [setting, length, ref rest @ ..] if rest.len() >= usize::from(length) => {
                let (value, after) = rest.split_at(usize::from(length));
                (Ok((setting, value, offset + 2)), after)
            }
            [setting, ref rest @ ..] => {
                let found = match rest {
                    [] => "the end of the TLV".to_owned(),
                    [length, rest @ ..] => format!("{} of {length} octets", rest.len()),
                };
                let error = DecodeError {
                    offset,
                    path: TlvPath::top(kind).child(setting),
                    expected: "a setting with its length and value",
                    found,
                };
                (Err(error), [].as_slice())
            }
        };
        offset += octets.len() - rest.len();
        octets = rest;
        Some(setting)
    })
}

/// Writes a setting of element `kind`.
pub(super) fn write_sub_tlv(kind: u8, setting: u8, value: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let length = u8::try_from(value.len()).map_err(|_| EncodeError {
        path: TlvPath::top(kind).child(setting),
        length: value.len(),
        limit: 255,
    })?;
    out.extend_from_slice(&[setting, length]);
    out.extend_from_slice(value);
    Ok(())
}
