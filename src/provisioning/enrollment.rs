//! eUE-15: the enrollment INFORM, and what follows from it.

use std::net::SocketAddr;
use std::time::Duration;

use super::attempt::{advance, begin, in_progress, is_keyed_by};
use super::file::FileRequest;
use super::{FileError, FileMaker, Policy};
use crate::model::{Attempt, AttemptResult, Device, Enrollment, Flow, Phase, SnmpSession, Step, StepId};
use crate::profile::Ways;
use crate::store::Change;
use crate::template::Inputs;
use crate::value::{Random, Secret, Timestamp};
use crate::wire::keymgmt::KeyRecipe;

/// How long the repetition of a hybrid device's INFORM counts as such. A device that comes back later with the same
/// request id has rebooted and counts from the same number again. In the secure flow an AP exchange would have come first.
const REPETITION: Duration = Duration::from_secs(60);

/// An enrollment INFORM that has passed authentication, as far as its flow has any.
#[derive(Debug, Clone)]
pub struct Enrolling<'a> {
    /// What it said.
    pub enrollment: Enrollment,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The server's address that it was sent to.
    pub local: SocketAddr,
    /// For the ladder: protocol and security level.
    pub manner: &'static str,
    /// The subkey of the session whose keys it verified under; none for SNMPv2c.
    pub subkey: Option<Secret>,
    /// How its keys are derived, for SNMPv3.
    pub keys: Option<LearnedKeys>,
    /// What is known for the device's file beyond its record.
    pub inputs: Inputs,
    /// What is known of the device's vendor.
    pub ways: Ways<'a>,
}

/// How the keys of a verified SNMPv3 message are derived (profile P5 to P8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedKeys {
    /// The recipe under which it verified.
    pub recipe: KeyRecipe,
    /// Whether it verifies under other candidates as well, whose keys differ in the other direction.
    pub unsettled: bool,
}

