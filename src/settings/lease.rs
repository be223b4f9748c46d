//! Who may have what: `[[lease_source]]`, `[verify]`, `[report]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Settings;
use super::text::read_duration;
use crate::model::NamePattern;

/// Where leases are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseSourceKind {
    /// The table of this installation, which `hardline lease` and the admin API fill.
    Table,
    /// ISC Kea, over its control socket or control agent (hook `lease_cmds`).
    Kea,
    /// ISC Kea's own tables in PostgreSQL or MySQL.
    KeaSql,
    /// A table of the operator's, by the operator's query.
    Sql,
}

impl LeaseSourceKind {
    /// Its word in hardline.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Kea => "kea",
            Self::KeaSql => "kea-sql",
            Self::Sql => "sql",
        }
    }
}

/// One `[[lease_source]]`. Which keys it takes depends on its kind; [`LeaseSource::mistake`] tells.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSource {
    /// What it is.
    pub kind: LeaseSourceKind,
    /// Its name in logs, counters and `hardline lease sources`; its kind where there is none.
    #[serde(default)]
    pub name: Option<String>,
    /// How long its answer is awaited.
    #[serde(default = "timeout", deserialize_with = "read_duration")]
    pub timeout: Duration,
    /// How many questions it is asked at once, where this says other than [`Self::concurrency`].
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Whether a device that it does not know has no lease; otherwise the sources that are down might know it. The table
    /// is complete where it is the only source, the others are unless this says otherwise.
    #[serde(default)]
    pub complete: Option<bool>,
    /// `kea`: the control socket of kea-dhcp4.
    #[serde(default)]
    pub socket4: Option<PathBuf>,
    /// `kea`: the control socket of kea-dhcp6.
    #[serde(default)]
    pub socket6: Option<PathBuf>,
    /// `kea`: the control agent, `http://host:port/`. `kea-sql` and `sql`: the database, `postgres://…`, `mysql://…` or
    /// `sqlite:…`.
    #[serde(default)]
    pub url: Option<String>,
    /// `kea`: the control agent's user.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the password of the control agent's or the database's user, on its first line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// `kea-sql` and `sql`: a file with the certificate of the CA that the database's is signed by. The connection is
    /// encrypted then, and without such a certificate there is none; those of the public CAs are taken as well.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `kea` and `kea-sql`: the class of a lease, by the number of its subnet.
    #[serde(default)]
    pub classes: BTreeMap<String, String>,
    /// `sql`: the query for the lease of an address, with `:address` where it stands.
    #[serde(default)]
    pub by_address: Option<String>,
    /// `sql`: the query for the leases of a device, with `:mac` where its MAC address stands.
    #[serde(default)]
    pub by_mac: Option<String>,
}

fn timeout() -> Duration {
    Duration::from_millis(500)
}

/// A mistake in one table: the key within it, the problem, the remedy.
type Mistake = (&'static str, String, &'static str);

