//! What a DHCP server told a device: its address, when, and for how long.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::value::{MacAddress, Timestamp, rfc3339};

/// One lease of an address to a device, as a lease source knows it. Its identity is the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The address; an IPv4-mapped IPv6 address is held as IPv4.
    pub address: IpAddr,
    /// The device that has it.
    pub mac: MacAddress,
    /// The cable modem that the device is in or behind, where the relay agent named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cm_mac: Option<MacAddress>,
    /// The relay agent (the CMTS) that the exchange came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<IpAddr>,
    /// The client class that the DHCP server put the device in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// When the device got it; of a source that keeps only the last exchange, when that was.
    #[serde(with = "rfc3339")]
    pub obtained: Timestamp,
    /// When the device last renewed it, where the source tells renewals from fresh leases.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Timestamp>,
    /// When it ends; never where there is none.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Lease {
    /// A lease with nothing known but who has which address since when.
    pub fn new(address: IpAddr, mac: MacAddress, obtained: Timestamp) -> Self {
        Self {
            address: address.to_canonical(),
            mac,
            cm_mac: None,
            relay: None,
            class: None,
            obtained,
            renewed: None,
            expires: None,
        }
    }

    /// Whether it has ended by `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The instant that the window for downloads is counted from: the last renewal where those count, else when the lease
    /// was obtained.
    pub fn since(&self, renewals_count: bool) -> Timestamp {
        match self.renewed {
            Some(renewed) if renewals_count => renewed.max(self.obtained),
            _ => self.obtained,
        }
    }

    /// This lease as what follows `before` at the same address: where the same device has it without interruption, it is
    /// a renewal, which keeps the instant that the lease was obtained.
    pub fn following(mut self, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.mac == self.mac && !before.is_over(self.since(true)));
        if let Some(before) = same {
            self.renewed = Some(self.since(true).max(before.since(true)));
            self.obtained = before.obtained;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddress = MacAddress([0, 0x11, 0x22, 0x33, 0x44, 1]);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + second)
    }

    fn lease(second: i64) -> Lease {
        let address = "::ffff:192.0.2.7".parse().unwrap();
        Lease {
            expires: Some(at(second + 100)),
            ..Lease::new(address, MAC, at(second))
        }
    }

    #[test]
    fn a_renewal_keeps_when_the_lease_was_obtained() {
        let first = lease(0);
        assert_eq!(first.address.to_string(), "192.0.2.7");
        let renewed = lease(50).following(Some(&first));
        assert_eq!((renewed.obtained, renewed.renewed), (at(0), Some(at(50))));
        assert_eq!((renewed.since(true), renewed.since(false)), (at(50), at(0)));
        assert_eq!(renewed.expires, Some(at(150)));
    }

    #[test]
    fn a_lease_after_another_ended_or_of_another_device_is_fresh() {
        assert_eq!(lease(100).following(Some(&lease(0))), lease(100));
        let other = Lease {
            mac: MacAddress([9; 6]),
            ..lease(0)
        };
        assert_eq!(lease(50).following(Some(&other)), lease(50));
        assert_eq!(lease(50).following(None), lease(50));
        assert!(lease(0).is_over(at(100)) && !lease(0).is_over(at(99)));
    }
}
