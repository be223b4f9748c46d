//! Credentials in rows: what is secret or personal is sealed, row by row; who read them is on record.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use zeroize::{Zeroize, Zeroizing};

use super::batch::insert;
use super::rows::{self, RowError};
use super::writer::{Answer, Job};
use super::{SqliteStore, limit};
use crate::model::{CredentialRow, Credentials, CredentialsType, IdType, Impi, Impu};
use crate::store::credentials::{
    CredentialError, CredentialRead, CredentialState, CredentialStore, Delivering, Reading, RecordedRead, Reveal,
};
use crate::store::{MasterKey, StoreError};
use crate::value::{MacAddress, Secret, Timestamp, hex, unhex};

/// The tables, for a database of the version before.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE credential_sets (
        mac TEXT PRIMARY KEY REFERENCES devices (mac) ON DELETE CASCADE,
        changed INTEGER NOT NULL,
        deliveries INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER,
        used INTEGER
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE credentials (
        mac TEXT NOT NULL REFERENCES credential_sets (mac) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('impu', 'impi')),
        row INTEGER NOT NULL CHECK (row BETWEEN 1 AND 63),
        goes_with INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (mac, kind, row)
    ) STRICT, WITHOUT ROWID",
    // Without a reference to devices: the record of a read outlives the device.
    "CREATE TABLE credential_reads (
        seq INTEGER PRIMARY KEY,
        mac TEXT NOT NULL,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        source TEXT NOT NULL,
        fields TEXT NOT NULL
    ) STRICT",
    "CREATE INDEX credential_reads_of_device ON credential_reads (mac, seq)",
    "CREATE INDEX credential_reads_at ON credential_reads (at)",
];

/// A row as the table has it.
pub(super) struct SealedRow {
    mac: MacAddress,
    kind: &'static str,
    row: u8,
    goes_with: u8,
    sealed: Vec<u8>,
}

/// A read that waits for its record; the answer holds the rows as they are stored.
pub(super) struct WaitingRead {
    read: CredentialRead,
    answer: Answer<Option<Vec<StoredRow>>>,
}

/// A row as it was read.
pub(super) struct StoredRow {
    kind: String,
    row: u8,
    sealed: Vec<u8>,
}

/// A private identity as it is sealed: the credentials as hexadecimal digits.
#[derive(Serialize, Deserialize)]
struct ImpiRecord {
    id_type: IdType,
    id: String,
    credentials_type: CredentialsType,
    credentials: String,
}

impl Drop for ImpiRecord {
    fn drop(&mut self) {
        self.credentials.zeroize();
    }
}

fn context(mac: MacAddress, kind: &str, row: u8) -> String {
    format!("credentials/{mac}/{kind}/{row}")
}

impl SealedRow {
    fn new(mac: MacAddress, row: &CredentialRow, key: &MasterKey) -> Self {
        let (plain, goes_with) = match row {
            CredentialRow::Impu(impu) => (rows::json(impu), impu.impi),
            CredentialRow::Impi(impi) => {
                let record = ImpiRecord {
                    id_type: impi.id_type,
                    id: impi.id.clone(),
                    credentials_type: impi.credentials_type,
                    credentials: hex(impi.credentials.expose()),
                };
                (rows::json(&record), 0)
            }
        };
        let plain = Zeroizing::new(plain);
        Self {
            mac,
            kind: row.table(),
            row: row.index(),
            goes_with,
            sealed: key.seal(&context(mac, row.table(), row.index()), plain.as_bytes()),
        }
    }
}

impl StoredRow {
    fn open_into(
        &self,
        credentials: &mut Credentials,
        mac: MacAddress,
        key: &MasterKey,
        reveal: Reveal,
    ) -> Result<(), RowError> {
        let name = context(mac, &self.kind, self.row);
        let opened = key
            .open(&name, &self.sealed)
            .map_err(|_| RowError::Unsealable(name.clone()))?;
        let wrong = |error: &dyn std::fmt::Display| RowError::Content(format!("{name}: {error}"));
        if self.kind == "impu" {
            let impu: Impu = serde_json::from_slice(opened.expose()).map_err(|error| wrong(&error))?;
            credentials.impus.push(impu);
            return Ok(());
        }
        // serde's own text could quote the value.
        let record: ImpiRecord = serde_json::from_slice(opened.expose()).map_err(|_| wrong(&"it is no IMPI"))?;
        let secret = match reveal {
            Reveal::Identities => Secret::default(),
            Reveal::Credentials => unhex(&record.credentials)
                .map(Secret::new)
                .ok_or_else(|| wrong(&"the credentials are no hexadecimal digits"))?,
        };
        credentials.impis.push(Impi {
            index: self.row,
            id_type: record.id_type,
            id: record.id.clone(),
            credentials_type: record.credentials_type,
            credentials: secret,
        });
        Ok(())
    }
}

