//! A whole session between this server's and this client's side, over a network whose every decision is an octet: which
//! packet arrives, is lost or doubled, how time passes, and what strangers and either side's faults put in between.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hardline::value::Timestamp;
use hardline::wire::tftp::{
    Action, DATA_HEADER, Download, Limits, Negotiation, Pace, Packet, RequestOptions, Transfer, negotiate,
};

/// The largest file in octets.
const LARGEST: u16 = 20_000;

/// Packets under way at most; what comes beyond is lost.
const UNDER_WAY: usize = 64;

/// Steps after the octets are used up: time goes on and every packet arrives.
const LAST_STEPS: usize = 20_000;

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 69);
const TRANSFER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);
const STRANGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_001);

pub fn run(decisions: &[u8]) {
    if let Err(wrong) = rehearse(decisions) {
        panic!("{wrong}");
    }
}

/// Plays the session that `decisions` describe.
///
/// # Errors
/// What was not as it has to be: a wrong file that was taken for the right one, a block outside of the file or its window, an
/// end that never comes. Where nothing was put in between and nothing was lost for long, also a file that did not come.
pub fn rehearse(decisions: &[u8]) -> Result<(), String> {
    let mut decisions = decisions.iter().copied();
    let mut decide = || decisions.next();
    let size = u16::from_be_bytes([decide().unwrap_or(0), decide().unwrap_or(0)]) % LARGEST;
    let asked = RequestOptions {
        block_size: decide().filter(|octet| *octet > 7).map(|octet| u16::from(octet) * 4),
        window: decide().filter(|octet| (1..16).contains(octet)).map(u16::from),
        size: decide().filter(|octet| octet & 1 == 1).map(|_| 0),
        timeout: decide().filter(|octet| *octet > 200),
        ..RequestOptions::default()
    };
    let mut session = Session::begin(size, asked);
    while let Some(decision) = decide() {
        match decision % 8 {
            0..=2 => session.arrive(usize::from(decision / 8))?,
            3 => session.lose(usize::from(decision / 8)),
            4 => session.double(usize::from(decision / 8)),
            5 => session.pass(Duration::from_millis(u64::from(decision) * 10))?,
            _ => {
                let length = usize::from(decide().unwrap_or(0) % 64);
                let octets: Vec<u8> = std::iter::from_fn(&mut decide).take(length).collect();
                session.put_between(decision, octets)?;
            }
        }
    }
    session.finish()
}

struct Session {
    content: Vec<u8>,
    negotiation: Negotiation,
    transfer: Option<Transfer>,
    /// The server has ended the transfer.
    over: bool,
    client: Download,
    now: Timestamp,
    /// The packets under way; whether to the server.
    flying: Vec<(bool, Vec<u8>)>,
    /// Something false was put in between, so that a failure is no fault.
    disturbed: bool,
    lost: bool,
}

impl Session {
    fn begin(size: u16, asked: RequestOptions) -> Self {
        let now = Timestamp::from_unix(1_700_000_000);
        let mut request = Vec::new();
        let longest = usize::from(LARGEST);
        let client = Download::start(SERVER, "file", asked, longest, Pace::default(), now, &mut request);
        Self {
            content: (0..size).map(|at| (at >> 3) as u8 ^ at as u8).collect(),
            negotiation: negotiate(&asked, size.into(), &Limits::default()),
            transfer: None,
            over: false,
            client,
            now,
            flying: vec![(true, request)],
            disturbed: false,
            lost: false,
        }
    }

    fn index(&self, choice: usize) -> Option<usize> {
        choice.checked_rem(self.flying.len())
    }

