//! The sockets of every enabled service, opened together.

use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};

use super::StartError;
use crate::service::sockets;
use crate::service::tftp::{TftpListener, TransferPorts};
use crate::settings::{Service, Settings};

/// The listeners of every enabled service.
pub(super) struct Listeners {
    pub(super) kdc_udp: Vec<UdpSocket>,
    pub(super) kdc_tcp: Vec<TcpListener>,
    pub(super) keymgmt: Vec<UdpSocket>,
    pub(super) fqdn: Vec<UdpSocket>,
    pub(super) snmp: Vec<UdpSocket>,
    pub(super) tftp: Vec<TftpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) dns_udp: Vec<UdpSocket>,
    pub(super) dns_tcp: Vec<TcpListener>,
    pub(super) admin: Vec<TcpListener>,
    pub(super) bootstrap: Vec<TcpListener>,
    pub(super) bootstrap_legacy: Vec<TcpListener>,
}

impl Listeners {
    /// Opens them; those of TFTP only `with_tftp`, since they may be open already.
    ///
    /// # Errors
    /// [`StartError::Bind`].
    pub(super) fn open(settings: &Settings, with_tftp: bool) -> Result<Self, StartError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let failed = |service| move |source| StartError::Bind { service, source };
        let udp = |service| {
            let mut all = Vec::new();
            for address in settings.listeners(service) {
                all.extend(sockets::udp_group(address, cores).map_err(failed(service))?);
            }
            Ok::<_, StartError>(all)
        };
        let tcp = |service| {
            let open = |address| sockets::tcp(address).map_err(failed(service));
            settings
                .listeners(service)
                .into_iter()
                .map(open)
                .collect::<Result<Vec<_>, _>>()
        };
        let tftp =
            |address| TftpListener::bind(address, cores, &transfer_ports(settings)).map_err(failed(Service::Tftp));
        Ok(Self {
            kdc_udp: udp(Service::Kdc)?,
            kdc_tcp: tcp(Service::Kdc)?,
            keymgmt: udp(Service::Keymgmt)?,
            fqdn: udp(Service::Fqdn)?,
            snmp: udp(Service::Snmp)?,
            tftp: settings
                .listeners(Service::Tftp)
                .into_iter()
                .filter(|_| with_tftp)
                .map(tftp)
                .collect::<Result<_, _>>()?,
            http: tcp(Service::Http)?,
            dns_udp: udp(Service::Dns)?,
            dns_tcp: tcp(Service::Dns)?,
            admin: tcp(Service::Admin)?,
            bootstrap: tcp(Service::Bootstrap)?,
            bootstrap_legacy: tcp(Service::BootstrapLegacy)?,
        })
    }

    /// What each service but TFTP listens on.
    pub(super) fn addresses(&self) -> Vec<(Service, Vec<SocketAddr>)> {
        let udp = |sockets: &[UdpSocket]| {
            let mut all: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
            all.dedup();
            all
        };
        let tcp = |listeners: &[TcpListener]| {
            let address = |listener: &TcpListener| listener.local_addr().ok();
            listeners.iter().filter_map(address).collect()
        };
        let all = [
            (Service::Kdc, udp(&self.kdc_udp)),
            (Service::Keymgmt, udp(&self.keymgmt)),
            (Service::Fqdn, udp(&self.fqdn)),
            (Service::Snmp, udp(&self.snmp)),
            (Service::Http, tcp(&self.http)),
            (Service::Dns, udp(&self.dns_udp)),
            (Service::Admin, tcp(&self.admin)),
            (Service::Bootstrap, tcp(&self.bootstrap)),
            (Service::BootstrapLegacy, tcp(&self.bootstrap_legacy)),
        ];
        all.into()
    }
}

fn transfer_ports(settings: &Settings) -> TransferPorts {
    let ports = settings.tftp.transfer_ports.clone();
    ports.map_or(TransferPorts::Ephemeral, TransferPorts::Pool)
}
