//! A whole download, in order, as a good client does it.

use std::net::SocketAddr;

use super::client::{Client, MOST_COPIES, RRQ, Reply, request};
use super::{Target, Verdict, fail};
use crate::load::plan::first_difference;
use crate::wire::tftp::Packet;

/// Blocks of one fetch at most: a server that never ends is left.
const MOST_BLOCKS: u64 = 1 << 20;

/// How often a request or an ACK is repeated where nothing answers it: a packet may have been lost.
const REPEATS: u32 = 2;

/// What is to be fetched, and with which options.
pub(super) struct Fetch<'a> {
    target: &'a Target,
    options: Vec<(&'a str, String)>,
}

/// What a download brought.
pub(super) struct Fetched {
    pub(super) content: Vec<u8>,
    /// The options of the OACK, if there was one.
    pub(super) granted: Option<Vec<(String, String)>>,
    pub(super) blocks: u64,
    /// The octets of the last block.
    pub(super) last: usize,
    /// Where the transfer came from.
    pub(super) port: SocketAddr,
    /// The socket that the transfer went to.
    pub(super) client: Client,
    request: Vec<u8>,
    answered: bool,
    repeated: bool,
    /// It failed because no block came any more.
    pub(super) fell_silent: bool,
}

impl Fetched {
    pub(super) fn granted(&self, name: &str) -> Option<&str> {
        let (_, value) = self.granted.as_ref()?.iter().find(|(granted, _)| granted == name)?;
        Some(value)
    }

    /// The number of the block that is due.
    fn due(&self) -> u16 {
        (self.blocks + 1) as u16
    }

    /// Sends once more what the server seems to wait for.
    fn repeat(&mut self) -> std::io::Result<()> {
        self.repeated = true;
        match self.answered {
            true => self.client.ack(self.blocks as u16, self.port),
            false => self.client.send_request(&self.request),
        }
    }

    /// The next datagram; on silence, what was sent last is repeated.
    fn next(&mut self, repeats: u32) -> Result<Option<Reply>, Verdict> {
        for attempt in 0..=repeats {
            if attempt > 0 {
                self.repeat()?;
            }
            if let Some(reply) = self.client.receive()? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// The block that is due; `None` on silence. With a window, a block that was lost is asked for once more.
    fn next_block(&mut self, window: u16, repeats: u32) -> Result<Option<Reply>, Verdict> {
        let due = self.due();
        let mut told = false;
        for _ in 0..MOST_COPIES {
            let Some(reply) = self.next(repeats)? else {
                return Ok(None);
            };
            if reply.from != self.port && self.repeated {
                // The request that was repeated was not lost: a second transfer, which is not wanted.
                self.client.abort(reply.from)?;
                continue;
            }
            if reply.from != self.port {
                return fail(format!("DATA came from {}, not from {}", reply.from, self.port));
            }
            let repeated_oack = self.blocks == 0 && reply.options().is_some();
            match reply.block().map(|number| number.wrapping_sub(due)) {
                Some(0) => return Ok(Some(reply)),
                Some(ahead) if ahead < window => {
                    if !told {
                        self.client.ack(self.blocks as u16, self.port)?;
                        told = true;
                    }
                }
                Some(ahead) if ahead > 0x8000 => {}
                None if repeated_oack => {}
                _ => return fail(format!("expected DATA {due}, got {}", reply.describe())),
            }
        }
        fail(format!(
            "nothing but copies of earlier packets where DATA {due} was due"
        ))
    }

    /// Why it failed where no block came any more.
    pub(super) fn silence(&mut self, target: &Target) -> Verdict {
        self.fell_silent = true;
        let (due, octets) = (self.due(), self.content.len());
        Verdict::Failed(match target.known() {
            Ok(known) if known == self.content => format!(
                "the empty last block is missing: {octets} octets fill {} blocks, and DATA {due} of 0 octets has to follow",
                self.blocks
            ),
            _ => format!("no answer where DATA {due} was due, after {octets} octets"),
        })
    }
}

impl<'a> Fetch<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self {
            target,
            options: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'a str, value: impl ToString) -> Self {
        self.options.push((name, value.to_string()));
        self
    }

