//! Leases and one-time names.

use super::*;

fn lease(last: u8, second: i64) -> Lease {
    Lease {
        expires: Some(NOW.plus(Duration::from_secs(600))),
        ..Lease::new(
            IpAddr::from([192, 0, 2, last]),
            mac(last),
            Timestamp(NOW.0 + second * 1_000_000),
        )
    }
}

#[tokio::test]
async fn leases_are_kept_by_address_and_found_by_device() {
    let bed = Bed::new().await;
    let full = Lease {
        cm_mac: Some(mac(9)),
        relay: "2001:db8::1".parse().ok(),
        class: Some("gold".into()),
        renewed: Some(NOW),
        ..lease(1, -5)
    };
    let second = Lease {
        mac: mac(1),
        ..lease(2, 5)
    };
    bed.store.put_leases(vec![full.clone(), second.clone()]).await.unwrap();
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    assert_eq!(bed.store.lease(mapped).await.unwrap(), Some(full.clone()));
    assert_eq!(
        bed.store.leases_of(mac(1)).await.unwrap(),
        [second.clone(), full.clone()]
    );
    assert_eq!(bed.store.leases(None, 1).await.unwrap(), [full]);
    assert_eq!(bed.store.leases(Some(mapped), 9).await.unwrap(), [second]);
    assert!(bed.store.remove_lease(mapped).await.unwrap() && !bed.store.remove_lease(mapped).await.unwrap());
    let renewed = bed
        .store
        .follow_lease(Lease {
            mac: mac(1),
            ..lease(2, 50)
        })
        .await
        .unwrap();
    assert_eq!(renewed.renewed, Some(Timestamp(NOW.0 + 50_000_000)));
    assert_eq!(bed.store.lease(renewed.address).await.unwrap(), Some(renewed));
    let keep = Duration::from_secs(60);
    bed.store.sweep(NOW.plus(Duration::from_secs(661)), keep).await.unwrap();
    assert!(bed.store.leases(None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_for_a_single_download_is_taken_by_one_address_and_ends_with_its_delivery() {
    let bed = Bed::new().await;
    let digest = OneTimeName::digest_of("name");
    let name = OneTimeName {
        digest,
        mac: mac(1),
        address: None,
        file: Some("firmware.bin".into()),
        single: true,
        created: NOW,
        expires: NOW.plus(Duration::from_secs(60)),
        claimed: None,
        delivered: None,
    };
    bed.store.put_name(name.clone()).await.unwrap();
    assert_eq!(bed.store.name(digest).await.unwrap(), Some(name));
    assert!(bed.store.name(OneTimeName::digest_of("other")).await.unwrap().is_none());
    let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let claim = |by, second: i64| {
        let at = Timestamp(NOW.0 + second * 1_000_000);
        bed.store.claim_name(digest, by, at, Timestamp(at.0 - 30_000_000))
    };
    assert!(claim(one, 1).await.unwrap());
    assert!(!claim(two, 2).await.unwrap(), "another address has taken it");
    assert!(claim(one, 3).await.unwrap(), "the same one may ask again");
    bed.store.release_name(digest, None).await.unwrap();
    assert!(
        claim(two, 4).await.unwrap(),
        "a delivery that failed may be repeated by anyone"
    );
    assert!(claim(one, 40).await.unwrap(), "one that never ended may be too");
    assert!(!claim(one, 60).await.unwrap(), "it has expired");
    bed.store.release_name(digest, Some(NOW)).await.unwrap();
    assert!(!claim(one, 41).await.unwrap(), "it was delivered");
}

#[tokio::test]
async fn changes_by_another_process_move_the_revision_on() {
    let bed = Bed::new().await;
    let other = bed.second().await;
    let before = bed.store.revision();
    other.put_leases(vec![lease(1, 0)]).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while bed.store.revision() == before {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
