//! The tables, and how a database of an older version becomes one of this version.

use sqlx::{Connection, SqliteConnection};

/// One entry a version: what turns the schema of the version before into it. Entries are only ever added.
const MIGRATIONS: &[&[&str]] = &[
    &[
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
    ],
    &[
        // A device's name with its labels in reverse order, so that what lies below a name is a range.
        "ALTER TABLE devices ADD COLUMN labels TEXT NOT NULL DEFAULT ''",
        "UPDATE devices SET labels = (
        WITH RECURSIVE reversed (rest, labels) AS (
            SELECT fqdn || '.', ''
            UNION ALL
            SELECT substr(rest, instr(rest, '.') + 1),
                substr(rest, 1, instr(rest, '.') - 1) || iif(labels = '', '', '.' || labels)
            FROM reversed WHERE rest <> ''
        ) SELECT labels FROM reversed WHERE rest = ''
    )",
        "CREATE INDEX devices_labels ON devices (labels)",
        "CREATE TABLE addresses (
        address TEXT NOT NULL,
        mac TEXT NOT NULL REFERENCES devices (mac) ON DELETE CASCADE,
        PRIMARY KEY (address, mac)
    ) STRICT, WITHOUT ROWID",
        "CREATE INDEX addresses_of_device ON addresses (mac)",
        "INSERT OR IGNORE INTO addresses SELECT a.value, d.mac FROM devices d, json_each(d.record, '$.addresses') a",
        // A conflict clause here would be overridden by that of the statement which the trigger runs for.
        "CREATE TRIGGER device_added AFTER INSERT ON devices BEGIN
        INSERT INTO addresses SELECT DISTINCT value, NEW.mac FROM json_each(NEW.record, '$.addresses');
    END",
        "CREATE TRIGGER device_changed AFTER UPDATE OF record ON devices WHEN OLD.record <> NEW.record BEGIN
        DELETE FROM addresses WHERE mac = NEW.mac;
        INSERT INTO addresses SELECT DISTINCT value, NEW.mac FROM json_each(NEW.record, '$.addresses');
    END",
    ],
    &[
        // What commands ask a running server to do.
        "CREATE TABLE orders (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            mac TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (json_valid(kind)),
            placed INTEGER NOT NULL,
            expires INTEGER NOT NULL,
            taken INTEGER,
            outcome TEXT CHECK (outcome IS NULL OR json_valid(outcome))
        ) STRICT",
        "CREATE INDEX orders_open ON orders (seq) WHERE outcome IS NULL",
        // The Wake Up that a device was last sent, by whose nonce its AP Request is known.
        "CREATE TABLE wake_ups (
            mac TEXT PRIMARY KEY REFERENCES devices (mac) ON DELETE CASCADE,
            nonce INTEGER NOT NULL,
            expires INTEGER NOT NULL,
            answered INTEGER
        ) STRICT, WITHOUT ROWID",
        // AP Replies that a Security Parameter Recovered is to acknowledge, which names nobody but its sender's address.
        "CREATE TABLE recoveries (
            peer TEXT NOT NULL,
            mac TEXT NOT NULL REFERENCES devices (mac) ON DELETE CASCADE,
            digest BLOB NOT NULL,
            expires INTEGER NOT NULL,
            PRIMARY KEY (peer, mac)
        ) STRICT, WITHOUT ROWID",
        // Whose message it was, where somebody could fill the table.
        "ALTER TABLE seen ADD COLUMN owner TEXT",
        "CREATE INDEX seen_owner ON seen (owner) WHERE owner IS NOT NULL",
        // When a key that a newer one has replaced is forgotten.
        "ALTER TABLE keys ADD COLUMN forget INTEGER",
        // What devices have shown of the interop profile, by OUI and type identifier.
        "CREATE TABLE vendors (
            oui TEXT NOT NULL,
            type_identifier TEXT NOT NULL,
            learned TEXT NOT NULL CHECK (json_valid(learned)),
            mac TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (oui, type_identifier)
        ) STRICT, WITHOUT ROWID",
    ],
    &[
        // Leases that were told to this installation, by address.
        "CREATE TABLE leases (
        address TEXT PRIMARY KEY,
        mac TEXT NOT NULL,
        cm_mac TEXT,
        relay TEXT,
        class TEXT,
        obtained INTEGER NOT NULL,
        renewed INTEGER,
        expires INTEGER
    ) STRICT, WITHOUT ROWID",
        "CREATE INDEX leases_of_device ON leases (mac, obtained)",
        "CREATE INDEX leases_expires ON leases (expires)",
        "CREATE TABLE names (
        digest BLOB PRIMARY KEY,
        mac TEXT NOT NULL,
        address TEXT,
        file TEXT,
        single INTEGER NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        claimed_by TEXT,
        claimed_at INTEGER,
        delivered INTEGER
    ) STRICT, WITHOUT ROWID",
        "CREATE INDEX names_expires ON names (expires)",
    ],
    super::credentials::TABLES,
];

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

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn names_and_addresses_of_an_older_database_are_found() {
        let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
        sqlx::query("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT")
            .execute(&mut connection)
            .await
            .unwrap();
        for &statement in MIGRATIONS[0] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        for statement in [
            "INSERT INTO schema_version VALUES (1)",
            r#"INSERT INTO devices VALUES ('m', 'mta1.nyc.net', 'secure', '{"addresses": ["192.0.2.7", "::7"]}', x'', NULL, 1)"#,
            "INSERT INTO devices VALUES ('n', 'net', 'secure', '{}', x'', NULL, 1)",
        ] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        migrate(&mut connection).await.unwrap();
        let labels: Vec<String> = sqlx::query_scalar("SELECT labels FROM devices ORDER BY mac")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(labels, ["net.nyc.mta1", "net"]);
        let addresses: Vec<String> = sqlx::query_scalar("SELECT mac || ' ' || address FROM addresses ORDER BY address")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(addresses, ["m 192.0.2.7", "m ::7"]);
    }
}
