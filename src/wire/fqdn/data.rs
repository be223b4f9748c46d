//! What the KRB-SAFE of the exchange carries: request, replies, error (fact sheet security §3.1, CERTAIN for layouts;
//! seed 003 §6.1.7 Table 1). All numbers are most significant octet first.

use crate::value::{Fqdn, MacAddress, Timestamp};
use sha1::{Digest, Sha1};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol version of PacketCable 1.x (profile P19).
pub const VERSION_1: u8 = 1;
/// Protocol version of Table 1, and of some 1.x peers (seed 003 §6.1.7; profile P19).
pub const VERSION_2: u8 = 2;
/// Enterprise number: 1 is PacketCable.
const ENTERPRISE: u32 = 1;
const TYPE_REQUEST: u8 = 1;
const TYPE_REPLY: u8 = 2;
/// Table 1's reply and the 1.x error share a type.
const TYPE_TABLE_1_OR_ERROR: u8 = 3;

/// MTA FQDN Request: 36 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FqdnRequest {
    /// Protocol version, [`VERSION_1`] by default.
    pub version: u8,
    /// The device.
    pub mac: MacAddress,
    /// SHA-1 of the device's public key, see [`public_key_hash`].
    pub public_key_hash: [u8; 20],
    /// When the manufacturer's certificate was revoked; `None` (0 on the wire) where it was not.
    pub manufacturer_revoked: Option<Timestamp>,
}

/// The public key hash of a request: SHA-1 over the DER of the certificate's SubjectPublicKeyInfo (profile P19).
pub fn public_key_hash(subject_public_key_info: &[u8]) -> [u8; 20] {
    Sha1::digest(subject_public_key_info).into()
}

/// A positive reply of either form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FqdnAnswer {
    /// The device's name.
    pub fqdn: Fqdn,
    /// The device's addresses, IPv4 first as on the wire; empty where the server supplied none.
    pub addresses: Vec<IpAddr>,
}

/// In which layout a positive reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyForm {
    /// The 1.x reply for at most one IPv4 address and nothing else, Table 1 otherwise (profile P19).
    #[default]
    Fitting,
    /// Always Table 1.
    Table1,
}

/// Why a request is refused (profile P19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FqdnErrorCode {
    /// 1: nobody knows the MAC address.
    UnknownMac,
    /// 2: the public key differs from the recorded one.
    PublicKeyMismatch,
    /// 3: the manufacturer's certificate is revoked.
    ManufacturerRevoked,
    /// 4: try again later.
    TryAgain,
    /// Any other number.
    Other(u32),
}

impl FqdnErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::UnknownMac => 1,
            Self::PublicKeyMismatch => 2,
            Self::ManufacturerRevoked => 3,
            Self::TryAgain => 4,
            Self::Other(number) => number,
        }
    }

    /// The code of a number from the wire.
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::UnknownMac,
            2 => Self::PublicKeyMismatch,
            3 => Self::ManufacturerRevoked,
            4 => Self::TryAgain,
            other => Self::Other(other),
        }
    }
}

/// Any user-data of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FqdnData {
    /// Type 1.
    Request(FqdnRequest),
    /// Type 2, or type 3 in the form of Table 1.
    Answer(FqdnAnswer),
    /// Type 3 in the form of 1.x.
    Refused(FqdnErrorCode),
}

/// The user-data is none of the exchange, or cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FqdnDataError {
    /// Another number of octets than the message has.
    #[error("MTA-FQDN {message}: {found} octets, expected {expected}")]
    Length {
        /// The message.
        message: &'static str,
        /// Octets it should have, at least.
        expected: usize,
        /// Octets it has.
        found: usize,
    },
    /// The octet at offset 0 is no message type.
    #[error("MTA-FQDN: message type {0} at offset 0 is unknown")]
    Type(u8),
    /// The enterprise number at offset 1 is not PacketCable's.
    #[error("MTA-FQDN: enterprise number {0} at offset 1, expected 1")]
    Enterprise(u32),
    /// The protocol version at offset 5 is not known for this type.
    #[error("MTA-FQDN: protocol version {0} at offset 5, expected 1 or 2")]
    Version(u8),
    /// The name in a reply is not a domain name.
    #[error("MTA-FQDN reply: the name at offset {0} is not a domain name")]
    Fqdn(usize),
    /// More addresses of one family than an octet counts.
    #[error("MTA-FQDN reply: {0} addresses of one family, 255 can be written")]
    TooManyAddresses(usize),
}

