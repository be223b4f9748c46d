//! The device's HTTP client: one GET over HTTP/1.1 (RFC 2616, which seed 003 eUE-22 names), without I/O.

use std::net::SocketAddr;

/// The longest head a device reads.
const MAX_HEAD: usize = 16 * 1024;

/// Why a response is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The head is longer than the device reads.
    #[error("the response head is longer than {MAX_HEAD} octets")]
    Head,
    /// The status line or a header is not HTTP/1.x.
    #[error("the response's {0} is malformed")]
    Malformed(&'static str),
    /// The server refused.
    #[error("the server answered {0}")]
    Status(u16),
    /// The body's length is not stated by Content-Length, the one framing a device needs for a file.
    #[error("the response does not state its Content-Length")]
    NoLength,
    /// The file is longer than the device takes.
    #[error("the file has {0} octets, more than the device takes")]
    TooLong(u64),
    /// The connection ended inside the response.
    #[error("the connection ended after {got} of {expected} octets of the body")]
    Cut {
        /// Octets of the body that arrived.
        got: usize,
        /// Octets that Content-Length stated.
        expected: usize,
    },
}

/// The request for `path` of the server at `host`.
pub fn request(host: SocketAddr, path: &str) -> Vec<u8> {
    let path = path.strip_prefix('/').unwrap_or(path);
    format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: eUE\r\nAccept: */*\r\nConnection: close\r\n\r\n")
        .into()
}

/// A response as it arrives.
#[derive(Debug)]
pub struct Response {
    received: Vec<u8>,
    body: Option<Body>,
    limit: usize,
}

#[derive(Debug, Clone, Copy)]
struct Body {
    start: usize,
    length: usize,
}

impl Response {
    /// A response of which nothing has arrived and whose body may have up to `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self {
            received: Vec::new(),
            body: None,
            limit,
        }
    }

    /// Takes what arrived next; whether the response is whole.
    ///
    /// # Errors
    /// Every [`HttpError`] but [`HttpError::Cut`].
    pub fn receive(&mut self, octets: &[u8]) -> Result<bool, HttpError> {
        self.received.extend_from_slice(octets);
        if self.body.is_none() {
            self.body = self.read_head()?;
        }
        Ok(self
            .body
            .is_some_and(|body| self.received.len() >= body.start + body.length))
    }

    /// The body, once the connection has ended or the response is whole. Octets after the stated length are no part
    /// of it.
    ///
    /// # Errors
    /// [`HttpError::Cut`], or [`HttpError::Malformed`] where not even the head arrived.
    pub fn into_body(self) -> Result<Vec<u8>, HttpError> {
        let body = self.body.ok_or(HttpError::Malformed("head"))?;
        let arrived = self.received.get(body.start..).unwrap_or_default();
        let whole = arrived.get(..body.length);
        whole.map(<[u8]>::to_vec).ok_or(HttpError::Cut {
            got: arrived.len(),
            expected: body.length,
        })
    }

    /// The body's place, once the head is whole.
    fn read_head(&self) -> Result<Option<Body>, HttpError> {
        let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if self.received.len() > MAX_HEAD {
                Err(HttpError::Head)
            } else {
                Ok(None)
            };
        };
        let head = self.received.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| HttpError::Malformed("head"))?;
        let mut lines = head.split("\r\n");
        let status = status(lines.next().unwrap_or_default())?;
        if status != 200 {
            return Err(HttpError::Status(status));
        }
        let mut length = None;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(HttpError::Malformed("header"))?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(
                    value
                        .trim()
                        .parse::<u64>()
                        .map_err(|_| HttpError::Malformed("Content-Length"))?,
                );
            }
        }
        let length = length.ok_or(HttpError::NoLength)?;
        let fits = usize::try_from(length).ok().filter(|&length| length <= self.limit);
        let length = fits.ok_or(HttpError::TooLong(length))?;
        Ok(Some(Body { start: end + 4, length }))
    }
}

fn status(line: &str) -> Result<u16, HttpError> {
    let wrong = HttpError::Malformed("status line");
    let mut words = line.splitn(3, ' ');
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Err(wrong);
    }
    let code = words
        .next()
        .filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()));
    code.and_then(|code| code.parse().ok()).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: &[u8], chunk: usize) -> Result<Vec<u8>, HttpError> {
        let mut response = Response::new(1000);
        for part in octets.chunks(chunk) {
            if response.receive(part)? {
                break;
            }
        }
        response.into_body()
    }

    #[test]
    fn a_file_is_read_however_it_is_cut_into_segments() {
        let octets = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\nhello";
        for chunk in 1..octets.len() {
            assert_eq!(read(octets, chunk), Ok(b"hello".to_vec()));
        }
    }

    #[test]
    fn a_short_a_refused_and_an_unbounded_body_are_no_file() {
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello";
        assert_eq!(read(cut, 7), Err(HttpError::Cut { got: 5, expected: 6 }));
        assert_eq!(read(b"HTTP/1.1 404 Not Found\r\n\r\n", 9), Err(HttpError::Status(404)));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\n", 9), Err(HttpError::NoLength));
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
        assert_eq!(read(long, 9), Err(HttpError::TooLong(1001)));
    }

    #[test]
    fn the_request_names_host_and_port_as_rfc2616_wants() {
        let request = request("[::1]:23080".parse().unwrap(), "/a%20b");
        let text = String::from_utf8(request).unwrap();
        assert!(
            text.starts_with("GET /a%20b HTTP/1.1\r\nHost: [::1]:23080\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200), chunk in 1usize..50) {
            let _ = read(&octets, chunk);
            let _ = read(&[b"HTTP/1.1 200 OK\r\n".as_slice(), &octets].concat(), chunk);
        }
    }
}
