//! The one task that writes. It owns the only connection that does, so that everything which waits while one commit
//! reaches the disk goes into the next.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::batch::{self, Waiting};
use super::credentials::{self, SealedRow, WaitingRead};
use super::leases::LeaseJob;
use super::orders::{self, OrderJob};
use super::refusals::Limiter;
use super::rows::{DeviceRow, KeyRow};
use super::{SealedFile, Shared, plain};
use crate::model::Attempt;
use crate::store::{CredentialError, Refusal, StoreError};
use crate::value::{EngineId, MacAddress, Timestamp};

/// How many jobs may wait; callers of further ones wait before that.
pub(super) const QUEUE: usize = 4096;
/// How many refusals may wait; further ones are dropped and counted.
pub(super) const REFUSALS: usize = 1024;
/// How many changes one transaction takes at most.
const BATCH: usize = 512;
/// How often refusals are written, and how soon another process' writes are noticed when this one writes nothing.
const TICK: Duration = Duration::from_millis(200);

/// Where the answer to a job goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Job {
    Record(Box<Waiting>),
    PutDevices(Vec<DeviceRow>, Answer<()>),
    RemoveDevice(MacAddress, Answer<bool>),
    ResetDevice(MacAddress, Timestamp, Answer<bool>),
    PutKeys(Vec<KeyRow>, Answer<()>),
    /// Those that are replaced are forgotten at the instant.
    ReplaceKeys(Vec<KeyRow>, Timestamp, Answer<()>),
    ForgetKeys(Timestamp, Answer<u64>),
    ForgetVendor(String, Option<String>, Answer<u64>),
    ReadCredentials(Box<WaitingRead>),
    PutCredentials(Vec<SealedRow>, Timestamp, Answer<Result<(), CredentialError>>),
    RemoveCredentials(
        MacAddress,
        Option<(&'static str, u8)>,
        Timestamp,
        Answer<Result<u64, CredentialError>>,
    ),
    CredentialsUsed(MacAddress, Timestamp, Answer<bool>),
    ForgetReads(Timestamp, Answer<()>),
    StartEngine(Answer<(EngineId, u32)>),
    Order(OrderJob),
    Lease(LeaseJob),
    /// Forgets one portion of what has served its time; whether there is more.
    Sweep {
        now: Timestamp,
        before: Timestamp,
        answer: Answer<bool>,
    },
    Close(Answer<()>),
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) shared: Arc<Shared>,
    pub(super) refusals: mpsc::Receiver<Refusal>,
    limiter: Limiter,
    /// SQLite's count of commits by other connections, as last seen.
    others: i64,
}

impl Writer {
    /// A writer over its connection.
    pub(super) fn new(connection: SqliteConnection, shared: Arc<Shared>, refusals: mpsc::Receiver<Refusal>) -> Self {
        Self {
            connection,
            shared,
            refusals,
            limiter: Limiter::default(),
            others: 0,
        }
    }

