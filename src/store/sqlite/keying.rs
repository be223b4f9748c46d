//! What key management keeps beside the attempts: Wake Ups, awaited acknowledgements, what vendors do.

use std::num::NonZeroU32;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::batch::Prepared;
use super::rows::{self, RowError};
use crate::profile::Vendor;
use crate::store::{Recovery, WakeUpSent};
use crate::value::{MacAddress, Timestamp};

/// A Wake Up from the columns mac, nonce, expires, answered.
pub(super) fn wake_up(row: &SqliteRow) -> Result<WakeUpSent, RowError> {
    let mac: MacAddress = rows::parse("wake_ups", row.try_get(0)?)?;
    let nonce = NonZeroU32::new(row.try_get(1)?);
    Ok(WakeUpSent {
        mac,
        nonce: nonce.ok_or_else(|| RowError::Content(format!("wake_ups/{mac}: the nonce is 0")))?,
        expires: Timestamp(row.try_get(2)?),
        answered: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
    })
}

/// An awaited acknowledgement from the columns peer, mac, digest, expires.
pub(super) fn recovery(row: &SqliteRow) -> Result<Recovery, RowError> {
    let digest: &[u8] = row.try_get(2)?;
    Ok(Recovery {
        peer: rows::parse("recoveries", row.try_get(0)?)?,
        mac: rows::parse("recoveries", row.try_get(1)?)?,
        digest: digest
            .try_into()
            .map_err(|_| RowError::Content("recoveries: a digest has 32 octets".into()))?,
        expires: Timestamp(row.try_get(3)?),
    })
}

/// A vendor from the columns oui, type_identifier, learned, mac, at.
pub(super) fn vendor(row: &SqliteRow) -> Result<Vendor, RowError> {
    Ok(Vendor {
        oui: rows::parse("vendors", row.try_get(0)?)?,
        type_identifier: row.try_get(1)?,
        learned: rows::from_json("vendors", row.try_get(2)?)?,
        mac: rows::parse("vendors", row.try_get(3)?)?,
        at: Timestamp(row.try_get(4)?),
    })
}

/// Writes what `change` says of key management, within the transaction that `connection` is in.
pub(super) async fn write(connection: &mut SqliteConnection, change: &Prepared) -> Result<(), sqlx::Error> {
    if let Some(sent) = &change.wake_up {
        // A device that was removed meanwhile has none.
        sqlx::query(
            "INSERT OR REPLACE INTO wake_ups (mac, nonce, expires, answered)
             SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM devices WHERE mac = ?1)",
        )
        .bind(sent.mac.to_string())
        .bind(sent.nonce.get())
        .bind(sent.expires.0)
        .bind(sent.answered.map(|at| at.0))
        .execute(&mut *connection)
        .await?;
    }
    if let Some(recovery) = &change.recovery {
        sqlx::query("INSERT OR REPLACE INTO recoveries (peer, mac, digest, expires) VALUES (?, ?, ?, ?)")
            .bind(recovery.peer.to_string())
            .bind(recovery.mac.to_string())
            .bind(recovery.digest.to_vec())
            .bind(recovery.expires.0)
            .execute(&mut *connection)
            .await?;
    }
    if let Some((peer, mac)) = &change.recovered {
        sqlx::query("DELETE FROM recoveries WHERE peer = ? AND mac = ?")
            .bind(peer.to_string())
            .bind(mac.to_string())
            .execute(&mut *connection)
            .await?;
    }
    if let Some(vendor) = &change.vendor {
        sqlx::query("INSERT OR REPLACE INTO vendors (oui, type_identifier, learned, mac, at) VALUES (?, ?, ?, ?, ?)")
            .bind(vendor.oui.to_string())
            .bind(vendor.type_identifier.clone())
            .bind(rows::json(&vendor.learned))
            .bind(vendor.mac.to_string())
            .bind(vendor.at.0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
