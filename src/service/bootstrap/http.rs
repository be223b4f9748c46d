//! HTTP/1.1 and 1.0 on a stream whose TLS is done: GET of any URI is one question to whoever answers.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::ask::{Answer, Answering, Ask, Client, MAX_WORD};
use super::limits::{Limits, Paced};
use crate::service::shutdown;

/// Header fields of a request, at most.
const MAX_HEADERS: usize = 64;
/// The longest request head in octets.
const MAX_HEAD: usize = 16 << 10;

/// Serves one connection to its end; a fixed word for what ended it badly.
pub async fn serve<S, A>(
    stream: S,
    client: Client,
    limits: &Limits,
    answering: A,
    mut stop: watch::Receiver<bool>,
) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answering,
{
    let service = service_fn(move |request| respond(request, client.clone(), answering.clone()));
    let connection = http1::Builder::new()
        // `Paced` measures the stages.
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        // A peer that has said all it wants to say still gets its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Paced::new(stream, limits)), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown::requested(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    result.map_err(|error| fault(&error))
}

async fn respond<B, A: Answering>(
    request: Request<B>,
    client: Client,
    answering: A,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let cut = |text: &str| text.chars().take(MAX_WORD / 4).collect::<String>();
    let accepted = request.headers().get_all(ACCEPT_ENCODING);
    let ask = Ask {
        client,
        method: cut(request.method().as_str()),
        path: cut(request.uri().path()),
        gzip: accepted.iter().filter_map(|value| value.to_str().ok()).any(takes_gzip),
    };
    let answer = answering.answer(ask).await;
    Ok(written(answer))
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

fn written(answer: Answer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // No cache on the way may keep credentials.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let kind = if status == StatusCode::OK {
        "application/xml"
    } else {
        "text/plain; charset=utf-8"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if answer.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

/// A fixed word for what ended a connection.
fn fault(error: &hyper::Error) -> &'static str {
    let timed_out = |error: &(dyn std::error::Error + 'static)| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    };
    if error.is_timeout() || std::error::Error::source(error).is_some_and(timed_out) {
        "timeout"
    } else if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "malformed"
    } else {
        "connection_lost"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    async fn said(request: &[u8]) -> String {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let (_stop, stopped) = watch::channel(false);
        let client = Client {
            peer: "192.0.2.1:1024".parse().unwrap(),
            chain: Arc::default(),
            tls: "TLS".into(),
        };
        let limits = Limits {
            handshake: Duration::from_secs(1),
            request: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            connections: 1,
            per_source: 0,
        };
        near.write_all(request).await.unwrap();
        near.shutdown().await.unwrap();
        let _ = serve(far, client, &limits, Echo, stopped).await;
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
        assert!(said(b"\x80\x81\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
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
}
