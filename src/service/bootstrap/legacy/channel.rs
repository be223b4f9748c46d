//! What the server and its worker say to each other: frames on one stream socket, each a length of four octets
//! (big-endian), a kind, and fields; texts and octet strings have their own length of four octets before them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::ask::{Answer, Ask, Client};
use crate::value::Secret;

/// The longest frame in octets: a document with its header.
pub(super) const MAX_FRAME: usize = (4 << 20) + 1024;
/// The most certificates of a chain that are passed on.
const MAX_CHAIN: usize = 16;

/// What can end a connection before a request comes of it: counted by the server under these words.
pub(super) const ENDS: [&str; 10] = [
    "no_certificate",
    "handshake_timeout",
    "malformed",
    "connection_lost",
    "too_many_connections",
    "too_many_of_source",
    "timeout",
    "head_too_large",
    "alert_received",
    "incompatible",
];

/// From the worker to the server.
#[derive(Debug, Clone)]
pub(super) enum Upward {
    /// It listens.
    Ready,
    /// A chain was presented: is it accepted?
    Judge {
        id: u32,
        peer: SocketAddr,
        chain: Arc<Vec<Vec<u8>>>,
    },
    /// A request.
    Ask { id: u32, ask: Ask },
    /// A connection ended; the place of its word in [`ENDS`].
    Ended { end: u8, peer: SocketAddr },
}

/// From the server to the worker.
#[derive(Debug, Clone)]
pub(super) enum Downward {
    /// The first frame.
    Orders(Secret),
    /// On [`Upward::Judge`]: 0 accepts, anything else is the alert's description.
    Verdict { id: u32, alert: u8 },
    /// On [`Upward::Ask`].
    Answer { id: u32, answer: Answer },
    /// End what is under way, and then yourself.
    Stop,
}

/// Puts a frame together.
struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn octet(mut self, octet: u8) -> Self {
        self.0.push(octet);
        self
    }

    fn octets(self, octets: &[u8]) -> Self {
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        let mut writer = self.number(length);
        writer.0.extend_from_slice(octets);
        writer
    }

    fn chain(self, chain: &[Vec<u8>]) -> Self {
        let count = chain.len().min(MAX_CHAIN);
        chain
            .iter()
            .take(count)
            .fold(self.octet(u8::try_from(count).unwrap_or(0)), |writer, certificate| {
                writer.octets(certificate)
            })
    }

    fn done(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(field) = self.0.first_chunk_mut::<4>() {
            *field = length.to_be_bytes();
        }
        self.0
    }
}

/// Takes a frame apart.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (&octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(octet)
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn octets(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (octets, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    fn peer(&mut self) -> Option<SocketAddr> {
        self.text()?.parse().ok()
    }

    fn chain(&mut self) -> Option<Arc<Vec<Vec<u8>>>> {
        let count = usize::from(self.octet()?);
        if count > MAX_CHAIN {
            return None;
        }
        let chain: Option<Vec<Vec<u8>>> = (0..count).map(|_| Some(self.octets()?.to_vec())).collect();
        chain.map(Arc::new)
    }
}

impl Upward {
    /// The frame.
    pub(super) fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Ready => Writer::new(0).done(),
            Self::Judge { id, peer, chain } => Writer::new(1)
                .number(*id)
                .octets(peer.to_string().as_bytes())
                .chain(chain)
                .done(),
            Self::Ask { id, ask } => Writer::new(2)
                .number(*id)
                .octets(ask.client.peer.to_string().as_bytes())
                .chain(&ask.client.chain)
                .octets(ask.client.tls.as_bytes())
                .octets(ask.method.as_bytes())
                .octets(ask.path.as_bytes())
                .octet(u8::from(ask.gzip))
                .done(),
            Self::Ended { end, peer } => Writer::new(3).octet(*end).octets(peer.to_string().as_bytes()).done(),
        }
    }

    /// What a frame without its length says; `None` where it is none.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let frame = match reader.octet()? {
            0 => Self::Ready,
            1 => Self::Judge {
                id: reader.number()?,
                peer: reader.peer()?,
                chain: reader.chain()?,
            },
            2 => Self::Ask {
                id: reader.number()?,
                ask: Ask {
                    client: Client {
                        peer: reader.peer()?,
                        chain: reader.chain()?,
                        tls: reader.text()?.into(),
                    },
                    method: reader.text()?.to_owned(),
                    path: reader.text()?.to_owned(),
                    gzip: reader.octet()? == 1,
                },
            },
            3 => Self::Ended {
                end: reader.octet()?,
                peer: reader.peer()?,
            },
            _ => return None,
        };
        reader.0.is_empty().then_some(frame)
    }
}

