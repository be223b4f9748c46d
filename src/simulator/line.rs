//! A device's UDP socket, and asking over it until there is an answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::fault::Fault;
use super::ladder::Ladder;

/// The greatest datagram that a device takes.
const LARGEST: usize = 65_536;

/// A socket bound to the device's own address.
#[derive(Debug)]
pub struct Line {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl Line {
    /// A socket on `address` and any free port.
    ///
    /// # Errors
    /// Where the system gives none.
    pub async fn bind(address: IpAddr) -> Result<Self, Fault> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0)).await?;
        Ok(Self {
            socket,
            buffer: vec![0; LARGEST],
        })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Fault> {
        self.socket.send_to(datagram, to).await?;
        Ok(())
    }

    /// The next datagram, from wherever it comes, until `deadline`.
    ///
    /// # Errors
    /// The socket's. A port that nobody listens on is no error: the datagram counts as lost.
    pub async fn receive(&mut self, deadline: Instant) -> Result<Option<(&[u8], SocketAddr)>, Fault> {
        loop {
            match tokio::time::timeout_at(deadline, self.socket.recv_from(&mut self.buffer)).await {
                Err(_) => return Ok(None),
                Ok(Ok((length, from))) => return Ok(Some((&self.buffer[..length], from))),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Sends `request` to `peer`, again and again by `backoff`, until `accept` makes an answer of a datagram from that
    /// very address. What `accept` gives `None` for is passed over.
    ///
    /// # Errors
    /// [`Fault::NoAnswer`], the socket's, and those of `accept`.
    pub async fn ask<T>(
        &mut self,
        peer: SocketAddr,
        request: &[u8],
        backoff: Backoff,
        ladder: &mut Ladder,
        mut accept: impl FnMut(&[u8]) -> Result<Option<T>, Fault>,
    ) -> Result<T, Fault> {
        for (number, wait) in backoff.waits().enumerate() {
            if number > 0 {
                ladder.retry();
            }
            self.send(request, peer).await?;
            let deadline = after(wait);
            while let Some((datagram, from)) = self.receive(deadline).await? {
                if from != peer {
                    continue;
                }
                if let Some(answer) = accept(datagram)? {
                    return Ok(answer);
                }
            }
        }
        Err(Fault::NoAnswer(backoff.retries + 1))
    }
}

/// The instant `wait` from now, a day at most: the timers of a run are shorter, and a sum that overflows would panic.
pub fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(Duration::from_secs(86_400))
}
