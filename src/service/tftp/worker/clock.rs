//! The time of a worker.

use tokio::time::Instant;

use crate::value::Timestamp;

/// A clock that neither stands still nor jumps when the system's is set.
pub(super) struct Clock {
    started: Instant,
    base: Timestamp,
}

impl Clock {
    /// The system's time as it is now, from where it goes on by itself.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            base: Timestamp::now(),
        }
    }

    /// The present instant.
    pub(super) fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed())
    }

    /// When the runtime's clock shows `at`.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.base)
    }
}
