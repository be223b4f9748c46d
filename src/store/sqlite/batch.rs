//! Group commit: many changes in one transaction, each of them whole or not at all.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection};
use tokio::sync::oneshot;

use super::rows::{self, AttemptRow};
use crate::model::{AttemptId, Phase, Step};
use crate::profile::Vendor;
use crate::store::{Change, MasterKey, Quota, Recovery, Seen, StoreError, WakeUpSent};
use crate::value::{MacAddress, hex};

/// A file's name and its sealed octets.
type NamedOctets = (String, Arc<[u8]>);

/// One change, sealed and serialised by its caller, so that the writer has little left to do.
pub(super) struct Prepared {
    pub(super) attempt: Option<AttemptRow>,
    replaced: Option<AttemptRow>,
    /// The attempt that the steps belong to.
    ladder: Option<AttemptId>,
    steps: Vec<Step>,
    /// Name and sealed octets.
    pub(super) file: Option<NamedOctets>,
    seen: Vec<Seen>,
    quota: Option<Quota>,
    pub(super) wake_up: Option<WakeUpSent>,
    pub(super) recovery: Option<Recovery>,
    pub(super) recovered: Option<(SocketAddr, MacAddress)>,
    pub(super) vendor: Option<Vendor>,
}

impl Prepared {
    /// Seals and serialises `change`.
    ///
    /// # Errors
    /// [`StoreError::Misused`] where the change contradicts itself.
    pub(super) fn new(change: Change, key: &MasterKey) -> Result<Self, StoreError> {
        let ladder = change.attempt.as_ref().map(|attempt| attempt.id).or(change.ladder);
        if ladder.is_none() && !change.steps.is_empty() {
            return Err(StoreError::Misused("steps belong to an attempt"));
        }
        if change.attempt.is_none() && change.file.is_some() {
            return Err(StoreError::Misused("a file belongs to an attempt"));
        }
        if change
            .replaced
            .as_ref()
            .is_some_and(|replaced| replaced.phase != Phase::Ended)
        {
            return Err(StoreError::Misused("a replaced attempt has ended"));
        }
        let seal = |(name, octets): (String, Vec<u8>)| {
            let sealed = key.seal(&rows::file_context(&name), &octets);
            (name, Arc::from(sealed))
        };
        Ok(Self {
            attempt: change.attempt.map(|attempt| AttemptRow::next(attempt, key)),
            replaced: change.replaced.map(|attempt| AttemptRow::next(attempt, key)),
            ladder,
            steps: change.steps,
            file: change.file.map(seal),
            seen: change.seen,
            quota: change.quota,
            wake_up: change.wake_up,
            recovery: change.recovery,
            recovered: change.recovered,
            vendor: change.vendor,
        })
    }

    /// The rows of attempts, the one that ends first.
    fn attempts(&self) -> impl Iterator<Item = &AttemptRow> {
        self.replaced.iter().chain(&self.attempt)
    }

    /// The devices whose cached attempt this change makes stale.
    pub(super) fn macs(&self) -> impl Iterator<Item = MacAddress> {
        self.attempts().map(|row| row.attempt.mac)
    }
}

/// A change that waits for its commit, and whom to tell.
pub(super) struct Waiting {
    pub(super) prepared: Prepared,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
}

/// What the database and the changes before in the same batch say of the rows that a batch touches.
#[derive(Default)]
struct View {
    /// The stored version of an attempt; absent where there is none.
    versions: HashMap<AttemptId, u64>,
    /// The attempts that an earlier change of the batch wrote.
    touched: HashSet<AttemptId>,
    /// Each known device, with its attempt that has not ended.
    open: HashMap<MacAddress, Option<AttemptId>>,
    seen: HashSet<[u8; 32]>,
    /// How many messages of a sender with a quota are remembered.
    owned: HashMap<String, u64>,
}

