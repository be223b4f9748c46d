//! What TFTP and HTTP serve: files from a [`FileSource`], which decides who gets what and is told how it went.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use hyper::body::Bytes;

use crate::model::Delivery;
use crate::value::MacAddress;

/// One client asks for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// The file's name without one leading `/`; over HTTP with its percent escapes decoded once (profile P34). At least
    /// one character, no control character. It may hold `..`: whoever opens a path with it takes care.
    pub name: String,
    /// Where the request came from.
    pub peer: SocketAddr,
    /// What a relay between claims of the client; unproven.
    pub claim: RelayClaim,
    /// How it is fetched.
    pub protocol: Delivery,
    /// Only the file's existence and size are asked for (HTTP HEAD): no octet will be sent, and
    /// [`FileSource::finished`] will not be called.
    pub probe: bool,
}

/// Who the client is, according to the TFTP options `netaddr` and `hwaddr` (profile P29). Anyone can write them: to be
/// believed only where the request's peer is a configured relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayClaim {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The client's MAC address.
    pub mac: Option<MacAddress>,
}

/// Why a client does not get a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such file: TFTP error 1, HTTP 404.
    NotFound,
    /// The file is not for this client: TFTP error 2, HTTP 403.
    Forbidden,
    /// Not now: TFTP error 0, HTTP 503.
    Busy,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has it: over TFTP every block is acknowledged, over HTTP every octet is handed to the connection.
    Complete {
        /// Octets delivered; over HTTP fewer than the file has where a range was asked for.
        bytes: u64,
        /// Packets sent again; 0 over HTTP.
        retransmissions: u32,
        /// From the request to the end.
        elapsed: Duration,
    },
    /// The client does not have all of it.
    Failed {
        /// Why, for people.
        reason: String,
        /// Octets that the client is known to have.
        bytes: u64,
        /// Packets sent again; 0 over HTTP.
        retransmissions: u32,
        /// From the request to the end.
        elapsed: Duration,
    },
}

/// Where files come from. The one who implements it knows the devices and records what they fetched.
pub trait FileSource: Send + Sync + 'static {
    /// The octets of the file, if this client may have it. Takes as long as it needs; a service gives up on it after its
    /// own time limit.
    fn open(&self, request: &FileRequest) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// A delivery that [`FileSource::open`] allowed has ended. Called once for each, except for probes.
    fn finished(&self, request: &FileRequest, outcome: &Outcome) -> impl Future<Output = ()> + Send;
}

/// A requested name as [`FileRequest::name`] holds it; `None` where it is empty or has a control character (NUL included).
pub(super) fn requested_name(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
}
