//! HTTP/1.1 and 1.0 on a stream whose TLS is done: GET of any URI is one question to whoever answers.
//!
//! A connection that waits for its next request holds no buffer and no copy of its peer's certificates: thousands may wait.

use std::fmt::Write as _;
use std::io;
use std::time::SystemTime;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::ask::{Answer, Answering, Ask, Client, MAX_WORD};
use super::head::{self, Head, Wrong};
use super::limits::{Limits, Paced};
use crate::service::connections::part;
use crate::service::shutdown;

/// How much is read at once of a request's head.
const PIECE: usize = 1 << 10;

/// Serves one connection to its end; a fixed word for what ended it badly. `who` says of the stream who is at its other end.
pub async fn serve<S, A>(
    stream: S,
    who: impl Fn(&S) -> Option<Client>,
    limits: &Limits,
    answering: A,
    mut stop: watch::Receiver<bool>,
) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answering,
{
    let mut stream = Paced::new(stream, limits);
    let mut input = Vec::new();
    let mut answered = false;
    loop {
        if input.is_empty() {
            let mut first = [0];
            let read = tokio::select! {
                read = stream.read(&mut first) => read,
                () = shutdown::requested(&mut stop) => Ok(0),
            };
            match read {
                Ok(0) => break,
                Ok(_) => input.extend(first),
                // It had what it came for.
                Err(_) if answered => break,
                Err(error) => return Err(fault(&error)),
            }
        }
        stream.begin();
        let done = Box::pin(exchange(&mut stream, &mut input, &who, &answering)).await?;
        answered = true;
        if done.unread {
            Box::pin(part(stream)).await;
            return done.fault.map_or(Ok(()), Err);
        }
        if !done.more || *stop.borrow() {
            break;
        }
    }
    let _ = stream.shutdown().await;
    Ok(())
}

/// How one request was answered.
struct Done {
    /// Whether the next one may come.
    more: bool,
    /// Whether the connection ends with something of the peer's unread, which must not cut off the answer.
    unread: bool,
    /// What was wrong with the request.
    fault: Option<&'static str>,
}

/// Reads a request, asks, and writes the answer. What came behind the request stays in `input`.
async fn exchange<S, A>(
    stream: &mut Paced<S>,
    input: &mut Vec<u8>,
    who: &impl Fn(&S) -> Option<Client>,
    answering: &A,
) -> Result<Done, &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Answering,
{
    let head = match request(stream, input).await? {
        Ok(head) => head,
        Err(wrong) => {
            let answer = Answer::refusal(wrong.status(), wrong.told());
            write(stream, &answer, &Form::of_none()).await?;
            return Ok(Done {
                more: false,
                unread: true,
                fault: Some(wrong.word()),
            });
        }
    };
    let client = who(stream.inner()).ok_or("connection_lost")?;
    let form = Form::new(&head);
    let answer = answering.answer(ask(client, head)).await;
    write(stream, &answer, &form).await?;
    Ok(Done {
        more: form.more,
        unread: form.has_body,
        fault: None,
    })
}