impl View {
    /// Reads what the batch needs in at most three statements, however large it is.
    async fn read(connection: &mut SqliteConnection, batch: &[Waiting]) -> Result<Self, sqlx::Error> {
        let mut view = Self::default();
        let attempts = || batch.iter().flat_map(|waiting| waiting.prepared.attempts());
        let ladders = batch.iter().filter_map(|waiting| waiting.prepared.ladder);
        let ids = attempts()
            .map(|row| row.attempt.id)
            .chain(ladders)
            .map(|id| id.to_string());
        let found = sqlx::query("SELECT id, version FROM attempts WHERE id IN (SELECT value FROM json_each(?))")
            .bind(rows::json(&ids.collect::<HashSet<_>>()))
            .fetch_all(&mut *connection)
            .await?;
        for row in found {
            if let Ok(id) = row.try_get::<&str, _>(0)?.parse() {
                view.versions
                    .insert(id, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0));
            }
        }
        let macs: HashSet<&str> = attempts().map(|row| row.mac.as_str()).collect();
        if !macs.is_empty() {
            let found = sqlx::query(
                "SELECT d.mac, (SELECT a.id FROM attempts a WHERE a.mac = d.mac AND a.phase <> 'ended')
                 FROM devices d WHERE d.mac IN (SELECT value FROM json_each(?))",
            )
            .bind(rows::json(&macs))
            .fetch_all(&mut *connection)
            .await?;
            for row in found {
                if let Ok(mac) = row.try_get::<&str, _>(0)?.parse() {
                    let open = row.try_get::<Option<&str>, _>(1)?.and_then(|id| id.parse().ok());
                    view.open.insert(mac, open);
                }
            }
        }
        let digests: Vec<String> = batch
            .iter()
            .flat_map(|waiting| &waiting.prepared.seen)
            .map(|seen| hex(&seen.digest))
            .collect();
        if !digests.is_empty() {
            let found = sqlx::query("SELECT digest FROM seen WHERE digest IN (SELECT unhex(value) FROM json_each(?))")
                .bind(rows::json(&digests))
                .fetch_all(&mut *connection)
                .await?;
            for row in found {
                view.seen.extend(<[u8; 32]>::try_from(row.try_get::<&[u8], _>(0)?));
            }
        }
        let owners: HashSet<&str> = batch
            .iter()
            .filter_map(|waiting| waiting.prepared.quota.as_ref())
            .map(|quota| quota.owner.as_str())
            .collect();
        if !owners.is_empty() {
            // A row whose time is over and that nobody has swept yet counts as well: the sweeper comes every minute.
            let found = sqlx::query(
                "SELECT owner, count(*) FROM seen WHERE owner IN (SELECT value FROM json_each(?)) GROUP BY owner",
            )
            .bind(rows::json(&owners))
            .fetch_all(&mut *connection)
            .await?;
            for row in found {
                let count = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
                view.owned.insert(row.try_get(0)?, count);
            }
        }
        Ok(view)
    }

    /// Whether `change` may be written, given everything before it; if so, it counts as written from here on.
    fn admit(&mut self, change: &Prepared) -> Result<(), StoreError> {
        for row in change.attempts() {
            let id = row.attempt.id;
            if self.touched.contains(&id) || self.versions.get(&id).copied().unwrap_or(0) != row.follows() {
                return Err(StoreError::Conflict(id));
            }
        }
        if let Some(row) = &change.attempt {
            let id = row.attempt.id;
            let replaced = change.replaced.as_ref().map(|replaced| replaced.attempt.id);
            let open = self.open.get(&row.attempt.mac).ok_or(StoreError::Conflict(id))?;
            let another = open.is_some() && *open != Some(id) && *open != replaced;
            if another && row.attempt.phase != Phase::Ended {
                return Err(StoreError::Conflict(open.unwrap_or(id)));
            }
        }
        if let Some(id) = change.ladder.filter(|_| change.attempt.is_none())
            && !self.versions.contains_key(&id)
        {
            return Err(StoreError::Conflict(id));
        }
        let mut own = HashSet::new();
        if change
            .seen
            .iter()
            .any(|seen| self.seen.contains(&seen.digest) || !own.insert(seen.digest))
        {
            return Err(StoreError::Seen);
        }
        if let Some(quota) = &change.quota {
            let count = self.owned.entry(quota.owner.clone()).or_default();
            let with_these = count.saturating_add(own.len() as u64);
            if with_these > u64::from(quota.most) {
                return Err(StoreError::Full(quota.most, quota.owner.clone()));
            }
            *count = with_these;
        }
        self.seen.extend(own);
        for row in change.attempts() {
            let Some(open) = self.open.get_mut(&row.attempt.mac) else {
                continue;
            };
            if row.attempt.phase != Phase::Ended {
                *open = Some(row.attempt.id);
            } else if *open == Some(row.attempt.id) {
                *open = None;
            }
            self.touched.insert(row.attempt.id);
            self.versions.insert(row.attempt.id, row.attempt.version);
        }
        Ok(())
    }
}

