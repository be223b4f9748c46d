//! The answers that stand before every lease source: bounded, with an age, and asked for once where many wait.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::Found;
use super::source::Key;
use crate::model::Lease;

const SHARDS: usize = 32;

/// An answer that was given.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The lease, or that there is none.
    pub(super) lease: Option<Arc<Lease>>,
    at: Instant,
    /// [`Store::revision`](crate::store::Store::revision) when it was asked for.
    revision: u64,
}

impl Entry {
    /// Whether it may be used now: it is younger than `limit`, and nothing was changed since.
    pub(super) fn is_fresh(&self, limit: Duration, revision: u64) -> bool {
        self.at.elapsed() < limit && self.revision == revision
    }
}

/// Two generations: what is written goes into the young one; when that is full it becomes the old one, and what was old
/// is forgotten.
#[derive(Default)]
struct Shard {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
    /// Questions that are being asked.
    asked: HashMap<Key, Arc<OnceCell<Found>>>,
}

/// At most `capacity` answers, rounded to the shards.
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    generation: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            generation: capacity / SHARDS / 2,
        }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // A panic elsewhere leaves the maps whole: each operation on them is one insertion or removal.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last answer about `key`.
    pub(super) fn get(&self, key: Key) -> Option<Entry> {
        let shard = self.shard(key);
        shard.young.get(&key).or_else(|| shard.old.get(&key)).cloned()
    }

    /// Keeps an answer.
    pub(super) fn put(&self, key: Key, lease: Option<Arc<Lease>>, asked_at: Instant, revision: u64) {
        if self.generation == 0 {
            return;
        }
        let entry = Entry {
            lease,
            at: asked_at,
            revision,
        };
        let mut shard = self.shard(key);
        if shard.young.len() >= self.generation && !shard.young.contains_key(&key) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(key, entry);
    }

    /// Forgets an answer, also one that is on its way.
    pub(super) fn forget(&self, key: Key) {
        let mut shard = self.shard(key);
        shard.young.remove(&key);
        shard.old.remove(&key);
        shard.asked.remove(&key);
    }

    /// How many answers are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shards = self
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    /// What `ask` finds about `key`. Where the same is being asked already, that answer is awaited.
    pub(super) async fn once(&self, key: Key, ask: impl Future<Output = Found>) -> Found {
        let cell = Arc::clone(self.shard(key).asked.entry(key).or_default());
        let found = cell.get_or_init(|| ask).await.clone();
        let mut shard = self.shard(key);
        if shard.asked.get(&key).is_some_and(|asked| Arc::ptr_eq(asked, &cell)) {
            shard.asked.remove(&key);
        }
        found
    }
}
