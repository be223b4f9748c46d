//! Service keys, as the Kerberos codecs take them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};
use crate::wire::kerberos::{EncryptionKey, PrincipalName, ServiceKey};

/// How long a key read from the store is used before it is read again: an imported or rotated key counts after that.
const FRESH: Duration = Duration::from_secs(1);

/// The keys of the principals that this installation knows, newest version first.
pub struct ServiceKeys {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<PrincipalName, Read>>,
}

/// Keys, and when they were read.
type Read = (Instant, Arc<[ServiceKey]>);

impl ServiceKeys {
    /// The keys in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// The keys of `principal`, newest version first; none for a principal that is not known.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(&self, principal: &PrincipalName) -> Result<Arc<[ServiceKey]>, StoreError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((read, keys)) = known.get(principal)
                && read.elapsed() < FRESH
            {
                return Ok(keys.clone());
            }
        }
        let key = |key: crate::store::ServiceKey| ServiceKey {
            kvno: key.kvno,
            key: EncryptionKey {
                etype: key.etype,
                value: key.key,
            },
        };
        let keys: Arc<[ServiceKey]> = self.store.keys(principal).await?.into_iter().map(key).collect();
        // Names that anybody can make up are not remembered.
        if !keys.is_empty() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(principal.clone(), (Instant::now(), keys.clone()));
        }
        Ok(keys)
    }
}
