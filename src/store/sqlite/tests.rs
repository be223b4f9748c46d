//! The store's promises, against a database in a temporary folder.

mod keying;
mod leases;

use super::*;
use crate::mib::MibDialect;
use crate::model::{
    AttemptResult, Delivery, Enrollment, Family, Flow, KeyAsked, Lease, NewOrder, OrderOutcome, Phase, ServedFile,
    SnmpSession, Step, StepId,
};
use crate::profile::{Learned, Oui, Vendor};
use crate::store::{Change, OneTimeName, Recovery, Seen, ServiceKey, Store, WakeUpSent};
use crate::value::{Secret, SeededRandom, Timestamp};
use crate::wire::kerberos::{PadForm, PrincipalName};
use crate::wire::keymgmt::{HmacRecipe, KeyRecipe};
use crate::wire::snmp::{AuthProtocol, PrivProtocol};
use crate::wire::tlv::EncryptAlgorithm;
use std::net::IpAddr;
use std::num::NonZeroU32;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

struct Bed {
    store: SqliteStore,
    key: MasterKey,
    folder: tempfile::TempDir,
}

impl Bed {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::generate(&mut SeededRandom::new(1));
        let path = folder.path().join("hardline.db");
        SqliteStore::create(&path, &key).await.unwrap();
        let store = SqliteStore::open(&path, key.clone()).await.unwrap();
        store.put_devices(vec![device(1), device(2)]).await.unwrap();
        Self { store, key, folder }
    }

    async fn second(&self) -> SqliteStore {
        SqliteStore::open(&self.folder.path().join("hardline.db"), self.key.clone())
            .await
            .unwrap()
    }
}

fn mac(last: u8) -> MacAddress {
    MacAddress([0x00, 0x11, 0x22, 0x33, 0x44, last])
}

fn device(last: u8) -> Device {
    Device {
        mac: mac(last),
        fqdn: format!("mta{last}.example.net").parse().unwrap(),
        flow: Flow::Secure,
        mib: MibDialect::Ietf,
        addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        template: Some("residential".into()),
        vars: [("password".into(), "hunter2hunter2".into())].into(),
        overrides: Default::default(),
        delivery: Delivery::Http,
        public_key_sha1: None,
        created: NOW,
    }
}

fn attempt(last: u8, seed: u64) -> Attempt {
    Attempt {
        id: AttemptId::new(NOW, &mut SeededRandom::new(seed)),
        mac: mac(last),
        flow: Flow::Secure,
        family: Family::V6,
        started: NOW,
        deadline: NOW.plus(Duration::from_secs(600)),
        phase: Phase::Ticketed,
        result: None,
        peer: "[2001:db8::7]:1293".parse().unwrap(),
        session: None,
        enrollment: None,
        type_identifier: None,
        file: None,
        version: 0,
    }
}

fn full(last: u8, seed: u64) -> Attempt {
    let session = SnmpSession {
        user: "MTA-Prov-00:11:22:33:44:01".into(),
        engine_id: EngineId::cablelabs([7; 8]),
        engine_boots: 3,
        engine_time: 99,
        engine_seen: NOW,
        auth: AuthProtocol::Sha1,
        privacy: Some(PrivProtocol::Aes128),
        subkey: Secret::from(&b"subkey-subkey-subkey"[..]),
        keyed_from: "[2001:db8::7]:1294".parse().unwrap(),
        keyed_at: NOW,
        asked: KeyAsked {
            server_nonce: NonZeroU32::new(7),
            reestablish: true,
        },
        learned: Learned {
            hmac: Some(HmacRecipe::ALL[3]),
            pad: Some(PadForm::Covered),
            user_name: Some("MTA-Prov-XX".into()),
            keys: Some(KeyRecipe::default()),
            unsettled: true,
        },
    };
    let enrollment = Enrollment {
        sys_descr: "eUE".into(),
        sw_version: "1.0".into(),
        type_identifier: "pktc2.0:".into(),
        correlation_id: 7,
        community: None,
        request_id: -5,
    };
    let file = ServedFile {
        name: "name".into(),
        url: "tftp://[2001:db8::1]/name".into(),
        hash: vec![9; 20],
        algorithm: EncryptAlgorithm::Aes128Cbc,
        key: Secret::from(&b"filekey-filekey-"[..]),
        size: 1234,
        made: NOW,
    };
    Attempt {
        session: Some(session),
        enrollment: Some(enrollment),
        type_identifier: Some("pktc1.5:".into()),
        file: Some(file),
        ..attempt(last, seed)
    }
}

