//! What the credentials store promises: sealed rows, whole changes, and no read without a record.

use super::super::tests::{Bed, NOW, attempt, mac};
use super::*;
use crate::model::{Attempt, Phase, Step, StepId};
use crate::store::{Change, Delivering, Store};
use crate::value::SeededRandom;

impl Bed {
    /// Everything that lies in the database's files.
    async fn octets(&self) -> Vec<u8> {
        let files = ["hardline.db", "hardline.db-wal"].map(|name| self.folder.path().join(name));
        files
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .flatten()
            .collect()
    }

    async fn stored(&self, last: u8) -> Credentials {
        match self
            .store
            .read_credentials(read(last, Reveal::Credentials))
            .await
            .unwrap()
        {
            Reading::Read(credentials) => credentials,
            other => panic!("{other:?}"),
        }
    }
}

fn impi(last: u8, index: u8, secret: &str) -> (MacAddress, CredentialRow) {
    let row = Impi {
        index,
        id_type: IdType::PrivateIdentity,
        id: format!("private{index}@ims.example.net"),
        credentials_type: CredentialsType::Password,
        credentials: secret.as_bytes().into(),
    };
    (mac(last), CredentialRow::Impi(row))
}

fn impu(last: u8, index: u8, goes_with: u8) -> (MacAddress, CredentialRow) {
    let row = Impu {
        index,
        id_type: IdType::PublicIdentity,
        id: format!("sip:public{index}@ims.example.net"),
        impi: goes_with,
        display: "A & B".into(),
        operators: "1,2".into(),
        active: true,
        signalling_security: false,
        additional: String::new(),
    };
    (mac(last), CredentialRow::Impu(row))
}

fn read(last: u8, reveal: Reveal) -> CredentialRead {
    CredentialRead {
        mac: mac(last),
        at: NOW,
        who: "operator test".into(),
        source: "here".into(),
        reveal,
        delivery: None,
    }
}

#[tokio::test]
async fn rows_read_back_and_nothing_of_them_lies_in_the_file() {
    let bed = Bed::new().await;
    let rows = vec![impi(1, 1, "hunter2hunter2"), impu(1, 1, 1), impu(1, 2, 0)];
    bed.store.put_credentials(rows, NOW).await.unwrap();
    let credentials = bed.stored(1).await;
    assert_eq!((credentials.impus.len(), credentials.impis.len()), (2, 1));
    assert_eq!(credentials.impis[0].credentials.expose(), b"hunter2hunter2");
    assert_eq!(credentials.impus[0].display, "A & B");
    let octets = bed.octets().await;
    for secret in ["hunter2", "private1", "public1", "68756e74657232"] {
        assert!(
            !octets.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{secret}"
        );
    }
    let hidden = bed.store.read_credentials(read(1, Reveal::Identities)).await.unwrap();
    assert!(matches!(hidden, Reading::Read(credentials) if credentials.impis[0].credentials.is_empty()));
}

#[tokio::test]
async fn a_row_that_was_moved_to_another_device_or_place_does_not_open() {
    let bed = Bed::new().await;
    bed.store
        .put_credentials(vec![impi(1, 1, "one"), impi(1, 2, "two"), impi(2, 1, "three")], NOW)
        .await
        .unwrap();
    let path = bed.folder.path().join("hardline.db");
    let run = |sql: &'static str| {
        let path = path.clone();
        async move {
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
                .await
                .unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    };
    run("UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE mac LIKE '%:01' AND row = 1) WHERE mac LIKE '%:02'").await;
    let moved = bed.store.read_credentials(read(2, Reveal::Credentials)).await;
    assert!(matches!(moved, Err(StoreError::Unsealable(_))), "{moved:?}");
    run("UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE mac LIKE '%:01' AND row = 1) WHERE row = 2").await;
    assert!(bed.store.read_credentials(read(1, Reveal::Credentials)).await.is_err());
    let other = MasterKey::generate(&mut SeededRandom::new(2));
    assert!(SqliteStore::open(&path, other).await.is_err());
}

