//! Values that templates ask other systems for: a row of a database, or a JSON object by HTTP. They are asked for before
//! a file is built, within a time limit, and answers are kept for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Column, Row, TypeInfo, ValueRef};

use crate::settings::LookupSettings;
use crate::template::{Fields, Scalar};

/// Connections to one database, at most.
const CONNECTIONS: u32 = 4;
/// The largest answer over HTTP, in octets.
const LARGEST: usize = 64 << 10;
/// The longest text that is taken from an answer, in octets.
const LONGEST: usize = 16 << 10;

/// Why a lookup gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("lookup '{name}': {reason}")]
pub struct LookupError {
    /// Which.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The lookups of an installation.
#[derive(Debug, Default)]
pub struct Lookups(HashMap<String, Lookup>);

#[derive(Debug)]
struct Lookup {
    source: Source,
    timeout: Duration,
    optional: bool,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
enum Source {
    /// The query with the database's own marks, and what belongs to each.
    Sql(AnyPool, String, Vec<String>),
    /// The URL's pieces: text, and names between them.
    Http(Box<Client<HttpConnector, Empty<Bytes>>>, Vec<Piece>),
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(String),
}

/// Answers of a while: the present ones, and those of the time before.
#[derive(Debug)]
struct Kept {
    young: HashMap<Vec<Option<String>>, (Instant, Fields)>,
    old: HashMap<Vec<Option<String>>, (Instant, Fields)>,
    each: usize,
    time: Duration,
}

impl Kept {
    fn get(&self, key: &[Option<String>], now: Instant) -> Option<Fields> {
        let found = self.young.get(key).or_else(|| self.old.get(key))?;
        (now.saturating_duration_since(found.0) < self.time).then(|| found.1.clone())
    }

    fn put(&mut self, key: Vec<Option<String>>, now: Instant, answer: Fields) {
        if self.time.is_zero() || self.each == 0 {
            return;
        }
        if self.young.len() >= self.each {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (now, answer));
    }
}

impl Lookups {
    /// The lookups of the settings. Connections are made when they are needed.
    ///
    /// # Errors
    /// [`LookupError`] with the first lookup that cannot be made.
    pub fn new(settings: &BTreeMap<String, LookupSettings>) -> Result<Self, LookupError> {
        if settings.values().any(|settings| settings.sql.is_some()) {
            sqlx::any::install_default_drivers();
        }
        let lookup = |(name, settings): (&String, &LookupSettings)| {
            let lookup = Lookup::new(settings).map_err(|reason| LookupError {
                name: name.clone(),
                reason,
            })?;
            Ok((name.clone(), lookup))
        };
        settings.iter().map(lookup).collect::<Result<_, _>>().map(Self)
    }

    /// The answers of the lookups `wanted`; `values` are what queries and URLs may name. A lookup that finds nothing
    /// gives no fields.
    ///
    /// # Errors
    /// [`LookupError`] where one that is not optional has no answer.
    pub async fn ask(
        &self,
        wanted: &[Box<str>],
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Fields>, LookupError> {
        let mut answers = BTreeMap::new();
        for name in wanted {
            let failed = |reason: String| LookupError {
                name: name.to_string(),
                reason,
            };
            let lookup = self.0.get(&**name);
            let lookup = lookup.ok_or_else(|| failed("the settings do not have it".to_owned()))?;
            let answer = match lookup.ask(values).await {
                Ok(answer) => answer,
                Err(reason) if lookup.optional => {
                    metrics::counter!("hardline_lookups_total", "result" => "failed").increment(1);
                    tracing::warn!(lookup = &**name, reason, "the file is made without it");
                    Fields::default()
                }
                Err(reason) => {
                    metrics::counter!("hardline_lookups_total", "result" => "failed").increment(1);
                    return Err(failed(reason));
                }
            };
            answers.insert(name.to_string(), answer);
        }
        Ok(answers)
    }
}

impl Lookup {
    fn new(settings: &LookupSettings) -> Result<Self, String> {
        let source = match (&settings.sql, &settings.query, &settings.http) {
            (Some(url), Some(query), None) => sql(url, query, settings.timeout)?,
            (None, None, Some(url)) => http(url)?,
            _ => return Err("one of sql with query, and http, says where it is asked".to_owned()),
        };
        Ok(Self {
            source,
            timeout: settings.timeout,
            optional: settings.optional,
            kept: Mutex::new(Kept {
                young: HashMap::new(),
                old: HashMap::new(),
                each: settings.cache_entries.div_ceil(2),
                time: settings.cache,
            }),
        })
    }

