//! KRB-SAFE (RFC 4120 §3.4 and §5.6.1): data under a keyed checksum, with PacketCable's freedoms (fact sheet security §3;
//! profile P20).

use super::checksum::ChecksumType;
use super::der;
use super::error::{KerberosError, check_header};
use super::etype::{CryptoError, EncryptionKey, KeyUsage};
use super::message::{Checksum, HostAddress};
use super::primitive::Number32;
use crate::value::{Random, Timestamp};
use rasn::types::{Any, OctetString};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

const NAME: &str = "KRB-SAFE";
const MSG_TYPE: i32 = 20;

/// KRB-SAFE-BODY (RFC 4120 §5.6.1), with an optional s-address (fact sheet security §3, CERTAIN).
#[derive(Debug, Clone, PartialEq, Eq, Default, AsnType, Decode, Encode)]
pub struct SafeBody {
    /// The data.
    #[rasn(tag(explicit(0)))]
    pub user_data: OctetString,
    /// The sender's time, whole seconds.
    #[rasn(tag(explicit(1)))]
    pub timestamp: Option<Timestamp>,
    /// Microseconds of it.
    #[rasn(tag(explicit(2)))]
    pub usec: Option<i32>,
    /// The sender's sequence number.
    #[rasn(tag(explicit(3)))]
    pub seq_number: Option<Number32>,
    /// The sender's address.
    #[rasn(tag(explicit(4)))]
    pub s_address: Option<HostAddress>,
    /// The receiver's address.
    #[rasn(tag(explicit(5)))]
    pub r_address: Option<HostAddress>,
}

impl SafeBody {
    /// A body with `user_data` and the sender's time, and the sequence number that was agreed on, if any.
    pub fn new(user_data: Vec<u8>, now: Timestamp, seq_number: Option<Number32>) -> Self {
        Self {
            user_data: user_data.into(),
            timestamp: Some(Timestamp::from_unix(now.unix())),
            usec: Some(now.micros() as i32),
            seq_number,
            s_address: None,
            r_address: None,
        }
    }
}

/// The fields of KRB-SAFE, the body still as it came.
#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 20)))]
struct SafeAsn {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    #[rasn(tag(explicit(2)))]
    safe_body: Any,
    #[rasn(tag(explicit(3)))]
    cksum: Checksum,
}

/// What the checksum of a KRB-SAFE covers (profile P20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SafeCoverage {
    /// The whole message with a checksum of type 0 and no octets in place (RFC 4120 §3.4.1).
    #[default]
    Message,
    /// The body alone (RFC 1510 §5.6.1).
    Body,
}

impl SafeCoverage {
    fn covered(self, body: &Any) -> Vec<u8> {
        match self {
            Self::Body => body.as_bytes().to_vec(),
            Self::Message => der::encode(&SafeAsn {
                pvno: 5,
                msg_type: MSG_TYPE,
                safe_body: body.clone(),
                cksum: Checksum {
                    cksumtype: 0,
                    checksum: OctetString::default(),
                },
            }),
        }
    }
}

/// A KRB-SAFE with `body` under `key`. `kind` is the checksum type, by default the one that goes with the key.
///
/// # Errors
/// [`KerberosError::Crypto`] where the key is of no known type or the checksum type does not go with it.
pub fn build_safe(
    body: &SafeBody,
    key: &EncryptionKey,
    kind: Option<ChecksumType>,
    coverage: SafeCoverage,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KerberosError> {
    let crypto = KerberosError::crypto(NAME);
    let kind = match kind {
        Some(kind) => kind,
        None => ChecksumType::of_enc_type(key.enc_type().map_err(&crypto)?),
    };
    let safe_body = Any::new(der::encode(body));
    let covered = coverage.covered(&safe_body);
    let cksum = Checksum::keyed(kind, key, KeyUsage::SAFE_CHECKSUM, &covered, random).map_err(&crypto)?;
    Ok(der::encode(&SafeAsn {
        pvno: 5,
        msg_type: MSG_TYPE,
        safe_body,
        cksum,
    }))
}

/// A believed KRB-SAFE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeOpened {
    /// The body.
    pub body: SafeBody,
    /// The checksum type the peer uses.
    pub kind: ChecksumType,
    /// What its checksum covers.
    pub coverage: SafeCoverage,
}

/// Opens a KRB-SAFE: its keyed checksum must verify under `key` over the message or over the body, in the octets that
/// came. Freshness is the caller's to judge: time, sequence number, or the AP exchange in front of it.
///
/// # Errors
/// [`KerberosError`] where the octets are no KRB-SAFE, the checksum is unkeyed or of a type that does not go with the
/// key, or does not verify.
pub fn open_safe(octets: &[u8], key: &EncryptionKey) -> Result<SafeOpened, KerberosError> {
    let message: SafeAsn = der::decode(NAME, octets).map_err(KerberosError::der(NAME))?;
    check_header(NAME, message.pvno, MSG_TYPE, message.msg_type)?;
    let crypto = KerberosError::crypto(NAME);
    let kind = message
        .cksum
        .kind()
        .filter(|kind| kind.is_keyed())
        .ok_or_else(|| crypto(CryptoError::ChecksumType(message.cksum.cksumtype)))?;
    let verify = |coverage: SafeCoverage| {
        let covered = coverage.covered(&message.safe_body);
        message.cksum.verify(Some(key), KeyUsage::SAFE_CHECKSUM, &covered)
    };
    let coverage = match verify(SafeCoverage::Message) {
        Ok(()) => SafeCoverage::Message,
        Err(CryptoError::Integrity) => verify(SafeCoverage::Body)
            .map(|()| SafeCoverage::Body)
            .map_err(&crypto)?,
        Err(other) => return Err(crypto(other)),
    };
    let body = der::decode("KRB-SAFE-BODY", message.safe_body.as_bytes()).map_err(KerberosError::der(NAME))?;
    Ok(SafeOpened { body, kind, coverage })
}
