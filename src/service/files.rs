//! What TFTP and HTTP serve: files from a [`FileSource`], which decides who gets what and is told how it went.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::Duration;

pub use hyper::body::Bytes;
use sha2::{Digest, Sha256};

use crate::model::Delivery;
use crate::value::{MacAddress, hex};

/// Octets of a hash that make a [`Content::tag`].
const TAG_LENGTH: usize = 16;

/// One client asks for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// The file's name without leading `/`, empty components and `.`; over HTTP with its percent escapes decoded once
    /// (profile P34). At least one character, no control character. It may hold `..`: whoever opens a path with it takes
    /// care.
    pub name: String,
    /// Where the request came from.
    pub peer: SocketAddr,
    /// The client's address as the TFTP option `netaddr` states it: there only where the peer is a configured relay,
    /// since anyone can write it (profile P29).
    pub relayed: Option<IpAddr>,
    /// The client's MAC address as the TFTP option `hwaddr` states it: there only where the peer is a configured relay.
    pub hardware: Option<MacAddress>,
    /// How it is fetched.
    pub protocol: Delivery,
    /// Only the file's existence and size are asked for (HTTP HEAD): no octet will be sent.
    pub probe: bool,
}

impl FileRequest {
    /// The client's own address: the one that its relay states, else where the request came from.
    pub fn client(&self) -> IpAddr {
        self.relayed.unwrap_or(self.peer.ip())
    }
}

/// The octets of a file.
#[derive(Debug, Clone)]
pub enum Content {
    /// All of them, in memory.
    Memory(Bytes),
    /// A file on disk, open, that is read as it is sent.
    Open(Arc<OpenFile>),
}

/// A file on disk, as it was when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    size: u64,
    tag: String,
}

impl OpenFile {
    /// The open `file`.
    ///
    /// # Errors
    /// The system cannot tell its size.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let tag = format!(
            "{:x}-{:x}-{:x}-{:x}",
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        Ok(Self {
            size: metadata.size(),
            file,
            tag,
        })
    }
}

impl Content {
    /// How many octets there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Open(file) => file.size,
        }
    }

    /// Copies the octets of `range` to `out`, which has the range's length.
    ///
    /// # Errors
    /// The range is not within the file, which another may have shortened meanwhile; or the system cannot read it.
    pub fn read(&self, range: Range<u64>, out: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(octets) => {
                let part = octets.get(range.start as usize..range.end as usize);
                let part = part.filter(|part| part.len() == out.len());
                out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::Open(file) => file.file.read_exact_at(out, range.start),
        }
    }

    /// A word that is another when the octets are others: of octets in memory the same on every node, of a file on disk
    /// made of what the system knows of it.
    pub fn tag(&self) -> String {
        match self {
            Self::Memory(octets) => hex(Sha256::digest(octets).get(..TAG_LENGTH).unwrap_or_default()),
            Self::Open(file) => file.tag.clone(),
        }
    }
}

impl From<Bytes> for Content {
    fn from(octets: Bytes) -> Self {
        Self::Memory(octets)
    }
}

impl From<Vec<u8>> for Content {
    fn from(octets: Vec<u8>) -> Self {
        Self::Memory(octets.into())
    }
}

/// Why a client does not get a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such file: TFTP error 1, HTTP 404.
    NotFound,
    /// The file is not for this client: TFTP error 2, HTTP 403.
    Forbidden,
    /// Not now: TFTP error 0, HTTP 503.
    Busy,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has the whole file: over TFTP every block is acknowledged, over HTTP every octet by the client's system.
    Complete {
        /// Octets delivered.
        bytes: u64,
        /// Packets sent again; 0 over HTTP.
        retransmissions: u32,
        /// From the request to the end.
        elapsed: Duration,
    },
    /// The client does not have all that it asked for.
    Failed {
        /// Why, for people.
        reason: String,
        /// Octets that the client is known to have; over HTTP the response's head may be among them.
        bytes: u64,
        /// Packets sent again; 0 over HTTP.
        retransmissions: u32,
        /// From the request to the end.
        elapsed: Duration,
    },
    /// The client has the answer to what it asked, which is not the whole file.
    Answered {
        /// What it is.
        with: Answer,
        /// Octets of the file in it.
        bytes: u64,
        /// From the request to the end.
        elapsed: Duration,
    },
}

/// What a client may hear instead of a whole file (HTTP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A part of the file, as its Range field asked: 206.
    Part,
    /// That the file is the one that it has: 304.
    Unchanged,
    /// How large the file is, as HEAD asks.
    Size,
    /// That the file has no octet of the range: 416.
    OutOfRange,
    /// That the file is not the one that it wanted: 412.
    Another,
}

