//! What the store acknowledged survives `kill -9`: a child process records steps and prints each one that was
//! acknowledged, is killed at a random moment, and every printed step is in the database.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hardline::mib::MibDialect;
use hardline::model::{Attempt, AttemptId, Device, Family, Flow, Phase, Step, StepId};
use hardline::store::{Change, MasterKey, SqliteStore, Store};
use hardline::value::{MacAddress, OsRandom, Random, Timestamp};

const FOLDER: &str = "HARDLINE_DURABILITY_FOLDER";
const DEVICES: u8 = 32;

fn mac(last: u8) -> MacAddress {
    MacAddress([0, 1, 2, 3, 4, last])
}

fn device(last: u8) -> Device {
    Device {
        mac: mac(last),
        fqdn: format!("mta{last}.example.net").parse().unwrap(),
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
    Attempt {
        id: AttemptId::new(now, &mut OsRandom),
        mac: mac(last),
        flow: Flow::Secure,
        family: Family::V4,
        started: now,
        deadline: now.plus(Duration::from_secs(600)),
        phase: Phase::Ticketed,
        result: None,
        peer: "192.0.2.1:1293".parse().unwrap(),
        session: None,
        enrollment: None,
        type_identifier: None,
        file: None,
        version: 0,
    }
}

async fn open(folder: &Path) -> SqliteStore {
    let key = MasterKey::load(&folder.join("master.key")).unwrap();
    SqliteStore::open(&folder.join("hardline.db"), key).await.unwrap()
}

/// The child: records without end, when the test below has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_records_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Arc::new(open(Path::new(&folder)).await);
    let tasks = (0..DEVICES).map(|last| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut attempt = attempt(last);
            for count in 0u64.. {
                let detail = format!("{}-{count}", attempt.id);
                let steps = vec![Step::ok(StepId::AP_REQUEST, Timestamp::now(), &detail)];
                store
                    .record(Change {
                        attempt: Some(attempt.clone()),
                        steps,
                        ..Change::default()
                    })
                    .await
                    .unwrap();
                attempt.version += 1;
                // Not println: the test harness would keep it back.
                use std::io::Write;
                writeln!(std::io::stderr(), "acknowledged {} {detail}", attempt.mac).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_step_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::generate(&mut OsRandom);
    key.write_new(&folder.path().join("master.key")).unwrap();
    SqliteStore::create(&folder.path().join("hardline.db"), &key)
        .await
        .unwrap();
    let mut acknowledged = 0;
    for _ in 0..3 {
        let store = open(folder.path()).await;
        // Devices anew: what the round before left open goes with the old ones.
        for last in 0..DEVICES {
            store.remove_device(mac(last)).await.unwrap();
        }
        store.put_devices((0..DEVICES).map(device).collect()).await.unwrap();
        store.close().await.unwrap();
        let lines = run_and_kill(folder.path());
        let store = open(folder.path()).await;
        for line in &lines {
            let (mac, detail) = line.split_once(' ').unwrap();
            let (attempt, steps) = store.attempts(mac.parse().unwrap(), 1).await.unwrap().remove(0);
            let count: u64 = detail.rsplit_once('-').unwrap().1.parse().unwrap();
            let at = usize::try_from(count).unwrap();
            assert_eq!(steps.get(at).map(|step| step.detail.as_str()), Some(detail), "{line}");
            assert!(attempt.version > count, "the attempt's state is as new as its ladder");
        }
        acknowledged += lines.len();
        store.close().await.unwrap();
    }
    assert!(acknowledged > 0, "nothing was recorded before the kill");
}

/// Starts the child, kills it 50 to 305 ms after its first line, and returns what it said it recorded.
fn run_and_kill(folder: &Path) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_records_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with("acknowledged "), "{first}");
    let [delay] = OsRandom.array::<1>();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50 + u64::from(delay)));
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
    });
    // Read until the end, so that the pipe never holds the child up. The last line may be cut short.
    let mut text = first;
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    killer.join().unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    // One check a device would do; a sample of the lines keeps the reading short.
    let lines: Vec<String> = whole
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged "))
        .map(Into::into)
        .collect();
    let tail = lines.len().saturating_sub(2 * usize::from(DEVICES));
    lines
        .iter()
        .take(tail)
        .step_by(37)
        .chain(&lines[tail..])
        .cloned()
        .collect()
}
