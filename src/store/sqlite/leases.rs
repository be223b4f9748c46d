//! Leases and one-time names in rows.

use std::net::IpAddr;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::oneshot;

use super::Shared;
use super::gather::Keyed;
use super::rows::RowError;
use super::writer::Answer;
use crate::model::Lease;
use crate::store::{MasterKey, OneTimeName};
use crate::value::{MacAddress, Timestamp};

/// The columns of a lease, in the order that [`lease`] reads them.
pub(super) const LEASE: &str = "address, mac, cm_mac, relay, class, obtained, renewed, expires";
/// The order of a device's leases.
pub(super) const NEWEST_FIRST: &str = "max(obtained, coalesce(renewed, 0)) DESC, address";
/// The columns of a one-time name, in the order that [`name`] reads them.
pub(super) const NAME: &str = "digest, mac, address, file, single, created, expires, claimed_by, claimed_at, delivered";

/// What the writer does with leases and one-time names.
pub(super) enum LeaseJob {
    Put(Vec<Lease>, Answer<()>),
    Follow(Lease, Answer<Lease>),
    Remove(IpAddr, Answer<bool>),
    PutName(OneTimeName, Answer<()>),
    Claim {
        digest: [u8; 32],
        by: IpAddr,
        at: Timestamp,
        stale: Timestamp,
        answer: Answer<bool>,
    },
    Release {
        digest: [u8; 32],
        delivered: Option<Timestamp>,
        answer: Answer<()>,
    },
}

impl LeaseJob {
    /// Does the job in a transaction of its own, and answers.
    pub(super) async fn run(self, connection: &mut SqliteConnection, shared: &Shared) {
        fn tell<T>(answer: Answer<T>, result: Result<T, sqlx::Error>, shared: &Shared) {
            // Whoever asked may have gone.
            let _ = oneshot::Sender::send(answer, result.map_err(|error| shared.failed(error)));
        }
        match self {
            Self::Put(leases, answer) => tell(answer, put(connection, &leases).await, shared),
            Self::Follow(lease, answer) => {
                let result = follow(connection, lease).await;
                let _ = answer.send(result.map_err(|error| error.into_store(&shared.what)));
            }
            Self::Remove(address, answer) => tell(answer, remove(connection, address).await, shared),
            Self::PutName(name, answer) => tell(answer, put_name(connection, &name).await, shared),
            Self::Claim {
                digest,
                by,
                at,
                stale,
                answer,
            } => tell(answer, claim(connection, digest, by, at, stale).await, shared),
            Self::Release {
                digest,
                delivered,
                answer,
            } => tell(answer, release(connection, digest, delivered).await, shared),
        }
    }
}

async fn put(connection: &mut SqliteConnection, leases: &[Lease]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for lease in leases {
        put_one(&mut transaction, lease).await?;
    }
    transaction.commit().await
}

