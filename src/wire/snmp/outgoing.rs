//! Messages as they leave (RFC 3412 §7.1, RFC 3414 §3.1).

use super::ber::{INTEGER, OCTET_STRING, SEQUENCE, Writer};
use super::message::{
    FLAG_AUTH, FLAG_PRIV, FLAG_REPORTABLE, MAX_MESSAGE, ScopedPdu, USM, V3Message, VERSION_2C, VERSION_3,
};
use super::pdu::{ErrorStatus, Pdu, PduKind};
use super::receive::Request;
use super::usm::{AuthKey, LocalEngine, LocalizedKeys, MAC_LENGTH, PrivKey, RemoteEngine, Salt};
use crate::value::{EngineId, Timestamp};

/// Octets of a message around its scoped PDU: tags, lengths, numbers, and the two names at their longest.
const ENVELOPE: usize = 180;

/// What a request to a peer's engine is made of, beside its PDU.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// msgID, 0 to 2^31 - 1: ties the answer to the request.
    pub msg_id: i32,
    /// The user's name, at most 32 octets.
    pub user: &'a [u8],
    /// The user's keys at the peer's engine. They state the level.
    pub keys: &'a LocalizedKeys,
    /// The peer's engine: for a SET or GET the agent's, for an INFORM the receiver's.
    pub engine_id: &'a EngineId,
    /// Its clock.
    pub engine: &'a RemoteEngine,
    /// contextEngineID: the engine whose objects the PDU is about. For a SET or GET the agent's, for an INFORM the
    /// sender's.
    pub context_engine_id: &'a EngineId,
}

/// How a message is protected, with what that takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protection<'a> {
    None,
    Auth(&'a AuthKey),
    AuthPriv(&'a AuthKey, &'a PrivKey, Salt),
}

impl<'a> Protection<'a> {
    /// Protection at the level of `keys`.
    pub(crate) fn full(keys: &'a LocalizedKeys, salt: Salt) -> Self {
        match &keys.privacy {
            Some(privacy) => Self::AuthPriv(&keys.auth, privacy, salt),
            None => Self::Auth(&keys.auth),
        }
    }

    fn flags(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Auth(_) => FLAG_AUTH,
            Self::AuthPriv(..) => FLAG_AUTH | FLAG_PRIV,
        }
    }
}

/// A message's fields outside its scoped PDU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) msg_id: i32,
    pub(crate) reportable: bool,
    pub(crate) engine_id: &'a [u8],
    pub(crate) boots: u32,
    pub(crate) time: u32,
    pub(crate) user: &'a [u8],
    pub(crate) protection: Protection<'a>,
}

/// Makes an SNMPv2c message.
pub fn encode_v2c(community: &[u8], pdu: &Pdu) -> Vec<u8> {
    let mut writer = Writer::new(pdu.size_hint() + community.len() + 24);
    writer.around(SEQUENCE, |writer| {
        pdu.write(writer);
        writer.primitive(OCTET_STRING, community);
        writer.signed(INTEGER, i64::from(VERSION_2C));
    });
    writer.finish()
}

/// Makes an SNMPv3 request (GET, GETNEXT, GETBULK, SET, INFORM) at the level of the user's keys.
pub fn encode_request(request: &OutgoingRequest<'_>, pdu: &Pdu, salt: Salt, now: Timestamp) -> Vec<u8> {
    let envelope = Envelope {
        msg_id: request.msg_id,
        reportable: pdu.kind.is_confirmed(),
        engine_id: request.engine_id.as_bytes(),
        boots: request.engine.boots,
        time: request.engine.time_at(now),
        user: request.user,
        protection: Protection::full(request.keys, salt),
    };
    seal(&envelope, request.context_engine_id.as_bytes(), &[], pdu)
}

/// Makes the message that asks for a peer's engine id (RFC 3414 §4): the answer is a report of unknownEngineIDs under
/// that engine id.
pub fn encode_discovery(msg_id: i32) -> Vec<u8> {
    let envelope = Envelope {
        msg_id,
        reportable: true,
        engine_id: &[],
        boots: 0,
        time: 0,
        user: &[],
        protection: Protection::None,
    };
    seal(&envelope, &[], &[], &Pdu::new(PduKind::Get, msg_id, Vec::new()))
}

