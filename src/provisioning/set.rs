//! eUE-19: telling the device where its file is.

use super::attempt::{advance, end};
use super::{LearnedKeys, Policy};
use crate::mib::MibDialect;
use crate::model::{Attempt, AttemptResult, Phase, ServedFile, Step, StepId};
use crate::profile::Ways;
use crate::store::Change;
use crate::value::Timestamp;
use crate::wire::snmp::{ConfigSet, ConfigSetError, ErrorStatus, FileEncryption, VarBind};
use crate::wire::tlv::{EncryptAlgorithm, FileKey, KeyObjectError, KeyPlacement};

/// How a SET ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetOutcome {
    /// The device took it.
    Accepted,
    /// The device answered with this error-status (RFC 3416 §3) at this variable (1 is the first).
    Error {
        /// The error-status.
        status: ErrorStatus,
        /// The error-index.
        index: u32,
    },
    /// The device's answer, or a report in its place, cannot be used.
    Unusable(String),
    /// No answer to any transmission.
    Silent,
}

/// The file's parameters do not fit the dialect's objects.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The key object.
    #[error(transparent)]
    Key(#[from] KeyObjectError),
    /// Another object.
    #[error(transparent)]
    Object(#[from] ConfigSetError),
}

/// The variable bindings of the SET: URL, hash and, for an encrypted file, key and algorithm (seed 003 eUE-19; profile
/// P23).
///
/// # Errors
/// The dialect cannot carry the key or the algorithm.
pub fn file_varbinds(
    dialect: MibDialect,
    file: &ServedFile,
    placement: KeyPlacement,
) -> Result<Vec<VarBind>, SetError> {
    let encryption = match file.algorithm {
        EncryptAlgorithm::None => None,
        algorithm => {
            let object = FileKey::from_material(algorithm, &file.key).to_object(dialect, placement)?;
            object.map(|key_object| FileEncryption {
                algorithm: algorithm.number(),
                key_object,
            })
        }
    };
    Ok(ConfigSet {
        url: &file.url,
        hash: &file.hash,
        encryption,
    }
    .bindings(dialect)?)
}

/// What a SET's end means for the attempt; `None` where the attempt has moved on and nothing is to be said of it.
pub fn set_answered(attempt: Attempt, outcome: &SetOutcome, policy: &Policy, now: Timestamp) -> Option<Change> {
    if attempt.phase != Phase::Enrolled {
        // The device may ask for its file before its answer to the SET is stored: the row is still owed to the ladder.
        return (*outcome == SetOutcome::Accepted).then(|| Change {
            ladder: Some(attempt.id),
            steps: vec![accepted(&attempt, now)],
            ..Change::default()
        });
    }
    let peer = attempt.peer;
    let failed = |attempt: Attempt, detail: String| {
        let step = Step::failed(StepId::SET, now, detail.clone());
        (end(attempt, AttemptResult::Failed(detail)), step)
    };
    let (attempt, step) = match outcome {
        SetOutcome::Accepted => {
            let step = accepted(&attempt, now);
            (advance(attempt, Phase::Told, policy, now), step)
        }
        SetOutcome::Error { status, index } => failed(
            attempt,
            format!("{peer} answered the SET with error-status {status:?} at variable {index}"),
        ),
        SetOutcome::Unusable(reason) => failed(attempt, format!("{peer} answered the SET unusably: {reason}")),
        SetOutcome::Silent => failed(attempt, format!("{peer} did not answer the SET")),
    };
    Some(Change {
        attempt: Some(attempt),
        steps: vec![step],
        ..Change::default()
    })
}

/// Adds to the change of an answered SET what the answer has shown: under which keys the device takes requests, where its
/// INFORM had left that open (profile P8).
pub fn settle(mut change: Change, keys: &LearnedKeys, ways: &Ways<'_>, now: Timestamp) -> Change {
    let Some(attempt) = &mut change.attempt else {
        return change;
    };
    let Some(session) = attempt.session.as_mut().filter(|session| session.learned.unsettled) else {
        return change;
    };
    session.learned.keys = Some(keys.recipe.clone());
    session.learned.unsettled = keys.unsettled;
    let type_identifier = attempt.type_identifier.as_deref();
    let learned = &session.learned;
    change.vendor = type_identifier.and_then(|identifier| ways.lesson(attempt.mac, identifier, learned, now));
    change
}

/// The row of a SET that the device took.
fn accepted(attempt: &Attempt, now: Timestamp) -> Step {
    let url = attempt.file.as_ref().map_or("", |file| file.url.as_str());
    Step::ok(StepId::SET, now, format!("{} took {url}", attempt.peer))
}
