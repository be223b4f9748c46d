//! The TFTP server.
//!
//! A listening address has several workers, each a thread of its own with a socket that shares the listening port with the
//! other workers' (SO_REUSEPORT: a client's address and port always reaches the same worker), and with ports of its own that
//! its transfers go from, told apart by the client's address and port. So a worker's table of transfers belongs to it alone,
//! and no lock is held on the path of a datagram. Datagrams are received and sent many at a time.

mod counters;
mod ports;
mod request;
mod sources;
mod table;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::files::FileSource;
use super::sockets::BindError;
use crate::wire::tftp::{Limits, Pace};
use ports::Sockets;
pub use ports::TransferPorts;
pub use sources::SourceLimits;
use sources::Sources;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct TftpSettings {
    /// Limits of what options are granted.
    pub limits: Limits,
    /// Retransmission.
    pub pace: Pace,
    /// Transfers at once, by listening address. Beyond it the oldest that its client never acknowledged gives way, or else
    /// the new one is refused.
    pub max_transfers: usize,
    /// The longest wait for [`FileSource::open`].
    pub open_timeout: Duration,
    /// Networks of the relays (CMTSs) whose `netaddr` and `hwaddr` are believed.
    pub relays: Arc<[IpNet]>,
    /// What one source may ask for.
    pub sources: SourceLimits,
}

impl TftpSettings {
    fn is_relay(&self, address: IpAddr) -> bool {
        self.relays.iter().any(|network| network.contains(&address))
    }
}

impl Default for TftpSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pace: Pace::default(),
            max_transfers: 50_000,
            open_timeout: Duration::from_secs(5),
            relays: Arc::default(),
            sources: SourceLimits::default(),
        }
    }
}

/// A listening address with its sockets open.
#[derive(Debug)]
pub struct TftpListener {
    address: SocketAddr,
    workers: Vec<Sockets>,
}

impl TftpListener {
    /// Opens the sockets of up to `workers` workers on `address`, and the transfers' on `ports`. Each worker has a transfer
    /// port at least, so that there are no more workers than ports.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(address: SocketAddr, workers: usize, ports: &TransferPorts) -> Result<Self, BindError> {
        let (address, workers) = ports::open(address, workers, ports)?;
        Ok(Self { address, workers })
    }

    /// The address that requests are taken on, its port as the system gave it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What a server is to serve; `None` ends it, and so does the sender's end. Where another takes the place of the first,
/// transfers under way go on.
pub type Served<S> = watch::Receiver<Option<Arc<Serving<S>>>>;

/// What a server serves, and how.
pub struct Serving<S> {
    source: Arc<S>,
    settings: TftpSettings,
    sources: Sources,
}

impl<S: FileSource> Serving<S> {
    /// The files of `source`.
    pub fn new(source: Arc<S>, settings: TftpSettings) -> Self {
        Self {
            source,
            sources: Sources::new(settings.sources.clone()),
            settings,
        }
    }
}

/// Serves what `served` says, until it says nothing. Transfers under way then end with an ERROR, so that their clients ask
/// again soon. The file source is asked in the runtime that this is called in.
pub async fn run<S: FileSource>(listeners: Vec<TftpListener>, served: Served<S>) {
    let mut ends = JoinSet::new();
    for listener in listeners {
        let workers = listener.workers.len().max(1);
        for sockets in listener.workers {
            let shared = worker::Shared {
                served: served.clone(),
                workers,
                runtime: Handle::current(),
            };
            let (ended, end) = oneshot::channel::<()>();
            let thread = std::thread::Builder::new().name("tftp".to_owned());
            let started = thread.spawn(move || {
                if let Err(error) = worker::run(sockets, shared) {
                    tracing::error!(%error, "a TFTP worker cannot run");
                }
                drop(ended);
            });
            if let Err(error) = started {
                tracing::error!(%error, "a TFTP worker cannot be started");
            }
            ends.spawn(end);
        }
    }
    while ends.join_next().await.is_some() {}
}
