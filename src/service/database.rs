//! Databases of others, by a query that is sent as it is: SQLite, PostgreSQL, MySQL and MariaDB.
//!
//! Values are written into a query as literals, which the database gives the type that the query compares them with
//! (`inet`, `macaddr`, a number, text). Rows come as text, so that every column type that has a text form can be read.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow, MySqlSslMode};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Database as Dialect, Executor, Pool, Row as _, TypeInfo, ValueRef};

use crate::value::hex;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Int(i64),
    Text(String),
    Octets(Vec<u8>),
}

/// A value that is not NULL, with its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// The column's name.
    pub name: String,
    /// The column's type as the database calls it.
    pub kind: String,
    /// The value.
    pub value: Cell,
}

/// Why there are no rows.
#[derive(Debug)]
pub(super) enum DatabaseError {
    /// The database cannot be reached, or refuses the query.
    Down(sqlx::Error),
    /// A column cannot be read.
    Content(sqlx::Error),
}

/// What a database is reached with, besides its URL.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// The password, which goes before that of the URL.
    pub password: Option<String>,
    /// A file with the CA's certificate: the connection is encrypted then, and the server's name is the certificate's.
    pub ca_file: Option<PathBuf>,
}

/// How a database is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Connections, at most.
    pub connections: u32,
    /// How long an answer is awaited.
    pub timeout: Duration,
}

/// A database; connections are made when they are needed.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(Box<SqliteFile>),
    Postgres(PgPool),
    MySql(MySqlPool),
}

/// A SQLite file, in whose place its owner may put another, or none, at any time.
#[derive(Debug)]
pub(super) struct SqliteFile {
    options: SqliteConnectOptions,
    pool: SqlitePoolOptions,
    /// The connections, and the file that they have open.
    open: Mutex<Option<(Identity, SqlitePool)>>,
}

/// What tells a file from another of the same name: device, inode, and where the system knows it the instant it was made,
/// since an inode's number is given again.
type Identity = (u64, u64, Option<SystemTime>);

impl SqliteFile {
    /// Connections to the file that has the name now.
    fn open(&self) -> Result<SqlitePool, sqlx::Error> {
        let metadata = std::fs::metadata(self.options.get_filename())?;
        let identity = (metadata.dev(), metadata.ino(), metadata.created().ok());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, pool)) = &*open
            && *known == identity
        {
            return Ok(pool.clone());
        }
        let pool = self.pool.clone().connect_lazy_with(self.options.clone());
        *open = Some((identity, pool.clone()));
        Ok(pool)
    }
}

