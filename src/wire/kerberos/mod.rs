//! Kerberos messages, encryption types, checksums, keytabs.
//!
//! The ASN.1 is declared here and not taken from rasn-kerberos, because PacketCable builds on a draft between RFC 1510
//! and RFC 4120 (fact sheet security §4.1): `till` and `s-address` are optional, padata types are negative, KRB-ERROR
//! has an e-cksum, and nonces come signed or unsigned.

mod ap_rep;
mod ap_req;
mod checksum;
mod der;
mod error;
mod etype;
mod kdc;
mod keytab;
mod krb_error;
mod message;
mod preauth;
mod primitive;
mod principal;
mod safe;
mod ticket;

pub use ap_rep::{EncApRepPart, SUBKEY_LENGTH, build_ap_rep, generate_subkey, open_ap_rep};
pub use ap_req::{
    ApReq, ApReqContent, ApReqError, ApReqExpectation, ApReqOpened, ApReqSent, Authenticator, open_ap_req,
};
pub use checksum::ChecksumType;
pub use der::{DerError, split_der};
pub use error::{KerberosError, KrbErrorCode};
pub use etype::{CryptoError, EncType, EncTypeError, EncryptionKey, KeyUsage, Opened, PadForm, SUBKEY_KEYMATERIAL};
pub use kdc::{EncKdcRepPart, Exchange, KdcRep, KdcReq, KdcReqBody, LastReq, ReplyKey, kdc_option};
pub use keytab::{
    KeytabEntry, KeytabError, encode_keytab, encode_service_key_file, parse_keytab, parse_service_key_file,
    service_keys,
};
pub use krb_error::KrbError;
pub use message::{
    AuthorizationData, Checksum, EncryptedData, HostAddress, PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_PK_AS_REP,
    PA_PK_AS_REP_RFC4556, PA_PK_AS_REQ, PA_PK_AS_REQ_RFC4556, PA_PROV_SRV_LOCATION, PA_TGS_REQ, PaData,
    ProvSrvLocationError, TD_PADATA, TransitedEncoding, TypedData,
};
pub use preauth::{EtypeInfo2Entry, PaEncTsEnc};
pub use primitive::{KerberosFlags, KerberosString, Number32};
pub use principal::{
    NAME_TYPE_PRINCIPAL, NAME_TYPE_SERVICE, Principal, PrincipalError, PrincipalName, ipv6_component,
    parse_ipv6_component,
};
pub use safe::{SafeBody, SafeCoverage, SafeOpened, build_safe, open_safe};
pub use ticket::{EncTicketPart, ServiceKey, Ticket, flag};

#[cfg(test)]
mod tests;
