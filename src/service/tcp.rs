//! Messages over TCP, each behind its length in octets, big-endian: Kerberos has four octets for it (RFC 4120 §7.2.2), DNS
//! two (RFC 1035 §4.2.2, RFC 7766).

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::{connections, drops, shutdown};
use crate::settings::Service;

/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);

/// How many octets say how long a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// DNS.
    Two,
    /// Kerberos.
    Four,
}

/// A service whose messages come over TCP as well.
pub trait Conversation: Send + Sync + 'static {
    /// Under which service drops are counted.
    const SERVICE: Service;
    /// What stands before each message.
    const PREFIX: Prefix;
    /// How long a message may be, in octets.
    const LENGTHS: RangeInclusive<usize>;
    /// The word under which any other length is counted.
    const WRONG_LENGTH: &'static str;

    /// Whether a connection of `peer` is taken now.
    fn admits(&self, _peer: SocketAddr) -> bool {
        true
    }

    /// Answers one message; `None` ends the connection.
    fn answer(self: Arc<Self>, message: Vec<u8>, peer: SocketAddr) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// Serves connections of `listener` until `stop` turns true, as many at once as `room` has permits.
pub async fn serve<S: Conversation>(
    service: Arc<S>,
    listener: TcpListener,
    room: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) {
    let stopping = stop.clone();
    connections::accept(S::SERVICE, listener, stop, |stream, peer| {
        let Ok(permit) = room.clone().try_acquire_owned() else {
            drops::count(S::SERVICE, "too many connections", peer, 0);
            return None;
        };
        if !service.admits(peer) {
            return None;
        }
        let (service, mut stop) = (service.clone(), stopping.clone());
        Some(async move {
            tokio::select! {
                _ = converse(service, stream, peer) => {}
                () = shutdown::requested(&mut stop) => {}
            }
            drop(permit);
        })
    })
    .await;
}

async fn converse<S: Conversation>(service: Arc<S>, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, read_length(&mut stream, S::PREFIX)).await else {
            return Ok(());
        };
        let length = length?;
        if !S::LENGTHS.contains(&length) {
            drops::count(S::SERVICE, S::WRONG_LENGTH, peer, 0);
            return Ok(());
        }
        let mut message = vec![0; length];
        match timeout(IDLE, stream.read_exact(&mut message)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        let Some(answer) = service.clone().answer(message, peer).await else {
            return Ok(());
        };
        match timeout(IDLE, stream.write_all(&framed(&answer, S::PREFIX))).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
}

async fn read_length(stream: &mut TcpStream, prefix: Prefix) -> io::Result<usize> {
    Ok(match prefix {
        Prefix::Two => stream.read_u16().await?.into(),
        Prefix::Four => usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX),
    })
}

/// A message behind its length.
fn framed(message: &[u8], prefix: Prefix) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    match prefix {
        Prefix::Two => {
            let length = u16::try_from(length).unwrap_or(u16::MAX);
            [&length.to_be_bytes()[..], message].concat()
        }
        Prefix::Four => [&length.to_be_bytes()[..], message].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_behind_its_length() {
        assert_eq!(framed(b"abc", Prefix::Two), b"\0\x03abc");
        assert_eq!(framed(b"abc", Prefix::Four), b"\0\0\0\x03abc");
    }
}
