//! The client's side: fetches one file in octet mode and believes nothing that was not agreed on.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{
    BLOCK_SIZE_IPV4, BLOCK_SIZE_IPV6, ErrorCode, Mode, Negotiated, OptionError, OptionList, Pace, Packet, PacketError,
    Request, RequestOptions,
};
use crate::value::Timestamp;

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The server sent an ERROR.
    #[error("the server answered error {}: {message}", code.0)]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its text, octets that are not UTF-8 replaced.
        message: String,
    },
    /// The server fell silent.
    #[error("the server fell silent after {octets} octets")]
    Silent {
        /// How many octets had come.
        octets: usize,
    },
    /// The server granted what was not asked for.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// The server granted an option that no client asks for.
    #[error("the server grants option '{0}', which was not asked for")]
    UnknownOption(String),
    /// The server sent what is no packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The server sent a packet that only a client sends, or an OACK in the middle.
    #[error("the server sent a packet that does not belong here")]
    OutOfPlace,
    /// A block is longer than agreed on.
    #[error("block {block} has {length} octets, more than agreed on")]
    BlockSize {
        /// The block, counted from 1.
        block: u64,
        /// Its octets.
        length: usize,
    },
    /// The file is longer than the client takes.
    #[error("the file is longer than {0} octets")]
    TooLong(usize),
    /// The file's length is not the one that the OACK told.
    #[error("the file has {received} octets, but the server said {told}")]
    Size {
        /// Octets that came.
        received: usize,
        /// `tsize` of the OACK.
        told: u64,
    },
}

/// One download. The owner has the socket: it sends what is written to `out`, hands in every datagram, and calls
/// [`Download::tick`] when [`Download::deadline`] passes, until [`Download::result`] is there.
#[derive(Debug)]
pub struct Download {
    server: SocketAddr,
    /// The address and port that the transfer is with, once the server answered.
    transfer: Option<SocketAddr>,
    asked: RequestOptions,
    parameters: Negotiated,
    told: Option<u64>,
    /// The last packet sent, for retransmission.
    last: Vec<u8>,
    content: Vec<u8>,
    limit: usize,
    /// Blocks received in sequence.
    received: u64,
    /// Blocks received in sequence since the last ACK.
    unacknowledged: u16,
    /// A gap was reported already, and nothing in sequence came since.
    gap_reported: bool,
    pace: Pace,
    wait: Duration,
    retries_left: u8,
    deadline: Timestamp,
    repetitions: u32,
    failure: Option<DownloadError>,
    complete: bool,
}

impl Download {
    /// The options that a device asks for: a block size of 1448 octets over IPv4 and 1428 over IPv6 (seed 003).
    pub fn device_options(server: IpAddr) -> RequestOptions {
        let block_size = if server.is_ipv4() {
            BLOCK_SIZE_IPV4
        } else {
            BLOCK_SIZE_IPV6
        };
        RequestOptions {
            block_size: Some(block_size),
            ..RequestOptions::default()
        }
    }

    /// Begins to fetch `file` from `server` and writes the request to `out`. A file longer than `limit` octets fails.
    pub fn start(
        server: SocketAddr,
        file: &str,
        asked: RequestOptions,
        limit: usize,
        pace: Pace,
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut options = Vec::new();
        asked.write(&mut options);
        let options = OptionList::written(&options);
        Packet::Read(Request {
            file: file.as_bytes(),
            mode: Mode::Octet,
            options,
        })
        .encode(out);
        Self {
            server,
            transfer: None,
            asked,
            parameters: Negotiated::default(),
            told: None,
            last: out.clone(),
            content: Vec::new(),
            limit,
            received: 0,
            unacknowledged: 0,
            gap_reported: false,
            pace,
            wait: pace.first,
            retries_left: pace.retries,
            deadline: now.plus(pace.first),
            repetitions: 0,
            failure: None,
            complete: false,
        }
    }

