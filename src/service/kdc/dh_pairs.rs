//! The KDC's own Diffie-Hellman pairs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::value::{OsRandom, Timestamp};
use crate::wire::pkinit::{DhGroup, DhKeyPair, PkinitError};

/// One pair per group, used for a limited time: each reuse saves an exponentiation, and every client's public value is
/// checked to be in its group, so that a pair gives nothing away by serving several clients.
pub struct DhPairs {
    lifetime: Duration,
    pairs: Mutex<Vec<(Timestamp, Arc<DhKeyPair>)>>,
}

impl DhPairs {
    /// Pairs that live for `lifetime`; zero makes a new one for each request.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            pairs: Mutex::default(),
        }
    }

    /// The pair of `group` at `now`. Makes one where there is none or its time is over.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn get(&self, group: DhGroup, now: Timestamp) -> Result<Arc<DhKeyPair>, PkinitError> {
        {
            let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
            pairs.retain(|(made, _)| now.since(*made) < self.lifetime);
            if let Some((_, pair)) = pairs.iter().find(|(_, pair)| pair.group() == group) {
                return Ok(pair.clone());
            }
        }
        // Made without the lock: another request may make one too, and either will do.
        let pair = Arc::new(DhKeyPair::generate(group, &mut OsRandom)?);
        self.pairs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((now, pair.clone()));
        Ok(pair)
    }
}
