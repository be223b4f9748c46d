//! `[snmp]`.

use std::time::Duration;

use serde::Deserialize;

use super::services::yes;
use super::text::{AgentPort, Listen, read_duration};

/// `[snmp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snmp {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Where requests to a device go.
    pub agent_port: AgentPort,
    /// How long the response to a request is awaited before it is sent again.
    #[serde(deserialize_with = "read_duration")]
    pub request_timeout: Duration,
    /// How often a request is sent again.
    pub request_retries: u32,
    /// By what the time to wait is multiplied with each further request.
    pub request_backoff: u32,
    /// Whether a device is asked for its capabilities between enrollment and SET (steps 16 and 17).
    pub get_capabilities: bool,
}

impl Default for Snmp {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            agent_port: AgentPort::Fixed(161),
            request_timeout: Duration::from_secs(2),
            request_retries: 4,
            request_backoff: 2,
            get_capabilities: false,
        }
    }
}
