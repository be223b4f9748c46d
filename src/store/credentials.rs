//! The credentials store: rows that are sealed one by one, and a record of everybody who read them.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{CredentialRow, Credentials, Step};
use crate::value::{MacAddress, Timestamp};

/// What is known of a device's credentials without opening any of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CredentialState {
    /// Whose.
    pub mac: MacAddress,
    /// How many public identities there are.
    pub impus: u32,
    /// How many private identities there are.
    pub impis: u32,
    /// When a row was last stored or removed.
    pub changed: Timestamp,
    /// How often the device was handed its document since then.
    pub deliveries: u32,
    /// When it was handed the document last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Timestamp>,
    /// When it was reported that the credentials are in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

/// A read that is about to happen. It is on record, durably, before the reader gets an answer.
#[derive(Debug, Clone)]
pub struct CredentialRead {
    /// Whose credentials.
    pub mac: MacAddress,
    /// When.
    pub at: Timestamp,
    /// Who reads: `device <MAC>`, or `operator <user>`.
    pub who: String,
    /// From where: a socket address, or a process of this machine.
    pub source: String,
    /// Which fields.
    pub reveal: Reveal,
    /// Where the device itself is handed its document: this counts, unless the state that it was decided on is past;
    /// then nothing is read.
    pub delivery: Option<Delivering>,
}

/// Which fields a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// The identities.
    Identities,
    /// The identities and the credentials.
    Credentials,
}

/// A delivery counts, and stands in the device's ladder.
#[derive(Debug, Clone)]
pub struct Delivering {
    /// [`CredentialState::changed`] and [`CredentialState::deliveries`] as they were decided on; `None` where the decision
    /// did not depend on them.
    pub decided_on: Option<(Timestamp, u32)>,
    /// The row for the ladder of the device's newest attempt, where it has one then.
    pub step: Step,
}

/// What a read came to.
#[derive(Debug)]
pub enum Reading {
    /// The credentials.
    Read(Credentials),
    /// The device has none. Nothing was read; nothing is on record.
    Nothing,
    /// Another delivery, or a change, came first: decide again.
    Changed,
}

/// A read, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordedRead {
    /// Whose credentials.
    pub mac: MacAddress,
    /// When.
    pub at: Timestamp,
    /// Who read.
    pub who: String,
    /// From where.
    pub source: String,
    /// Which fields, such as `impu.id[1] impi.id[1] impi.credentials[1]`.
    pub fields: String,
}

/// Why credentials were not changed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such device.
    #[error("{0} is not a known device: add it first")]
    Unknown(MacAddress),
    /// A public identity would go with a private one that is not there.
    #[error("{mac}: IMPU {impu} goes with IMPI {impi}, which is not there: add that row, or change impi of the IMPU")]
    Dangling {
        /// Whose.
        mac: MacAddress,
        /// The public identity's row.
        impu: u8,
        /// The row it names.
        impi: u8,
    },
}

/// Persistence of credentials. Rows are sealed under the master key for their device, table and index.
#[async_trait]
pub trait CredentialStore: Send + Sync + 'static {
    /// Adds or replaces rows: all of them, or none. The count of deliveries of each device named begins anew.
    async fn put_credentials(
        &self,
        rows: Vec<(MacAddress, CredentialRow)>,
        now: Timestamp,
    ) -> Result<(), CredentialError>;
    /// Removes the row of `table` and `index`, or all rows of the device; how many there were.
    async fn remove_credentials(
        &self,
        mac: MacAddress,
        row: Option<(&'static str, u8)>,
        now: Timestamp,
    ) -> Result<u64, CredentialError>;
    /// Notes that the device's credentials are in use; whether it has any.
    async fn credentials_used(&self, mac: MacAddress, now: Timestamp) -> Result<bool, StoreError>;
    /// What is known of a device's credentials; `None` where it has none.
    async fn credential_state(&self, mac: MacAddress) -> Result<Option<CredentialState>, StoreError>;
    /// The same for every device that has some, in the order of their MAC addresses, at most `limit`, after `after`.
    async fn credential_states(
        &self,
        after: Option<MacAddress>,
        limit: usize,
    ) -> Result<Vec<CredentialState>, StoreError>;
    /// Reads a device's credentials, once the read is durably on record. Without [`Reveal::Credentials`] every
    /// [`Impi::credentials`](crate::model::Impi::credentials) is empty.
    async fn read_credentials(&self, read: CredentialRead) -> Result<Reading, StoreError>;
    /// Reads on record, newest first, at most `limit`: of one device, or of all.
    async fn credential_reads(&self, mac: Option<MacAddress>, limit: usize) -> Result<Vec<RecordedRead>, StoreError>;
    /// Forgets the reads before `before`.
    async fn forget_credential_reads(&self, before: Timestamp) -> Result<(), StoreError>;
}
