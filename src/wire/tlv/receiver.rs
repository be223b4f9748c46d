//! TLV 38: a receiver of SNMP notifications (fact sheet provisioning §1.3).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::encoded::Encoded;
use super::error::{DecodeError, EncodeError, TlvPath};
use super::vendor::{sub_tlvs, write_sub_tlv};
use crate::value::Oid;
use crate::wire::snmp::ber::{BerError, BerErrorKind, OBJECT_IDENTIFIER, Reader};

/// The type of the element.
pub(super) const KIND: u8 = 38;

/// TLV 38: one receiver; the element repeats for more. The device makes rows of the SNMP target and notification
/// tables from it (LIKELY).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotificationReceiver {
    /// The settings in their order in the file, which is free.
    pub settings: Vec<ReceiverSetting>,
}

/// A setting of TLV 38. Numbers have two octets in network byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverSetting {
    /// 38.1: the address in IPv4 mode, mandatory there and ignored in IPv6 mode.
    Address(Ipv4Addr),
    /// 38.2: the UDP port; 162 where absent (LIKELY).
    Port(u16),
    /// 38.3: which notifications it gets.
    Kind(ReceiverKind),
    /// 38.4: time before a repetition, in milliseconds (unit LIKELY).
    Timeout(u16),
    /// 38.5: repetitions; 3 where absent (LIKELY).
    Retries(u16),
    /// 38.6: only notifications under this object identifier; BER with tag and length.
    Filter(Encoded<Oid>),
    /// 38.7: the USM security name, for SNMPv3 alone (LIKELY).
    SecurityName(Vec<u8>),
    /// 38.8: the address in IPv6 mode, mandatory there and ignored in IPv4 mode.
    Address6(Ipv6Addr),
    /// Any other setting.
    Unknown {
        /// Its type.
        kind: u8,
        /// Its value, at most 255 octets.
        value: Vec<u8>,
    },
}

/// What 38.3 says (range CERTAIN, meanings LIKELY: as in DOCSIS). Other numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverKind {
    /// 1
    V1Trap,
    /// 2
    V2cTrap,
    /// 3
    V2cInform,
    /// 4
    V3Trap,
    /// 5
    V3Inform,
    /// A number without meaning.
    Other(u16),
}

impl ReceiverKind {
    /// The kinds with a meaning, and their names in templates and listings.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::V1Trap, "v1-trap"),
        (Self::V2cTrap, "v2c-trap"),
        (Self::V2cInform, "v2c-inform"),
        (Self::V3Trap, "v3-trap"),
        (Self::V3Inform, "v3-inform"),
    ];

    /// The number in the file.
    pub fn number(self) -> u16 {
        match self {
            Self::V1Trap => 1,
            Self::V2cTrap => 2,
            Self::V2cInform => 3,
            Self::V3Trap => 4,
            Self::V3Inform => 5,
            Self::Other(number) => number,
        }
    }
}

impl From<u16> for ReceiverKind {
    fn from(number: u16) -> Self {
        let named = Self::NAMED.into_iter().find(|(kind, _)| kind.number() == number);
        named.map_or(Self::Other(number), |(kind, _)| kind)
    }
}

impl NotificationReceiver {
    pub(super) fn read(octets: &[u8], offset: usize) -> Result<Self, DecodeError> {
        let settings = sub_tlvs(KIND, octets, offset)
            .map(|tlv| tlv.and_then(|(kind, value, offset)| ReceiverSetting::read(kind, value, offset)))
            .collect::<Result<_, _>>()?;
        Ok(Self { settings })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.settings.iter().try_for_each(|setting| setting.write(out))
    }
}

impl ReceiverSetting {
    /// The type of the setting.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Address(_) => 1,
            Self::Port(_) => 2,
            Self::Kind(_) => 3,
            Self::Timeout(_) => 4,
            Self::Retries(_) => 5,
            Self::Filter(_) => 6,
            Self::SecurityName(_) => 7,
            Self::Address6(_) => 8,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn read(kind: u8, value: &[u8], offset: usize) -> Result<Self, DecodeError> {
        let sized = |expected| DecodeError {
            offset,
            path: TlvPath::top(KIND).child(kind),
            expected,
            found: format!("{} octets", value.len()),
        };
        let number = || {
            let octets: [u8; 2] = value.try_into().map_err(|_| sized("2 octets"))?;
            Ok(u16::from_be_bytes(octets))
        };
        Ok(match kind {
            1 => Self::Address(<[u8; 4]>::try_from(value).map_err(|_| sized("4 octets"))?.into()),
            2 => Self::Port(number()?),
            3 => Self::Kind(number()?.into()),
            4 => Self::Timeout(number()?),
            5 => Self::Retries(number()?),
            6 => Self::Filter(read_filter(value, offset)?),
            7 => Self::SecurityName(value.to_vec()),
            8 => Self::Address6(<[u8; 16]>::try_from(value).map_err(|_| sized("16 octets"))?.into()),
            _ => Self::Unknown {
                kind,
                value: value.to_vec(),
            },
        })
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut put = |value: &[u8]| write_sub_tlv(KIND, self.kind(), value, out);
        match self {
            Self::Address(address) => put(&address.octets()),
            Self::Port(number) | Self::Timeout(number) | Self::Retries(number) => put(&number.to_be_bytes()),
            Self::Kind(kind) => put(&kind.number().to_be_bytes()),
            Self::Filter(oid) => put(oid.octets()),
            Self::SecurityName(value) | Self::Unknown { value, .. } => put(value),
            Self::Address6(address) => put(&address.octets()),
        }
    }
}

fn read_filter(value: &[u8], offset: usize) -> Result<Encoded<Oid>, DecodeError> {
    let read = || -> Result<Oid, BerError> {
        let mut reader = Reader::new(value, offset);
        let content = reader.expect(OBJECT_IDENTIFIER)?;
        reader.finish()?;
        Oid::from_ber(content.rest()).map_err(|_| content.wrong(BerErrorKind::Oid))
    };
    let oid = read().map_err(|error| DecodeError::ber(TlvPath::top(KIND).child(6), 0, error))?;
    Ok(Encoded::read(oid, value))
}
