//! How many requests one source, or one device, may send in a period.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sources that are counted at once. A period in which more than these speak is no flood of a few.
const SOURCES: usize = 65_536;
/// What a source may send in a period in any case while the service is busy and the operator sets no limit.
const LEAST_SHARE: u32 = 256;

/// Counts requests by their source, anew each period. A source is an address unless it is said otherwise.
pub struct RateLimit<K = IpAddr> {
    most: u32,
    period: Duration,
    present: Mutex<Present<K>>,
}

struct Present<K> {
    began: Instant,
    total: u32,
    requests: HashMap<K, u32>,
}

impl RateLimit {
    /// A limit of `per_second` requests of each source address; 0 sets none.
    pub fn new(per_second: u32) -> Self {
        Self::within(Duration::from_secs(1), per_second)
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    /// A limit of `most` requests of each source in a `period`; 0 sets none.
    pub fn within(period: Duration, most: u32) -> Self {
        Self {
            most,
            period,
            present: Mutex::new(Present {
                began: Instant::now(),
                total: 0,
                requests: HashMap::new(),
            }),
        }
    }

    /// Whether one more request of `source` is taken at `now`.
    pub fn admits(&self, source: K, now: Instant) -> bool {
        self.admits_share(source, now, false)
    }

    /// The same; while the service is `busy`, a source that has sent more than its share of this period's requests is held
    /// back, whatever the operator's limit.
    pub fn admits_share(&self, source: K, now: Instant, busy: bool) -> bool {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(present.began) >= self.period {
            present.began = now;
            present.total = 0;
            present.requests.clear();
        }
        if present.requests.len() >= SOURCES && !present.requests.contains_key(&source) {
            return true;
        }
        present.total = present.total.saturating_add(1);
        let count = present.requests.entry(source).or_insert(0);
        *count = count.saturating_add(1);
        let count = *count;
        let sources = u32::try_from(present.requests.len()).unwrap_or(u32::MAX).max(1);
        let share = (present.total / sources).max(LEAST_SHARE);
        (self.most == 0 || count <= self.most) && !(busy && count > share)
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

    #[test]
    fn another_period_and_another_kind_of_source() {
        let (limit, start) = (RateLimit::within(Duration::from_secs(60), 1), Instant::now());
        assert!(limit.admits("a", start) && limit.admits("b", start));
        assert!(!limit.admits("a", start + Duration::from_secs(59)));
        assert!(limit.admits("a", start + Duration::from_secs(60)));
    }

    #[test]
    fn without_a_limit_a_source_has_its_share_while_the_service_is_busy() {
        let (limit, start) = (RateLimit::new(0), Instant::now());
        let noisy = IpAddr::from([192, 0, 2, 1]);
        assert!(
            (0..5_000).all(|_| limit.admits_share(noisy, start, true)),
            "alone, it takes nothing from anybody"
        );
        let others = (1..200).map(|last| IpAddr::from([192, 0, 2, last]));
        assert_eq!(
            others
                .skip(1)
                .filter(|other| limit.admits_share(*other, start, true))
                .count(),
            198
        );
        assert!(!limit.admits_share(noisy, start, true));
        assert!(limit.admits(noisy, start));
    }
}
