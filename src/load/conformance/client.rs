//! A client that does what a check wants, right or wrong.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{Target, Verdict, fail};
use crate::wire::tftp::{ErrorCode, Packet};

/// Copies of earlier packets that are passed over while one block is awaited.
pub(super) const MOST_COPIES: u32 = 1_000;

pub(super) const RRQ: u8 = 1;
pub(super) const WRQ: u8 = 2;

/// A socket that speaks to a server.
pub(super) struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    wait: Duration,
}

/// A datagram of the server.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) from: SocketAddr,
    pub(super) octets: Vec<u8>,
}

impl Reply {
    /// What the datagram says, in words, for a reason.
    pub(super) fn describe(&self) -> String {
        match Packet::decode(&self.octets) {
            Ok(Packet::Data { block, payload }) => format!("DATA {block} of {} octets", payload.len()),
            Ok(Packet::Ack { block }) => format!("ACK {block}"),
            Ok(Packet::Error { code, message }) => {
                let message: String = String::from_utf8_lossy(message).chars().take(80).collect();
                format!("error {}: {message}", code.0)
            }
            Ok(Packet::OptionAck(list)) => {
                let text = String::from_utf8_lossy(list.octets()).replace('\0', " ");
                format!("OACK {}", text.trim_end())
            }
            Ok(Packet::Read(_) | Packet::Write(_)) => "a request".to_owned(),
            Err(error) => format!("no packet: {error}"),
        }
    }

    pub(super) fn packet(&self) -> Result<Packet<'_>, Verdict> {
        Packet::decode(&self.octets).map_err(|error| Verdict::Failed(format!("the answer is no packet: {error}")))
    }

    /// The block number, where it is DATA.
    pub(super) fn block(&self) -> Option<u16> {
        match Packet::decode(&self.octets) {
            Ok(Packet::Data { block, .. }) => Some(block),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> Option<ErrorCode> {
        match Packet::decode(&self.octets) {
            Ok(Packet::Error { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// The options of an OACK, names in lower case.
    pub(super) fn options(&self) -> Option<Vec<(String, String)>> {
        let Ok(Packet::OptionAck(list)) = Packet::decode(&self.octets) else {
            return None;
        };
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let options = list.iter();
        Some(
            options
                .map(|(name, value)| (text(name).to_lowercase(), text(value)))
                .collect(),
        )
    }
}

impl Client {
    pub(super) fn new(target: &Target) -> io::Result<Self> {
        let any: SocketAddr = match target.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        Ok(Self {
            socket: UdpSocket::bind(any)?,
            server: target.server,
            wait: target.wait,
        })
    }

    pub(super) fn send(&self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(octets, to).map(|_| ())
    }

    /// Sends octets to the listening port.
    pub(super) fn send_request(&self, octets: &[u8]) -> io::Result<()> {
        self.send(octets, self.server)
    }

    pub(super) fn request(&self, opcode: u8, file: &str, mode: &str, options: &[(&str, &str)]) -> io::Result<()> {
        self.send_request(&request(opcode, file.as_bytes(), mode, options))
    }

    pub(super) fn ack(&self, block: u16, to: SocketAddr) -> io::Result<()> {
        let [a, b] = block.to_be_bytes();
        self.send(&[0, 4, a, b], to)
    }

    /// Ends a transfer that has served its purpose.
    pub(super) fn abort(&self, to: SocketAddr) -> io::Result<()> {
        self.send(b"\0\x05\0\0done\0", to)
    }

    /// The next datagram of the server, if one comes in time.
    pub(super) fn receive(&self) -> io::Result<Option<Reply>> {
        self.receive_for(self.wait)
    }

    pub(super) fn receive_for(&self, wait: Duration) -> io::Result<Option<Reply>> {
        let deadline = Instant::now() + wait;
        let mut buffer = vec![0; 70_000];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let octets = buffer.get(..length).unwrap_or_default().to_vec();
                    return Ok(Some(Reply { from, octets }));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                // An ICMP answer to an earlier datagram.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram, which has to come.
    pub(super) fn expect(&self, what: &str) -> Result<Reply, Verdict> {
        match self.receive()? {
            Some(reply) => Ok(reply),
            None => fail(format!("no answer where {what} was due")),
        }
    }

    /// The DATA packet with `block`; copies of earlier ones are passed over.
    pub(super) fn expect_block(&self, block: u16) -> Result<Reply, Verdict> {
        for _ in 0..MOST_COPIES {
            let reply = self.expect(&format!("DATA {block}"))?;
            match reply.block() {
                Some(number) if number == block => return Ok(reply),
                Some(number) if number.wrapping_sub(block) > 0x8000 => {}
                _ => return fail(format!("expected DATA {block}, got {}", reply.describe())),
            }
        }
        fail(format!(
            "nothing but copies of earlier blocks where DATA {block} was due"
        ))
    }

    /// The ERROR that has to answer a request; its code is one of `codes`, any where there is none.
    pub(super) fn expect_error(&self, codes: &[u16]) -> Result<(), Verdict> {
        let reply = self.expect("an ERROR")?;
        match reply.error() {
            Some(code) if codes.is_empty() || codes.contains(&code.0) => Ok(()),
            Some(_) => {
                let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
                let codes = codes.join(" or ");
                fail(format!("expected error {codes}, got {}", reply.describe()))
            }
            None => {
                self.abort(reply.from)?;
                fail(format!("expected an ERROR, got {}", reply.describe()))
            }
        }
    }
}

pub(super) fn request(opcode: u8, file: &[u8], mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, opcode];
    packet.extend_from_slice(file);
    packet.push(0);
    packet.extend_from_slice(mode.as_bytes());
    packet.push(0);
    for (name, value) in options {
        packet.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    packet
}
