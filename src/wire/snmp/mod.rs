//! SNMPv2c and SNMPv3 without I/O: messages, the user-based security model, and PacketCable's notifications and
//! configuration SET (RFC 3412, 3414, 3416, 3826; profile P5 to P13, P23, P26, P32).
//!
//! Both roles of both sides are here. The side that **receives a request** (the provisioning server an INFORM, the
//! device a SET or GET) goes in two steps, so that keys can be looked up between them:
//!
//! 1. [`parse`] gives a view of the datagram: version, user, engine, level. Nothing of it is believed.
//! 2. [`process`] checks it against the user's keys and the [`LocalEngine`], and gives the request, the report to
//!    send, or the reason for silence. [`encode_response`] answers a request.
//!
//! The side that **sends a request** makes it with [`encode_request`], or [`encode_discovery`] where the peer's
//! engine is unknown, and takes what comes back with [`parse`] and [`process_reply`].

pub(crate) mod ber;
mod config_set;
#[cfg(test)]
mod exchange_tests;
mod message;
mod notification;
mod outgoing;
mod pdu;
mod reason;
mod receive;
mod reply;
pub mod usm;
pub mod varbind;

pub use ber::{BerError, BerErrorKind};
pub use config_set::{ConfigSet, ConfigSetError, FileEncryption, ReceivedConfig, SetRefusal};
pub use message::{MAX_MESSAGE, Message, ScopedPdu, V2cMessage, V3Message, parse};
pub use notification::{Notification, NotificationError, ProvisioningState, Received};
pub use outgoing::{OutgoingRequest, encode_discovery, encode_request, encode_response, encode_v2c};
pub use pdu::{ErrorStatus, Pdu, PduKind};
pub use reason::SnmpDropReason;
pub use receive::{Request, Verdict, process};
pub use reply::{Reply, Report, process_reply, read_plain_report};
pub use usm::{
    AuthKey, AuthProtocol, KeyError, LocalEngine, LocalizedKeys, PrivKey, PrivProtocol, RemoteEngine, Salt, SaltSource,
    SecurityLevel, UsmStat, UsmStats,
};
pub use varbind::{SecretOctets, Value, VarBind};
