//! The HTTP/1.1 server for files: GET and HEAD, nothing else.

mod body;
mod conditions;
mod impatient;
mod range;
mod respond;
mod taken;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::impatient::Impatient;
use self::respond::Connected;
use self::taken::Ledger;
use super::files::FileSource;
use super::gate::{Gate, Pass};
use super::sockets::{self, BindError};
use super::{connections, drops, shutdown};
use crate::settings::Service;

/// Header fields of a request, at most.
const MAX_HEADERS: usize = 64;

/// The longest request head in octets that is buffered.
const MAX_HEAD: usize = 16 << 10;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Connections at once, by listener; what comes beyond is closed unread.
    pub max_connections: usize,
    /// Connections of one source address at once, by listener; 0 sets no limit.
    pub connections_per_source: usize,
    /// Networks without that limit: relays, behind which many devices are.
    pub exempt: Arc<[IpNet]>,
    /// The longest wait for the whole head of a request, the next one of a connection included.
    pub header_timeout: Duration,
    /// The longest wait for a client to take anything of a response.
    pub stall_timeout: Duration,
    /// The longest life of a connection. It ends those that read slowly for ever.
    pub lifetime: Duration,
    /// The longest wait for [`FileSource::open`].
    pub open_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            connections_per_source: 1_024,
            exempt: Arc::default(),
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(3_600),
            open_timeout: Duration::from_secs(5),
        }
    }
}

impl HttpSettings {
    /// How many connections `source` may have at once; 0 sets no limit.
    fn limit_of(&self, source: IpAddr) -> usize {
        let exempt = self.exempt.iter().any(|network| network.contains(&source));
        if exempt { 0 } else { self.connections_per_source }
    }
}

/// Opens a listener on `address`. To be called within a tokio runtime.
///
/// # Errors
/// [`BindError`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    sockets::tcp(address)
}

/// Serves until `shutdown` holds `true` or its sender is gone.
pub async fn run<S: FileSource>(
    listeners: Vec<TcpListener>,
    source: Arc<S>,
    settings: HttpSettings,
    shutdown: watch::Receiver<bool>,
) {
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(
            listener,
            Arc::clone(&source),
            settings.clone(),
            shutdown.clone(),
        ));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept<S: FileSource>(
    listener: TcpListener,
    source: Arc<S>,
    settings: HttpSettings,
    shutdown: watch::Receiver<bool>,
) {
    let gate = Gate::new(settings.max_connections);
    let stopping = shutdown.clone();
    connections::accept(Service::Http, listener, shutdown, |stream, peer| {
        match gate.admit(peer.ip(), settings.limit_of(peer.ip())) {
            Ok(pass) => {
                let (source, settings, stopping) = (Arc::clone(&source), settings.clone(), stopping.clone());
                Some(connection(stream, peer, pass, source, settings, stopping))
            }
            Err(limit) => {
                drops::count(Service::Http, limit, peer, 0);
                None
            }
        }
    })
    .await;
}

async fn connection<S: FileSource>(
    stream: TcpStream,
    peer: SocketAddr,
    pass: Pass,
    source: Arc<S>,
    settings: HttpSettings,
    mut shutdown: watch::Receiver<bool>,
) {
    let ledger = Ledger::default();
    let stream = Impatient::new(stream, settings.stall_timeout, ledger.clone());
    let connected = Arc::new(Connected {
        peer,
        source,
        open_timeout: settings.open_timeout,
        ledger,
        pass: Arc::new(pass),
    });
    let service = service_fn(move |request| respond::respond(request, Arc::clone(&connected)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may close its side when it has asked (RFC 1122 §4.2.2.13); who is gone is noticed when it is written to.
        .half_close(true)
        .header_read_timeout(settings.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let served = async move {
        let result = tokio::select! {
            result = &mut connection => result,
            () = shutdown::requested(&mut shutdown) => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        // HTTP has ended, and the client may still be reading, or sending what nobody wants.
        let mut stream = connection.into_parts().io.into_inner();
        stream.last_octets().await;
        if !*shutdown.borrow() {
            connections::part(stream).await;
        }
        result
    };
    let result = tokio::select! {
        result = served => result,
        () = tokio::time::sleep(settings.lifetime) => {
            return drops::count(Service::Http, "connection_too_long", peer, 0);
        }
    };
    if let Err(error) = result {
        drops::count(Service::Http, fault(&error), peer, 0);
    }
}

/// A fixed word for what ended a connection.
fn fault(error: &hyper::Error) -> &'static str {
    let stalled = |error: &hyper::Error| {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut)
    };
    if error.is_timeout() {
        "timeout"
    } else if stalled(error) {
        "stalled"
    } else if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "malformed"
    } else {
        "connection_lost"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_have_as_many_connections_as_they_like() {
        let settings = HttpSettings {
            connections_per_source: 2,
            exempt: Arc::from(["192.0.2.128/25".parse().unwrap()]),
            ..HttpSettings::default()
        };
        let limit = |source: &str| settings.limit_of(source.parse().unwrap());
        assert_eq!((limit("192.0.2.1"), limit("192.0.2.129")), (2, 0));
    }
}
