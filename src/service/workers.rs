//! Public-key work, off the receiving tasks.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Counts jobs: as long as it stands still, no public-key operation has been made.
const JOBS: &str = "hardline_kdc_public_key_jobs_total";

/// Runs jobs that compute for long (signatures, exponentiations) on threads of their own, as many at once as there are
/// cores. How many may wait is decided by who lets them come ([`super::turns::Turns`]).
#[derive(Debug, Clone)]
pub struct Workers(Arc<Semaphore>);

impl Default for Workers {
    /// Workers for this machine's cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
    }
}

impl Workers {
    /// What `job` returns, or `None` where it panicked.
    pub async fn run<T, J>(&self, job: J) -> Option<T>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let _core = self.0.clone().acquire_owned().await.ok()?;
        metrics::counter!(JOBS).increment(1);
        tokio::task::spawn_blocking(job).await.ok()
    }
}
