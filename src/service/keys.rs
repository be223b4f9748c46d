//! Service keys, as the Kerberos codecs take them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};
use crate::wire::kerberos::{EncryptionKey, KrbErrorCode, PrincipalName, ServiceKey};

/// How long a key read from the store is used before it is read again: an imported or rotated key counts after that.
const FRESH: Duration = Duration::from_secs(1);
/// How old a reading must be before a ticket under an unknown version makes the store be asked again.
const RECENT: Duration = Duration::from_millis(50);

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
        match self.recent(principal, FRESH) {
            Some(keys) => Ok(keys),
            None => self.read(principal).await,
        }
    }

    /// The same read anew, unless that was just done: a ticket under a version that is not known may be one of a rotation
    /// in this second.
    ///
    /// # Errors
    /// The store failed.
    pub async fn anew(&self, principal: &PrincipalName) -> Result<Arc<[ServiceKey]>, StoreError> {
        match self.recent(principal, RECENT) {
            Some(keys) => Ok(keys),
            None => self.read(principal).await,
        }
    }

    fn recent(&self, principal: &PrincipalName, age: Duration) -> Option<Arc<[ServiceKey]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(principal)
            .filter(|(read, _)| read.elapsed() < age)
            .map(|(_, keys)| keys.clone())
    }

    async fn read(&self, principal: &PrincipalName) -> Result<Arc<[ServiceKey]>, StoreError> {
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

/// Whether a refusal says that a ticket's key is not known, so that the keys are worth reading anew.
pub fn is_unknown_key(code: KrbErrorCode) -> bool {
    matches!(code, KrbErrorCode::BadKeyVersion | KrbErrorCode::NoKey)
}
