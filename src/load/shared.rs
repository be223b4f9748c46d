//! Sessions that share a socket, each with an address of its own: datagrams are received many at a time, so that the load is
//! limited by the server and not by its clients.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::own::Loss;
use super::plan::{Plan, Sources};
use super::report::Tally;
use super::session::Session;
use crate::service::batch::{self, Inbox, Local, Outbox};
use crate::service::sockets;
use crate::value::Timestamp;

/// The receive buffer in octets: a datagram of each of some ten thousand sessions.
const BUFFER: usize = 64 << 20;

/// How long a thread waits for a datagram before it looks at the time.
const PATIENCE: Duration = Duration::from_millis(2);

/// How often deadlines are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Room for a datagram that is longer than the longest block: such a one is a fault to be seen.
const MARGIN: usize = 64;

pub(super) fn run(plan: &Arc<Plan>, each: &(dyn Fn() + Sync)) -> io::Result<Tally> {
    let threads = plan.threads.clamp(1, plan.sessions as usize) as u32;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let begin = move || Clients::new(plan, thread, threads)?.run(each);
                scope.spawn(begin)
            })
            .collect();
        let mut all = Tally::new();
        for thread in threads {
            all.join(thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        Ok(all)
    })
}

/// The sessions of one thread: every `step`th one from `first` on.
struct Clients {
    plan: Arc<Plan>,
    first: u32,
    step: u32,
    sessions: Vec<Session>,
    socket: UdpSocket,
    outbox: Outbox,
    packet: Vec<u8>,
    loss: Loss,
    started: Instant,
    base: Timestamp,
    tally: Tally,
    running: usize,
}

impl Clients {
    fn new(plan: &Arc<Plan>, first: u32, step: u32) -> io::Result<Self> {
        let socket = sockets::std_udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).map_err(io::Error::other)?;
        batch::tell_local(&socket, false)?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let enough = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        enough.map_err(|error| {
            let remedy = "run it as root (CAP_NET_ADMIN), or without a network of sources";
            io::Error::other(format!(
                "the receive buffer cannot be made large enough ({error}): {remedy}"
            ))
        })?;
        let sessions = (first..plan.sessions).step_by(step as usize);
        Ok(Self {
            plan: plan.clone(),
            first,
            step,
            sessions: sessions.map(|number| Session::new(plan.clone(), number)).collect(),
            socket,
            outbox: Outbox::new(64 << 10),
            packet: Vec::with_capacity(1024),
            loss: Loss::new(plan.loss, plan.seed.wrapping_add(u64::from(first) << 32)),
            started: Instant::now(),
            base: Timestamp::now(),
            tally: Tally::new(),
            running: 0,
        })
    }

    fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed())
    }

    fn run(mut self, each: &(dyn Fn() + Sync)) -> io::Result<Tally> {
        let room = usize::from(self.plan.options.block_size.unwrap_or(512)) + MARGIN;
        let mut inbox = Inbox::new(room);
        self.running = self.sessions.len();
        let mut looked = Instant::now();
        for at in 0..self.sessions.len() {
            self.begin(at)?;
            // Answers are taken from the start, or the first ones would be lost.
            if at % 16 == 0 {
                self.take(&mut inbox, each, false)?;
            }
        }
        while self.running > 0 {
            self.take(&mut inbox, each, true)?;
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.tick(each)?;
            }
        }
        Ok(self.tally)
    }

    fn begin(&mut self, at: usize) -> io::Result<()> {
        let now = self.now();
        let Some(session) = self.sessions.get_mut(at) else {
            return Ok(());
        };
        match session.begin(now, &mut self.packet) {
            Some(server) => {
                let device = session.device();
                self.send(device, server)
            }
            None => {
                self.running -= 1;
                Ok(())
            }
        }
    }

    /// Takes a batch of datagrams.
    fn take(&mut self, inbox: &mut Inbox, each: &(dyn Fn() + Sync), wait: bool) -> io::Result<()> {
        let received = match wait {
            true => inbox.receive_waiting(&self.socket),
            false => inbox.receive(&self.socket),
        };
        // Errors are ICMP answers to earlier datagrams, or mean that nothing came.
        let received = received.unwrap_or(0);
        let now = self.now();
        for index in 0..received {
            let Some((received, datagram)) = inbox.get(index) else {
                break;
            };
            if self.loss.takes() {
                continue;
            }
            let Some(at) = received.local.and_then(|local| self.session_at(local.address)) else {
                continue;
            };
            let Some(session) = self.sessions.get_mut(at) else {
                continue;
            };
            let to = session.receive(received.from, datagram, now, &mut self.packet);
            let device = session.device();
            if let Some(to) = to {
                self.send(device, to)?;
            }
            self.settle(at, now, each)?;
        }
        Ok(())
    }

    fn tick(&mut self, each: &(dyn Fn() + Sync)) -> io::Result<()> {
        let now = self.now();
        for at in 0..self.sessions.len() {
            let Some(session) = self.sessions.get_mut(at) else {
                continue;
            };
            if session.deadline().is_some_and(|deadline| deadline <= now) {
                let to = session.tick(now, &mut self.packet);
                let device = session.device();
                if let Some(to) = to {
                    self.send(device, to)?;
                }
                self.settle(at, now, each)?;
            }
        }
        Ok(())
    }

    /// Goes on to the next download where one has ended.
    fn settle(&mut self, at: usize, now: Timestamp, each: &(dyn Fn() + Sync)) -> io::Result<()> {
        let Some(ended) = self.sessions.get_mut(at).and_then(|session| session.ended(now)) else {
            return Ok(());
        };
        self.tally.add(ended);
        each();
        self.begin(at)
    }

    /// Which of this thread's sessions plays the device at `address` now.
    fn session_at(&self, address: IpAddr) -> Option<usize> {
        let (IpAddr::V4(address), Sources::Network(network)) = (address, &self.plan.sources) else {
            return None;
        };
        let device = address
            .to_bits()
            .checked_sub(network.network().to_bits())?
            .checked_sub(1)?;
        let number = device % self.plan.sessions;
        let at = (number.checked_sub(self.first)? / self.step) as usize;
        let plays = |session: &Session| session.device() == device;
        (number % self.step == self.first && self.sessions.get(at).is_some_and(plays)).then_some(at)
    }

    /// Sends the packet from the address of `device`.
    fn send(&mut self, device: u32, to: SocketAddr) -> io::Result<()> {
        if self.loss.takes() {
            return Ok(());
        }
        let local = self.plan.source(device).map(|address| Local { address, interface: 0 });
        if let Some(place) = self.outbox.place(self.packet.len(), to, local) {
            place.copy_from_slice(&self.packet);
        }
        // One local address for each call: a batch could not have several.
        while let Err(error) = self.outbox.send(&self.socket) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}
