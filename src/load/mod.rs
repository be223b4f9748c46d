//! Floor 5, beside the commands: what `hardline load` puts on a server, any server.
//!
//! [`conformance`] asks a TFTP server feature by feature whether it does what the RFCs say. [`run`] downloads by many
//! sessions at once, believes nothing that was not agreed on, compares what came with a folder, and reports how long it
//! took.

pub mod conformance;
mod own;
mod plan;
mod process;
mod report;
mod session;
mod shared;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use plan::{Folder, Names, Pattern, PatternError, Plan, Sources};
pub use report::{LoadReport, ServerUse};

/// How often the server's memory is looked at while it works.
const LOOK: Duration = Duration::from_millis(50);

/// Puts the load of `plan` on its server; `each` is called at the end of each download. Where `process` names the server's
/// process on this machine, the report says what it used.
///
/// # Errors
/// The system's, where no session could begin.
pub fn run(plan: Plan, process: Option<u32>, each: &(dyn Fn() + Sync)) -> io::Result<LoadReport> {
    let plan = Arc::new(plan);
    let before = process.map(process::Used::of).transpose()?;
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let (tally, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch_memory(process, &over));
        let tally = match plan.sources {
            Sources::Own(_) => own::run(&plan, each),
            Sources::Network(_) => shared::run(&plan, each),
        };
        over.store(true, Ordering::Relaxed);
        (tally, watch.join().unwrap_or_default())
    });
    let elapsed = started.elapsed();
    let mut report = tally?.report(&plan, elapsed);
    if let (Some(process), Some(before)) = (process, before) {
        let after = process::Used::of(process)?;
        report.server = Some(ServerUse::new(&before, &after, peak, report.passed));
    }
    Ok(report)
}

/// The most memory that `process` had until `over`, in octets.
fn watch_memory(process: Option<u32>, over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while let Some(process) = process
        && !over.load(Ordering::Relaxed)
    {
        peak = peak.max(process::resident(process).unwrap_or(0));
        std::thread::sleep(LOOK);
    }
    peak
}