/// The first line of a password file.
pub(super) fn password(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

impl Database {
    /// The database of a URL.
    ///
    /// # Errors
    /// What is wrong with the URL or the CA's file.
    pub fn new(url: &str, access: Access, usage: Usage) -> Result<Self, String> {
        let Access { password, ca_file } = access;
        if let Some(path) = &ca_file {
            std::fs::read(path).map_err(|error| format!("ca_file: {}: {error}", path.display()))?;
        }
        let most = usage.connections;
        // The asker's own limit ends a question; the pool's is for a connection that nobody waits for any more.
        let wait = usage.timeout.max(Duration::from_secs(1));
        // A URL may hold a password: what is wrong with it is said without it.
        let wrong = |error: sqlx::Error| format!("url: {error}");
        match url.split(':').next().unwrap_or_default() {
            "sqlite" if ca_file.is_some() => Err("ca_file: sqlite has no connection to encrypt".to_owned()),
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
                let options = options.read_only(true).busy_timeout(usage.timeout);
                Ok(Self::Sqlite(Box::new(SqliteFile {
                    options: options.disable_statement_logging(),
                    pool: SqlitePoolOptions::new().max_connections(most).acquire_timeout(wait),
                    open: Mutex::default(),
                })))
            }
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(wrong)?;
                // Of a literal between quotes nothing but a quote ends it.
                let mut options = options
                    .application_name("hardline")
                    .options([("standard_conforming_strings", "on")]);
                if let Some(password) = password {
                    options = options.password(&password);
                }
                if let Some(path) = ca_file {
                    options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(path);
                }
                let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(wait);
                Ok(Self::Postgres(
                    pool.connect_lazy_with(options.disable_statement_logging()),
                ))
            }
            "mysql" | "mariadb" => {
                let mut options = MySqlConnectOptions::from_str(url).map_err(wrong)?;
                if let Some(password) = password {
                    options = options.password(&password);
                }
                if let Some(path) = ca_file {
                    options = options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(path);
                }
                let pool = MySqlPoolOptions::new().max_connections(most).acquire_timeout(wait);
                Ok(Self::MySql(pool.connect_lazy_with(options.disable_statement_logging())))
            }
            _ => Err("the URL begins with sqlite:, postgres: or mysql:".to_owned()),
        }
    }

    /// A text as a literal of this database, whatever stands in the text; `None` for one that it cannot hold.
    pub fn literal(&self, text: &str) -> Option<String> {
        if text.contains('\0') {
            return None;
        }
        Some(match self {
            Self::Sqlite(_) | Self::Postgres(_) => format!("'{}'", text.replace('\'', "''")),
            // Which characters have a meaning between its quotes depends on the server's mode.
            Self::MySql(_) => format!("_utf8mb4 X'{}'", hex(text.as_bytes())),
        })
    }

    /// The first rows of a query's answer, at most `most`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn rows(&self, sql: String, most: usize) -> Result<Vec<Vec<Found>>, DatabaseError> {
        match self {
            Self::Sqlite(file) => rows(&file.open().map_err(DatabaseError::Down)?, sql, most, sqlite_cell).await,
            Self::Postgres(pool) => rows(pool, sql, most, postgres_cell).await,
            Self::MySql(pool) => rows(pool, sql, most, mysql_cell).await,
        }
    }
}

/// A connection that is closed where its question is given up: an answer that nobody awaits any more may never come.
struct Lent<DB: Dialect>(Option<PoolConnection<DB>>);

impl<DB: Dialect> Drop for Lent<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// The rows of a query, sent as it is: without parameters every column of the answer is text, where the database has a
/// protocol.
async fn rows<DB: Dialect>(
    pool: &Pool<DB>,
    sql: String,
    most: usize,
    cell: fn(&DB::Row, usize) -> Result<Option<Cell>, sqlx::Error>,
) -> Result<Vec<Vec<Found>>, DatabaseError>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let connection = pool.acquire().await.map_err(DatabaseError::Down)?;
    let mut lent = Lent(Some(connection));
    let Some(connection) = lent.0.as_deref_mut() else {
        return Ok(Vec::new());
    };
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    let answer = match most {
        // What comes after the first row is passed over, not gathered.
        1 => query
            .fetch_optional(connection)
            .await
            .map(|row| row.into_iter().collect()),
        _ => query.fetch_all(connection).await,
    };
    // Answered: the connection goes back, and the pool looks whether it is still good.
    drop(lent.0.take());
    let answer: Vec<DB::Row> = answer.map_err(DatabaseError::Down)?;
    answer.iter().take(most).map(|row| read::<DB>(row, cell)).collect()
}

fn read<DB: Dialect>(
    row: &DB::Row,
    cell: fn(&DB::Row, usize) -> Result<Option<Cell>, sqlx::Error>,
) -> Result<Vec<Found>, DatabaseError> {
    let cells = row.columns().iter().enumerate().map(|(at, column)| {
        let value = cell(row, at).map_err(DatabaseError::Content)?;
        Ok(value.map(|value| Found {
            name: column.name().to_owned(),
            kind: column.type_info().name().to_ascii_uppercase(),
            value,
        }))
    });
    cells.filter_map(Result::transpose).collect()
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