/// What follows from an enrollment INFORM.
#[derive(Debug)]
pub enum EnrollDecision {
    /// Store the change, acknowledge, and go on: GET capabilities or SET the file.
    Enrolled(Box<Change>),
    /// The same INFORM again: acknowledge, and send the SET again unless it is under way.
    Again,
    /// The same INFORM again after the file was fetched: acknowledge, nothing else.
    Late,
    /// The device may not enroll; nothing is acknowledged.
    Refused(&'static str),
}

/// Decides on an enrollment INFORM. `attempt` is the device's newest.
///
/// # Errors
/// The device's file cannot be made; the attempt has ended with that reason in [`FileError::change`].
pub fn enroll(
    device: &Device,
    attempt: Option<Attempt>,
    enrolling: &Enrolling<'_>,
    policy: &Policy,
    maker: &FileMaker,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<EnrollDecision, FileError> {
    if let Some(reason) = other_flow(device.flow, enrolling.enrollment.community.is_some()) {
        return Ok(EnrollDecision::Refused(reason));
    }
    if attempt
        .as_ref()
        .is_some_and(|attempt| !is_keyed_by(attempt, enrolling.subkey.as_ref()))
    {
        return Ok(EnrollDecision::Refused(
            "another AP exchange replaced the keys that the INFORM came under",
        ));
    }
    if let Some(repetition) = attempt.as_ref().and_then(|attempt| repetition(attempt, enrolling, now)) {
        return Ok(repetition);
    }
    let Some((attempt, replaced)) = enrolled(device, attempt, enrolling, policy, now, random) else {
        return Ok(EnrollDecision::Refused(
            "no AP exchange has given the device SNMPv3 keys",
        ));
    };
    let type_identifier = enrolling.enrollment.type_identifier.as_str();
    let learned = attempt.session.as_ref().map(|session| &session.learned);
    if learned.is_some_and(|learned| enrolling.ways.denies(type_identifier, learned)) {
        return Ok(EnrollDecision::Refused(
            "devices of its OUI and type identifier are known to derive keys or make HMACs otherwise: \
             hardline profile forget makes the server learn them anew",
        ));
    }
    let vendor = learned.and_then(|learned| enrolling.ways.lesson(device.mac, type_identifier, learned, now));
    let mut change = Change {
        attempt: Some(attempt),
        replaced,
        vendor,
        ..Change::default()
    };
    change.steps.push(step(enrolling, now));
    if !policy.get_capabilities {
        let request = FileRequest {
            local: enrolling.local,
            inputs: &enrolling.inputs,
        };
        super::file::make(&mut change, device, request, policy, maker, now, random)?;
    }
    Ok(EnrollDecision::Enrolled(Box::new(change)))
}

/// Why a device of this flow does not enroll by such an INFORM: one with a community is SNMPv2c.
fn other_flow(flow: Flow, community: bool) -> Option<&'static str> {
    match (flow, community) {
        (Flow::Basic, _) => Some("the device's flow is basic: it does not enroll"),
        (Flow::Hybrid, false) => Some("the device's flow is hybrid, the INFORM is SNMPv3"),
        (Flow::Secure, true) => Some("the device's flow is secure, the INFORM is SNMPv2c"),
        (Flow::Hybrid, true) | (Flow::Secure, false) => None,
    }
}

/// What an INFORM is that repeats the one the attempt was enrolled by, or `None` for a new one.
fn repetition(attempt: &Attempt, enrolling: &Enrolling<'_>, now: Timestamp) -> Option<EnrollDecision> {
    let known = attempt.enrollment.as_ref()?;
    let same = known.request_id == enrolling.enrollment.request_id
        && known.correlation_id == enrolling.enrollment.correlation_id
        && attempt.peer == enrolling.peer;
    let recent = now.since(attempt.started) < REPETITION;
    let served = match &attempt.result {
        None => attempt.phase == Phase::Delivered,
        Some(result) => matches!(result, AttemptResult::Reported(_) | AttemptResult::Delivered),
    };
    match attempt.phase {
        Phase::Enrolled | Phase::Told if same => Some(EnrollDecision::Again),
        _ if same && served && (attempt.flow == Flow::Secure || recent) => Some(EnrollDecision::Late),
        // After a failure it is served again.
        _ => None,
    }
}

/// The attempt that an INFORM enrolls: the one whose AP exchange made its keys, or a new one.
fn enrolled(
    device: &Device,
    attempt: Option<Attempt>,
    enrolling: &Enrolling<'_>,
    policy: &Policy,
    now: Timestamp,
    random: &mut dyn Random,
) -> Option<(Attempt, Option<Attempt>)> {
    // A device that the operator moved to another flow brings nothing along from the flow it left.
    let same_flow = |attempt: &Attempt| attempt.flow == device.flow;
    let known = attempt.as_ref().filter(|attempt| same_flow(attempt));
    let session = known.and_then(|attempt| attempt.session.clone());
    let (attempt, replaced) = match attempt {
        Some(attempt) if attempt.phase == Phase::Keyed && same_flow(&attempt) => (attempt, None),
        // A device that enrolls again under the keys it has, after a failure that did not send it back to its
        // AP Request, is served: the keys live until the next AP exchange (profile P31).
        attempt => begin(device, attempt, Phase::Enrolled, enrolling.peer, policy, now, random),
    };
    if device.flow == Flow::Secure && session.is_none() {
        return None;
    }
    let session = session.map(|session| with_keys(session, enrolling.keys.as_ref()));
    let enrollment = Some(enrolling.enrollment.clone());
    let attempt = Attempt {
        peer: enrolling.peer,
        session,
        enrollment,
        type_identifier: Some(enrolling.enrollment.type_identifier.clone()),
        ..advance(attempt, Phase::Enrolled, policy, now)
    };
    Some((attempt, replaced))
}

/// The session with what the INFORM has shown of its keys. The first one decides; nothing is learned twice.
fn with_keys(mut session: SnmpSession, keys: Option<&LearnedKeys>) -> SnmpSession {
    let learned = &mut session.learned;
    if let Some(LearnedKeys { recipe, unsettled }) = keys.filter(|_| learned.keys.is_none()) {
        (learned.keys, learned.unsettled) = (Some(recipe.clone()), *unsettled);
    }
    session
}

fn step(enrolling: &Enrolling<'_>, now: Timestamp) -> Step {
    let Enrollment {
        type_identifier,
        sw_version,
        correlation_id,
        ..
    } = &enrolling.enrollment;
    let detail = format!(
        "{} INFORM from {}, type {type_identifier}, software {sw_version}, correlation id {correlation_id}",
        enrolling.manner, enrolling.peer
    );
    Step::ok(StepId::ENROLLMENT, now, detail)
}

/// The end of an attempt that the server cannot carry on.
pub(super) fn failed(change: Change, step: Step) -> Change {
    let reason = step.detail.clone();
    let attempt = change.attempt.and_then(in_progress);
    let attempt = attempt.map(|attempt| super::attempt::end(attempt, AttemptResult::Failed(reason)));
    let steps = change.steps.into_iter().chain([step]).collect();
    Change {
        attempt,
        steps,
        file: None,
        ..change
    }
}
