//! Opening a file for a client that may leave meanwhile. What a file source stores as it opens one (that a name is taken,
//! that an attempt began) must not stay without an end: opening goes on, and its source hears that nothing came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::files::{Content, FileRequest, FileSource, Opened, Outcome, Refusal};

/// When opening is given up after all. Only a database or a folder that hangs takes so long, and to wait for it for ever
/// would take the room of requests that need neither.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Opens a file, however long the client waits.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn to_the_end<S: FileSource>(
    source: &S,
    request: &FileRequest,
) -> Result<Opened<S::Delivery>, Refusal> {
    let opened = tokio::time::timeout(GIVE_UP, source.open(request)).await;
    opened.unwrap_or_else(|_| {
        tracing::error!(name = request.name, peer = %request.peer, "a file could not be opened for a minute: given up");
        Err(Refusal::Busy)
    })
}

/// How a delivery ended whose client was gone when its file was open.
pub(super) fn in_vain(elapsed: Duration) -> Outcome {
    Outcome::Failed {
        reason: "the request was gone when the file was ready".to_owned(),
        bytes: 0,
        retransmissions: 0,
        elapsed,
    }
}

/// A file that is open for a client. Its source hears how the delivery ended, also where whoever has this drops it.
pub(super) struct Held<S: FileSource> {
    source: Arc<S>,
    since: Instant,
    /// There until the end was told.
    under_way: Option<(FileRequest, S::Delivery)>,
}

impl<S: FileSource> Held<S> {
    /// From the request until now.
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Tells the source the end.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome) {
        // Without a runtime the server has ended.
        if let (Some((request, delivery)), Ok(runtime)) = (self.under_way.take(), Handle::try_current()) {
            let source = Arc::clone(&self.source);
            runtime.spawn(async move { source.finished(&request, delivery, &outcome).await });
        }
    }
}

impl<S: FileSource> Drop for Held<S> {
    fn drop(&mut self) {
        self.tell(in_vain(self.elapsed()));
    }
}

/// Opens a file in a task of its own, and waits for at most `limit`. `kept` is held until the file is open: what bounds how
/// many clients there are then bounds those tasks as well.
///
/// # Errors
/// [`Refusal`]; [`Refusal::Busy`] also where it is not open in time.
pub(super) async fn open<S: FileSource>(
    source: Arc<S>,
    request: FileRequest,
    limit: Duration,
    kept: impl Send + 'static,
) -> Result<(Content, Held<S>), Refusal> {
    let since = Instant::now();
    let opening = tokio::spawn(async move {
        let Opened { content, delivery } = to_the_end(&*source, &request).await?;
        drop(kept);
        let held = Held {
            source,
            since,
            under_way: Some((request, delivery)),
        };
        Ok((content, held))
    });
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok(opened)) => opened,
        // It is too slow, or the file source panicked.
        Err(_) | Ok(Err(_)) => Err(Refusal::Busy),
    }
}
