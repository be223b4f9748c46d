//! The TFTP server of a process. Its transfers go on over a reload.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::choices::tftp_settings;
use crate::service::delivery::DeliveryService;
use crate::service::tftp::{self, Serving, TftpListener};
use crate::settings::{Service, Settings};

/// The TFTP server that runs.
pub(super) struct Transfers {
    sockets: Sockets,
    addresses: Vec<SocketAddr>,
    served: watch::Sender<Option<Arc<Serving<DeliveryService>>>>,
    task: JoinHandle<()>,
}

/// What the settings say of its sockets.
#[derive(PartialEq, Eq)]
struct Sockets {
    listeners: Vec<SocketAddr>,
    transfer_ports: Option<RangeInclusive<u16>>,
}

impl Sockets {
    fn of(settings: &Settings) -> Self {
        Self {
            listeners: settings.listeners(Service::Tftp),
            transfer_ports: settings.tftp.transfer_ports.clone(),
        }
    }
}

fn serving(settings: &Settings, files: Arc<DeliveryService>) -> Arc<Serving<DeliveryService>> {
    Arc::new(Serving::new(files, tftp_settings(settings)))
}

impl Transfers {
    /// Serves `files` on `listeners`, which are those of `settings`.
    pub(super) fn start(settings: &Settings, listeners: Vec<TftpListener>, files: Arc<DeliveryService>) -> Self {
        let addresses = listeners.iter().map(TftpListener::address).collect();
        let (sender, served) = watch::channel(Some(serving(settings, files)));
        Self {
            sockets: Sockets::of(settings),
            addresses,
            served: sender,
            task: tokio::spawn(tftp::run(listeners, served)),
        }
    }

    /// Whether its sockets are those of `settings`.
    pub(super) fn fits(&self, settings: &Settings) -> bool {
        self.sockets == Sockets::of(settings)
    }

    /// Serves `files` from now on, as `settings` say.
    pub(super) fn go_on(&self, settings: &Settings, files: Arc<DeliveryService>) {
        self.served.send_replace(Some(serving(settings, files)));
    }

    /// What it listens on.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends its transfers, and waits for it, `limit` at the most.
    pub(super) async fn stop(self, limit: Duration) {
        self.served.send_replace(None);
        let _ = tokio::time::timeout(limit, self.task).await;
    }
}
