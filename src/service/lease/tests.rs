//! Several sources: order, failover, what is cached, and what is done when none answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::store::{MasterKey, SqliteStore};
use crate::value::{SeededRandom, Timestamp};

/// How a scripted source answers.
#[derive(Debug, Clone)]
enum Play {
    Lease(u8),
    None,
    Fail,
    Spoilt,
    /// Never.
    Hang,
    /// After a while, so that several wait.
    Slow(u8),
}

#[derive(Clone)]
struct Scripted {
    play: Arc<Mutex<Play>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(play: Play) -> Self {
        Self {
            play: Arc::new(Mutex::new(play)),
            asked: Arc::default(),
        }
    }

    fn plays(&self, play: Play) {
        *self.play.lock().unwrap() = play;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn member(&self, name: &str, complete: bool) -> Member {
        let source = Box::new(self.clone());
        Member::new(name.into(), "sql", complete, source, Duration::from_millis(200), 4)
    }
}

#[async_trait]
impl LeaseSource for Scripted {
    fn covers(&self, key: Key) -> bool {
        matches!(key, Key::Address(IpAddr::V4(_)) | Key::Mac(_))
    }

    async fn find(&self, key: Key) -> Result<Option<Lease>, SourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let play = self.play.lock().unwrap().clone();
        let Key::Address(address) = key else { return Ok(None) };
        let lease = |last| Lease::new(address, MacAddress([0, 0, 0, 0, 0, last]), Timestamp::now());
        match play {
            Play::Lease(last) => Ok(Some(lease(last))),
            Play::None => Ok(None),
            Play::Fail => Err(SourceError::down("connection refused")),
            Play::Spoilt => Err(SourceError::content("column mac")),
            Play::Hang => std::future::pending().await,
            Play::Slow(last) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(Some(lease(last)))
            }
        }
    }
}

struct Bed {
    leases: Arc<Leases>,
    _folder: tempfile::TempDir,
}

async fn bed(members: Vec<Member>, verify: Verify) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::generate(&mut SeededRandom::new(1));
    let path = folder.path().join("hardline.db");
    SqliteStore::create(&path, &key).await.unwrap();
    let store = Arc::new(SqliteStore::open(&path, key).await.unwrap());
    Bed {
        leases: Arc::new(Leases::of(members, verify, store)),
        _folder: folder,
    }
}

fn at(last: u8) -> Key {
    Key::Address(IpAddr::from([192, 0, 2, last]))
}

/// The last octet of the MAC address of what is found.
async fn found(bed: &Bed, key: Key) -> Result<u8, Found> {
    match bed.leases.find(key, |_| true).await {
        Found::Lease(lease) => Ok(lease.mac.0[5]),
        other => Err(other),
    }
}

#[tokio::test]
async fn the_first_lease_counts_and_a_source_that_fails_is_passed_over() {
    let (first, second) = (Scripted::new(Play::Lease(1)), Scripted::new(Play::Lease(2)));
    let bed = bed(
        vec![first.member("a", true), second.member("b", true)],
        Verify::default(),
    )
    .await;
    assert_eq!(found(&bed, at(1)).await, Ok(1));
    assert_eq!(second.asked(), 0);
    first.plays(Play::None);
    assert_eq!(
        found(&bed, at(2)).await,
        Ok(2),
        "another source may have what this one has not"
    );
    first.plays(Play::Fail);
    assert_eq!(found(&bed, at(3)).await, Ok(2));
    let asked = first.asked();
    assert_eq!(found(&bed, at(4)).await, Ok(2));
    assert_eq!(first.asked(), asked, "a source that is down is not waited for");
    let status = bed.leases.status();
    assert!(!status[0].up && status[0].reason.as_deref() == Some("connection refused") && status[1].up);
    first.plays(Play::Lease(1));
    bed.leases.probe().await;
    assert_eq!(found(&bed, at(5)).await, Ok(1), "it returns by itself");
}

#[tokio::test]
async fn who_says_none_decides_whether_there_is_none() {
    for (first, second, complete, expected) in [
        (Play::None, Play::None, false, Found::None),
        (Play::Fail, Play::Fail, true, Found::Unknown),
        // The one that is down might know it, unless the other one is complete.
        (Play::Fail, Play::None, false, Found::Unknown),
        (Play::Fail, Play::None, true, Found::None),
        (Play::None, Play::Fail, true, Found::None),
        // Whoever spoils his own row gets no lease, and puts nothing out of use.
        (Play::Spoilt, Play::None, true, Found::None),
    ] {
        let case = format!("{first:?} {second:?} {complete}");
        let members = vec![
            Scripted::new(first).member("a", complete),
            Scripted::new(second).member("b", complete),
        ];
        let bed = bed(members, Verify::default()).await;
        assert_eq!(found(&bed, at(1)).await, Err(expected), "{case}");
    }
    let spoilt = Scripted::new(Play::Spoilt);
    let bed = bed(vec![spoilt.member("a", true)], Verify::default()).await;
    for last in 0..5 {
        assert_eq!(found(&bed, at(last)).await, Err(Found::None));
    }
    assert!(bed.leases.any_up());
}

