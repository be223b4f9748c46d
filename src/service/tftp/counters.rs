//! The counters of one worker, looked up once.

use metrics::{Counter, Histogram, counter, histogram};

use crate::service::files::Outcome;

pub(super) struct Counters {
    pub(super) requests: Counter,
    pub(super) repeated: Counter,
    complete: Ended,
    failed: Ended,
    bytes: Counter,
    retransmissions: Counter,
    pub(super) socket_errors: Counter,
}

struct Ended {
    transfers: Counter,
    seconds: Histogram,
}

impl Ended {
    fn new(result: &'static str) -> Self {
        Self {
            transfers: counter!("hardline_tftp_transfers_total", "result" => result),
            seconds: histogram!("hardline_tftp_transfer_seconds", "result" => result),
        }
    }
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            requests: counter!("hardline_tftp_requests_total"),
            repeated: counter!("hardline_tftp_repeated_requests_total"),
            complete: Ended::new("complete"),
            failed: Ended::new("failed"),
            bytes: counter!("hardline_tftp_bytes_total"),
            retransmissions: counter!("hardline_tftp_retransmissions_total"),
            socket_errors: counter!("hardline_tftp_socket_errors_total"),
        }
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let ended = match outcome {
            Outcome::Complete { .. } => &self.complete,
            Outcome::Failed { .. } | Outcome::Answered { .. } => &self.failed,
        };
        ended.transfers.increment(1);
        ended.seconds.record(outcome.elapsed().as_secs_f64());
        self.bytes.increment(outcome.bytes());
        self.retransmissions.increment(outcome.retransmissions().into());
    }
}
