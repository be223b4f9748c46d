//! The tasks of the provisioning services, started on the sockets that are open.

use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::choices::{fqdn_servers, http_settings, keymgmt_settings};
use super::listeners::Listeners;
use crate::model::{Family, Phase};
use crate::provisioning::Kdc;
use crate::service::core::Core;
use crate::service::delivery::DeliveryService;
use crate::service::dns::{self, DnsService};
use crate::service::fqdn::FqdnService;
use crate::service::kdc::{FqdnClient, KdcLimits, KdcService};
use crate::service::keymgmt::KeymgmtService;
use crate::service::orders::{self, Hands};
use crate::service::rate::RateLimit;
use crate::service::resolver::Resolver;
use crate::service::snmp::{Retries, SnmpService};
use crate::service::{http, tcp, udp};
use crate::settings::{AgentPort, Service, Settings};
use crate::store::StoreError;
use crate::value::Timestamp;

/// Datagrams of one service that are handled at once; each holds a few kilobytes.
const IN_FLIGHT: usize = 8_192;
/// Connections to the KDC at once.
const KDC_CONNECTIONS: usize = 1_024;
/// DNS queries that are handled at once: each reads the database, whose readers the other services need as well.
const DNS_IN_FLIGHT: usize = 256;
/// Connections to the DNS server at once.
const DNS_CONNECTIONS: usize = 512;
/// Attempts that are carried on when the server starts.
const RESUMED: usize = 100_000;

pub(super) async fn spawn(
    settings: &Settings,
    core: &Arc<Core>,
    kdc: Option<Kdc>,
    files: Arc<DeliveryService>,
    listeners: Listeners,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), StoreError> {
    let permits = || Arc::new(Semaphore::new(IN_FLIGHT));
    if let Some(kdc) = kdc {
        serve_kdc(
            settings,
            core,
            kdc,
            listeners.kdc_udp,
            listeners.kdc_tcp,
            stopped,
            tasks,
        );
    }
    if settings.dns.enabled {
        serve_dns(settings, core, listeners.dns_udp, listeners.dns_tcp, stopped, tasks);
    }
    if settings.fqdn.enabled {
        let service = FqdnService::new(
            core.clone(),
            settings.fqdn.refuse_changed_keys,
            settings.fqdn.clients.clone(),
        );
        let handle = move |datagram, _| service.clone().handle(datagram);
        udp::serve(Service::Fqdn, listeners.fqdn, &permits(), stopped, handle, tasks);
    }
    let keymgmt = settings.keymgmt.enabled.then(|| {
        let service = KeymgmtService::new(core.clone(), keymgmt_settings(settings));
        let handling = service.clone();
        let handle = move |datagram, _| handling.clone().handle(datagram);
        let sockets = udp::serve(Service::Keymgmt, listeners.keymgmt, &permits(), stopped, handle, tasks);
        service.speak_from(sockets);
        service
    });
    let snmp = match settings.snmp.enabled {
        true => Some(serve_snmp(settings, core, listeners.snmp, &permits(), stopped, tasks).await?),
        false => None,
    };
    tasks.spawn(orders::run(core.clone(), Hands { keymgmt, snmp }, stopped.clone()));
    tasks.spawn(http::run(
        listeners.http,
        files,
        http_settings(settings),
        stopped.clone(),
    ));
    Ok(())
}

fn serve_kdc(
    settings: &Settings,
    core: &Arc<Core>,
    kdc: Kdc,
    sockets: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    let resolver = Resolver::new(settings.resolver.sockets());
    let client = FqdnClient::new(fqdn_servers(settings), resolver, &settings.kdc_fqdn(), core);
    let service = KdcService::new(
        core.clone(),
        kdc,
        client,
        KdcLimits {
            dh_lifetime: settings.kdc.dh_key_lifetime,
            rate: RateLimit::new(settings.kdc.rate_per_source),
            udp_reply_max: settings.kdc.udp_reply_max,
        },
    );
    let answering = service.clone();
    let handle = move |datagram: udp::Datagram, _| answering.datagram(datagram);
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    udp::serve(Service::Kdc, sockets, &permits, stopped, handle, tasks);
    let connections = Arc::new(Semaphore::new(KDC_CONNECTIONS));
    for listener in listeners {
        let (service, connections) = (service.clone(), connections.clone());
        tasks.spawn(tcp::serve(service, listener, connections, stopped.clone()));
    }
}

fn serve_dns(
    settings: &Settings,
    core: &Arc<Core>,
    sockets: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    let zones = dns::infrastructure(settings, Timestamp::now()).zones();
    let service = DnsService::new(core, zones, RateLimit::new(settings.dns.rate_per_source));
    let answering = service.clone();
    let handle = move |datagram: udp::Datagram, _| {
        answering
            .clone()
            .answer(datagram.payload, datagram.peer, dns::Protocol::Udp)
    };
    let permits = Arc::new(Semaphore::new(DNS_IN_FLIGHT));
    udp::serve(Service::Dns, sockets, &permits, stopped, handle, tasks);
    let connections = Arc::new(Semaphore::new(DNS_CONNECTIONS));
    for listener in listeners {
        let (service, connections) = (service.clone(), connections.clone());
        tasks.spawn(tcp::serve(service, listener, connections, stopped.clone()));
    }
}

async fn serve_snmp(
    settings: &Settings,
    core: &Arc<Core>,
    sockets: Vec<UdpSocket>,
    permits: &Arc<Semaphore>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(Arc<SnmpService>, Vec<Arc<UdpSocket>>), StoreError> {
    let snmp = &settings.snmp;
    let retries = Retries {
        nominal: snmp.request_timeout,
        backoff: snmp.request_backoff,
        count: snmp.request_retries,
    };
    let agent_port = match snmp.agent_port {
        AgentPort::Fixed(port) => Some(port),
        AgentPort::Source => None,
    };
    let service = SnmpService::new(core.clone(), retries, agent_port);
    let handling = service.clone();
    let handle = move |datagram, socket| handling.clone().handle(datagram, socket);
    let sockets = udp::serve(Service::Snmp, sockets, permits, stopped, handle, tasks);
    // A device whose INFORM was acknowledged waits for its SET, whatever became of the process that took it.
    let forever = Timestamp(i64::MAX);
    for attempt in core.store.unfinished(forever, RESUMED).await? {
        let socket = sockets.iter().find(|socket| {
            socket
                .local_addr()
                .is_ok_and(|local| Family::of(local.ip()) == Family::of(attempt.peer.ip()))
        });
        if let (Phase::Enrolled, Some(socket)) = (attempt.phase, socket) {
            service.carry_on(attempt.mac, socket.clone());
        }
    }
    Ok((service, sockets))
}
