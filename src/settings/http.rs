//! `[http]`.

use std::time::Duration;

use serde::Deserialize;

use super::services::yes;
use super::text::{Listen, read_duration};

/// `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Whether it runs; a service without a table does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Connections at once, by listener.
    pub max_connections: usize,
    /// Connections of one source address at once; 0 sets no limit.
    pub connections_per_source: usize,
    /// The longest wait for the whole head of a request.
    #[serde(deserialize_with = "read_duration")]
    pub header_timeout: Duration,
    /// The longest wait for a client to take anything of a response.
    #[serde(deserialize_with = "read_duration")]
    pub stall_timeout: Duration,
    /// The longest life of a connection.
    #[serde(deserialize_with = "read_duration")]
    pub lifetime: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            max_connections: 4_096,
            connections_per_source: 1_024,
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(3_600),
        }
    }
}
