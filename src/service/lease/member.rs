//! One source among several: its limits, whether it answers, and what is told of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Semaphore;

use super::source::{Key, LeaseSource, SourceError};
use crate::model::Lease;
use crate::value::Timestamp;

/// Timeouts in a row after which a source counts as down. An error counts at once; a timeout may be a lost packet.
const TIMEOUTS: u32 = 2;

/// A source with its limits.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: &'static str,
    /// Whether what it does not have does not exist.
    pub(super) complete: bool,
    source: Box<dyn LeaseSource>,
    timeout: Duration,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why it is down, and since when.
    down: Option<(String, Timestamp)>,
    timeouts: u32,
    asked: u64,
    found: u64,
    failed: u64,
    answered: Option<Timestamp>,
}

/// What an operator is shown of a source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its kind: table, kea, kea-sql or sql.
    pub kind: &'static str,
    /// Whether it answers.
    pub up: bool,
    /// Why it does not.
    pub reason: Option<String>,
    /// Since when it does not.
    pub since: Option<String>,
    /// When it last answered.
    pub answered: Option<String>,
    /// How often it was asked.
    pub asked: u64,
    /// How often it had a lease.
    pub found: u64,
    /// How often it failed or took too long.
    pub failed: u64,
}

/// What asking one source came to.
pub(super) enum Answer {
    Lease(Lease),
    None,
    Down,
    /// Too many questions wait for it.
    Busy,
}

impl Member {
    pub(super) fn new(
        name: String,
        kind: &'static str,
        complete: bool,
        source: Box<dyn LeaseSource>,
        timeout: Duration,
        concurrency: u32,
    ) -> Self {
        Self {
            name,
            kind,
            complete,
            source,
            timeout,
            permits: Semaphore::new(usize::try_from(concurrency).unwrap_or(1)),
            state: Mutex::default(),
        }
    }

    pub(super) fn covers(&self, key: Key) -> bool {
        self.source.covers(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the source, unless it is known to be down: waits for its turn until `turn_by`, and then for the answer within
    /// `left` at the most. With the answer, how long it took.
    pub(super) async fn ask(&self, key: Key, turn_by: Instant, left: Duration) -> (Answer, Duration) {
        if self.state().down.is_some() {
            return (Answer::Down, Duration::ZERO);
        }
        // Waiting for its turn says nothing about the source: a flood of questions must not put it out of use. Nor does it
        // take of the time for the answer: a fleet that starts at once is served late, and not refused.
        let turn = tokio::time::timeout_at(turn_by.into(), self.permits.acquire()).await;
        if self.state().down.is_some() {
            return (Answer::Down, Duration::ZERO);
        }
        if !matches!(turn, Ok(Ok(_))) || left.is_zero() {
            metrics::counter!("hardline_lease_source_busy_total", "source" => self.name.clone()).increment(1);
            return (Answer::Busy, Duration::ZERO);
        }
        let limit = self.timeout.min(left);
        let asked = Instant::now();
        let answer = tokio::time::timeout(limit, self.source.find(key)).await;
        let (result, answer) = match answer {
            Ok(Ok(Some(lease))) => ("lease", Answer::Lease(lease)),
            Ok(Ok(None)) => ("none", Answer::None),
            Ok(Err(error @ SourceError::Content(_))) => {
                tracing::warn!(source = self.name, %key, %error, "a lease cannot be used");
                ("unusable", Answer::None)
            }
            Ok(Err(SourceError::Down(reason))) => {
                self.failed(reason, true);
                ("down", Answer::Down)
            }
            Err(_) => {
                self.failed(format!("no answer within {limit:?}"), false);
                ("timeout", Answer::Down)
            }
        };
        if !matches!(answer, Answer::Down) {
            self.answers(matches!(answer, Answer::Lease(_)));
        }
        metrics::histogram!("hardline_lease_lookup_seconds", "source" => self.name.clone(), "result" => result)
            .record(asked.elapsed().as_secs_f64());
        (answer, asked.elapsed())
    }

    /// Asks whether it answers, and notes it.
    pub(super) async fn probe(&self) {
        match tokio::time::timeout(self.timeout, self.source.probe()).await {
            Ok(Ok(())) => self.recovered(),
            Ok(Err(error)) => self.failed(error.to_string(), true),
            Err(_) => self.failed(format!("no answer within {:?}", self.timeout), false),
        }
    }

    fn answers(&self, found: bool) {
        let mut state = self.state();
        state.asked += 1;
        state.found += u64::from(found);
        state.timeouts = 0;
        state.answered = Some(Timestamp::now());
    }

    fn recovered(&self) {
        let mut state = self.state();
        state.timeouts = 0;
        state.answered = Some(Timestamp::now());
        if let Some((_, since)) = state.down.take() {
            let down_for = Timestamp::now().since(since);
            tracing::info!(
                source = self.name,
                down_for_s = down_for.as_secs(),
                "the lease source answers again"
            );
        }
        self.gauge(true);
    }

    fn failed(&self, reason: String, surely: bool) {
        let mut state = self.state();
        state.failed += 1;
        state.timeouts += 1;
        metrics::counter!("hardline_lease_source_failures_total", "source" => self.name.clone()).increment(1);
        let reason: String = reason.chars().take(300).collect();
        let certain = surely || state.timeouts >= TIMEOUTS;
        match &mut state.down {
            Some((known, _)) => *known = reason,
            None if certain => {
                tracing::error!(source = self.name, reason, "the lease source is down");
                state.down = Some((reason, Timestamp::now()));
                self.gauge(false);
            }
            None => {}
        }
    }

    fn gauge(&self, up: bool) {
        metrics::gauge!("hardline_lease_source_up", "source" => self.name.clone()).set(f64::from(u8::from(up)));
    }

    pub(super) fn is_up(&self) -> bool {
        self.state().down.is_none()
    }

    pub(super) fn status(&self) -> SourceStatus {
        let state = self.state();
        SourceStatus {
            name: self.name.clone(),
            kind: self.kind,
            up: state.down.is_none(),
            reason: state.down.as_ref().map(|(reason, _)| reason.clone()),
            since: state.down.as_ref().map(|(_, since)| since.to_string()),
            answered: state.answered.map(|at| at.to_string()),
            asked: state.asked,
            found: state.found,
            failed: state.failed,
        }
    }
}