    async fn ask(&self, values: &BTreeMap<String, String>) -> Result<Fields, String> {
        let names: Vec<String> = match &self.source {
            Source::Sql(_, _, names) => names.clone(),
            Source::Http(_, pieces) => {
                let name = |piece: &'_ Piece| match piece {
                    Piece::Name(name) => Some(name.clone()),
                    Piece::Text(_) => None,
                };
                pieces.iter().filter_map(name).collect()
            }
        };
        let key: Vec<Option<String>> = names.iter().map(|name| values.get(name).cloned()).collect();
        // A panic elsewhere leaves whole entries.
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = kept().get(&key, Instant::now()) {
            metrics::counter!("hardline_lookups_total", "result" => "kept").increment(1);
            return Ok(answer);
        }
        let asked = tokio::time::timeout(self.timeout, self.source.ask(&key)).await;
        let answer = asked.map_err(|_| format!("no answer within {:?}", self.timeout))??;
        metrics::counter!("hardline_lookups_total", "result" => "asked").increment(1);
        kept().put(key, Instant::now(), answer.clone());
        Ok(answer)
    }
}

fn sql(url: &str, query: &str, timeout: Duration) -> Result<Source, String> {
    let scheme = url.split(':').next().unwrap_or_default();
    let numbered = match scheme {
        "postgres" | "postgresql" => true,
        "sqlite" | "mysql" | "mariadb" => false,
        _ => return Err("the URL of sql begins with sqlite:, postgres: or mysql:".to_owned()),
    };
    let (query, names) = marked(query, numbered);
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(timeout)
        .connect_lazy(url)
        .map_err(|error| format!("sql: {error}"))?;
    Ok(Source::Sql(pool, query, names))
}

/// The query with the database's marks (`$1`, or `?`) for `:name`, and the names in order. Texts in quotes stay as they
/// are, and so does `::`.
fn marked(query: &str, numbered: bool) -> (String, Vec<String>) {
    let mut out = String::with_capacity(query.len());
    let mut names = Vec::new();
    let mut quote = None;
    let mut rest = query.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        let starts = rest
            .peek()
            .is_some_and(|next| next.is_ascii_alphabetic() || *next == '_');
        match (quote, c) {
            (None, ':') if before != ':' && starts => {
                let mut name = String::new();
                while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                names.push(name);
                if numbered {
                    out.push_str(&format!("${}", names.len()));
                } else {
                    out.push('?');
                }
            }
            (None, '\'' | '"' | '`') => {
                quote = Some(c);
                out.push(c);
            }
            (Some(open), c) => {
                if c == open {
                    quote = None;
                }
                out.push(c);
            }
            (None, c) => out.push(c),
        }
        before = c;
    }
    (out, names)
}

fn http(url: &str) -> Result<Source, String> {
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
    Ok(Source::Http(Box::new(client), pieces))
}

impl Source {
    async fn ask(&self, values: &[Option<String>]) -> Result<Fields, String> {
        match self {
            Self::Sql(pool, query, _) => {
                let mut asked = sqlx::query(sqlx::AssertSqlSafe(query.as_str()));
                for value in values {
                    asked = asked.bind(value.clone());
                }
                let row = asked.fetch_optional(pool).await.map_err(|error| error.to_string())?;
                row.map_or_else(|| Ok(Fields::default()), |row| row_fields(&row))
            }
            Self::Http(client, pieces) => {
                let url = filled(pieces, values);
                let uri = url.parse().map_err(|_| format!("'{url}' is no URL"))?;
                let response = client.get(uri).await.map_err(|error| error.to_string())?;
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
    }
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

fn row_fields(row: &AnyRow) -> Result<Fields, String> {
    let mut fields = Fields::default();
    for column in row.columns() {
        let (at, name) = (column.ordinal(), column.name());
        let failed = |error: sqlx::Error| format!("column {name}: {error}");
        let value = row.try_get_raw(at).map_err(failed)?;
        if value.is_null() {
            continue;
        }
        let kind = value.type_info().name().to_ascii_uppercase();
        let scalar = match kind.as_str() {
            "BOOLEAN" | "BOOL" => row.try_get::<bool, _>(at).map(Scalar::Bool),
            "SMALLINT" | "INT" | "INTEGER" | "BIGINT" => row.try_get::<i64, _>(at).map(Scalar::Int),
            "REAL" | "DOUBLE" | "FLOAT" => row.try_get::<f64, _>(at).map(|number| Scalar::Text(number.to_string())),
            "BLOB" => row
                .try_get::<Vec<u8>, _>(at)
                .map(|octets| Scalar::Text(String::from_utf8_lossy(&octets).into_owned())),
            _ => row.try_get::<String, _>(at).map(Scalar::Text),
        };
        let scalar = scalar.map_err(failed)?;
        if matches!(&scalar, Scalar::Text(text) if text.len() > LONGEST) {
            return Err(format!("column {name}: more than {LONGEST} octets"));
        }
        fields.set(name, scalar);
    }
    Ok(fields)
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

    fn settings(sql: Option<&str>, query: Option<&str>, http: Option<&str>) -> BTreeMap<String, LookupSettings> {
        let settings = LookupSettings {
            sql: sql.map(str::to_owned),
            query: query.map(str::to_owned),
            http: http.map(str::to_owned),
            timeout: Duration::from_secs(5),
            cache: Duration::from_secs(60),
            cache_entries: 10,
            optional: false,
        };
        [("subs".to_owned(), settings)].into()
    }

    #[test]
    fn values_in_queries_become_marks() {
        let query = "SELECT ':x', a::text FROM t WHERE mac = :mac AND n = :n_1";
        let names = vec!["mac".to_owned(), "n_1".to_owned()];
        assert_eq!(
            marked(query, true),
            (
                "SELECT ':x', a::text FROM t WHERE mac = $1 AND n = $2".to_owned(),
                names.clone()
            )
        );
        assert_eq!(
            marked(query, false),
            ("SELECT ':x', a::text FROM t WHERE mac = ? AND n = ?".to_owned(), names)
        );
    }

    #[test]
    fn values_in_urls_are_escaped() {
        let Source::Http(_, pieces) = http("http://h/{mac}/x?n={n}").unwrap() else {
            panic!("HTTP");
        };
        assert_eq!(
            filled(&pieces, &[Some("a/b ü".to_owned()), None]),
            "http://h/a%2Fb%20%C3%BC/x?n="
        );
        assert!(http("ftp://h/").is_err() && http("http://h/{").is_err());
    }

    #[tokio::test]
    async fn a_row_of_sqlite_is_asked_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subs.db");
        let made = std::process::Command::new("sqlite3")
            .arg(&path)
            .arg("CREATE TABLE s (mac TEXT, cpe INTEGER, tier TEXT, note TEXT); INSERT INTO s VALUES ('aa', 8, 'gold', NULL);")
            .status()
            .unwrap();
        assert!(made.success());
        let url = format!("sqlite:{}", path.display());
        let lookups = Lookups::new(&settings(
            Some(&url),
            Some("SELECT cpe, tier, note FROM s WHERE mac = :mac"),
            None,
        ))
        .unwrap();
        let ask = |mac: &str| {
            let values = BTreeMap::from([("mac".to_owned(), mac.to_owned())]);
            let lookups = &lookups;
            async move { lookups.ask(&["subs".into()], &values).await }
        };
        let found = ask("aa").await.unwrap().remove("subs").unwrap();
        assert_eq!(found.get("cpe"), Some(&Scalar::Int(8)));
        assert_eq!(found.get("tier"), Some(&Scalar::Text("gold".to_owned())));
        assert_eq!(found.get("note"), None);
        assert!(ask("bb").await.unwrap()["subs"].is_empty());
        // The answer is kept: the database may be gone.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(ask("aa").await.unwrap()["subs"], found);
        let error = lookups.ask(&["other".into()], &BTreeMap::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "lookup 'other': the settings do not have it");
    }

    #[tokio::test]
    async fn an_object_over_http_and_one_that_is_not_there() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                let found = request[..length].starts_with(b"GET /aa ");
                let body = r#"{"cpe": 8, "on": true, "tier": "gold", "list": [1]}"#;
                let (status, body) = if found {
                    ("200 OK", body)
                } else {
                    ("404 Not Found", "{}")
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let url = format!("http://{address}/{{mac}}");
        let lookups = Lookups::new(&settings(None, None, Some(&url))).unwrap();
        let values = BTreeMap::from([("mac".to_owned(), "aa".to_owned())]);
        let found = lookups.ask(&["subs".into()], &values).await.unwrap();
        assert_eq!(found["subs"].get("on"), Some(&Scalar::Bool(true)));
        assert_eq!(found["subs"].get("cpe"), Some(&Scalar::Int(8)));
        let values = BTreeMap::from([("mac".to_owned(), "bb".to_owned())]);
        assert!(lookups.ask(&["subs".into()], &values).await.unwrap()["subs"].is_empty());
    }
}
