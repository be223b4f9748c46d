//! The store's promises, against a database in a temporary folder.

mod attempts;
mod devices;
mod gather;
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
use std::ops::Range;

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

pub(super) struct Bed {
    pub(super) store: SqliteStore,
    pub(super) key: MasterKey,
    pub(super) folder: tempfile::TempDir,
}

impl Bed {
    pub(super) async fn new() -> Self {
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

pub(super) fn mac(last: u8) -> MacAddress {
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

pub(super) fn attempt(last: u8, seed: u64) -> Attempt {
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

fn with_file(attempt: &Attempt) -> Change {
    Change {
        file: Some(("name".into(), b"file-octets-file-octets".to_vec())),
        ..change(attempt)
    }
}

#[tokio::test]
async fn no_secret_lies_readable_on_the_disk() {
    let bed = Bed::new().await;
    bed.store.record(with_file(&full(1, 1))).await.unwrap();
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
