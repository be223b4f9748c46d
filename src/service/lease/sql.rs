//! Leases in a table of the operator's: any query, in SQLite, PostgreSQL, MySQL or MariaDB.
//!
//! The address or MAC address that is asked for is written into the query as a quoted literal, which the database gives
//! the type that the query compares it with (`inet`, `macaddr`, text). It is displayed from its value type and holds hexadecimal
//! digits, dots and colons alone. Rows come as text, so that every column type that has a text form can be read.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Database, Executor, Pool, Row as _, TypeInfo, ValueRef};

use super::cell::{self, Cell, Row};
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
    databases: Databases,
    queries: Queries,
    /// What a row is before it is read as a lease.
    shape: fn(&mut Row, &Described),
    described: Described,
}

enum Databases {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MySql(MySqlPool),
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
        let password = described.password_file.as_deref().map(password).transpose()?;
        Ok(Self {
            databases: Databases::new(url, password, described)?,
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

/// The first line of a password file.
pub(super) fn password(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

impl Databases {
    fn new(url: &str, password: Option<String>, described: &Described) -> Result<Self, String> {
        let most = described.concurrency;
        // The asker's own limit ends a question; the pool's is for a connection that nobody waits for any more.
        let wait = described.timeout.max(std::time::Duration::from_secs(1));
        let wrong = |error: sqlx::Error| format!("url: {error}");
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
            let options = options
                .read_only(true)
                .busy_timeout(described.timeout)
                .disable_statement_logging();
            let pool = SqlitePoolOptions::new().max_connections(most).acquire_timeout(wait);
            return Ok(Self::Sqlite(pool.connect_lazy_with(options)));
        }
        if url.starts_with("postgres") {
            let mut options = PgConnectOptions::from_str(url)
                .map_err(wrong)?
                .application_name("hardline");
            if let Some(password) = password {
                options = options.password(&password);
            }
            let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(wait);
            return Ok(Self::Postgres(
                pool.connect_lazy_with(options.disable_statement_logging()),
            ));
        }
        let mut options = MySqlConnectOptions::from_str(url).map_err(wrong)?;
        if let Some(password) = password {
            options = options.password(&password);
        }
        let pool = MySqlPoolOptions::new().max_connections(most).acquire_timeout(wait);
        Ok(Self::MySql(pool.connect_lazy_with(options.disable_statement_logging())))
    }

    async fn rows(&self, sql: String) -> Result<Vec<Row>, SourceError> {
        match self {
            Self::Sqlite(pool) => rows(pool, sql, sqlite_cell).await,
            Self::Postgres(pool) => rows(pool, sql, postgres_cell).await,
            Self::MySql(pool) => rows(pool, sql, mysql_cell).await,
        }
    }
}

/// A connection that is closed where its question is given up: an answer that nobody awaits any more may never come.
struct Lent<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// The rows of a query, sent as it is: without parameters every column of the answer is text, where the database has a
/// protocol.
async fn rows<DB: Database>(
    pool: &Pool<DB>,
    sql: String,
    cell: fn(&DB::Row, usize) -> Result<Option<Cell>, sqlx::Error>,
) -> Result<Vec<Row>, SourceError>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let connection = pool.acquire().await.map_err(SourceError::down)?;
    let mut lent = Lent(Some(connection));
    let Some(connection) = lent.0.as_deref_mut() else {
        return Ok(Vec::new());
    };
    let answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await;
    // Answered: the connection goes back, and the pool looks whether it is still good.
    drop(lent.0.take());
    let read = |row: &DB::Row| {
        let cells = row.columns().iter().enumerate().map(|(at, column)| {
            let value = cell(row, at).map_err(SourceError::content)?;
            Ok(value.map(|value| (column.name().to_lowercase(), value)))
        });
        cells.filter_map(Result::transpose).collect()
    };
    answer.map_err(SourceError::down)?.iter().take(ROWS).map(read).collect()
}

fn sqlite_cell(row: &SqliteRow, at: usize) -> Result<Option<Cell>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(None);
    }
    let cell = match value.type_info().name() {
        "INTEGER" | "BOOLEAN" => Cell::Int(row.try_get_unchecked(at)?),
        "REAL" => Cell::Text(row.try_get_unchecked::<f64, _>(at)?.to_string()),
        "BLOB" => Cell::Octets(row.try_get_unchecked(at)?),
        _ => Cell::Text(row.try_get_unchecked(at)?),
    };
    Ok(Some(cell))
}

fn postgres_cell(row: &PgRow, at: usize) -> Result<Option<Cell>, sqlx::Error> {
    Ok(row.try_get_unchecked::<Option<String>, _>(at)?.map(Cell::Text))
}

fn mysql_cell(row: &MySqlRow, at: usize) -> Result<Option<Cell>, sqlx::Error> {
    let octets: Option<Vec<u8>> = row.try_get_unchecked(at)?;
    let kind = row.column(at).type_info().name();
    let binary = kind.ends_with("BLOB") || kind.ends_with("BINARY");
    Ok(octets.map(|octets| match String::from_utf8(octets) {
        Ok(text) if !binary => Cell::Text(text),
        Ok(text) => Cell::Octets(text.into_bytes()),
        Err(error) => Cell::Octets(error.into_bytes()),
    }))
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
            for row in self.databases.rows(question).await? {
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
