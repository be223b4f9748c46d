//! The TFTP engine from outside: addresses and ports it answers from, relays, limits, and wrong packets at every point of a
//! transfer.

#[path = "tftp_engine/addresses.rs"]
mod addresses;
#[path = "tftp_engine/limits.rs"]
mod limits;
#[path = "tftp_engine/packets.rs"]
mod packets;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A client that sends what a test wants.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

const SOON: Duration = Duration::from_secs(3);

impl Client {
    async fn new(from: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(from.parse().unwrap(), 0))
            .await
            .unwrap();
        Self { socket, server }
    }

    async fn request(&self, rest: &str) {
        let packet = [b"\0\x01", rest.as_bytes()].concat();
        self.socket.send_to(&packet, self.server).await.unwrap();
    }

    async fn send(&self, octets: &[u8], to: SocketAddr) {
        self.socket.send_to(octets, to).await.unwrap();
    }

    async fn ack(&self, block: u16, to: SocketAddr) {
        let [a, b] = block.to_be_bytes();
        self.send(&[0, 4, a, b], to).await;
    }

    async fn receive_within(&self, wait: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 70_000];
        let (length, from) = timeout(wait, self.socket.recv_from(&mut buffer)).await.ok()?.unwrap();
        buffer.truncate(length);
        Some((buffer, from))
    }

    async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        self.receive_within(SOON).await.expect("an answer")
    }

    /// The DATA packet `block`; copies of earlier ones are passed over.
    async fn block(&self, block: u16) -> (Vec<u8>, SocketAddr) {
        loop {
            let (packet, from) = self.receive().await;
            assert_eq!(packet[..2], [0, 3], "{packet:?}");
            let number = u16::from_be_bytes([packet[2], packet[3]]);
            if number == block {
                return (packet[4..].to_vec(), from);
            }
            assert!(number < block, "DATA {number} before DATA {block}");
        }
    }

    /// Fetches a file without options.
    async fn fetch(&self, name: &str) -> (Vec<u8>, SocketAddr) {
        self.request(&format!("{name}\0octet\0")).await;
        let (mut content, transfer) = self.block(1).await;
        let mut block = 1;
        let mut last = content.len();
        loop {
            self.ack(block, transfer).await;
            if last < 512 {
                return (content, transfer);
            }
            block += 1;
            let (payload, from) = self.block(block).await;
            assert_eq!(from, transfer, "a transfer keeps its port");
            last = payload.len();
            content.extend(payload);
        }
    }
}
