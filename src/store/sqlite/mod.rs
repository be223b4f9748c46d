//! The embedded database: SQLite in a file, one writer with group commit, a few readers, bounded caches.
//!
//! Every commit is synced to the disk before it is acknowledged (WAL, `synchronous=FULL`). What several callers ask for
//! meanwhile is committed together, so that the disk's latency is paid once for all of them.

mod batch;
mod cache;
mod credentials;
mod gather;
mod keying;
mod leases;
mod orders;
mod plain;
mod refusals;
mod rows;
mod schema;
mod store;
mod writer;

use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::{MasterKey, Refusal, StoreError};
use crate::model::{Attempt, AttemptId, Device, Lease};
use crate::value::{EngineId, MacAddress, OsRandom, Random};
use cache::Cache;
use gather::{Gather, Keyed};
use leases::NewestLease;
use rows::RowError;
use writer::{Answer, Job, Writer};

/// How many devices, and how many newest attempts, are cached.
const CACHED: usize = 100_000;
/// How many devices' newest files are cached, sealed as they are stored; each has some 2 to 10 kB.
const CACHED_FILES: usize = 4_096;
/// How many connections read.
const READERS: u32 = 4;
/// How long a writer waits for another process' transaction.
const BUSY: Duration = Duration::from_secs(10);
/// What the proof row of the engine table holds, sealed: whether the master key is the database's own.
const PROOF: &[u8] = b"hardline";
const PROOF_CONTEXT: &str = "engine/proof";

/// What the writer and the callers share.
struct Shared {
    /// The database's name in errors.
    what: String,
    devices: Cache<Device>,
    attempts: Cache<Attempt>,
    /// The newest file of a device: it is fetched within seconds of being made.
    files: Cache<SealedFile>,
    refusals_dropped: AtomicU64,
    /// Counts the commits of other processes that were noticed.
    revision: AtomicU64,
}

/// A file as its row has it.
#[derive(Clone)]
struct SealedFile {
    name: String,
    attempt: AttemptId,
    octets: Arc<[u8]>,
}

impl Shared {
    fn failed(&self, error: impl Display) -> StoreError {
        StoreError::Database {
            what: self.what.clone(),
            reason: error.to_string(),
        }
    }

    fn forget(&self, mac: MacAddress) {
        self.devices.forget(mac);
        self.attempts.forget(mac);
        self.files.forget(mac);
    }

    fn drop_refusal(&self) {
        self.refusals_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`Store`] over a SQLite file. Other processes may read and write the same file meanwhile; their changes are seen
/// within 200 ms.
pub struct SqliteStore {
    key: MasterKey,
    shared: Arc<Shared>,
    readers: SqlitePool,
    devices: Arc<Gather<Device>>,
    attempts: Arc<Gather<Attempt>>,
    leases: Arc<Gather<Lease>>,
    newest_leases: Arc<Gather<NewestLease>>,
    jobs: mpsc::Sender<Job>,
    refusals: mpsc::Sender<Refusal>,
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        // Checkpoints sync the database itself: rather rarely many pages than often few.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-32768")
        .disable_statement_logging()
}

impl SqliteStore {
    /// Creates the database in a new file that only its owner may read, with an engine id of its own.
    ///
    /// # Errors
    /// [`StoreError::Database`], also where the file exists.
    pub async fn create(path: &Path, key: &MasterKey) -> Result<(), StoreError> {
        let what = path.display().to_string();
        let failed = |error: &dyn Display| StoreError::Database {
            what: what.clone(),
            reason: error.to_string(),
        };
        // SQLite gives its journal the permissions of the file.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map_err(|error| failed(&error))?;
        let mut connection = options(path).connect().await.map_err(|error| failed(&error))?;
        schema::migrate(&mut connection).await.map_err(|error| failed(&error))?;
        let engine_id = EngineId::cablelabs(OsRandom.array());
        sqlx::query("INSERT INTO engine (one, engine_id, boots, proof) VALUES (1, ?, 0, ?)")
            .bind(engine_id.to_string())
            .bind(key.seal(PROOF_CONTEXT, PROOF))
            .execute(&mut connection)
            .await
            .map_err(|error| failed(&error))?;
        connection.close().await.map_err(|error| failed(&error))
    }

    /// Opens the database that [`SqliteStore::create`] made, brings its schema to this program's version, and starts
    /// its writer on the present tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Unsealable`] where `key` is another database's.
    pub async fn open(path: &Path, key: MasterKey) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            what: path.display().to_string(),
            devices: Cache::new(CACHED),
            attempts: Cache::new(CACHED),
            files: Cache::new(CACHED_FILES),
            refusals_dropped: AtomicU64::new(0),
            revision: AtomicU64::new(0),
        });
        let mut connection = options(path).connect().await.map_err(|error| shared.failed(error))?;
        schema::migrate(&mut connection)
            .await
            .map_err(|error| shared.failed(error))?;
        prove(&mut connection, &key)
            .await
            .map_err(|error| error.into_store(&shared.what))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options(path).pragma("query_only", "ON"))
            .await
            .map_err(|error| shared.failed(error))?;
        let (jobs, queue) = mpsc::channel(writer::QUEUE);
        let (refusals, refused) = mpsc::channel(writer::REFUSALS);
        tokio::spawn(Writer::new(connection, Arc::clone(&shared), refused).run(queue));
        let gather = (readers.clone(), key.clone(), Arc::clone(&shared));
        Ok(Self {
            devices: gathered(&gather),
            attempts: gathered(&gather),
            leases: gathered(&gather),
            newest_leases: gathered(&gather),
            key,
            shared,
            readers,
            jobs,
            refusals,
        })
    }

    /// Writes what waits and closes the database. Afterwards every method fails.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.ask(Job::Close).await
    }

    /// How many refusals were not kept: too many of one device or source in a minute, or too many at once.
    pub fn refusals_dropped(&self) -> u64 {
        self.shared.refusals_dropped.load(Ordering::Relaxed)
    }

    /// Has the writer do a job, and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || self.shared.failed("it is closed");
        self.jobs.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// The rows of a query, each decoded.
    async fn read<T>(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        decode: impl Fn(&SqliteRow) -> Result<T, RowError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = query
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.shared.failed(error))?;
        rows.iter()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(|error| error.into_store(&self.shared.what))
    }
}

/// Gathers the questions for one kind of row.
fn gathered<T: Keyed>((readers, key, shared): &(SqlitePool, MasterKey, Arc<Shared>)) -> Arc<Gather<T>> {
    Gather::new(readers.clone(), key.clone(), Arc::clone(shared))
}

/// Whether `key` opens the proof that the database's own key sealed.
async fn prove(connection: &mut SqliteConnection, key: &MasterKey) -> Result<(), RowError> {
    let row = sqlx::query("SELECT proof FROM engine")
        .fetch_optional(connection)
        .await?;
    let row = row.ok_or_else(|| RowError::Content("it has no engine row: make it with hardline init".into()))?;
    let opened = key.open(PROOF_CONTEXT, row.try_get(0)?);
    opened.map(drop).map_err(|_| RowError::Unsealable(PROOF_CONTEXT.into()))
}

/// A `LIMIT` for SQLite.
fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
