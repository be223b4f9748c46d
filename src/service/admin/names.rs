//! One-time names on request, to be handed out in DHCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, Document, Refused, with};
use crate::provisioning::one_time_name;
use crate::service::files::requested_name;
use crate::service::lease::{Found, Key, Leases};
use crate::store::{OneTimeName, Store, StoreError};
use crate::value::{MacAddress, OsRandom, Random, Timestamp, rfc3339};

/// How long a name is good where the order does not say: as long as a lease opens the window by default.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest that may be ordered.
const LONGEST: u64 = 30 * 86_400;

/// A name is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameOrder {
    /// The device that it is for.
    pub mac: MacAddress,
    /// The file of the static folder that it stands for; the device's own basic-flow file where there is none.
    #[serde(default)]
    pub file: Option<String>,
    /// Whether it ends with the first whole delivery.
    #[serde(default)]
    pub single: bool,
    /// For how many seconds it is good.
    #[serde(default)]
    pub lifetime: Option<u64>,
    /// The address it is bound to; where this is absent, that of the device's lease, if it has one.
    #[serde(default)]
    pub address: Option<IpAddr>,
}

/// A name that was made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeName {
    /// The name.
    pub name: String,
    /// The device that it is for.
    pub mac: MacAddress,
    /// The address that it is bound to.
    pub address: Option<IpAddr>,
    /// Whether it ends with the first whole delivery.
    pub single: bool,
    /// When it ends.
    #[serde(with = "rfc3339")]
    pub expires: Timestamp,
}

/// Why no name is made.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// The order contradicts itself.
    #[error("{0}")]
    Order(&'static str),
    /// There is nothing that the name could stand for.
    #[error("{0} is not a known device: add it with hardline device add, or name a file")]
    Device(MacAddress),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes and stores a name, bound to the address that is ordered, or else to that of the lease that the sources know of the
/// device, if there is one.
///
/// # Errors
/// [`NameError`].
pub async fn make_name(
    store: &dyn Store,
    leases: Option<&Leases>,
    order: NameOrder,
    now: Timestamp,
    random: &mut (dyn Random + Send),
) -> Result<MadeName, NameError> {
    let lifetime = order.lifetime.unwrap_or(DEFAULT_LIFETIME.as_secs());
    if lifetime == 0 || lifetime > LONGEST {
        return Err(NameError::Order("the lifetime is 1 second to 30 days"));
    }
    let file = match order.file.as_deref().map(requested_name) {
        Some(None) => {
            return Err(NameError::Order(
                "the file's name is empty or holds a control character",
            ));
        }
        Some(Some(name)) => Some(name.to_owned()),
        None if store.device(order.mac).await?.is_none() => return Err(NameError::Device(order.mac)),
        None => None,
    };
    let address = match order.address {
        Some(address) => Some(address),
        None => leased_address(leases, order.mac, now).await,
    };
    let name = one_time_name(random);
    let stored = OneTimeName {
        digest: OneTimeName::digest_of(&name),
        mac: order.mac,
        address: address.map(|address| address.to_canonical()),
        file,
        single: order.single,
        created: now,
        expires: now.plus(Duration::from_secs(lifetime)),
        claimed: None,
        delivered: None,
    };
    let made = MadeName {
        name,
        mac: stored.mac,
        address: stored.address,
        single: stored.single,
        expires: stored.expires,
    };
    store.put_name(stored).await?;
    Ok(made)
}

/// The address of the device's lease, where a source knows of one.
async fn leased_address(leases: Option<&Leases>, mac: MacAddress, now: Timestamp) -> Option<IpAddr> {
    match leases?.find(Key::Mac(mac), |_| false).await {
        Found::Lease(lease) => (lease.mac == mac && !lease.is_over(now)).then_some(lease.address),
        Found::None | Found::Unknown | Found::Busy => None,
    }
}

pub(super) async fn order(State(admin): State<Arc<Admin>>, Document(order): Document<NameOrder>) -> Answer {
    let (store, leases) = (admin.store.as_ref(), admin.leases.as_deref());
    let made = make_name(store, leases, order, Timestamp::now(), &mut OsRandom).await;
    match made {
        Ok(made) => with(StatusCode::CREATED, &made),
        Err(NameError::Store(error)) => Err(error.into()),
        Err(error @ NameError::Device(_)) => Err(Refused::not_found(error.to_string())),
        Err(error @ NameError::Order(_)) => Err(Refused::bad(error.to_string())),
    }
}
