//! Whether a TFTP server does what RFC 1350, 1123, 2347, 2348, 2349 and 7440 say: one check a feature, each over sockets of
//! its own, so that one failure does not make others.

mod client;
mod fetch;
mod hostile;
mod options;
mod transfer;

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::plan::first_difference;
use fetch::Fetch;

/// A block size in which few files end with a whole block.
const OTHER_SIZE: u16 = 1431;

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
    /// The first check found that the empty last block of a file of whole blocks does not come.
    unended: bool,
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
            unended: false,
        }
    }

    /// The file as it was fetched first, or else as it has to be; checks that need it are skipped where neither is known.
    fn known(&self) -> Result<&[u8], Verdict> {
        let known = self.fetched.as_deref().or(self.content.as_deref());
        known.ok_or_else(|| Verdict::Skipped("the file could not be fetched at all".into()))
    }

    fn larger_than(&self, octets: usize) -> Result<(), Verdict> {
        if self.known()?.len() > octets {
            return Ok(());
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

/// Fetches the file as the other checks compare with it. Where that fails, larger blocks may bring it all the same.
fn fetch_first(target: &mut Target) -> Result<(), Verdict> {
    let (mut fetched, result) = Fetch::new(target).attempt()?;
    if let Err(fault) = result {
        let other = Fetch::new(target).with("blksize", OTHER_SIZE).run();
        target.fetched = other.ok().map(|other| other.content);
        target.unended = fetched.fell_silent && target.known().is_ok_and(|known| known == fetched.content);
        let fault = if target.unended { fetched.silence(target) } else { fault };
        return Err(fault);
    }
    let difference = target.content.as_ref();
    let difference = difference.and_then(|content| first_difference(content, &fetched.content));
    target.fetched = Some(fetched.content);
    match difference {
        Some(difference) => fail(format!("the folder's file differs {difference}")),
        None => Ok(()),
    }
}

/// Runs a check that a packet in the wrong moment makes fail, such as one that was held up until the server sent it again:
/// a server that is at fault is so each time.
fn each_time(check: impl Fn() -> Result<(), Verdict>) -> Result<(), Verdict> {
    check().or_else(|_| check()).or_else(|_| check())
}
