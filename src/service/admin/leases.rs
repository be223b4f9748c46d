//! Leases over the admin API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Document, MOST, OneOrMany, Refused, ok};
use super::{Admin, record_event};
use crate::model::Lease;
use crate::service::lease::LeaseEvent;
use crate::value::MacAddress;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<IpAddr>,
    limit: Option<usize>,
    mac: Option<MacAddress>,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(page) = page.map_err(|error| Refused::bad(error.body_text()))?;
    let leases = match page.mac {
        Some(mac) => admin.store.leases_of(mac).await?,
        None => {
            let limit = page.limit.unwrap_or(MOST).min(MOST);
            admin.store.leases(page.after, limit).await?
        }
    };
    ok(&json!({"leases": leases}))
}

fn address(text: &str) -> Result<IpAddr, Refused> {
    let address: Result<IpAddr, _> = text.parse();
    address.map_err(|_| Refused::bad("the path ends with an address, such as /leases/192.0.2.7"))
}

pub(super) async fn show(State(admin): State<Arc<Admin>>, Path(text): Path<String>) -> Answer {
    let address = address(&text)?;
    match admin.store.lease(address).await? {
        Some(lease) => ok(&lease),
        None => Err(Refused::not_found(format!("{address} has no lease"))),
    }
}

pub(super) async fn put(State(admin): State<Arc<Admin>>, Document(body): Document<OneOrMany<Lease>>) -> Answer {
    let leases = body.all()?;
    let told: Vec<(IpAddr, MacAddress)> = leases.iter().map(|lease| (lease.address, lease.mac)).collect();
    admin.store.put_leases(leases).await?;
    told.iter()
        .for_each(|&(address, mac)| admin.changed(address, Some(mac)));
    ok(&json!({"stored": told.len()}))
}

pub(super) async fn remove(State(admin): State<Arc<Admin>>, Path(text): Path<String>) -> Answer {
    let address = address(&text)?;
    let before = admin.store.lease(address).await?;
    let removed = admin.store.remove_lease(address).await?;
    admin.changed(address, before.map(|lease| lease.mac));
    match removed {
        true => ok(&json!({"removed": address})),
        false => Err(Refused::not_found(format!("{address} has no lease"))),
    }
}

/// An event as it is told: which fields it has depends on what happened.
#[derive(Deserialize)]
struct Told {
    event: Happened,
    lease: Option<Lease>,
    address: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Happened {
    Granted,
    Renewed,
    Ended,
}

/// An event, whose mistakes are told with their fields.
#[derive(Deserialize)]
#[serde(try_from = "Told")]
pub(super) struct Event(LeaseEvent);

impl TryFrom<Told> for Event {
    type Error = &'static str;

    fn try_from(told: Told) -> Result<Self, Self::Error> {
        let lease = told.lease.ok_or("missing field `lease`");
        Ok(Self(match told.event {
            Happened::Granted => LeaseEvent::Granted { lease: lease? },
            Happened::Renewed => LeaseEvent::Renewed { lease: lease? },
            Happened::Ended => LeaseEvent::Ended {
                address: told.address.ok_or("missing field `address`")?,
            },
        }))
    }
}

pub(super) async fn events(State(admin): State<Arc<Admin>>, Document(body): Document<OneOrMany<Event>>) -> Answer {
    let events = body.all()?;
    let count = events.len();
    for Event(event) in events {
        let (address, mac) = match &event {
            LeaseEvent::Granted { lease } | LeaseEvent::Renewed { lease } => (lease.address, Some(lease.mac)),
            LeaseEvent::Ended { address } => {
                let ended = admin.store.lease(*address).await?;
                (*address, ended.map(|lease| lease.mac))
            }
        };
        record_event(admin.store.as_ref(), event).await?;
        admin.changed(address, mac);
    }
    ok(&json!({"recorded": count}))
}
