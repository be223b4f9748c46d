//! One request, one response, and what the file source hears of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::body::{FileBody, Report};
use super::conditions::{self, Reply};
use super::taken::Ledger;
use crate::model::{Delivery, percent_decoded};
use crate::service::files::{Content, FileRequest, FileSource, Refusal, requested_name};
use crate::service::gate::Pass;
use crate::service::opening::{self, Held};
use crate::service::{drops, host};
use crate::settings::Service;

/// A connection, as its requests see it.
pub(super) struct Connected<S> {
    /// The other end.
    pub(super) peer: SocketAddr,
    pub(super) source: Arc<S>,
    /// The longest wait for [`FileSource::open`].
    pub(super) open_timeout: Duration,
    /// What its client has taken.
    pub(super) ledger: Ledger,
    /// What lets it count among the connections.
    pub(super) pass: Arc<Pass>,
}

pub(super) async fn respond<S: FileSource>(
    request: Request<Incoming>,
    connected: Arc<Connected<S>>,
) -> Result<Response<FileBody>, Infallible> {
    let peer = connected.peer;
    let response = match wish(&request, peer) {
        Err((status, reason)) => {
            drops::count(Service::Http, reason, peer, 0);
            let mut response = plain(status);
            if has_body(&request) {
                // Where the body ends is the sender's word: what follows is not to be taken for a request.
                set(&mut response, header::CONNECTION, "close");
            }
            response
        }
        Ok(file) => {
            let (source, kept) = (Arc::clone(&connected.source), Arc::clone(&connected.pass));
            match opening::open(source, file, connected.open_timeout, kept).await {
                Err(refusal) => plain(refusal_status(refusal)),
                Ok((content, held)) => deliver(&request, content, held, connected.ledger.clone()),
            }
        }
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
    if !host::is_named(request.headers(), request.version()) {
        return Err((StatusCode::BAD_REQUEST, "host"));
    }
    if has_body(request) {
        return Err((StatusCode::BAD_REQUEST, "body"));
    }
    if request.uri().query().is_some() {
        return Err((StatusCode::NOT_FOUND, "query"));
    }
    let path = percent_decoded(request.uri().path()).ok_or((StatusCode::BAD_REQUEST, "escape"))?;
    let name = requested_name(&path).ok_or((StatusCode::NOT_FOUND, "file_name"))?;
    Ok(FileRequest {
        name,
        peer,
        relayed: None,
        hardware: None,
        protocol: Delivery::Http,
        probe: request.method() == Method::HEAD,
    })
}

/// Whether a body follows the request's head, or might be thought to by a proxy before this server (RFC 9112 §11.2): a GET
/// has no use for one.
fn has_body(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

fn refusal_status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The response with `content`, all or part of it, or with the word why it has none of it.
fn deliver<S: FileSource>(
    request: &Request<Incoming>,
    content: Content,
    held: Held<S>,
    ledger: Ledger,
) -> Response<FileBody> {
    let head = request.method() == Method::HEAD;
    let tag = format!("\"{}\"", content.tag());
    let size = content.size();
    let Reply { status, part, instead } = conditions::reply(request.headers(), head, &tag, size);
    let content_range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{size}")),
        _ => None,
    };
    let length = part.end - part.start;
    let sent = if head { 0..0 } else { part };
    let body = FileBody::reported(content, sent, ledger, Report { held, instead });
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
