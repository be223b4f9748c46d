//! Kerberos over TCP: a length of four octets, big-endian, before each message (RFC 4120 §7.2.2).

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::KdcService;
use crate::service::drops;
use crate::settings::Service;

/// The longest request; a PKINIT one with a long chain has some 6,000 octets.
const REQUEST_MAX: usize = 65_536;
/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);

/// Serves connections of `listener` until `stop` turns true, as many at once as `connections` has permits.
pub async fn serve_tcp(
    service: Arc<KdcService>,
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
                tracing::warn!(%error, "the KDC cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            drops::count(Service::Kdc, "too many connections", peer, 0);
            continue;
        };
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

async fn converse(service: Arc<KdcService>, mut stream: TcpStream, peer: std::net::SocketAddr) -> std::io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u32()).await else {
            return Ok(());
        };
        let length = length? as usize;
        if length == 0 || length > REQUEST_MAX {
            drops::count(Service::Kdc, "length of a TCP request", peer, 0);
            return Ok(());
        }
        let mut request = vec![0; length];
        match timeout(IDLE, stream.read_exact(&mut request)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        let Some(reply) = service.clone().answer(request, peer).await else {
            return Ok(());
        };
        let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
        let framed = [&length.to_be_bytes()[..], &reply].concat();
        match timeout(IDLE, stream.write_all(&framed)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
}