/// Stores rows, all or none.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    rows: &[SealedRow],
    now: Timestamp,
) -> Result<Result<(), CredentialError>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let macs: BTreeSet<MacAddress> = rows.iter().map(|row| row.mac).collect();
    for mac in &macs {
        if !touch(&mut transaction, *mac, now).await? {
            return Ok(Err(CredentialError::Unknown(*mac)));
        }
    }
    for row in rows {
        sqlx::query(
            "INSERT INTO credentials (mac, kind, row, goes_with, sealed) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (mac, kind, row) DO UPDATE SET goes_with = excluded.goes_with, sealed = excluded.sealed",
        )
        .bind(row.mac.to_string())
        .bind(row.kind)
        .bind(row.row)
        .bind(row.goes_with)
        .bind(&row.sealed)
        .execute(&mut *transaction)
        .await?;
    }
    for mac in macs {
        if let Some(dangling) = dangling(&mut transaction, mac).await? {
            return Ok(Err(dangling));
        }
    }
    transaction.commit().await?;
    Ok(Ok(()))
}

/// Begins the count of deliveries anew; whether the device exists.
async fn touch(connection: &mut SqliteConnection, mac: MacAddress, now: Timestamp) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO credential_sets (mac, changed) SELECT mac, ?2 FROM devices WHERE mac = ?1
         ON CONFLICT (mac) DO UPDATE SET changed = max(excluded.changed, changed + 1), deliveries = 0, delivered = NULL,
         used = NULL",
    )
    .bind(mac.to_string())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A public identity that goes with a private one which is not there.
async fn dangling(connection: &mut SqliteConnection, mac: MacAddress) -> Result<Option<CredentialError>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT row, goes_with FROM credentials u WHERE mac = ? AND kind = 'impu' AND goes_with <> 0 AND NOT EXISTS
         (SELECT 1 FROM credentials i WHERE i.mac = u.mac AND i.kind = 'impi' AND i.row = u.goes_with)",
    )
    .bind(mac.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(CredentialError::Dangling {
            mac,
            impu: row.try_get(0)?,
            impi: row.try_get(1)?,
        })
    })
    .transpose()
}

/// Removes one row or all rows of a device; how many there were.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    mac: MacAddress,
    row: Option<(&'static str, u8)>,
    now: Timestamp,
) -> Result<Result<u64, CredentialError>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (kind, index) = row.map_or((None, None), |(kind, index)| (Some(kind), Some(index)));
    let removed = sqlx::query(
        "DELETE FROM credentials WHERE mac = ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR row = ?3)",
    )
    .bind(mac.to_string())
    .bind(kind)
    .bind(index)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if let Some(dangling) = dangling(&mut transaction, mac).await? {
        return Ok(Err(dangling));
    }
    if removed > 0 {
        touch(&mut transaction, mac, now).await?;
        sqlx::query(
            "DELETE FROM credential_sets WHERE mac = ?1 AND NOT EXISTS (SELECT 1 FROM credentials WHERE mac = ?1)",
        )
        .bind(mac.to_string())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(Ok(removed))
}

