//! Commands that a running server carries out: the order is stored, a server takes it, and its outcome is waited for.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::cli::{CliError, output};
use crate::model::{NewOrder, OrderId, OrderKind, OrderOutcome};
use crate::store::{SqliteStore, Store};
use crate::value::{MacAddress, Timestamp};

/// How often the order is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// How long an order waits for a server, which looks for orders a few times a second.
const PICKED_UP_WITHIN: Duration = Duration::from_secs(10);

/// What became of an order that its command waited for.
enum Ended {
    Outcome(OrderOutcome),
    /// No server took it; it is withdrawn.
    NobodyTook,
    /// A server is at it still.
    StillUnderWay,
}

/// Places an order for the device and waits until a server has carried it out, `limit` at the most.
///
/// # Errors
/// [`CliError::Reported`] where the order failed or nobody carried it out.
pub(super) async fn carry_out(
    store: &SqliteStore,
    mac: MacAddress,
    kind: OrderKind,
    limit: Duration,
    as_json: bool,
) -> Result<(), CliError> {
    let word = kind.word();
    let placed = Timestamp::now();
    let order = NewOrder {
        mac,
        kind,
        placed,
        expires: placed.plus(limit),
    };
    let id = store.place_order(order).await?;
    let ended = wait(store, id, limit).await?;
    let (outcome, detail) = match &ended {
        Ended::Outcome(OrderOutcome::Done(detail)) => ("done", detail.clone()),
        Ended::Outcome(OrderOutcome::Failed(detail)) => ("failed", detail.clone()),
        Ended::NobodyTook => (
            "not taken",
            "no server picked it up: start hardline serve with this configuration; the order is withdrawn".to_owned(),
        ),
        Ended::StillUnderWay => (
            "under way",
            format!("the server is at it still; hardline device attempts {mac} shows what comes of it"),
        ),
    };
    let done = outcome == "done";
    if as_json {
        output::print_json(&json!({"mac": mac, "order": word, "outcome": outcome, "detail": detail}))?;
    } else if done {
        output::print(&format!("{mac} {word}: {}\n", output::printable(&detail)))?;
    } else {
        eprintln!("hardline: {mac} {word}: {outcome}: {}", output::printable(&detail));
    }
    if done { Ok(()) } else { Err(CliError::Reported(1)) }
}

async fn wait(store: &SqliteStore, id: OrderId, limit: Duration) -> Result<Ended, CliError> {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(PERIOD).await;
        let order = store.order(id).await?;
        let (taken, outcome) = order.map_or((false, None), |order| (order.taken.is_some(), order.outcome));
        if let Some(outcome) = outcome {
            return Ok(Ended::Outcome(outcome));
        }
        let waited = begun.elapsed();
        if !taken && waited >= limit.min(PICKED_UP_WITHIN) && store.withdraw_order(id).await? {
            return Ok(Ended::NobodyTook);
        }
        if waited >= limit {
            return Ok(Ended::StillUnderWay);
        }
    }
}
