//! What is known of vendors, at hand for every message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::profile::{Candidates, Oui, Profile, Vendor, Ways};
use crate::store::{Store, StoreError};
use crate::value::MacAddress;

/// How long what was read from the store is used before it is read again.
const FRESH: Duration = Duration::from_secs(1);
/// OUIs that are kept at hand.
const MOST: usize = 4_096;

/// The vendors that the store knows, and what is tried on devices of the others.
pub struct Vendors {
    store: Arc<dyn Store>,
    /// None where the operator wants no learning.
    candidates: Option<Candidates>,
    read: Mutex<HashMap<Oui, Read>>,
}

/// Vendors, and when they were read.
type Read = (Instant, Arc<[Vendor]>);

/// The vendors with one OUI.
pub struct Known<'a> {
    profile: &'a Profile,
    candidates: Option<&'a Candidates>,
    vendors: Arc<[Vendor]>,
}

impl Known<'_> {
    /// The ways of a device with that OUI whose type identifier is this, where an enrollment has said it.
    pub fn ways<'b>(&'b self, type_identifier: Option<&'b str>) -> Ways<'b> {
        Ways {
            profile: self.profile,
            candidates: self.candidates,
            vendors: &self.vendors,
            type_identifier,
        }
    }
}

impl Vendors {
    /// The vendors in `store`; those it does not know are learned by `candidates`, where there are any.
    pub fn new(store: Arc<dyn Store>, candidates: Option<Candidates>) -> Self {
        Self {
            store,
            candidates,
            read: Mutex::default(),
        }
    }

    /// The vendors with the OUI of a known device.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of<'a>(&'a self, mac: MacAddress, profile: &'a Profile) -> Result<Known<'a>, StoreError> {
        let known = |vendors| Known {
            profile,
            candidates: self.candidates.as_ref(),
            vendors,
        };
        let oui = Oui::of(mac);
        {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, vendors)) = read.get(&oui)
                && at.elapsed() < FRESH
            {
                return Ok(known(vendors.clone()));
            }
        }
        let vendors: Arc<[Vendor]> = self.store.vendors(Some(oui)).await?.into();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= MOST {
            read.clear();
        }
        read.insert(oui, (Instant::now(), vendors.clone()));
        Ok(known(vendors))
    }

    /// Forgets what was read of a device's OUI: it was just learned.
    pub fn learned(&self, mac: MacAddress) {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&Oui::of(mac));
    }
}
