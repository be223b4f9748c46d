//! A bounded cache in memory, keyed by MAC address.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::value::MacAddress;

const SHARDS: usize = 64;

/// Two generations of entries: what is read or written moves to the young one; when that is full it becomes the old
/// one, and what was old and unused is forgotten.
struct Shard<T> {
    young: HashMap<MacAddress, T>,
    old: HashMap<MacAddress, T>,
    /// Counts the writes to this shard, so that what was read from the database before a write is not cached after it.
    writes: u64,
}

/// What a reader holds while it reads the database for an entry that was not cached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Miss(u64);

/// The newest known value of at most `capacity` devices.
pub(super) struct Cache<T> {
    shards: Vec<Mutex<Shard<T>>>,
    hasher: RandomState,
    generation: usize,
}

impl<T: Clone> Cache<T> {
    /// An empty cache of at most `capacity` entries, rounded to the shards.
    pub(super) fn new(capacity: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                young: HashMap::new(),
                old: HashMap::new(),
                writes: 0,
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            generation: (capacity / SHARDS / 2).max(1),
        }
    }

    fn shard(&self, mac: MacAddress) -> MutexGuard<'_, Shard<T>> {
        let at = self.hasher.hash_one(mac) as usize % SHARDS;
        // A panic elsewhere leaves the maps whole: each operation on them is one insertion or removal.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached value, or the token with which the value read from the database may be filled in.
    pub(super) fn get(&self, mac: MacAddress) -> Result<T, Miss> {
        let mut shard = self.shard(mac);
        if let Some(value) = shard.young.get(&mac) {
            return Ok(value.clone());
        }
        match shard.old.remove(&mac) {
            Some(value) => {
                shard.insert(mac, value.clone(), self.generation);
                Ok(value)
            }
            None => Err(Miss(shard.writes)),
        }
    }

    /// Caches a value that was read from the database, unless something was written meanwhile.
    pub(super) fn fill(&self, mac: MacAddress, miss: Miss, value: T) {
        let mut shard = self.shard(mac);
        if shard.writes == miss.0 {
            shard.insert(mac, value, self.generation);
        }
    }

    /// Caches the value that was just committed.
    pub(super) fn put(&self, mac: MacAddress, value: T) {
        let mut shard = self.shard(mac);
        shard.writes += 1;
        shard.old.remove(&mac);
        shard.insert(mac, value, self.generation);
    }

    /// Caches the value that was just committed where the cached one is `same`, and forgets the cached one otherwise.
    pub(super) fn replace(&self, mac: MacAddress, value: T, same: impl Fn(&T) -> bool) {
        let mut shard = self.shard(mac);
        shard.writes += 1;
        let young = shard.young.remove(&mac);
        let old = shard.old.remove(&mac);
        if young.or(old).is_some_and(|cached| same(&cached)) {
            shard.insert(mac, value, self.generation);
        }
    }

    /// Forgets what was changed or found to be stale.
    pub(super) fn forget(&self, mac: MacAddress) {
        let mut shard = self.shard(mac);
        shard.writes += 1;
        shard.young.remove(&mac);
        shard.old.remove(&mac);
    }

    /// Forgets everything: another process wrote to the database.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.writes += 1;
            shard.young.clear();
            shard.old.clear();
        }
    }
}

impl<T> Shard<T> {
    fn insert(&mut self, mac: MacAddress, value: T, generation: usize) {
        if self.young.len() >= generation && !self.young.contains_key(&mac) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mac, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u32) -> MacAddress {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddress([0, 0, a, b, c, d])
    }

    #[test]
    fn it_stays_within_its_capacity() {
        let cache = Cache::new(1024);
        for number in 0..20_000 {
            cache.put(mac(number), number);
        }
        let held = (0..20_000).filter(|&number| cache.get(mac(number)).is_ok()).count();
        assert!((256..=1024).contains(&held), "{held}");
    }

    #[test]
    fn what_was_read_before_a_write_is_not_cached_after_it() {
        let cache = Cache::new(1024);
        let miss = cache.get(mac(1)).unwrap_err();
        cache.forget(mac(1));
        cache.fill(mac(1), miss, "stale");
        let miss = cache.get(mac(1)).unwrap_err();
        cache.fill(mac(1), miss, "fresh");
        assert_eq!(cache.get(mac(1)).unwrap(), "fresh");
        cache.clear();
        assert!(cache.get(mac(1)).is_err());
    }
}