impl FqdnData {
    /// Reads user-data. Type 3 is Table 1's reply exactly when the version is 2 and the counts account for every octet,
    /// and an error otherwise (fact sheet security §3.2).
    ///
    /// # Errors
    /// [`FqdnDataError`] with the offset of what is wrong.
    pub fn parse(octets: &[u8]) -> Result<Self, FqdnDataError> {
        let Some(([kind, enterprise @ .., version], body)) = octets.split_first_chunk::<6>() else {
            return Err(FqdnDataError::Length {
                message: "message",
                expected: 6,
                found: octets.len(),
            });
        };
        let enterprise = enterprise
            .iter()
            .fold(0u32, |value, octet| value << 8 | u32::from(*octet));
        if enterprise != ENTERPRISE {
            return Err(FqdnDataError::Enterprise(enterprise));
        }
        if !matches!(*version, VERSION_1 | VERSION_2) {
            return Err(FqdnDataError::Version(*version));
        }
        match *kind {
            TYPE_REQUEST => parse_request(*version, body).map(Self::Request),
            TYPE_REPLY => parse_reply(body).map(Self::Answer),
            TYPE_TABLE_1_OR_ERROR => match split_table_1(body) {
                Some(table) if *version == VERSION_2 => table.answer().map(Self::Answer),
                _ => parse_error(body).map(Self::Refused),
            },
            other => Err(FqdnDataError::Type(other)),
        }
    }
}

fn parse_request(version: u8, body: &[u8]) -> Result<FqdnRequest, FqdnDataError> {
    let wrong = || FqdnDataError::Length {
        message: "request",
        expected: 36,
        found: body.len() + 6,
    };
    let (mac, rest) = body.split_first_chunk().ok_or_else(wrong)?;
    let (hash, revoked) = rest.split_first_chunk().ok_or_else(wrong)?;
    let revoked = u32::from_be_bytes(revoked.try_into().map_err(|_| wrong())?);
    Ok(FqdnRequest {
        version,
        mac: MacAddress(*mac),
        public_key_hash: *hash,
        manufacturer_revoked: (revoked != 0).then(|| Timestamp::from_unix(revoked.into())),
    })
}

fn parse_reply(body: &[u8]) -> Result<FqdnAnswer, FqdnDataError> {
    let (name, address) = body.split_last_chunk::<4>().ok_or(FqdnDataError::Length {
        message: "reply",
        expected: 11,
        found: body.len() + 6,
    })?;
    let address = Ipv4Addr::from(*address);
    Ok(FqdnAnswer {
        fqdn: parse_name(name, 6)?,
        // All zero: not supplied (fact sheet security §3.1, LIKELY).
        addresses: if address.is_unspecified() {
            Vec::new()
        } else {
            vec![address.into()]
        },
    })
}

fn parse_error(body: &[u8]) -> Result<FqdnErrorCode, FqdnDataError> {
    // Text may follow the code (fact sheet security §3.1).
    let code = body.first_chunk().ok_or(FqdnDataError::Length {
        message: "error",
        expected: 10,
        found: body.len() + 6,
    })?;
    Ok(FqdnErrorCode::from_number(u32::from_be_bytes(*code)))
}

fn parse_name(name: &[u8], offset: usize) -> Result<Fqdn, FqdnDataError> {
    std::str::from_utf8(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(FqdnDataError::Fqdn(offset))
}

/// The parts of Table 1 behind its version.
struct Table1<'a> {
    ipv4: &'a [u8],
    ipv6: &'a [u8],
    name: &'a [u8],
}

/// Splits `body` by its counts, or gives `None` where they do not account for every octet.
fn split_table_1(body: &[u8]) -> Option<Table1<'_>> {
    let (n1, rest) = body.split_first()?;
    let (ipv4, rest) = rest.split_at_checked(usize::from(*n1) * 4)?;
    let (n2, rest) = rest.split_first()?;
    let (ipv6, rest) = rest.split_at_checked(usize::from(*n2) * 16)?;
    let (n3, name) = rest.split_first()?;
    (name.len() == usize::from(*n3)).then_some(Table1 { ipv4, ipv6, name })
}

