//! What a worker sends: datagrams wait in its outbox until a turn ends, or until the outbox is full.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;

use super::{SENDING, Worker};
use crate::service::files::FileSource;
use crate::service::tftp::table::{Entry, Place, Stage};
use crate::wire::tftp::{DATA_HEADER, ErrorCode, MAX_REQUEST, Packet, Transfer};

impl<S: FileSource> Worker<S> {
    pub(super) async fn send_block(&mut self, client: SocketAddr, block: u64) -> io::Result<()> {
        let Some((place, part)) = self.table.get_mut(client).and_then(|entry| match &entry.stage {
            Stage::Sending { transfer, .. } => Some((entry.place, transfer.octets(block))),
            Stage::Opening(_) => None,
        }) else {
            return Ok(());
        };
        let length = DATA_HEADER + (part.end - part.start) as usize;
        self.make_way(length, place).await;
        let Some(Entry {
            stage: Stage::Sending { content, .. },
            ..
        }) = self.table.get_mut(client)
        else {
            return Ok(());
        };
        let packet = self.outbox.place(length, client, place.local);
        let parts = packet.and_then(|packet| packet.split_first_chunk_mut());
        let Some((header, payload)) = parts else {
            return Ok(());
        };
        *header = Packet::data_header(Transfer::wire_number(block));
        let read = content.read(part, payload);
        if read.is_err() {
            self.outbox.withdraw();
        }
        read
    }

    /// The file cannot be read any more.
    pub(super) async fn unreadable(&mut self, client: SocketAddr, error: &io::Error) {
        if let Some(entry) = self.table.remove(client) {
            self.send_error(client, entry.place, ErrorCode::UNDEFINED, "the file cannot be read")
                .await;
            tracing::warn!(name = entry.request.name, %error, "a file cannot be read any more");
            self.failed(*entry, &format!("the file cannot be read: {error}"));
        }
    }

    pub(super) async fn send_option_ack(&mut self, client: SocketAddr) {
        let Some(Entry {
            place,
            stage: Stage::Sending {
                granted: Some(granted), ..
            },
            ..
        }) = self.table.get_mut(client)
        else {
            return;
        };
        let (place, granted) = (*place, *granted);
        let mut packet = Vec::with_capacity(MAX_REQUEST);
        granted.encode_option_ack(&mut packet);
        self.send(&packet, client, place).await;
    }

    /// ERRORs go from a transfer port, as any answer does.
    pub(super) async fn send_error(&mut self, client: SocketAddr, place: Place, code: ErrorCode, message: &str) {
        let message = message.as_bytes();
        let mut packet = Vec::with_capacity(MAX_REQUEST);
        Packet::Error { code, message }.encode(&mut packet);
        self.send(&packet, client, place).await;
    }

    pub(super) async fn send(&mut self, packet: &[u8], client: SocketAddr, place: Place) {
        self.make_way(packet.len(), place).await;
        if let Some(room) = self.outbox.place(packet.len(), client, place.local) {
            room.copy_from_slice(packet);
        }
    }

    /// Makes sure that the outbox takes a datagram of `length` octets from `place`.
    pub(super) async fn make_way(&mut self, length: usize, place: Place) {
        if place.port != self.outbox_port || !self.outbox.takes(length, place.local) {
            self.flush().await;
            self.outbox_port = place.port;
        }
    }

    /// Sends what waits. What the system does not take in time is lost like any datagram, and is sent again in time.
    pub(super) async fn flush(&mut self) {
        let Some(socket) = self.ports.get(self.outbox_port) else {
            return;
        };
        while !self.outbox.is_empty() {
            let outbox = &mut self.outbox;
            match socket.try_io(Interest::WRITABLE, || outbox.send(socket)) {
                Ok(0) => {}
                Ok(refused) => self.counters.socket_errors.increment(refused as u64),
                Err(_) => {
                    if tokio::time::timeout(SENDING, socket.writable()).await.is_err() {
                        self.counters.socket_errors.increment(self.outbox.waiting() as u64);
                        self.outbox.clear();
                    }
                }
            }
        }
    }
}
