//! The octets of a response, and the report of how far they went.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::taken::{Ledger, Response, Tell};
use crate::service::files::{Answer, Bytes, Content, FileSource, Outcome};
use crate::service::opening::Held;

/// Octets handed to the connection at a time, so that a client that leaves is noticed before the end, and no large file is
/// in memory as a whole.
const CHUNK: u64 = 64 << 10;

/// What is told when an answer has ended.
pub(super) struct Report<S: FileSource> {
    pub(super) held: Held<S>,
    /// What the client hears where it does not hear the whole file.
    pub(super) instead: Option<Answer>,
}

impl<S: FileSource> Report<S> {
    /// The client has taken all of an answer with `size` octets of the file, or so many of them.
    fn end(self, taken: Result<(), u64>, size: u64) {
        let elapsed = self.held.elapsed();
        let outcome = match (taken, self.instead) {
            (Ok(()), None) => Outcome::Complete {
                bytes: size,
                retransmissions: 0,
                elapsed,
            },
            (Ok(()), Some(with)) => Outcome::Answered {
                with,
                bytes: size,
                elapsed,
            },
            (Err(bytes), _) => Outcome::Failed {
                reason: "the client left, or waited too long, before it had taken everything".to_owned(),
                bytes,
                retransmissions: 0,
                elapsed,
            },
        };
        let result = outcome.word();
        metrics::counter!("hardline_http_transfers_total", "result" => result).increment(1);
        metrics::histogram!("hardline_http_transfer_seconds", "result" => result).record(elapsed.as_secs_f64());
        self.held.end(outcome);
    }
}

/// The octets of a response, of which it is told whether the client has taken all of them.
#[derive(Default)]
pub(super) struct FileBody {
    content: Option<Content>,
    rest: Range<u64>,
    /// A piece of a file on disk that is being read.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Who is told, when hyper has no more use for the body: it has all of it then, or there is nobody to send it to.
    sent: Option<Sent>,
}

struct Sent {
    ledger: Ledger,
    /// Octets that were given to the system before.
    start: u64,
    size: u64,
    tell: Tell,
}

impl FileBody {
    /// A body of the octets of `part`; the source hears once how the delivery ended.
    pub(super) fn reported<S: FileSource>(
        content: Content,
        part: Range<u64>,
        ledger: Ledger,
        report: Report<S>,
    ) -> Self {
        let size = part.end - part.start;
        Self {
            content: Some(content),
            rest: part,
            reading: None,
            sent: Some(Sent {
                start: ledger.written(),
                size,
                ledger,
                tell: Box::new(move |taken| report.end(taken, size)),
            }),
        }
    }

    /// The next piece, of at most [`CHUNK`] octets.
    fn next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let piece = self.rest.start..self.rest.end.min(self.rest.start + CHUNK);
        let length = (piece.end - piece.start) as usize;
        let octets = match (&self.content, &mut self.reading) {
            (_, Some(reading)) => {
                let octets = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                octets.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?
            }
            (Some(Content::Memory(octets)), None) => octets.slice(piece.start as usize..piece.end as usize),
            (Some(content), None) => {
                let content = content.clone();
                self.reading = Some(tokio::task::spawn_blocking(move || {
                    let mut octets = vec![0; length];
                    content.read(piece, &mut octets)?;
                    Ok(octets.into())
                }));
                return self.next(context);
            }
            (None, None) => Bytes::new(),
        };
        self.rest.start += octets.len() as u64;
        Poll::Ready(Ok(octets))
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        if let Some(Sent {
            ledger,
            start,
            size,
            tell,
        }) = self.sent.take()
        {
            let left = self.rest.end - self.rest.start;
            ledger.take(Response::new(start, size - left, left == 0, tell));
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.next(context).map(|octets| Some(octets.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.end - self.rest.start)
    }
}
