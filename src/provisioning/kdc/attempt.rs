//! What is recorded of a ticket that was granted.

use std::net::SocketAddr;

use super::Kdc;
use crate::model::{Attempt, Device, Flow, Phase, Step, StepId};
use crate::provisioning::attempt::begin;
use crate::store::{Change, Seen};
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{Principal, PrincipalName};

/// A ticket that was granted to a device.
pub struct Grant {
    /// The AS-REP.
    pub reply: Vec<u8>,
    /// Who the ticket is for.
    pub client: Principal,
    /// The service it is for.
    pub service: PrincipalName,
    /// SHA-256 over the request, by which its repetition is known.
    pub digest: [u8; 32],
    /// Where the request came from.
    pub source: SocketAddr,
    /// When it came.
    pub asked: Timestamp,
}

/// The change that records a granted ticket: a new attempt, with the reply as the answer to the request's repetition.
/// `None` for a device that this server does not provision.
pub fn ticketed(
    device: Option<&Device>,
    previous: Option<Attempt>,
    grant: &Grant,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Option<Change> {
    let device = device.filter(|device| device.flow == Flow::Secure)?;
    let (attempt, replaced) = begin(
        device,
        previous,
        Phase::Ticketed,
        grant.source,
        &kdc.policy,
        now,
        random,
    );
    let steps = vec![
        Step::ok(
            StepId::AS_REQUEST,
            grant.asked,
            format!("AS Request from {} for {}", grant.source, grant.service),
        ),
        Step::ok(
            StepId::AS_REPLY,
            now,
            format!("ticket for {} as {}", grant.service, grant.client),
        ),
    ];
    let expires = now.plus(kdc.policy.clock_skew * 2);
    let seen = vec![Seen {
        digest: grant.digest,
        expires,
        answer: grant.reply.clone(),
    }];
    Some(Change {
        attempt: Some(attempt),
        replaced,
        steps,
        seen,
        ..Change::default()
    })
}
