//! What a worker receives: requests and replies, a batch with one call to the system.

use std::io;

use metrics::Counter;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::service::batch::{BATCH, Inbox};
use crate::wire::tftp::MAX_REQUEST;

/// Room for one datagram. The longest that is any good has [`MAX_REQUEST`] octets; what is cut off here is too long anyway.
const DATAGRAM: usize = 2 * MAX_REQUEST;

/// Batches of requests that are taken at most before the replies are looked at again. Who is under way waits for them, a tenth
/// of a second where each asks for a file of its own; who waits to begin asks again after a second, and where ten thousand
/// begin at once, each of them has to be heard before that.
pub(super) const REQUEST_BATCHES: usize = 32;

/// The buffers of a worker.
pub(super) struct Inboxes {
    requests: Vec<Inbox>,
    /// How many requests each of the first ones holds.
    received: Vec<usize>,
    pub(super) replies: Inbox,
    errors: Counter,
}

impl Inboxes {
    /// Empty ones; what the system refuses is counted in `errors`.
    pub(super) fn new(errors: Counter) -> Self {
        Self {
            requests: (0..REQUEST_BATCHES).map(|_| Inbox::new(DATAGRAM)).collect(),
            received: Vec::with_capacity(REQUEST_BATCHES),
            replies: Inbox::new(DATAGRAM),
            errors,
        }
    }

    /// Receives requests; gives how many came.
    pub(super) fn receive_requests(&mut self, socket: &UdpSocket, all: bool) -> usize {
        self.received.clear();
        for inbox in &mut self.requests {
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
