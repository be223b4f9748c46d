//! Whether a TFTP server does what RFC 1350, 1123, 2347, 2348, 2349 and 7440 say: one check a feature, each over sockets of
//! its own, so that one failure does not make others.

mod client;
mod hostile;
mod options;
mod transfer;

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use client::Fetch;

/// What is checked.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's listening address.
    pub server: SocketAddr,
    /// A file that it serves, best of more than 4 KiB.
    pub file: String,
    /// What the file has to be.
    pub content: Option<Vec<u8>>,
    /// How long an answer may take, retransmission apart.
    pub wait: Duration,
    /// How long the server may wait before it retransmits.
    pub retransmission: Duration,
    /// What the first check fetched.
    fetched: Option<Vec<u8>>,
}

impl Target {
    /// A target; answers are awaited for a second, retransmissions for eight.
    pub fn new(server: SocketAddr, file: String, content: Option<Vec<u8>>) -> Self {
        Self {
            server,
            file,
            content,
            wait: Duration::from_secs(1),
            retransmission: Duration::from_secs(8),
            fetched: None,
        }
    }

    /// The file as it was fetched first; checks that compare with it are skipped where that failed.
    fn fetched(&self) -> Result<&[u8], Verdict> {
        let fetched = self.fetched.as_deref();
        fetched.ok_or_else(|| Verdict::Skipped("the file could not be fetched at all".into()))
    }

    fn larger_than(&self, octets: usize) -> Result<&[u8], Verdict> {
        let fetched = self.fetched()?;
        if fetched.len() > octets {
            return Ok(fetched);
        }
        Err(Verdict::Skipped(format!("the file has no more than {octets} octets")))
    }
}

/// Why a check did not end in OK.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Failed(String),
    /// It says nothing of this server, or of this file.
    Skipped(String),
}

impl From<std::io::Error> for Verdict {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the socket: {error}"))
    }
}

fn fail<T>(reason: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Failed(reason.into()))
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The server does what it should.
    Ok,
    /// It does not.
    Fail,
    /// The check says nothing of this server, or of this file.
    Skip,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// A short name.
    pub feature: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// How it ended.
    pub result: Outcome,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

struct Check {
    feature: &'static str,
    source: &'static str,
    run: fn(&Target) -> Result<(), Verdict>,
}

/// Runs every check; `each` hears of each at its end.
pub fn run(mut target: Target, each: &dyn Fn(&Checked)) -> Vec<Checked> {
    let mut report = Vec::new();
    let checks = [transfer::CHECKS, options::CHECKS, hostile::CHECKS];
    let first = fetch_first(&mut target);
    let fetch = Check {
        feature: "octet-read",
        source: "RFC 1350 §2, §6",
        run: |_| Ok(()),
    };
    let mut add = |check: &Check, verdict: Result<(), Verdict>| {
        let (result, reason) = match verdict {
            Ok(()) => (Outcome::Ok, String::new()),
            Err(Verdict::Failed(reason)) => (Outcome::Fail, reason),
            Err(Verdict::Skipped(reason)) => (Outcome::Skip, reason),
        };
        let checked = Checked {
            feature: check.feature,
            source: check.source,
            result,
            reason,
        };
        each(&checked);
        report.push(checked);
    };
    add(&fetch, first);
    for check in checks.into_iter().flatten() {
        add(check, (check.run)(&target));
    }
    report
}

/// How many checks there are.
pub fn count() -> usize {
    1 + transfer::CHECKS.len() + options::CHECKS.len() + hostile::CHECKS.len()
}

fn fetch_first(target: &mut Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).run()?.content;
    let wrong = target.content.as_ref().is_some_and(|content| *content != fetched);
    target.fetched = Some(fetched);
    if wrong {
        return fail("the content is not what the folder has");
    }
    Ok(())
}
