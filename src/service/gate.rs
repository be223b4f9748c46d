//! How many connections all peers together, and one source of them, may have at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections that are open, by source.
#[derive(Debug)]
pub struct Gate {
    connections: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A connection that was let in; it counts until this is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    source: IpAddr,
}

impl Gate {
    /// A gate for so many connections at once.
    pub fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self {
            connections,
            open: Mutex::default(),
        })
    }

    /// Whether a connection is open.
    #[cfg(feature = "legacy-tls")]
    pub fn is_busy(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all > 0
    }

    /// Lets a connection in, of a source that may have `limit` of them at once; 0 sets no limit.
    ///
    /// # Errors
    /// A fixed word for the limit that is reached.
    pub fn admit(self: &Arc<Self>, source: IpAddr, limit: usize) -> Result<Pass, &'static str> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.connections {
            return Err("too_many_connections");
        }
        let count = open.by_source.entry(source).or_default();
        if limit > 0 && *count >= limit {
            return Err("too_many_of_source");
        }
        *count += 1;
        open.all += 1;
        Ok(Pass {
            gate: Arc::clone(self),
            source,
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_source.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_and_all_sources_have_so_many_connections() {
        let gate = Gate::new(5);
        let [noisy, quiet, relay] = ["192.0.2.1", "2001:db8::1", "192.0.2.129"].map(|text| text.parse().unwrap());
        let one = gate.admit(noisy, 2).unwrap();
        let two = gate.admit(noisy, 2).unwrap();
        assert_eq!(gate.admit(noisy, 2).unwrap_err(), "too_many_of_source");
        let _three = gate.admit(quiet, 2).unwrap();
        let _without_limit = [(); 2].map(|()| gate.admit(relay, 0).unwrap());
        assert_eq!(gate.admit(relay, 0).unwrap_err(), "too_many_connections");
        drop(one);
        let again = gate.admit(noisy, 2).unwrap();
        drop((again, two));
        assert_eq!(
            gate.open.lock().unwrap().by_source.len(),
            2,
            "who has left is not remembered"
        );
    }
}