impl LeaseSource {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind.name())
    }

    /// How many questions it is asked at once. The table answers many by one query, so that it is asked many.
    pub fn concurrency(&self) -> u32 {
        let usual = match self.kind {
            LeaseSourceKind::Table => 1_024,
            LeaseSourceKind::Kea | LeaseSourceKind::KeaSql | LeaseSourceKind::Sql => 8,
        };
        self.concurrency.unwrap_or(usual)
    }

    /// Its paths, which are relative to the settings' folder.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self {
            socket4,
            socket6,
            password_file,
            ca_file,
            ..
        } = self;
        [socket4, socket6, password_file, ca_file].into_iter().flatten()
    }

    /// What is wrong with it beyond single keys: the key, the problem and the remedy.
    pub(super) fn mistake(&self) -> Option<Mistake> {
        use LeaseSourceKind::{Kea, KeaSql, Sql, Table};
        let given = [
            ("socket4", self.socket4.is_some(), &[Kea][..]),
            ("socket6", self.socket6.is_some(), &[Kea]),
            ("url", self.url.is_some(), &[Kea, KeaSql, Sql]),
            ("user", self.user.is_some(), &[Kea]),
            ("password_file", self.password_file.is_some(), &[Kea, KeaSql, Sql]),
            ("ca_file", self.ca_file.is_some(), &[KeaSql, Sql]),
            ("classes", !self.classes.is_empty(), &[Kea, KeaSql]),
            ("by_address", self.by_address.is_some(), &[Sql]),
            ("by_mac", self.by_mac.is_some(), &[Sql]),
        ];
        for (key, is_given, kinds) in given {
            if is_given && !kinds.contains(&self.kind) {
                let problem = format!("a source of kind {} has no such key", self.kind.name());
                return Some((key, problem, "remove it"));
            }
        }
        if self.timeout.is_zero() || self.concurrency() == 0 {
            let key = if self.concurrency() == 0 {
                "concurrency"
            } else {
                "timeout"
            };
            return Some((key, "0 leaves no room for a question".into(), "set a greater one"));
        }
        let url = self.url.as_deref().unwrap_or_default();
        let scheme = |known: &[&str]| known.iter().any(|scheme| url.starts_with(scheme));
        match self.kind {
            Table => None,
            Kea if self.url.is_none() && self.socket4.is_none() && self.socket6.is_none() => Some((
                "kind",
                "it does not say where Kea is".into(),
                "set socket4 and socket6, or url of the control agent",
            )),
            Kea if self.url.is_some() && !scheme(&["http://"]) => {
                Some(("url", format!("'{url}' is not http://host:port/"), "correct it"))
            }
            Kea => None,
            KeaSql if !scheme(&["postgres://", "postgresql://", "mysql://", "mariadb://"]) => Some((
                "url",
                "expected postgres://… or mysql://…".into(),
                "name the database that Kea keeps its leases in",
            )),
            Sql if !scheme(&["postgres://", "postgresql://", "mysql://", "mariadb://", "sqlite:"]) => Some((
                "url",
                "expected postgres://…, mysql://… or sqlite:…".into(),
                "name the database",
            )),
            Sql => match &self.by_address {
                Some(query) if query.contains(":address") => None,
                _ => Some((
                    "by_address",
                    "there is no query with :address in it".into(),
                    "write one, such as SELECT mac, obtained FROM leases WHERE ip = :address",
                )),
            },
            KeaSql => None,
        }
    }
}

impl Settings {
    /// Whether requests for files are verified against leases.
    pub fn verifies(&self) -> bool {
        !self.lease_source.is_empty()
    }

    /// What is wrong with the tables of this module, told to `wrong` as key, problem and remedy.
    pub(super) fn lease_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        for (at, source) in self.lease_source.iter().enumerate() {
            if let Some((key, problem, remedy)) = source.mistake() {
                let problem = format!("of '{}': {problem}", source.name());
                wrong(&format!("lease_source.{key}"), &problem, remedy);
            }
            let before = self.lease_source.iter().take(at);
            if before.into_iter().any(|before| before.name() == source.name()) {
                let problem = format!("two sources are called '{}'", source.name());
                wrong("lease_source.name", &problem, "give each a name of its own");
            }
        }
        if self.verify.is_some() && self.lease_source.is_empty() {
            wrong(
                "verify",
                "there is no lease to verify by",
                "add a [[lease_source]], kind = \"table\" for the leases of hardline lease, or remove [verify]",
            );
        }
        for cmts in self.cmts.iter().filter(|cmts| cmts.addresses.is_empty()) {
            wrong(
                "cmts.addresses",
                &format!("of '{}': no request would come from it", cmts.name),
                "name the addresses and networks that its requests come from, or remove the table",
            );
        }
        let names: Vec<&str> = self.cmts.iter().map(|cmts| cmts.name.as_str()).collect();
        if (1..names.len()).any(|at| names.get(..at).is_some_and(|before| before.contains(&names[at]))) {
            wrong(
                "cmts.name",
                "two CMTSs have the same name",
                "give each a name of its own",
            );
        }
        let Some(verify) = &self.verify else { return };
        for (key, value) in [
            ("verify.decide_within", verify.decide_within),
            ("verify.probe_interval", verify.probe_interval),
        ] {
            if value.is_zero() {
                wrong(key, "the duration is zero", "set a longer one");
            }
        }
        if verify.decide_within > Duration::from_secs(2) {
            wrong(
                "verify.decide_within",
                "devices ask again before that",
                "set at most \"2s\"",
            );
        }
    }
}

