//! How many requests one source address may send in a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Source addresses that are counted at once. A second in which more than these speak is no flood of a few.
const SOURCES: usize = 65_536;

/// Counts requests by source address, anew each second.
pub struct RateLimit {
    per_second: u32,
    second: Mutex<Second>,
}

struct Second {
    began: Instant,
    requests: HashMap<IpAddr, u32>,
}

impl RateLimit {
    /// A limit of `per_second` requests of each source address; 0 sets none.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            second: Mutex::new(Second {
                began: Instant::now(),
                requests: HashMap::new(),
            }),
        }
    }

    /// Whether one more request of `source` is taken at `now`.
    pub fn admits(&self, source: IpAddr, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            second.began = now;
            second.requests.clear();
        }
        if second.requests.len() >= SOURCES && !second.requests.contains_key(&source) {
            return true;
        }
        let count = second.requests.entry(source).or_insert(0);
        *count = count.saturating_add(1);
        *count <= self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_held_back_and_the_others_are_not() {
        let (limit, start) = (RateLimit::new(3), Instant::now());
        let noisy = IpAddr::from([192, 0, 2, 1]);
        let admitted = (0..10).filter(|_| limit.admits(noisy, start)).count();
        assert_eq!(admitted, 3);
        assert!(limit.admits(IpAddr::from([192, 0, 2, 2]), start));
        assert!(limit.admits(noisy, start + Duration::from_secs(1)));
        let open = RateLimit::new(0);
        assert!((0..1000).all(|_| open.admits(noisy, start)));
    }
}
