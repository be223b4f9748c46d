//! What the admin API answers: JSON, errors too.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::StoreError;

/// The longest body of a request in octets.
pub(super) const MAX_BODY: usize = 1 << 20;

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request of the admin API cannot be stored");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the database failed; the log says how",
        )
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        (self.status, Json(body)).into_response()
    }
}

/// Entries of a list in one request, and in one answer.
pub(super) const MOST: usize = 1_000;

/// One or several, as a body may hold either.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub(super) fn all(self) -> Result<Vec<T>, Refused> {
        let all = match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        };
        match all.len() {
            0..=MOST => Ok(all),
            _ => Err(Refused::bad(format!("at most {MOST} in one request"))),
        }
    }
}

/// An answer in JSON.
pub(super) type Answer = Result<Response, Refused>;

/// A JSON document with a status.
pub(super) fn with<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    Ok((status, Json(value)).into_response())
}

/// A JSON document.
pub(super) fn ok<T: Serialize>(value: &T) -> Answer {
    with(StatusCode::OK, value)
}

/// The body of a request, read as JSON.
pub(super) struct Document<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Document<T> {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Refused> {
        let octets = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| {
            let message = format!("a body has at most {MAX_BODY} octets");
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        })?;
        let read = serde_json::from_slice(&octets);
        read.map(Self)
            .map_err(|error| Refused::bad(format!("the body: {error}")))
    }
}
