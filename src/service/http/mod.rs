//! The HTTP/1.1 server for files: GET and HEAD, nothing else.

mod range;
mod respond;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::drops;
use super::files::FileSource;
use super::shutdown;
use super::sockets::{self, BindError};
use crate::settings::Service;

/// Header fields of a request, at most.
const MAX_HEADERS: usize = 64;

/// The longest request head in octets that is buffered.
const MAX_HEAD: usize = 16 << 10;

/// How long connections may go on when the service stops.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

/// The wait after the system refused to accept a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings {
    /// Connections at once, by listener; what comes beyond is closed unread.
    pub max_connections: usize,
    /// The longest wait for the whole head of a request, the next one of a connection included.
    pub header_timeout: Duration,
    /// The longest life of a connection. It ends those that read slowly for ever.
    pub lifetime: Duration,
    /// The longest wait for [`FileSource::open`].
    pub open_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_timeout: Duration::from_secs(10),
            lifetime: Duration::from_secs(900),
            open_timeout: Duration::from_secs(5),
        }
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
        accepting.spawn(accept(listener, Arc::clone(&source), settings, shutdown.clone()));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept<S: FileSource>(
    listener: TcpListener,
    source: Arc<S>,
    settings: HttpSettings,
    mut shutdown: watch::Receiver<bool>,
) {
    let stopping = shutdown.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown::requested(&mut shutdown) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((_, peer)) if connections.len() >= settings.max_connections => {
                    drops::count(Service::Http, "too_many_connections", peer, 0);
                }
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, Arc::clone(&source), settings, stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_RESPONSES, last).await;
}

async fn connection<S: FileSource>(
    stream: TcpStream,
    peer: SocketAddr,
    source: Arc<S>,
    settings: HttpSettings,
    mut shutdown: watch::Receiver<bool>,
) {
    let service = service_fn(|request| respond::respond(request, peer, Arc::clone(&source), settings.open_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = tokio::time::sleep(settings.lifetime) => {
            return drops::count(Service::Http, "connection_too_long", peer, 0);
        }
        () = shutdown::requested(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = result {
        drops::count(Service::Http, fault(&error), peer, 0);
    }
}

/// A fixed word for what ended a connection.
fn fault(error: &hyper::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "malformed"
    } else {
        "connection_lost"
    }
}
