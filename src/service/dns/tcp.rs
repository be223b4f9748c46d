//! DNS over TCP: a length of two octets, big-endian, before each message (RFC 1035 §4.2.2, RFC 7766).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::net::xfer::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::{DnsService, SERVICE};
use crate::service::drops;

/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// The longest query that is read.
const QUERY_MAX: usize = 4_096;

/// Serves connections of `listener` until `stop` turns true, as many at once as `connections` has permits.
pub async fn serve_tcp(
    service: Arc<DnsService>,
    listener: TcpListener,
    connections: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|&stopped| stopped) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: waiting lets connections end.
                tracing::warn!(%error, "the DNS server cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            drops::count(SERVICE, "too many connections", peer, 0);
            continue;
        };
        if !service.admits(peer) {
            continue;
        }
        let (service, mut stop) = (service.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = converse(service, stream, peer) => {}
                _ = stop.wait_for(|&stopped| stopped) => {}
            }
            drop(permit);
        });
    }
}

async fn converse(service: Arc<DnsService>, mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u16()).await else {
            return Ok(());
        };
        let length = usize::from(length?);
        if length > QUERY_MAX {
            drops::count(SERVICE, "length of a TCP query", peer, 0);
            return Ok(());
        }
        let mut query = vec![0; length];
        match timeout(IDLE, stream.read_exact(&mut query)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        let Some(answer) = service.clone().answer(query, peer, Protocol::Tcp).await else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        match timeout(IDLE, stream.write_all(&framed)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
}
