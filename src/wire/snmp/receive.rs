//! The authoritative side: requests and INFORMs sent to this engine (RFC 3414 §3.2, RFC 3412 §7.2).

use zeroize::Zeroizing;

use super::ber::{Reader, SEQUENCE};
use super::message::{MessageData, ScopedPdu, V3Message};
use super::outgoing::{Protection, report_envelope, seal};
use super::pdu::{Pdu, PduKind};
use super::reason::SnmpDropReason;
use super::usm::{LocalEngine, LocalizedKeys, SecurityLevel, UsmStat, UsmStats};
use super::varbind::{Value, VarBind};
use crate::value::Timestamp;

/// A request whose sender is proven, which came in time and is for this engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// msgID, which the response repeats.
    pub msg_id: i32,
    /// The greatest message that the sender takes, in octets.
    pub max_size: usize,
    /// The user's name.
    pub user: Vec<u8>,
    /// The level at which it was sent, which is that of the user's keys.
    pub level: SecurityLevel,
    /// The PDU, of the confirmed class, and its context.
    pub scoped: ScopedPdu,
}

/// What becomes of a message to this engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out and answer with [`encode_response`](super::encode_response).
    Request(Request),
    /// Count it under `stat` and send `datagram` back.
    Report {
        /// The usmStats counter to increase.
        stat: UsmStat,
        /// The report message.
        datagram: Vec<u8>,
    },
    /// Count it and send nothing.
    Drop(SnmpDropReason),
}

/// Checks a message against this engine and the user's keys, in the order of RFC 3414 §3.2; `keys` is `None` where the
/// user is unknown. `stats` are the counters before this message; a report carries the increased value.
///
/// A message below the level of the keys is refused as an unsupported security level (profile P32), but only after
/// its time was checked, because a peer may synchronise its clock by a message that is authenticated and not encrypted
/// (RFC 3414 §4). The report of a wrong time is authenticated; the others are not.
pub fn process(
    message: &V3Message<'_>,
    keys: Option<&LocalizedKeys>,
    engine: &LocalEngine,
    stats: &UsmStats,
    now: Timestamp,
) -> Verdict {
    match accept(message, keys, engine, now) {
        Ok(request) => Verdict::Request(request),
        Err(Refusal::Drop(reason)) => Verdict::Drop(reason),
        Err(Refusal::Stat(stat)) => report(message, stat, keys, engine, stats, now),
    }
}

/// Why a message is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    Stat(UsmStat),
    Drop(SnmpDropReason),
}

fn accept(
    message: &V3Message<'_>,
    keys: Option<&LocalizedKeys>,
    engine: &LocalEngine,
    now: Timestamp,
) -> Result<Request, Refusal> {
    if !message.is_for(&engine.engine_id) {
        return Err(Refusal::Stat(UsmStat::UnknownEngineIds));
    }
    let keys = keys.ok_or(Refusal::Stat(UsmStat::UnknownUserNames))?;
    if message.level == SecurityLevel::NoAuthNoPriv || message.level > keys.level() {
        return Err(Refusal::Stat(UsmStat::UnsupportedSecLevels));
    }
    if !message.is_authentic(&keys.auth) {
        return Err(Refusal::Stat(UsmStat::WrongDigests));
    }
    engine
        .check(message.boots, message.time, now)
        .map_err(|_| Refusal::Stat(UsmStat::NotInTimeWindows))?;
    if message.level < keys.level() {
        return Err(Refusal::Stat(UsmStat::UnsupportedSecLevels));
    }
    let scoped = open(message, keys)?;
    if !scoped.pdu.kind.is_confirmed() {
        return Err(Refusal::Drop(SnmpDropReason::UnexpectedPdu(scoped.pdu.kind)));
    }
    Ok(Request {
        msg_id: message.msg_id,
        max_size: message.max_size,
        user: message.user.to_vec(),
        level: message.level,
        scoped,
    })
}

/// Decrypts the scoped PDU where it is encrypted, and reads it. The message's authenticity is the caller's to check,
/// before this.
pub(crate) fn open(message: &V3Message<'_>, keys: &LocalizedKeys) -> Result<ScopedPdu, Refusal> {
    let malformed = |error| Refusal::Drop(SnmpDropReason::Malformed(error));
    match message.data {
        MessageData::Plain(mut reader) => {
            let content = reader.expect(SEQUENCE).map_err(malformed)?;
            ScopedPdu::read(content).map_err(malformed)
        }
        MessageData::Encrypted { octets, offset } => {
            let wrong = Refusal::Stat(UsmStat::DecryptionErrors);
            let Some(key) = &keys.privacy else {
                return Err(wrong);
            };
            let mut plain = Zeroizing::new(octets.to_vec());
            if key
                .decrypt(message.boots, message.time, message.priv_params, &mut plain)
                .is_err()
            {
                return Err(wrong);
            }
            // With the wrong key not even the outermost SEQUENCE appears. What follows it is the cipher's filling.
            match Reader::new(&plain, offset).expect(SEQUENCE) {
                Ok(content) => ScopedPdu::read(content).map_err(malformed),
                Err(_) => Err(wrong),
            }
        }
    }
}

/// The report of `stat`, or silence where the message lets none be sent (RFC 3412 §7.1 step 3).
fn report(
    message: &V3Message<'_>,
    stat: UsmStat,
    keys: Option<&LocalizedKeys>,
    engine: &LocalEngine,
    stats: &UsmStats,
    now: Timestamp,
) -> Verdict {
    let plain = message.plain_pdu();
    if !message.reportable || plain.is_some_and(|(kind, _)| !kind.is_confirmed()) {
        return Verdict::Drop(SnmpDropReason::Unreported(stat));
    }
    let protection = match (stat, keys) {
        (UsmStat::NotInTimeWindows, Some(keys)) => Protection::Auth(&keys.auth),
        _ => Protection::None,
    };
    let value = Value::Counter32(stats.get(stat).wrapping_add(1));
    // The request-id of an encrypted PDU is not known; the peer goes by msgID.
    let request_id = plain.map_or(0, |(_, request_id)| request_id);
    let pdu = Pdu::new(PduKind::Report, request_id, vec![VarBind::new(stat.oid(), value)]);
    let envelope = report_envelope(message, engine, protection, now);
    Verdict::Report {
        stat,
        datagram: seal(&envelope, engine.engine_id.as_bytes(), &[], &pdu),
    }
}
