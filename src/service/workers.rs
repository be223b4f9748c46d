//! Public-key work, off the receiving tasks and bounded.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Runs jobs that compute for long (signatures, exponentiations) on threads of their own: as many at once as there are
/// cores, and no more than a bounded number waiting, so that a flood of requests costs its senders an answer and not
/// the server its memory.
#[derive(Debug, Clone)]
pub struct Workers {
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
}

impl Workers {
    /// Workers for this machine's cores with room for `queue` jobs, running ones included.
    pub fn new(queue: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            queued: Arc::new(Semaphore::new(queue)),
        }
    }

    /// What `job` returns, or `None` where the queue is full or the job panicked.
    pub async fn run<T, J>(&self, job: J) -> Option<T>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let _place = self.queued.clone().try_acquire_owned().ok()?;
        let _core = self.running.clone().acquire_owned().await.ok()?;
        tokio::task::spawn_blocking(job).await.ok()
    }
}