#[tokio::test]
async fn a_change_is_whole_or_not_at_all() {
    let bed = Bed::new().await;
    let dangling = bed
        .store
        .put_credentials(vec![impi(2, 1, "x"), impu(1, 1, 9)], NOW)
        .await;
    assert!(
        matches!(dangling, Err(CredentialError::Dangling { impu: 1, impi: 9, .. })),
        "{dangling:?}"
    );
    let unknown = bed
        .store
        .put_credentials(vec![impi(2, 1, "x"), impi(9, 1, "x")], NOW)
        .await;
    assert!(matches!(unknown, Err(CredentialError::Unknown(m)) if m == mac(9)));
    assert_eq!(bed.store.credential_states(None, 10).await.unwrap(), []);
    bed.store
        .put_credentials(vec![impi(1, 1, "x"), impu(1, 1, 1)], NOW)
        .await
        .unwrap();
    let needed = bed.store.remove_credentials(mac(1), Some(("impi", 1)), NOW).await;
    assert!(matches!(needed, Err(CredentialError::Dangling { .. })));
    assert_eq!(bed.store.remove_credentials(mac(1), None, NOW).await.unwrap(), 2);
    assert_eq!(bed.store.credential_state(mac(1)).await.unwrap(), None);
}

#[tokio::test]
async fn every_read_is_on_record_and_outlives_the_device() {
    let bed = Bed::new().await;
    bed.store
        .put_credentials(vec![impi(1, 1, "x"), impu(1, 3, 1)], NOW)
        .await
        .unwrap();
    assert!(matches!(
        bed.store.read_credentials(read(2, Reveal::Credentials)).await.unwrap(),
        Reading::Nothing
    ));
    bed.store.read_credentials(read(1, Reveal::Identities)).await.unwrap();
    bed.store.read_credentials(read(1, Reveal::Credentials)).await.unwrap();
    assert!(bed.store.remove_device(mac(1)).await.unwrap());
    assert_eq!(bed.store.credential_state(mac(1)).await.unwrap(), None);
    let reads = bed.store.credential_reads(None, 10).await.unwrap();
    let fields: Vec<&str> = reads.iter().map(|read| read.fields.as_str()).collect();
    assert_eq!(
        fields,
        ["impu.id[3] impi.id[1] impi.credentials[1]", "impu.id[3] impi.id[1]"]
    );
    assert_eq!(
        (reads[0].who.as_str(), reads[0].source.as_str(), reads[0].at),
        ("operator test", "here", NOW)
    );
    bed.store
        .forget_credential_reads(NOW.plus(std::time::Duration::from_secs(1)))
        .await
        .unwrap();
    assert_eq!(bed.store.credential_reads(Some(mac(1)), 10).await.unwrap(), []);
}

#[tokio::test]
async fn of_two_deliveries_that_race_one_decides_again() {
    let bed = Bed::new().await;
    bed.store.put_credentials(vec![impi(1, 1, "x")], NOW).await.unwrap();
    let attempt = Attempt {
        phase: Phase::Enrolled,
        ..attempt(1, 3)
    };
    let change = Change {
        attempt: Some(attempt),
        ..Change::default()
    };
    bed.store.record(change).await.unwrap();
    let state = bed.store.credential_state(mac(1)).await.unwrap().unwrap();
    let delivery = || CredentialRead {
        delivery: Some(Delivering {
            decided_on: Some((state.changed, state.deliveries)),
            step: Step::ok(StepId::FILE_DELIVERED, NOW, "document"),
        }),
        ..read(1, Reveal::Credentials)
    };
    let (one, two) = tokio::join!(
        bed.store.read_credentials(delivery()),
        bed.store.read_credentials(delivery())
    );
    let outcomes = [one.unwrap(), two.unwrap()];
    assert_eq!(
        outcomes
            .iter()
            .filter(|reading| matches!(reading, Reading::Read(_)))
            .count(),
        1
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|reading| matches!(reading, Reading::Changed))
            .count(),
        1
    );
    let state = bed.store.credential_state(mac(1)).await.unwrap().unwrap();
    assert_eq!((state.deliveries, state.delivered), (1, Some(NOW)));
    assert_eq!(bed.store.credential_reads(Some(mac(1)), 10).await.unwrap().len(), 1);
    assert_eq!(
        bed.store.attempts(mac(1), 1).await.unwrap()[0].1.len(),
        1,
        "the ladder has its row"
    );
    assert!(bed.store.credentials_used(mac(1), NOW).await.unwrap());
    bed.store.put_credentials(vec![impi(1, 1, "y")], NOW).await.unwrap();
    let fresh = bed.store.credential_state(mac(1)).await.unwrap().unwrap();
    assert_eq!(
        (fresh.deliveries, fresh.used),
        (0, None),
        "what was changed may be handed out anew"
    );
    assert!(fresh.changed > state.changed);
}