#[tokio::test]
async fn sources_that_hang_are_given_up_in_time_and_then_not_waited_for() {
    let hanging: Vec<Member> = (0..4)
        .map(|at| Scripted::new(Play::Hang).member(&at.to_string(), true))
        .collect();
    let verify = Verify {
        decide_within: Duration::from_millis(600),
        ..Verify::default()
    };
    let bed = bed(hanging, verify).await;
    let begun = Instant::now();
    assert_eq!(found(&bed, at(1)).await, Err(Found::Unknown));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(found(&bed, at(2)).await, Err(Found::Unknown));
    assert!(!bed.leases.any_up(), "two timeouts in a row");
}

#[tokio::test]
async fn many_that_ask_the_same_cost_one_question() {
    let slow = Scripted::new(Play::Slow(7));
    let bed = Arc::new(bed(vec![slow.member("a", true)], Verify::default()).await);
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let bed = bed.clone();
        tasks.spawn(async move { found(&bed, at(1)).await });
    }
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer.unwrap(), Ok(7));
    }
    assert_eq!(slow.asked(), 1);
}

#[tokio::test]
async fn a_flood_of_questions_is_turned_away_and_puts_no_source_out_of_use() {
    let slow = Scripted::new(Play::Slow(7));
    let verify = Verify {
        decide_within: Duration::from_millis(400),
        ..Verify::default()
    };
    let bed = Arc::new(bed(vec![slow.member("a", true)], verify).await);
    let mut tasks = JoinSet::new();
    for last in 0..200 {
        let bed = bed.clone();
        tasks.spawn(async move { found(&bed, at(last)).await });
    }
    let mut busy = 0;
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Ok(7) => {}
            Err(Found::Busy) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(busy > 0 && bed.leases.any_up());
}

#[tokio::test]
async fn answers_are_cached_and_forgotten_as_they_should() {
    let source = Scripted::new(Play::None);
    let verify = Verify {
        negative_cache_time: Duration::from_secs(3600),
        cache_time: Duration::from_secs(3600),
        ..Verify::default()
    };
    let bed = bed(vec![source.member("a", true)], verify).await;
    assert_eq!(found(&bed, at(1)).await, Err(Found::None));
    source.plays(Play::Lease(1));
    assert_eq!(
        found(&bed, at(1)).await,
        Err(Found::None),
        "that there is none is cached"
    );
    bed.leases.forget(IpAddr::from([192, 0, 2, 1]), None);
    assert_eq!(found(&bed, at(1)).await, Ok(1));
    source.plays(Play::Lease(2));
    assert_eq!(found(&bed, at(1)).await, Ok(1));
    assert_eq!(source.asked(), 2);
    assert!(matches!(
        bed.leases
            .find(Key::Address("2001:db8::1".parse().unwrap()), |_| true)
            .await,
        Found::None
    ));
}

#[tokio::test]
async fn a_cached_lease_that_does_not_fit_is_asked_for_anew() {
    let source = Scripted::new(Play::Lease(1));
    let verify = Verify {
        negative_cache_time: Duration::ZERO,
        cache_time: Duration::from_secs(3600),
        ..Verify::default()
    };
    let bed = bed(vec![source.member("a", true)], verify).await;
    assert_eq!(found(&bed, at(1)).await, Ok(1));
    source.plays(Play::Lease(2));
    assert_eq!(found(&bed, at(1)).await, Ok(1));
    let other = bed.leases.find(at(1), |lease| lease.mac.0[5] == 2).await;
    assert!(matches!(other, Found::Lease(lease) if lease.mac.0[5] == 2));
}

#[tokio::test]
async fn the_cache_stays_within_its_bounds() {
    let source = Scripted::new(Play::None);
    let verify = Verify {
        cache_entries: 128,
        negative_cache_time: Duration::from_secs(3600),
        ..Verify::default()
    };
    let bed = bed(vec![source.member("a", true)], verify).await;
    for number in 0..5_000u32 {
        let _ = found(&bed, Key::Address(IpAddr::V4(number.into()))).await;
    }
    assert!(bed.leases.cache.len() <= 128, "{}", bed.leases.cache.len());
}
