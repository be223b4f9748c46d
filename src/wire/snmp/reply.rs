//! The side that asked: responses and reports from a peer's engine (RFC 3414 §3.2, RFC 3412 §7.2).

use super::ber::SEQUENCE;
use super::message::{MessageData, ScopedPdu, V3Message};
use super::pdu::PduKind;
use super::reason::SnmpDropReason;
use super::receive::{Refusal, open};
use super::usm::{LocalizedKeys, RemoteEngine, SecurityLevel, UsmStat};
use super::varbind::Value;
use crate::value::EngineId;
use crate::value::Timestamp;

/// What a message in answer to this side's request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A response, or a notification under the peer's engine, whose sender is proven.
    Accepted {
        /// msgID of the request.
        msg_id: i32,
        /// The PDU: a Response or an SNMPv2-Trap.
        scoped: ScopedPdu,
        /// What is known of the peer's clock from now on.
        engine: RemoteEngine,
    },
    /// The peer refused the request.
    Report(Report),
    /// Count it; nothing else happened.
    Drop(SnmpDropReason),
}

/// A peer's report (RFC 3414 §3.2, §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// msgID of the request.
    pub msg_id: i32,
    /// Which of the usmStats counters the peer names, where it names one.
    pub stat: Option<UsmStat>,
    /// The counter's value.
    pub value: u32,
    /// The engine id under which the report came: the answer to a discovery. Octets that are no engine id give `None`.
    pub engine_id: Option<EngineId>,
    /// What is known of the peer's clock from now on, where the report is authenticated: after
    /// [`UsmStat::NotInTimeWindows`] the request goes out again with this clock. `None` where anybody may have sent
    /// the report.
    pub engine: Option<RemoteEngine>,
}

/// Checks a message that came back from a peer's engine, in the order of RFC 3414 §3.2. Responses must have the level
/// of the keys; a report may have less, and then says nothing about the peer's clock.
///
/// Whether msgID and request-id belong to an outstanding request is the caller's to say.
pub fn process_reply(
    message: &V3Message<'_>,
    keys: &LocalizedKeys,
    engine_id: &EngineId,
    engine: &RemoteEngine,
    now: Timestamp,
) -> Reply {
    match message.level {
        SecurityLevel::NoAuthNoPriv => read_plain_report(message),
        _ => match accept(message, keys, engine_id, engine, now) {
            Ok((scoped, engine)) => sort(message, scoped, keys, engine),
            Err(Refusal::Drop(reason)) => Reply::Drop(reason),
            Err(Refusal::Stat(stat)) => Reply::Drop(SnmpDropReason::Refused(stat)),
        },
    }
}

/// Reads the answer to a discovery, or another report that is not authenticated. Usable before any key or engine id is
/// known.
pub fn read_plain_report(message: &V3Message<'_>) -> Reply {
    let MessageData::Plain(mut reader) = message.data else {
        return Reply::Drop(SnmpDropReason::Refused(UsmStat::UnsupportedSecLevels));
    };
    match reader.expect(SEQUENCE).and_then(ScopedPdu::read) {
        Err(error) => Reply::Drop(error.into()),
        Ok(scoped) if scoped.pdu.kind == PduKind::Report => Reply::Report(report(message, &scoped, None)),
        Ok(_) => Reply::Drop(SnmpDropReason::Refused(UsmStat::UnsupportedSecLevels)),
    }
}

fn accept(
    message: &V3Message<'_>,
    keys: &LocalizedKeys,
    engine_id: &EngineId,
    engine: &RemoteEngine,
    now: Timestamp,
) -> Result<(ScopedPdu, RemoteEngine), Refusal> {
    if !message.is_for(engine_id) {
        return Err(Refusal::Stat(UsmStat::UnknownEngineIds));
    }
    if message.level > keys.level() {
        return Err(Refusal::Stat(UsmStat::UnsupportedSecLevels));
    }
    if !message.is_authentic(&keys.auth) {
        return Err(Refusal::Stat(UsmStat::WrongDigests));
    }
    let engine = engine
        .accept(message.boots, message.time, now)
        .map_err(|_| Refusal::Stat(UsmStat::NotInTimeWindows))?;
    Ok((open(message, keys)?, engine))
}

fn sort(message: &V3Message<'_>, scoped: ScopedPdu, keys: &LocalizedKeys, engine: RemoteEngine) -> Reply {
    match scoped.pdu.kind {
        PduKind::Report => Reply::Report(report(message, &scoped, Some(engine))),
        PduKind::Response { .. } | PduKind::TrapV2 if message.level == keys.level() => Reply::Accepted {
            msg_id: message.msg_id,
            scoped,
            engine,
        },
        PduKind::Response { .. } | PduKind::TrapV2 => {
            Reply::Drop(SnmpDropReason::Refused(UsmStat::UnsupportedSecLevels))
        }
        kind => Reply::Drop(SnmpDropReason::UnexpectedPdu(kind)),
    }
}

fn report(message: &V3Message<'_>, scoped: &ScopedPdu, engine: Option<RemoteEngine>) -> Report {
    let first = scoped.pdu.bindings.first();
    Report {
        msg_id: message.msg_id,
        stat: first.and_then(|binding| UsmStat::from_oid(&binding.name)),
        value: match first.map(|binding| &binding.value) {
            Some(Value::Counter32(value)) => *value,
            _ => 0,
        },
        engine_id: EngineId::new(message.engine_id).ok(),
        engine,
    }
}
