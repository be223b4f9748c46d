//! Device certificate chains that were verified.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::cert::{ChainCache, VerifiedDevice};

/// Verified chains by their hash, a bounded number; the oldest goes first. Emptied by making a new one when the roots
/// change.
pub struct Chains {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    devices: HashMap<[u8; 32], Arc<VerifiedDevice>>,
    order: VecDeque<[u8; 32]>,
}

impl Chains {
    /// A cache for `capacity` chains, each about 4 kB.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::default(),
        }
    }
}

impl ChainCache for Chains {
    fn get(&self, key: &[u8; 32]) -> Option<Arc<VerifiedDevice>> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .devices
            .get(key)
            .cloned()
    }

    fn put(&self, key: [u8; 32], device: &Arc<VerifiedDevice>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.devices.insert(key, device.clone()).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > self.capacity
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.devices.remove(&oldest);
        }
    }
}
