//! eUE-22 and eUE-23: the file is fetched, by the device it was made for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Policy;
use super::attempt::{advance, begin, in_progress};
use crate::model::{Attempt, Delivery, Device, Phase, Step, StepId};
use crate::settings::OneTimeNames;
use crate::store::{Change, OneTimeName, StoredFile};
use crate::value::{Random, Timestamp};

/// Why a file is not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchRefused {
    /// The source address is not one of the device's.
    #[error("the address is not the device's")]
    Address,
    /// The attempt that the file was made for has ended or been replaced.
    #[error("the attempt that the file was made for is over")]
    Over,
    /// It was delivered, and is for a single download.
    #[error("the file was delivered and is for a single download")]
    Used,
    /// It was made too long ago.
    #[error("the file's name has expired")]
    Expired,
}

/// Whether `source` may fetch `file`: the attempt is the device's newest and still in progress, the name has not been
/// used up, and the address is the device's, or the one its attempt came from where the operator named none. A CMTS
/// fetches for its devices: then there is no address, and the name alone tells who they are.
///
/// # Errors
/// [`FetchRefused`].
pub fn may_fetch(
    file: &StoredFile,
    device: &Device,
    attempt: Option<Attempt>,
    source: Option<IpAddr>,
    names: &OneTimeNames,
    now: Timestamp,
) -> Result<Attempt, FetchRefused> {
    let attempt = attempt
        .filter(|attempt| attempt.id == file.attempt)
        .and_then(in_progress)
        .ok_or(FetchRefused::Over)?;
    if names.single_download && attempt.phase == Phase::Delivered {
        return Err(FetchRefused::Used);
    }
    let made = attempt.file.as_ref().map(|file| file.made);
    if let (Some(lifetime), Some(made)) = (names.lifetime, made)
        && made.plus(lifetime) <= now
    {
        return Err(FetchRefused::Expired);
    }
    let Some(source) = source else {
        return Ok(attempt);
    };
    let known = if device.addresses.is_empty() {
        attempt.peer.ip().to_canonical() == source.to_canonical()
    } else {
        device.may_speak_from(source)
    };
    if known { Ok(attempt) } else { Err(FetchRefused::Address) }
}

/// Why a one-time name is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// Its time is over.
    #[error("the name has expired")]
    Expired,
    /// It was made for the lease of another address.
    #[error("the name was made for the lease of {0}")]
    Address(IpAddr),
    /// It was delivered, and is for a single download.
    #[error("the name was used: it is for a single download")]
    Used,
}

/// Whether a client at `address` may fetch by `name`. Of one that a CMTS fetches for there is no address.
///
/// # Errors
/// [`NameRefused`].
pub fn may_use(name: &OneTimeName, address: Option<IpAddr>, now: Timestamp) -> Result<(), NameRefused> {
    if name.expires <= now {
        return Err(NameRefused::Expired);
    }
    if name.single && name.delivered.is_some() {
        return Err(NameRefused::Used);
    }
    match (name.address, address) {
        (Some(bound), Some(address)) if bound.to_canonical() != address.to_canonical() => {
            Err(NameRefused::Address(bound))
        }
        _ => Ok(()),
    }
}

/// The row of a request for the file. A device that asks has seen the SET, whatever became of its answer.
pub fn requested(attempt: Attempt, manner: Delivery, peer: SocketAddr, policy: &Policy, now: Timestamp) -> Change {
    let step = Step::ok(StepId::FILE_REQUEST, now, format!("{manner} request from {peer}"));
    if attempt.phase == Phase::Enrolled {
        moved(advance(attempt, Phase::Told, policy, now), step)
    } else {
        noted(&attempt, step)
    }
}

/// The attempt's new state, and the row about it.
fn moved(attempt: Attempt, step: Step) -> Change {
    Change {
        attempt: Some(attempt),
        steps: vec![step],
        ..Change::default()
    }
}

/// A row that changes nothing else.
fn noted(attempt: &Attempt, step: Step) -> Change {
    Change {
        ladder: Some(attempt.id),
        steps: vec![step],
        ..Change::default()
    }
}

/// A basic-flow file that was made because its device asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    /// Octets of the file.
    pub size: usize,
    /// How it is fetched.
    pub manner: Delivery,
    /// Who asks.
    pub peer: SocketAddr,
}

/// A device in the basic flow asks for its file by name: with that its attempt begins.
pub fn fetched_by_name(
    device: &Device,
    previous: Option<Attempt>,
    fetch: Fetch,
    policy: &Policy,
    now: Timestamp,
    random: &mut dyn Random,
) -> Change {
    let Fetch { size, manner, peer } = fetch;
    let (attempt, replaced) = begin(device, previous, Phase::Told, peer, policy, now, random);
    let made = format!("{size} octets from template {}", device.template_name());
    let steps = vec![
        Step::ok(StepId::FILE, now, made),
        Step::ok(StepId::FILE_REQUEST, now, format!("{manner} request from {peer}")),
    ];
    Change {
        attempt: Some(attempt),
        replaced,
        steps,
        ..Change::default()
    }
}

/// What the end of a transfer means for the attempt: delivered whole, or a failed step that the device may repeat.
pub fn delivered(attempt: Attempt, transfer: Result<(u64, Duration), &str>, policy: &Policy, now: Timestamp) -> Change {
    let (octets, elapsed) = match transfer {
        Ok(whole) => whole,
        Err(reason) => return noted(&attempt, Step::failed(StepId::FILE_DELIVERED, now, reason)),
    };
    let detail = format!("{octets} octets in {:.1} ms", elapsed.as_secs_f64() * 1000.0);
    let step = Step::ok(StepId::FILE_DELIVERED, now, detail);
    if matches!(attempt.phase, Phase::Enrolled | Phase::Told) {
        moved(advance(attempt, Phase::Delivered, policy, now), step)
    } else {
        noted(&attempt, step)
    }
}

/// What it means for the attempt that the device was answered without the whole file: nothing, and it may ask again.
/// `detail` says what the answer was.
pub fn answered(attempt: &Attempt, detail: &str, now: Timestamp) -> Change {
    noted(attempt, Step::ok(StepId::FILE_REQUEST, now, detail))
}
