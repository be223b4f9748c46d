//! What is told of deliveries: two lines a client, counters, and a report now and then.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::files::{FileRequest, Outcome};
use crate::provisioning::Verdict;
use crate::settings::Report;
use crate::value::{MacAddress, Timestamp};

/// Clients that are counted one by one. When there are twice as many, those with the fewest requests give way: one at a
/// time would be looked for at every request of a fleet.
const CLIENTS: usize = 1_024;

/// What is told of a request besides what it says itself.
#[derive(Debug, Clone)]
pub struct Told {
    /// The client's address, where a CMTS stands between.
    pub client: Option<IpAddr>,
    /// The device.
    pub mac: Option<MacAddress>,
    /// The class of its lease, a word of the settings.
    pub class: Cow<'static, str>,
    /// The verdict's word.
    pub verdict: &'static str,
    /// Why it was marked or refused.
    pub doubt: Option<Box<str>>,
}

impl Told {
    /// Of a request of which nothing is known yet.
    pub fn new() -> Self {
        Self {
            client: None,
            mac: None,
            class: Cow::Borrowed("none"),
            verdict: Verdict::Free.word(),
            doubt: None,
        }
    }

    /// Whose requests these are in the report.
    fn talker(&self, request: &FileRequest) -> IpAddr {
        self.client.unwrap_or(request.peer.ip())
    }
}