/// Writes every change of `batch` that may be written, within the transaction that `connection` is in, and answers the
/// others at once. What it returns waits for the commit.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Waiting>,
) -> Result<Vec<(Waiting, StoreError)>, sqlx::Error> {
    let mut view = View::read(connection, batch).await?;
    let mut refused = Vec::new();
    let mut admitted = Vec::with_capacity(batch.len());
    for waiting in batch.drain(..) {
        match view.admit(&waiting.prepared) {
            Ok(()) => admitted.push(waiting),
            Err(error) => refused.push((waiting, error)),
        }
    }
    *batch = admitted;
    let changes = || batch.iter().map(|waiting| &waiting.prepared);
    insert_attempts(connection, changes()).await?;
    insert_steps(connection, changes()).await?;
    insert_files(connection, changes()).await?;
    insert_seen(connection, changes()).await?;
    for change in changes() {
        super::keying::write(connection, change).await?;
    }
    Ok(refused)
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Inserts `rows` with as few statements as possible. Each statement takes a power of two of rows, so that the number
/// of different statements, and with it the cache of prepared ones, stays small.
pub(super) async fn insert<T>(
    connection: &mut SqliteConnection,
    head: &str,
    columns: usize,
    tail: &str,
    mut rows: &[T],
    bind: impl for<'q> Fn(Insert<'q>, &T) -> Insert<'q>,
) -> Result<(), sqlx::Error> {
    const MOST: usize = 64;
    let values = format!("({})", vec!["?"; columns].join(", "));
    while !rows.is_empty() {
        let count = if rows.len() >= MOST {
            MOST
        } else {
            1 << rows.len().ilog2()
        };
        let (now, later) = rows.split_at(count);
        let sql = format!("{head} VALUES {} {tail}", vec![values.as_str(); count].join(", "));
        let query = now.iter().fold(sqlx::query(AssertSqlSafe(sql)), &bind);
        query.execute(&mut *connection).await?;
        rows = later;
    }
    Ok(())
}

async fn insert_attempts(
    connection: &mut SqliteConnection,
    changes: impl Iterator<Item = &Prepared> + Clone,
) -> Result<(), sqlx::Error> {
    // Those that end come first, so that no device has two open attempts at any moment.
    let ended = |row: &&AttemptRow| row.attempt.phase == Phase::Ended;
    let mut all: Vec<&AttemptRow> = changes.clone().flat_map(Prepared::attempts).filter(ended).collect();
    all.extend(changes.flat_map(Prepared::attempts).filter(|row| !ended(row)));
    insert(
        connection,
        "INSERT INTO attempts (id, mac, version, phase, result, started, deadline, record, secrets)",
        9,
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, phase = excluded.phase, result = excluded.result,
         deadline = excluded.deadline, record = excluded.record, secrets = excluded.secrets",
        &all,
        |query, row| {
            query
                .bind(row.id.clone())
                .bind(row.mac.clone())
                .bind(i64::try_from(row.attempt.version).unwrap_or(i64::MAX))
                .bind(row.phase.clone())
                .bind(row.result.clone())
                .bind(row.attempt.started.0)
                .bind(row.attempt.deadline.0)
                .bind(row.record.clone())
                .bind(row.secrets.clone())
        },
    )
    .await
}

async fn insert_steps(
    connection: &mut SqliteConnection,
    changes: impl Iterator<Item = &Prepared>,
) -> Result<(), sqlx::Error> {
    let of = |change: &'_ Prepared| change.ladder.map(|id| id.to_string());
    let all: Vec<(String, &Step)> = changes
        .filter_map(|change| Some((of(change)?, change)))
        .flat_map(|(id, change)| change.steps.iter().map(move |step| (id.clone(), step)))
        .collect();
    let head = "INSERT INTO steps (attempt, step, at, outcome, detail)";
    insert(connection, head, 5, "", &all, |query, (id, step)| {
        query
            .bind(id.clone())
            .bind(step.step.to_string())
            .bind(step.at.0)
            .bind(rows::word(&step.outcome))
            .bind(step.detail.clone())
    })
    .await
}

async fn insert_files(
    connection: &mut SqliteConnection,
    changes: impl Iterator<Item = &Prepared>,
) -> Result<(), sqlx::Error> {
    let all: Vec<(&AttemptRow, &NamedOctets)> = changes
        .filter_map(|change| change.attempt.as_ref().zip(change.file.as_ref()))
        .collect();
    let tail = "ON CONFLICT (name) DO UPDATE SET attempt = excluded.attempt, mac = excluded.mac,
        octets = excluded.octets";
    let head = "INSERT INTO files (name, attempt, mac, octets)";
    insert(connection, head, 4, tail, &all, |query, (row, (name, octets))| {
        query
            .bind(name.clone())
            .bind(row.id.clone())
            .bind(row.mac.clone())
            .bind(octets.to_vec())
    })
    .await
}

async fn insert_seen(
    connection: &mut SqliteConnection,
    changes: impl Iterator<Item = &Prepared>,
) -> Result<(), sqlx::Error> {
    let owner = |change: &'_ Prepared| change.quota.as_ref().map(|quota| quota.owner.clone());
    let all: Vec<(Option<String>, &Seen)> = changes
        .flat_map(|change| change.seen.iter().map(move |seen| (owner(change), seen)))
        .collect();
    insert(
        connection,
        "INSERT INTO seen (digest, expires, answer, owner)",
        4,
        "",
        &all,
        |query, (owner, seen)| {
            query
                .bind(seen.digest.to_vec())
                .bind(seen.expires.0)
                .bind(seen.answer.clone())
                .bind(owner.clone())
        },
    )
    .await
}
