//! What one request comes to, apart from TLS and HTTP: the same for both listeners, and for the process that terminates TLS
//! for one of them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

/// The longest method, and the longest path, that an [`Ask`] carries, in octets; what is beyond is cut.
pub const MAX_WORD: usize = 256;

/// The other end of a connection that proved who it is.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where it is.
    pub peer: SocketAddr,
    /// The certificates it sent, its own first, DER.
    pub chain: Arc<Vec<Vec<u8>>>,
    /// The protocol and the suite that were negotiated, such as `TLSv1 AES128-SHA`.
    pub tls: Arc<str>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks.
    pub client: Client,
    /// Its method.
    pub method: String,
    /// The path of its URI, for the operator alone.
    pub path: String,
    /// Whether it takes compressed content.
    pub gzip: bool,
}

/// What is answered.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// The document, or a line of text where the status is not 200.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    /// The body holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} octets)", self.status, self.body.len())
    }
}

impl Answer {
    /// An answer without a document.
    pub fn refusal(status: u16, line: &str) -> Self {
        Self {
            status,
            gzip: false,
            body: Bytes::from(format!("{line}\n")),
        }
    }
}

/// Whoever answers requests.
pub trait Answering: Clone + Send + Sync + 'static {
    /// The answer to one request.
    fn answer(&self, ask: Ask) -> impl Future<Output = Answer> + Send;
}
