//! What a load came to.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::plan::Plan;
use super::process::Used;
use super::session::Ended;
use crate::simulator::{self, Percentiles};

/// Reasons of failure that are told apart.
const REASONS: usize = 100;

/// The report of a load.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// The server's address.
    pub address: String,
    /// Sessions at the same time.
    pub sessions: u32,
    /// Downloads that ended.
    pub downloads: u64,
    /// Downloads that brought what they should.
    pub passed: u64,
    /// Downloads that did not.
    pub failed: u64,
    /// Why they failed, and how often.
    pub failures: BTreeMap<String, u64>,
    /// Seconds from the first request to the end of the last download.
    pub seconds: f64,
    /// Downloads that passed, by second.
    pub downloads_per_second: f64,
    /// Octets of the files that came.
    pub bytes: u64,
    /// Octets of files by second.
    pub bytes_per_second: f64,
    /// How often clients sent again because no answer came in time.
    pub repetitions: u64,
    /// Milliseconds of the downloads that passed; none where none did.
    pub milliseconds: Option<Percentiles>,
    /// What the server used, where its process is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerUse>,
}

/// What the server's process used for a load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ServerUse {
    /// Seconds of CPU time, children included.
    pub cpu_seconds: f64,
    /// Downloads that passed, by second of CPU time; none where that time is too short to measure.
    pub downloads_per_cpu_second: Option<f64>,
    /// By how many octets its memory was larger at its peak than before.
    pub memory_growth: u64,
}

impl ServerUse {
    pub(super) fn new(before: &Used, after: &Used, peak: u64, passed: u64) -> Self {
        let cpu_seconds = after.cpu - before.cpu;
        Self {
            cpu_seconds,
            downloads_per_cpu_second: (cpu_seconds > 0.0).then(|| passed as f64 / cpu_seconds),
            memory_growth: peak.max(after.resident).saturating_sub(before.resident),
        }
    }
}

/// Gathers downloads as they end.
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    failures: BTreeMap<String, u64>,
    bytes: u64,
    repetitions: u64,
    took: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            passed: 0,
            failed: 0,
            failures: BTreeMap::new(),
            bytes: 0,
            repetitions: 0,
            took: simulator::histogram(),
        }
    }

    pub(super) fn add(&mut self, ended: Ended) {
        self.repetitions += u64::from(ended.repetitions);
        match ended.result {
            Ok(octets) => {
                self.passed += 1;
                self.bytes += octets;
                self.took.saturating_record(simulator::micros(ended.took));
            }
            Err(reason) => self.fail(reason, 1),
        }
    }

    fn fail(&mut self, reason: String, count: u64) {
        self.failed += count;
        let others = self.failures.len() >= REASONS && !self.failures.contains_key(&reason);
        let reason = if others { "other reasons".to_owned() } else { reason };
        *self.failures.entry(reason).or_default() += count;
    }

    pub(super) fn join(&mut self, other: Self) {
        self.passed += other.passed;
        self.bytes += other.bytes;
        self.repetitions += other.repetitions;
        // Both have the same bounds.
        let _ = self.took.add(&other.took);
        for (reason, count) in other.failures {
            self.fail(reason, count);
        }
    }

    pub(super) fn report(self, plan: &Plan, elapsed: Duration) -> LoadReport {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        LoadReport {
            address: plan.server.to_string(),
            sessions: plan.sessions,
            downloads: self.passed + self.failed,
            passed: self.passed,
            failed: self.failed,
            failures: self.failures,
            seconds: elapsed.as_secs_f64(),
            downloads_per_second: self.passed as f64 / seconds,
            bytes: self.bytes,
            bytes_per_second: self.bytes as f64 / seconds,
            repetitions: self.repetitions,
            milliseconds: (self.passed > 0).then(|| simulator::percentiles(&self.took)),
            server: None,
        }
    }
}
