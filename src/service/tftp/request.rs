//! Which read requests reach the file source, and the ERRORs of those that do not.

use std::net::SocketAddr;

use crate::model::Delivery;
use crate::service::files::{FileRequest, Refusal, requested_name};
use crate::wire::tftp::{ErrorCode, Mode, Request, RequestOptions};

/// A request that does not reach the file source.
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: &'static str,
    /// A fixed word for counters and logs.
    pub(super) reason: &'static str,
}

impl Refused {
    pub(super) const WRITE: Self = Self {
        code: ErrorCode::ACCESS,
        message: "nothing can be written here",
        reason: "write_request",
    };
    pub(super) const STRAY: Self = Self {
        code: ErrorCode::UNKNOWN_TRANSFER,
        message: "unknown transfer",
        reason: "stranger",
    };
    pub(super) const MODE: Self = Self {
        code: ErrorCode::ILLEGAL,
        message: "only octet mode is served",
        reason: "mode",
    };
    pub(super) const NAME: Self = Self {
        code: ErrorCode::ACCESS,
        message: "no file has such a name",
        reason: "file_name",
    };
    pub(super) const FULL: Self = Self {
        code: ErrorCode::UNDEFINED,
        message: "busy; ask again later",
        reason: "full",
    };
    pub(super) const SLOW: Self = Self {
        code: ErrorCode::UNDEFINED,
        message: "busy; ask again later",
        reason: "open_timeout",
    };
}

/// The ERROR that tells a client of the file source's refusal.
pub(super) fn refusal_error(refusal: Refusal) -> (ErrorCode, &'static str) {
    match refusal {
        Refusal::NotFound => (ErrorCode::NOT_FOUND, "no such file"),
        Refusal::Forbidden => (ErrorCode::ACCESS, "not for this client"),
        Refusal::Busy => (ErrorCode::UNDEFINED, "busy; ask again later"),
    }
}

/// What a read request asks for, where it can be served at all. What it says of the client's addresses is heard only from a
/// relay.
pub(super) fn acceptable(
    request: &Request<'_>,
    client: SocketAddr,
    from_relay: bool,
) -> Result<(FileRequest, RequestOptions), Refused> {
    if request.mode != Mode::Octet {
        return Err(Refused::MODE);
    }
    let options = RequestOptions::read(request.options, from_relay).map_err(|error| Refused {
        code: ErrorCode::OPTIONS,
        message: error.message(),
        reason: "option",
    })?;
    let name = std::str::from_utf8(request.file)
        .ok()
        .and_then(requested_name)
        .ok_or(Refused::NAME)?;
    let request = FileRequest {
        name,
        peer: client,
        relayed: options.client_address,
        hardware: options.client_mac,
        protocol: Delivery::Tftp,
        probe: false,
    };
    Ok((request, options))
}
