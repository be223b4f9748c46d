//! Leases in a table of the operator's: any query, in SQLite, PostgreSQL, MySQL or MariaDB.
//!
//! The address or MAC address that is asked for is written into the query as a quoted literal. It is displayed from its
//! value type and holds hexadecimal digits, dots and colons alone.

use std::net::IpAddr;

use async_trait::async_trait;

use super::super::database::{Access, Database, DatabaseError, Usage, password};
use super::cell::{self, Row};
use super::source::{Key, LeaseSource, SourceError, newest};
use crate::model::Lease;
use crate::settings::LeaseSource as Described;

/// Rows of one answer that are looked at.
const ROWS: usize = 64;

/// What is asked, with `:address`, `:address_number` or `:mac` where the value stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Queries {
    pub(super) v4: Option<String>,
    pub(super) v6: Option<String>,
    /// Each is asked; the newest lease counts.
    pub(super) mac: Vec<String>,
}

/// A database with queries.
pub struct SqlSource {
    database: Database,
    queries: Queries,
    /// What a row is before it is read as a lease.
    shape: fn(&mut Row, &Described),
    described: Described,
}

impl SqlSource {
    /// The operator's own queries.
    ///
    /// # Errors
    /// What is wrong with the URL or the password file.
    pub(super) fn new(described: &Described) -> Result<Self, String> {
        let queries = Queries {
            v4: described.by_address.clone(),
            v6: described.by_address.clone(),
            mac: described.by_mac.iter().cloned().collect(),
        };
        Self::with(described, queries, |_, _| {})
    }

    /// Other queries, whose rows `shape` makes fit.
    pub(super) fn with(
        described: &Described,
        queries: Queries,
        shape: fn(&mut Row, &Described),
    ) -> Result<Self, String> {
        let url = described.url.as_deref().unwrap_or_default();
        let access = Access {
            password: described.password_file.as_deref().map(password).transpose()?,
            ca_file: described.ca_file.clone(),
        };
        let usage = Usage {
            connections: described.concurrency(),
            timeout: described.timeout,
        };
        Ok(Self {
            database: Database::new(url, access, usage)?,
            queries,
            shape,
            described: described.clone(),
        })
    }

    fn lease(&self, mut row: Row, key: Key) -> Result<Lease, SourceError> {
        (self.shape)(&mut row, &self.described);
        cell::lease(&row, key)
    }
}

/// `query` with the value of `name` (such as `:mac`) in its place. A `:` before it (a cast of PostgreSQL) or a letter,
/// digit or `_` after it makes it another word.
fn filled(query: &str, name: &str, value: &str) -> String {
    let mut out = String::with_capacity(query.len() + value.len());
    let mut rest = query;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = found.get(name.len()..).unwrap_or_default();
        let other_word = after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        out.push_str(before);
        out.push_str(if other_word || before.ends_with(':') {
            name
        } else {
            value
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The queries about `key`, ready to be sent.
fn questions(queries: &Queries, key: Key) -> Vec<String> {
    match key {
        Key::Address(address) => {
            let query = match address {
                IpAddr::V4(_) => &queries.v4,
                IpAddr::V6(_) => &queries.v6,
            };
            let number = match address {
                IpAddr::V4(address) => u32::from(address).to_string(),
                IpAddr::V6(_) => "NULL".to_owned(),
            };
            let fill = |query: &String| {
                let query = filled(query, ":address_number", &number);
                filled(&query, ":address", &format!("'{address}'"))
            };
            query.iter().map(fill).collect()
        }
        Key::Mac(mac) => {
            let fill = |query: &String| {
                let query = filled(query, ":mac_digits", &format!("'{}'", mac.bare()));
                filled(&query, ":mac", &format!("'{mac}'"))
            };
            queries.mac.iter().map(fill).collect()
        }
    }
}

#[async_trait]
impl LeaseSource for SqlSource {
    fn covers(&self, key: Key) -> bool {
        match key {
            Key::Address(IpAddr::V4(_)) => self.queries.v4.is_some(),
            Key::Address(IpAddr::V6(_)) => self.queries.v6.is_some(),
            Key::Mac(_) => !self.queries.mac.is_empty(),
        }
    }

    async fn find(&self, key: Key) -> Result<Option<Lease>, SourceError> {
        let mut leases = Vec::new();
        let mut unusable = None;
        for question in questions(&self.queries, key) {
            let rows = self.database.rows(question, ROWS).await.map_err(|error| match error {
                DatabaseError::Down(error) => SourceError::down(error),
                DatabaseError::Content(error) => SourceError::content(error),
            })?;
            for row in rows {
                let row = row
                    .into_iter()
                    .map(|found| (found.name.to_lowercase(), found.value))
                    .collect();
                match self.lease(row, key) {
                    Ok(lease) => leases.push(lease),
                    Err(error) => unusable = Some(error),
                }
            }
        }
        match (newest(leases), unusable) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_names_stood() {
        let queries = Queries {
            v4: Some(
                "SELECT x::address, ':address' FROM t WHERE ip = :address AND n = :address_number AND o = :addresses"
                    .into(),
            ),
            v6: Some("SELECT :address".into()),
            mac: vec!["SELECT :mac, :mac_digits".into()],
        };
        let ask = |key| questions(&queries, key).remove(0);
        assert_eq!(
            ask(Key::Address("192.0.2.7".parse().unwrap())),
            "SELECT x::address, ''192.0.2.7'' FROM t WHERE ip = '192.0.2.7' AND n = 3221225991 AND o = :addresses"
        );
        assert_eq!(
            ask(Key::Address("2001:db8::7".parse().unwrap())),
            "SELECT '2001:db8::7'"
        );
        assert_eq!(
            ask(Key::Mac(crate::value::MacAddress([0, 1, 2, 3, 4, 0xab]))),
            "SELECT '00:01:02:03:04:ab', '0001020304ab'"
        );
    }
}
