//! Datagrams received and sent many at a time: one call to the system for up to [`BATCH`] of them (recvmmsg, sendmmsg), in
//! buffers that are allocated once.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, cmsg_space, recvmmsg,
    sendmmsg, setsockopt, sockopt,
};

/// Datagrams that one call receives or sends at most.
pub const BATCH: usize = 64;

/// The address of this machine that a datagram was sent to, or is to be sent from; with the interface where the address
/// means nothing without one (IPv6 link-local), else 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Local {
    /// The address.
    pub address: IpAddr,
    /// The interface's index.
    pub interface: u32,
}

/// One received datagram; its octets are [`Inbox::octets`].
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address it was sent to, where the socket tells ([`tell_local`]).
    pub local: Option<Local>,
    length: usize,
}

/// Makes `socket`, bound to the wildcard address of its family, say of each datagram which address it was sent to.
///
/// # Errors
/// The system's.
pub fn tell_local<F: std::os::fd::AsFd>(socket: &F, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    Ok(())
}

/// Room for the larger of the two control messages that name a local address.
fn control() -> Vec<u8> {
    vec![0; cmsg_space::<libc::in6_pktinfo>()]
}

/// Buffers to receive into: from sockets that all tell the local address, or that all do not, as the system leaves no room
/// for it where it was not told before.
#[derive(Debug)]
pub struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    octets: Box<[u8]>,
    /// Octets of each datagram that are kept.
    room: usize,
    received: Vec<Received>,
}

impl Inbox {
    /// Buffers for datagrams of up to `room` octets; what is longer is cut off there.
    pub fn new(room: usize) -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(control())),
            octets: vec![0; BATCH * room].into(),
            room,
            received: Vec::with_capacity(BATCH),
        }
    }

    /// Receives what is there, up to [`BATCH`] datagrams, in the place of what was received before. Does not wait.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing is there; the system's others.
    pub fn receive<F: AsRawFd>(&mut self, socket: &F) -> io::Result<usize> {
        self.receive_by(socket, MsgFlags::MSG_DONTWAIT)
    }

    /// The same, but waits for the first datagram, as long as a blocking `socket` waits.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] where nothing came in that time.
    pub fn receive_waiting<F: AsRawFd>(&mut self, socket: &F) -> io::Result<usize> {
        self.receive_by(socket, MsgFlags::MSG_WAITFORONE)
    }

    fn receive_by<F: AsRawFd>(&mut self, socket: &F, flags: MsgFlags) -> io::Result<usize> {
        self.received.clear();
        let mut rooms = self.octets.chunks_exact_mut(self.room);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let messages = recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None)?;
        for message in messages {
            let length = message.bytes;
            // A datagram without a sender's port cannot be answered.
            let from = message.address.as_ref().and_then(socket_address);
            let from = from.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
            self.received.push(Received {
                from,
                local: local(&message),
                length,
            });
        }
        Ok(self.received.len())
    }

    /// The datagram at `index` of the last [`Self::receive`].
    pub fn get(&self, index: usize) -> Option<(Received, &[u8])> {
        let received = *self.received.get(index)?;
        let start = index * self.room;
        let octets = self.octets.get(start..start + received.length.min(self.room))?;
        Some((received, octets))
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}

fn local<S>(message: &RecvMsg<'_, '_, S>) -> Option<Local> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Local {
            // What the system would answer from; the header's own destination may be a broadcast address.
            address: Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into(),
            interface: 0,
        }),
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            Some(Local {
                address: address.into(),
                interface: if address.is_unicast_link_local() {
                    info.ipi6_ifindex
                } else {
                    0
                },
            })
        }
        _ => None,
    })
}

