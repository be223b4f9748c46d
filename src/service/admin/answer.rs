//! What the admin API answers: JSON, errors too.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

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

/// One or several, as a body may hold either. What is wrong with an entry is told with its index in the list and its field.
pub(super) struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// All of them.
    pub(super) fn all(self) -> Result<Vec<T>, Refused> {
        match self.0.len() {
            0..=MOST => Ok(self.0),
            _ => Err(Refused::bad(format!("at most {MOST} in one request"))),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let many = match Value::deserialize(deserializer)? {
            Value::Array(list) => {
                let entries = list.into_iter().enumerate();
                entries.map(|(at, value)| entry(value, &format!("[{at}]"))).collect()
            }
            one => entry(one, "").map(|one| vec![one]),
        };
        many.map(Self).map_err(D::Error::custom)
    }
}

/// Reads one entry, which stands at `place`.
fn entry<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| located(place, error))
}

/// What is wrong, with the field that it is wrong with.
fn located(place: &str, error: serde_path_to_error::Error<serde_json::Error>) -> String {
    let field = error.path().to_string();
    let reason = error.into_inner();
    match (place, field.as_str()) {
        ("", ".") => reason.to_string(),
        ("", field) => format!("{field}: {reason}"),
        (place, ".") => format!("{place}: {reason}"),
        (place, field) => format!("{place}.{field}: {reason}"),
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
        read(&octets)
            .map(Self)
            .map_err(|reason| Refused::bad(format!("the body: {reason}")))
    }
}

fn read<T: DeserializeOwned>(octets: &[u8]) -> Result<T, String> {
    let mut document = serde_json::Deserializer::from_slice(octets);
    let read = serde_path_to_error::deserialize(&mut document).map_err(|error| located("", error))?;
    document.end().map_err(|error| error.to_string())?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lease;

    #[test]
    fn what_is_wrong_has_its_index_and_its_field() {
        let good = "{\"address\": \"192.0.2.7\", \"mac\": \"001122334455\", \"obtained\": \"2026-11-25T21:57:46Z\"}";
        for (body, expected) in [
            (
                "{\"address\": \"192.0.2.7\", \"mac\": \"001122334455\"}".to_owned(),
                "missing field `obtained`",
            ),
            (
                format!("[{good}, {}]", good.replace("001122334455", "00112233445z")),
                "[1].mac: '00112233445z' is not a MAC address: expected 12 hexadecimal digits",
            ),
            (
                format!("[{}]", good.replace("mac", "mak")),
                "[0].mak: unknown field `mak`",
            ),
            (format!("[{good}, 7]"), "[1]: invalid type: integer `7`"),
            ("[".to_owned(), "EOF while parsing"),
            (format!("{good} {good}"), "trailing characters"),
        ] {
            let error = read::<OneOrMany<Lease>>(body.as_bytes()).map(|_| ()).unwrap_err();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
        let many = |body: String| read::<OneOrMany<Lease>>(body.as_bytes()).map(|many| many.0.len());
        assert_eq!(many(good.to_owned()), Ok(1));
        assert_eq!(many(format!("[{good}, {good}]")), Ok(2));
        assert_eq!(many("[]".to_owned()), Ok(0));
    }
}
