//! KRB-ERROR (RFC 4120 §5.9.1), with the e-cksum of the draft PacketCable builds on (fact sheet security §4.7, CERTAIN).

use super::checksum::ChecksumType;
use super::der;
use super::error::{KerberosError, KrbErrorCode, check_header};
use super::etype::{CryptoError, EncryptionKey, KeyUsage};
use super::message::Checksum;
use super::primitive::KerberosString;
use super::principal::{Principal, PrincipalName};
use crate::value::{Random, Realm, Timestamp};
use rasn::types::OctetString;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

const NAME: &str = "KRB-ERROR";
const MSG_TYPE: i32 = 30;

/// KRB-ERROR.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 30)))]
pub struct KrbError {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    /// The client's time in the request, where it is known.
    #[rasn(tag(explicit(2)))]
    pub ctime: Option<Timestamp>,
    /// Microseconds of it.
    #[rasn(tag(explicit(3)))]
    pub cusec: Option<i32>,
    /// The server's time, whole seconds; a client corrects its clock by it.
    #[rasn(tag(explicit(4)))]
    pub stime: Timestamp,
    /// Microseconds of it.
    #[rasn(tag(explicit(5)))]
    pub susec: i32,
    /// The code's number; see [`KrbError::code`].
    #[rasn(tag(explicit(6)))]
    pub error_code: i32,
    /// The client's realm.
    #[rasn(tag(explicit(7)))]
    pub crealm: Option<Realm>,
    /// The client.
    #[rasn(tag(explicit(8)))]
    pub cname: Option<PrincipalName>,
    /// The server's realm.
    #[rasn(tag(explicit(9)))]
    pub realm: Realm,
    /// The server.
    #[rasn(tag(explicit(10)))]
    pub sname: PrincipalName,
    /// A text for people.
    #[rasn(tag(explicit(11)))]
    pub e_text: Option<KerberosString>,
    /// Data that the code calls for: [`super::TypedData`] or padata.
    #[rasn(tag(explicit(12)))]
    pub e_data: Option<OctetString>,
    /// A checksum over the message without this field.
    #[rasn(tag(explicit(13)))]
    pub e_cksum: Option<Checksum>,
}

impl KrbError {
    /// The error `code` of `service` at `now`, with the code's fixed text.
    pub fn new(code: KrbErrorCode, service: &Principal, now: Timestamp) -> Self {
        Self {
            pvno: 5,
            msg_type: MSG_TYPE,
            ctime: None,
            cusec: None,
            stime: Timestamp::from_unix(now.unix()),
            susec: now.micros() as i32,
            error_code: code.number(),
            crealm: None,
            cname: None,
            realm: service.realm.clone(),
            sname: service.name.clone(),
            e_text: Some(KerberosString(code.text().to_owned())),
            e_data: None,
            e_cksum: None,
        }
    }

    /// This error with e-data.
    pub fn with_data(mut self, data: Vec<u8>) -> Self {
        self.e_data = Some(data.into());
        self
    }

    /// This error with a keyed checksum in e-cksum, of the type that goes with `key`.
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where the key is of no known type or of the wrong size.
    pub fn signed(mut self, key: &EncryptionKey, random: &mut dyn Random) -> Result<Self, KerberosError> {
        self.e_cksum = None;
        let crypto = KerberosError::crypto(NAME);
        let kind = ChecksumType::of_enc_type(key.enc_type().map_err(&crypto)?);
        let sum = Checksum::keyed(kind, key, KeyUsage::ERROR_CHECKSUM, &self.encode(), random).map_err(&crypto)?;
        self.e_cksum = Some(sum);
        Ok(self)
    }

    /// Checks e-cksum under `key`.
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where there is none, it is unkeyed, or it does not verify.
    pub fn verify(&self, key: &EncryptionKey) -> Result<(), KerberosError> {
        let crypto = KerberosError::crypto(NAME);
        let sum = self.e_cksum.as_ref().ok_or_else(|| crypto(CryptoError::Integrity))?;
        if !sum.kind().is_some_and(ChecksumType::is_keyed) {
            return Err(crypto(CryptoError::ChecksumType(sum.cksumtype)));
        }
        let mut bare = self.clone();
        bare.e_cksum = None;
        sum.verify(Some(key), KeyUsage::ERROR_CHECKSUM, &bare.encode())
            .map_err(crypto)
    }

    /// The code, where some source assigns the number.
    pub fn code(&self) -> Option<KrbErrorCode> {
        KrbErrorCode::from_number(self.error_code)
    }

    /// The message's octets.
    pub fn encode(&self) -> Vec<u8> {
        der::encode(self)
    }

    /// Reads a KRB-ERROR that `octets` consist of.
    ///
    /// # Errors
    /// [`KerberosError`] where the octets, the version or the message type are not those of a KRB-ERROR.
    pub fn parse(octets: &[u8]) -> Result<Self, KerberosError> {
        let error: Self = der::decode(NAME, octets).map_err(KerberosError::der(NAME))?;
        check_header(NAME, error.pvno, MSG_TYPE, error.msg_type)?;
        Ok(error)
    }
}
