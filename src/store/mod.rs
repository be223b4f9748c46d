//! Floor 3: persistence behind one trait.
//!
//! What an attempt needs lives here and not in a process's memory, so that any node can answer any datagram of any
//! device, and so that what was acknowledged survives a `kill -9` the next instant: every method that writes returns
//! when its write is durable, except [`Store::refused`], which says so.

mod credentials;
mod lease;
mod master_key;
mod sqlite;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{Attempt, AttemptId, Device, Lease, NewOrder, Order, OrderId, OrderOutcome, Step, StepId};
use crate::profile::{Oui, Vendor};
use crate::value::{EngineId, Fqdn, MacAddress, Secret, Timestamp};
use crate::wire::kerberos::PrincipalName;

pub use credentials::{
    CredentialError, CredentialRead, CredentialState, CredentialStore, Delivering, Reading, RecordedRead, Reveal,
};
pub use lease::OneTimeName;
pub use master_key::{MasterKey, MasterKeyError, SealError};
pub use sqlite::SqliteStore;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node, or another datagram of the same device, stored a newer state of the attempt; or the device has
    /// another attempt that has not ended, or is gone. The caller reads again and decides again.
    #[error("attempt {0} was changed meanwhile")]
    Conflict(AttemptId),
    /// The change contradicts itself; the text says how. A defect of the caller.
    #[error("the change is not one: {0}")]
    Misused(&'static str),
    /// Too many messages of one sender are remembered.
    #[error("{0} messages of {1} are remembered already")]
    Full(u32, String),
    /// A key of [`Change::seen`] was stored before: the message is a replay.
    #[error("the message was seen before")]
    Seen,
    /// The database failed; the text is its own, with file or server named.
    #[error("the database {what} failed: {reason}")]
    Database {
        /// Which database.
        what: String,
        /// What it said.
        reason: String,
    },
    /// A sealed value does not open: the master key is not the one that sealed it, or the row was altered.
    #[error("{0} does not open under the master key: restore the master.key that belongs to this database")]
    Unsealable(String),
}

/// One durable change of an attempt: all of it is stored, or nothing.
///
/// A device has at most one attempt that has not ended: a change that would make a second one is a
/// [`StoreError::Conflict`], so that two first datagrams of a device that race on two nodes begin one attempt.
#[derive(Debug, Default)]
pub struct Change {
    /// The attempt's new state. Its `version` is the one that was read (0 for a new attempt); the store writes
    /// `version + 1`.
    pub attempt: Option<Attempt>,
    /// Attempts of the same device that end here because this one replaces them, each in its new state.
    pub replaced: Option<Attempt>,
    /// The attempt that `steps` belong to where `attempt` is `None`, so that a step that changes nothing else costs one
    /// row.
    pub ladder: Option<AttemptId>,
    /// Rows to add to the ladder of `attempt`, or of `ladder`.
    pub steps: Vec<Step>,
    /// The octets of the attempt's file, stored sealed under this name.
    pub file: Option<(String, Vec<u8>)>,
    /// Message digests that must not have been seen before.
    pub seen: Vec<Seen>,
    /// Whose messages `seen` has, where somebody could fill the store with them.
    pub quota: Option<Quota>,
    /// The Wake Up that the device was sent, in its new state.
    pub wake_up: Option<WakeUpSent>,
    /// An AP Reply that is to be acknowledged.
    pub recovery: Option<Recovery>,
    /// The acknowledgement of the device's AP Reply came from this address.
    pub recovered: Option<(SocketAddr, MacAddress)>,
    /// What the device showed of its vendor, which was not known before.
    pub vendor: Option<Vendor>,
}

/// How many messages of one sender are remembered as seen at the same time. Where so many are, a further one is
/// [`StoreError::Full`]: to forget an older one would let it be replayed.
#[derive(Debug, Clone)]
pub struct Quota {
    /// The sender.
    pub owner: String,
    /// How many.
    pub most: u32,
}

/// A Wake Up that a device was sent. A device has one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WakeUpSent {
    /// The device.
    pub mac: MacAddress,
    /// The nonce that its AP Request repeats.
    pub nonce: NonZeroU32,
    /// Until when it is outstanding.
    pub expires: Timestamp,
    /// When it was answered.
    pub answered: Option<Timestamp>,
}

/// An AP Reply whose Security Parameter Recovered is awaited. That message names nobody, so that it is known by the
/// address it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Where the AP Reply went.
    pub peer: SocketAddr,
    /// The device.
    pub mac: MacAddress,
    /// The digest of the AP Request, under which the AP Reply is remembered ([`Store::answer`]).
    pub digest: [u8; 32],
    /// Until when it is awaited.
    pub expires: Timestamp,
}

