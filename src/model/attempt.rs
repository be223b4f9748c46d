//! One attempt of a device to be provisioned, from its first accepted datagram to its result.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Family, Flow};
use crate::profile::Learned;
use crate::value::{EngineId, MacAddress, Random, Secret, Timestamp};
use crate::wire::snmp::{AuthProtocol, PrivProtocol, ProvisioningState};
use crate::wire::tlv::EncryptAlgorithm;

/// An attempt's identity: 48 bits of its start in milliseconds, then 80 random bits, so that ids sort by time and two
/// nodes never make the same one. 32 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u128);

impl AttemptId {
    /// A fresh id for an attempt that starts `now`.
    pub fn new(now: Timestamp, random: &mut dyn Random) -> Self {
        let mut octets = [0u8; 16];
        random.fill(&mut octets[6..]);
        octets[..6].copy_from_slice(&(now.0 / 1000).to_be_bytes()[2..]);
        Self(u128::from_be_bytes(octets))
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AttemptId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = (text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten();
        value.map(Self).ok_or("an attempt id is 32 hexadecimal digits")
    }
}

/// How far an attempt has come: what the server waits for, or that it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A ticket was issued; the AP Request is awaited (secure flow).
    Ticketed,
    /// SNMPv3 keys are established; the enrollment INFORM is awaited (secure flow).
    Keyed,
    /// Enrolled; the SET is to be answered.
    Enrolled,
    /// The device knows its file's URL; the download is awaited.
    Told,
    /// The file was delivered whole; the status INFORM is awaited where the flow has one.
    Delivered,
    /// The attempt has ended.
    Ended,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// The device reported this state in its status INFORM (seed 003 eUE-25).
    Reported(ProvisioningState),
    /// The file was delivered and the flow has no status INFORM (BASIC.1, HYBRID.1; profile P25).
    Delivered,
    /// A step failed on the server's side; the reason names it.
    Failed(String),
    /// The device began again before this attempt ended.
    Replaced,
    /// Nothing more was heard before the deadline.
    TimedOut,
}

impl AttemptResult {
    /// Whether the device is in service.
    pub fn is_pass(&self) -> bool {
        match self {
            Self::Reported(state) => state.is_pass(),
            Self::Delivered => true,
            _ => false,
        }
    }
}

impl fmt::Display for AttemptResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported(state) => write!(f, "{state}"),
            Self::Delivered => f.write_str("delivered"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Replaced => f.write_str("replaced"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// The SNMPv3 security association that an AP exchange established. Holds keys: it is stored sealed only.
#[derive(Debug, Clone)]
pub struct SnmpSession {
    /// The security name, verbatim from the AP Request (profile P11).
    pub user: String,
    /// The device's engine.
    pub engine_id: EngineId,
    /// The device's engine boots when last authenticated.
    pub engine_boots: u32,
    /// The device's engine time in seconds at `engine_seen`.
    pub engine_time: u32,
    /// The server's clock when `engine_time` was learned.
    pub engine_seen: Timestamp,
    /// The authentication protocol of the chosen ciphersuite.
    pub auth: AuthProtocol,
    /// The privacy protocol of the chosen ciphersuite; none for 0x20.
    pub privacy: Option<PrivProtocol>,
    /// The secret that was handed out in the AP Reply's subkey (46 octets by default). Keys are derived from it when
    /// they are needed, so that another recipe of the interop profile can be tried (profile P5 to P8).
    pub subkey: Secret,
    /// Where the AP Request came from; a Wake Up goes there.
    pub keyed_from: SocketAddr,
    /// When the keys were established.
    pub keyed_at: Timestamp,
    /// What the AP Request said of itself, by which another one is known to ask for the same.
    pub asked: KeyAsked,
    /// What the device's messages have shown of the interop profile; the answers to it follow that.
    pub learned: Learned,
}

/// Why a device asked for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyAsked {
    /// The nonce of the Wake Up that asked for the AP Request; none where nobody asked (profile P9).
    pub server_nonce: Option<NonZeroU32>,
    /// Whether it had keys already and wanted others.
    pub reestablish: bool,
}

/// What the enrollment INFORM said (seed 003 eUE-15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// sysDescr.0, as text; octets that are not UTF-8 are replaced.
    pub sys_descr: String,
    /// pktcMtaDevSwCurrentVers.0.
    pub sw_version: String,
    /// pktcMtaDevTypeIdentifier.0: a copy of DHCP option 60.
    pub type_identifier: String,
    /// pktcMtaDevCorrelationId.0.
    pub correlation_id: u32,
    /// The community, for SNMPv2c (profile P26).
    pub community: Option<String>,
    /// The request id of the INFORM, by which its retransmission is known.
    pub request_id: i32,
}

/// The configuration file that was made for an attempt. Its octets are stored sealed, under `name`.
#[derive(Debug, Clone)]
pub struct ServedFile {
    /// The name under which it is fetched: unguessable, bound to this attempt.
    pub name: String,
    /// The URL that the SET carries.
    pub url: String,
    /// SHA-1 over the octets that are delivered (profile P21), 20 octets.
    pub hash: Vec<u8>,
    /// The cipher it is encrypted with.
    pub algorithm: EncryptAlgorithm,
    /// The key, and after it the IV where the key object carries it (profile P22); empty where the file is in clear.
    pub key: Secret,
    /// How many octets are delivered.
    pub size: usize,
    /// When it was made.
    pub made: Timestamp,
}

/// An attempt. `version` counts its stored states: a node that would overwrite a newer state is refused.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its identity.
    pub id: AttemptId,
    /// Whose attempt it is.
    pub mac: MacAddress,
    /// The flow, as the device record said when it began.
    pub flow: Flow,
    /// The family of the device's first datagram.
    pub family: Family,
    /// When it began.
    pub started: Timestamp,
    /// When it is given up, unless it moves on (pktcMtaDevProvisioningTimer, 10 minutes by default).
    pub deadline: Timestamp,
    /// How far it has come.
    pub phase: Phase,
    /// How it ended, in phase [`Phase::Ended`].
    pub result: Option<AttemptResult>,
    /// Where the device's last accepted datagram came from.
    pub peer: SocketAddr,
    /// The SNMPv3 security association, once an AP exchange established one.
    pub session: Option<SnmpSession>,
    /// What the device said of itself.
    pub enrollment: Option<Enrollment>,
    /// The type identifier that the device gave when it last enrolled, in this attempt or an earlier one: with its OUI, its
    /// vendor.
    pub type_identifier: Option<String>,
    /// The file that was made for it.
    pub file: Option<ServedFile>,
    /// 0 before it is first stored, then one more with each stored state.
    pub version: u64,
}
