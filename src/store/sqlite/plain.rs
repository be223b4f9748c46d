//! The writes that are rare enough for a transaction each.

use std::collections::BTreeMap;

use sqlx::{Connection, Row, SqliteConnection};

use super::leases;
use super::rows::{self, DeviceRow, KeyRow, RowError};
use crate::model::AttemptResult;
use crate::store::Refusal;
use crate::value::{EngineId, MacAddress, Timestamp, unhex};

/// How many attempts one sweep's transaction forgets at most, so that devices do not wait for it.
pub(super) const PORTION: usize = 500;
/// How many refusals are kept.
const REFUSALS: i64 = 100_000;

pub(super) async fn put_devices(connection: &mut SqliteConnection, devices: &[DeviceRow]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for device in devices {
        sqlx::query(
            "INSERT INTO devices (mac, fqdn, flow, record, vars, public_key_sha1, created, labels)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (mac) DO UPDATE SET fqdn = excluded.fqdn, flow = excluded.flow, record = excluded.record,
             vars = excluded.vars, public_key_sha1 = coalesce(excluded.public_key_sha1, public_key_sha1),
             labels = excluded.labels",
        )
        .bind(device.mac.to_string())
        .bind(&device.fqdn)
        .bind(&device.flow)
        .bind(&device.record)
        .bind(&device.vars)
        .bind(&device.public_key_sha1)
        .bind(device.created)
        .bind(rows::labels(&device.fqdn))
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Removes the device; its attempts, steps and files go with it.
pub(super) async fn remove_device(connection: &mut SqliteConnection, mac: MacAddress) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM devices WHERE mac = ?")
        .bind(mac.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn reset_device(
    connection: &mut SqliteConnection,
    mac: MacAddress,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let mac = mac.to_string();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM devices WHERE mac = ?)")
        .bind(&mac)
        .fetch_one(&mut *transaction)
        .await?;
    // A repaired device has another key; the next one that it proves is recorded.
    sqlx::query("UPDATE devices SET public_key_sha1 = NULL WHERE mac = ?")
        .bind(&mac)
        .execute(&mut *transaction)
        .await?;
    // The version moves on, so that a change which was decided before the reset conflicts with it.
    sqlx::query(
        "UPDATE attempts SET version = version + 1, phase = 'ended', result = coalesce(result, ?2),
         deadline = min(deadline, ?3), record = json_remove(record, '$.session', '$.file'), secrets = NULL WHERE mac = ?1",
    )
    .bind(&mac)
    .bind(rows::json(&AttemptResult::Failed("reset by the operator".into())))
    .bind(now.0)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM files WHERE attempt IN (SELECT id FROM attempts WHERE mac = ?)")
        .bind(&mac)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(known)
}

pub(super) async fn put_keys(connection: &mut SqliteConnection, keys: &[KeyRow]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    insert_keys(&mut transaction, keys).await?;
    transaction.commit().await
}

async fn insert_keys(connection: &mut SqliteConnection, keys: &[KeyRow]) -> Result<(), sqlx::Error> {
    for key in keys {
        sqlx::query(
            "INSERT INTO keys (principal, kvno, etype, name_type, components, key, created) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (principal, kvno, etype) DO UPDATE SET name_type = excluded.name_type, key = excluded.key,
             created = excluded.created",
        )
        .bind(&key.principal)
        .bind(key.kvno)
        .bind(key.etype)
        .bind(key.name_type)
        .bind(&key.components)
        .bind(&key.key)
        .bind(key.created)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Adds keys whose newest version of each principal is in use from now on; the other versions are forgotten at `forget`.
pub(super) async fn replace_keys(
    connection: &mut SqliteConnection,
    keys: &[KeyRow],
    forget: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut newest = BTreeMap::new();
    for key in keys {
        let kvno = newest.entry(key.principal.as_str()).or_insert(key.kvno);
        *kvno = key.kvno.max(*kvno);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    insert_keys(&mut transaction, keys).await?;
    for (principal, kvno) in newest {
        sqlx::query(
            "UPDATE keys SET forget = CASE WHEN kvno = ?2 THEN NULL ELSE coalesce(forget, ?3) END WHERE principal = ?1",
        )
        .bind(principal)
        .bind(kvno)
        .bind(forget.0)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Forgets the replaced keys whose time has come; how many.
pub(super) async fn forget_keys(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query("DELETE FROM keys WHERE forget <= ?")
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(forgotten.rows_affected())
}

/// Forgets what is known of a vendor, of one type or of all.
pub(super) async fn forget_vendor(
    connection: &mut SqliteConnection,
    oui: &str,
    type_identifier: Option<&str>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM vendors WHERE oui = ?1 AND (?2 IS NULL OR type_identifier = ?2)")
        .bind(oui)
        .bind(type_identifier)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Counts one more boot; the count stays at its greatest value once it is there (RFC 3414 §2.2.2).
pub(super) async fn start_engine(connection: &mut SqliteConnection) -> Result<(EngineId, u32), RowError> {
    let row = sqlx::query("UPDATE engine SET boots = min(boots + 1, 2147483647) RETURNING engine_id, boots")
        .fetch_one(connection)
        .await?;
    let octets = unhex(row.try_get(0)?).ok_or_else(|| RowError::Content("engine: no hexadecimal".into()))?;
    let engine_id = EngineId::new(&octets).map_err(|error| RowError::Content(format!("engine: {error}")))?;
    Ok((engine_id, row.try_get(1)?))
}

/// Forgets expired messages and one portion of the attempts that ended and whose deadline was before `before`; returns
/// the device of each of these.
pub(super) async fn sweep(
    connection: &mut SqliteConnection,
    now: Timestamp,
    before: Timestamp,
) -> Result<Vec<MacAddress>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM seen WHERE expires < ?")
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
    let rows = sqlx::query(
        "DELETE FROM attempts WHERE seq IN
         (SELECT seq FROM attempts WHERE phase = 'ended' AND deadline < ? ORDER BY deadline LIMIT ?) RETURNING mac",
    )
    .bind(before.0)
    .bind(i64::try_from(PORTION).unwrap_or(i64::MAX))
    .fetch_all(&mut *transaction)
    .await?;
    super::orders::sweep(&mut transaction, now).await?;
    for statement in [
        "DELETE FROM wake_ups WHERE expires < ?",
        "DELETE FROM recoveries WHERE expires < ?",
    ] {
        sqlx::query(statement).bind(now.0).execute(&mut *transaction).await?;
    }
    leases::sweep(&mut transaction, before).await?;
    transaction.commit().await?;
    rows.iter()
        .map(|row| {
            row.try_get::<&str, _>(0)?
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))
        })
        .collect()
}

/// Adds refusals, and forgets the oldest beyond [`REFUSALS`].
pub(super) async fn put_refusals(connection: &mut SqliteConnection, refusals: &[Refusal]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for refusal in refusals {
        sqlx::query("INSERT INTO refusals (mac, peer, step, at, reason) VALUES (?, ?, ?, ?, ?)")
            .bind(refusal.mac.map(|mac| mac.to_string()))
            .bind(refusal.peer.to_string())
            .bind(refusal.step.to_string())
            .bind(refusal.at.0)
            .bind(&refusal.reason)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("DELETE FROM refusals WHERE seq <= (SELECT max(seq) FROM refusals) - ?")
        .bind(REFUSALS)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
