//! How attempts begin, replace one another and are given up.

use std::net::SocketAddr;

use super::Policy;
use crate::model::{Attempt, AttemptId, AttemptResult, Device, Family, Phase};
use crate::value::{Random, Secret, Timestamp};

/// A fresh attempt of `device` in `phase`, and the end of the one it replaces: a device that begins again has rebooted,
/// and what it was doing is over.
pub fn begin(
    device: &Device,
    previous: Option<Attempt>,
    phase: Phase,
    peer: SocketAddr,
    policy: &Policy,
    now: Timestamp,
    random: &mut dyn Random,
) -> (Attempt, Option<Attempt>) {
    // Of an earlier attempt only this is left: which vendor the device is of does not change with a reboot.
    let type_identifier = previous.as_ref().and_then(|old| old.type_identifier.clone());
    let attempt = Attempt {
        id: AttemptId::new(now, random),
        mac: device.mac,
        flow: device.flow,
        family: Family::of(peer.ip()),
        started: now,
        deadline: now.plus(policy.provisioning_timer),
        phase,
        result: None,
        peer,
        session: None,
        enrollment: None,
        type_identifier,
        file: None,
        version: 0,
    };
    let replaced = previous
        .and_then(in_progress)
        .map(|old| end(old, AttemptResult::Replaced));
    (attempt, replaced)
}

/// The attempt, unless it has ended.
pub fn in_progress(attempt: Attempt) -> Option<Attempt> {
    (attempt.phase != Phase::Ended).then_some(attempt)
}

/// Whether a message that verified under the keys of `subkey` is this attempt's: since the keys were read, another AP
/// exchange may have replaced them. A message without keys (SNMPv2c) has none to compare.
pub(super) fn is_keyed_by(attempt: &Attempt, subkey: Option<&Secret>) -> bool {
    let session = attempt.session.as_ref();
    subkey.is_none_or(|subkey| session.is_some_and(|session| session.subkey.ct_eq(subkey.expose())))
}

/// The end of an attempt whose deadline has passed. A file that was delivered to a device that reports no status
/// (BASIC.1, HYBRID.1; profile P25) is a success; anything else has timed out.
pub fn give_up(attempt: Attempt) -> Attempt {
    use crate::model::Flow;
    let quiet = attempt.phase == Phase::Delivered && attempt.flow != Flow::Secure;
    end(
        attempt,
        if quiet {
            AttemptResult::Delivered
        } else {
            AttemptResult::TimedOut
        },
    )
}

/// `attempt` in its next phase. The provisioning timer counts anew with each step: the attempt ends when it stands still
/// that long.
pub(super) fn advance(attempt: Attempt, phase: Phase, policy: &Policy, now: Timestamp) -> Attempt {
    Attempt {
        phase,
        deadline: now.plus(policy.provisioning_timer),
        ..attempt
    }
}

/// `attempt`, ended with `result`.
pub(super) fn end(attempt: Attempt, result: AttemptResult) -> Attempt {
    Attempt {
        phase: Phase::Ended,
        result: Some(result),
        ..attempt
    }
}
