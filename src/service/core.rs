//! What every service has at hand.

use std::sync::Arc;

use super::dynamic::CmtsSecrets;
use super::keys::ServiceKeys;
use super::lookup::Lookups;
use super::vendors::Vendors;
use crate::model::{Attempt, Step, StepId};
use crate::profile::Profile;
use crate::provisioning::{FileMaker, Policy};
use crate::store::{Change, Refusal, Store, StoreError};
use crate::value::{MacAddress, Timestamp};
use crate::wire::snmp::LocalEngine;

/// How often a decision is made again after another datagram of the same device changed the attempt meanwhile.
const TRIES: usize = 8;

/// The store, the operator's choices and the server's engine, shared by all services.
pub struct Core {
    /// Persistence.
    pub store: Arc<dyn Store>,
    /// The keys of the services.
    pub keys: ServiceKeys,
    /// The operator's choices.
    pub policy: Policy,
    /// The interop profile.
    pub profile: Profile,
    /// What is known of vendors.
    pub vendors: Vendors,
    /// The SNMP engine.
    pub engine: LocalEngine,
    /// What makes configuration files.
    pub files: FileMaker,
    /// Where templates' lookups are made.
    pub lookups: Lookups,
    /// The secrets of cable modems' files.
    pub cmts: CmtsSecrets,
}

/// What a decision comes to: something to store before `V` is acted on, or only `V`.
pub struct Decision<V> {
    /// What to store.
    pub change: Option<Change>,
    /// What to do once it is stored.
    pub then: V,
}

impl<V> Decision<V> {
    /// Nothing to store.
    pub fn only(then: V) -> Self {
        Self { change: None, then }
    }

    /// Store `change` first.
    pub fn store(change: Change, then: V) -> Self {
        Self {
            change: Some(change),
            then,
        }
    }
}

impl Core {
    /// Decides on the device's newest attempt and stores what was decided, durably. Where another datagram of the
    /// device came first, the decision is made again on what that one left.
    ///
    /// # Errors
    /// The store failed, or the attempt kept changing.
    pub async fn decide<V>(
        &self,
        mac: MacAddress,
        mut decision: impl FnMut(Option<Attempt>) -> Decision<V>,
    ) -> Result<V, StoreError> {
        let mut tries = 0;
        loop {
            let Decision { change, then } = decision(self.store.attempt(mac).await?);
            let Some(change) = change else { return Ok(then) };
            match self.store.record(change).await {
                Ok(()) => return Ok(then),
                Err(StoreError::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes a refused message for the operator.
    pub fn refuse(&self, mac: Option<MacAddress>, peer: std::net::SocketAddr, step: StepId, reason: String) {
        self.store.refused(Refusal {
            mac,
            peer,
            step,
            at: Timestamp::now(),
            reason,
        });
    }

    /// Adds rows to an attempt's ladder; a store that fails is logged, since nothing waits for these rows.
    pub async fn note(&self, attempt: &Attempt, steps: Vec<Step>) {
        let change = Change {
            ladder: Some(attempt.id),
            steps,
            ..Change::default()
        };
        if let Err(error) = self.store.record(change).await {
            tracing::error!(mac = %attempt.mac, %error, "a step could not be stored");
        }
    }
}