/// Datagrams to be sent together, over one socket and from one local address.
#[derive(Debug)]
pub struct Outbox {
    plain: MultiHeaders<SockaddrStorage>,
    from_ipv4: MultiHeaders<SockaddrStorage>,
    from_ipv6: MultiHeaders<SockaddrStorage>,
    octets: Box<[u8]>,
    used: usize,
    parts: Vec<Range<usize>>,
    peers: Vec<Option<SockaddrStorage>>,
    /// How many of them are sent.
    sent: usize,
    /// Where all of them are sent from; the socket's own address where there is none.
    local: Option<Local>,
}

impl Outbox {
    /// Room for `octets` octets of datagrams.
    pub fn new(octets: usize) -> Self {
        let with = |space| MultiHeaders::preallocate(BATCH, space);
        Self {
            plain: with(None),
            from_ipv4: with(Some(vec![0; cmsg_space::<libc::in_pktinfo>()])),
            from_ipv6: with(Some(control())),
            octets: vec![0; octets].into(),
            used: 0,
            parts: Vec::with_capacity(BATCH),
            peers: Vec::with_capacity(BATCH),
            sent: 0,
            local: None,
        }
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many datagrams wait to be sent.
    pub fn waiting(&self) -> usize {
        self.parts.len() - self.sent
    }

    /// Whether a datagram of `length` octets from `local` can join those that wait.
    pub fn takes(&self, length: usize, local: Option<Local>) -> bool {
        self.parts.is_empty()
            || (self.parts.len() < BATCH && self.used + length <= self.octets.len() && self.local == local)
    }

    /// The place for a datagram of `length` octets to `peer`, to be filled at once; `None` where [`Self::takes`] says no, or
    /// it is longer than all the room there is.
    pub fn place(&mut self, length: usize, peer: SocketAddr, local: Option<Local>) -> Option<&mut [u8]> {
        if !self.takes(length, local) {
            return None;
        }
        let part = self.used..self.used + length;
        let place = self.octets.get_mut(part.clone())?;
        self.local = local;
        self.used = part.end;
        self.parts.push(part);
        self.peers.push(Some(peer.into()));
        Some(place)
    }

    /// Takes the last placed datagram back.
    pub fn withdraw(&mut self) {
        self.peers.pop();
        if let Some(part) = self.parts.pop() {
            self.used = part.start;
        }
    }

    /// Sends what waits, as far as the system takes it. What it refuses for its destination is left out, like any lost
    /// datagram, and counted in the answer.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: what is left waits until the socket can be written to.
    pub fn send<F: AsRawFd>(&mut self, socket: &F) -> io::Result<usize> {
        let mut refused = 0;
        while self.sent < self.parts.len() {
            match self.send_some(socket) {
                Ok(0) => break,
                Ok(sent) => self.sent += sent,
                Err(Errno::EAGAIN | Errno::EINTR) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => {
                    tracing::debug!(%error, "a datagram was not sent");
                    refused += 1;
                    self.sent += 1;
                }
            }
        }
        self.clear();
        Ok(refused)
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.peers.clear();
        self.used = 0;
        self.sent = 0;
    }

    fn send_some<F: AsRawFd>(&mut self, socket: &F) -> nix::Result<usize> {
        let mut parts = self.parts.get(self.sent..).unwrap_or_default().iter();
        let octets = &self.octets;
        let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            let part = parts.next().and_then(|part| octets.get(part.clone()));
            [IoSlice::new(part.unwrap_or_default())]
        });
        let peers = self.peers.get(self.sent..).unwrap_or_default();
        let (v4, v6);
        let (headers, control) = match self.local {
            None => (&mut self.plain, None),
            Some(Local {
                address: IpAddr::V4(address),
                ..
            }) => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from(address).to_be(),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (&mut self.from_ipv4, Some(ControlMessage::Ipv4PacketInfo(&v4)))
            }
            Some(Local {
                address: IpAddr::V6(address),
                interface,
            }) => {
                v6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: address.octets(),
                    },
                    ipi6_ifindex: interface,
                };
                (&mut self.from_ipv6, Some(ControlMessage::Ipv6PacketInfo(&v6)))
            }
        };
        let control = control.as_slice();
        sendmmsg(
            socket.as_raw_fd(),
            headers,
            slices.iter(),
            peers,
            control,
            MsgFlags::MSG_DONTWAIT,
        )
        .map(Iterator::count)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn fill(outbox: &mut Outbox, octets: &[u8], peer: SocketAddr, local: Option<Local>) {
        outbox.place(octets.len(), peer, local).unwrap().copy_from_slice(octets);
    }

    #[test]
    fn many_datagrams_in_one_call_each_with_its_sender() {
        let here = UdpSocket::bind("127.0.0.1:0").unwrap();
        let senders: Vec<_> = (0..10).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let mut inbox = Inbox::new(8);
        here.set_nonblocking(true).unwrap();
        assert_eq!(inbox.receive(&here).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut outbox = Outbox::new(1000);
        for (at, sender) in senders.iter().enumerate() {
            fill(&mut outbox, &[at as u8; 4], here.local_addr().unwrap(), None);
            fill(&mut outbox, &[at as u8; 12], here.local_addr().unwrap(), None);
            assert_eq!(outbox.waiting(), 2);
            assert_eq!(outbox.send(sender).unwrap(), 0);
            assert!(outbox.is_empty());
        }
        assert_eq!(inbox.receive(&here).unwrap(), 20);
        for (at, sender) in senders.iter().enumerate() {
            let (short, octets) = inbox.get(2 * at).unwrap();
            assert_eq!((short.from, octets), (sender.local_addr().unwrap(), &[at as u8; 4][..]));
            assert_eq!(inbox.get(2 * at + 1).unwrap().1, [at as u8; 8], "cut off");
        }
        assert!(inbox.get(20).is_none());
    }

    #[test]
    fn an_answer_comes_from_the_address_that_was_asked() {
        for (wildcard, asked) in [("0.0.0.0:0", "127.0.0.77"), ("[::]:0", "::1")] {
            let here = UdpSocket::bind(wildcard).unwrap();
            tell_local(&here, wildcard.starts_with('[')).unwrap();
            let port = here.local_addr().unwrap().port();
            let asked = SocketAddr::new(asked.parse().unwrap(), port);
            let peer = UdpSocket::bind(if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
            let (mut inbox, mut outbox) = (Inbox::new(16), Outbox::new(100));
            for _ in 0..3 {
                peer.send_to(b"hello", asked).unwrap();
                while inbox.receive(&here).is_err() {}
                let (received, _) = inbox.get(0).unwrap();
                assert_eq!(received.local.unwrap().address, asked.ip());
                fill(&mut outbox, b"answer", received.from, received.local);
                outbox.send(&here).unwrap();
                let mut buffer = [0; 16];
                assert_eq!(peer.recv_from(&mut buffer).unwrap(), (6, asked));
            }
        }
    }

    #[test]
    fn what_does_not_fit_waits_and_what_is_refused_is_passed_over() {
        let mut outbox = Outbox::new(10);
        let here = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = here.local_addr().unwrap();
        assert!(outbox.place(11, peer, None).is_none(), "longer than all the room");
        fill(&mut outbox, b"12345678", peer, None);
        assert!(!outbox.takes(3, None));
        assert!(outbox.takes(2, None));
        let other = Some(Local {
            address: peer.ip(),
            interface: 0,
        });
        assert!(!outbox.takes(2, other), "another local address");
        fill(&mut outbox, b"9", "[::1]:9".parse().unwrap(), None);
        fill(&mut outbox, b"0", peer, None);
        assert_eq!(outbox.send(&here).unwrap(), 1, "an address of another family");
        let mut buffer = [0; 16];
        assert_eq!(here.recv_from(&mut buffer).unwrap().0, 8);
        assert_eq!(here.recv_from(&mut buffer).unwrap().0, 1);
        outbox.place(3, peer, None).unwrap();
        outbox.withdraw();
        assert!(outbox.is_empty());
    }
}