impl Downward {
    /// The frame.
    pub(super) fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Orders(orders) => Writer::new(0).octets(orders.expose()).done(),
            Self::Verdict { id, alert } => Writer::new(1).number(*id).octet(*alert).done(),
            Self::Answer { id, answer } => Writer::new(2)
                .number(*id)
                .number(u32::from(answer.status))
                .octet(u8::from(answer.gzip))
                .octets(&answer.body)
                .done(),
            Self::Stop => Writer::new(3).done(),
        }
    }

    /// What a frame without its length says; `None` where it is none.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let frame = match reader.octet()? {
            0 => Self::Orders(Secret::from(reader.octets()?)),
            1 => Self::Verdict {
                id: reader.number()?,
                alert: reader.octet()?,
            },
            2 => Self::Answer {
                id: reader.number()?,
                answer: Answer {
                    status: u16::try_from(reader.number()?).ok()?,
                    gzip: reader.octet()? == 1,
                    body: Bytes::copy_from_slice(reader.octets()?),
                },
            },
            3 => Self::Stop,
            _ => return None,
        };
        reader.0.is_empty().then_some(frame)
    }
}

/// The next frame without its length; `None` at the end, and where the other side speaks nonsense.
pub(super) async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME)?;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

/// The same on a thread that may wait.
pub(super) fn next_blocking(stream: &mut impl std::io::Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_be_bytes(length))
        .ok()
        .filter(|length| *length <= MAX_FRAME)?;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(chain: Vec<Vec<u8>>, method: String, path: String, gzip: bool) -> Ask {
        Ask {
            client: Client {
                peer: "[2001:db8::1]:1024".parse().unwrap(),
                chain: Arc::new(chain),
                tls: "TLSv1 AES128-SHA".into(),
            },
            method,
            path,
            gzip,
        }
    }

    proptest! {
        #[test]
        fn frames_read_back(
            chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..MAX_CHAIN),
            method in "\\PC{0,9}", path in "\\PC{0,20}", gzip: bool, id: u32, status: u16, body: Vec<u8>,
        ) {
            let up = Upward::Ask { id, ask: ask(chain, method, path, gzip) };
            let octets = up.to_octets();
            let length = u32::from_be_bytes(octets[..4].try_into().unwrap()) as usize;
            prop_assert_eq!(length, octets.len() - 4);
            let read = Upward::from_octets(&octets[4..]).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{up:?}"));
            let answer = Answer { status, gzip, body: body.into() };
            let octets = Downward::Answer { id, answer: answer.clone() }.to_octets();
            let Some(Downward::Answer { id: back, answer: read }) = Downward::from_octets(&octets[4..]) else {
                panic!("an answer");
            };
            prop_assert_eq!((back, read.status, read.gzip, read.body), (id, status, gzip, answer.body));
        }

        #[test]
        fn nonsense_is_refused_without_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Upward::from_octets(&octets);
            let _ = Downward::from_octets(&octets);
        }
    }

    #[test]
    fn the_other_frames_read_back_and_none_may_be_too_long() {
        let peer = "192.0.2.1:4".parse().unwrap();
        for up in [
            Upward::Ready,
            Upward::Ended { end: 3, peer },
            Upward::Judge {
                id: 7,
                peer,
                chain: Arc::new(vec![vec![1], vec![]]),
            },
        ] {
            let octets = up.to_octets();
            assert_eq!(
                format!("{:?}", Upward::from_octets(&octets[4..]).unwrap()),
                format!("{up:?}")
            );
            assert!(Upward::from_octets(&[&octets[4..], &[0]].concat()).is_none());
        }
        for down in [
            Downward::Stop,
            Downward::Verdict { id: 1, alert: 45 },
            Downward::Orders(Secret::from(&b"{}"[..])),
        ] {
            let octets = down.to_octets();
            assert_eq!(
                format!("{:?}", Downward::from_octets(&octets[4..]).unwrap()),
                format!("{down:?}")
            );
        }
        let long = [&u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes()[..], &[0; 16]].concat();
        assert!(next_blocking(&mut long.as_slice()).is_none());
        assert_eq!(next_blocking(&mut &[0, 0, 0, 1, 9][..]), Some(vec![9]));
    }
}
