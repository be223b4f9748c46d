//! Which attempts are being carried on.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::model::AttemptId;

/// The attempts that a task of this node is busy with, so that a repeated INFORM does not start a second one.
#[derive(Default)]
pub struct UnderWay(Mutex<HashSet<AttemptId>>);

/// An attempt that is being carried on, until this is dropped.
pub struct Busy<'a> {
    all: &'a UnderWay,
    attempt: AttemptId,
}

impl UnderWay {
    /// Takes the attempt on; `None` where a task has it already.
    pub fn begin(&self, attempt: AttemptId) -> Option<Busy<'_>> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt);
        taken.then_some(Busy { all: self, attempt })
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.all
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.attempt);
    }
}