/// The next request's head, which is taken out of `input`.
async fn request<S>(stream: &mut Paced<S>, input: &mut Vec<u8>) -> Result<Result<Head, Wrong>, &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut looked_at = 0;
    loop {
        // A line feed may end a head, or show that it is none.
        if input.iter().skip(looked_at).any(|octet| *octet == b'\n') {
            match head::parse(input) {
                Ok(Some((head, length))) => {
                    input.drain(..length);
                    if input.is_empty() {
                        *input = Vec::new();
                    }
                    return Ok(Ok(head));
                }
                Ok(None) => {}
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
        if input.len() >= head::LONGEST {
            return Ok(Err(Wrong::TooLarge));
        }
        looked_at = input.len();
        let room = PIECE.min(head::LONGEST - looked_at);
        input.reserve(room);
        let mut piece = (&mut *stream).take(room as u64);
        match piece.read_buf(input).await {
            Ok(0) => return Err("connection_lost"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Err(Wrong::TooSlow)),
            Err(_) => return Err("connection_lost"),
        }
    }
}

fn ask(client: Client, head: Head) -> Ask {
    let cut = |text: String| text.chars().take(MAX_WORD / 4).collect::<String>();
    Ask {
        client,
        method: cut(head.method),
        path: cut(head.path),
        gzip: head.gzip,
    }
}

/// What of a request the form of its answer depends on.
struct Form {
    minor: u8,
    more: bool,
    has_body: bool,
    without_body: bool,
}

impl Form {
    fn new(head: &Head) -> Self {
        Self {
            minor: head.minor,
            // A body is not read, and what follows it cannot be told from it.
            more: head.keep_alive && !head.has_body,
            has_body: head.has_body,
            without_body: head.method == "HEAD",
        }
    }

    /// Of a request that could not be read.
    fn of_none() -> Self {
        Self {
            minor: 1,
            more: false,
            has_body: true,
            without_body: false,
        }
    }
}

/// Writes an answer whole.
async fn write<S>(stream: &mut Paced<S>, answer: &Answer, form: &Form) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let octets = written(answer, form);
    let done = async {
        stream.write_all(&octets).await?;
        stream.flush().await
    };
    done.await.map_err(|error: io::Error| fault(&error))
}

fn written(answer: &Answer, form: &Form) -> Zeroizing<Vec<u8>> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if status == StatusCode::OK {
        "application/xml"
    } else {
        "text/plain; charset=utf-8"
    };
    // No cache on the way may keep credentials.
    let mut head = format!(
        "HTTP/1.{} {} {}\r\ncontent-type: {kind}\r\ncache-control: no-store\r\ncontent-length: {}\r\n",
        form.minor,
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        answer.body.len(),
    );
    let mut field = |name: &str, value: &str| {
        let _ = write!(head, "{name}: {value}\r\n");
    };
    if answer.gzip {
        field("content-encoding", "gzip");
    }
    match status {
        StatusCode::METHOD_NOT_ALLOWED => field("allow", "GET"),
        StatusCode::TOO_MANY_REQUESTS => field("retry-after", "60"),
        _ => {}
    }
    match (form.minor, form.more) {
        (0, true) => field("connection", "keep-alive"),
        (1.., false) => field("connection", "close"),
        _ => {}
    }
    field("date", &httpdate::fmt_http_date(SystemTime::now()));
    head.push_str("\r\n");
    let body: &[u8] = if form.without_body { &[] } else { &answer.body };
    let mut octets = Zeroizing::new(Vec::with_capacity(head.len() + body.len()));
    octets.extend_from_slice(head.as_bytes());
    octets.extend_from_slice(body);
    octets
}

