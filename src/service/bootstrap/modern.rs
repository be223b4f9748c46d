//! The listener for TLS 1.2 and 1.3, by rustls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::alert::{Alerting, CERTIFICATE_REQUIRED, HANDSHAKE_FAILURE};
use super::ask::Client;
use super::desk::Desk;
use super::limits::{Limits, source_of};
use super::verifier::{DeviceVerifier, Refused, RustlsVerifier, last_refused};
use super::{BootstrapError, ServerIdentity, http};
use crate::service::connections::part;
use crate::service::gate::{Gate, Pass};
use crate::service::{connections, drops};
use crate::settings::Service;

/// A stream behind its handshake.
type Secured = TlsStream<Alerting<TcpStream, fn(u8) -> u8>>;

/// What rustls needs to know. Sessions are never resumed: each connection proves anew who it is.
///
/// # Errors
/// [`BootstrapError::Identity`] where rustls does not take the key.
pub(super) fn tls(
    identity: &ServerIdentity,
    devices: Arc<DeviceVerifier>,
) -> Result<Arc<ServerConfig>, BootstrapError> {
    let wrong = |error: String| BootstrapError::Identity(error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = identity
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = identity
        .key
        .private_key_to_pkcs8()
        .map_err(|error| wrong(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_client_cert_verifier(Arc::new(RustlsVerifier::new(devices)))
        .with_single_cert(chain, key)
        .map_err(|error| wrong(format!("{error}; TLS 1.2 and 1.3 need an RSA key of 2048 bits or more")))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until `stop` holds `true`.
pub(super) async fn run(
    listeners: Vec<TcpListener>,
    config: Arc<ServerConfig>,
    limits: Limits,
    desk: Desk,
    stop: watch::Receiver<bool>,
) {
    let gate = Gate::new(limits.connections);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let terminal = Terminal {
            acceptor: TlsAcceptor::from(Arc::clone(&config)),
            gate: Arc::clone(&gate),
            limits,
            desk: desk.clone(),
        };
        accepting.spawn(terminal.accept(listener, stop.clone()));
    }
    while accepting.join_next().await.is_some() {}
}

/// Where TLS ends.
#[derive(Clone)]
struct Terminal {
    acceptor: TlsAcceptor,
    gate: Arc<Gate>,
    limits: Limits,
    desk: Desk,
}

impl Terminal {
    async fn accept(self, listener: TcpListener, stop: watch::Receiver<bool>) {
        let stopping = stop.clone();
        connections::accept(Service::Bootstrap, listener, stop, |stream, peer| {
            match self.gate.admit(source_of(peer.ip()), self.limits.per_source) {
                Ok(pass) => Some(self.clone().connection(stream, peer, pass, stopping.clone())),
                Err(limit) => {
                    drops::count(Service::Bootstrap, limit, peer, 0);
                    None
                }
            }
        })
        .await;
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, _pass: Pass, stop: watch::Receiver<bool>) {
        // Answers are written whole.
        let _ = stream.set_nodelay(true);
        // What a handshake needs is given back when it is over: the connection may wait for long.
        let Some(stream) = Box::pin(self.handshake(stream, peer)).await else {
            return;
        };
        #[expect(clippy::borrowed_box, reason = "what is served is lent as it was given: boxed")]
        let who = move |stream: &Box<Secured>| Some(client(stream.get_ref().1, peer));
        if let Err(fault) = http::serve(stream, who, &self.limits, self.desk.clone(), stop).await {
            drops::count(Service::Bootstrap, fault, peer, 0);
        }
    }

    /// The stream of a peer that proved who it is.
    async fn handshake(&self, stream: TcpStream, peer: SocketAddr) -> Option<Box<Secured>> {
        let rewrite: fn(u8) -> u8 = of_its_version;
        let handshake = self.acceptor.accept(Alerting::new(stream, rewrite)).into_fallible();
        match tokio::time::timeout(self.limits.handshake, handshake).await {
            Err(_) => drops::count(Service::Bootstrap, "handshake_timeout", peer, 0),
            Ok(Err((error, stream))) => {
                self.failed(&error, peer);
                part(stream).await;
            }
            Ok(Ok(stream)) => return Some(Box::new(stream)),
        }
        None
    }

    /// Counts a handshake that failed, once, with its reason.
    fn failed(&self, error: &io::Error, peer: SocketAddr) {
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::NoCertificatesPresented) => self.desk.refused_certificate(&Refused::none(), peer),
            Some(rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature)) => {
                drops::count(Service::Bootstrap, "bad_signature", peer, 0);
            }
            Some(rustls::Error::InvalidCertificate(_)) => {
                if let Some(refused) = last_refused() {
                    self.desk.refused_certificate(&refused, peer);
                }
            }
            Some(rustls::Error::AlertReceived(_)) => drops::count(Service::Bootstrap, "alert_received", peer, 0),
            Some(rustls::Error::PeerIncompatible(_)) => drops::count(Service::Bootstrap, "incompatible", peer, 0),
            Some(_) => drops::count(Service::Bootstrap, "malformed", peer, 0),
            None => drops::count(Service::Bootstrap, "connection_lost", peer, 0),
        }
    }
}

fn client(connection: &ServerConnection, peer: SocketAddr) -> Client {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    let suite = connection
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    let chain = connection.peer_certificates().unwrap_or_default();
    Client {
        peer,
        chain: Arc::new(chain.iter().map(|certificate| certificate.to_vec()).collect()),
        tls: format!("{version} {}", suite.unwrap_or_default()).into(),
    }
}

/// rustls has certificate_required for a peer that presents no certificate, whatever its version. TLS 1.2 does not know
/// that alert, and has handshake_failure in its place (RFC 5246 §7.4.6).
fn of_its_version(alert: u8) -> u8 {
    match alert {
        CERTIFICATE_REQUIRED => HANDSHAKE_FAILURE,
        other => other,
    }
}
