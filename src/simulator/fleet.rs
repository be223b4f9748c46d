//! Many devices at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::device::{DeviceSpec, Server};
use super::drive::provision_and_stay;
use super::report::DeviceReport;
use super::stay::InService;

/// How fast devices begin.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many devices are under way at the same time, at most.
    pub concurrency: NonZeroUsize,
    /// How many devices begin in a second, at most; no bound where there is none.
    pub rate: Option<f64>,
}

/// Provisions `devices`, and hands each report to `each` as it comes in; gives the time from the first device's start
/// to the last one's end. Devices are taken from the iterator when their turn comes, so that making them costs no
/// memory beforehand.
///
/// # Panics
/// Where a device's task panicked, with its panic.
pub async fn run<I, F>(devices: I, server: &Arc<Server>, pace: Pace, mut each: F) -> Duration
where
    I: IntoIterator<Item = DeviceSpec>,
    F: FnMut(DeviceReport),
{
    // Who is not kept has its socket closed.
    run_and_stay(devices, server, pace, |report, _| each(report)).await
}

/// The same; a device that got into service comes along with its report, to go on.
///
/// # Panics
/// Where a device's task panicked, with its panic.
pub async fn run_and_stay<I, F>(devices: I, server: &Arc<Server>, pace: Pace, mut each: F) -> Duration
where
    I: IntoIterator<Item = DeviceSpec>,
    F: FnMut(DeviceReport, Option<InService>),
{
    let mut each = |(report, stays)| each(report, stays);
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (number, device) in devices.into_iter().enumerate() {
        if let Some(rate) = pace.rate {
            let begin = started + Duration::from_secs_f64(number as f64 / rate);
            tokio::time::sleep_until(begin.into()).await;
        }
        while let Some(ended) = running.try_join_next() {
            each(unwrap(ended));
        }
        while running.len() >= pace.concurrency.get() {
            let ended = running.join_next().await;
            ended.map(unwrap).into_iter().for_each(&mut each);
        }
        let server = Arc::clone(server);
        running.spawn(async move { provision_and_stay(device, &server).await });
    }
    while let Some(ended) = running.join_next().await {
        each(unwrap(ended));
    }
    started.elapsed()
}

/// What a device's task ends with.
type Ended = (DeviceReport, Option<InService>);

/// The report of an ended task; no task is cancelled, so that one without a report has panicked.
fn unwrap(ended: Result<Ended, JoinError>) -> Ended {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
