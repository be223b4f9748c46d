//! eUE-25: the status INFORM, the device's own word on how it went.

use std::net::SocketAddr;

use super::attempt::{end, is_keyed_by};
use crate::model::{Attempt, AttemptResult, Enrollment, Phase, Step, StepId};
use crate::store::Change;
use crate::value::{Secret, Timestamp};
use crate::wire::snmp::ProvisioningState;

/// What follows from a status INFORM.
#[derive(Debug)]
pub enum StatusDecision {
    /// Store the change, then acknowledge.
    Recorded(Box<Change>),
    /// Nothing to store: acknowledge.
    Known,
    /// There is no attempt that it could belong to; nothing is acknowledged.
    Refused(&'static str),
}

/// A status INFORM that has passed authentication, as far as its flow has any.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it said.
    pub state: ProvisioningState,
    /// pktcMtaDevCorrelationId: the number of the enrollment that it belongs to.
    pub correlation_id: u32,
    /// Where it came from.
    pub peer: SocketAddr,
    /// For the ladder: protocol and security level.
    pub manner: &'static str,
    /// The subkey of the session whose keys it verified under; none for SNMPv2c.
    pub subkey: Option<Secret>,
}

impl Status {
    /// Whether this is a report of an earlier life of the device, which arrives while `attempt` is at work: nothing of
    /// SNMPv2c keeps a late datagram out.
    fn is_of_another_life(&self, attempt: &Attempt) -> bool {
        let another = |enrollment: &Enrollment| enrollment.correlation_id != self.correlation_id;
        matches!(attempt.phase, Phase::Enrolled | Phase::Told) && attempt.enrollment.as_ref().is_some_and(another)
    }
}

/// Decides on a status INFORM. `attempt` is the device's newest.
pub fn report(attempt: Option<Attempt>, status: &Status, now: Timestamp) -> StatusDecision {
    let &Status {
        state, peer, manner, ..
    } = status;
    let Some(attempt) = attempt else {
        return StatusDecision::Refused("the device reports a status and no attempt of it is known");
    };
    if !is_keyed_by(&attempt, status.subkey.as_ref()) {
        return StatusDecision::Refused("another AP exchange replaced the keys that the INFORM came under");
    }
    let detail = format!("{manner} INFORM from {peer}: {state}");
    let row = if state.is_pass() || state == ProvisioningState::InProgress {
        Step::ok(StepId::STATUS, now, detail)
    } else {
        Step::failed(StepId::STATUS, now, detail)
    };
    match &attempt.result {
        // The same report again: its acknowledgement was lost.
        Some(AttemptResult::Reported(known)) if *known == state => StatusDecision::Known,
        _ if status.is_of_another_life(&attempt) => StatusDecision::Known,
        // Nothing is final while the device says that it is not done.
        _ if state == ProvisioningState::InProgress => {
            let change = Change {
                ladder: Some(attempt.id),
                steps: vec![row],
                ..Change::default()
            };
            StatusDecision::Recorded(Box::new(change))
        }
        // A device that speaks after it was given up has the last word; one that was replaced speaks of another life.
        Some(AttemptResult::Replaced) => StatusDecision::Known,
        _ => {
            let attempt = end(attempt, AttemptResult::Reported(state));
            StatusDecision::Recorded(Box::new(Change {
                attempt: Some(attempt),
                steps: vec![row],
                ..Change::default()
            }))
        }
    }
}
