//! Sessions with sockets of their own: a new one for each download, as real clients have.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::plan::{Plan, Sources};
use super::report::Tally;
use super::session::{Ended, Session};
use crate::value::Timestamp;

/// Room for a datagram that is longer than the longest block: such a one is a fault to be seen.
const MARGIN: usize = 64;

/// The clock of a load, which does not jump.
struct Clock {
    started: Instant,
    base: Timestamp,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed())
    }
}

/// What decides which packets are lost: a fixed sequence.
pub(super) struct Loss {
    /// Of 2^32 packets, how many are lost.
    share: u64,
    state: u64,
}

impl Loss {
    pub(super) fn new(loss: f64, seed: u64) -> Self {
        Self {
            share: (loss.clamp(0.0, 1.0) * 4_294_967_296.0) as u64,
            state: seed,
        }
    }

    /// Whether the next packet is lost (the generator SplitMix64).
    pub(super) fn takes(&mut self) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 32 < self.share
    }
}

pub(super) fn run(plan: &Arc<Plan>, each: &(dyn Fn() + Sync)) -> io::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tally = Arc::new(Mutex::new(Tally::new()));
    let clock = Arc::new(Clock {
        started: Instant::now(),
        base: Timestamp::now(),
    });
    runtime.block_on(async {
        let (ended, mut ends) = tokio::sync::mpsc::channel::<Ended>(1024);
        let mut sessions = JoinSet::new();
        for number in 0..plan.sessions {
            sessions.spawn(session(plan.clone(), number, clock.clone(), ended.clone()));
        }
        drop(ended);
        while let Some(ended) = ends.recv().await {
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(ended);
            each();
        }
        let mut result = Ok(());
        while let Some(session) = sessions.join_next().await {
            result = result.and(session.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
        result
    })?;
    let tally = Arc::into_inner(tally).map(|tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(tally.unwrap_or_else(Tally::new))
}

async fn session(
    plan: Arc<Plan>,
    number: u32,
    clock: Arc<Clock>,
    ended: tokio::sync::mpsc::Sender<Ended>,
) -> io::Result<()> {
    let source = match plan.sources {
        Sources::Own(Some(address)) => address,
        _ if plan.server.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        _ => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let room = usize::from(plan.options.block_size.unwrap_or(512)) + MARGIN;
    let mut buffer = vec![0; room];
    let mut out = Vec::with_capacity(room);
    let mut loss = Loss::new(plan.loss, plan.seed.wrapping_add(u64::from(number) << 32));
    let mut session = Session::new(plan, number);
    while let Some(server) = session.begin(clock.now(), &mut out) {
        let socket = UdpSocket::bind(SocketAddr::new(source, 0)).await;
        let socket = socket.map_err(|error| cannot_send(source, &error))?;
        send(&socket, &out, server, &mut loss).await?;
        let end = loop {
            if let Some(end) = session.ended(clock.now()) {
                break end;
            }
            let wait = session.deadline().unwrap_or(clock.base).since(clock.base);
            let to = match timeout_at(clock.started + wait, socket.recv_from(&mut buffer)).await {
                // An error here is an ICMP answer to an earlier datagram.
                Ok(Err(_)) => None,
                Ok(Ok(_)) if loss.takes() => None,
                Ok(Ok((length, from))) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    session.receive(from, datagram, clock.now(), &mut out)
                }
                Err(_) => session.tick(clock.now(), &mut out),
            };
            if let Some(to) = to {
                send(&socket, &out, to, &mut loss).await?;
            }
        };
        let _ = ended.send(end).await;
    }
    Ok(())
}

fn cannot_send(source: IpAddr, error: &io::Error) -> io::Error {
    let remedy = "give an interface of this machine the address, or name one that it has (--source)";
    io::Error::new(
        error.kind(),
        format!("nothing can be sent from {source}: {error}: {remedy}"),
    )
}

async fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddr, loss: &mut Loss) -> io::Result<()> {
    if !loss.takes() {
        socket.send_to(packet, to).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_packets_is_lost_and_always_the_same() {
        let lost = |loss| {
            let mut loss = Loss::new(loss, 1);
            (0..100_000).filter(|_| loss.takes()).count()
        };
        assert!((9_500..10_500).contains(&lost(0.1)), "{}", lost(0.1));
        assert_eq!((lost(0.0), lost(1.0), lost(0.1)), (0, 100_000, lost(0.1)));
    }
}
