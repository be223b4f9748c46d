//! The octets of a response, and the report of how far they went.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::service::files::{Answer, Bytes, Content, FileSource, Outcome};
use crate::service::opening::Held;

/// Octets handed to the connection at a time, so that a client that leaves is noticed before the end, and no large file is
/// in memory as a whole.
const CHUNK: u64 = 64 << 10;

/// What is told when the answer has ended.
pub(super) struct Report<S: FileSource> {
    pub(super) held: Held<S>,
    /// What the client hears where it does not hear the whole file.
    pub(super) instead: Option<Answer>,
}

/// The octets of a response, which reports whether the connection took all of them.
#[derive(Default)]
pub(super) struct FileBody {
    content: Option<Content>,
    rest: Range<u64>,
    /// A piece of a file on disk that is being read.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Taken when the last octet is handed out; dropped with the body where it never is.
    taken: Option<oneshot::Sender<()>>,
}

impl FileBody {
    /// A body of the octets of `part`; the source hears once how the delivery ended.
    pub(super) fn reported<S: FileSource>(content: Content, part: Range<u64>, report: Report<S>) -> Self {
        let size = part.end - part.start;
        let (sender, taken) = oneshot::channel();
        tokio::spawn(async move {
            let taken = taken.await.is_ok();
            let elapsed = report.held.elapsed();
            let outcome = match (taken, report.instead) {
                (true, None) => Outcome::Complete {
                    bytes: size,
                    retransmissions: 0,
                    elapsed,
                },
                (true, Some(with)) => Outcome::Answered {
                    with,
                    bytes: size,
                    elapsed,
                },
                (false, _) => Outcome::Failed {
                    reason: "the connection took less than it was to get".to_owned(),
                    bytes: 0,
                    retransmissions: 0,
                    elapsed,
                },
            };
            let result = outcome.word();
            metrics::counter!("hardline_http_transfers_total", "result" => result).increment(1);
            metrics::histogram!("hardline_http_transfer_seconds", "result" => result).record(elapsed.as_secs_f64());
            report.held.end(outcome);
        });
        let mut body = Self {
            content: Some(content),
            rest: part,
            reading: None,
            taken: Some(sender),
        };
        body.report_end();
        body
    }

    fn report_end(&mut self) {
        if self.rest.is_empty()
            && let Some(taken) = self.taken.take()
        {
            let _ = taken.send(());
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
        self.report_end();
        Poll::Ready(Ok(octets))
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