/// Makes the response to `request` at the request's level (profile P32). `keys` are those that
/// [`process`](super::process) was given. Where the response is greater than the sender of the request takes, a
/// response of tooBig without bindings takes its place (RFC 3416 §4.2.1).
pub fn encode_response(
    request: &Request,
    response: &Pdu,
    keys: &LocalizedKeys,
    engine: &LocalEngine,
    salt: Salt,
    now: Timestamp,
) -> Vec<u8> {
    let envelope = Envelope {
        msg_id: request.msg_id,
        reportable: false,
        engine_id: engine.engine_id.as_bytes(),
        boots: engine.boots,
        time: engine.time(now),
        user: &request.user,
        protection: Protection::full(keys, salt),
    };
    let ScopedPdu {
        context_engine_id,
        context_name,
        ..
    } = &request.scoped;
    let message = seal(&envelope, context_engine_id, context_name, response);
    if message.len() <= request.max_size {
        return message;
    }
    let too_big = PduKind::Response {
        status: ErrorStatus::TooBig,
        index: 0,
    };
    let response = Pdu::new(too_big, response.request_id, Vec::new());
    seal(&envelope, context_engine_id, context_name, &response)
}

/// The envelope of a report about `message` from the authoritative `engine`.
pub(crate) fn report_envelope<'a>(
    message: &V3Message<'a>,
    engine: &'a LocalEngine,
    protection: Protection<'a>,
    now: Timestamp,
) -> Envelope<'a> {
    Envelope {
        msg_id: message.msg_id,
        reportable: false,
        engine_id: engine.engine_id.as_bytes(),
        boots: engine.boots,
        time: engine.time(now),
        user: message.user,
        protection,
    }
}

/// Puts the PDU into its scope, encrypts it, puts it into the envelope and authenticates the whole.
pub(crate) fn seal(envelope: &Envelope<'_>, context_engine_id: &[u8], context_name: &[u8], pdu: &Pdu) -> Vec<u8> {
    let mut data = scoped(context_engine_id, context_name, pdu);
    let priv_params = match envelope.protection {
        Protection::AuthPriv(_, key, salt) => Some(key.encrypt(envelope.boots, envelope.time, salt, &mut data)),
        _ => None,
    };
    let mut writer = Writer::new(data.len() + ENVELOPE);
    let mut mac_from_end = 0;
    writer.around(SEQUENCE, |writer| {
        match priv_params {
            Some(_) => writer.primitive(OCTET_STRING, &data),
            None => writer.raw(&data),
        }
        mac_from_end = write_security(writer, envelope, priv_params.as_ref());
        write_header(writer, envelope);
        writer.signed(INTEGER, i64::from(VERSION_3));
    });
    let mut message = writer.finish();
    if let Protection::Auth(key) | Protection::AuthPriv(key, ..) = envelope.protection {
        let code = key.mac(&[&message]);
        let offset = message.len() - mac_from_end;
        message[offset..offset + MAC_LENGTH].copy_from_slice(&code);
    }
    message
}

fn scoped(context_engine_id: &[u8], context_name: &[u8], pdu: &Pdu) -> Vec<u8> {
    // Room for DES to fill its last block without moving the plain text.
    let mut writer = Writer::new(pdu.size_hint() + context_engine_id.len() + context_name.len() + 24);
    writer.around(SEQUENCE, |writer| {
        pdu.write(writer);
        writer.primitive(OCTET_STRING, context_name);
        writer.primitive(OCTET_STRING, context_engine_id);
    });
    writer.finish()
}

/// msgSecurityParameters, with zeros for the message authentication code. Gives the distance of the code's first octet
/// from the end of the message.
fn write_security(writer: &mut Writer, envelope: &Envelope<'_>, priv_params: Option<&[u8; 8]>) -> usize {
    let mut mac_from_end = 0;
    writer.around(OCTET_STRING, |writer| {
        writer.around(SEQUENCE, |writer| {
            writer.primitive(OCTET_STRING, priv_params.map_or(&[], |params| params));
            match envelope.protection {
                Protection::None => writer.primitive(OCTET_STRING, &[]),
                _ => writer.around(OCTET_STRING, |writer| {
                    writer.raw(&[0; MAC_LENGTH]);
                    mac_from_end = writer.written();
                }),
            }
            writer.primitive(OCTET_STRING, envelope.user);
            writer.signed(INTEGER, i64::from(envelope.time));
            writer.signed(INTEGER, i64::from(envelope.boots));
            writer.primitive(OCTET_STRING, envelope.engine_id);
        });
    });
    mac_from_end
}

/// msgGlobalData.
fn write_header(writer: &mut Writer, envelope: &Envelope<'_>) {
    let reportable = if envelope.reportable { FLAG_REPORTABLE } else { 0 };
    writer.around(SEQUENCE, |writer| {
        writer.signed(INTEGER, i64::from(USM));
        writer.primitive(OCTET_STRING, &[envelope.protection.flags() | reportable]);
        writer.signed(INTEGER, i64::from(MAX_MESSAGE));
        writer.signed(INTEGER, i64::from(envelope.msg_id));
    });
}
