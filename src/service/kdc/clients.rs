//! Which device a client's name is: a ticket names the client, an attempt the device.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::value::MacAddress;
use crate::wire::kerberos::Principal;

/// Devices that are remembered.
const CAPACITY: usize = 100_000;

/// The devices that were given a ticket lately, by the name that it gave them; a bounded number, the oldest goes first.
#[derive(Default)]
pub struct Clients(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    devices: HashMap<Principal, MacAddress>,
    order: VecDeque<Principal>,
}

impl Clients {
    /// Remembers that `client` is the device `mac`.
    pub fn put(&self, client: Principal, mac: MacAddress) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.devices.insert(client.clone(), mac).is_none() {
            inner.order.push_back(client);
        }
        if inner.order.len() > CAPACITY
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.devices.remove(&oldest);
        }
    }

    /// The device that `client` is.
    pub fn mac_of(&self, client: &Principal) -> Option<MacAddress> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.devices.get(client).copied()
    }
}
