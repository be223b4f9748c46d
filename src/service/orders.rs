//! Orders from the command line: taken from the store a few times a second, carried out, their outcome written back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::core::Core;
use super::keymgmt::KeymgmtService;
use super::snmp::SnmpService;
use crate::model::{Order, OrderId, OrderKind, OrderOutcome};
use crate::store::{ORDER_LEASE, StoreError};
use crate::value::Timestamp;

/// How often the store is asked for orders.
const PERIOD: Duration = Duration::from_millis(200);
/// Orders that are carried out at the same time.
const AT_ONCE: usize = 256;

/// The services that carry orders out; none where a service is not enabled.
pub struct Hands {
    /// Key management.
    pub keymgmt: Option<Arc<KeymgmtService>>,
    /// The SNMP entity, and the sockets it sends from.
    pub snmp: Option<(Arc<SnmpService>, Vec<Arc<UdpSocket>>)>,
}

impl Hands {
    async fn carry_out(&self, order: &Order) -> OrderOutcome {
        match order.kind {
            OrderKind::Rekey => match &self.keymgmt {
                Some(keymgmt) => keymgmt.rekey(order.mac, order.placed).await,
                None => not_enabled("keymgmt"),
            },
            OrderKind::Bootstrap => match &self.snmp {
                Some((snmp, sockets)) => match snmp.bootstrap(order.mac, sockets).await {
                    Ok(detail) => OrderOutcome::Done(detail),
                    Err(reason) => OrderOutcome::Failed(reason),
                },
                None => not_enabled("snmp"),
            },
        }
    }
}

fn not_enabled(service: &str) -> OrderOutcome {
    OrderOutcome::Failed(format!(
        "this server does not run [{service}]: set enabled = true there"
    ))
}

/// Takes orders and carries them out until `stop` turns true. What is under way then is taken up by the next server.
pub async fn run(core: Arc<Core>, hands: Hands, mut stop: watch::Receiver<bool>) {
    let hands = Arc::new(hands);
    let mut tasks = JoinSet::new();
    let mut under_way = BTreeSet::new();
    let mut renewed = Instant::now();
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(ended) = tasks.join_next() => {
                if let Ok(id) = ended {
                    under_way.remove(&id);
                }
                continue;
            }
            _ = stop.wait_for(|&stopped| stopped) => return,
        }
        let mine: Vec<OrderId> = if renewed.elapsed() * 3 > ORDER_LEASE {
            renewed = Instant::now();
            under_way.iter().copied().collect()
        } else {
            Vec::new()
        };
        let room = AT_ONCE.saturating_sub(under_way.len());
        match core.store.take_orders(Timestamp::now(), &mine, room).await {
            Ok(orders) => {
                for order in orders {
                    under_way.insert(order.id);
                    tasks.spawn(carry_out(core.clone(), hands.clone(), order));
                }
            }
            Err(error) => tracing::error!(%error, "orders cannot be taken"),
        }
    }
}

async fn carry_out(core: Arc<Core>, hands: Arc<Hands>, order: Order) -> OrderId {
    let outcome = hands.carry_out(&order).await;
    let (mac, what) = (order.mac, order.kind.word());
    match &outcome {
        OrderOutcome::Done(detail) => tracing::info!(%mac, order = %order.id, what, detail, "an order is done"),
        OrderOutcome::Failed(detail) => tracing::warn!(%mac, order = %order.id, what, detail, "an order failed"),
    }
    let written: Result<(), StoreError> = core.store.end_order(order.id, outcome).await;
    if let Err(error) = written {
        tracing::error!(%mac, order = %order.id, %error, "an order's outcome cannot be stored");
    }
    order.id
}
