//! Orders: commands write them, servers take them and write how they ended.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::rows::{self, RowError};
use super::writer::Answer;
use crate::model::{NewOrder, Order, OrderId, OrderOutcome};
use crate::store::ORDER_LEASE;
use crate::value::Timestamp;

/// How long an order is kept after nobody waits for it any more.
const KEPT: Duration = Duration::from_secs(86_400);

/// The columns that [`order`] reads.
pub(super) const ORDER: &str = "seq, mac, kind, placed, taken, outcome";

/// What the writer does with orders.
pub(super) enum OrderJob {
    Place(NewOrder, Answer<OrderId>),
    Take {
        now: Timestamp,
        under_way: Vec<OrderId>,
        limit: i64,
        answer: Answer<Vec<Order>>,
    },
    End(OrderId, OrderOutcome, Answer<()>),
    Withdraw(OrderId, Answer<bool>),
}

/// An order from the columns [`ORDER`].
pub(super) fn order(row: &SqliteRow) -> Result<Order, RowError> {
    let id = OrderId(row.try_get(0)?);
    let name = format!("orders/{id}");
    let outcome = row.try_get::<Option<&str>, _>(5)?;
    Ok(Order {
        id,
        mac: rows::parse(&name, row.try_get(1)?)?,
        kind: rows::from_json(&name, row.try_get(2)?)?,
        placed: Timestamp(row.try_get(3)?),
        taken: row.try_get::<Option<i64>, _>(4)?.map(Timestamp),
        outcome: outcome.map(|text| rows::from_json(&name, text)).transpose()?,
    })
}

pub(super) async fn place(connection: &mut SqliteConnection, order: &NewOrder) -> Result<OrderId, RowError> {
    let row = sqlx::query("INSERT INTO orders (mac, kind, placed, expires) VALUES (?, ?, ?, ?) RETURNING seq")
        .bind(order.mac.to_string())
        .bind(rows::json(&order.kind))
        .bind(order.placed.0)
        .bind(order.expires.0)
        .fetch_one(connection)
        .await?;
    Ok(OrderId(row.try_get(0)?))
}

/// Whether there is anything for [`take`] to do, by a connection that only reads: it is asked several times a second.
pub(super) fn waiting(now: Timestamp) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM orders WHERE outcome IS NULL AND expires > ?1 AND (taken IS NULL OR taken < ?2))",
    )
    .bind(now.0)
    .bind(lease_end(now))
}

pub(super) async fn take(
    connection: &mut SqliteConnection,
    now: Timestamp,
    under_way: &[OrderId],
    limit: i64,
) -> Result<Vec<Order>, RowError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // First the own ones, so that none of them is taken a second time.
    sqlx::query("UPDATE orders SET taken = ? WHERE outcome IS NULL AND seq IN (SELECT value FROM json_each(?))")
        .bind(now.0)
        .bind(rows::json(&under_way))
        .execute(&mut *transaction)
        .await?;
    let taken = sqlx::query(
        "UPDATE orders SET taken = ?1 WHERE seq IN (SELECT seq FROM orders WHERE outcome IS NULL AND expires > ?1
         AND (taken IS NULL OR taken < ?2) ORDER BY seq LIMIT ?3) RETURNING seq, mac, kind, placed, taken, outcome",
    )
    .bind(now.0)
    .bind(lease_end(now))
    .bind(limit)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let mut orders = taken.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    orders.sort_by_key(|order| order.id);
    Ok(orders)
}

/// The word of a server given before this instant holds no longer.
fn lease_end(now: Timestamp) -> i64 {
    now.0 - micros(ORDER_LEASE)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) async fn end(
    connection: &mut SqliteConnection,
    id: OrderId,
    outcome: &OrderOutcome,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE orders SET outcome = ? WHERE seq = ? AND outcome IS NULL")
        .bind(rows::json(outcome))
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn withdraw(connection: &mut SqliteConnection, id: OrderId) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM orders WHERE seq = ? AND taken IS NULL AND outcome IS NULL")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets the orders that nobody has waited for in a day.
pub(super) async fn sweep(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM orders WHERE expires < ?")
        .bind(now.0.saturating_sub(micros(KEPT)))
        .execute(connection)
        .await?;
    Ok(())
}