impl Default for Told {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts and tells.
pub struct Usage {
    settings: Report,
    period: Mutex<Period>,
    last: Mutex<Option<UsageReport>>,
    lines: Mutex<Lines>,
}

struct Period {
    from: Timestamp,
    results: BTreeMap<(String, &'static str), Count>,
    refused: BTreeMap<&'static str, u64>,
    clients: HashMap<IpAddr, Talker>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    requests: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Talker {
    requests: u64,
    bytes: u64,
    refused: u64,
}

/// Lines of the present second.
struct Lines {
    second: Instant,
    written: u32,
    suppressed: u64,
}

/// The usage of a period.
#[derive(Debug, Clone, Serialize)]
pub struct UsageReport {
    /// Since when.
    pub from: String,
    /// Until when.
    pub to: String,
    /// Requests.
    pub requests: u64,
    /// Octets that were delivered.
    pub bytes: u64,
    /// By class and result.
    pub by_class: Vec<ClassUsage>,
    /// How often, by the reason for which requests were refused.
    pub refused: BTreeMap<&'static str, u64>,
    /// The clients with the most requests.
    pub top: Vec<ClientUsage>,
}

/// The usage of one class with one result.
#[derive(Debug, Clone, Serialize)]
pub struct ClassUsage {
    /// The class.
    pub class: String,
    /// `complete`, `failed` or `refused`, or what was answered instead of the whole file
    /// ([`Answer::word`](super::files::Answer::word)); `marked` besides where it was served without approval.
    pub result: &'static str,
    /// Requests.
    pub requests: u64,
    /// Octets.
    pub bytes: u64,
}

/// The usage of one client.
#[derive(Debug, Clone, Serialize)]
pub struct ClientUsage {
    /// Its address.
    pub client: IpAddr,
    /// Requests.
    pub requests: u64,
    /// Octets.
    pub bytes: u64,
    /// Requests that were refused.
    pub refused: u64,
}

impl Period {
    fn new() -> Self {
        Self {
            from: Timestamp::now(),
            results: BTreeMap::new(),
            refused: BTreeMap::new(),
            clients: HashMap::new(),
        }
    }

    fn count(&mut self, class: &str, result: &'static str, bytes: u64) {
        let count = self.results.entry((class.to_owned(), result)).or_default();
        count.requests += 1;
        count.bytes += bytes;
    }

    fn talker(&mut self, client: IpAddr) -> &mut Talker {
        if self.clients.len() >= 2 * CLIENTS && !self.clients.contains_key(&client) {
            let mut counts: Vec<u64> = self.clients.values().map(|talker| talker.requests).collect();
            let (_, &mut least, _) = counts.select_nth_unstable(CLIENTS);
            let mut kept = counts.iter().filter(|&&count| count > least).count();
            self.clients.retain(|_, talker| {
                let as_many = talker.requests == least && kept < CLIENTS;
                kept += usize::from(as_many);
                as_many || talker.requests > least
            });
        }
        self.clients.entry(client).or_default()
    }

    fn report(&self, top: usize) -> UsageReport {
        let mut clients: Vec<ClientUsage> = self
            .clients
            .iter()
            .map(|(&client, talker)| ClientUsage {
                client,
                requests: talker.requests,
                bytes: talker.bytes,
                refused: talker.refused,
            })
            .collect();
        clients.sort_by_key(|usage| (std::cmp::Reverse(usage.requests), usage.client));
        clients.truncate(top);
        let results = || self.results.iter().filter(|((_, result), _)| *result != "marked");
        UsageReport {
            from: self.from.to_string(),
            to: Timestamp::now().to_string(),
            requests: results().map(|(_, count)| count.requests).sum(),
            bytes: results().map(|(_, count)| count.bytes).sum(),
            by_class: self
                .results
                .iter()
                .map(|((class, result), count)| ClassUsage {
                    class: class.clone(),
                    result,
                    requests: count.requests,
                    bytes: count.bytes,
                })
                .collect(),
            refused: self.refused.clone(),
            top: clients,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves at worst a wrong count.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Usage {
    /// Counts from now on.
    pub fn new(settings: &Report) -> Self {
        Self {
            settings: settings.clone(),
            period: Mutex::new(Period::new()),
            last: Mutex::new(None),
            lines: Mutex::new(Lines {
                second: Instant::now(),
                written: 0,
                suppressed: 0,
            }),
        }
    }

    /// Whether a line may be written, and how many were not before it.
    fn line(&self) -> Option<u64> {
        if !self.settings.clients {
            return None;
        }
        let limit = self.settings.lines_per_second;
        let mut lines = lock(&self.lines);
        if lines.second.elapsed() >= Duration::from_secs(1) {
            lines.second = Instant::now();
            lines.written = 0;
        }
        if limit != 0 && lines.written >= limit {
            lines.suppressed += 1;
            return None;
        }
        lines.written += 1;
        Some(std::mem::take(&mut lines.suppressed))
    }

    /// The first line: a client asks.
    pub fn requested(&self, request: &FileRequest, told: &Told) {
        metrics::counter!(
            "hardline_delivery_requests_total",
            "protocol" => request.protocol.as_str(), "class" => told.class.clone(), "verdict" => told.verdict
        )
        .increment(1);
        let mut period = lock(&self.period);
        period.talker(told.talker(request)).requests += 1;
        if told.verdict == "marked" {
            period.count(&told.class, "marked", 0);
        }
        drop(period);
        if let Some(suppressed) = self.line() {
            tracing::info!(
                protocol = request.protocol.as_str(),
                peer = %request.peer,
                client = told.client.map(tracing::field::display),
                mac = told.mac.map(tracing::field::display),
                class = &*told.class,
                file = request.name,
                verdict = told.verdict,
                doubt = told.doubt.as_deref(),
                suppressed,
                "file requested"
            );
        }
    }

    /// The second line of a request that is not served; `word` is the reason in counters.
    pub fn refused(&self, request: &FileRequest, told: &Told, word: &'static str, reason: &str) {
        metrics::counter!(
            "hardline_delivery_refused_total",
            "protocol" => request.protocol.as_str(), "class" => told.class.clone(), "reason" => word
        )
        .increment(1);
        let mut period = lock(&self.period);
        period.count(&told.class, "refused", 0);
        *period.refused.entry(word).or_default() += 1;
        period.talker(told.talker(request)).refused += 1;
        drop(period);
        if let Some(suppressed) = self.line() {
            tracing::info!(
                protocol = request.protocol.as_str(),
                peer = %request.peer,
                mac = told.mac.map(tracing::field::display),
                class = &*told.class,
                file = request.name,
                result = "refused",
                reason,
                suppressed,
                "file not delivered"
            );
        }
    }

    /// The second line of one that is: how it ended.
    pub fn finished(&self, request: &FileRequest, told: &Told, outcome: &Outcome) {
        let (result, reason, bytes) = (outcome.word(), outcome.reason(), outcome.bytes());
        let protocol = request.protocol.as_str();
        metrics::counter!("hardline_delivery_bytes_total", "protocol" => protocol).increment(bytes);
        metrics::histogram!("hardline_delivery_seconds", "protocol" => protocol, "result" => result)
            .record(outcome.elapsed().as_secs_f64());
        let mut period = lock(&self.period);
        period.count(&told.class, result, bytes);
        period.talker(told.talker(request)).bytes += bytes;
        drop(period);
        if let Some(suppressed) = self.line() {
            tracing::info!(
                protocol,
                peer = %request.peer,
                mac = told.mac.map(tracing::field::display),
                class = &*told.class,
                file = request.name,
                result,
                reason,
                bytes,
                ms = outcome.elapsed().as_secs_f64() * 1000.0,
                retransmissions = outcome.retransmissions(),
                suppressed,
                "{}",
                if reason.is_none() { "file delivered" } else { "file not delivered" }
            );
        }
    }

    /// The usage of the present period so far, and of the last one.
    pub fn reports(&self) -> (UsageReport, Option<UsageReport>) {
        let present = lock(&self.period).report(self.settings.top);
        (present, lock(&self.last).clone())
    }

    /// Writes the report of each period, until `stop` turns true.
    pub async fn run(self: std::sync::Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.settings.interval.is_zero() {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.interval) => {}
                () = super::shutdown::requested(&mut stop) => return,
            }
            let ended = std::mem::replace(&mut *lock(&self.period), Period::new());
            let report = ended.report(self.settings.top);
            let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
            tracing::info!(
                from = report.from,
                to = report.to,
                requests = report.requests,
                bytes = report.bytes,
                by_class = json(serde_json::to_string(&report.by_class)),
                refused = json(serde_json::to_string(&report.refused)),
                top = json(serde_json::to_string(&report.top)),
                "usage"
            );
            *lock(&self.last) = Some(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Delivery;

    fn request(client: u32) -> FileRequest {
        FileRequest {
            name: "f".into(),
            peer: (std::net::Ipv4Addr::from(client), 1024).into(),
            relayed: None,
            hardware: None,
            protocol: Delivery::Tftp,
            probe: false,
        }
    }

    fn told(class: &'static str) -> Told {
        Told {
            class: class.into(),
            ..Told::new()
        }
    }

    #[test]
    fn the_report_counts_by_class_and_names_the_top_talkers() {
        let usage = Usage::new(&Report {
            top: 2,
            ..Report::default()
        });
        let whole = Outcome::Complete {
            bytes: 100,
            retransmissions: 0,
            elapsed: Duration::from_millis(2),
        };
        for client in 1..=3u32 {
            for _ in 0..client {
                usage.requested(&request(client), &told("gold"));
                usage.finished(&request(client), &told("gold"), &whole);
            }
        }
        usage.requested(&request(9), &told("none"));
        usage.refused(&request(9), &told("none"), "no_lease", "the client has no lease");
        let (report, last) = usage.reports();
        assert_eq!((report.requests, report.bytes), (7, 600));
        assert_eq!(report.refused, BTreeMap::from([("no_lease", 1)]));
        let top: Vec<_> = report
            .top
            .iter()
            .map(|usage| (usage.client.to_string(), usage.requests))
            .collect();
        assert_eq!(top, [("0.0.0.3".into(), 3), ("0.0.0.2".into(), 2)]);
        assert_eq!(report.by_class.len(), 2);
        assert!(last.is_none());
    }

    #[test]
    fn a_flood_of_clients_does_not_grow_the_table_nor_hide_the_noisiest() {
        let usage = Usage::new(&Report::default());
        for _ in 0..50 {
            usage.requested(&request(7), &told("none"));
        }
        for client in 100..20_000 {
            usage.requested(&request(client), &told("none"));
        }
        let period = lock(&usage.period);
        assert!(period.clients.len() <= 2 * CLIENTS);
        assert_eq!(period.report(1).top[0].client.to_string(), "0.0.0.7");
    }
}
