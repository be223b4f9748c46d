//! `[mib]`, `[templates]`, `[lookup.NAME]`, `[cable_modem]`: what names, templates and files are made from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::text::read_duration;
use crate::wire::tlv::CmtsMicList;

/// `[mib]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MibSettings {
    /// Folders, each with those within it, and files of MIB modules beside the built-in ones.
    pub path: Vec<PathBuf>,
}

/// `[templates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateSettings {
    /// The folder of the operator's own templates, which go before the shipped ones of the same name.
    pub path: PathBuf,
    /// How often the folder is looked at for changes; zero for never.
    #[serde(deserialize_with = "read_duration")]
    pub poll: Duration,
    /// Variables that every template has, unless a device's record, a file name or a lookup says otherwise.
    pub vars: BTreeMap<String, String>,
}

impl Default for TemplateSettings {
    fn default() -> Self {
        Self {
            path: "templates".into(),
            poll: Duration::from_secs(2),
            vars: BTreeMap::new(),
        }
    }
}

/// `[lookup.NAME]`: values that templates ask another system for. One of `sql` and `http` says where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupSettings {
    /// The URL of a database: `sqlite:`, `postgres:` or `mysql:`.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file with the password of the database's user, on its first line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// A file with the certificate of the CA that the database's is signed by. The connection is encrypted then, and
    /// without such a certificate there is none; those of the public CAs are taken as well.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The query, with `:name` where a value belongs.
    #[serde(default)]
    pub query: Option<String>,
    /// The URL of a JSON object, with `{name}` where a value belongs.
    #[serde(default)]
    pub http: Option<String>,
    /// How long the answer is awaited.
    #[serde(default = "timeout", deserialize_with = "read_duration")]
    pub timeout: Duration,
    /// How long an answer is kept; zero for not at all.
    #[serde(default = "cache", deserialize_with = "read_duration")]
    pub cache: Duration,
    /// Answers that are kept at the same time, at most.
    #[serde(default = "cache_entries")]
    pub cache_entries: usize,
    /// Whether a file is made without it where the other system does not answer.
    #[serde(default)]
    pub optional: bool,
}

impl LookupSettings {
    /// Its paths, which are relative to the settings' folder.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.password_file, &mut self.ca_file].into_iter().flatten()
    }
}

fn timeout() -> Duration {
    Duration::from_millis(500)
}

fn cache() -> Duration {
    Duration::from_secs(60)
}

fn cache_entries() -> usize {
    10_000
}

/// `[cable_modem]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CableModemSettings {
    /// Files of the secrets shared with every CMTS that no entry of `cmts` names: the first one makes files, the others
    /// are taken where a file is checked.
    pub secrets: Vec<PathBuf>,
    /// Which TLVs the CMTS MIC covers.
    pub mic_list: CmtsMicList,
    /// CMTSs with secrets of their own.
    pub cmts: Vec<CmtsSettings>,
}

/// `[[cable_modem.cmts]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmtsSettings {
    /// Its name, in reports.
    pub name: String,
    /// The networks of its relay addresses.
    #[serde(deserialize_with = "read_networks")]
    pub relays: Vec<ipnet::IpNet>,
    /// As those of `[cable_modem]`.
    pub secrets: Vec<PathBuf>,
    /// As that of `[cable_modem]`, which holds where this CMTS has none.
    #[serde(default)]
    pub mic_list: Option<CmtsMicList>,
}

/// Networks such as `10.1.0.0/16`, or single addresses.
fn read_networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ipnet::IpNet>, D::Error> {
    let read = |text: String| {
        let network = text
            .parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
        network.map_err(|_| serde::de::Error::custom(format!("'{text}' is no network such as 10.1.0.0/16")))
    };
    Vec::<String>::deserialize(deserializer)?
        .into_iter()
        .map(read)
        .collect()
}
