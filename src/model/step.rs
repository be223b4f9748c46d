//! One rung of an attempt's ladder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::Timestamp;

/// A step of the provisioning flow: `eUE-n` of seed 003 Table 5 (the eMTA's `MTA-n` has the same number).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(u8);

impl StepId {
    /// DNS request for the realm's KDC.
    pub const SRV_REQUEST: Self = Self(5);
    /// DNS reply with the KDC's name.
    pub const SRV_REPLY: Self = Self(6);
    /// DNS request for the KDC's address.
    pub const ADDRESS_REQUEST: Self = Self(7);
    /// DNS reply with the KDC's address.
    pub const ADDRESS_REPLY: Self = Self(8);
    /// AS Request.
    pub const AS_REQUEST: Self = Self(9);
    /// AS Reply.
    pub const AS_REPLY: Self = Self(10);
    /// TGS Request.
    pub const TGS_REQUEST: Self = Self(11);
    /// TGS Reply.
    pub const TGS_REPLY: Self = Self(12);
    /// AP Request.
    pub const AP_REQUEST: Self = Self(13);
    /// AP Reply.
    pub const AP_REPLY: Self = Self(14);
    /// Enrollment INFORM.
    pub const ENROLLMENT: Self = Self(15);
    /// SNMP GET of capabilities.
    pub const GET: Self = Self(16);
    /// Response to the GET.
    pub const GET_RESPONSE: Self = Self(17);
    /// The configuration file is made.
    pub const FILE: Self = Self(18);
    /// SNMP SET of the file's URL, hash and key.
    pub const SET: Self = Self(19);
    /// DNS request for the address of the file's server.
    pub const HOST_REQUEST: Self = Self(20);
    /// DNS reply with that address.
    pub const HOST_REPLY: Self = Self(21);
    /// The file is asked for.
    pub const FILE_REQUEST: Self = Self(22);
    /// The file is delivered.
    pub const FILE_DELIVERED: Self = Self(23);
    /// Syslog notification.
    pub const SYSLOG: Self = Self(24);
    /// Status INFORM.
    pub const STATUS: Self = Self(25);
    /// The device is told to bootstrap (seed 003 §6.6.5, which numbers no steps: shown as `CB-1`).
    pub const BOOTSTRAP_TRIGGER: Self = Self(26);
    /// The device fetches its credentials: shown as `CB-2`.
    pub const BOOTSTRAP: Self = Self(27);

    /// Step `number`, 1 to 25.
    pub fn new(number: u8) -> Option<Self> {
        (1..=25).contains(&number).then_some(Self(number))
    }

    /// The step's number, 1 to 25.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BOOTSTRAP_TRIGGER => f.pad("CB-1"),
            Self::BOOTSTRAP => f.pad("CB-2"),
            Self(number) => f.pad(&format!("eUE-{number}")),
        }
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StepId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "CB-1" => return Ok(Self::BOOTSTRAP_TRIGGER),
            "CB-2" => return Ok(Self::BOOTSTRAP),
            _ => {}
        }
        let number = text.strip_prefix("eUE-").and_then(|number| number.parse().ok());
        number
            .and_then(Self::new)
            .ok_or("a step is eUE-1 to eUE-25, CB-1 or CB-2")
    }
}

impl Serialize for StepId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As the flow wants it.
    Ok,
    /// Sent again because no answer came.
    Retry,
    /// Refused or failed; the detail says why.
    Failed,
}

/// One row of an attempt's ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which step of the flow.
    pub step: StepId,
    /// When it happened on the server.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What an operator should know of it: peer, names, sizes, the reason of a failure. Never a secret.
    pub detail: String,
}

impl Step {
    /// A step that went as the flow wants it.
    pub fn ok(step: StepId, at: Timestamp, detail: impl Into<String>) -> Self {
        Self {
            step,
            at,
            outcome: Outcome::Ok,
            detail: detail.into(),
        }
    }

    /// A step that was refused or failed.
    pub fn failed(step: StepId, at: Timestamp, detail: impl Into<String>) -> Self {
        Self {
            step,
            at,
            outcome: Outcome::Failed,
            detail: detail.into(),
        }
    }

    /// A request that is sent again because no answer came.
    pub fn retry(step: StepId, at: Timestamp, detail: impl Into<String>) -> Self {
        Self {
            step,
            at,
            outcome: Outcome::Retry,
            detail: detail.into(),
        }
    }
}
