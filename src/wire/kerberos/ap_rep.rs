//! AP-REP (RFC 4120 §3.2.4, §5.5.2): the server's proof, and in PacketCable the carrier of the subkey (profile P4, P10).

use super::ap_req::{ApReqOpened, ApReqSent};
use super::der;
use super::error::{KerberosError, check_header};
use super::etype::{EncryptionKey, KeyUsage, PadForm, SUBKEY_KEYMATERIAL};
use super::message::EncryptedData;
use super::primitive::Number32;
use crate::value::{Random, Secret, Timestamp};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

const NAME: &str = "AP-REP";
const MSG_TYPE: i32 = 15;

/// AP-REP (RFC 4120 §5.5.2).
#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 15)))]
struct ApRep {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    #[rasn(tag(explicit(2)))]
    enc_part: EncryptedData,
}

/// EncAPRepPart (RFC 4120 §5.5.2).
#[derive(Debug, Clone, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 27)))]
pub struct EncApRepPart {
    /// The Authenticator's seconds.
    #[rasn(tag(explicit(0)))]
    pub ctime: Timestamp,
    /// The Authenticator's microseconds.
    #[rasn(tag(explicit(1)))]
    pub cusec: i32,
    /// The key that the server chose.
    #[rasn(tag(explicit(2)))]
    pub subkey: Option<EncryptionKey>,
    /// The Authenticator's sequence number, or the server's first one.
    #[rasn(tag(explicit(3)))]
    pub seq_number: Option<Number32>,
}

/// Octets of the subkey that an AP Reply carries (profile P4).
pub const SUBKEY_LENGTH: usize = 46;

/// A fresh subkey of key type 65 with `length` octets, [`SUBKEY_LENGTH`] by default (profile P4).
pub fn generate_subkey(length: usize, random: &mut dyn Random) -> EncryptionKey {
    let mut value = vec![0; length];
    random.fill(&mut value);
    EncryptionKey {
        etype: SUBKEY_KEYMATERIAL,
        value: Secret::new(value),
    }
}

/// The AP-REP to `request`, with the server's `subkey` and the given sequence number; by default the Authenticator's
/// own is echoed (profile P10). `pad` is the form an etype 5 session key writes (profile P14).
///
/// # Errors
/// [`KerberosError::Crypto`] where the session key is of no known type or of the wrong size.
pub fn build_ap_rep(
    request: &ApReqOpened,
    subkey: Option<EncryptionKey>,
    seq_number: Option<Number32>,
    pad: PadForm,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KerberosError> {
    let part = EncApRepPart {
        ctime: request.authenticator.ctime,
        cusec: request.authenticator.cusec,
        subkey,
        seq_number,
    };
    let plaintext = zeroize::Zeroizing::new(der::encode(&part));
    let enc_part = request
        .session_key()
        .seal(None, KeyUsage::AP_REP, &plaintext, pad, random)
        .map_err(KerberosError::crypto(NAME))?;
    Ok(der::encode(&ApRep {
        pvno: 5,
        msg_type: MSG_TYPE,
        enc_part,
    }))
}

/// Opens an AP-REP as the client that sent the AP-REQ `sent` under `session_key`; the pad form that matched comes
/// along.
///
/// # Errors
/// [`KerberosError`] where the octets are no AP-REP, its part does not verify, or it does not echo the time that was
/// sent (mutual authentication fails).
pub fn open_ap_rep(
    octets: &[u8],
    session_key: &EncryptionKey,
    sent: &ApReqSent,
) -> Result<(EncApRepPart, Option<PadForm>), KerberosError> {
    let reply: ApRep = der::decode(NAME, octets).map_err(KerberosError::der(NAME))?;
    check_header(NAME, reply.pvno, MSG_TYPE, reply.msg_type)?;
    let opened = session_key
        .open(&reply.enc_part, KeyUsage::AP_REP)
        .map_err(KerberosError::crypto(NAME))?;
    let part: EncApRepPart =
        der::decode("EncAPRepPart", opened.plaintext.expose()).map_err(KerberosError::der(NAME))?;
    if part.ctime != sent.ctime || part.cusec != sent.cusec {
        return Err(KerberosError::Mismatch {
            message: NAME,
            field: "ctime or cusec",
        });
    }
    Ok((part, opened.pad))
}
