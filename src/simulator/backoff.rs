//! When a device sends again, and when it gives up.

use std::time::Duration;

/// How a device retransmits a request: it waits `nominal`, doubles the wait with each retransmission up to `max`, and
/// gives up when the wait after the last of `retries` retransmissions has passed (RFC 4682, DESCRIPTION of
/// pktcMtaDevProvUnsolicitedKeyNomTimeout; fact sheet provisioning §2.5, CERTAIN). DHCP option 122 sub-options 4
/// and 5 carry the three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first transmission.
    pub nominal: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How often the request is sent again.
    pub retries: u32,
}

impl Backoff {
    /// The defaults of the AS exchange in RFC 4682: 3 s, 100 s, 5 retries.
    pub const AS: Self = Self {
        nominal: Duration::from_secs(3),
        max: Duration::from_secs(100),
        retries: 5,
    };
    /// The defaults of the AP exchange in RFC 4682: 3 s, 600 s, 8 retries.
    pub const AP: Self = Self {
        nominal: Duration::from_secs(3),
        max: Duration::from_secs(600),
        retries: 8,
    };
    /// For INFORMs, whose timers PacketCable leaves to the device: 3 s, 20 s, 5 retries.
    pub const INFORM: Self = Self {
        nominal: Duration::from_secs(3),
        max: Duration::from_secs(20),
        retries: 5,
    };

    /// The waits in order, one after each transmission: `retries + 1` of them.
    pub fn waits(self) -> impl Iterator<Item = Duration> {
        let doubled = std::iter::successors(Some(self.nominal), |wait| Some(wait.saturating_mul(2)));
        let transmissions = usize::try_from(self.retries).unwrap_or(usize::MAX).saturating_add(1);
        doubled.map(move |wait| wait.min(self.max)).take(transmissions)
    }

    /// The same law with every wait multiplied by `factor`, so that a test need not last as long as the field does.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            nominal: self.nominal.mul_f64(factor),
            max: self.max.mul_f64(factor),
            retries: self.retries,
        }
    }
}

/// The timers of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// AS exchange (option 122 sub-option 4).
    pub kdc: Backoff,
    /// AP exchange (option 122 sub-option 5).
    pub key_management: Backoff,
    /// INFORMs.
    pub inform: Backoff,
    /// How long one transfer of the file may take; a transfer that fails is begun again once.
    pub download: Duration,
    /// From the first step to the download (pktcMtaDevProvisioningTimer, option 122 sub-option 8): 10 minutes by
    /// default.
    pub provisioning: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            kdc: Backoff::AS,
            key_management: Backoff::AP,
            inform: Backoff::INFORM,
            download: Duration::from_secs(60),
            provisioning: Duration::from_secs(600),
        }
    }
}

impl Timers {
    /// Every timer multiplied by `factor`.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            kdc: self.kdc.scaled(factor),
            key_management: self.key_management.scaled(factor),
            inform: self.inform.scaled(factor),
            download: self.download.mul_f64(factor),
            provisioning: self.provisioning.mul_f64(factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: Backoff) -> Vec<u64> {
        backoff.waits().map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn rfc4682_doubles_up_to_the_maximum_and_stops_after_the_retries() {
        let backoff = Backoff {
            nominal: Duration::from_secs(3),
            max: Duration::from_secs(20),
            retries: 5,
        };
        assert_eq!(seconds(backoff), [3, 6, 12, 20, 20, 20]);
        assert_eq!(seconds(Backoff { retries: 0, ..backoff }), [3]);
    }

    #[test]
    fn a_scaled_law_keeps_its_shape() {
        let backoff = Backoff {
            nominal: Duration::from_secs(2),
            max: Duration::from_secs(6),
            retries: 2,
        };
        let millis: Vec<_> = backoff.scaled(0.1).waits().map(|wait| wait.as_millis()).collect();
        assert_eq!(millis, [200, 400, 600]);
    }
}
