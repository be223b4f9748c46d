//! The parts that several Kerberos messages share (RFC 4120 §5.2 to §5.3).

use super::der;
use super::error::KerberosError;
use super::etype::EncryptionKey;
use super::primitive::{KerberosString, Number32, asn1_through};
use crate::value::{Fqdn, FqdnError, Secret};
use rasn::types::OctetString;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// HostAddress (RFC 4120 §5.2.5): an address family number and the address's octets.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct HostAddress {
    /// 2 is IPv4, 24 IPv6 (RFC 4120 §7.5.3).
    #[rasn(tag(explicit(0)))]
    pub addr_type: i32,
    /// The address, most significant octet first.
    #[rasn(tag(explicit(1)))]
    pub address: OctetString,
}

impl From<IpAddr> for HostAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self {
                addr_type: 2,
                address: address.octets().into(),
            },
            IpAddr::V6(address) => Self {
                addr_type: 24,
                address: address.octets().into(),
            },
        }
    }
}

impl HostAddress {
    /// The IP address, or `None` for another family or a wrong size.
    pub fn ip(&self) -> Option<IpAddr> {
        let octets: &[u8] = self.address.as_ref();
        match self.addr_type {
            2 => <[u8; 4]>::try_from(octets)
                .ok()
                .map(|octets| Ipv4Addr::from(octets).into()),
            24 => <[u8; 16]>::try_from(octets)
                .ok()
                .map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }
}

/// AuthorizationData's element (RFC 4120 §5.2.6). Carried, not interpreted.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct AuthorizationData {
    /// The type.
    #[rasn(tag(explicit(0)))]
    pub ad_type: i32,
    /// The data.
    #[rasn(tag(explicit(1)))]
    pub ad_data: OctetString,
}

/// TransitedEncoding (RFC 4120 §5.3): the realms between client and server; empty within one realm.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct TransitedEncoding {
    /// 1 is DOMAIN-X500-COMPRESS.
    #[rasn(tag(explicit(0)))]
    pub tr_type: i32,
    /// The realms.
    #[rasn(tag(explicit(1)))]
    pub contents: OctetString,
}

impl Default for TransitedEncoding {
    fn default() -> Self {
        Self {
            tr_type: 1,
            contents: OctetString::default(),
        }
    }
}

/// EncryptedData (RFC 4120 §5.2.9).
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct EncryptedData {
    /// The encryption type's number.
    #[rasn(tag(explicit(0)))]
    pub etype: i32,
    /// The version of the long-term key, where one is used.
    #[rasn(tag(explicit(1)))]
    pub kvno: Option<Number32>,
    /// The ciphertext.
    #[rasn(tag(explicit(2)))]
    pub cipher: OctetString,
}

/// Checksum (RFC 4120 §5.2.9): a type number and the checksum's octets.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct Checksum {
    /// The checksum type's number.
    #[rasn(tag(explicit(0)))]
    pub cksumtype: i32,
    /// The checksum.
    #[rasn(tag(explicit(1)))]
    pub checksum: OctetString,
}

/// EncryptionKey as it travels (RFC 4120 §5.2.9).
#[derive(AsnType, Decode, Encode)]
struct EncryptionKeyAsn {
    #[rasn(tag(explicit(0)))]
    keytype: i32,
    #[rasn(tag(explicit(1)))]
    keyvalue: OctetString,
}

impl From<EncryptionKeyAsn> for EncryptionKey {
    fn from(asn: EncryptionKeyAsn) -> Self {
        Self {
            etype: asn.keytype,
            value: Secret::from(asn.keyvalue.as_ref()),
        }
    }
}

impl From<&EncryptionKey> for EncryptionKeyAsn {
    fn from(key: &EncryptionKey) -> Self {
        Self {
            keytype: key.etype,
            keyvalue: key.value.expose().into(),
        }
    }
}

asn1_through!(EncryptionKey, EncryptionKeyAsn);

/// PA-DATA (RFC 4120 §5.2.7): pre-authentication data of one type.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct PaData {
    /// The type; PacketCable also has -1 (fact sheet security §4.1, CERTAIN).
    #[rasn(tag(explicit(1)))]
    pub padata_type: i32,
    /// The value, whose form the type decides.
    #[rasn(tag(explicit(2)))]
    pub padata_value: OctetString,
}