/// A fixed word for what ended a connection.
fn fault(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::TimedOut => "timeout",
        _ => "connection_lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    #[derive(Clone)]
    struct Echo;

    impl Answering for Echo {
        async fn answer(&self, ask: Ask) -> Answer {
            match ask.method.as_str() {
                "GET" => Answer {
                    status: 200,
                    gzip: false,
                    body: Bytes::from(format!("<{} {}/>", ask.path, ask.gzip)),
                },
                _ => Answer::refusal(405, "only GET"),
            }
        }
    }

    fn client() -> Client {
        Client {
            peer: "192.0.2.1:1024".parse().unwrap(),
            chain: Arc::default(),
            tls: "TLS".into(),
        }
    }

    fn limits() -> Limits {
        Limits {
            handshake: Duration::from_secs(1),
            request: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            connections: 1,
            per_source: 0,
        }
    }

    async fn said(request: &[u8]) -> String {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let (_stop, stopped) = watch::channel(false);
        near.write_all(request).await.unwrap();
        near.shutdown().await.unwrap();
        let _ = serve(far, |_| Some(client()), &limits(), Echo, stopped).await;
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn both_versions_keep_alive_and_pipelines() {
        let one = said(b"GET /a HTTP/1.0\r\n\r\n").await;
        assert!(
            one.starts_with("HTTP/1.0 200 OK\r\n") && one.ends_with("</a false/>"),
            "{one}"
        );
        assert!(
            one.contains("content-type: application/xml\r\n") && one.contains("no-store"),
            "{one}"
        );
        let two =
            said(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n")
                .await;
        assert_eq!(two.matches("HTTP/1.1 200 OK").count(), 2, "{two}");
        assert!(two.contains("</a false/>") && two.ends_with("</b true/>"), "{two}");
    }

    #[tokio::test]
    async fn other_methods_and_oversize_and_malformed_heads() {
        let other = said(b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await;
        assert!(
            other.starts_with("HTTP/1.1 405 ") && other.contains("allow: GET\r\n"),
            "{other}"
        );
        let large = format!("GET /a HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
        assert!(said(large.as_bytes()).await.starts_with("HTTP/1.1 431 "));
        let many = format!("GET /a HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65));
        assert!(said(many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
        for (request, status) in [
            (&b"\x80\x81\r\n\r\n"[..], "400 Bad Request"),
            (b"GET\r\n\r\n", "400 Bad Request"),
            (b"GET / HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"),
            (b"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
            (b"GET / HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", "400 Bad Request"),
            (
                b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
                "400 Bad Request",
            ),
            (b"GET / HTTP/1.1\r\nhost: x\r\nx y\r\n\r\n", "400 Bad Request"),
            (
                b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
                "400 Bad Request",
            ),
        ] {
            let answer = said(request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
        }
        let head = said(b"HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 405 ") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
    }

    #[tokio::test]
    async fn a_connection_ends_where_its_request_says_so() {
        let both = |connection: &str, version: &str| {
            format!(
                "GET /a HTTP/{version}\r\nhost: x\r\n{connection}\r\nGET /b HTTP/{version}\r\nhost: x\r\n{connection}\r\n"
            )
        };
        for (connection, version, answers) in [
            ("", "1.1", 2),
            ("Connection: keep-alive\r\n", "1.1", 2),
            ("Connection: TE, Close\r\n", "1.1", 1),
            ("", "1.0", 1),
            ("connection: Keep-Alive\r\n", "1.0", 2),
            // A body is not read, and nothing behind it is taken for a request.
            ("content-length: 4\r\n", "1.1", 1),
            ("transfer-encoding: chunked\r\n", "1.1", 1),
            ("content-length: 0\r\n", "1.1", 2),
        ] {
            let said = said(both(connection, version).as_bytes()).await;
            assert_eq!(
                said.matches(" 200 OK\r\n").count(),
                answers,
                "{connection} {version}: {said}"
            );
            let closes = said.contains("connection: close\r\n");
            assert_eq!(closes, answers == 1 && version == "1.1", "{said}");
            let keeps = said.contains("connection: keep-alive\r\n");
            assert_eq!(keeps, answers == 2 && version == "1.0", "{said}");
        }
    }

    #[tokio::test]
    async fn a_head_may_come_octet_by_octet_and_what_never_ends_is_ended() {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let (_stop, stopped) = watch::channel(false);
        let limits = Limits {
            request: Duration::from_millis(500),
            idle: Duration::from_secs(20),
            ..limits()
        };
        let served = tokio::spawn(async move { serve(far, |_| Some(client()), &limits, Echo, stopped).await });
        for octet in b"\r\nGET /slow HTTP/1.1\r\nhost: x\r\n\r\n" {
            near.write_all(&[*octet]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = [0; 15];
        near.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        near.write_all(b"GET /never").await.unwrap();
        let mut rest = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&rest[..length]).contains("did not arrive") {
            length += near.read(&mut rest[length..]).await.unwrap();
        }
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.contains("HTTP/1.1 408 Request Timeout\r\n"), "{rest}");
        drop(near);
        assert_eq!(served.await.unwrap(), Err("timeout"));
    }
}