    /// Works until it is told to close, or until the store is dropped and all jobs are done.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut jobs = Vec::with_capacity(BATCH);
        let closed = loop {
            tokio::select! {
                biased;
                _ = tick.tick() => self.tick().await,
                count = queue.recv_many(&mut jobs, BATCH) => {
                    if count == 0 {
                        break None;
                    }
                    if let Some(answer) = self.work(&mut jobs).await {
                        break Some(answer);
                    }
                }
            }
        };
        self.tick().await;
        let result = self.connection.close().await;
        if let Some(answer) = closed {
            // Whoever asked may have gone; so with every answer below.
            let _ = answer.send(result.map_err(|error| self.shared.failed(error)));
        }
    }

    /// Does `jobs` in their order, the changes among them together; returns who asked to close.
    async fn work(&mut self, jobs: &mut Vec<Job>) -> Option<Answer<()>> {
        let mut batch = Vec::new();
        let mut reads = Vec::new();
        for job in jobs.drain(..) {
            let job = match job {
                Job::Record(waiting) => {
                    batch.push(*waiting);
                    continue;
                }
                Job::ReadCredentials(waiting) => {
                    reads.push(*waiting);
                    continue;
                }
                other => other,
            };
            self.commit(std::mem::take(&mut batch)).await;
            self.read(std::mem::take(&mut reads)).await;
            match job {
                Job::Close(answer) => return Some(answer),
                other => self.single(other).await,
            }
        }
        self.commit(batch).await;
        self.read(reads).await;
        None
    }

    /// Puts reads of credentials on record and answers them.
    async fn read(&mut self, reads: Vec<WaitingRead>) {
        if !reads.is_empty() {
            credentials::read_all(&mut self.connection, reads, &self.shared.what).await;
        }
    }

    /// Commits a batch and answers its callers, those who are refused as well as the others.
    async fn commit(&mut self, mut batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        match self.try_commit(&mut batch).await {
            Ok(refused) => {
                for (waiting, error) in refused {
                    waiting.prepared.macs().for_each(|mac| self.shared.attempts.forget(mac));
                    let _ = waiting.answer.send(Err(error));
                }
                for waiting in batch {
                    if let Some(row) = waiting.prepared.attempt {
                        if let Some((name, sealed)) = waiting.prepared.file {
                            let file = SealedFile {
                                name,
                                attempt: row.attempt.id,
                                octets: sealed,
                            };
                            self.shared.files.put(row.attempt.mac, file);
                        }
                        self.cache(row.attempt);
                    }
                    let _ = waiting.answer.send(Ok(()));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for waiting in batch {
                    waiting.prepared.macs().for_each(|mac| self.shared.attempts.forget(mac));
                    let _ = waiting.answer.send(Err(self.shared.failed(&reason)));
                }
            }
        }
    }

    async fn try_commit(&mut self, batch: &mut Vec<Waiting>) -> Result<Vec<(Waiting, StoreError)>, sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        notice_others(&mut transaction, &self.shared, &mut self.others).await?;
        let refused = batch::write(&mut transaction, batch).await?;
        transaction.commit().await?;
        Ok(refused)
    }

    /// Keeps the newest attempt of a device cached. A change of an attempt that is not known to be the newest makes the
    /// next reader look.
    fn cache(&self, attempt: Attempt) {
        let id = attempt.id;
        if attempt.version == 1 {
            self.shared.attempts.put(attempt.mac, attempt);
        } else {
            self.shared
                .attempts
                .replace(attempt.mac, attempt, |cached| cached.id == id);
        }
    }

    /// Does one of the rarer jobs in a transaction of its own.
    async fn single(&mut self, job: Job) {
        let shared = Arc::clone(&self.shared);
        match job {
            Job::PutDevices(devices, answer) => {
                let result = plain::put_devices(&mut self.connection, &devices).await;
                devices.iter().for_each(|device| shared.devices.forget(device.mac));
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::RemoveDevice(mac, answer) => {
                let result = plain::remove_device(&mut self.connection, mac).await;
                shared.forget(mac);
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::ResetDevice(mac, now, answer) => {
                let result = plain::reset_device(&mut self.connection, mac, now).await;
                shared.forget(mac);
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::PutKeys(keys, answer) => {
                let result = plain::put_keys(&mut self.connection, &keys).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::ReplaceKeys(keys, forget, answer) => {
                let result = plain::replace_keys(&mut self.connection, &keys, forget).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::ForgetKeys(now, answer) => {
                let result = plain::forget_keys(&mut self.connection, now).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::ForgetVendor(oui, type_identifier, answer) => {
                let result = plain::forget_vendor(&mut self.connection, &oui, type_identifier.as_deref()).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::StartEngine(answer) => {
                let result = plain::start_engine(&mut self.connection).await;
                let _ = answer.send(result.map_err(|error| error.into_store(&shared.what)));
            }
            Job::Order(job) => self.order(job).await,
            Job::Lease(job) => job.run(&mut self.connection, &shared).await,
            Job::Sweep { now, before, answer } => {
                let result = plain::sweep(&mut self.connection, now, before).await;
                if let Ok(swept) = &result {
                    for &mac in swept {
                        shared.attempts.forget(mac);
                        shared.files.forget(mac);
                    }
                }
                let more = result.map(|swept| swept.len() >= plain::PORTION);
                let _ = answer.send(more.map_err(|error| shared.failed(error)));
            }
            Job::PutCredentials(rows, now, answer) => {
                let result = credentials::put(&mut self.connection, &rows, now).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::RemoveCredentials(mac, row, now, answer) => {
                let result = credentials::remove(&mut self.connection, mac, row, now).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::CredentialsUsed(mac, now, answer) => {
                let result = credentials::used(&mut self.connection, mac, now).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::ForgetReads(before, answer) => {
                let result = credentials::forget_reads(&mut self.connection, before).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            Job::Record(_) | Job::ReadCredentials(_) | Job::Close(_) => unreachable!("the caller handles these"),
        }
    }

    async fn order(&mut self, job: OrderJob) {
        let shared = Arc::clone(&self.shared);
        match job {
            OrderJob::Place(order, answer) => {
                let result = orders::place(&mut self.connection, &order).await;
                let _ = answer.send(result.map_err(|error| error.into_store(&shared.what)));
            }
            OrderJob::Take {
                now,
                under_way,
                limit,
                answer,
            } => {
                let result = orders::take(&mut self.connection, now, &under_way, limit).await;
                let _ = answer.send(result.map_err(|error| error.into_store(&shared.what)));
            }
            OrderJob::End(id, outcome, answer) => {
                let result = orders::end(&mut self.connection, id, &outcome).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
            OrderJob::Withdraw(id, answer) => {
                let result = orders::withdraw(&mut self.connection, id).await;
                let _ = answer.send(result.map_err(|error| shared.failed(error)));
            }
        }
    }

    /// What is done when there is time: refusals are written, and another process' writes are noticed.
    async fn tick(&mut self) {
        if let Err(error) = notice_others(&mut self.connection, &self.shared, &mut self.others).await {
            tracing::warn!(database = %self.shared.what, %error, "the database cannot be watched for changes");
        }
        let mut kept = Vec::new();
        while let Ok(refusal) = self.refusals.try_recv() {
            if self.limiter.admits(&refusal) {
                kept.push(refusal);
            } else {
                self.shared.drop_refusal();
            }
        }
        if kept.is_empty() {
            return;
        }
        if let Err(error) = plain::put_refusals(&mut self.connection, &kept).await {
            tracing::warn!(database = %self.shared.what, %error, "refusals are not stored");
        }
    }
}

/// Empties the caches where another connection has committed since the last look. SQLite counts only the others'.
async fn notice_others(
    connection: &mut SqliteConnection,
    shared: &Shared,
    others: &mut i64,
) -> Result<(), sqlx::Error> {
    let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?;
    if version != *others {
        *others = version;
        shared.devices.clear();
        shared.attempts.clear();
        shared.files.clear();
        shared.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(())
}