impl Table1<'_> {
    fn answer(&self) -> Result<FqdnAnswer, FqdnDataError> {
        let (ipv4, _) = self.ipv4.as_chunks::<4>();
        let (ipv6, _) = self.ipv6.as_chunks::<16>();
        let ipv4 = ipv4.iter().map(|octets| IpAddr::from(Ipv4Addr::from(*octets)));
        let ipv6 = ipv6.iter().map(|octets| IpAddr::from(Ipv6Addr::from(*octets)));
        Ok(FqdnAnswer {
            fqdn: parse_name(self.name, 9 + self.ipv4.len() + self.ipv6.len())?,
            addresses: ipv4.chain(ipv6).collect(),
        })
    }
}

/// Type, enterprise number and version.
fn head(kind: u8, version: u8) -> Vec<u8> {
    let [a, b, c, d] = ENTERPRISE.to_be_bytes();
    vec![kind, a, b, c, d, version]
}

impl FqdnRequest {
    /// The 36 octets.
    pub fn encode(&self) -> Vec<u8> {
        let revoked = self
            .manufacturer_revoked
            .map_or(0, |time| u32::try_from(time.unix()).unwrap_or(u32::MAX));
        let mut octets = head(TYPE_REQUEST, self.version);
        octets.extend_from_slice(&self.mac.0);
        octets.extend_from_slice(&self.public_key_hash);
        octets.extend_from_slice(&revoked.to_be_bytes());
        octets
    }
}

impl FqdnAnswer {
    /// The reply's octets in `form`; a 1.x reply carries `version`, the request's.
    ///
    /// # Errors
    /// [`FqdnDataError::TooManyAddresses`] where more than 255 addresses of one family are there.
    pub fn encode(&self, form: ReplyForm, version: u8) -> Result<Vec<u8>, FqdnDataError> {
        match (form, self.addresses.as_slice()) {
            (ReplyForm::Fitting, []) => Ok(self.encode_reply(version, Ipv4Addr::UNSPECIFIED)),
            (ReplyForm::Fitting, [IpAddr::V4(address)]) => Ok(self.encode_reply(version, *address)),
            _ => self.encode_table_1(),
        }
    }

    fn encode_reply(&self, version: u8, address: Ipv4Addr) -> Vec<u8> {
        let mut octets = head(TYPE_REPLY, version);
        octets.extend_from_slice(self.fqdn.as_str().as_bytes());
        octets.extend_from_slice(&address.octets());
        octets
    }

    fn encode_table_1(&self) -> Result<Vec<u8>, FqdnDataError> {
        let counted = |octets: &mut Vec<u8>, size: usize, field: &[u8]| {
            let count = field.len() / size;
            octets.push(u8::try_from(count).map_err(|_| FqdnDataError::TooManyAddresses(count))?);
            octets.extend_from_slice(field);
            Ok(())
        };
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for address in &self.addresses {
            match address {
                IpAddr::V4(address) => ipv4.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => ipv6.extend_from_slice(&address.octets()),
            }
        }
        let mut octets = head(TYPE_TABLE_1_OR_ERROR, VERSION_2);
        counted(&mut octets, 4, &ipv4)?;
        counted(&mut octets, 16, &ipv6)?;
        counted(&mut octets, 1, self.fqdn.as_str().as_bytes())?;
        Ok(octets)
    }
}

impl FqdnErrorCode {
    /// The error's ten octets, version 1 (profile P19).
    pub fn encode(self) -> Vec<u8> {
        let mut octets = head(TYPE_TABLE_1_OR_ERROR, VERSION_1);
        octets.extend_from_slice(&self.number().to_be_bytes());
        octets
    }
}

#[cfg(test)]
mod eue_prov {
    use super::*;
    use crate::value::{hex, unhex};

