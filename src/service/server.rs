//! All services of one process: opened together, so that nothing runs where something is missing, and stopped together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::admin::{self, Admin, AdminToken};
use super::bootstrap::{self, BootstrapError, DeviceVerifier, ServerIdentity};
use super::core::Core;
use super::delivery::DeliveryService;
use super::dns::{self, DnsService};
use super::dynamic::{CmtsSecretError, CmtsSecrets};
use super::fqdn::FqdnService;
use super::http::{self, HttpSettings};
use super::kdc::{FqdnClient, FqdnServers, KdcLimits, KdcService, serve_tcp};
use super::keymgmt::{KeymgmtService, KeymgmtSettings, WakeUps};
use super::keys::ServiceKeys;
use super::lease::{Leases, SourceSetupError};
use super::lookup::{LookupError, Lookups};
use super::mib_path::{self, MibPathError};
use super::orders::{self, Hands};
use super::rate::RateLimit;
use super::resolver::Resolver;
use super::snmp::{Retries, SnmpService};
use super::sockets::{self, BindError};
use super::static_files::StaticRoot;
use super::templates::{self, LibraryError, Watched};
use super::tftp::{self, SourceLimits, TftpListener, TftpSettings, TransferPorts};
use super::usage::Usage;
use super::vendors::Vendors;
use super::verify::Verifier;
use super::{metrics, sweeper, udp};
use crate::mib::Names;
use crate::model::{Family, Phase};
use crate::profile::{Candidates, Profile};
use crate::provisioning::bootstrap::{DocumentError, Rules, Triggers};
use crate::provisioning::{Endpoints, FileMaker, Kdc, Policy};
use crate::settings::{AgentPort, Service, Settings, UrlHost};
use crate::store::{MasterKey, MasterKeyError, SqliteStore, Store, StoreError};
use crate::template::{SharedLibrary, Site, TemplateLibrary};
use crate::value::Timestamp;
use crate::wire::cert::{
    CertError, RevocationList, RevocationLists, TrustAnchors, certificates_from_pem, crls_from_file, key_from_pem,
};
use crate::wire::pkinit::{Identity, PkinitError};
use crate::wire::snmp::LocalEngine;
use crate::wire::tftp::{Limits, Pace};

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
/// How long the services get to stop.
const STOPPING: Duration = Duration::from_secs(4);