    fn arrive(&mut self, choice: usize) -> Result<(), String> {
        match self.index(choice).map(|at| self.flying.remove(at)) {
            Some((true, packet)) => self.give_server(&packet),
            Some((false, packet)) => {
                self.give_client(TRANSFER, &packet);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn lose(&mut self, choice: usize) {
        if let Some(at) = self.index(choice) {
            self.flying.remove(at);
            self.lost = true;
        }
    }

    fn double(&mut self, choice: usize) {
        if let Some(packet) = self.index(choice).and_then(|at| self.flying.get(at)) {
            let packet = packet.clone();
            self.fly(packet.0, packet.1);
        }
    }

    fn fly(&mut self, to_server: bool, packet: Vec<u8>) {
        if self.flying.len() < UNDER_WAY {
            self.flying.push((to_server, packet));
        } else {
            self.lost = true;
        }
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.now = self.now.plus(time);
        // What is under way meanwhile is late, which is as good as lost.
        self.lost = true;
        self.tick()
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = self.now;
        if let Some(transfer) = self.transfer.as_mut().filter(|_| !self.over) {
            let action = transfer.tick(now);
            self.act(action)?;
        }
        let mut out = Vec::new();
        if self.client.tick(now, &mut out).is_some() {
            self.fly(true, out);
        }
        Ok(())
    }

    /// What nobody of the two sent.
    fn put_between(&mut self, decision: u8, octets: Vec<u8>) -> Result<(), String> {
        if decision & 64 == 0 {
            // A stranger's packet is answered, and disturbs nothing. Before the first answer nobody is a stranger.
            if self.transfer.is_some() {
                let mut out = Vec::new();
                if self.client.result().is_none() && self.client.parameters() != Default::default() {
                    self.client.receive(STRANGER, &octets, self.now, &mut out);
                }
            }
            return Ok(());
        }
        self.disturbed = true;
        if decision & 128 == 0 {
            self.give_server(&octets)
        } else {
            self.give_client(TRANSFER, &octets);
            Ok(())
        }
    }

    fn give_client(&mut self, from: SocketAddr, packet: &[u8]) {
        let mut out = Vec::new();
        if self.client.receive(from, packet, self.now, &mut out).is_some() {
            self.fly(true, out);
        }
    }

    fn give_server(&mut self, packet: &[u8]) -> Result<(), String> {
        let (now, Ok(packet)) = (self.now, Packet::decode(packet)) else {
            return Ok(());
        };
        if self.over {
            return Ok(());
        }
        let action = match (packet, &mut self.transfer) {
            (Packet::Read(_), None) => {
                let size = self.content.len() as u64;
                let (transfer, action) = Transfer::new(size, &self.negotiation, Pace::default(), now);
                self.transfer = Some(transfer);
                action
            }
            (Packet::Read(_), Some(transfer)) => transfer.repeat(now),
            (Packet::Ack { block }, Some(transfer)) => transfer.acknowledge(block, now),
            (Packet::Error { .. }, Some(_)) => {
                self.over = true;
                Action::Wait
            }
            _ => Action::Wait,
        };
        self.act(action)
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Wait => {}
            Action::Done | Action::Failed(_) => self.over = true,
            Action::OptionAck => {
                let granted = self.negotiation.granted.ok_or("an OACK without options")?;
                let mut packet = Vec::new();
                granted.encode_option_ack(&mut packet);
                self.fly(false, packet);
            }
            Action::Blocks(blocks) => {
                let window = u64::from(self.negotiation.parameters.window);
                if blocks.end.saturating_sub(blocks.start) > window {
                    return Err(format!("{blocks:?} do not fit into a window of {window}"));
                }
                for block in blocks {
                    let packet = self.block(block)?;
                    self.fly(false, packet);
                }
            }
        }
        Ok(())
    }

    fn block(&self, block: u64) -> Result<Vec<u8>, String> {
        let transfer = self.transfer.as_ref().ok_or("blocks of no transfer")?;
        let part = transfer.octets(block);
        let payload = self.content.get(part.start as usize..part.end as usize);
        let payload = payload.ok_or_else(|| format!("block {block} is outside of the file"))?;
        let mut packet = Vec::with_capacity(DATA_HEADER + payload.len());
        packet.extend_from_slice(&Packet::data_header(Transfer::wire_number(block)));
        packet.extend_from_slice(payload);
        Ok(packet)
    }

    /// Everything arrives from here on, until both sides have ended.
    fn finish(mut self) -> Result<(), String> {
        for _ in 0..LAST_STEPS {
            let server_ends = self.over || self.transfer.is_none();
            if server_ends && self.client.result().is_some() && self.flying.is_empty() {
                return self.judge();
            }
            if self.flying.is_empty() {
                let client = self.client.result().is_none().then(|| self.client.deadline());
                let server = self.transfer.as_ref().filter(|_| !self.over).map(Transfer::deadline);
                self.now = client.into_iter().chain(server).min().unwrap_or(self.now).max(self.now);
                self.tick()?;
            } else {
                self.arrive(0)?;
            }
        }
        Err("the session never ends".to_owned())
    }

    fn judge(&self) -> Result<(), String> {
        match self.client.result() {
            Some(Ok(content)) if content == self.content || self.disturbed => Ok(()),
            Some(Ok(_)) => Err("the client has another file than the server's".to_owned()),
            Some(Err(_)) if self.disturbed || self.lost => Ok(()),
            other => Err(format!("nothing was lost, and the client has {other:?}")),
        }
    }
}
