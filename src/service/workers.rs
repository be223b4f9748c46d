//! Public-key work, off the receiving tasks, bounded, and shared out fairly among those who cause it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Counts jobs: as long as it stands still, no public-key operation has been made.
const JOBS: &str = "hardline_kdc_public_key_jobs_total";

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs that compute for long (signatures, exponentiations) on threads of their own: as many at once as there are
/// cores, and no more than a bounded number waiting, so that a flood of requests costs its senders an answer and not the
/// server its memory. Source addresses take turns, and where the queue is full, the source that fills it loses a place to
/// one that has less than its share: a flood from few sources delays those sources.
#[derive(Clone)]
pub struct Workers(Arc<Mutex<Queue>>);

struct Queue {
    /// Jobs that may wait.
    capacity: usize,
    cores: usize,
    running: usize,
    waiting: usize,
    by_source: HashMap<IpAddr, VecDeque<Job>>,
    /// The sources that have jobs, in the order of their turns.
    turns: VecDeque<IpAddr>,
}

impl Queue {
    /// Takes a job, or refuses it where its source has its share of a full queue.
    fn push(&mut self, source: IpAddr, job: Job) -> bool {
        if self.waiting >= self.capacity && !self.make_room(source) {
            return false;
        }
        let jobs = self.by_source.entry(source).or_default();
        if jobs.is_empty() {
            self.turns.push_back(source);
        }
        jobs.push_back(job);
        self.waiting += 1;
        true
    }

    /// Drops the newest job of the source that has most, unless `source` has its share already.
    fn make_room(&mut self, source: IpAddr) -> bool {
        let own = self.by_source.get(&source).map_or(0, VecDeque::len);
        let sources = self.by_source.len() + usize::from(own == 0);
        if own >= self.capacity / sources.max(1) {
            return false;
        }
        let most = self.by_source.iter().max_by_key(|(_, jobs)| jobs.len());
        let Some((longest, _)) = most.map(|(source, jobs)| (*source, jobs.len())) else {
            return false;
        };
        let Some(jobs) = self.by_source.get_mut(&longest) else {
            return false;
        };
        jobs.pop_back();
        if jobs.is_empty() {
            self.by_source.remove(&longest);
            self.turns.retain(|turn| *turn != longest);
        }
        self.waiting -= 1;
        true
    }

    /// The next job, of the source whose turn it is.
    fn pop(&mut self) -> Option<Job> {
        let source = self.turns.pop_front()?;
        let jobs = self.by_source.get_mut(&source)?;
        let job = jobs.pop_front()?;
        if jobs.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.waiting -= 1;
        Some(job)
    }
}

impl Workers {
    /// Workers for this machine's cores with room for `capacity` jobs that wait.
    pub fn new(capacity: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_cores(capacity, cores)
    }

    fn with_cores(capacity: usize, cores: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            capacity,
            cores,
            running: 0,
            waiting: 0,
            by_source: HashMap::new(),
            turns: VecDeque::new(),
        })))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `job` returns, or `None` where the queue has no place for one more of `source`, or the job panicked.
    pub async fn run<T, J>(&self, source: IpAddr, job: J) -> Option<T>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever asked may have gone meanwhile.
            let _ = answer.send(job());
        });
        let start = {
            let mut queue = self.queue();
            if !queue.push(source, job) {
                return None;
            }
            let start = queue.running < queue.cores;
            queue.running += usize::from(start);
            start
        };
        if start {
            let workers = self.clone();
            tokio::task::spawn_blocking(move || workers.work());
        }
        answered.await.ok()
    }

    /// Runs jobs until none waits.
    fn work(&self) {
        loop {
            let job = {
                let mut queue = self.queue();
                let Some(job) = queue.pop() else {
                    queue.running -= 1;
                    return;
                };
                job
            };
            metrics::counter!(JOBS).increment(1);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("public-key work panicked; its request is not answered");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// A queue that nothing takes from, and a job that says when it is dropped or run.
    fn full_of(flooder: IpAddr, capacity: usize) -> Queue {
        let workers = Workers::with_cores(capacity, 0);
        let mut queue = workers.queue();
        for _ in 0..capacity {
            assert!(queue.push(flooder, Box::new(|| {})));
        }
        assert!(!queue.push(flooder, Box::new(|| {})), "a bound is a bound");
        std::mem::replace(
            &mut *queue,
            Queue {
                capacity,
                cores: 0,
                running: 0,
                waiting: 0,
                by_source: HashMap::new(),
                turns: VecDeque::new(),
            },
        )
    }

    #[test]
    fn a_flood_of_one_source_neither_keeps_others_out_nor_before_itself() {
        let mut queue = full_of(source(1), 8);
        for other in 2..5 {
            assert!(queue.push(source(other), Box::new(|| {})), "{other}");
        }
        assert_eq!(queue.waiting, 8);
        let mut order = Vec::new();
        for _ in 0..5 {
            order.push(queue.turns.front().copied());
            drop(queue.pop().expect("a job"));
        }
        let expected = [1, 2, 3, 4, 1].map(|last| Some(source(last)));
        assert_eq!(order, expected);
    }

    #[test]
    fn a_flood_of_many_sources_takes_no_more_than_the_queue() {
        let mut queue = full_of(source(1), 4);
        let taken = (2..200)
            .filter(|last| queue.push(source(*last), Box::new(|| {})))
            .count();
        assert_eq!((taken, queue.waiting, queue.by_source.len()), (3, 4, 4));
        assert_eq!(queue.turns.len(), 4);
        while queue.pop().is_some() {}
        assert_eq!((queue.waiting, queue.by_source.len(), queue.turns.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn jobs_are_done_and_one_that_panics_stops_nothing() {
        let workers = Workers::with_cores(4, 1);
        assert_eq!(workers.run(source(1), || 7).await, Some(7));
        assert_eq!(workers.run(source(1), || -> i32 { panic!("a test") }).await, None);
        assert_eq!(workers.run(source(2), || 8).await, Some(8));
        assert_eq!(workers.queue().waiting, 0);
    }
}
