//! Certificate bootstrapping: credentials over mutual TLS (seed 003 §6.6.5).
//!
//! Two listeners lead to one [`Desk`]. TLS 1.2 and 1.3 end in this process, by rustls. The suites that PacketCable mandates
//! end in a process of its own, by OpenSSL, which has neither the database nor the master key: it passes each request and
//! the certificates it came with over a private socket, and takes the answer back.

mod alert;
mod ask;
mod desk;
mod head;
mod http;
#[cfg(feature = "legacy-tls")]
pub mod legacy;
mod limits;
mod modern;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use openssl::pkey::{PKey, Private};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use desk::{Desk, Shared};
pub use limits::Limits;
pub use verifier::DeviceVerifier;

use super::shutdown;
use crate::provisioning::bootstrap::{Document, DocumentError, Facing};
use crate::settings::{Service, Settings};
use crate::store::CredentialStore;
use crate::value::Timestamp;

/// How often records of reads that have served their time are looked for.
const FORGETTING: Duration = Duration::from_secs(3_600);

/// Why bootstrapping does not start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The certificate and key cannot be used.
    #[error("{0}: name a certificate of [bootstrap] and the RSA key that belongs to it")]
    Identity(String),
    /// The process for the legacy suites does not start.
    #[error("[bootstrap_legacy]: {0}")]
    Legacy(String),
}

/// The server's certificate chain and key.
pub struct ServerIdentity {
    /// Its certificate, then those above it, DER.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: PKey<Private>,
}

impl ServerIdentity {
    /// A certificate chain with its key.
    ///
    /// # Errors
    /// [`BootstrapError::Identity`] where the key is not the first certificate's.
    pub fn new(chain: Vec<Vec<u8>>, key: PKey<Private>) -> Result<Self, BootstrapError> {
        let wrong = |error: String| BootstrapError::Identity(error);
        let leaf = chain.first().ok_or_else(|| wrong("there is no certificate".into()))?;
        let leaf = openssl::x509::X509::from_der(leaf).map_err(|error| wrong(error.to_string()))?;
        let public = leaf.public_key().map_err(|error| wrong(error.to_string()))?;
        if key.rsa().is_err() {
            return Err(wrong("the key is not RSA".into()));
        }
        if !public.public_eq(&key) {
            return Err(wrong("the key is not the certificate's".into()));
        }
        Ok(Self { chain, key })
    }
}

/// The listeners of both services.
pub struct Listeners {
    /// For TLS 1.2 and 1.3.
    pub modern: Vec<TcpListener>,
    /// For the suites that PacketCable mandates.
    pub legacy: Vec<TcpListener>,
}

/// Starts both services; whatever runs when this returns is among `tasks` and ends when `stop` holds `true`.
///
/// # Errors
/// [`BootstrapError`].
pub async fn start(
    settings: &Settings,
    shared: Shared,
    identity: &ServerIdentity,
    listeners: Listeners,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), BootstrapError> {
    let limits = Limits::new(&settings.bootstrap);
    let shared = Arc::new(shared);
    tasks.spawn(forget_reads(
        shared.credentials.clone(),
        settings.bootstrap.keep_reads,
        stop.clone(),
    ));
    if !listeners.modern.is_empty() {
        let config = modern::tls(identity, shared.devices.clone())?;
        let desk = Desk::new(Service::Bootstrap, shared.clone());
        tasks.spawn(modern::run(listeners.modern, config, limits, desk, stop.clone()));
    }
    if listeners.legacy.is_empty() {
        #[cfg(not(feature = "legacy-tls"))]
        tracing::info!("bootstrap_legacy is not in this build, which is without the feature legacy-tls");
        return Ok(());
    }
    let desk = Desk::new(Service::BootstrapLegacy, shared);
    start_legacy(settings, identity, limits, listeners.legacy, desk, stop, tasks).await
}

#[cfg(feature = "legacy-tls")]
async fn start_legacy(
    settings: &Settings,
    identity: &ServerIdentity,
    limits: Limits,
    listeners: Vec<TcpListener>,
    desk: Desk,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), BootstrapError> {
    let table = &settings.bootstrap_legacy;
    let orders = legacy::Orders::new(table, identity, limits, &desk)?;
    let keeper = legacy::Keeper::start(orders, listeners, desk, &table.user).await?;
    tasks.spawn(keeper.run(stop.clone()));
    Ok(())
}

#[cfg(not(feature = "legacy-tls"))]
async fn start_legacy(
    _: &Settings,
    _: &ServerIdentity,
    _: Limits,
    _: Vec<TcpListener>,
    _: Desk,
    _: &watch::Receiver<bool>,
    _: &mut JoinSet<()>,
) -> Result<(), BootstrapError> {
    Err(BootstrapError::Legacy(NOT_BUILT.into()))
}

/// What is said where the table asks for what this program was built without.
#[cfg(not(feature = "legacy-tls"))]
const NOT_BUILT: &str = "this program was built without the feature legacy-tls: set enabled = false, or build it with \
     the feature";

/// Whether the process for the legacy suites can become the user that the settings name.
///
/// # Errors
/// What is wrong, for the operator.
#[cfg(feature = "legacy-tls")]
pub fn legacy_user(settings: &Settings) -> Result<(), String> {
    let table = &settings.bootstrap_legacy;
    if !table.enabled || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    legacy::unprivileged(&table.user).map(drop)
}

/// Whether the process for the legacy suites can be had at all.
///
/// # Errors
/// What is wrong, for the operator.
#[cfg(not(feature = "legacy-tls"))]
pub fn legacy_user(settings: &Settings) -> Result<(), String> {
    if settings.bootstrap_legacy.enabled {
        Err(NOT_BUILT.into())
    } else {
        Ok(())
    }
}

/// The document's template that the settings name, or the built-in one.
///
/// # Errors
/// The template's own error.
pub fn document(settings: &Settings) -> Result<Document, DocumentError> {
    let facing = Facing {
        realm: settings.realm.clone(),
        domain: settings.domain.clone(),
        organisation: settings.organisation.clone(),
    };
    Document::load(settings.bootstrap.template.as_deref(), facing)
}

/// Forgets, now and then, the records of reads that are older than `keep`.
async fn forget_reads(store: Arc<dyn CredentialStore>, keep: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp(Timestamp::now().0.saturating_sub(keep));
        if let Err(error) = store.forget_credential_reads(before).await {
            tracing::warn!(%error, "old records of reads are not forgotten");
        }
        tokio::select! {
            () = tokio::time::sleep(FORGETTING) => {}
            () = shutdown::requested(&mut stop) => return,
        }
    }
}