/// A message that was accepted, so that it is accepted once (profile P30).
#[derive(Debug, Clone)]
pub struct Seen {
    /// SHA-256 over what identifies the message.
    pub digest: [u8; 32],
    /// When the row may be forgotten: after the clock skew window.
    pub expires: Timestamp,
    /// The answer that the identical message gets again; empty where a second one gets none.
    pub answer: Vec<u8>,
}

/// A delivered file.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// The attempt it was made for.
    pub attempt: AttemptId,
    /// The device it was made for.
    pub mac: MacAddress,
    /// Its octets, as delivered.
    pub octets: Vec<u8>,
}

/// A key of a service principal.
#[derive(Debug, Clone)]
pub struct ServiceKey {
    /// Whose key.
    pub principal: PrincipalName,
    /// Its key version number.
    pub kvno: u32,
    /// Its encryption type.
    pub etype: i32,
    /// The key.
    pub key: Secret,
    /// When it was made or imported.
    pub created: Timestamp,
    /// When it is forgotten, where another version has replaced it: it opens tickets until then. Set by the store alone.
    pub forget: Option<Timestamp>,
}

/// A message that was refused. Kept for the operator, bounded, apart from every device's state.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// The device it claimed to be from, where that is known.
    pub mac: Option<MacAddress>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The step it belonged to.
    pub step: StepId,
    /// When.
    pub at: Timestamp,
    /// Why it was refused.
    pub reason: String,
}

/// How long a server's word holds that it is at an order.
pub const ORDER_LEASE: Duration = Duration::from_secs(6);

