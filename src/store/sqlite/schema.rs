//! The tables, and how a database of an older version becomes one of this version.

use sqlx::{Connection, SqliteConnection};

/// One entry a version: what turns the schema of the version before into it. Entries are only ever added.
const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE engine (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        engine_id TEXT NOT NULL,
        boots INTEGER NOT NULL,
        proof BLOB NOT NULL
    ) STRICT",
    "CREATE TABLE devices (
        mac TEXT PRIMARY KEY,
        fqdn TEXT NOT NULL,
        flow TEXT NOT NULL,
        record TEXT NOT NULL CHECK (json_valid(record)),
        vars BLOB NOT NULL,
        public_key_sha1 TEXT,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE attempts (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        mac TEXT NOT NULL REFERENCES devices (mac) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        phase TEXT NOT NULL,
        result TEXT CHECK (result IS NULL OR json_valid(result)),
        started INTEGER NOT NULL,
        deadline INTEGER NOT NULL,
        record TEXT NOT NULL CHECK (json_valid(record)),
        secrets BLOB
    ) STRICT",
    "CREATE INDEX attempts_of_device ON attempts (mac, seq)",
    // A device has at most one attempt that has not ended, whatever raced.
    "CREATE UNIQUE INDEX attempts_open ON attempts (mac) WHERE phase <> 'ended'",
    "CREATE INDEX attempts_deadline ON attempts (deadline)",
    "CREATE TABLE steps (
        seq INTEGER PRIMARY KEY,
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        step TEXT NOT NULL,
        at INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT",
    "CREATE INDEX steps_of_attempt ON steps (attempt, seq)",
    "CREATE TABLE files (
        name TEXT PRIMARY KEY,
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        mac TEXT NOT NULL,
        octets BLOB NOT NULL
    ) STRICT",
    "CREATE INDEX files_of_attempt ON files (attempt)",
    "CREATE TABLE seen (
        digest BLOB PRIMARY KEY,
        expires INTEGER NOT NULL,
        answer BLOB NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE INDEX seen_expires ON seen (expires)",
    "CREATE TABLE refusals (
        seq INTEGER PRIMARY KEY,
        mac TEXT,
        peer TEXT NOT NULL,
        step TEXT NOT NULL,
        at INTEGER NOT NULL,
        reason TEXT NOT NULL
    ) STRICT",
    "CREATE INDEX refusals_of_device ON refusals (mac, seq)",
    "CREATE TABLE keys (
        principal TEXT NOT NULL,
        kvno INTEGER NOT NULL,
        etype INTEGER NOT NULL,
        name_type INTEGER NOT NULL,
        components TEXT NOT NULL CHECK (json_valid(components)),
        key BLOB NOT NULL,
        created INTEGER NOT NULL,
        PRIMARY KEY (principal, kvno, etype)
    ) STRICT",
    // For the operator's own queries: the ladder with readable times.
    "CREATE VIEW ladder AS
        SELECT a.mac, a.id AS attempt, s.step,
            strftime('%Y-%m-%dT%H:%M:%S', s.at / 1000000, 'unixepoch') || printf('.%06dZ', s.at % 1000000) AS at,
            s.outcome, s.detail
        FROM steps s JOIN attempts a ON a.id = s.attempt ORDER BY a.seq, s.seq",
]];

/// The schema is one that this program does not know.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// A newer program made it.
    #[error("its schema has version {0}, this program knows {known}: run the newer program", known = MIGRATIONS.len())]
    Newer(i64),
    /// It is no database, or failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Brings the schema to this program's version, each version in a transaction of its own.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT")
        .execute(&mut *connection)
        .await?;
    loop {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM schema_version")
            .fetch_one(&mut *transaction)
            .await?;
        let version = version.unwrap_or(0);
        let Some(statements) = usize::try_from(version)
            .ok()
            .and_then(|version| MIGRATIONS.get(version))
        else {
            let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
            return if version == known {
                Ok(())
            } else {
                Err(SchemaError::Newer(version))
            };
        };
        for &statement in *statements {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        sqlx::query("INSERT INTO schema_version (version) VALUES (?)")
            .bind(version + 1)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
}
