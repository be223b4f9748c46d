//! What an operator's command asks a running server to do for a device.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::{MacAddress, Timestamp};

/// An order's number: greater than that of every order before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub i64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a server is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Have the device begin an AP exchange, by a Wake Up, so that it gets new SNMPv3 keys.
    Rekey,
    /// Tell the device, by SNMP SET, to fetch its credentials (seed 003 §6.6.5).
    Bootstrap,
}

impl OrderKind {
    /// The word for it: of its command, and in logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rekey => "rekey",
            Self::Bootstrap => "bootstrap",
        }
    }
}

/// How an order ended. The text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderOutcome {
    /// It was done; what came of it.
    Done(String),
    /// It was not done; why, and what helps.
    Failed(String),
}

/// An order as it is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// For which device.
    pub mac: MacAddress,
    /// What is to be done.
    pub kind: OrderKind,
    /// When it was placed.
    pub placed: Timestamp,
    /// From when on nobody waits for it, and no server begins with it any more.
    pub expires: Timestamp,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// For which device.
    pub mac: MacAddress,
    /// What is to be done.
    pub kind: OrderKind,
    /// When it was placed.
    pub placed: Timestamp,
    /// When a server last said that it is at it; none where no server has taken it.
    pub taken: Option<Timestamp>,
    /// How it ended, once it has.
    pub outcome: Option<OrderOutcome>,
}
