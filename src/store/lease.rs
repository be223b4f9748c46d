//! One-time names, as they are stored.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::value::{MacAddress, Timestamp};

/// A name that was made for one delivery. The name itself is not stored: whoever reads the database cannot fetch by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeName {
    /// SHA-256 over the name.
    pub digest: [u8; 32],
    /// The device it was made for.
    pub mac: MacAddress,
    /// The address that it is bound to: that of the device's lease when the name was made, where there was one.
    pub address: Option<IpAddr>,
    /// The file it stands for; the device's own where there is none.
    pub file: Option<String>,
    /// Whether it ends with the first whole delivery.
    pub single: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Who fetches by it now or fetched last, since when.
    pub claimed: Option<(IpAddr, Timestamp)>,
    /// When it was first delivered whole.
    pub delivered: Option<Timestamp>,
}

impl OneTimeName {
    /// The digest under which `name` is stored.
    pub fn digest_of(name: &str) -> [u8; 32] {
        Sha256::digest(name.as_bytes()).into()
    }
}
