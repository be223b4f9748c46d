//! The leases that `hardline lease` and the admin API keep in the store.

use std::sync::Arc;

use async_trait::async_trait;

use super::source::{Key, LeaseSource, SourceError};
use crate::model::Lease;
use crate::store::Store;

/// The store's own table.
pub struct TableSource {
    store: Arc<dyn Store>,
}

impl TableSource {
    /// The table of `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl LeaseSource for TableSource {
    fn covers(&self, _: Key) -> bool {
        true
    }

    async fn find(&self, key: Key) -> Result<Option<Lease>, SourceError> {
        let found = match key {
            Key::Address(address) => self.store.lease(address).await,
            Key::Mac(mac) => self.store.newest_lease(mac).await,
        };
        found.map_err(SourceError::down)
    }
}