    fn answer(addresses: &[&str]) -> FqdnAnswer {
        FqdnAnswer {
            fqdn: "mta-1.pktc.example.net".parse().expect("fqdn"),
            addresses: addresses.iter().map(|text| text.parse().expect("address")).collect(),
        }
    }

    #[test]
    fn s6_1_7_fqdn_reply_table_1() {
        let full = answer(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        let octets = full.encode(ReplyForm::Fitting, VERSION_1).expect("encodes");
        assert_eq!(
            hex(&octets),
            "03000000010202c0000201c00002020120010db80000000000000000000000011\
             66d74612d312e706b74632e6578616d706c652e6e6574"
        );
        assert_eq!(FqdnData::parse(&octets), Ok(FqdnData::Answer(full)));
        for addresses in [
            &[][..],
            &["192.0.2.1"],
            &["2001:db8::1"],
            &["2001:db8::1", "2001:db8::2"],
        ] {
            let octets = answer(addresses).encode(ReplyForm::Table1, VERSION_1).expect("encodes");
            assert_eq!(octets.first_chunk(), Some(&[3, 0, 0, 0, 1, 2]));
            assert_eq!(FqdnData::parse(&octets), Ok(FqdnData::Answer(answer(addresses))));
        }
        assert!(
            FqdnAnswer {
                addresses: vec![Ipv6Addr::LOCALHOST.into(); 256],
                ..answer(&[])
            }
            .encode(ReplyForm::Fitting, VERSION_1)
            .is_err()
        );
    }

    #[test]
    fn s6_1_7_a_single_ipv4_address_keeps_the_1_x_reply() {
        for (addresses, end) in [(&["192.0.2.1"][..], [192, 0, 2, 1]), (&[], [0; 4])] {
            let octets = answer(addresses)
                .encode(ReplyForm::Fitting, VERSION_1)
                .expect("encodes");
            assert_eq!(octets.first_chunk(), Some(&[2, 0, 0, 0, 1, 1]));
            assert_eq!(octets.last_chunk(), Some(&end));
            assert_eq!(FqdnData::parse(&octets), Ok(FqdnData::Answer(answer(addresses))));
        }
    }

    #[test]
    fn s6_1_7_type_3_is_an_error_unless_table_1_accounts_for_every_octet() {
        let error = FqdnErrorCode::PublicKeyMismatch.encode();
        assert_eq!(hex(&error), "03000000010100000002");
        let refused = |octets: &[u8]| FqdnData::parse(octets);
        assert_eq!(refused(&error), Ok(FqdnData::Refused(FqdnErrorCode::PublicKeyMismatch)));
        // The same under version 2, and Table 1 with an octet too many: both are errors.
        let version_2 = unhex("03000000010200000001").expect("hex");
        assert_eq!(refused(&version_2), Ok(FqdnData::Refused(FqdnErrorCode::UnknownMac)));
        let mut long = answer(&["2001:db8::1"])
            .encode(ReplyForm::Fitting, VERSION_1)
            .expect("encodes");
        long.push(0);
        assert!(matches!(refused(&long), Ok(FqdnData::Refused(FqdnErrorCode::Other(_)))));
        assert!(refused(&[3, 0, 0, 0, 1, 1, 0, 0, 1]).is_err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_request_has_36_octets() {
        let request = FqdnRequest {
            version: VERSION_1,
            mac: MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
            public_key_hash: public_key_hash(b"key"),
            manufacturer_revoked: Some(Timestamp::from_unix(1_795_302_974)),
        };
        let octets = request.encode();
        assert_eq!(octets.len(), 36);
        assert_eq!(FqdnData::parse(&octets), Ok(FqdnData::Request(request.clone())));
        let other = FqdnRequest {
            version: VERSION_2,
            manufacturer_revoked: None,
            ..request
        };
        assert_eq!(FqdnData::parse(&other.encode()), Ok(FqdnData::Request(other)));
        assert!(FqdnData::parse(&octets[..35]).is_err());
        assert!(FqdnData::parse(&[&octets[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_user_data_does_not_panic(
            kind in 0u8..5,
            version in 0u8..4,
            body in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = FqdnData::parse(&[&[kind, 0, 0, 0, 1, version], &body[..]].concat());
            let _ = FqdnData::parse(&body);
        }
    }
}
