//! How a transfer ends, and who hears of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, LAST_REPORTS, Worker};
use crate::service::files::{FileRequest, FileSource, Opened, Outcome, Refusal};
use crate::service::opening;
use crate::service::tftp::table::{Entry, Stage};
use crate::wire::tftp::ErrorCode;

impl<S: FileSource> Worker<S> {
    /// The file source allowed a request that has gone meanwhile; it hears that nothing came of it.
    pub(super) fn opened_in_vain(&mut self, request: Arc<FileRequest>, result: Result<Opened<S::Delivery>, Refusal>) {
        if let Ok(opened) = result {
            self.report(request, opened.delivery, opening::in_vain(Duration::ZERO));
        }
    }

    /// Takes out a request that comes to nothing before it was opened.
    pub(super) fn remove(&mut self, client: SocketAddr) {
        if let Some(entry) = self.table.remove(client) {
            self.settle(&entry);
        }
    }

    /// An entry has left the table.
    pub(super) fn settle(&self, entry: &Entry<S::Delivery>) {
        if entry.is_half_open() {
            self.serving.sources.answered(entry.request.peer.ip());
        }
    }

    pub(super) fn complete(&mut self, entry: Entry<S::Delivery>) {
        self.settle(&entry);
        let Stage::Sending { transfer, delivery, .. } = entry.stage else {
            return;
        };
        let outcome = Outcome::Complete {
            bytes: transfer.acknowledged_octets(),
            retransmissions: transfer.retransmissions(),
            elapsed: self.clock.now().since(entry.since),
        };
        self.report(entry.request, delivery, outcome);
    }

    /// A request that was not opened yet failed without the file source having allowed it: there is nothing to report.
    pub(super) fn failed(&mut self, entry: Entry<S::Delivery>, reason: &str) {
        self.settle(&entry);
        let Stage::Sending { transfer, delivery, .. } = entry.stage else {
            return;
        };
        let outcome = Outcome::Failed {
            reason: reason.to_owned(),
            bytes: transfer.acknowledged_octets(),
            retransmissions: transfer.retransmissions(),
            elapsed: self.clock.now().since(entry.since),
        };
        self.report(entry.request, delivery, outcome);
    }

    pub(super) fn report(&mut self, request: Arc<FileRequest>, delivery: S::Delivery, outcome: Outcome) {
        self.counters.ended(&outcome);
        let source = Arc::clone(&self.serving.source);
        self.ask(Box::pin(async move {
            source.finished(&request, delivery, &outcome).await;
            Answer::Reported
        }));
    }

    pub(super) async fn stop(mut self) {
        for entry in self.table.drain() {
            let (peer, place) = (entry.request.peer, entry.place);
            self.line
                .send_error(peer, place, ErrorCode::UNDEFINED, "the server stops; ask again");
            self.failed(entry, "the server stopped");
        }
        self.line.flush();
        let reports = async {
            while let Some(answer) = self.questions.join_next().await {
                if let Ok(Answer::Opened { request, result, .. }) = answer {
                    self.opened_in_vain(request, result);
                }
            }
        };
        let _ = tokio::time::timeout(LAST_REPORTS, reports).await;
    }
}