pub(super) async fn used(
    connection: &mut SqliteConnection,
    mac: MacAddress,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE credential_sets SET used = coalesce(used, ?) WHERE mac = ?")
        .bind(now.0)
        .bind(mac.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn forget_reads(connection: &mut SqliteConnection, before: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM credential_reads WHERE at < ?")
        .bind(before.0)
        .execute(connection)
        .await
        .map(drop)
}

/// Records reads that wait together in one transaction, and answers them once that is durable.
pub(super) async fn read_all(connection: &mut SqliteConnection, waiting: Vec<WaitingRead>, what: &str) {
    let mut done = Vec::with_capacity(waiting.len());
    let failed = |error: &sqlx::Error| StoreError::Database {
        what: what.into(),
        reason: error.to_string(),
    };
    let result = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for waiting in &waiting {
            done.push(read_one(&mut transaction, &waiting.read).await?);
        }
        record_reads(&mut transaction, &waiting, &done).await?;
        transaction.commit().await
    }
    .await;
    let mut done = done.into_iter();
    for waiting in waiting {
        let rows = result.as_ref().map(|()| done.next().flatten()).map_err(failed);
        let _ = waiting.answer.send(rows);
    }
}

/// Puts on record who read what, where there was something to read.
async fn record_reads(
    connection: &mut SqliteConnection,
    waiting: &[WaitingRead],
    found: &[Option<Vec<StoredRow>>],
) -> Result<(), sqlx::Error> {
    let found = found.iter().map(|rows| rows.as_deref().unwrap_or_default());
    let reads = waiting.iter().map(|waiting| &waiting.read).zip(found);
    let reads: Vec<_> = reads.filter(|(_, rows)| !rows.is_empty()).collect();
    let head = "INSERT INTO credential_reads (mac, at, who, source, fields)";
    insert(connection, head, 5, "", &reads, |query, (read, rows)| {
        let query = query.bind(read.mac.to_string()).bind(read.at.0);
        let query = query.bind(read.who.clone()).bind(read.source.clone());
        query.bind(fields(rows, read.reveal))
    })
    .await
}

/// The rows of one read, which is counted and enters the ladder; `None` where it was decided on a state that is past.
async fn read_one(
    connection: &mut SqliteConnection,
    read: &CredentialRead,
) -> Result<Option<Vec<StoredRow>>, sqlx::Error> {
    let mac = read.mac.to_string();
    if let Some(delivery) = &read.delivery {
        let (changed, deliveries) = delivery.decided_on.unzip();
        let counted = sqlx::query(
            "UPDATE credential_sets SET deliveries = deliveries + 1, delivered = ?1
             WHERE mac = ?2 AND (?3 IS NULL OR changed = ?3) AND (?4 IS NULL OR deliveries = ?4)",
        )
        .bind(read.at.0)
        .bind(&mac)
        .bind(changed.map(|changed| changed.0))
        .bind(deliveries)
        .execute(&mut *connection)
        .await?;
        if counted.rows_affected() == 0 && delivery.decided_on.is_some() {
            return Ok(None);
        }
    }
    let found: Vec<StoredRow> =
        sqlx::query("SELECT kind, row, sealed FROM credentials WHERE mac = ? ORDER BY kind, row")
            .bind(&mac)
            .fetch_all(&mut *connection)
            .await?
            .iter()
            .map(stored_row)
            .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(Some(found));
    }
    if let Some(Delivering { step, .. }) = &read.delivery {
        sqlx::query(
            "INSERT INTO steps (attempt, step, at, outcome, detail)
             SELECT id, ?2, ?3, ?4, ?5 FROM attempts WHERE mac = ?1 ORDER BY seq DESC LIMIT 1",
        )
        .bind(&mac)
        .bind(step.step.to_string())
        .bind(step.at.0)
        .bind(rows::word(&step.outcome))
        .bind(&step.detail)
        .execute(&mut *connection)
        .await?;
    }
    Ok(Some(found))
}

