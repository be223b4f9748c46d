//! What a worker receives: requests and replies, a batch with one call to the system.

use std::io;

use metrics::Counter;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::service::batch::{BATCH, Inbox};
use crate::wire::tftp::MAX_REQUEST;

/// Room for one datagram. The longest that is any good has [`MAX_REQUEST`] octets; what is cut off here is too long anyway.
const DATAGRAM: usize = 2 * MAX_REQUEST;

/// Batches of requests that are taken at most before the replies are looked at again.
const REQUEST_BATCHES: usize = 16;

/// For so many replies of one turn one request is taken in the next: a request asks for more work than a reply, and who is
/// under way comes first; but where thousands are, thousands wait to begin, and must not wait until they ask again.
const REPLIES_FOR_A_REQUEST: usize = 2;

/// The buffers of a worker.
pub(super) struct Inboxes {
    requests: Vec<Inbox>,
    /// How many requests each of the first ones holds.
    received: Vec<usize>,
    /// Batches of requests that the next turn takes.
    share: usize,
    pub(super) replies: Inbox,
    errors: Counter,
}

impl Inboxes {
    /// Empty ones; what the system refuses is counted in `errors`.
    pub(super) fn new(errors: Counter) -> Self {
        Self {
            requests: (0..REQUEST_BATCHES).map(|_| Inbox::new(DATAGRAM)).collect(),
            received: Vec::with_capacity(REQUEST_BATCHES),
            share: 1,
            replies: Inbox::new(DATAGRAM),
            errors,
        }
    }

    /// Receives this turn's share of requests; gives how many came.
    pub(super) fn receive_requests(&mut self, socket: &UdpSocket, all: bool) -> usize {
        self.received.clear();
        for inbox in self.requests.iter_mut().take(self.share) {
            let received = receive(socket, inbox, all, &self.errors);
            self.received.push(received);
            if received < BATCH {
                break;
            }
        }
        self.received.iter().sum()
    }

    /// The requests that were received, batch by batch, and how many each holds.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&Inbox, usize)> {
        let batches = self.requests.iter().zip(self.received.iter().copied());
        batches.filter(|(_, received)| *received > 0)
    }

    /// Receives a batch of replies; gives how many came.
    pub(super) fn receive_replies(&mut self, socket: &UdpSocket, all: bool) -> usize {
        receive(socket, &mut self.replies, all, &self.errors)
    }

    /// Sets the share of requests in the next turn, after one with so many `replies`.
    pub(super) fn share_after(&mut self, replies: usize) {
        self.share = (replies / REPLIES_FOR_A_REQUEST / BATCH).clamp(1, REQUEST_BATCHES);
    }
}

/// Receives what is there, up to a batch: what the runtime has heard of, and what came since only where `all` of it is wanted.
fn receive(socket: &UdpSocket, inbox: &mut Inbox, all: bool, errors: &Counter) -> usize {
    let mut received = 0;
    let mut take = || {
        received = inbox.receive(socket)?;
        // Less than a batch is all there was: this saves the call that would find nothing.
        if received < BATCH {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    };
    let result = match all {
        true => take(),
        false => socket.try_io(Interest::READABLE, take),
    };
    if result.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
        errors.increment(1);
    }
    received
}
