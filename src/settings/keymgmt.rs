//! `[keymgmt]`: kerberized key management and its ciphersuites.

use std::time::Duration;

use serde::Deserialize;

use super::services::yes;
use super::text::{AgentPort, Listen, read_duration};
use crate::wire::keymgmt::Ciphersuite;
use crate::wire::snmp::{AuthProtocol, PrivProtocol};

/// A ciphersuite's word: authentication, then privacy.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SuiteWord {
    Sha1Aes128,
    Sha1Des,
    Sha1None,
    Md5Aes128,
    Md5Des,
    Md5None,
}

impl From<SuiteWord> for Ciphersuite {
    fn from(word: SuiteWord) -> Self {
        let (auth, privacy) = match word {
            SuiteWord::Sha1Aes128 => (AuthProtocol::Sha1, Some(PrivProtocol::Aes128)),
            SuiteWord::Sha1Des => (AuthProtocol::Sha1, Some(PrivProtocol::Des)),
            SuiteWord::Sha1None => (AuthProtocol::Sha1, None),
            SuiteWord::Md5Aes128 => (AuthProtocol::Md5, Some(PrivProtocol::Aes128)),
            SuiteWord::Md5Des => (AuthProtocol::Md5, Some(PrivProtocol::Des)),
            SuiteWord::Md5None => (AuthProtocol::Md5, None),
        };
        Self { auth, privacy }
    }
}

fn read_suites<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Ciphersuite>, D::Error> {
    Ok(Vec::<SuiteWord>::deserialize(deserializer)?
        .into_iter()
        .map(Ciphersuite::from)
        .collect())
}

/// `[keymgmt]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keymgmt {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The ciphersuites that are accepted. Among them, the device's order decides.
    #[serde(deserialize_with = "read_suites")]
    pub ciphersuites: Vec<Ciphersuite>,
    /// Whether devices are to acknowledge AP Replies by a Security Parameter Recovered (profile P3).
    pub ack_required: bool,
    /// Where Wake Ups to a device go.
    pub device_port: AgentPort,
    /// How long the AP Request that a Wake Up asks for is awaited before another one is sent; doubled each time.
    #[serde(deserialize_with = "read_duration")]
    pub wake_up_timeout: Duration,
    /// How often a Wake Up is sent again.
    pub wake_up_retries: u32,
    /// How long a Wake Up's nonce is good: the solicited-key window.
    #[serde(deserialize_with = "read_duration")]
    pub solicited_window: Duration,
}

impl Default for Keymgmt {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            ciphersuites: [
                SuiteWord::Sha1Aes128,
                SuiteWord::Md5Aes128,
                SuiteWord::Sha1Des,
                SuiteWord::Md5Des,
                SuiteWord::Sha1None,
                SuiteWord::Md5None,
            ]
            .map(Ciphersuite::from)
            .to_vec(),
            ack_required: false,
            device_port: AgentPort::Fixed(crate::wire::keymgmt::PORT),
            wake_up_timeout: Duration::from_secs(1),
            wake_up_retries: 4,
            solicited_window: Duration::from_secs(120),
        }
    }
}
