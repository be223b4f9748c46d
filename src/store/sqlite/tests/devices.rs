//! Device records.

use super::*;

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