/// Why the server does not start. Each says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{source}: stop what holds the port, or change listen of [{service}] or port_offset in hardline.toml")]
    Bind {
        /// The service's table.
        service: Service,
        /// Which address, and what the system says.
        source: BindError,
    },
    /// The address of the counters cannot be listened on.
    #[error("{source}: stop what holds the port, or change listen of [metrics] in hardline.toml")]
    Metrics {
        /// Which address, and what the system says.
        source: BindError,
    },
    /// A file that the settings name cannot be used.
    #[error("{} ({key}): {reason}: restore the file, or name another one in hardline.toml", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The master key.
    #[error("master_key: {0}; the database opens under its own key only: restore the two together")]
    MasterKey(#[from] MasterKeyError),
    /// The database.
    #[error("database: {0}; restore it with its master.key, or make an installation with hardline init")]
    Store(#[from] StoreError),
    /// The MIB modules on the operator's search path.
    #[error(transparent)]
    Mib(#[from] MibPathError),
    /// The templates.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A lease source.
    #[error(transparent)]
    LeaseSource(#[from] SourceSetupError),
    /// A lookup of the templates.
    #[error("{0}: correct [lookup] in hardline.toml")]
    Lookup(#[from] LookupError),
    /// The secret of a CMTS.
    #[error("{0}: restore the file, or name another one in [cable_modem]")]
    CmtsSecret(#[from] CmtsSecretError),
    /// The template of the bootstrapping document.
    #[error("[bootstrap] template: {0}")]
    Document(#[from] DocumentError),
    /// Bootstrapping.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// The listeners of every enabled service.
struct Listeners {
    kdc_udp: Vec<UdpSocket>,
    kdc_tcp: Vec<TcpListener>,
    keymgmt: Vec<UdpSocket>,
    fqdn: Vec<UdpSocket>,
    snmp: Vec<UdpSocket>,
    tftp: Vec<TftpListener>,
    http: Vec<TcpListener>,
    dns_udp: Vec<UdpSocket>,
    dns_tcp: Vec<TcpListener>,
    admin: Vec<TcpListener>,
    bootstrap: Vec<TcpListener>,
    bootstrap_legacy: Vec<TcpListener>,
}

/// A server that runs.
pub struct Running {
    /// What each enabled service listens on.
    pub listeners: Vec<(Service, Vec<SocketAddr>)>,
    /// The store it runs on.
    pub store: Arc<SqliteStore>,
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Reads every file that the settings name, as [`start`] does, and starts nothing: what fails here would fail there.
///
/// # Errors
/// [`StartError::File`].
pub fn rehearse(settings: &Settings) -> Result<(), StartError> {
    if settings.kdc.enabled {
        kdc(settings)?;
    }
    profile(settings)?;
    static_root(settings)?;
    Ok(())
}

/// Opens the store and every listener, then starts the services.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(settings: &Settings) -> Result<Running, StartError> {
    let names = Arc::new(names(settings)?);
    let library = Arc::new(templates::library(settings, &names)?);
    start_with(settings, names, library).await
}

/// The same with MIB names and templates that were read before: a reload looks at them before anything is stopped.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start_with(
    settings: &Settings,
    names: Arc<Names>,
    library: Arc<TemplateLibrary>,
) -> Result<Running, StartError> {
    let store = Arc::new(SqliteStore::open(&settings.database, MasterKey::load(&settings.master_key)?).await?);
    let kdc = settings.kdc.enabled.then(|| kdc(settings)).transpose()?;
    let shared = static_root(settings)?;
    let token = settings.admin.enabled.then(|| admin_token(settings)).transpose()?;
    let identity = bootstraps(settings).then(|| bootstrap_identity(settings)).transpose()?;
    let mut listeners = Listeners::open(settings)?;
    let core = Arc::new(core(settings, store.clone(), names, library).await?);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    if !settings.metrics.listen.is_empty() {
        metrics::install();
    }
    for address in &settings.metrics.listen {
        let listener = sockets::tcp(*address).map_err(|source| StartError::Metrics { source })?;
        tasks.spawn(metrics::run(listener, stopped.clone()));
    }
    let addresses = listeners.addresses();
    let for_bootstrap = bootstrap::Listeners {
        modern: std::mem::take(&mut listeners.bootstrap),
        legacy: std::mem::take(&mut listeners.bootstrap_legacy),
    };
    let leases = leases(settings, &store)?;
    if let Some(identity) = identity {
        let shared = bootstrap_shared(settings, &core, &store, leases.clone())?;
        bootstrap::start(settings, shared, &identity, for_bootstrap, &stopped, &mut tasks).await?;
    }
    let usage = Arc::new(Usage::new(&settings.report));
    if let Some(leases) = &leases {
        // Whether a source answers is known before the first device asks.
        leases.probe().await;
        tasks.spawn(leases.clone().watch(stopped.clone()));
    }
    tasks.spawn(usage.clone().run(stopped.clone()));
    if let Some(token) = token {
        let admin = Admin::new(store.clone(), leases.clone(), usage.clone(), token);
        for listener in std::mem::take(&mut listeners.admin) {
            tasks.spawn(admin::run(listener, admin.clone(), stopped.clone()));
        }
    }
    let files = DeliveryService::new(
        core.clone(),
        shared,
        Verifier::new(settings, leases),
        usage,
        settings.delivery.names.clone(),
    );
    spawn(settings, &core, kdc, Arc::new(files), listeners, &stopped, &mut tasks).await?;
    if !settings.templates.poll.is_zero() {
        let watched = Watched {
            folder: settings.templates.path.clone(),
            every: settings.templates.poll,
            lookups: settings.lookup.keys().cloned().collect(),
            names: core.files.names.clone(),
            shared: core.files.library.clone(),
        };
        tasks.spawn(templates::watch(watched, stopped.clone()));
    }
    tasks.spawn(sweeper::run(core.clone(), settings.delivery.keep, stopped));
    Ok(Running {
        listeners: addresses,
        store,
        core,
        stop,
        tasks,
    })
}

impl Running {
    /// The line that says that all services listen: `ready` and each service with its addresses.
    pub fn ready_line(&self) -> String {
        self.listeners
            .iter()
            .fold("ready".to_owned(), |mut line, (service, addresses)| {
                let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let _ = write!(line, " {service}={addresses}");
                line
            })
    }

    /// The addresses of each service under its name.
    pub fn listeners_by_name(&self) -> BTreeMap<&'static str, &[SocketAddr]> {
        self.listeners
            .iter()
            .map(|(service, addresses)| (service.name(), addresses.as_slice()))
            .collect()
    }

    /// The MIB names and the templates in use.
    pub fn library(&self) -> (Arc<Names>, Arc<TemplateLibrary>) {
        (self.core.files.names.clone(), self.core.files.library.current())
    }

    /// The operator's choices it runs by.
    pub fn policy(&self) -> &Policy {
        &self.core.policy
    }

    /// Stops all services and waits for them, a few seconds at the most; the store is closed last.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOPPING, all).await.is_err() {
            self.tasks.abort_all();
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the database could not be closed in order; what was acknowledged is in it");
        }
    }
}

fn file_error<E: std::fmt::Display>(path: &Path, key: &'static str) -> impl FnOnce(E) -> StartError {
    let path = path.to_owned();
    move |reason| StartError::File {
        path,
        key,
        reason: reason.to_string(),
    }
}

fn certificates(path: &Path, key: &'static str) -> Result<Vec<Vec<u8>>, StartError> {
    let text = std::fs::read(path).map_err(file_error(path, key))?;
    certificates_from_pem(&text).map_err(file_error(path, key))
}

/// The device roots that the settings name.
///
/// # Errors
/// A file cannot be read, or holds no certificate.
pub fn device_roots(settings: &Settings) -> Result<TrustAnchors, StartError> {
    const KEY: &str = "[kdc] device_roots";
    let mut roots = Vec::new();
    for path in &settings.kdc.device_roots {
        roots.extend(certificates(path, KEY)?);
    }
    let first = settings.kdc.device_roots.first().cloned().unwrap_or_default();
    TrustAnchors::from_der(roots).map_err(|error: CertError| file_error(&first, KEY)(error))
}

/// The revocation lists that the settings name. Those of `anchors` are verified.
///
/// # Errors
/// A file cannot be read, holds no list, or one that its CA did not sign.
pub fn revocation_lists(settings: &Settings, anchors: &TrustAnchors) -> Result<RevocationLists, StartError> {
    const KEY: &str = "[kdc.crl] files";
    let mut lists = Vec::new();
    for path in &settings.kdc.crl.files {
        let octets = std::fs::read(path).map_err(file_error(path, KEY))?;
        for der in crls_from_file(&octets).map_err(file_error(path, KEY))? {
            lists.push(RevocationList::parse(&der).map_err(file_error(path, KEY))?);
        }
    }
    let first = settings.kdc.crl.files.first().cloned().unwrap_or_default();
    RevocationLists::new(lists, anchors.certificates()).map_err(file_error(&first, KEY))
}

/// The KDC's certificate chain and key.
///
/// # Errors
/// A file cannot be read, or the key is another certificate's.
pub fn kdc_identity(settings: &Settings) -> Result<Identity, StartError> {
    let kdc = &settings.kdc;
    let mut chain = certificates(&kdc.certificate, "[kdc] certificate")?;
    for path in &kdc.chain {
        chain.extend(certificates(path, "[kdc] chain")?);
    }
    const KEY: &str = "[kdc] key";
    let text = zeroize::Zeroizing::new(std::fs::read(&kdc.key).map_err(file_error(&kdc.key, KEY))?);
    let key = key_from_pem(&text).map_err(file_error(&kdc.key, KEY))?;
    Identity::new(&chain, key).map_err(|error: PkinitError| file_error(&kdc.key, KEY)(error))
}

fn bootstraps(settings: &Settings) -> bool {
    settings.bootstrap.enabled || settings.bootstrap_legacy.enabled
}

/// The bootstrapping server's certificate chain and key.
///
/// # Errors
/// A file cannot be read, or the key is another certificate's.
pub fn bootstrap_identity(settings: &Settings) -> Result<ServerIdentity, StartError> {
    let table = &settings.bootstrap;
    let mut chain = certificates(&table.certificate, "[bootstrap] certificate")?;
    for path in &table.chain {
        chain.extend(certificates(path, "[bootstrap] chain")?);
    }
    const KEY: &str = "[bootstrap] key";
    let text = zeroize::Zeroizing::new(std::fs::read(&table.key).map_err(file_error(&table.key, KEY))?);
    let key = key_from_pem(&text).map_err(file_error(&table.key, KEY))?;
    ServerIdentity::new(chain, key).map_err(|error| file_error(&table.key, KEY)(error))
}

fn bootstrap_shared(
    settings: &Settings,
    core: &Arc<Core>,
    store: &Arc<SqliteStore>,
    leases: Option<Arc<Leases>>,
) -> Result<bootstrap::Shared, StartError> {
    let anchors = device_roots(settings)?;
    let certificates = settings.kdc.cert_policy(revocation_lists(settings, &anchors)?);
    Ok(bootstrap::Shared {
        core: core.clone(),
        credentials: store.clone(),
        rules: Rules::new(&settings.bootstrap),
        document: bootstrap::document(settings)?,
        devices: Arc::new(DeviceVerifier::new(anchors, certificates)),
        leases,
        gzip: settings.bootstrap.gzip,
    })
}

/// The interop profile that the settings name, or the default.
///
/// # Errors
/// The file cannot be read, or is no profile.
pub fn profile(settings: &Settings) -> Result<Profile, StartError> {
    let Some(path) = &settings.profile.path else {
        return Ok(Profile::default());
    };
    let text = std::fs::read_to_string(path).map_err(file_error(path, "[profile] path"))?;
    toml::from_str(&text).map_err(file_error(path, "[profile] path"))
}

/// What is tried on devices of unknown vendors; none where the settings want no learning.
///
/// # Errors
/// The file cannot be read, or is no list of candidates.
pub fn candidates(settings: &Settings) -> Result<Option<Candidates>, StartError> {
    const KEY: &str = "[profile] candidates";
    let candidates = match &settings.profile.candidates {
        None => Candidates::shipped(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(file_error(path, KEY))?;
            Candidates::parse(&text).map_err(file_error(path, KEY))?
        }
    };
    Ok(settings.profile.learn.then_some(candidates))
}

fn policy(settings: &Settings) -> Policy {
    Policy {
        realm: settings.realm.clone(),
        organisation: settings.organisation.clone(),
        prov_fqdn: settings.prov_fqdn(),
        provisioning_timer: settings.delivery.provisioning_timer,
        clock_skew: settings.kdc.clock_skew,
        url_host: match &settings.delivery.url_host {
            UrlHost::Address => None,
            UrlHost::Name(name) => Some(name.clone()),
        },
        get_capabilities: settings.snmp.get_capabilities,
    }
}

fn kdc(settings: &Settings) -> Result<Kdc, StartError> {
    let profile = profile(settings)?;
    let anchors = device_roots(settings)?;
    Ok(Kdc {
        identity: kdc_identity(settings)?,
        certificates: settings.kdc.cert_policy(revocation_lists(settings, &anchors)?),
        anchors,
        allow_oakley1: settings.kdc.allow_oakley_1,
        stock_min_bits: settings.kdc.stock_min_bits,
        prefer_rfc4556: settings.kdc.prefer_rfc4556,
        etypes: settings.kdc.etypes.clone(),
        reply_key: profile.reply_key,
        pad: profile.pad,
        ticket_lifetime: settings.kdc.ticket_lifetime,
        policy: policy(settings),
    })
}

/// The lease sources; none where there is none to verify by.
///
/// # Errors
/// [`SourceSetupError`].
pub fn leases(settings: &Settings, store: &Arc<SqliteStore>) -> Result<Option<Arc<Leases>>, SourceSetupError> {
    let store: Arc<dyn Store> = store.clone();
    let leases = settings.verifies().then(|| Leases::new(settings, store).map(Arc::new));
    leases.transpose()
}

/// The token of the admin API.
///
/// # Errors
/// Its file cannot be read, may be read by others, or holds too short a token.
pub fn admin_token(settings: &Settings) -> Result<AdminToken, StartError> {
    let path = &settings.admin.token_file;
    AdminToken::load(path).map_err(file_error(path, "[admin] token_file"))
}

fn static_root(settings: &Settings) -> Result<Option<StaticRoot>, StartError> {
    let path = &settings.delivery.static_root;
    let serves = settings.tftp.enabled || settings.http.enabled;
    serves
        .then(|| StaticRoot::new(path).map_err(file_error(path, "[delivery] static_root")))
        .transpose()
}

/// The names of the built-in MIB modules and of the operator's.
///
/// # Errors
/// [`StartError::Mib`].
pub fn names(settings: &Settings) -> Result<Names, StartError> {
    let (names, warnings) = mib_path::names(&settings.mib.path)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(names)
}

async fn core(
    settings: &Settings,
    store: Arc<SqliteStore>,
    names: Arc<Names>,
    library: Arc<TemplateLibrary>,
) -> Result<Core, StartError> {
    let (engine_id, boots) = store.start_engine().await?;
    let store: Arc<dyn Store> = store;
    let profile = profile(settings)?;
    templates::count(&library);
    Ok(Core {
        keys: ServiceKeys::new(store.clone()),
        vendors: Vendors::new(store.clone(), candidates(settings)?),
        store,
        policy: policy(settings),
        files: file_maker(settings, names, library, profile.clone()),
        lookups: Lookups::new(&settings.lookup)?,
        cmts: CmtsSecrets::load(&settings.cable_modem)?,
        profile,
        engine: LocalEngine {
            engine_id,
            boots,
            started: Timestamp::now(),
        },
    })
}

/// What makes the files of this installation.
pub fn file_maker(
    settings: &Settings,
    names: Arc<Names>,
    library: Arc<TemplateLibrary>,
    profile: Profile,
) -> FileMaker {
    FileMaker {
        library: SharedLibrary::new(library),
        names,
        site: site(settings),
        encryption: settings.delivery.encryption,
        profile,
        endpoints: Endpoints {
            tftp: settings.listeners(Service::Tftp),
            http: settings.listeners(Service::Http),
        },
        triggers: Triggers {
            added: settings.bootstrap.trigger,
            url: settings.bootstrap.url.clone(),
            modern: settings.listeners(Service::Bootstrap),
            legacy: settings.listeners(Service::BootstrapLegacy),
        },
    }
}

/// What templates see of this installation.
fn site(settings: &Settings) -> Site {
    let notifications = settings.listeners(Service::Snmp);
    let address = |family| {
        notifications
            .iter()
            .map(SocketAddr::ip)
            .find(|ip| Family::of(*ip) == family)
    };
    let ipv4 = match address(Family::V4) {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    };
    let ipv6 = match address(Family::V6) {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    };
    Site {
        realm: settings.realm.clone(),
        organisation: settings.organisation.clone(),
        prov_fqdn: settings.prov_fqdn(),
        ipv4,
        ipv6,
        notification_port: notifications.first().map_or(162, SocketAddr::port),
        vars: settings.templates.vars.clone(),
    }
}

impl Listeners {
    fn open(settings: &Settings) -> Result<Self, StartError> {
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

    fn addresses(&self) -> Vec<(Service, Vec<SocketAddr>)> {
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
            (Service::Tftp, self.tftp.iter().map(TftpListener::address).collect()),
            (Service::Http, tcp(&self.http)),
            (Service::Dns, udp(&self.dns_udp)),
            (Service::Admin, tcp(&self.admin)),
            (Service::Bootstrap, tcp(&self.bootstrap)),
            (Service::BootstrapLegacy, tcp(&self.bootstrap_legacy)),
        ];
        all.into_iter().filter(|(_, addresses)| !addresses.is_empty()).collect()
    }
}

async fn spawn(
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
        udp::serve(Service::Kdc, listeners.kdc_udp, &permits(), stopped, handle, tasks);
        let connections = Arc::new(Semaphore::new(KDC_CONNECTIONS));
        for listener in listeners.kdc_tcp {
            tasks.spawn(serve_tcp(
                service.clone(),
                listener,
                connections.clone(),
                stopped.clone(),
            ));
        }
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
    tasks.spawn(tftp::run(
        listeners.tftp,
        files.clone(),
        tftp_settings(settings),
        stopped.clone(),
    ));
    tasks.spawn(http::run(
        listeners.http,
        files,
        http_settings(settings),
        stopped.clone(),
    ));
    Ok(())
}

fn transfer_ports(settings: &Settings) -> TransferPorts {
    let ports = settings.tftp.transfer_ports.clone();
    ports.map_or(TransferPorts::Ephemeral, TransferPorts::Pool)
}

fn tftp_settings(settings: &Settings) -> TftpSettings {
    let tftp = &settings.tftp;
    let relays: Arc<[IpNet]> = settings.relays_that_name_clients().into();
    TftpSettings {
        limits: Limits {
            max_block_size: tftp.max_block_size,
            max_window: tftp.max_window,
            min_timeout: tftp.min_timeout,
            max_timeout: tftp.max_timeout,
        },
        pace: Pace {
            first: tftp.retransmit_after,
            longest: tftp.retransmit_after.max(Pace::default().longest),
            retries: tftp.retries,
            lifetime: tftp.lifetime,
        },
        max_transfers: tftp.max_transfers,
        sources: SourceLimits {
            per_second: tftp.rate_per_source,
            half_open: tftp.half_open_per_source,
            exempt: settings.relays().into(),
        },
        relays,
        ..TftpSettings::default()
    }
}

fn http_settings(settings: &Settings) -> HttpSettings {
    let http = &settings.http;
    HttpSettings {
        max_connections: http.max_connections,
        connections_per_source: http.connections_per_source,
        exempt: settings.relays().into(),
        header_timeout: http.header_timeout,
        stall_timeout: http.stall_timeout,
        lifetime: http.lifetime,
        ..HttpSettings::default()
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
        tasks.spawn(dns::serve_tcp(service, listener, connections, stopped.clone()));
    }
}

fn keymgmt_settings(settings: &Settings) -> KeymgmtSettings {
    let keymgmt = &settings.keymgmt;
    KeymgmtSettings {
        suites: keymgmt.ciphersuites.clone(),
        ack_required: keymgmt.ack_required,
        wake_ups: WakeUps {
            device_port: keymgmt.device_port,
            nominal: keymgmt.wake_up_timeout,
            retries: keymgmt.wake_up_retries,
            window: keymgmt.solicited_window,
        },
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

/// The MTA-FQDN services by provisioning server: the operator's, and this installation's own.
fn fqdn_servers(settings: &Settings) -> FqdnServers {
    let mut by_name = settings.kdc.fqdn_servers.clone();
    if let Some(own) = settings.listeners(Service::Fqdn).first() {
        // A wildcard is listened on, not spoken to.
        let ip = match own.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        by_name
            .entry(settings.prov_fqdn())
            .or_insert(SocketAddr::new(ip, own.port()));
    }
    FqdnServers {
        by_name,
        timeout: settings.kdc.fqdn_timeout,
        retries: settings.kdc.fqdn_retries,
        port: Service::Fqdn.standard_port().saturating_add(settings.port_offset),
    }
}