impl Answer {
    /// The word for it in logs, reports and counters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Part => "partial",
            Self::Unchanged => "not_modified",
            Self::Size => "head",
            Self::OutOfRange => "out_of_range",
            Self::Another => "precondition_failed",
        }
    }

    /// What it means, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Part => "the client asked for a part of the file, and has it",
            Self::Unchanged => "the client has the file already (If-None-Match)",
            Self::Size => "the client asked only whether the file is there (HEAD)",
            Self::OutOfRange => "the client asked for a range that the file does not have",
            Self::Another => "the file is another one than the client wants (If-Match)",
        }
    }
}

impl Outcome {
    /// The word for it in logs, reports and counters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Failed { .. } => "failed",
            Self::Answered { with, .. } => with.word(),
        }
    }

    /// Why the client does not have the whole file, for people; none where it has.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Complete { .. } => None,
            Self::Failed { reason, .. } => Some(reason),
            Self::Answered { with, .. } => Some(with.reason()),
        }
    }

    /// Octets of the file that the client is known to have.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Complete { bytes, .. } | Self::Failed { bytes, .. } | Self::Answered { bytes, .. } => *bytes,
        }
    }

    /// Packets sent again.
    pub fn retransmissions(&self) -> u32 {
        match self {
            Self::Complete { retransmissions, .. } | Self::Failed { retransmissions, .. } => *retransmissions,
            Self::Answered { .. } => 0,
        }
    }

    /// From the request to the end.
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::Complete { elapsed, .. } | Self::Failed { elapsed, .. } | Self::Answered { elapsed, .. } => *elapsed,
        }
    }
}

/// A file that a client may have.
#[derive(Debug)]
pub struct Opened<D> {
    /// Its octets.
    pub content: Content,
    /// What the source wants to know again when the delivery has ended.
    pub delivery: D,
}

/// Where files come from. The one who implements it knows the devices and records what they fetched.
pub trait FileSource: Send + Sync + 'static {
    /// What the source knows of a delivery. Who delivers keeps it meanwhile, once for each client: it had better be small.
    type Delivery: Send + 'static;

    /// The file, if this client may have it. Takes as long as it needs; a service gives up on it after its
    /// own time limit.
    fn open(&self, request: &FileRequest) -> impl Future<Output = Result<Opened<Self::Delivery>, Refusal>> + Send;

    /// A delivery that [`FileSource::open`] allowed has ended. Called once for each.
    fn finished(
        &self,
        request: &FileRequest,
        delivery: Self::Delivery,
        outcome: &Outcome,
    ) -> impl Future<Output = ()> + Send;
}

/// A requested name as [`FileRequest::name`] holds it: leading slashes, empty components and `.` are left out, as they mean
/// nothing to a file system, so that one file has one name. `None` where nothing is left, where it ends as a folder's does,
/// or where it has a control character (NUL included).
pub(super) fn requested_name(name: &str) -> Option<String> {
    if name.ends_with('/') || name.chars().any(char::is_control) {
        return None;
    }
    let mut plain = String::with_capacity(name.len());
    for component in name.split('/').filter(|component| !matches!(*component, "" | ".")) {
        if !plain.is_empty() {
            plain.push('/');
        }
        plain.push_str(component);
    }
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        for name in ["a/b", "/a/b", "//a//b", "./a/./b", "/./a/b"] {
            assert_eq!(requested_name(name).as_deref(), Some("a/b"), "{name}");
        }
        assert_eq!(
            requested_name("a/../b").as_deref(),
            Some("a/../b"),
            "for the opener to refuse"
        );
        assert_eq!(requested_name("..\\b").as_deref(), Some("..\\b"));
        for name in ["", "/", ".", "./", "a/", "a\0b", "a\nb", "a\u{85}b"] {
            assert_eq!(requested_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_range_outside_the_content_is_an_error() {
        let content = Content::from(vec![1, 2, 3]);
        let mut out = [0; 2];
        content.read(1..3, &mut out).unwrap();
        assert_eq!(out, [2, 3]);
        assert!(content.read(2..4, &mut out).is_err());
        assert!(content.read(0..3, &mut out).is_err());
        assert_eq!(content.tag(), Content::from(vec![1, 2, 3]).tag());
        assert_ne!(content.tag(), Content::from(vec![1, 2, 4]).tag());
    }
}
