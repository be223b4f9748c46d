//! Rows that many ask for at the same time.

use super::*;

fn numbered(number: u16) -> MacAddress {
    let [high, low] = number.to_be_bytes();
    MacAddress([0x02, 0, 0, 0, high, low])
}

/// Everybody asks for the device of a number before anybody is answered.
async fn ask_all(store: &Arc<SqliteStore>, numbers: Range<u16>) -> Vec<Result<Option<Device>, StoreError>> {
    let asked = numbers.map(|number| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.device(numbered(number)).await })
    });
    let asked: Vec<_> = asked.collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn each_of_many_gets_its_own_row() {
    let bed = Bed::new().await;
    let devices = (0..2_000).step_by(2).map(|number| Device {
        mac: numbered(number),
        ..device(1)
    });
    bed.store.put_devices(devices.collect()).await.unwrap();
    let fresh = Arc::new(bed.second().await);
    for (number, answer) in (0..2_000u16).zip(ask_all(&fresh, 0..2_000).await) {
        let found = answer.unwrap().map(|device| device.mac);
        assert_eq!(found, number.is_multiple_of(2).then(|| numbered(number)));
    }
}

#[tokio::test]
async fn a_row_that_does_not_read_back_fails_alone() {
    let bed = Bed::new().await;
    let devices = (0..50).map(|number| Device {
        mac: numbered(number),
        ..device(1)
    });
    bed.store.put_devices(devices.collect()).await.unwrap();
    bed.store.close().await.unwrap();
    let path = bed.folder.path().join("hardline.db");
    let mut connection = options(&path).connect().await.unwrap();
    // The variables of one device are those of another, under whose name they were sealed.
    sqlx::query("UPDATE devices SET vars = (SELECT vars FROM devices WHERE mac = ?) WHERE mac = ?")
        .bind(numbered(8).to_string())
        .bind(numbered(7).to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    let store = Arc::new(bed.second().await);
    for (number, answer) in (0..50).zip(ask_all(&store, 0..50).await) {
        match answer {
            Ok(found) => assert_eq!(found.unwrap().mac, numbered(number)),
            Err(error) => {
                assert_eq!(number, 7);
                assert!(matches!(error, StoreError::Unsealable(row) if row.contains(&numbered(7).to_string())));
            }
        }
    }
}

#[tokio::test]
async fn who_goes_away_disturbs_nobody() {
    let bed = Bed::new().await;
    let store = Arc::new(bed.second().await);
    for _ in 0..200 {
        let gone = tokio::time::timeout(Duration::ZERO, store.lease([192, 0, 2, 1].into())).await;
        let (kept, _) = tokio::join!(store.lease([192, 0, 2, 2].into()), async { drop(gone) });
        assert_eq!(kept.unwrap(), None);
    }
}

#[tokio::test]
async fn a_question_sees_what_was_written_before_it() {
    let bed = Bed::new().await;
    for second in 0..100u8 {
        let lease = Lease::new(
            [192, 0, 2, 1].into(),
            mac(second % 3),
            Timestamp(NOW.0 + i64::from(second)),
        );
        bed.store.put_leases(vec![lease.clone()]).await.unwrap();
        assert_eq!(bed.store.lease(lease.address).await.unwrap(), Some(lease.clone()));
        assert_eq!(bed.store.newest_lease(lease.mac).await.unwrap(), Some(lease));
    }
}

#[tokio::test]
async fn the_newest_lease_of_a_device_counts_its_renewals() {
    let bed = Bed::new().await;
    let lease = |last: u8, obtained: i64, renewed: Option<i64>| Lease {
        renewed: renewed.map(|second| Timestamp(NOW.0 + second)),
        ..Lease::new([192, 0, 2, last].into(), mac(1), Timestamp(NOW.0 + obtained))
    };
    bed.store
        .put_leases(vec![lease(1, 5, None), lease(2, 1, Some(9)), lease(3, 7, None)])
        .await
        .unwrap();
    let newest = bed.store.newest_lease(mac(1)).await.unwrap().unwrap();
    assert_eq!(newest, lease(2, 1, Some(9)));
    assert_eq!(bed.store.newest_lease(mac(2)).await.unwrap(), None);
    assert_eq!(bed.store.leases_of(mac(1)).await.unwrap()[0], newest);
}

#[tokio::test]
async fn after_the_end_every_question_is_refused() {
    let bed = Bed::new().await;
    bed.store.close().await.unwrap();
    let refused = bed.store.lease([192, 0, 2, 1].into()).await;
    assert!(matches!(refused, Err(StoreError::Database { .. })));
}
