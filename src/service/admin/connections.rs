//! The connections of the admin API: bounded in number, and in the time that they take to ask.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::service::gate::{Gate, Pass};
use crate::service::{connections, shutdown};
use crate::settings::Service;

/// Connections at once; one more is closed.
const MOST: usize = 256;
/// How long a client may take to send the head of a request, or to ask again.
const HEAD: Duration = Duration::from_secs(10);

/// Answers by `router` what comes to `listener`, until `stop` turns true.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    let gate = Gate::new(MOST);
    let stopping = stop.clone();
    connections::accept(Service::Admin, listener, stop, |stream, peer| {
        match gate.admit(peer.ip(), 0) {
            Ok(pass) => Some(connection(stream, router.clone(), pass, stopping.clone())),
            Err(_) => {
                tracing::warn!(%peer, most = MOST, "the admin API has too many connections: this one is closed");
                None
            }
        }
    })
    .await;
}

async fn connection(stream: TcpStream, router: Router, _pass: Pass, mut stop: watch::Receiver<bool>) {
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may close its side when it has asked (RFC 1122 §4.2.2.13).
        .half_close(true)
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown::requested(&mut stop) => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if !*stop.borrow() {
        connections::part(connection.into_parts().io.into_inner()).await;
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin API ended early");
    }
}
