//! Which refusals are kept: a peer that floods the server does not push the others' out.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::store::Refusal;
use crate::value::MacAddress;

/// How many refusals of one device, or of one source where the device is unknown, are kept in a minute.
const PER_MINUTE: u32 = 20;
/// How many devices and sources are told apart in a minute; the refusals of further ones are dropped.
const SOURCES: usize = 5_000;

#[derive(PartialEq, Eq, Hash)]
enum Source {
    Device(MacAddress),
    Address(IpAddr),
}

/// Counts the refusals of the present minute by device or source.
#[derive(Default)]
pub(super) struct Limiter {
    minute: i64,
    counts: HashMap<Source, u32>,
}

impl Limiter {
    /// Whether `refusal` is to be kept.
    pub(super) fn admits(&mut self, refusal: &Refusal) -> bool {
        let minute = refusal.at.unix().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        let source = refusal
            .mac
            .map_or_else(|| Source::Address(refusal.peer.ip()), Source::Device);
        if self.counts.len() >= SOURCES && !self.counts.contains_key(&source) {
            return false;
        }
        let count = self.counts.entry(source).or_default();
        *count = count.saturating_add(1);
        *count <= PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StepId;
    use crate::value::Timestamp;

    fn refusal(mac: Option<u8>, second: i64) -> Refusal {
        Refusal {
            mac: mac.map(|last| MacAddress([0, 0, 0, 0, 0, last])),
            peer: "192.0.2.1:1024".parse().unwrap(),
            step: StepId::AS_REQUEST,
            at: Timestamp::from_unix(second),
            reason: "unknown device".into(),
        }
    }

    #[test]
    fn twenty_a_minute_for_each_device_and_each_source() {
        let mut limiter = Limiter::default();
        for mac in [Some(1), Some(2), None] {
            let kept = (0..100).filter(|_| limiter.admits(&refusal(mac, 10))).count();
            assert_eq!(kept, 20, "{mac:?}");
        }
        assert!(limiter.admits(&refusal(Some(1), 60)), "the next minute begins afresh");
    }
}