fn change(attempt: &Attempt) -> Change {
    Change {
        attempt: Some(attempt.clone()),
        ..Change::default()
    }
}

fn ended(mut attempt: Attempt) -> Attempt {
    attempt.phase = Phase::Ended;
    attempt.result = Some(AttemptResult::Replaced);
    attempt
}

#[tokio::test]
async fn a_device_reads_back_and_keeps_what_was_learned_of_it() {
    let bed = Bed::new().await;
    assert_eq!(bed.store.device(mac(1)).await.unwrap(), Some(device(1)));
    assert_eq!(bed.store.device(mac(9)).await.unwrap(), None);
    let learned = Device {
        public_key_sha1: Some("ab".repeat(20)),
        ..device(1)
    };
    bed.store.put_devices(vec![learned.clone()]).await.unwrap();
    let edited = Device {
        vars: Default::default(),
        created: NOW.plus(Duration::from_secs(5)),
        ..device(1)
    };
    bed.store.put_devices(vec![edited]).await.unwrap();
    let kept = Device {
        vars: Default::default(),
        ..learned
    };
    assert_eq!(bed.store.device(mac(1)).await.unwrap(), Some(kept));
    let page = bed.store.devices(None, 1).await.unwrap();
    assert_eq!(page[0].mac, mac(1));
    assert_eq!(bed.store.devices(Some(mac(1)), 10).await.unwrap(), [device(2)]);
    assert!(bed.store.remove_device(mac(1)).await.unwrap());
    assert!(!bed.store.remove_device(mac(1)).await.unwrap());
    assert_eq!(bed.store.device(mac(1)).await.unwrap(), None);
}

#[tokio::test]
async fn an_attempt_reads_back_whole_from_cache_and_from_disk() {
    let bed = Bed::new().await;
    let steps = vec![
        Step::ok(StepId::AP_REQUEST, NOW, "from a"),
        Step::failed(StepId::SET, NOW, "noAccess"),
    ];
    let change = Change {
        attempt: Some(full(1, 1)),
        steps: steps.clone(),
        file: Some(("name".into(), b"octets".to_vec())),
        ..Change::default()
    };
    bed.store.record(change).await.unwrap();
    for store in [&bed.store, &bed.second().await] {
        let read = store.attempt(mac(1)).await.unwrap().unwrap();
        let expected = Attempt {
            version: 1,
            ..full(1, 1)
        };
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        assert!(read.session.unwrap().subkey.ct_eq(b"subkey-subkey-subkey"));
        assert!(read.file.unwrap().key.ct_eq(b"filekey-filekey-"));
        assert_eq!(store.attempts(mac(1), 10).await.unwrap()[0].1, steps);
        let file = store.file(mac(1), "name").await.unwrap().unwrap();
        assert_eq!((file.mac, &file.octets[..]), (mac(1), &b"octets"[..]));
    }
}

#[tokio::test]
async fn no_secret_lies_readable_on_the_disk() {
    let bed = Bed::new().await;
    let file = Some(("name".into(), b"file-octets-file-octets".to_vec()));
    bed.store
        .record(Change {
            file,
            ..change(&full(1, 1))
        })
        .await
        .unwrap();
    let principal = PrincipalName::mtaprovsrvr(&"prov.example.net".parse().unwrap());
    let key = ServiceKey {
        principal,
        kvno: 1,
        etype: 5,
        key: Secret::from(&b"service-key"[..]),
        forget: None,
        created: NOW,
    };
    bed.store.put_keys(vec![key]).await.unwrap();
    bed.store.close().await.unwrap();
    for entry in std::fs::read_dir(bed.folder.path()).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [
            "subkey-subkey",
            "filekey-filekey",
            "file-octets",
            "service-key",
            "hunter2hunter2",
        ] {
            assert!(
                !octets.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{secret}"
            );
        }
    }
    assert!(bed.store.attempt(mac(1)).await.is_ok(), "the cache still answers");
    assert!(matches!(
        bed.store.record(change(&attempt(2, 2))).await,
        Err(StoreError::Database { .. })
    ));
}

