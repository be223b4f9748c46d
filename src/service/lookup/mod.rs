//! Values that templates ask other systems for: a row of a database, or a JSON object by HTTP. They are asked for before
//! a file is built, within a time limit, and answers are kept for a while.

mod http;
mod piece;
mod sql;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HttpSource;
use sql::SqlSource;

use crate::settings::LookupSettings;
use crate::template::Fields;

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
    Sql(SqlSource),
    Http(HttpSource),
}

impl Source {
    /// The names whose values the question holds, in their order.
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Sql(source) => source.names(),
            Self::Http(source) => source.names(),
        }
    }

    async fn ask(&self, values: &[Option<String>]) -> Result<Fields, String> {
        match self {
            Self::Sql(source) => source.ask(values).await,
            Self::Http(source) => source.ask(values).await,
        }
    }
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
            (Some(url), Some(query), None) => Source::Sql(SqlSource::new(url, query, settings)?),
            (None, None, Some(url)) => Source::Http(HttpSource::new(url)?),
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
        let key: Vec<Option<String>> = self
            .source
            .names()
            .into_iter()
            .map(|name| values.get(name).cloned())
            .collect();
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

#[cfg(test)]
mod tests;
