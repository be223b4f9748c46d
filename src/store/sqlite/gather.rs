//! Single rows that many ask for at the same time, read by one query: to hand a question to a reader and its answer back
//! costs many times what reading a row does.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqlitePool};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Shared;
use super::rows::{self, RowError};
use crate::model::{Attempt, Device};
use crate::store::{MasterKey, StoreError};
use crate::value::MacAddress;

/// Keys of one query.
const MOST: usize = 256;
/// Queries at the same time.
const AT_ONCE: usize = 2;

/// What is read by a key that at most one row has.
pub(super) trait Keyed: Clone + Send + Sync + 'static {
    /// The key, which is text in the database.
    type Key: Copy + Eq + Hash + FromStr<Err: Display> + ToString + Send + Sync;
    /// The key's column in [`Keyed::query`].
    const KEY: usize;

    /// The query for the rows of several keys. Its parameter is a JSON array of them.
    fn query() -> String;

    /// What a row of the query says.
    fn decode(row: &SqliteRow, key: &MasterKey) -> Result<Self, RowError>;
}

impl Keyed for Device {
    type Key = MacAddress;
    const KEY: usize = 0;

    fn query() -> String {
        format!(
            "SELECT {} FROM devices WHERE mac IN (SELECT value FROM json_each(?))",
            rows::DEVICE
        )
    }

    fn decode(row: &SqliteRow, key: &MasterKey) -> Result<Self, RowError> {
        rows::device(row, key)
    }
}

/// A device's newest attempt.
impl Keyed for Attempt {
    type Key = MacAddress;
    const KEY: usize = 1;

    fn query() -> String {
        format!(
            "SELECT {} FROM attempts WHERE seq IN (
                SELECT (SELECT max(seq) FROM attempts WHERE mac = value) FROM json_each(?)
            )",
            rows::ATTEMPT
        )
    }

    fn decode(row: &SqliteRow, key: &MasterKey) -> Result<Self, RowError> {
        rows::attempt(row, key)
    }
}

type Found<T> = Result<Option<T>, RowError>;

/// Somebody who asked, and for what.
struct Question<T: Keyed> {
    key: T::Key,
    answer: oneshot::Sender<Result<Option<T>, StoreError>>,
}

struct Waiting<T: Keyed> {
    questions: Vec<Question<T>>,
    /// Readers that are at work.
    reading: usize,
}

/// Gathers the questions for the rows of one table.
pub(super) struct Gather<T: Keyed> {
    readers: SqlitePool,
    key: MasterKey,
    shared: Arc<Shared>,
    query: Arc<str>,
    runtime: Handle,
    waiting: Mutex<Waiting<T>>,
}

impl<T: Keyed> Gather<T> {
    /// Reads with `readers`, on the present tokio runtime.
    pub(super) fn new(readers: SqlitePool, key: MasterKey, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            readers,
            key,
            shared,
            query: T::query().into(),
            runtime: Handle::current(),
            waiting: Mutex::new(Waiting {
                questions: Vec::new(),
                reading: 0,
            }),
        })
    }

    /// What the row of `key` says.
    ///
    /// # Errors
    /// The database's, and those of a row that does not read back.
    pub(super) async fn get(self: &Arc<Self>, key: T::Key) -> Result<Option<T>, StoreError> {
        let (answer, answered) = oneshot::channel();
        if self.wait(Question { key, answer }) {
            self.runtime.spawn(Arc::clone(self).read());
        }
        answered.await.map_err(|_| self.shared.failed("it is closed"))?
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question to the others; whether one more reader is to begin.
    fn wait(&self, question: Question<T>) -> bool {
        let mut waiting = self.waiting();
        waiting.questions.push(question);
        let begins = waiting.reading < AT_ONCE;
        waiting.reading += usize::from(begins);
        begins
    }

    /// The questions of the next query. Where there are none, a reader ends.
    fn take(&self) -> Option<Vec<Question<T>>> {
        let mut waiting = self.waiting();
        // Who has gone meanwhile asks no more.
        waiting.questions.retain(|question| !question.answer.is_closed());
        if waiting.questions.is_empty() {
            waiting.reading -= 1;
            return None;
        }
        let most = waiting.questions.len().min(MOST);
        Some(waiting.questions.drain(..most).collect())
    }

    /// Answers questions as long as there are any.
    async fn read(self: Arc<Self>) {
        while let Some(questions) = self.take() {
            let keys: Vec<T::Key> = questions.iter().map(|question| question.key).collect();
            let found = self.find(&keys).await;
            for Question { key, answer } in questions {
                let result = match &found {
                    Ok(found) => found.get(&key).cloned().unwrap_or(Ok(None)),
                    Err(error) => Err(error.clone()),
                };
                // Who asked may have gone.
                let _ = answer.send(result.map_err(|error| error.into_store(&self.shared.what)));
            }
        }
    }

    /// The rows of `keys`. A row that does not read back is an error of its key alone.
    async fn find(&self, keys: &[T::Key]) -> Result<HashMap<T::Key, Found<T>>, RowError> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.query))).bind(rows::json(&keys));
        let rows = query.fetch_all(&self.readers).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key: &str = row.try_get(T::KEY)?;
            let key = rows::parse("a key", key)?;
            found.insert(key, T::decode(row, &self.key).map(Some));
        }
        Ok(found)
    }
}
