//! How many changes a second the SQLite store makes durable, with 256 callers at once. Each change is what one datagram
//! of the secure flow costs: a new state of the attempt, and two or three steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hardline::mib::MibDialect;
use hardline::model::{Attempt, AttemptId, Device, Family, Flow, Phase, SnmpSession, Step, StepId};
use hardline::store::{Change, MasterKey, Seen, SqliteStore, Store};
use hardline::value::{EngineId, MacAddress, OsRandom, Random, Secret, Timestamp};
use hardline::wire::snmp::{AuthProtocol, PrivProtocol};

const CALLERS: u8 = 255;
const TIME: Duration = Duration::from_secs(5);

fn mac(last: u8) -> MacAddress {
    MacAddress([0, 1, 2, 3, 4, last])
}

fn device(last: u8) -> Device {
    Device {
        mac: mac(last),
        fqdn: format!("mta{last}.example.net").parse().expect("a name"),
        flow: Flow::Secure,
        mib: MibDialect::Ietf,
        addresses: Vec::new(),
        template: None,
        vars: Default::default(),
        overrides: Default::default(),
        delivery: Default::default(),
        public_key_sha1: None,
        created: Timestamp::now(),
    }
}

fn attempt(last: u8) -> Attempt {
    let now = Timestamp::now();
    let session = SnmpSession {
        user: format!("MTA-Prov-{}", mac(last).upper()),
        engine_id: EngineId::cablelabs(OsRandom.array()),
        engine_boots: 1,
        engine_time: 1,
        engine_seen: now,
        auth: AuthProtocol::Sha1,
        privacy: Some(PrivProtocol::Aes128),
        subkey: Secret::new(OsRandom.array::<46>().to_vec()),
        keyed_from: "192.0.2.1:1293".parse().unwrap(),
        keyed_at: now,
        asked: Default::default(),
        learned: Default::default(),
    };
    Attempt {
        id: AttemptId::new(now, &mut OsRandom),
        mac: mac(last),
        flow: Flow::Secure,
        family: Family::V4,
        started: now,
        deadline: now.plus(Duration::from_secs(600)),
        phase: Phase::Keyed,
        result: None,
        peer: "192.0.2.1:1293".parse().expect("an address"),
        session: Some(session),
        enrollment: None,
        type_identifier: None,
        file: None,
        version: 0,
    }
}

/// One caller: records until the time is up; returns how many changes and steps.
async fn caller(store: Arc<SqliteStore>, last: u8, until: Instant) -> (u64, u64) {
    let mut attempt = attempt(last);
    let (mut changes, mut steps) = (0, 0);
    while Instant::now() < until {
        let now = Timestamp::now();
        let count = 2 + changes % 2;
        let step = |_| {
            Step::ok(
                StepId::AP_REQUEST,
                now,
                "AP Request from 192.0.2.1:1293, ciphersuite sha1-aes128",
            )
        };
        let seen = Seen {
            digest: OsRandom.array(),
            expires: now,
            answer: vec![0; 200],
        };
        let change = Change {
            attempt: Some(attempt.clone()),
            steps: (0..count).map(step).collect(),
            seen: if changes % 4 == 0 { vec![seen] } else { Vec::new() },
            ..Change::default()
        };
        store.record(change).await.expect("recorded");
        attempt.version += 1;
        changes += 1;
        steps += count;
    }
    (changes, steps)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hardline.db");
    let key = MasterKey::generate(&mut OsRandom);
    SqliteStore::create(&path, &key).await.expect("created");
    let store = Arc::new(SqliteStore::open(&path, key).await.expect("opened"));
    store
        .put_devices((0..=CALLERS).map(device).collect())
        .await
        .expect("devices");
    let start = Instant::now();
    let tasks: Vec<_> = (0..=CALLERS)
        .map(|last| tokio::spawn(caller(Arc::clone(&store), last, start + TIME)))
        .collect();
    let (mut changes, mut steps) = (0, 0);
    for task in tasks {
        let (more_changes, more_steps) = task.await.expect("the caller ended");
        changes += more_changes;
        steps += more_steps;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "256 callers, {seconds:.1} s: {:.0} changes/s, {:.0} steps/s, each durable when acknowledged",
        changes as f64 / seconds,
        steps as f64 / seconds
    );
    store.close().await.expect("closed");
}
