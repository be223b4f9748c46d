//! How much of the server one peer may take: connections by source, and time by stage.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::settings::Bootstrap;

/// The operator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// The longest TLS handshake.
    pub handshake: Duration,
    /// The longest a request may take to arrive once it has begun, and its answer to be taken.
    pub request: Duration,
    /// The longest wait for the next request.
    pub idle: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one source; 0 sets no limit.
    pub per_source: usize,
}

impl Limits {
    /// Those of `[bootstrap]`.
    pub fn new(settings: &Bootstrap) -> Self {
        Self {
            handshake: settings.handshake_timeout,
            request: settings.request_timeout,
            idle: settings.idle_timeout,
            connections: settings.connections,
            per_source: settings.connections_per_source,
        }
    }
}

/// The source of a connection that counts: an IPv6 source is its /64, which one host has to itself.
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Where a connection stands: what it waits for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Request,
    Answer,
}

/// A stream whose peer has a limited time for each stage: the wait for a request, the request, the taking of the answer.
/// When the time is over, reads and writes fail with [`io::ErrorKind::TimedOut`].
pub struct Paced<S> {
    stream: S,
    stage: Stage,
    request: Duration,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    /// A stream that waits for its first request.
    pub fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            stage: Stage::Idle,
            request: limits.request,
            idle: limits.idle,
            deadline: Box::pin(tokio::time::sleep(limits.idle)),
        }
    }

    /// The stream below.
    pub fn inner(&self) -> &S {
        &self.stream
    }

    /// A request has begun: the time it may take runs from now, unless it runs already.
    pub fn begin(&mut self) {
        self.enter(Stage::Request);
    }

    fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage;
            let limit = if stage == Stage::Idle { self.idle } else { self.request };
            self.deadline.as_mut().reset(Instant::now() + limit);
        }
    }

    /// `Pending`, or the error of a peer that took too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.deadline
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait(context),
            ready => {
                if self.stage == Stage::Idle && buffer.filled().len() > before {
                    self.enter(Stage::Request);
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.enter(Stage::Answer);
        match Pin::new(&mut self.stream).poll_write(context, octets) {
            Poll::Pending => self.wait(context),
            ready => ready,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.wait(context),
            ready => {
                if self.stage == Stage::Answer {
                    self.enter(Stage::Idle);
                }
                ready
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.enter(Stage::Answer);
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.wait(context),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn limits() -> Limits {
        Limits {
            handshake: Duration::from_secs(1),
            request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            connections: 5,
            per_source: 2,
        }
    }

    #[test]
    fn a_host_is_one_source_whatever_address_it_takes() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::3"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
    }

    #[tokio::test]
    async fn each_stage_has_its_own_time() {
        let limits = Limits {
            request: Duration::from_millis(20),
            idle: Duration::from_millis(60),
            ..limits()
        };
        let mut buffer = [0; 8];
        let (_near, far) = tokio::io::duplex(64);
        let (mut paced, begun) = (Paced::new(far, &limits), Instant::now());
        let idle = paced.read(&mut buffer).await.unwrap_err();
        assert_eq!(idle.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= limits.idle);

        let (mut near, far) = tokio::io::duplex(64);
        let mut paced = Paced::new(far, &limits);
        near.write_all(b"G").await.unwrap();
        paced.read_exact(&mut buffer[..1]).await.unwrap();
        assert_eq!(paced.stage, Stage::Request);
        let slow = paced.read(&mut buffer).await.unwrap_err();
        assert_eq!(slow.kind(), io::ErrorKind::TimedOut);

        let (mut near, far) = tokio::io::duplex(64);
        let mut paced = Paced::new(far, &limits);
        let stuck = paced.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
        assert_eq!(paced.stage, Stage::Answer);
        near.read_exact(&mut [0; 64]).await.unwrap();
        paced.flush().await.unwrap();
        assert_eq!(
            paced.stage,
            Stage::Idle,
            "an answer that was taken leaves a connection that waits"
        );
    }
}