/// Which fields a reader of these rows sees.
fn fields(found: &[StoredRow], reveal: Reveal) -> String {
    let list = |name: &str, kind: &str| {
        let rows = found.iter().filter(|row| row.kind == kind);
        let rows: Vec<String> = rows.map(|row| row.row.to_string()).collect();
        (!rows.is_empty()).then(|| format!("{name}[{}]", rows.join(",")))
    };
    let secrets = match reveal {
        Reveal::Identities => None,
        Reveal::Credentials => list("impi.credentials", "impi"),
    };
    let all = [list("impu.id", "impu"), list("impi.id", "impi"), secrets];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn stored_row(row: &SqliteRow) -> Result<StoredRow, sqlx::Error> {
    Ok(StoredRow {
        kind: row.try_get(0)?,
        row: row.try_get(1)?,
        sealed: row.try_get(2)?,
    })
}

const STATE: &str = "SELECT mac, changed, deliveries, delivered, used,
    (SELECT count(*) FROM credentials c WHERE c.mac = s.mac AND kind = 'impu'),
    (SELECT count(*) FROM credentials c WHERE c.mac = s.mac AND kind = 'impi') FROM credential_sets s";

fn state(row: &SqliteRow) -> Result<CredentialState, RowError> {
    Ok(CredentialState {
        mac: rows::parse("credential_sets", row.try_get(0)?)?,
        changed: Timestamp(row.try_get(1)?),
        deliveries: row.try_get(2)?,
        delivered: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
        used: row.try_get::<Option<i64>, _>(4)?.map(Timestamp),
        impus: row.try_get(5)?,
        impis: row.try_get(6)?,
    })
}

fn recorded(row: &SqliteRow) -> Result<RecordedRead, RowError> {
    Ok(RecordedRead {
        mac: rows::parse("credential_reads", row.try_get(0)?)?,
        at: Timestamp(row.try_get(1)?),
        who: row.try_get(2)?,
        source: row.try_get(3)?,
        fields: row.try_get(4)?,
    })
}

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn put_credentials(
        &self,
        rows: Vec<(MacAddress, CredentialRow)>,
        now: Timestamp,
    ) -> Result<(), CredentialError> {
        let rows = rows
            .iter()
            .map(|(mac, row)| SealedRow::new(*mac, row, &self.key))
            .collect();
        self.ask(|answer| Job::PutCredentials(rows, now, answer)).await?
    }

    async fn remove_credentials(
        &self,
        mac: MacAddress,
        row: Option<(&'static str, u8)>,
        now: Timestamp,
    ) -> Result<u64, CredentialError> {
        self.ask(|answer| Job::RemoveCredentials(mac, row, now, answer)).await?
    }

    async fn credentials_used(&self, mac: MacAddress, now: Timestamp) -> Result<bool, StoreError> {
        self.ask(|answer| Job::CredentialsUsed(mac, now, answer)).await
    }

    async fn credential_state(&self, mac: MacAddress) -> Result<Option<CredentialState>, StoreError> {
        let sql = format!("{STATE} WHERE mac = ?");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(mac.to_string());
        Ok(self.read(query, state).await?.pop())
    }

    async fn credential_states(
        &self,
        after: Option<MacAddress>,
        most: usize,
    ) -> Result<Vec<CredentialState>, StoreError> {
        let sql = format!("{STATE} WHERE mac > ? ORDER BY mac LIMIT ?");
        let after = after.map(|mac| mac.to_string()).unwrap_or_default();
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(after).bind(limit(most));
        self.read(query, state).await
    }

    async fn read_credentials(&self, read: CredentialRead) -> Result<Reading, StoreError> {
        let (mac, reveal) = (read.mac, read.reveal);
        let found = self
            .ask(|answer| Job::ReadCredentials(Box::new(WaitingRead { read, answer })))
            .await?;
        let Some(found) = found else {
            return Ok(Reading::Changed);
        };
        if found.is_empty() {
            return Ok(Reading::Nothing);
        }
        let mut credentials = Credentials::default();
        for row in found {
            row.open_into(&mut credentials, mac, &self.key, reveal)
                .map_err(|error| error.into_store(&self.shared.what))?;
        }
        Ok(Reading::Read(credentials))
    }

    async fn credential_reads(&self, mac: Option<MacAddress>, most: usize) -> Result<Vec<RecordedRead>, StoreError> {
        let query = sqlx::query(
            "SELECT mac, at, who, source, fields FROM credential_reads WHERE ?1 IS NULL OR mac = ?1
             ORDER BY seq DESC LIMIT ?2",
        );
        let query = query.bind(mac.map(|mac| mac.to_string())).bind(limit(most));
        self.read(query, recorded).await
    }

    async fn forget_credential_reads(&self, before: Timestamp) -> Result<(), StoreError> {
        self.ask(|answer| Job::ForgetReads(before, answer)).await
    }
}

#[cfg(test)]
mod tests;
