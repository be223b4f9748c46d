//! Receiving from UDP sockets, with a bound on what is in flight.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::drops;
use crate::settings::Service;

/// The largest UDP payload.
const DATAGRAM_MAX: usize = 65_535;

/// One received datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Its payload.
    pub payload: Vec<u8>,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address it was sent to, as far as the listener knows it.
    pub local: SocketAddr,
}

/// Serves `sockets` until `stop` turns true: each datagram is handled in a task of its own, and what `handle` returns is
/// sent back. No more than `in_flight` datagrams are handled at once; what comes beyond is dropped and counted, since
/// its sender repeats it. The receiving tasks are added to `tasks`; the sockets come back for sending.
pub fn serve<H, F>(
    service: Service,
    sockets: Vec<UdpSocket>,
    in_flight: &Arc<Semaphore>,
    stop: &watch::Receiver<bool>,
    handle: H,
    tasks: &mut JoinSet<()>,
) -> Vec<Arc<UdpSocket>>
where
    H: Fn(Datagram, Arc<UdpSocket>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Vec<u8>>> + Send + 'static,
{
    let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
    for socket in &sockets {
        let (in_flight, stop, handle) = (in_flight.clone(), stop.clone(), handle.clone());
        tasks.spawn(receive(service, socket.clone(), in_flight, stop, handle));
    }
    sockets
}

async fn receive<H, F>(
    service: Service,
    socket: Arc<UdpSocket>,
    in_flight: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Datagram, Arc<UdpSocket>) -> F + Send + Sync + 'static,
    F: Future<Output = Option<Vec<u8>>> + Send + 'static,
{
    let Ok(local) = socket.local_addr() else { return };
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            _ = stop.wait_for(|&stopped| stopped) => return,
        };
        // An error here is one peer's ICMP answer to an earlier send, not the socket's end.
        let Ok((length, peer)) = received else { continue };
        let Ok(permit) = in_flight.clone().try_acquire_owned() else {
            drops::count(service, "too many in flight", peer, 0);
            continue;
        };
        let datagram = Datagram {
            payload: buffer[..length].to_vec(),
            peer,
            local,
        };
        let answering = socket.clone();
        let work = handle(datagram, socket.clone());
        tokio::spawn(async move {
            if let Some(answer) = work.await {
                // A lost answer is the peer's to ask for again.
                let _ = answering.send_to(&answer, peer).await;
            }
            drop(permit);
        });
    }
}
