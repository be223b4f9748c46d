//! Who has which address: several sources in an order, each of which may be down, behind one cache.

mod cache;
mod cell;
mod kea;
mod kea_event;
mod kea_sql;
mod member;
mod source;
mod sql;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::Lease;
use crate::settings::{LeaseSourceKind, Settings, Verify};
use crate::store::Store;
use crate::value::MacAddress;
use cache::Cache;
use member::{Answer, Member};

pub use kea_event::{EventError, LeaseEvent, event_from_kea};
pub use member::SourceStatus;
pub use source::{Key, LeaseSource, SourceError};

/// What is known of an address or a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its lease.
    Lease(Arc<Lease>),
    /// It has none.
    None,
    /// No source that might know it answers.
    Unknown,
    /// Too many questions wait: not now.
    Busy,
}

/// A lease source cannot be used as the settings describe it.
#[derive(Debug, thiserror::Error)]
#[error("[[lease_source]] '{name}': {reason}: correct it in hardline.toml")]
pub struct SourceSetupError {
    /// The source.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

/// How many times as long as for an answer a question may wait for its turn, while sources do answer: with both, less than
/// TFTP and HTTP wait.
const TURN: u32 = 2;

/// Every lease source, in order, behind the cache.
pub struct Leases {
    members: Vec<Member>,
    cache: Cache,
    store: Arc<dyn Store>,
    /// Whether a change by another process may concern an answer.
    has_table: bool,
    decide_within: Duration,
    cache_time: Duration,
    negative_cache_time: Duration,
    probe_interval: Duration,
}

impl Leases {
    /// The sources of `settings`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SourceSetupError`].
    pub fn new(settings: &Settings, store: Arc<dyn Store>) -> Result<Self, SourceSetupError> {
        let only = settings.lease_source.len() == 1;
        let mut members = Vec::new();
        for described in &settings.lease_source {
            let source: Result<Box<dyn LeaseSource>, String> = match described.kind {
                LeaseSourceKind::Table => Ok(Box::new(table::TableSource::new(store.clone()))),
                LeaseSourceKind::Kea => kea::KeaSource::new(described).map(|source| Box::new(source) as _),
                LeaseSourceKind::KeaSql => kea_sql::source(described).map(|source| Box::new(source) as _),
                LeaseSourceKind::Sql => sql::SqlSource::new(described).map(|source| Box::new(source) as _),
            };
            let complete = described
                .complete
                .unwrap_or(described.kind != LeaseSourceKind::Table || only);
            members.push(Member::new(
                described.name().to_owned(),
                described.kind.name(),
                complete,
                source.map_err(|reason| SourceSetupError {
                    name: described.name().to_owned(),
                    reason,
                })?,
                described.timeout,
                described.concurrency(),
            ));
        }
        Ok(Self::of(members, settings.verify.clone().unwrap_or_default(), store))
    }

    fn of(members: Vec<Member>, verify: Verify, store: Arc<dyn Store>) -> Self {
        Self {
            has_table: members
                .iter()
                .any(|member| member.kind == LeaseSourceKind::Table.name()),
            members,
            cache: Cache::new(verify.cache_entries),
            store,
            decide_within: verify.decide_within,
            cache_time: verify.cache_time,
            negative_cache_time: verify.negative_cache_time,
            probe_interval: verify.probe_interval,
        }
    }

    /// What is known about `key`. A cached lease that does not `fit` is believed only as long as an answer that there is
    /// none: its device may have got another meanwhile.
    pub async fn find(&self, key: Key, fits: impl Fn(&Lease) -> bool) -> Found {
        let revision = if self.has_table { self.store.revision() } else { 0 };
        if let Some(entry) = self.cache.get(key) {
            let good = entry.lease.as_deref().is_some_and(fits);
            let limit = if good {
                self.cache_time
            } else {
                self.negative_cache_time
            };
            if entry.is_fresh(limit, revision) {
                metrics::counter!("hardline_lease_cache_hits_total").increment(1);
                return entry.lease.map_or(Found::None, Found::Lease);
            }
        }
        metrics::counter!("hardline_lease_cache_misses_total").increment(1);
        let asked_at = Instant::now();
        self.cache
            .once(key, async {
                let found = self.ask(key).await;
                match &found {
                    Found::Lease(lease) => self.cache.put(key, Some(Arc::clone(lease)), asked_at, revision),
                    Found::None => self.cache.put(key, None, asked_at, revision),
                    Found::Unknown | Found::Busy => {}
                }
                found
            })
            .await
    }

    /// Asks the sources in their order. The first lease counts; that there is none counts where a complete source says
    /// so, or all of them.
    async fn ask(&self, key: Key) -> Found {
        let turn_by = Instant::now() + TURN * self.decide_within;
        let mut left = self.decide_within;
        let covering: Vec<&Member> = self.members.iter().filter(|member| member.covers(key)).collect();
        let (mut none, mut down, mut busy) = (false, false, false);
        for (at, member) in covering.iter().enumerate() {
            // Each of those that are left gets its share of the time that is left.
            let sharing = u32::try_from(covering.len() - at).unwrap_or(1);
            let (answer, took) = member.ask(key, turn_by, left / sharing.max(1)).await;
            left = left.saturating_sub(took);
            match answer {
                Answer::Lease(lease) => return Found::Lease(Arc::new(lease)),
                Answer::None => none |= member.complete,
                Answer::Down => down = true,
                Answer::Busy => busy = true,
            }
        }
        match (none, busy, down) {
            (false, true, _) => Found::Busy,
            (false, false, true) => Found::Unknown,
            _ => Found::None,
        }
    }

    /// Forgets what is cached about an address and a device: their lease has changed.
    pub fn forget(&self, address: IpAddr, mac: Option<MacAddress>) {
        self.cache.forget(Key::address(address));
        if let Some(mac) = mac {
            self.cache.forget(Key::Mac(mac));
        }
    }

    /// Whether each source answers, in their order.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.members.iter().map(Member::status).collect()
    }

    /// Whether any source answers.
    pub fn any_up(&self) -> bool {
        self.members.iter().any(Member::is_up)
    }

    /// Asks each source once whether it answers.
    pub async fn probe(self: &Arc<Self>) {
        let mut probes = JoinSet::new();
        for at in 0..self.members.len() {
            let leases = Arc::clone(self);
            probes.spawn(async move {
                if let Some(member) = leases.members.get(at) {
                    member.probe().await;
                }
            });
        }
        while probes.join_next().await.is_some() {}
    }

    /// Watches the sources, so that one that is down is known before a device waits for it, and one that answers again is
    /// asked again. Until `stop` turns true.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            self.probe().await;
            tokio::select! {
                () = tokio::time::sleep(self.probe_interval) => {}
                () = super::shutdown::requested(&mut stop) => return,
            }
        }
    }
}
