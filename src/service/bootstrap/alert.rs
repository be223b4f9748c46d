//! The alert that a peer gets where the library below has another one.
//!
//! Up to TLS 1.2 the alert for a client's certificate is in clear, a record of its own: two octets behind a header of five
//! (RFC 5246 §6.2.1, §7.2). That is where its description can still be set right. In TLS 1.3 it is encrypted by then, and
//! passes as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// handshake_failure.
pub(super) const HANDSHAKE_FAILURE: u8 = 40;
/// certificate_required, which TLS 1.2 does not know (RFC 8446 §6.2).
pub(super) const CERTIFICATE_REQUIRED: u8 = 116;

/// Says which description an alert has instead of its own.
pub(super) trait Rewrite {
    /// The description in place of `alert`.
    fn description(&self, alert: u8) -> u8;
}

impl<F: Fn(u8) -> u8> Rewrite for F {
    fn description(&self, alert: u8) -> u8 {
        self(alert)
    }
}

/// A stream that rewrites the description of fatal alerts in clear: `S` is written to, `R` gives the new description.
pub(super) struct Alerting<S, R> {
    stream: S,
    rewrite: R,
}

impl<S, R: Rewrite> Alerting<S, R> {
    pub(super) fn new(stream: S, rewrite: R) -> Self {
        Self { stream, rewrite }
    }
}

impl<S: AsyncRead + Unpin, R: Unpin> AsyncRead for Alerting<S, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, R: Rewrite + Unpin> AsyncWrite for Alerting<S, R> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if let [21, 3, minor, 0, 2, 2, description] = *octets {
            let rewritten = [21, 3, minor, 0, 2, 2, self.rewrite.description(description)];
            return Pin::new(&mut self.stream).poll_write(context, &rewritten);
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn only_fatal_alerts_in_clear_are_rewritten() {
        for (written, read) in [
            (&[21, 3, 1, 0, 2, 2, 40][..], &[21, 3, 1, 0, 2, 2, 45][..]),
            (&[21, 3, 1, 0, 2, 1, 0], &[21, 3, 1, 0, 2, 1, 0]),
            (&[22, 3, 1, 0, 2, 2, 40], &[22, 3, 1, 0, 2, 2, 40]),
            (&[21, 3, 3, 0, 32, 2, 40, 1], &[21, 3, 3, 0, 32, 2, 40, 1]),
        ] {
            let (near, mut far) = tokio::io::duplex(64);
            let mut near = Alerting::new(near, |_| 45);
            near.write_all(written).await.unwrap();
            near.shutdown().await.unwrap();
            let mut seen = Vec::new();
            far.read_to_end(&mut seen).await.unwrap();
            assert_eq!(seen, read);
        }
    }
}
