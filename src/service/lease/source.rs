//! What a lease source is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;

use crate::model::Lease;
use crate::value::MacAddress;

/// What a lease is sought by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// The address that a request comes from.
    Address(IpAddr),
    /// The device that a file name names.
    Mac(MacAddress),
}

impl Key {
    /// The key of an address; an IPv4-mapped IPv6 address is IPv4.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Mac(mac) => write!(f, "device {mac}"),
        }
    }
}

/// Why a source has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or fails. Another one is asked.
    #[error("{0}")]
    Down(String),
    /// It answered with something that is no lease, which counts as none: whoever can spoil his own row must not put the
    /// source out of use.
    #[error("its answer is no lease: {0}")]
    Content(String),
}

impl SourceError {
    /// The source cannot be reached, or fails.
    pub fn down(reason: impl fmt::Display) -> Self {
        Self::Down(reason.to_string())
    }

    /// The source's answer is no lease.
    pub fn content(reason: impl fmt::Display) -> Self {
        Self::Content(reason.to_string())
    }
}

/// One place that leases are asked for. It may take as long as it likes: whoever asks has a time limit and drops the
/// future.
#[async_trait]
pub trait LeaseSource: Send + Sync + 'static {
    /// Whether it can be asked by `key` at all.
    fn covers(&self, key: Key) -> bool;

    /// The lease of an address, or of a device the one that was obtained or renewed last.
    async fn find(&self, key: Key) -> Result<Option<Lease>, SourceError>;

    /// Whether it answers.
    async fn probe(&self) -> Result<(), SourceError> {
        // An address for documentation (RFC 5737), which no device has.
        match self.find(Key::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254)))).await {
            Ok(_) | Err(SourceError::Content(_)) => Ok(()),
            Err(down) => Err(down),
        }
    }
}

/// Of several leases of a device, the one that was obtained or renewed last.
pub(super) fn newest(leases: impl IntoIterator<Item = Lease>) -> Option<Lease> {
    leases.into_iter().max_by_key(|lease| lease.since(true))
}
