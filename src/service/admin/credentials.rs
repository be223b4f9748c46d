//! Credentials over the admin API: whether they are in use. No identity and no secret passes here.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, Document, OneOrMany, Refused, ok};
use crate::value::{MacAddress, Timestamp};

/// A device that registered with its credentials.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registered {
    mac: MacAddress,
}

/// Takes from the IMS core, or from whoever watches it, that devices have registered.
pub(super) async fn used(State(admin): State<Arc<Admin>>, Document(body): Document<OneOrMany<Registered>>) -> Answer {
    let now = Timestamp::now();
    let (mut used, mut unknown) = (Vec::new(), Vec::new());
    for Registered { mac } in body.all()? {
        let has_some = admin.credentials.credentials_used(mac, now).await?;
        if has_some { &mut used } else { &mut unknown }.push(mac);
    }
    // That some device was registered without our credentials is no reason to tell of the others again.
    match (used.as_slice(), unknown.as_slice()) {
        ([], [mac]) => Err(without(*mac)),
        _ => ok(&json!({"used": used, "without_credentials": unknown})),
    }
}

/// What is known of a device's credentials.
pub(super) async fn show(State(admin): State<Arc<Admin>>, Path(text): Path<String>) -> Answer {
    let mac = text.parse::<MacAddress>();
    let mac =
        mac.map_err(|_| Refused::bad("the path ends with a MAC address, such as /credentials/00:11:22:33:44:55"))?;
    match admin.credentials.credential_state(mac).await? {
        Some(state) => ok(&state),
        None => Err(without(mac)),
    }
}

fn without(mac: MacAddress) -> Refused {
    Refused::not_found(format!("{mac} has no credentials"))
}