#[tokio::test]
async fn an_older_version_never_overwrites_a_newer_one() {
    let bed = Bed::new().await;
    bed.store.record(change(&attempt(1, 1))).await.unwrap();
    let read = bed.store.attempt(mac(1)).await.unwrap().unwrap();
    let other = bed.second().await;
    other
        .record(change(&Attempt {
            phase: Phase::Keyed,
            ..read.clone()
        }))
        .await
        .unwrap();
    let stale = Change {
        steps: vec![Step::ok(StepId::SET, NOW, "")],
        ..change(&read)
    };
    assert!(matches!(bed.store.record(stale).await, Err(StoreError::Conflict(id)) if id == read.id));
    let again = bed.store.attempt(mac(1)).await.unwrap().unwrap();
    assert_eq!(
        (again.phase, again.version),
        (Phase::Keyed, 2),
        "a conflict ends with a fresh read"
    );
    assert!(
        bed.store.attempts(mac(1), 1).await.unwrap()[0].1.is_empty(),
        "nothing of a refused change is stored"
    );
}

#[tokio::test]
async fn first_datagrams_that_race_begin_one_attempt() {
    let bed = std::sync::Arc::new(Bed::new().await);
    let race = |seed| {
        let bed = std::sync::Arc::clone(&bed);
        tokio::spawn(async move { bed.store.record(change(&attempt(1, seed))).await })
    };
    let mut won = 0;
    for task in (1..=20).map(race).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_new_attempt_replaces_the_old_one_in_one_change() {
    let bed = Bed::new().await;
    bed.store.record(change(&attempt(1, 1))).await.unwrap();
    let old = bed.store.attempt(mac(1)).await.unwrap().unwrap();
    let change = Change {
        replaced: Some(ended(old)),
        ..change(&attempt(1, 2))
    };
    bed.store.record(change).await.unwrap();
    let ladders = bed.store.attempts(mac(1), 10).await.unwrap();
    assert_eq!(ladders[0].0.id, attempt(1, 2).id);
    assert_eq!(ladders[1].0.result, Some(AttemptResult::Replaced));
    let open = bed
        .store
        .unfinished(NOW.plus(Duration::from_secs(601)), 10)
        .await
        .unwrap();
    assert_eq!(
        open.iter().map(|attempt| attempt.id).collect::<Vec<_>>(),
        [attempt(1, 2).id]
    );
    assert!(bed.store.unfinished(NOW, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_is_accepted_once_and_its_answer_is_kept() {
    let bed = Bed::new().await;
    let seen = Seen {
        digest: [1; 32],
        expires: NOW,
        answer: b"answer".to_vec(),
    };
    let once = Change {
        seen: vec![seen.clone()],
        ..change(&attempt(1, 1))
    };
    bed.store.record(once).await.unwrap();
    let twice = Change {
        seen: vec![seen],
        ..change(&attempt(2, 2))
    };
    assert!(matches!(bed.store.record(twice).await, Err(StoreError::Seen)));
    assert!(bed.store.attempt(mac(2)).await.unwrap().is_none());
    assert_eq!(
        bed.store.answer([1; 32]).await.unwrap().as_deref(),
        Some(&b"answer"[..])
    );
    bed.store
        .sweep(NOW.plus(Duration::from_secs(1)), Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(bed.store.answer([1; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn one_refused_change_does_not_fail_its_batch() {
    let bed = Bed::new().await;
    let stale = Attempt {
        version: 5,
        ..attempt(1, 3)
    };
    let unknown = attempt(9, 4);
    let (good, stale, unknown, ladder) = tokio::join!(
        bed.store.record(change(&attempt(1, 1))),
        bed.store.record(change(&stale)),
        bed.store.record(change(&unknown)),
        bed.store.record(Change {
            ladder: Some(attempt(2, 5).id),
            steps: vec![Step::ok(StepId::SET, NOW, "")],
            ..Change::default()
        }),
    );
    good.unwrap();
    for refused in [stale, unknown, ladder] {
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_step_alone_joins_its_ladder() {
    let bed = Bed::new().await;
    bed.store.record(change(&attempt(1, 1))).await.unwrap();
    let step = Step::retry(StepId::SET, NOW, "again");
    let change = Change {
        ladder: Some(attempt(1, 1).id),
        steps: vec![step.clone()],
        ..Change::default()
    };
    bed.store.record(change).await.unwrap();
    let (attempt, steps) = bed.store.attempts(mac(1), 1).await.unwrap().remove(0);
    assert_eq!((attempt.version, steps), (1, vec![step.clone()]));
    let homeless = Change {
        steps: vec![step],
        ..Change::default()
    };
    assert!(matches!(bed.store.record(homeless).await, Err(StoreError::Misused(_))));
}

#[tokio::test]
async fn reset_ends_the_attempt_and_forgets_its_secrets() {
    let bed = Bed::new().await;
    let file = Some(("name".into(), b"octets".to_vec()));
    bed.store
        .record(Change {
            file,
            ..change(&full(1, 1))
        })
        .await
        .unwrap();
    let stale = bed.store.attempt(mac(1)).await.unwrap().unwrap();
    assert!(bed.store.reset_device(mac(1), NOW).await.unwrap());
    assert!(!bed.store.reset_device(mac(9), NOW).await.unwrap());
    let read = bed.store.attempt(mac(1)).await.unwrap().unwrap();
    assert_eq!(
        read.result.as_ref().unwrap().to_string(),
        "failed: reset by the operator"
    );
    assert!(read.phase == Phase::Ended && read.session.is_none() && read.file.is_none());
    assert!(bed.store.file(mac(1), "name").await.unwrap().is_none());
    assert!(matches!(
        bed.store.record(change(&stale)).await,
        Err(StoreError::Conflict(_))
    ));
    bed.store.record(change(&attempt(1, 2))).await.unwrap();
}

#[tokio::test]
async fn sweep_forgets_what_ended_long_ago_and_nothing_else() {
    let bed = Bed::new().await;
    let file = Some(("name".into(), b"octets".to_vec()));
    bed.store
        .record(Change {
            file,
            ..change(&ended(full(1, 1)))
        })
        .await
        .unwrap();
    bed.store.record(change(&attempt(2, 2))).await.unwrap();
    let keep = Duration::from_secs(3600);
    bed.store.sweep(NOW.plus(keep), keep).await.unwrap();
    assert!(bed.store.attempt(mac(1)).await.unwrap().is_some());
    bed.store
        .sweep(NOW.plus(keep + Duration::from_secs(601)), keep)
        .await
        .unwrap();
    assert!(bed.store.attempt(mac(1)).await.unwrap().is_none());
    assert!(bed.store.file(mac(1), "name").await.unwrap().is_none());
    assert!(
        bed.store.attempt(mac(2)).await.unwrap().is_some(),
        "an open attempt stays"
    );
}

#[tokio::test]
async fn another_process_changes_are_seen_within_a_second() {
    let bed = Bed::new().await;
    assert!(bed.store.device(mac(1)).await.unwrap().is_some());
    bed.store.record(change(&attempt(1, 1))).await.unwrap();
    let other = bed.second().await;
    other.remove_device(mac(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(bed.store.device(mac(1)).await.unwrap().is_none());
    assert!(bed.store.attempt(mac(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn each_start_of_the_engine_counts_one_boot() {
    let bed = Bed::new().await;
    let (engine, boots) = bed.store.start_engine().await.unwrap();
    let (same, next) = bed.second().await.start_engine().await.unwrap();
    assert_eq!((boots, next), (1, 2));
    assert_eq!(engine, same);
    assert_eq!(engine.as_bytes()[..5], [0x80, 0x00, 0x11, 0x8b, 0x05]);
}

#[tokio::test]
async fn keys_come_newest_first_and_are_replaced_by_number_and_type() {
    let bed = Bed::new().await;
    let principal = PrincipalName::krbtgt(&"EXAMPLE.NET".parse().unwrap());
    let key = |kvno, octet: u8| ServiceKey {
        principal: principal.clone(),
        kvno,
        etype: 5,
        key: Secret::new(vec![octet; 24]),
        created: NOW,
        forget: None,
    };
    bed.store.put_keys(vec![key(1, 1), key(2, 2), key(1, 3)]).await.unwrap();
    let keys = bed.store.keys(&principal).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.kvno).collect::<Vec<_>>(), [2, 1]);
    assert!(keys[1].key.ct_eq(&[3; 24]));
    assert_eq!(keys[0].principal.to_string(), principal.to_string());
    assert_eq!(bed.store.all_keys().await.unwrap().len(), 2);
    let other = PrincipalName::krbtgt(&"OTHER.NET".parse().unwrap());
    assert!(bed.store.keys(&other).await.unwrap().is_empty());
}

#[tokio::test]
async fn refusals_are_kept_within_bounds() {
    let bed = Bed::new().await;
    let refusal = Refusal {
        mac: Some(mac(1)),
        peer: "192.0.2.1:88".parse().unwrap(),
        step: StepId::AS_REQUEST,
        at: NOW,
        reason: "expired certificate".into(),
    };
    for _ in 0..5_000 {
        bed.store.refused(refusal.clone());
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let kept = bed.store.refusals(mac(1), 1_000).await.unwrap();
    assert_eq!(kept.len(), 20);
    assert_eq!(kept[0], refusal);
    assert_eq!(bed.store.refusals_dropped(), 4_980);
}

#[tokio::test]
async fn another_master_key_and_another_schema_are_refused() {
    let bed = Bed::new().await;
    let path = bed.folder.path().join("hardline.db");
    let other = MasterKey::generate(&mut SeededRandom::new(2));
    let error = SqliteStore::open(&path, other).await.err().unwrap();
    assert!(matches!(error, StoreError::Unsealable(_)), "{error}");
    assert!(
        SqliteStore::create(&path, &bed.key).await.is_err(),
        "an existing database stays"
    );
    let mut connection = options(&path).connect().await.unwrap();
    sqlx::query("INSERT INTO schema_version VALUES (99)")
        .execute(&mut connection)
        .await
        .unwrap();
    let error = SqliteStore::open(&path, bed.key.clone())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("version 99") && error.contains("hardline.db"), "{error}");
    let nowhere = SqliteStore::open(&bed.folder.path().join("none.db"), bed.key.clone())
        .await
        .err()
        .unwrap();
    assert!(matches!(nowhere, StoreError::Database { .. }));
}

#[tokio::test]
async fn devices_are_found_by_name_and_by_address() {
    let s = Bed::new().await;
    let named = async |name: &str| -> Vec<MacAddress> {
        let found = s.store.devices_named(&name.parse().unwrap(), 8).await.unwrap();
        found.into_iter().map(|device| device.mac).collect()
    };
    let at = async |address: &str| -> Vec<MacAddress> {
        let found = s.store.devices_at(address.parse().unwrap(), 8).await.unwrap();
        found.into_iter().map(|device| device.mac).collect()
    };
    assert_eq!(named("MTA1.Example.Net").await, [mac(1)]);
    assert_eq!(named("1.example.net").await, []);
    assert_eq!(at("192.0.2.7").await, [mac(1), mac(2)]);
    assert_eq!(
        s.store
            .devices_at("2001:db8::7".parse().unwrap(), 1)
            .await
            .unwrap()
            .len(),
        1
    );

    let moved = Device {
        fqdn: "mta1.nyc.example.net".parse().unwrap(),
        addresses: vec!["192.0.2.8".parse().unwrap(), "192.0.2.8".parse().unwrap()],
        ..device(1)
    };
    s.store.put_devices(vec![moved]).await.unwrap();
    assert_eq!(named("mta1.example.net").await, []);
    assert_eq!(named("mta1.nyc.example.net").await, [mac(1)]);
    assert_eq!(
        (at("192.0.2.7").await, at("192.0.2.8").await),
        (vec![mac(2)], vec![mac(1)])
    );
    let below = async |name: &str| s.store.has_device_below(&name.parse().unwrap()).await.unwrap();
    assert!(below("nyc.example.net").await && below("example.net").await);
    assert!(!below("mta1.nyc.example.net").await && !below("yc.example.net").await && !below("ny.example.net").await);

    s.store.remove_device(mac(1)).await.unwrap();
    assert_eq!(at("192.0.2.8").await, []);
    assert!(!below("nyc.example.net").await);
}
