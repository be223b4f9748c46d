//! `[bootstrap]` and `[bootstrap_legacy]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::text::{Listen, read_duration};

/// How often a device gets its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handout {
    /// Once after each change of its credentials.
    Once,
    /// Until somebody notes that the credentials are in use.
    Acknowledged,
    /// Each time it asks.
    #[default]
    Always,
}

/// To which files the trigger is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// To those of devices that say capability 5.26 = 1 and have credentials to fetch.
    #[default]
    Capable,
    /// To every file.
    Always,
    /// To none.
    Never,
}

/// What holds for the devices of one class. What a class leaves out is as `[bootstrap]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapClass {
    /// How often the document is handed out.
    pub handout: Option<Handout>,
    /// How long after its provisioning a device may fetch it; zero sets no limit.
    #[serde(deserialize_with = "read_some_duration")]
    pub window: Option<Duration>,
    /// Whether the device's address must be one that DHCP gave it.
    pub match_address: Option<bool>,
}

fn read_some_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read_duration(deserializer).map(Some)
}

/// `[bootstrap]`: TLS 1.2 and 1.3, and what both listeners share.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Whether it runs; without a table it does not.
    #[serde(default = "super::services::yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The server's certificate, PEM.
    pub certificate: PathBuf,
    /// Its RSA key, PEM.
    pub key: PathBuf,
    /// The certificates between it and the service provider root, the nearest first, PEM, each sent with it.
    pub chain: Vec<PathBuf>,
    /// The template of the document; without it the built-in one.
    pub template: Option<PathBuf>,
    /// Whether a device that accepts it gets the document compressed.
    pub gzip: bool,
    /// How often the document is handed out.
    pub handout: Handout,
    /// How long after its provisioning a device may fetch it; zero sets no limit.
    #[serde(deserialize_with = "read_duration")]
    pub window: Duration,
    /// Whether the device's address must be one that DHCP gave it.
    pub match_address: bool,
    /// What differs for the devices whose variable `class` has this value.
    pub classes: BTreeMap<String, BootstrapClass>,
    /// To which files the trigger is added.
    pub trigger: Trigger,
    /// The URI that the trigger carries; without it the address of a listener that the device can reach.
    pub url: Option<String>,
    /// How long a TLS handshake may take.
    #[serde(deserialize_with = "read_duration")]
    pub handshake_timeout: Duration,
    /// How long a request may take to arrive, and its answer to be taken.
    #[serde(deserialize_with = "read_duration")]
    pub request_timeout: Duration,
    /// How long a connection may wait for its next request.
    #[serde(deserialize_with = "read_duration")]
    pub idle_timeout: Duration,
    /// Connections at once, of each of the two services.
    pub connections: usize,
    /// Connections at once of one source address (over IPv6: of one /64), of each of the two services; 0 sets no limit.
    pub connections_per_source: usize,
    /// Requests of one device that are answered in a minute, on both services together; 0 sets no limit.
    pub requests_per_device: u32,
    /// How long it is on record who read credentials.
    #[serde(deserialize_with = "read_duration")]
    pub keep_reads: Duration,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            certificate: "pki/bootstrap.crt.pem".into(),
            key: "pki/bootstrap.key.pem".into(),
            chain: vec!["pki/sp-ca.crt.pem".into()],
            template: None,
            gzip: false,
            handout: Handout::default(),
            window: Duration::ZERO,
            match_address: false,
            classes: BTreeMap::new(),
            trigger: Trigger::default(),
            url: None,
            handshake_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            connections: 16_384,
            connections_per_source: 64,
            requests_per_device: 0,
            keep_reads: Duration::from_secs(400 * 86_400),
        }
    }
}

/// A cipher suite that is offered only to yesterday's devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LegacySuite {
    /// TLS_RSA_WITH_AES_128_CBC_SHA (RFC 3268), which PacketCable mandates.
    #[serde(rename = "aes128-sha")]
    Aes128Sha,
    /// TLS_RSA_WITH_3DES_EDE_CBC_SHA (RFC 2246), which PacketCable mandates.
    #[serde(rename = "3des-sha")]
    TripleDesSha,
    /// TLS_RSA_WITH_AES_128_CBC_SHA256 (RFC 5246), for TLS 1.2 alone.
    #[serde(rename = "aes128-sha256")]
    Aes128Sha256,
}

impl LegacySuite {
    /// Its name in OpenSSL.
    pub const fn openssl_name(self) -> &'static str {
        match self {
            Self::Aes128Sha => "AES128-SHA",
            Self::TripleDesSha => "DES-CBC3-SHA",
            Self::Aes128Sha256 => "AES128-SHA256",
        }
    }
}

/// `[bootstrap_legacy]`: the suites that PacketCable mandates, from TLS 1.0 up, in a process of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapLegacy {
    /// Whether it runs; without a table it does not.
    #[serde(default = "super::services::yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The user that the process becomes where the server was started as root.
    pub user: String,
    /// The suites it offers, best first.
    pub suites: Vec<LegacySuite>,
}

impl Default for BootstrapLegacy {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            user: "nobody".into(),
            suites: vec![LegacySuite::Aes128Sha, LegacySuite::TripleDesSha],
        }
    }
}

impl super::Settings {
    /// What is wrong with `[bootstrap]` and `[bootstrap_legacy]`.
    pub(super) fn bootstrap_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        let table = &self.bootstrap;
        if self.bootstrap_legacy.enabled && self.bootstrap_legacy.suites.is_empty() {
            wrong("bootstrap_legacy.suites", "no suite is left", "name at least one");
        }
        for (key, value) in [
            ("bootstrap.handshake_timeout", table.handshake_timeout),
            ("bootstrap.request_timeout", table.request_timeout),
            ("bootstrap.idle_timeout", table.idle_timeout),
            ("bootstrap.keep_reads", table.keep_reads),
        ] {
            if value.is_zero() {
                wrong(key, "the duration is zero", "set a longer one");
            }
        }
        if table.connections == 0 {
            wrong("bootstrap.connections", "no connection would be taken", "set 1 or more");
        }
        if let Some(url) = &table.url {
            let absolute = url.starts_with("https://") && url.len() <= 1023;
            if !absolute || !url.chars().all(|c| c.is_ascii_graphic()) {
                wrong(
                    "bootstrap.url",
                    "it is no https URI of at most 1023 octets",
                    "write https://host:port/path",
                );
            }
        }
    }
}
