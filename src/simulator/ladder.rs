//! The ladder that a device climbs: its steps with their times, and where it fell.

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::report::StepReport;
use crate::model::StepId;

/// The steps of one run. Time runs from the end of one step to the end of the next, so that the steps' times add up to
/// the run's.
#[derive(Debug)]
pub struct Ladder {
    started: Instant,
    last: Instant,
    present: StepId,
    retries: u32,
    steps: Vec<StepReport>,
}

impl Ladder {
    /// The ladder of a run that begins now with `step`.
    pub fn start(step: StepId) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            present: step,
            retries: 0,
            steps: Vec::new(),
        }
    }

    /// What follows belongs to `step`.
    pub fn begin(&mut self, step: StepId) {
        self.present = step;
    }

    /// The present step's request was sent again.
    pub fn retry(&mut self) {
        self.retries += 1;
    }

    /// The present step ended well.
    pub fn done(&mut self, detail: impl Into<String>) {
        self.end(true, detail.into());
    }

    /// The present step failed.
    pub fn failed(&mut self, fault: &Fault) {
        self.end(false, fault.to_string());
    }

    /// The steps, and how long all of them took.
    pub fn finish(self) -> (Vec<StepReport>, Duration) {
        (self.steps, self.last - self.started)
    }

    fn end(&mut self, ok: bool, detail: String) {
        let now = Instant::now();
        let took = now - self.last;
        self.last = now;
        let retries = std::mem::take(&mut self.retries);
        self.steps.push(StepReport {
            step: self.present,
            took,
            ok,
            retries,
            detail,
        });
    }
}