    /// A datagram came from `from`. Gives the address that `out` is to be sent to, if there is anything to send.
    pub fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        if self.failure.is_some() {
            return None;
        }
        if !self.is_transfer(from, datagram) {
            let message = b"unknown transfer";
            Packet::Error {
                code: ErrorCode::UNKNOWN_TRANSFER,
                message,
            }
            .encode(out);
            return Some(from);
        }
        self.transfer = Some(from);
        match self.step(datagram, now) {
            Ok(None) => None,
            Ok(Some(block)) => {
                Packet::Ack { block }.encode(out);
                self.last.clone_from(out);
                Some(from)
            }
            Err(failure) => self.fail(failure, out).then_some(from),
        }
    }

    /// Whether a datagram of `from` belongs to this transfer. What answers the request names the transfer's port: an OACK,
    /// an ERROR or the first block. A later block is of a transfer that this client's port had before.
    fn is_transfer(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        match (self.transfer, datagram) {
            (Some(transfer), _) => transfer == from,
            (None, [0, 3, a, b, ..]) if [*a, *b] != [0, 1] => false,
            (None, _) => from.ip() == self.server.ip(),
        }
    }

    /// Time passed. Gives the address that `out` is to be sent to, if there is anything to send.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<SocketAddr> {
        if now < self.deadline || self.result().is_some() {
            return None;
        }
        let Some(left) = self.retries_left.checked_sub(1) else {
            self.failure = Some(DownloadError::Silent {
                octets: self.content.len(),
            });
            return None;
        };
        self.retries_left = left;
        self.repetitions += 1;
        self.wait = self.pace.next(self.wait);
        self.deadline = now.plus(self.wait);
        self.gap_reported = false;
        out.clone_from(&self.last);
        Some(self.transfer.unwrap_or(self.server))
    }

    /// When [`Self::tick`] wants to be called.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The file, or why there is none; `None` while the download goes on. After success, datagrams may still be handed
    /// in: where the last ACK was lost, the server repeats the last block and is answered again.
    pub fn result(&self) -> Option<Result<&[u8], &DownloadError>> {
        match &self.failure {
            Some(failure) => Some(Err(failure)),
            None => self.complete.then_some(Ok(&self.content)),
        }
    }

    /// How often the last packet was sent again for want of an answer.
    pub fn repetitions(&self) -> u32 {
        self.repetitions
    }

    /// What the server granted; the plain parameters until it did.
    pub fn parameters(&self) -> Negotiated {
        self.parameters
    }

    /// Takes one packet of the transfer and gives the block number to acknowledge, if any.
    fn step(&mut self, datagram: &[u8], now: Timestamp) -> Result<Option<u16>, DownloadError> {
        match Packet::decode(datagram)? {
            Packet::Error { code, message } if !self.complete => Err(DownloadError::Refused {
                code,
                message: String::from_utf8_lossy(message).into_owned(),
            }),
            Packet::Error { .. } => Ok(None),
            Packet::OptionAck(list) if self.received == 0 && !self.complete => {
                self.accept(list)?;
                self.progress(now);
                Ok(Some(0))
            }
            // A copy that the network held back.
            Packet::OptionAck(_) => Ok(None),
            Packet::Data { block, payload } => self.data(block, payload, now),
            _ => Err(DownloadError::OutOfPlace),
        }
    }

    fn accept(&mut self, list: OptionList<'_>) -> Result<(), DownloadError> {
        let granted = RequestOptions::read(list, false)?;
        let within = |granted: Option<u16>, asked: Option<u16>| {
            granted.is_none() || asked.is_some_and(|most| granted <= Some(most))
        };
        let unasked = |name| Err(OptionError::NotAsked(name).into());
        if !within(granted.block_size, self.asked.block_size) {
            return unasked("blksize");
        }
        if !within(granted.window, self.asked.window) {
            return unasked("windowsize");
        }
        if granted.timeout.is_some() && granted.timeout != self.asked.timeout {
            return unasked("timeout");
        }
        if granted.size.is_some() && self.asked.size.is_none() {
            return unasked("tsize");
        }
        let known: [&[u8]; 4] = [b"blksize", b"timeout", b"tsize", b"windowsize"];
        let is_known = |name: &[u8]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        if let Some((name, _)) = list.iter().find(|(name, _)| !is_known(name)) {
            let name: String = String::from_utf8_lossy(name).chars().take(40).collect();
            return Err(DownloadError::UnknownOption(name));
        }
        self.parameters = Negotiated::of(&granted);
        self.told = granted.size;
        Ok(())
    }

    fn data(&mut self, block: u16, payload: &[u8], now: Timestamp) -> Result<Option<u16>, DownloadError> {
        let ahead = block.wrapping_sub(self.received as u16);
        if ahead != 1 || self.complete {
            return Ok(self.out_of_sequence(ahead));
        }
        if payload.len() > usize::from(self.parameters.block_size) {
            return Err(DownloadError::BlockSize {
                block: self.received + 1,
                length: payload.len(),
            });
        }
        if self.content.len() + payload.len() > self.limit {
            return Err(DownloadError::TooLong(self.limit));
        }
        self.content.extend_from_slice(payload);
        self.received += 1;
        self.unacknowledged += 1;
        self.gap_reported = false;
        self.progress(now);
        if payload.len() < usize::from(self.parameters.block_size) {
            self.finish()?;
        } else if self.unacknowledged < self.parameters.window {
            return Ok(None);
        }
        self.unacknowledged = 0;
        Ok(Some(block))
    }

    /// The last block again: its ACK was lost. A later block: one between was lost, which one ACK reports (RFC 7440
    /// §4). An older one: a repeated window, whose end will be acknowledged.
    fn out_of_sequence(&mut self, ahead: u16) -> Option<u16> {
        let later = (2..0x8000).contains(&ahead);
        if ahead != 0 && (!later || self.gap_reported || self.complete) {
            return None;
        }
        self.gap_reported = later;
        self.unacknowledged = 0;
        Some(self.received as u16)
    }

    fn finish(&mut self) -> Result<(), DownloadError> {
        let received = self.content.len();
        match self.told {
            Some(told) if told != received as u64 => Err(DownloadError::Size { received, told }),
            _ => {
                self.complete = true;
                Ok(())
            }
        }
    }

    fn progress(&mut self, now: Timestamp) {
        self.retries_left = self.pace.retries;
        self.wait = self.parameters.timeout.unwrap_or(self.pace.first);
        self.deadline = now.plus(self.wait);
    }

    /// Ends the download. Whether the server is to be told, by the ERROR in `out`.
    fn fail(&mut self, failure: DownloadError, out: &mut Vec<u8>) -> bool {
        let (code, message) = match &failure {
            DownloadError::Refused { .. } | DownloadError::Silent { .. } => (None, ""),
            DownloadError::Options(error) => (Some(ErrorCode::OPTIONS), error.message()),
            DownloadError::UnknownOption(_) => (Some(ErrorCode::OPTIONS), "option not asked for"),
            DownloadError::TooLong(_) => (Some(ErrorCode::FULL), "file too long"),
            DownloadError::Packet(_) | DownloadError::OutOfPlace => (Some(ErrorCode::ILLEGAL), "illegal packet"),
            DownloadError::BlockSize { .. } => (Some(ErrorCode::ILLEGAL), "block too long"),
            DownloadError::Size { .. } => (Some(ErrorCode::UNDEFINED), "not the size that was told"),
        };
        self.failure = Some(failure);
        if let Some(code) = code {
            Packet::Error {
                code,
                message: message.as_bytes(),
            }
            .encode(out);
        }
        code.is_some()
    }
}

#[cfg(test)]
mod tests;
