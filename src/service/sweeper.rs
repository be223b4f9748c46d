//! What time alone decides: attempts past their deadline, and rows that have served their time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::core::{Core, Decision};
use crate::model::{Attempt, AttemptResult};
use crate::provisioning;
use crate::store::{Change, StoreError};
use crate::value::Timestamp;

/// How often deadlines are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How often old rows are swept, in periods.
const SWEEP: u32 = 60;
/// Attempts that are ended in one period at the most.
const BATCH: usize = 1_000;

/// Ends attempts past their deadline, and sweeps what ended longer ago than `keep` or has served its time, until `stop`
/// turns true.
pub async fn run(core: Arc<Core>, keep: Duration, mut stop: watch::Receiver<bool>) {
    let mut periods = 0u32;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|&stopped| stopped) => return,
        }
        if let Err(error) = end_overdue(&core).await {
            tracing::error!(%error, "overdue attempts cannot be ended");
        }
        periods = periods.wrapping_add(1);
        if periods.is_multiple_of(SWEEP)
            && let Err(error) = sweep(&core, keep).await
        {
            tracing::error!(%error, "old rows cannot be swept");
        }
    }
}

async fn sweep(core: &Core, keep: Duration) -> Result<(), StoreError> {
    let now = Timestamp::now();
    core.store.sweep(now, keep).await?;
    let forgotten = core.store.forget_keys(now).await?;
    if forgotten > 0 {
        tracing::info!(
            forgotten,
            "service keys are forgotten: the last ticket under them has expired"
        );
    }
    Ok(())
}

async fn end_overdue(core: &Core) -> Result<(), StoreError> {
    let now = Timestamp::now();
    for overdue in core.store.unfinished(now, BATCH).await? {
        let decide = |newest: Option<Attempt>| {
            // What moved on meanwhile has a new deadline, or an end.
            let still = newest.filter(|newest| newest.id == overdue.id && newest.deadline <= now);
            let ended = still.and_then(provisioning::in_progress).map(provisioning::give_up);
            let change = ended.map(|attempt| Change {
                attempt: Some(attempt),
                ..Change::default()
            });
            Decision { change, then: () }
        };
        core.decide(overdue.mac, decide).await?;
        if overdue.result != Some(AttemptResult::Delivered) {
            tracing::info!(mac = %overdue.mac, attempt = %overdue.id, "nothing more was heard of the device in time");
        }
    }
    Ok(())
}
