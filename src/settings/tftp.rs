//! `[tftp]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::services::yes;
use super::text::{Listen, read_duration, read_networks, read_ports};

/// `[tftp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tftp {
    /// Whether it runs; a service without a table does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The ports that transfers go from; those that the system chooses where there are none.
    #[serde(deserialize_with = "read_ports")]
    pub transfer_ports: Option<RangeInclusive<u16>>,
    /// Networks of relays (CMTSs) whose `netaddr` and `hwaddr` options are believed, and which have no limits by source.
    #[serde(deserialize_with = "read_networks")]
    pub relays: Vec<IpNet>,
    /// Transfers at once, by listener.
    pub max_transfers: usize,
    /// Requests that are taken of one source in a second; 0 sets no limit.
    pub rate_per_source: u32,
    /// Transfers of one source at once whose client has acknowledged nothing; 0 sets no limit.
    pub half_open_per_source: u32,
    /// The largest block in octets, 8 to 65,464.
    pub max_block_size: u16,
    /// The largest window in blocks.
    pub max_window: u16,
    /// The wait before the first retransmission, where the client asked for no other. It doubles with each.
    #[serde(deserialize_with = "read_duration")]
    pub retransmit_after: Duration,
    /// Retransmissions without progress before a transfer fails.
    pub retries: u8,
    /// The longest time of a transfer.
    #[serde(deserialize_with = "read_duration")]
    pub lifetime: Duration,
    /// The shortest retransmission timeout in seconds that a client may ask for.
    pub min_timeout: u8,
    /// The longest.
    pub max_timeout: u8,
}

impl Default for Tftp {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            transfer_ports: None,
            relays: Vec::new(),
            max_transfers: 50_000,
            rate_per_source: 50_000,
            half_open_per_source: 16_384,
            max_block_size: 65_464,
            max_window: 64,
            retransmit_after: Duration::from_secs(1),
            retries: 5,
            lifetime: Duration::from_secs(3_600),
            min_timeout: 1,
            max_timeout: 255,
        }
    }
}

impl Tftp {
    /// Tells `wrong` of each value that cannot be: its key, what is the matter, what to do.
    pub(super) fn mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        if !(8..=65_464).contains(&self.max_block_size) {
            wrong(
                "tftp.max_block_size",
                "no client can have such blocks",
                "set 8 to 65464",
            );
        }
        if self.max_window == 0 {
            wrong("tftp.max_window", "0 blocks are none", "set 1 or more");
        }
        if self.max_transfers == 0 {
            wrong("tftp.max_transfers", "nobody could fetch a file", "set 1 or more");
        }
        if self.min_timeout == 0 || self.min_timeout > self.max_timeout {
            wrong(
                "tftp.min_timeout",
                "expected 1 to max_timeout seconds",
                "set min_timeout not above max_timeout",
            );
        }
    }
}
