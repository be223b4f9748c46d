//! The TFTP server.
//!
//! A listening address has several workers. Each worker is one task with two sockets: one shares the listening port with
//! the other workers' (SO_REUSEPORT: a client's address and port always reaches the same worker), and from the other,
//! with its own port, go all of the worker's transfers, told apart by the client's address and port. So a worker's table of
//! transfers belongs to it alone, and no lock is held anywhere on the path of a datagram.

mod request;
mod table;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::files::FileSource;
use super::sockets::{self, BindError};
use crate::wire::tftp::{Limits, Pace};

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct TftpSettings {
    /// Limits of what options are granted.
    pub limits: Limits,
    /// Retransmission.
    pub pace: Pace,
    /// Transfers at once, by worker. Beyond it the oldest that its client never acknowledged gives way, or else the new
    /// one is refused.
    pub max_transfers: usize,
    /// The longest wait for [`FileSource::open`].
    pub open_timeout: Duration,
}

impl Default for TftpSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pace: Pace::default(),
            max_transfers: 20_000,
            open_timeout: Duration::from_secs(5),
        }
    }
}

/// The sockets of one worker.
#[derive(Debug)]
struct Sockets {
    /// Takes requests, on the listening port.
    requests: UdpSocket,
    /// Carries the transfers, on its own port.
    transfers: UdpSocket,
}

/// A listening address with its sockets open.
#[derive(Debug)]
pub struct TftpListener {
    address: SocketAddr,
    workers: Vec<Sockets>,
}

impl TftpListener {
    /// Opens the sockets of `workers` workers (at least one) on `address`. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(address: SocketAddr, workers: usize) -> Result<Self, BindError> {
        let requests = sockets::udp_group(address, workers.max(1))?;
        let address = requests
            .first()
            .and_then(|socket| socket.local_addr().ok())
            .unwrap_or(address);
        let transfer_address = SocketAddr::new(address.ip(), 0);
        let workers = requests
            .into_iter()
            .map(|requests| {
                Ok(Sockets {
                    requests,
                    transfers: sockets::udp(transfer_address)?,
                })
            })
            .collect::<Result<_, BindError>>()?;
        Ok(Self { address, workers })
    }

    /// The address that requests are taken on, its port as the system gave it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `shutdown` holds `true` or its sender is gone. Transfers under way then end with an ERROR, so that their
/// clients ask again soon.
pub async fn run<S: FileSource>(
    listeners: Vec<TftpListener>,
    source: Arc<S>,
    settings: TftpSettings,
    shutdown: watch::Receiver<bool>,
) {
    let mut workers = JoinSet::new();
    for sockets in listeners.into_iter().flat_map(|listener| listener.workers) {
        let worker = worker::Worker::new(sockets, Arc::clone(&source), settings);
        workers.spawn(worker.run(shutdown.clone()));
    }
    while workers.join_next().await.is_some() {}
}
