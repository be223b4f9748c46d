//! A connection that does not wait for ever for its peer to take octets, and tells when it has taken them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::taken::{Acknowledged, Ledger, acknowledged};

/// How long after something was sent the system is asked whether it was taken; twice as long each time.
const FIRST_LOOK: Duration = Duration::from_millis(2);
/// The longest wait between two such questions.
const LAST_LOOK: Duration = Duration::from_millis(250);

/// A stream whose writes fail where the peer takes nothing for a while.
pub(super) struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    /// What the peer is to take.
    ledger: Ledger,
    /// Runs until the next look at what it has taken, after so long a wait.
    looking: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl Impatient {
    pub(super) fn new(stream: TcpStream, patience: Duration, ledger: Ledger) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
            ledger,
            looking: None,
        }
    }

    /// Looks what the peer has taken.
    fn look(&self) -> Acknowledged {
        let acknowledged = acknowledged(&self.stream);
        self.ledger.taken(acknowledged.octets);
        acknowledged
    }

    /// Looks what the peer has taken, again and again where it has not taken everything.
    fn watch(&mut self, context: &mut Context<'_>) {
        while self.ledger.waits() && !self.look().last && self.ledger.waits() {
            let (pause, wait) = self
                .looking
                .get_or_insert_with(|| (Box::pin(sleep(FIRST_LOOK)), FIRST_LOOK));
            if pause.as_mut().poll(context).is_pending() {
                return;
            }
            *wait = (*wait * 2).min(LAST_LOOK);
            pause.as_mut().reset(Instant::now() + *wait);
        }
        self.looking = None;
    }

    /// Ends this side of the connection, and waits until the peer has taken what was sent: as long as it takes something,
    /// and then until its time is over.
    pub(super) async fn last_octets(&mut self) {
        // Where HTTP ended in peace this was done.
        let _ = self.stream.shutdown().await;
        let (mut wait, mut taken, mut since) = (FIRST_LOOK, 0, Instant::now());
        loop {
            let acknowledged = self.look();
            if acknowledged.last || !self.ledger.waits() {
                return;
            }
            if acknowledged.octets > taken {
                (taken, since) = (acknowledged.octets, Instant::now());
            } else if since.elapsed() >= self.patience {
                return;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LAST_LOOK);
        }
    }

    /// Notes what was written.
    fn note(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(octets)) = written {
            self.ledger.wrote(*octets);
        }
    }

    /// What comes of a write that `result` says how far it is.
    fn bounded<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        waiting
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, octets);
        self.note(&result);
        self.bounded(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, octets);
        self.note(&result);
        self.bounded(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything that was handed over is written, and whenever the connection is looked at after that. What
    /// the peer has not taken yet is looked at again, and not waited for: it may ask for more meanwhile.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ledger.flushed();
        self.watch(context);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        self.look();
        self.ledger.close();
    }
}
