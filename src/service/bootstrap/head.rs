//! The head of a request: HTTP/1.0 and 1.1 (RFC 9112), by httparse.

use crate::service::host::may_be_host;

/// The longest head in octets.
pub(super) const LONGEST: usize = 16 << 10;
/// Header fields of a request, at most.
const MOST_FIELDS: usize = 64;

/// What of a request's head matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The method, as it was written.
    pub(super) method: String,
    /// The path of the URI.
    pub(super) path: String,
    /// The version behind `HTTP/1.`: 0 or 1.
    pub(super) minor: u8,
    /// Whether the client wants to ask again on the same connection.
    pub(super) keep_alive: bool,
    /// Whether a body follows.
    pub(super) has_body: bool,
    /// Whether the client takes gzip.
    pub(super) gzip: bool,
}

/// Why a request is not even asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no HTTP.
    Malformed,
    /// It is HTTP, but neither 1.0 nor 1.1.
    Version,
    /// It names no host where HTTP/1.1 wants one, several, or one that is none (RFC 9112 §3.2).
    Host,
    /// Its head is too long, or has too many fields.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
}

impl Wrong {
    /// The status of its answer.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Host => 400,
            Self::TooSlow => 408,
            Self::TooLarge => 431,
            Self::Version => 505,
        }
    }

    /// What its sender is told.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Malformed => "this is no HTTP request",
            Self::Host => "the request needs one Host field that names a host",
            Self::TooSlow => "the request did not arrive in time",
            Self::TooLarge => "the head of the request is too large",
            Self::Version => "only HTTP/1.1 and HTTP/1.0 are spoken here",
        }
    }

    /// A fixed word for counters.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Malformed | Self::Version | Self::Host => "malformed",
            Self::TooSlow => "timeout",
            Self::TooLarge => "head_too_large",
        }
    }
}

/// The head that `octets` begin with, and its length; `None` where it is not whole yet.
///
/// # Errors
/// [`Wrong`].
pub(super) fn parse(octets: &[u8]) -> Result<Option<(Head, usize)>, Wrong> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(octets) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Wrong::TooLarge),
        Err(httparse::Error::Version) => return Err(Wrong::Version),
        Err(_) => return Err(Wrong::Malformed),
    };
    let minor = request.version.ok_or(Wrong::Malformed)?;
    let values = |name: &'static str| {
        let named = request
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| String::from_utf8_lossy(field.value))
    };
    let says = |token: &str| {
        values("connection").any(|value| value.split(',').any(|said| said.trim().eq_ignore_ascii_case(token)))
    };
    let lengths: Result<Vec<u64>, _> = values("content-length")
        .map(|value| value.trim().parse::<u64>())
        .collect();
    let lengths = lengths.map_err(|_| Wrong::Malformed)?;
    if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Wrong::Malformed);
    }
    let hosts: Vec<_> = values("host").collect();
    let wanted = usize::from(minor == 1);
    if hosts.len() > 1 || hosts.len() < wanted || !hosts.iter().all(|host| may_be_host(host.as_bytes())) {
        return Err(Wrong::Host);
    }
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path(request.path.unwrap_or_default()).to_owned(),
        minor,
        keep_alive: !says("close") && (minor == 1 || says("keep-alive")),
        has_body: lengths.iter().any(|length| *length > 0) || values("transfer-encoding").next().is_some(),
        gzip: values("accept-encoding").any(|value| takes_gzip(&value)),
    };
    Ok(Some((head, length)))
}

/// The path of a request's target, in whichever form that is (RFC 9112 §3.2).
fn path(target: &str) -> &str {
    let target = target.split('?').next().unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    }
}

/// Whether an Accept-Encoding field names gzip and does not rule it out (RFC 9110 §12.5.3).
fn takes_gzip(field: &str) -> bool {
    field.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let ruled_out = parts.any(|weight| {
            let value = weight.strip_prefix("q=").or(weight.strip_prefix("Q="));
            value.is_some_and(|value| value.parse::<f32>().is_ok_and(|value| value <= 0.0))
        });
        named && !ruled_out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head {
        let (head, length) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn what_a_head_says() {
        let whole = "GET https://prov.example.net:443/eue?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive, close\r\n\
                     Content-Length: 3\r\nAccept-Encoding: br, gzip\r\n\r\n";
        let expected = Head {
            method: "GET".into(),
            path: "/eue".into(),
            minor: 1,
            keep_alive: false,
            has_body: true,
            gzip: true,
        };
        assert_eq!(head(whole), expected);
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..cut]), Ok(None), "{cut}");
        }
        for (target, path) in [
            ("/", "/"),
            ("*", "*"),
            ("/a?b?c", "/a"),
            ("http://x", "/"),
            ("/a://b/c", "/a://b/c"),
        ] {
            assert_eq!(head(&format!("GET {target} HTTP/1.0\r\n\r\n")).path, path);
        }
        let behind = b"GET / HTTP/1.0\r\n\r\nGET";
        assert_eq!(parse(behind).unwrap().unwrap().1, behind.len() - 3);
    }

    #[test]
    fn http_1_1_names_one_host() {
        let judged = |version: &str, hosts: &[&str]| {
            let hosts: String = hosts.iter().map(|host| format!("Host:{host}\r\n")).collect();
            parse(format!("GET / HTTP/{version}\r\n{hosts}\r\n").as_bytes()).map(|head| head.is_some())
        };
        for hosts in [&["x"][..], &[" prov.example.net:443 "], &[" [2001:db8::1]:443"], &[""]] {
            assert_eq!(judged("1.1", hosts), Ok(true), "{hosts:?}");
            assert_eq!(judged("1.0", hosts), Ok(true), "{hosts:?}");
        }
        assert_eq!(judged("1.0", &[]), Ok(true));
        assert_eq!(judged("1.1", &[]), Err(Wrong::Host));
        for hosts in [
            &["x", "x"][..],
            &["x", "y"],
            &[" a b"],
            &[" a/b"],
            &[" u@a"],
            &[" \u{e9}"],
        ] {
            assert_eq!(judged("1.1", hosts), Err(Wrong::Host), "{hosts:?}");
            assert_eq!(judged("1.0", hosts), Err(Wrong::Host), "{hosts:?}");
        }
    }

    #[test]
    fn encodings() {
        for yes in ["gzip", "br, GZIP;q=0.5", "gzip;q=1", "deflate,gzip"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_judged_without_panic(
            octets in prop::collection::vec(any::<u8>(), 0..200),
            text in "[A-Z]{1,4} .{0,40} HTTP/1.[01]\r\n.{0,40}\r\n\r\n",
        ) {
            let _ = parse(&octets);
            let _ = parse(text.as_bytes());
        }
    }
}
