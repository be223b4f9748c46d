//! The connections of the admin API: bounded in number, and in the time that they take to ask.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::service::shutdown;

/// Connections at once; one more is closed.
const MOST: usize = 256;
/// How long a client may take to send the head of a request, or to ask again.
const HEAD: Duration = Duration::from_secs(10);
/// The wait after the system refused to accept a connection: out of descriptors, most likely, and meanwhile some end.
const PAUSE: Duration = Duration::from_millis(100);
/// How long answers may take to go out when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Answers by `router` what comes to `listener`, until `stop` turns true.
pub(super) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let stopping = stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown::requested(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((_, peer)) if connections.len() >= MOST => {
                    tracing::warn!(%peer, most = MOST, "the admin API has too many connections: this one is closed");
                }
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the admin API cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ANSWERS, last).await;
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown::requested(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin API ended early");
    }
}