async fn put_one(connection: &mut SqliteConnection, lease: &Lease) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO leases (address, mac, cm_mac, relay, class, obtained, renewed, expires)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(lease.address.to_canonical().to_string())
    .bind(lease.mac.to_string())
    .bind(lease.cm_mac.map(|mac| mac.to_string()))
    .bind(lease.relay.map(|relay| relay.to_string()))
    .bind(&lease.class)
    .bind(lease.obtained.0)
    .bind(lease.renewed.map(|renewed| renewed.0))
    .bind(lease.expires.map(|expires| expires.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores what follows the lease that the address has now, and returns it.
async fn follow(connection: &mut SqliteConnection, told: Lease) -> Result<Lease, RowError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let sql = format!("SELECT {LEASE} FROM leases WHERE address = ?");
    let before = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(told.address.to_canonical().to_string())
        .fetch_optional(&mut *transaction)
        .await?;
    let before = before.map(|row| lease(&row)).transpose()?;
    let next = told.following(before.as_ref());
    put_one(&mut transaction, &next).await?;
    transaction.commit().await?;
    Ok(next)
}

async fn remove(connection: &mut SqliteConnection, address: IpAddr) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM leases WHERE address = ?")
        .bind(address.to_canonical().to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

async fn put_name(connection: &mut SqliteConnection, name: &OneTimeName) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO names (digest, mac, address, file, single, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(name.digest.to_vec())
    .bind(name.mac.to_string())
    .bind(name.address.map(|address| address.to_string()))
    .bind(&name.file)
    .bind(name.single)
    .bind(name.created.0)
    .bind(name.expires.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a name for a delivery to `by`; whether it could be taken. A single name is not where it was delivered, or where
/// another address took it after `stale`.
async fn claim(
    connection: &mut SqliteConnection,
    digest: [u8; 32],
    by: IpAddr,
    at: Timestamp,
    stale: Timestamp,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE names SET claimed_by = ?2, claimed_at = ?3 WHERE digest = ?1 AND expires > ?3 AND (NOT single OR
         (delivered IS NULL AND (claimed_by IS NULL OR claimed_by = ?2 OR claimed_at < ?4)))",
    )
    .bind(digest.to_vec())
    .bind(by.to_string())
    .bind(at.0)
    .bind(stale.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes how a delivery by a name ended: whole, or so that another may be begun by anyone whom it is for.
async fn release(
    connection: &mut SqliteConnection,
    digest: [u8; 32],
    delivered: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    let sql = match delivered {
        Some(_) => "UPDATE names SET delivered = coalesce(delivered, ?2) WHERE digest = ?1",
        None => "UPDATE names SET claimed_by = NULL, claimed_at = NULL WHERE digest = ?1 AND ?2 IS NULL",
    };
    sqlx::query(sql)
        .bind(digest.to_vec())
        .bind(delivered.map(|at| at.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets leases and names that ended before `before`.
pub(super) async fn sweep(connection: &mut SqliteConnection, before: Timestamp) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM leases WHERE expires < ?",
        "DELETE FROM names WHERE expires < ?",
    ] {
        sqlx::query(sql).bind(before.0).execute(&mut *connection).await?;
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, RowError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| RowError::Content(format!("{what}: {error}")))
}

fn optional<T: std::str::FromStr>(row: &SqliteRow, at: usize, what: &str) -> Result<Option<T>, RowError>
where
    T::Err: std::fmt::Display,
{
    let text: Option<&str> = row.try_get(at)?;
    text.map(|text| parsed(what, text)).transpose()
}

fn instant(row: &SqliteRow, at: usize) -> Result<Option<Timestamp>, RowError> {
    Ok(row.try_get::<Option<i64>, _>(at)?.map(Timestamp))
}

/// A row of [`LEASE`].
pub(super) fn lease(row: &SqliteRow) -> Result<Lease, RowError> {
    let address: IpAddr = parsed("leases", row.try_get(0)?)?;
    let mac: MacAddress = parsed("leases", row.try_get(1)?)?;
    Ok(Lease {
        cm_mac: optional(row, 2, "leases")?,
        relay: optional(row, 3, "leases")?,
        class: row.try_get(4)?,
        renewed: instant(row, 6)?,
        expires: instant(row, 7)?,
        ..Lease::new(address, mac, Timestamp(row.try_get(5)?))
    })
}

impl Keyed for Lease {
    type Key = IpAddr;
    const KEY: usize = 0;

    fn query() -> String {
        format!("SELECT {LEASE} FROM leases WHERE address IN (SELECT value FROM json_each(?))")
    }

    fn decode(row: &SqliteRow, _: &MasterKey) -> Result<Self, RowError> {
        lease(row)
    }
}

/// The lease that a device obtained or renewed last.
#[derive(Clone)]
pub(super) struct NewestLease(pub(super) Lease);

impl Keyed for NewestLease {
    type Key = MacAddress;
    const KEY: usize = 1;

    fn query() -> String {
        format!(
            "SELECT {LEASE} FROM leases WHERE address IN (SELECT (
                SELECT address FROM leases WHERE mac = value ORDER BY {NEWEST_FIRST} LIMIT 1
            ) FROM json_each(?))"
        )
    }

    fn decode(row: &SqliteRow, _: &MasterKey) -> Result<Self, RowError> {
        lease(row).map(Self)
    }
}

/// A row of [`NAME`].
pub(super) fn name(row: &SqliteRow) -> Result<OneTimeName, RowError> {
    let digest: &[u8] = row.try_get(0)?;
    let claimed_by: Option<IpAddr> = optional(row, 7, "names")?;
    Ok(OneTimeName {
        digest: digest
            .try_into()
            .map_err(|_| RowError::Content("names: a digest has 32 octets".into()))?,
        mac: parsed("names", row.try_get(1)?)?,
        address: optional(row, 2, "names")?,
        file: row.try_get(3)?,
        single: row.try_get(4)?,
        created: Timestamp(row.try_get(5)?),
        expires: Timestamp(row.try_get(6)?),
        claimed: claimed_by.zip(instant(row, 8)?),
        delivered: instant(row, 9)?,
    })
}
