//! One request, one response, and what the file source hears of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::range::{Wanted, wanted};
use crate::model::{Delivery, percent_decoded};
use crate::service::drops;
use crate::service::files::{Bytes, FileRequest, FileSource, Outcome, Refusal, RelayClaim, requested_name};
use crate::settings::Service;
use crate::value::hex;

/// Octets handed to the connection at a time, so that a client that leaves is noticed before the end.
const CHUNK: usize = 64 << 10;

/// Octets of a file's hash that make its entity tag.
const TAG_LENGTH: usize = 16;

pub(super) async fn respond<S: FileSource>(
    request: Request<Incoming>,
    peer: SocketAddr,
    source: Arc<S>,
    open_timeout: Duration,
) -> Result<Response<FileBody>, Infallible> {
    let since = Instant::now();
    let response = match wish(&request, peer) {
        Err((status, reason)) => {
            drops::count(Service::Http, reason, peer, 0);
            plain(status)
        }
        Ok(file) => match tokio::time::timeout(open_timeout, source.open(&file))
            .await
            .unwrap_or(Err(Refusal::Busy))
        {
            Err(refusal) => plain(refusal_status(refusal)),
            Ok(content) => deliver(&request, file, content, source, since),
        },
    };
    let status = response.status().as_str().to_owned();
    metrics::counter!("hardline_http_requests_total", "status" => status).increment(1);
    Ok(response)
}

/// The file that a request asks for, or the status of its refusal with a fixed word for it.
fn wish(request: &Request<Incoming>, peer: SocketAddr) -> Result<FileRequest, (StatusCode, &'static str)> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "method"));
    }
    // RFC 9112 §3.2: exactly one Host in HTTP/1.1.
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err((StatusCode::BAD_REQUEST, "host"));
    }
    if request.uri().query().is_some() {
        return Err((StatusCode::NOT_FOUND, "query"));
    }
    let path = percent_decoded(request.uri().path()).ok_or((StatusCode::BAD_REQUEST, "escape"))?;
    let name = requested_name(&path).ok_or((StatusCode::NOT_FOUND, "file_name"))?;
    Ok(FileRequest {
        name: name.to_owned(),
        peer,
        claim: RelayClaim::default(),
        protocol: Delivery::Http,
        probe: request.method() == Method::HEAD,
    })
}

fn refusal_status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The response with `content`, all or part of it, or with the word that the client has it already.
fn deliver<S: FileSource>(
    request: &Request<Incoming>,
    file: FileRequest,
    content: Bytes,
    source: Arc<S>,
    since: Instant,
) -> Response<FileBody> {
    let tag = entity_tag(&content);
    let field = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let size = content.len();
    // RFC 9110 §13.1.5: a range of another version than the client has would make a patchwork.
    let fresh = field(header::IF_RANGE).is_none_or(|known| known == tag);
    let range = field(header::RANGE).filter(|_| fresh && !file.probe);
    let unchanged = field(header::IF_NONE_MATCH).is_some_and(|known| lists(known, &tag));
    let (status, part) = match wanted(range, size) {
        _ if unchanged => (StatusCode::NOT_MODIFIED, 0..0),
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let content_range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{size}")),
        _ => None,
    };
    let body = content.slice(part);
    let length = body.len();
    let body = match file.probe {
        true => FileBody::default(),
        false => FileBody::reported(body, file, source, since, status != StatusCode::RANGE_NOT_SATISFIABLE),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    if status != StatusCode::NOT_MODIFIED {
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    }
    if let Some(content_range) = content_range {
        set(&mut response, header::CONTENT_RANGE, &content_range);
    }
    response
}

/// A strong entity tag: the same octets have the same tag on every node.
fn entity_tag(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    format!("\"{}\"", hex(hash.get(..TAG_LENGTH).unwrap_or_default()))
}

/// Whether an If-None-Match field lists `tag` (RFC 9110 §13.1.2, weak comparison).
fn lists(field: &str, tag: &str) -> bool {
    field
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// A response without a file.
fn plain(status: StatusCode) -> Response<FileBody> {
    let mut response = Response::new(FileBody::default());
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_LENGTH, "0");
    match status {
        StatusCode::METHOD_NOT_ALLOWED => set(&mut response, header::ALLOW, "GET, HEAD"),
        StatusCode::SERVICE_UNAVAILABLE => set(&mut response, header::RETRY_AFTER, "1"),
        _ => {}
    }
    response
}

fn set(response: &mut Response<FileBody>, name: HeaderName, value: &str) {
    // Every value here is made of digits, hexadecimal text and fixed words.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The octets of a response, which reports whether the connection took all of them.
#[derive(Default)]
pub(super) struct FileBody {
    rest: Bytes,
    /// Taken when the last octet is handed out; dropped with the body where it never is.
    taken: Option<oneshot::Sender<()>>,
}

impl FileBody {
    /// A body of `content`; `source` hears once how the delivery of `file` ended. It is `served` unless the status refuses
    /// it.
    fn reported<S: FileSource>(
        content: Bytes,
        file: FileRequest,
        source: Arc<S>,
        since: Instant,
        served: bool,
    ) -> Self {
        let size = content.len() as u64;
        let (sender, taken) = oneshot::channel();
        tokio::spawn(async move {
            let complete = taken.await.is_ok() && served;
            let elapsed = since.elapsed();
            let outcome = match complete {
                true => Outcome::Complete {
                    bytes: size,
                    retransmissions: 0,
                    elapsed,
                },
                false => Outcome::Failed {
                    reason: "the connection took less than the whole file".to_owned(),
                    bytes: 0,
                    retransmissions: 0,
                    elapsed,
                },
            };
            let result = if complete { "complete" } else { "failed" };
            metrics::counter!("hardline_http_transfers_total", "result" => result).increment(1);
            metrics::histogram!("hardline_http_transfer_seconds", "result" => result).record(elapsed.as_secs_f64());
            source.finished(&file, &outcome).await;
        });
        let mut body = Self {
            rest: content,
            taken: Some(sender),
        };
        body.report_end();
        body
    }

    fn report_end(&mut self) {
        if self.rest.is_empty()
            && let Some(taken) = self.taken.take()
        {
            let _ = taken.send(());
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK);
        let chunk = self.rest.split_to(length);
        self.report_end();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9110_13_1_2_entity_tags() {
        let tag = entity_tag(b"file");
        assert!(lists(&tag, &tag) && lists("*", &tag));
        assert!(lists(&format!("\"x\", W/{tag}"), &tag));
        assert!(!lists("\"x\"", &tag));
        assert_ne!(entity_tag(b"file"), entity_tag(b"File"));
    }
}
