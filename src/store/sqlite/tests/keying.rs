//! Orders, Wake Ups, remembered messages, keys and vendors.

use super::*;
use crate::model::OrderKind;
use crate::profile::Learned;
use crate::store::Quota;
use crate::wire::kerberos::PadForm;
use crate::wire::keymgmt::KeyRecipe;

fn order(last: u8) -> NewOrder {
    NewOrder {
        mac: mac(last),
        kind: OrderKind::Rekey,
        placed: NOW,
        expires: NOW.plus(Duration::from_secs(10)),
    }
}

#[tokio::test]
async fn an_order_is_taken_by_one_server_and_its_outcome_is_there_for_the_command() {
    let bed = Bed::new().await;
    let (command, other) = (bed.second().await, bed.second().await);
    let first = command.place_order(order(1)).await.unwrap();
    let second = command.place_order(order(2)).await.unwrap();
    assert!(first < second);
    assert_eq!(command.order(first).await.unwrap().unwrap().taken, None);
    let taken = bed.store.take_orders(NOW, &[], 1).await.unwrap();
    assert_eq!((taken.len(), taken[0].id, taken[0].mac), (1, first, mac(1)));
    assert_eq!(taken[0].kind, OrderKind::Rekey);
    let rest = other.take_orders(NOW, &[], 10).await.unwrap();
    assert_eq!(rest.iter().map(|order| order.id).collect::<Vec<_>>(), [second]);
    assert!(!command.withdraw_order(first).await.unwrap(), "a server is at it");

    let outcome = OrderOutcome::Done("new keys".into());
    bed.store.end_order(first, outcome.clone()).await.unwrap();
    bed.store
        .end_order(first, OrderOutcome::Failed("late".into()))
        .await
        .unwrap();
    assert_eq!(command.order(first).await.unwrap().unwrap().outcome, Some(outcome));
    assert!(bed.store.take_orders(NOW, &[], 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_order_whose_server_died_is_taken_again_and_one_that_nobody_waits_for_is_not() {
    let bed = Bed::new().await;
    let id = bed.store.place_order(order(1)).await.unwrap();
    assert_eq!(bed.store.take_orders(NOW, &[], 10).await.unwrap().len(), 1);
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert!(bed.store.take_orders(later(5), &[id], 10).await.unwrap().is_empty());
    assert!(
        bed.store.take_orders(later(8), &[], 10).await.unwrap().is_empty(),
        "the server said at 5 that it is at it"
    );
    let before = NewOrder {
        expires: later(9),
        ..order(2)
    };
    let forgotten = bed.store.place_order(before).await.unwrap();
    assert!(bed.store.withdraw_order(forgotten).await.unwrap());
    assert_eq!(bed.store.order(forgotten).await.unwrap(), None);
    let late = bed.store.place_order(order(2)).await.unwrap();
    assert!(
        bed.store.take_orders(later(20), &[], 10).await.unwrap().is_empty(),
        "nobody waits any more"
    );
    let renewed = NewOrder {
        expires: later(60),
        ..order(2)
    };
    let died = bed.store.place_order(renewed).await.unwrap();
    assert_eq!(bed.store.take_orders(later(20), &[], 10).await.unwrap().len(), 1);
    let again = bed.second().await.take_orders(later(27), &[], 10).await.unwrap();
    assert_eq!(again.iter().map(|order| order.id).collect::<Vec<_>>(), [died]);
    bed.store.sweep(later(86_500), Duration::from_secs(1)).await.unwrap();
    assert_eq!(bed.store.order(late).await.unwrap(), None);
}

#[tokio::test]
async fn a_wake_up_survives_and_is_answered_with_the_attempt() {
    let bed = Bed::new().await;
    assert_eq!(bed.store.wake_up(mac(1)).await.unwrap(), None);
    let sent = WakeUpSent {
        mac: mac(1),
        nonce: NonZeroU32::new(0xffff_fffe).unwrap(),
        expires: NOW.plus(Duration::from_secs(120)),
        answered: None,
    };
    let wake_up = Some(sent);
    bed.store
        .record(Change {
            wake_up,
            ..Change::default()
        })
        .await
        .unwrap();
    let other = bed.second().await;
    assert_eq!(other.wake_up(mac(1)).await.unwrap(), wake_up);
    let answered = Some(WakeUpSent {
        answered: Some(NOW),
        ..sent
    });
    let peer = "192.0.2.7:1293".parse().unwrap();
    let recovery = Recovery {
        peer,
        mac: mac(1),
        digest: [3; 32],
        expires: NOW.plus(Duration::from_secs(600)),
    };
    bed.store
        .record(Change {
            wake_up: answered,
            recovery: Some(recovery),
            ..change(&full(1, 1))
        })
        .await
        .unwrap();
    assert_eq!(other.wake_up(mac(1)).await.unwrap(), answered);
    assert_eq!(other.recoveries(peer, NOW, 4).await.unwrap(), [recovery]);
    let recovered = Some((peer, mac(1)));
    bed.store
        .record(Change {
            recovered,
            ..Change::default()
        })
        .await
        .unwrap();
    assert!(other.recoveries(peer, NOW, 4).await.unwrap().is_empty());
    bed.store
        .sweep(NOW.plus(Duration::from_secs(121)), Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(bed.store.wake_up(mac(1)).await.unwrap(), None);
}

#[tokio::test]
async fn p30_messages_of_one_sender_are_remembered_up_to_its_quota() {
    let bed = Bed::new().await;
    let record = |octet: u8, owner: &str, most| Change {
        seen: vec![Seen {
            digest: [octet; 32],
            expires: NOW,
            answer: Vec::new(),
        }],
        quota: Some(Quota {
            owner: owner.into(),
            most,
        }),
        ..Change::default()
    };
    for octet in 0..4 {
        bed.store.record(record(octet, "one", 4)).await.unwrap();
    }
    let full = bed.store.record(record(4, "one", 4)).await.unwrap_err();
    assert!(matches!(full, StoreError::Full(4, _)), "{full}");
    let replay = bed.second().await.record(record(0, "one", 4)).await.unwrap_err();
    assert!(
        matches!(replay, StoreError::Seen),
        "none is forgotten for another: {replay}"
    );
    bed.store.record(record(9, "two", 4)).await.unwrap();
    bed.store
        .sweep(NOW.plus(Duration::from_secs(1)), Duration::from_secs(1))
        .await
        .unwrap();
    bed.store.record(record(4, "one", 4)).await.unwrap();
}

#[tokio::test]
async fn a_replaced_key_is_kept_for_its_time_and_then_forgotten() {
    let bed = Bed::new().await;
    let principal = PrincipalName::krbtgt(&"EXAMPLE.NET".parse().unwrap());
    let key = |kvno| ServiceKey {
        principal: principal.clone(),
        kvno,
        etype: 5,
        key: Secret::new(vec![kvno as u8; 24]),
        created: NOW,
        forget: None,
    };
    let known = async || {
        let keys = bed.store.keys(&principal).await.unwrap();
        keys.iter().map(|key| (key.kvno, key.forget)).collect::<Vec<_>>()
    };
    let later = |days: u64| NOW.plus(Duration::from_secs(days * 86_400));
    bed.store.put_keys(vec![key(4)]).await.unwrap();
    // What is imported is in use, also where its number is the lower one.
    bed.store.replace_keys(vec![key(1), key(2)], later(7)).await.unwrap();
    assert_eq!(known().await, [(2, None), (4, Some(later(7))), (1, Some(later(7)))]);
    // What was marked first counts, also where the lifetime is shorter by now.
    bed.store.replace_keys(vec![key(5)], later(1)).await.unwrap();
    assert_eq!(
        known().await,
        [(5, None), (4, Some(later(7))), (2, Some(later(1))), (1, Some(later(7)))]
    );
    assert_eq!(bed.store.forget_keys(later(2)).await.unwrap(), 1);
    assert_eq!(bed.store.forget_keys(later(7)).await.unwrap(), 2);
    assert_eq!(known().await, [(5, None)]);
}

#[tokio::test]
async fn what_a_vendor_does_is_remembered_until_it_is_forgotten() {
    let bed = Bed::new().await;
    let learned = Learned {
        keys: Some(KeyRecipe::default()),
        pad: Some(PadForm::Covered),
        ..Learned::default()
    };
    let vendor = |type_identifier: &str| Vendor {
        oui: Oui::of(mac(1)),
        type_identifier: type_identifier.into(),
        learned: learned.clone(),
        mac: mac(1),
        at: NOW,
    };
    for type_identifier in ["pktc1.5:", "pktc2.0:"] {
        let vendor = Some(vendor(type_identifier));
        bed.store
            .record(Change {
                vendor,
                ..Change::default()
            })
            .await
            .unwrap();
    }
    let other = bed.second().await;
    let known = [vendor("pktc1.5:"), vendor("pktc2.0:")];
    assert_eq!(other.vendors(Some(Oui::of(mac(1)))).await.unwrap(), known);
    assert_eq!(other.vendors(None).await.unwrap(), known);
    assert!(other.vendors(Some(Oui([9; 3]))).await.unwrap().is_empty());
    assert_eq!(other.forget_vendor(Oui::of(mac(1)), Some("pktc1.5:")).await.unwrap(), 1);
    assert_eq!(bed.store.vendors(None).await.unwrap(), known[1..]);
    assert_eq!(other.forget_vendor(Oui::of(mac(1)), None).await.unwrap(), 1);
}
