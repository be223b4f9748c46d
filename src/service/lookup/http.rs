//! A JSON object by HTTP.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;

use super::LONGEST;
use super::piece::{Piece, names};
use crate::template::{Fields, Scalar};

/// The largest answer, in octets.
const LARGEST: usize = 64 << 10;

/// What is asked by a URL.
#[derive(Debug)]
pub(super) struct HttpSource {
    client: Client<HttpConnector, Empty<Bytes>>,
    pieces: Vec<Piece>,
}

impl HttpSource {
    /// A URL with `{name}` where a value belongs; the error says what is wrong with it.
    pub fn new(url: &str) -> Result<Self, String> {
        if !url.starts_with("http://") {
            return Err("the URL of http begins with http://".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = url;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a { of the URL is not closed")?;
            pieces.push(Piece::Text(text.to_owned()));
            pieces.push(Piece::Name(name.trim().to_owned()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        Ok(Self { client, pieces })
    }

    /// The names of the values, in their order.
    pub fn names(&self) -> Vec<&str> {
        names(&self.pieces)
    }

    /// The answer for these values; no fields where there is no such thing.
    pub async fn ask(&self, values: &[Option<String>]) -> Result<Fields, String> {
        // Escaped or not, a server may take these for another folder.
        if values.iter().flatten().any(|value| value == "." || value == "..") {
            return Ok(Fields::default());
        }
        let url = filled(&self.pieces, values);
        let uri = url.parse().map_err(|_| format!("'{url}' is no URL"))?;
        let response = self.client.get(uri).await;
        let response = response.map_err(|error| format!("{url}: {}", with_sources(&error)))?;
        if response.status() == hyper::StatusCode::NOT_FOUND {
            return Ok(Fields::default());
        }
        if !response.status().is_success() {
            return Err(format!("{url} answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| format!("{url}: {error}"))?.to_bytes();
        json_fields(&body).map_err(|reason| format!("{url}: {reason}"))
    }
}

/// An error with what it comes from: the client's own says that it failed, not why.
fn with_sources(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The URL with the values in their places, escaped.
fn filled(pieces: &[Piece], values: &[Option<String>]) -> String {
    let mut values = values.iter();
    let mut url = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => url.push_str(text),
            Piece::Name(_) => {
                let value = values.next().cloned().flatten().unwrap_or_default();
                for octet in value.bytes() {
                    let plain = octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~');
                    if plain {
                        url.push(char::from(octet));
                    } else {
                        url.push_str(&format!("%{octet:02X}"));
                    }
                }
            }
        }
    }
    url
}

/// The members of a JSON object that are no lists and no objects.
fn json_fields(body: &[u8]) -> Result<Fields, String> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let object = value.as_object().ok_or("no JSON object")?;
    let mut fields = Fields::default();
    for (name, value) in object {
        let scalar = match value {
            serde_json::Value::String(text) if text.len() <= LONGEST => Scalar::Text(text.clone()),
            serde_json::Value::Bool(value) => Scalar::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Scalar::Int(number),
                None => Scalar::Text(number.to_string()),
            },
            _ => continue,
        };
        fields.set(name, scalar);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_urls_are_escaped() {
        let source = HttpSource::new("http://h/{mac}/x?n={n}").unwrap();
        assert_eq!(source.names(), ["mac", "n"]);
        assert_eq!(
            filled(&source.pieces, &[Some("a/b ü".to_owned()), None]),
            "http://h/a%2Fb%20%C3%BC/x?n="
        );
        assert!(HttpSource::new("ftp://h/").is_err() && HttpSource::new("http://h/{").is_err());
    }
}
