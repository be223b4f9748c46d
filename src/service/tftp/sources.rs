//! What each source address may ask for: requests in a second, and transfers that its client has not acknowledged yet. All
//! workers count together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

/// Sources that are counted at once, besides those with half-open transfers, whose number is bounded anyway.
const SOURCES: usize = 65_536;

/// What an operator may set of it.
#[derive(Debug, Clone)]
pub struct SourceLimits {
    /// Requests that are taken of one source in a second; 0 sets no limit.
    pub per_second: u32,
    /// Transfers of one source at once whose client has acknowledged nothing; 0 sets no limit.
    pub half_open: u32,
    /// Networks without these limits: CMTSs and other relays, behind which many devices are.
    pub exempt: Arc<[IpNet]>,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            per_second: 50_000,
            half_open: 16_384,
            exempt: Arc::default(),
        }
    }
}

/// Counts by source. An IPv6 source is a /64: whoever has one address of it has them all.
pub(super) struct Sources {
    limits: SourceLimits,
    counts: Mutex<Counts>,
}

struct Counts {
    /// The second that requests are counted in.
    began: Instant,
    sources: HashMap<IpAddr, Source>,
}

#[derive(Default)]
struct Source {
    requests: u32,
    half_open: u32,
}

impl Sources {
    pub(super) fn new(limits: SourceLimits) -> Self {
        Self {
            limits,
            counts: Mutex::new(Counts {
                began: Instant::now(),
                sources: HashMap::new(),
            }),
        }
    }

    /// Whether one more request of `address` is taken at `now`.
    pub(super) fn admits(&self, address: IpAddr, now: Instant) -> bool {
        let limit = self.limits.per_second;
        if self.is_exempt(address) {
            return true;
        }
        let mut counts = self.lock();
        counts.turn(now);
        if limit == 0 {
            return true;
        }
        let Some(source) = counts.source(address) else {
            return true;
        };
        source.requests = source.requests.saturating_add(1);
        source.requests <= limit
    }

    /// Whether `address` may have one more half-open transfer, which is counted until [`Self::answered`].
    pub(super) fn opens(&self, address: IpAddr) -> bool {
        if self.limits.half_open == 0 || self.is_exempt(address) {
            return true;
        }
        match self.lock().source(address) {
            Some(source) if source.half_open >= self.limits.half_open => false,
            Some(source) => {
                source.half_open += 1;
                true
            }
            None => true,
        }
    }

    /// A half-open transfer of `address` was acknowledged, or is over.
    pub(super) fn answered(&self, address: IpAddr) {
        if self.limits.half_open == 0 || self.is_exempt(address) {
            return;
        }
        if let Some(source) = self.lock().sources.get_mut(&key(address)) {
            source.half_open = source.half_open.saturating_sub(1);
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.limits.exempt.iter().any(|network| network.contains(&address))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Begins another second where one is over.
    fn turn(&mut self, now: Instant) {
        if now.duration_since(self.began) < Duration::from_secs(1) {
            return;
        }
        self.began = now;
        self.sources.retain(|_, source| {
            source.requests = 0;
            source.half_open > 0
        });
    }

    /// The counts of `address`; `None` where more sources speak in one second than a flood of a few has.
    fn source(&mut self, address: IpAddr) -> Option<&mut Source> {
        let key = key(address);
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&key) {
            return None;
        }
        Some(self.sources.entry(key).or_default())
    }
}

fn key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(per_second: u32, half_open: u32) -> Sources {
        Sources::new(SourceLimits {
            per_second,
            half_open,
            exempt: Arc::from(["192.0.2.128/25".parse().unwrap()]),
        })
    }

    #[test]
    fn one_source_is_held_back_and_the_others_are_not() {
        let (sources, start) = (sources(3, 2), Instant::now());
        let [noisy, quiet, relay] = ["192.0.2.1", "192.0.2.2", "192.0.2.129"].map(|text| text.parse().unwrap());
        assert_eq!((0..10).filter(|_| sources.admits(noisy, start)).count(), 3);
        assert!(sources.admits(quiet, start));
        assert!((0..10).all(|_| sources.admits(relay, start)));
        assert!(sources.admits(noisy, start + Duration::from_secs(1)), "another second");

        assert_eq!((0..10).filter(|_| sources.opens(noisy)).count(), 2);
        assert!(sources.opens(quiet));
        assert!((0..10).all(|_| sources.opens(relay)));
        sources.answered(noisy);
        assert!(sources.opens(noisy));
        assert!(!sources.opens(noisy));
        sources.admits(quiet, start + Duration::from_secs(5));
        assert!(!sources.opens(noisy), "half-open transfers outlast the second");
    }

    #[test]
    fn an_ipv6_source_is_a_subnet() {
        let sources = sources(0, 1);
        assert!(sources.opens("2001:db8::1".parse().unwrap()));
        assert!(!sources.opens("2001:db8::2".parse().unwrap()));
        assert!(sources.opens("2001:db8:0:1::2".parse().unwrap()));
    }

    #[test]
    fn a_flood_of_many_sources_takes_bounded_memory() {
        let (sources, start) = (sources(1, 1), Instant::now());
        for source in 0..SOURCES as u32 + 1000 {
            assert!(sources.admits(std::net::Ipv4Addr::from_bits(source).into(), start));
        }
        assert_eq!(sources.lock().sources.len(), SOURCES);
        sources.admits("198.51.100.1".parse().unwrap(), start + Duration::from_secs(1));
        assert_eq!(sources.lock().sources.len(), 1);
    }
}