    pub(super) fn run(self) -> Result<Fetched, Verdict> {
        let (fetched, result) = self.attempt()?;
        result.map(|()| fetched)
    }

    /// Runs, and gives what came also where the download failed.
    pub(super) fn attempt(self) -> Result<(Fetched, Result<(), Verdict>), Verdict> {
        let pairs = self.options.iter().map(|(name, value)| (*name, value.as_str()));
        let options: Vec<(&str, &str)> = pairs.collect();
        let mut fetched = Fetched {
            content: Vec::new(),
            granted: None,
            blocks: 0,
            last: 0,
            port: self.target.server,
            client: Client::new(self.target)?,
            request: request(RRQ, self.target.file.as_bytes(), "octet", &options),
            answered: false,
            repeated: false,
            fell_silent: false,
        };
        let result = self.fetch(&mut fetched);
        Ok((fetched, result))
    }

    fn fetch(&self, fetched: &mut Fetched) -> Result<(), Verdict> {
        fetched.client.send_request(&fetched.request)?;
        let Some(mut reply) = fetched.next(REPEATS)? else {
            return fail("no answer where DATA or OACK was due");
        };
        (fetched.port, fetched.answered) = (reply.from, true);
        fetched.granted = reply.options();
        let number = |name: &str, or: u16| fetched.granted(name).map_or(Some(or), |value| value.parse().ok());
        let (Some(block_size), Some(window)) = (number("blksize", 512), number("windowsize", 1)) else {
            return fail(format!("an option is no number: {}", reply.describe()));
        };
        if fetched.granted.is_some() {
            fetched.client.ack(0, fetched.port)?;
            reply = match fetched.next_block(window, REPEATS)? {
                Some(reply) => reply,
                None => return Err(fetched.silence(self.target)),
            };
        }
        loop {
            if self.take(&reply, fetched, block_size.into(), window)? {
                return Ok(());
            }
            // A server that is known to leave out the empty last block is not waited for again and again.
            let complete = self.target.unended && self.target.known().is_ok_and(|known| known == fetched.content);
            let repeats = if complete { 0 } else { REPEATS };
            reply = match fetched.next_block(window, repeats)? {
                Some(reply) => reply,
                None if complete => return Ok(()),
                None => return Err(fetched.silence(self.target)),
            };
        }
    }

    /// Takes one block and acknowledges it where that is due; whether it was the last one.
    fn take(&self, reply: &Reply, fetched: &mut Fetched, block_size: usize, window: u16) -> Result<bool, Verdict> {
        let Packet::Data { block, payload } = reply.packet()? else {
            return fail(format!("expected DATA, got {}", reply.describe()));
        };
        if block != fetched.due() {
            return fail(format!("expected DATA {}, got DATA {block}", fetched.due()));
        }
        if payload.len() > block_size {
            let length = payload.len();
            return fail(format!("DATA {block} has {length} octets, more than {block_size}"));
        }
        fetched.content.extend_from_slice(payload);
        fetched.blocks += 1;
        fetched.last = payload.len();
        let over = payload.len() < block_size;
        if over || fetched.blocks.is_multiple_of(window.max(1).into()) {
            fetched.client.ack(block, fetched.port)?;
        }
        if !over && fetched.blocks == MOST_BLOCKS {
            fetched.client.abort(fetched.port)?;
            return fail(format!("no end after {MOST_BLOCKS} blocks"));
        }
        Ok(over)
    }

    /// Runs, and compares with what the file is known to be.
    pub(super) fn same(self) -> Result<Fetched, Verdict> {
        let target = self.target;
        let known = target.known()?;
        let fetched = self.run()?;
        match first_difference(known, &fetched.content) {
            Some(difference) => fail(format!("the content differs {difference}")),
            None => Ok(fetched),
        }
    }
}
