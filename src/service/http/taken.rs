//! What a client has taken of what was sent: what its system has acknowledged, which is as far as a server can see.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};

sockopt_impl!(
    /// What the system knows of a connection: its `struct tcp_info` up to `tcpi_bytes_acked`, in words (Linux 4.1).
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u64; 16]
);

/// The state of a connection that has ended (TCP_CLOSE).
const CLOSED: u8 = 7;

/// What the other end of a connection has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// Octets since the connection began.
    pub(super) octets: u64,
    /// Whether there can be no more.
    pub(super) last: bool,
}

/// What the other end of the connection `socket` has acknowledged: everything, where the system does not say.
pub(super) fn acknowledged<F: AsFd>(socket: &F) -> Acknowledged {
    let Ok([state, .., octets]) = getsockopt(socket, TcpInfo) else {
        return Acknowledged {
            octets: u64::MAX,
            last: true,
        };
    };
    let [state, ..] = state.to_ne_bytes();
    Acknowledged {
        octets,
        last: state == CLOSED,
    }
}

/// Told once of a response: that the client has taken all of it, or so many octets of its body.
pub(super) type Tell = Box<dyn FnOnce(Result<(), u64>) + Send>;

/// The responses of one connection that were handed over, and are not all taken yet.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    /// Octets that the system was given on this connection.
    written: u64,
    /// Octets of them that the client has.
    taken: u64,
    /// Nothing more will be taken.
    closed: bool,
    waiting: Vec<Response>,
}

/// A response, as far as it was handed over.
pub(super) struct Response {
    start: u64,
    end: Option<u64>,
    handed: u64,
    whole: bool,
    tell: Tell,
}

impl Response {
    /// A response of whose body `handed` octets were handed over; whether this is the `whole` of it. Before its head the
    /// system had been given `start` octets of the connection.
    pub(super) fn new(start: u64, handed: u64, whole: bool, tell: Tell) -> Self {
        Self {
            start,
            end: None,
            handed,
            whole,
            tell,
        }
    }

    fn is_taken(&self, taken: u64) -> bool {
        self.whole && self.end.is_some_and(|end| end <= taken)
    }

    /// The octets of the body that the client has. Where the body was cut off nobody knows how long the head was: it is
    /// counted with them.
    fn octets(&self, taken: u64) -> u64 {
        match self.end.filter(|_| self.whole) {
            Some(end) => self.handed.saturating_sub(end.saturating_sub(taken)),
            None => self.handed.min(taken.saturating_sub(self.start)),
        }
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere leaves at worst a delivery without its end.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Octets that the system was given on this connection.
    pub(super) fn written(&self) -> u64 {
        self.lock().written
    }

    /// The system was given so many more.
    pub(super) fn wrote(&self, octets: usize) {
        self.lock().written += octets as u64;
    }

    /// Takes over a response when no more of it will be handed over.
    pub(super) fn take(&self, response: Response) {
        let mut entries = self.lock();
        if !entries.closed {
            return entries.waiting.push(response);
        }
        let octets = response.octets(entries.taken);
        drop(entries);
        (response.tell)(Err(octets));
    }

    /// The system has everything that was handed over.
    pub(super) fn flushed(&self) {
        let mut entries = self.lock();
        let written = entries.written;
        for response in &mut entries.waiting {
            response.end.get_or_insert(written);
        }
    }

    /// Whether a whole response is not yet taken.
    pub(super) fn waits(&self) -> bool {
        self.lock().waiting.iter().any(|response| response.whole)
    }

    /// The client has `octets` of the connection.
    pub(super) fn taken(&self, octets: u64) {
        let mut entries = self.lock();
        entries.taken = octets;
        let taken: Vec<Response> = entries
            .waiting
            .extract_if(.., |response| response.is_taken(octets))
            .collect();
        drop(entries);
        for response in taken {
            (response.tell)(Ok(()));
        }
    }

    /// The client will take nothing more.
    pub(super) fn close(&self) {
        let mut entries = self.lock();
        entries.closed = true;
        let (taken, waiting) = (entries.taken, std::mem::take(&mut entries.waiting));
        drop(entries);
        for response in waiting {
            let octets = response.octets(taken);
            (response.tell)(Err(octets));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    type Told = Arc<Mutex<Option<Result<(), u64>>>>;

    /// A response, and what will be told of it.
    fn response(start: u64, handed: u64, whole: bool) -> (Response, Told) {
        let told = Told::default();
        let teller = Arc::clone(&told);
        let tell = Box::new(move |taken| *teller.lock().unwrap() = Some(taken));
        (Response::new(start, handed, whole, tell), told)
    }

    #[test]
    fn a_response_is_told_when_all_of_it_is_taken() {
        let ledger = Ledger::default();
        // A head of 5 octets and a body of 10, twice.
        let (first, told_first) = response(ledger.written(), 10, true);
        ledger.take(first);
        ledger.taken(0);
        assert!(ledger.waits(), "its end is not known");
        ledger.wrote(15);
        ledger.flushed();
        let (second, told_second) = response(ledger.written(), 10, true);
        ledger.take(second);
        ledger.wrote(15);
        ledger.flushed();
        ledger.taken(14);
        assert_eq!(*told_first.lock().unwrap(), None);
        ledger.taken(28);
        assert_eq!(*told_first.lock().unwrap(), Some(Ok(())));
        assert_eq!(*told_second.lock().unwrap(), None);
        let (cut, told_cut) = response(ledger.written(), 7, false);
        ledger.take(cut);
        ledger.close();
        assert_eq!(*told_second.lock().unwrap(), Some(Err(8)));
        assert_eq!(*told_cut.lock().unwrap(), Some(Err(0)));
        let (late, told_late) = response(20, 10, true);
        ledger.take(late);
        assert_eq!(*told_late.lock().unwrap(), Some(Err(8)), "the connection is over");
    }

    #[test]
    fn the_system_says_what_the_other_end_has() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let open = |octets| Acknowledged { octets, last: false };
        assert_eq!(acknowledged(&far), open(0));
        far.write_all(&[7; 1_000]).unwrap();
        near.read_exact(&mut [0; 1_000]).unwrap();
        while acknowledged(&far) != open(1_000) {
            std::thread::yield_now();
        }
        // It is gone with octets unread: what was sent since is not acknowledged, and never will be.
        near.write_all(b"more").unwrap();
        far.write_all(&[7; 10]).unwrap();
        drop(near);
        while !acknowledged(&far).last {
            std::thread::yield_now();
        }
        assert!(acknowledged(&far).octets <= 1_010);
    }
}
