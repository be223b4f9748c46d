//! Which read requests reach the file source, and the ERRORs of those that do not.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::model::Delivery;
use crate::service::files::{FileRequest, Refusal, requested_name};
use crate::wire::tftp::{ErrorCode, Mode, Request, RequestOptions};

/// A request that does not reach the file source.
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    /// What the client is told.
    pub(super) message: Cow<'static, str>,
    /// A fixed word for counters and logs.
    pub(super) reason: &'static str,
    /// The file that was asked for, where one was, as it is shown.
    file: Option<String>,
}

/// Characters of a file's name that are shown.
const SHOWN: usize = 80;

impl Refused {
    const fn new(code: ErrorCode, message: &'static str, reason: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            reason,
            file: None,
        }
    }

    /// The same for a request for `file`.
    fn of(self, file: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(file).chars().take(SHOWN).collect();
        Self {
            file: Some(shown),
            ..self
        }
    }

    /// What an operator is told.
    pub(super) fn detail(&self) -> String {
        match &self.file {
            Some(file) => format!("{}; it was for the file {file:?}", self.message),
            None => self.message.to_string(),
        }
    }

    pub(super) const WRITE: Self = Self::new(ErrorCode::ACCESS, "nothing can be written here", "write_request");
    pub(super) const STRAY: Self = Self::new(ErrorCode::UNKNOWN_TRANSFER, "unknown transfer", "stranger");
    pub(super) const MODE: Self = Self::new(ErrorCode::ILLEGAL, "only octet mode is served", "mode");
    pub(super) const NAME: Self = Self::new(ErrorCode::ACCESS, "no file has such a name", "file_name");
    const OPTION: Self = Self::new(ErrorCode::OPTIONS, "an option cannot be granted", "option");
    pub(super) const FULL: Self = Self::new(ErrorCode::UNDEFINED, "busy; ask again later", "full");
    pub(super) const SLOW: Self = Self::new(ErrorCode::UNDEFINED, "busy; ask again later", "open_timeout");
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
        return Err(Refused::MODE.of(request.file));
    }
    let options = RequestOptions::read(request.options, from_relay).map_err(|error| Refused {
        message: error.to_string().into(),
        ..Refused::OPTION.of(request.file)
    })?;
    let name = std::str::from_utf8(request.file)
        .ok()
        .and_then(requested_name)
        .ok_or_else(|| Refused::NAME.of(request.file))?;
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