/// What verification does about a request that it cannot approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyMode {
    /// Refuse it.
    #[default]
    Enforce,
    /// Serve it and report it.
    Mark,
    /// Do not verify.
    Off,
}

/// What is done while no lease source answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Serve unverified, and report it.
    #[default]
    Serve,
    /// Refuse.
    Refuse,
}

/// `[verify.classes.NAME]`: what a class has other than `[verify]` says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassRules {
    /// The mode.
    pub mode: Option<VerifyMode>,
    /// The window, as text.
    #[serde(deserialize_with = "read_optional_duration")]
    pub window: Option<Duration>,
    /// Whether a renewal opens the window again.
    pub renewals: Option<bool>,
    /// The files that a lease of this class entitles to, instead of those of `[verify]`.
    pub files: Option<Vec<NamePattern>>,
}

fn read_optional_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read_duration(deserializer).map(Some)
}

/// `[verify]`. It takes effect where there is a `[[lease_source]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// What is done about a request that is not approved.
    pub mode: VerifyMode,
    /// How long after the lease was obtained its device may fetch.
    #[serde(deserialize_with = "read_duration")]
    pub window: Duration,
    /// Whether a renewal opens the window again.
    pub renewals: bool,
    /// What is done while no source answers.
    pub on_failure: OnFailure,
    /// The files that a lease entitles to, besides the device's own.
    pub files: Vec<NamePattern>,
    /// The files that any client gets, with or without a lease.
    pub shared: Vec<NamePattern>,
    /// The longest time that all sources together get for an answer.
    #[serde(deserialize_with = "read_duration")]
    pub decide_within: Duration,
    /// How long a lease that was found is believed without asking again.
    #[serde(deserialize_with = "read_duration")]
    pub cache_time: Duration,
    /// How long it is believed that there is no lease, or not a fitting one.
    #[serde(deserialize_with = "read_duration")]
    pub negative_cache_time: Duration,
    /// How many answers are kept.
    pub cache_entries: usize,
    /// How often each source is asked whether it still answers.
    #[serde(deserialize_with = "read_duration")]
    pub probe_interval: Duration,
    /// What a class has other than the above.
    pub classes: BTreeMap<String, ClassRules>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            mode: VerifyMode::Enforce,
            window: Duration::from_secs(60),
            renewals: true,
            on_failure: OnFailure::Serve,
            files: Vec::new(),
            shared: Vec::new(),
            decide_within: Duration::from_millis(1_500),
            cache_time: Duration::from_secs(10),
            negative_cache_time: Duration::from_secs(1),
            cache_entries: 100_000,
            probe_interval: Duration::from_secs(1),
            classes: BTreeMap::new(),
        }
    }
}

/// `[report]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// Whether each client's request and its outcome are logged, a line each.
    pub clients: bool,
    /// How many such lines are written in a second; what comes beyond is counted. 0 sets no limit.
    pub lines_per_second: u32,
    /// How often the usage report is written; never for 0.
    #[serde(deserialize_with = "read_duration")]
    pub interval: Duration,
    /// How many of the clients with the most requests the usage report names.
    pub top: usize,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            clients: true,
            lines_per_second: 2_000,
            interval: Duration::from_secs(3_600),
            top: 10,
        }
    }
}

/// `[delivery.names]`: the names that are made for one delivery.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneTimeNames {
    /// Whether a file of the secure and hybrid flow can be fetched whole only once.
    pub single_download: bool,
    /// How long after it was made such a file can be fetched; as long as its attempt lasts where there is none.
    #[serde(deserialize_with = "read_optional_duration")]
    pub lifetime: Option<Duration>,
}