/// The persistence that every service shares. Implementations cache what they like, as long as a stale cache ends in
/// [`StoreError::Conflict`] and never in a wrong answer.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The device with this MAC address.
    async fn device(&self, mac: MacAddress) -> Result<Option<Device>, StoreError>;
    /// Devices in the order of their MAC addresses, at most `limit`, after `after`.
    async fn devices(&self, after: Option<MacAddress>, limit: usize) -> Result<Vec<Device>, StoreError>;
    /// The devices that have this name, by MAC address, at most `limit`. Names compare without case.
    async fn devices_named(&self, name: &Fqdn, limit: usize) -> Result<Vec<Device>, StoreError>;
    /// The devices whose record names this address, by MAC address, at most `limit`.
    async fn devices_at(&self, address: IpAddr, limit: usize) -> Result<Vec<Device>, StoreError>;
    /// Whether the name of any device ends in `name` with at least one label more.
    async fn has_device_below(&self, name: &Fqdn) -> Result<bool, StoreError>;
    /// Adds or replaces devices: all of them, or none. Of a device that is replaced, `created` stays, and
    /// `public_key_sha1` where the new record has none.
    async fn put_devices(&self, devices: Vec<Device>) -> Result<(), StoreError>;
    /// Removes a device with its attempts; whether there was one.
    async fn remove_device(&self, mac: MacAddress) -> Result<bool, StoreError>;
    /// Ends the device's open attempt and forgets its files, its sessions and the public key it had, so that it can begin
    /// afresh; whether the device exists.
    async fn reset_device(&self, mac: MacAddress, now: Timestamp) -> Result<bool, StoreError>;

    /// The device's newest attempt, ended or not.
    async fn attempt(&self, mac: MacAddress) -> Result<Option<Attempt>, StoreError>;
    /// The device's attempts with their ladders, newest first, at most `limit`.
    async fn attempts(&self, mac: MacAddress, limit: usize) -> Result<Vec<(Attempt, Vec<Step>)>, StoreError>;
    /// Attempts that have not ended, oldest deadline first, at most `limit`, with a deadline before `before`.
    async fn unfinished(&self, before: Timestamp, limit: usize) -> Result<Vec<Attempt>, StoreError>;
    /// Stores one change, durably.
    async fn record(&self, change: Change) -> Result<(), StoreError>;
    /// The answer given to a message that was seen before.
    async fn answer(&self, digest: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The Wake Up that the device was last sent.
    async fn wake_up(&self, mac: MacAddress) -> Result<Option<WakeUpSent>, StoreError>;
    /// The AP Replies to `peer` whose acknowledgement is awaited at `now`, at most `limit`, the newest first.
    async fn recoveries(&self, peer: SocketAddr, now: Timestamp, limit: usize) -> Result<Vec<Recovery>, StoreError>;
    /// What is known of vendors with this OUI, or of all.
    async fn vendors(&self, oui: Option<Oui>) -> Result<Vec<Vendor>, StoreError>;
    /// Forgets what is known of a vendor's devices, of one type or of all; how many types those were.
    async fn forget_vendor(&self, oui: Oui, type_identifier: Option<&str>) -> Result<u64, StoreError>;
    /// The file of this name that was made for this device.
    async fn file(&self, mac: MacAddress, name: &str) -> Result<Option<StoredFile>, StoreError>;

    /// Notes a refused message. Returns at once; the row is written when there is time, and dropped under load.
    fn refused(&self, refusal: Refusal);
    /// The newest refusals that concern a device, newest first.
    async fn refusals(&self, mac: MacAddress, limit: usize) -> Result<Vec<Refusal>, StoreError>;

    /// The keys of a principal, those in use first, then newest kvno first.
    async fn keys(&self, principal: &PrincipalName) -> Result<Vec<ServiceKey>, StoreError>;
    /// All keys, by principal and kvno.
    async fn all_keys(&self) -> Result<Vec<ServiceKey>, StoreError>;
    /// Adds keys; a key with the same principal, kvno and etype is replaced.
    async fn put_keys(&self, keys: Vec<ServiceKey>) -> Result<(), StoreError>;
    /// Adds keys that take the place of those before: of each principal among them, the newest version of `keys` is in use
    /// from now on, and every other version that is known is forgotten at `forget`, or when it was to be already.
    async fn replace_keys(&self, keys: Vec<ServiceKey>, forget: Timestamp) -> Result<(), StoreError>;
    /// Forgets the replaced keys whose time has come; how many that were.
    async fn forget_keys(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// The lease of an address.
    async fn lease(&self, address: IpAddr) -> Result<Option<Lease>, StoreError>;
    /// Of a device's leases, the one that was obtained or renewed last.
    async fn newest_lease(&self, mac: MacAddress) -> Result<Option<Lease>, StoreError>;
    /// A device's leases, the one that was obtained or renewed last first.
    async fn leases_of(&self, mac: MacAddress) -> Result<Vec<Lease>, StoreError>;
    /// Leases in the order of their addresses as text, at most `limit`, after `after`.
    async fn leases(&self, after: Option<IpAddr>, limit: usize) -> Result<Vec<Lease>, StoreError>;
    /// Adds or replaces leases: all of them, or none.
    async fn put_leases(&self, leases: Vec<Lease>) -> Result<(), StoreError>;
    /// Stores what a DHCP server told: `told` as it follows the address' present lease ([`Lease::following`]), which is
    /// returned.
    async fn follow_lease(&self, told: Lease) -> Result<Lease, StoreError>;
    /// Removes the lease of an address; whether there was one.
    async fn remove_lease(&self, address: IpAddr) -> Result<bool, StoreError>;
    /// Stores a one-time name.
    async fn put_name(&self, name: OneTimeName) -> Result<(), StoreError>;
    /// The one-time name with this digest.
    async fn name(&self, digest: [u8; 32]) -> Result<Option<OneTimeName>, StoreError>;
    /// Takes a one-time name for a delivery to `by`; whether it could be taken. One for a single download cannot be once
    /// it was delivered, nor while another address has taken it after `stale`.
    async fn claim_name(
        &self,
        digest: [u8; 32],
        by: IpAddr,
        at: Timestamp,
        stale: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Notes how the delivery by a name ended: whole at an instant, or not.
    async fn release_name(&self, digest: [u8; 32], delivered: Option<Timestamp>) -> Result<(), StoreError>;
    /// Counts the changes by other processes that were noticed: what was read before it moved on may be stale.
    fn revision(&self) -> u64;

    /// The engine id of this installation, and the boots count of an engine that starts now: one more than any engine
    /// that started before, on whatever node (RFC 3414 §2.2).
    async fn start_engine(&self) -> Result<(EngineId, u32), StoreError>;

    /// Places an order for a running server, which takes it within a second; its number.
    async fn place_order(&self, order: NewOrder) -> Result<OrderId, StoreError>;
    /// The order as it stands; none where it was withdrawn or forgotten.
    async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError>;
    /// Takes at most `limit` orders that have not expired and that no server is at, the oldest first, and says of those
    /// in `under_way` that this server still is. A server that has not said so for [`ORDER_LEASE`] has died, and its
    /// orders are taken again.
    async fn take_orders(&self, now: Timestamp, under_way: &[OrderId], limit: usize) -> Result<Vec<Order>, StoreError>;
    /// Writes how an order ended.
    async fn end_order(&self, id: OrderId, outcome: OrderOutcome) -> Result<(), StoreError>;
    /// Takes an order back that no server has taken; whether that was so.
    async fn withdraw_order(&self, id: OrderId) -> Result<bool, StoreError>;

    /// Forgets what has served its time: seen messages that expired, and attempts that have ended and whose deadline,
    /// which is later than their end, is longer ago than `keep`, with their files, sessions and ladders, and orders that
    /// expired a day ago.
    async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<(), StoreError>;
}
