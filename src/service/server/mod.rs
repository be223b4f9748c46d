//! All services of one process: opened together, so that nothing runs where something is missing, and stopped together.

mod choices;
mod error;
mod files;
mod listeners;
mod spawn;
mod transfers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::admin::{self, Admin};
use super::bootstrap::{self, BootstrapError, DeviceVerifier};
use super::core::Core;
use super::delivery::DeliveryService;
use super::dynamic::CmtsSecrets;
use super::keys::ServiceKeys;
use super::lease::{Leases, SourceSetupError};
use super::lookup::Lookups;
use super::rate::RateLimit;
use super::sockets;
use super::templates::{self, Watched};
use super::usage::Usage;
use super::vendors::Vendors;
use super::verify::Verifier;
use super::{metrics, sweeper};
use crate::mib::Names;
use crate::provisioning::Policy;
use crate::provisioning::bootstrap::Rules;
use crate::settings::{Service, Settings};
use crate::store::{MasterKey, SqliteStore, Store};
use crate::template::TemplateLibrary;
use crate::value::Timestamp;
use crate::wire::snmp::LocalEngine;
use choices::kdc;
pub use choices::{file_maker, policy};
pub use error::StartError;
use files::static_root;
pub use files::{
    admin_token, bootstrap_identity, candidates, device_roots, kdc_identity, names, profile, revocation_lists,
};
use listeners::Listeners;
use spawn::spawn;
use transfers::Transfers;

const MINUTE: Duration = Duration::from_secs(60);
/// How long the services get to stop.
const STOPPING: Duration = Duration::from_secs(4);
/// How long the store of the settings before is kept after a reload, for the transfers that it was asked for.
const KEPT: Duration = Duration::from_secs(10);

/// A server that runs.
pub struct Running {
    /// What each enabled service listens on.
    pub listeners: Vec<(Service, Vec<SocketAddr>)>,
    /// The store it runs on.
    pub store: Arc<SqliteStore>,
    core: Arc<Core>,
    transfers: Transfers,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What goes on while the other services stop and start again.
#[derive(Default)]
pub struct Kept {
    transfers: Option<Transfers>,
    stores: Vec<Arc<SqliteStore>>,
}

/// Reads every file that the settings name, as [`start`] does, and starts nothing: what fails here would fail there.
///
/// # Errors
/// [`StartError::File`].
pub fn rehearse(settings: &Settings) -> Result<(), StartError> {
    if settings.kdc.enabled {
        kdc(settings)?;
    }
    if bootstraps(settings) {
        bootstrap_identity(settings)?;
        revocation_lists(settings, &device_roots(settings)?)?;
        bootstrap::document(settings)?;
        bootstrap::legacy_user(settings).map_err(BootstrapError::Legacy)?;
    }
    if settings.admin.enabled {
        admin_token(settings)?;
    }
    profile(settings)?;
    candidates(settings)?;
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
    start_with(settings, names, library, &mut Kept::default()).await
}

/// The same with MIB names and templates that were read before, since a reload looks at them before anything is stopped, and
/// with what was kept running.
///
/// # Errors
/// [`StartError`]; nothing runs then but what is kept.
pub async fn start_with(
    settings: &Settings,
    names: Arc<Names>,
    library: Arc<TemplateLibrary>,
    kept: &mut Kept,
) -> Result<Running, StartError> {
    let store = Arc::new(SqliteStore::open(&settings.database, MasterKey::load(&settings.master_key)?).await?);
    let kdc = settings.kdc.enabled.then(|| kdc(settings)).transpose()?;
    let shared = static_root(settings)?;
    let token = settings.admin.enabled.then(|| admin_token(settings)).transpose()?;
    let identity = bootstraps(settings).then(|| bootstrap_identity(settings)).transpose()?;
    if !kept
        .transfers
        .as_ref()
        .is_some_and(|transfers| transfers.fits(settings))
    {
        kept.end_transfers().await;
    }
    let mut listeners = Listeners::open(settings, kept.transfers.is_none())?;
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
    let mut addresses = listeners.addresses();
    let for_tftp = std::mem::take(&mut listeners.tftp);
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
        let admin = Admin::new(store.clone(), store.clone(), leases.clone(), usage.clone(), token);
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
    let files = Arc::new(files);
    spawn(settings, &core, kdc, files.clone(), listeners, &stopped, &mut tasks).await?;
    let transfers = match kept.transfers.take() {
        Some(transfers) => {
            transfers.go_on(settings, files);
            transfers
        }
        None => Transfers::start(settings, for_tftp, files),
    };
    let place = addresses.iter().position(|(service, _)| *service == Service::Http);
    addresses.insert(
        place.unwrap_or(addresses.len()),
        (Service::Tftp, transfers.addresses().to_vec()),
    );
    addresses.retain(|(_, addresses)| !addresses.is_empty());
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
        transfers,
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
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        tokio::join!(self.transfers.stop(STOPPING), ended(self.tasks));
        close(&self.store).await;
    }

    /// Stops what can only be started anew, and waits for it, a few seconds at the most. What goes on is for
    /// [`start_with`].
    pub async fn pause(self) -> Kept {
        let _ = self.stop.send(true);
        ended(self.tasks).await;
        Kept {
            transfers: Some(self.transfers),
            stores: vec![self.store],
        }
    }
}

impl Kept {
    async fn end_transfers(&mut self) {
        if let Some(transfers) = self.transfers.take() {
            transfers.stop(STOPPING).await;
        }
    }

    /// Ends what was not taken over. A transfer that was begun by the settings before may still be asking their store, which
    /// is closed a while later.
    pub async fn end(mut self) {
        self.end_transfers().await;
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            for store in &self.stores {
                close(store).await;
            }
        });
    }
}

/// Waits for tasks that were told to stop.
async fn ended(mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOPPING, all).await.is_err() {
        tasks.abort_all();
    }
}

async fn close(store: &SqliteStore) {
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the database could not be closed in order; what was acknowledged is in it");
    }
}

fn bootstraps(settings: &Settings) -> bool {
    settings.bootstrap.enabled || settings.bootstrap_legacy.enabled
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
        rate: RateLimit::within(MINUTE, settings.bootstrap.requests_per_device),
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
