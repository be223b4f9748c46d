//! What a worker sends: datagrams wait in an outbox until a turn ends, or until the outbox is full.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use metrics::Counter;
use tokio::net::UdpSocket;

use crate::service::batch::Outbox;
use crate::service::tftp::table::{Entry, Place, Stage};
use crate::wire::tftp::{Action, DATA_HEADER, ErrorCode, Failure, MAX_REQUEST, Packet, Transfer};

/// Room for the datagrams of one batch: several of the longest blocks.
const OUTGOING: usize = 256 << 10;

/// How long the system may take to send on; what waits then is lost, and repeated in time.
const SENDING: Duration = Duration::from_millis(100);

/// How long to wait before the system is asked again whether it sends on.
const AGAIN: Duration = Duration::from_millis(1);

/// The transfer ports of a worker, and what is to be sent from one of them.
pub(super) struct Line {
    pub(super) ports: Vec<UdpSocket>,
    outbox: Outbox,
    /// The port that the outbox is sent from.
    port: usize,
    errors: Counter,
}

/// What is left to do where a transfer's action was more than to send.
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// The transfer is complete.
    Done,
    /// The transfer failed.
    Failed(Failure),
    /// The file cannot be read any more.
    Unreadable(io::Error),
}

impl Line {
    /// From `ports`; what the system does not send is counted in `errors`.
    pub(super) fn new(ports: Vec<UdpSocket>, errors: Counter) -> Self {
        Self {
            ports,
            outbox: Outbox::new(OUTGOING),
            port: 0,
            errors,
        }
    }

    /// Sends what `action` of the transfer of `entry` asks for.
    pub(super) fn perform<D>(&mut self, entry: &Entry<D>, action: Action) -> Then {
        match action {
            Action::Wait => Then::Nothing,
            Action::OptionAck => {
                self.send_option_ack(entry);
                Then::Nothing
            }
            Action::Blocks(blocks) => match self.send_blocks(entry, blocks) {
                Ok(()) => Then::Nothing,
                Err(error) => Then::Unreadable(error),
            },
            Action::Done => Then::Done,
            Action::Failed(failure) => Then::Failed(failure),
        }
    }

    fn send_blocks<D>(&mut self, entry: &Entry<D>, blocks: Range<u64>) -> io::Result<()> {
        let Stage::Sending { transfer, content, .. } = &entry.stage else {
            return Ok(());
        };
        let client = entry.request.peer;
        for block in blocks {
            let part = transfer.octets(block);
            let length = DATA_HEADER + (part.end - part.start) as usize;
            let packet = self.place(length, client, entry.place);
            let Some((header, payload)) = packet.and_then(|packet| packet.split_first_chunk_mut()) else {
                continue;
            };
            *header = Packet::data_header(Transfer::wire_number(block));
            if let Err(error) = content.read(part, payload) {
                self.outbox.withdraw();
                return Err(error);
            }
        }
        Ok(())
    }

    fn send_option_ack<D>(&mut self, entry: &Entry<D>) {
        let Stage::Sending {
            granted: Some(granted), ..
        } = &entry.stage
        else {
            return;
        };
        let mut packet = Vec::with_capacity(MAX_REQUEST);
        granted.encode_option_ack(&mut packet);
        self.send(&packet, entry.request.peer, entry.place);
    }

    /// ERRORs go from a transfer port, as any answer does.
    pub(super) fn send_error(&mut self, client: SocketAddr, place: Place, code: ErrorCode, message: &str) {
        let message = message.as_bytes();
        let mut packet = Vec::with_capacity(MAX_REQUEST);
        Packet::Error { code, message }.encode(&mut packet);
        self.send(&packet, client, place);
    }

    fn send(&mut self, packet: &[u8], client: SocketAddr, place: Place) {
        if let Some(room) = self.place(packet.len(), client, place) {
            room.copy_from_slice(packet);
        }
    }

    /// Room for a datagram of `length` octets from `place`, after what cannot go with it was sent.
    fn place(&mut self, length: usize, client: SocketAddr, place: Place) -> Option<&mut [u8]> {
        if place.port != self.port || !self.outbox.takes(length, place.local) {
            self.flush();
            self.port = place.port;
        }
        self.outbox.place(length, client, place.local)
    }

    /// Sends what waits. What the system does not take in time is lost like any datagram, and is sent again in time.
    pub(super) fn flush(&mut self) {
        let Some(socket) = self.ports.get(self.port) else {
            return;
        };
        let mut since = None;
        while !self.outbox.is_empty() {
            // Not by the readiness that the runtime knows of: it hears of nothing before this turn ends.
            match self.outbox.send(socket) {
                Ok(0) => {}
                Ok(refused) => self.errors.increment(refused as u64),
                Err(_) if since.get_or_insert_with(Instant::now).elapsed() < SENDING => std::thread::sleep(AGAIN),
                Err(_) => {
                    self.errors.increment(self.outbox.waiting() as u64);
                    self.outbox.clear();
                }
            }
        }
    }
}