/// PA-TGS-REQ: an AP-REQ (RFC 4120 §5.2.7.1).
pub const PA_TGS_REQ: i32 = 1;
/// PA-ENC-TIMESTAMP: the client's time under its key (RFC 4120 §5.2.7.2).
pub const PA_ENC_TIMESTAMP: i32 = 2;
/// PA-PK-AS-REQ of RFC 4556.
pub const PA_PK_AS_REQ_RFC4556: i32 = 16;
/// PA-PK-AS-REP of RFC 4556.
pub const PA_PK_AS_REP_RFC4556: i32 = 17;
/// PA-ETYPE-INFO2: how the client's keys come from its password (RFC 4120 §5.2.7.5).
pub const PA_ETYPE_INFO2: i32 = 19;
/// TD-PADATA: a sequence of padata as typed data (fact sheet security §4.7).
pub const TD_PADATA: i32 = 22;
/// PA-PK-AS-REQ of the early PKINIT drafts (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REQ: i32 = 14;
/// PA-PK-AS-REP of the early PKINIT drafts (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REP: i32 = 15;
/// PA-PROV-SRV-LOCATION: where the KDC finds the provisioning server (fact sheet security §4.1, CERTAIN).
pub const PA_PROV_SRV_LOCATION: i32 = -1;

/// A PA-PROV-SRV-LOCATION could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvSrvLocationError {
    /// The value is not one GeneralString.
    #[error(transparent)]
    Der(#[from] der::DerError),
    /// The string is not a domain name.
    #[error(transparent)]
    Fqdn(#[from] FqdnError),
}

impl PaData {
    /// Pre-authentication data of `padata_type` with `value`.
    pub fn new(padata_type: i32, value: Vec<u8>) -> Self {
        Self {
            padata_type,
            padata_value: value.into(),
        }
    }

    /// PA-PROV-SRV-LOCATION that names `fqdn`: the DER of a GeneralString.
    pub fn prov_srv_location(fqdn: &Fqdn) -> Self {
        Self::new(
            PA_PROV_SRV_LOCATION,
            der::encode(&KerberosString(fqdn.as_str().to_owned())),
        )
    }

    /// The provisioning server that a PA-PROV-SRV-LOCATION's value names.
    ///
    /// # Errors
    /// [`ProvSrvLocationError`] where the value is not exactly one GeneralString holding a domain name.
    pub fn read_prov_srv_location(&self) -> Result<Fqdn, ProvSrvLocationError> {
        let text: KerberosString = der::decode("PA-PROV-SRV-LOCATION", &self.padata_value)?;
        Ok(text.0.parse()?)
    }

    /// The value of the first element of `padata_type` in `list`.
    pub fn find(list: &[Self], padata_type: i32) -> Option<&Self> {
        list.iter().find(|padata| padata.padata_type == padata_type)
    }
}

/// TypedData (fact sheet security §4.7, CERTAIN): what KRB-ERROR's e-data is a sequence of.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct TypedData {
    /// The type: 22 padata, 102 TD-DH-PARAMETERS, 106 application-defined …
    #[rasn(tag(explicit(0)))]
    pub data_type: i32,
    /// The value.
    #[rasn(tag(explicit(1)))]
    pub data_value: Option<OctetString>,
}

impl TypedData {
    /// The DER of a sequence of typed data, for e-data.
    pub fn encode_list(list: &[Self]) -> Vec<u8> {
        der::encode(&list.to_vec())
    }

    /// Reads e-data as a sequence of typed data.
    ///
    /// # Errors
    /// [`KerberosError::Der`] where it is something else.
    pub fn decode_list(octets: &[u8]) -> Result<Vec<Self>, KerberosError> {
        der::decode("TypedData", octets).map_err(KerberosError::der("KRB-ERROR e-data"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pa_prov_srv_location_is_a_general_string() {
        let fqdn: Fqdn = "prov.pktc.example.net".parse().expect("fqdn");
        let padata = PaData::prov_srv_location(&fqdn);
        assert_eq!(padata.padata_value.get(..2), Some(&[0x1b, 0x15][..]));
        assert_eq!(padata.read_prov_srv_location(), Ok(fqdn));
        // The type travels as the INTEGER FF.
        let der = der::encode(&padata);
        assert_eq!(der.get(2..7), Some(&[0xa1, 3, 2, 1, 0xff][..]));
        assert!(
            PaData::new(-1, vec![0x1b, 3, b'a', b'b'])
                .read_prov_srv_location()
                .is_err()
        );
        assert!(PaData::new(-1, vec![0x1b, 1, b'-']).read_prov_srv_location().is_err());
    }

    #[test]
    fn host_addresses() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let address: IpAddr = text.parse().expect("address");
            assert_eq!(HostAddress::from(address).ip(), Some(address));
        }
    }
}
