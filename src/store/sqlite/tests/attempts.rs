//! Attempts, their steps and the messages seen: what a change stores whole, and what it is refused for.

use super::*;

fn ended(mut attempt: Attempt) -> Attempt {
    attempt.phase = Phase::Ended;
    attempt.result = Some(AttemptResult::Replaced);
    attempt
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
    bed.store.record(with_file(&full(1, 1))).await.unwrap();
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
    bed.store.record(with_file(&ended(full(1, 1)))).await.unwrap();
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
