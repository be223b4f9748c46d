//! eUE-22 and eUE-23: who gets the file, and what follows.

use super::*;
use crate::model::{AttemptResult, Outcome, ServedFile};
use crate::settings::OneTimeNames;
use crate::store::{OneTimeName, StoredFile};
use crate::value::Secret;
use crate::wire::tlv::EncryptAlgorithm;

fn stored(attempt: &Attempt) -> StoredFile {
    StoredFile {
        attempt: attempt.id,
        mac: MAC,
        octets: vec![1, 2, 3],
    }
}

/// Whether the file of an attempt may be fetched while names have no limits of their own.
fn fetch(
    of: &Attempt,
    device: &Device,
    newest: Option<Attempt>,
    source: Option<IpAddr>,
) -> Result<Attempt, FetchRefused> {
    may_fetch(
        &stored(of),
        device,
        newest,
        source,
        &OneTimeNames::default(),
        seconds(9),
    )
}

#[test]
fn a_cmts_fetches_by_the_name_alone() {
    let attempt = attempt_in(Flow::Secure, Phase::Told);
    assert!(fetch(&attempt, &device(Flow::Secure), Some(attempt.clone()), None).is_ok());
    let ended = attempt_in(Flow::Secure, Phase::Ended);
    assert!(fetch(&ended, &device(Flow::Secure), Some(ended.clone()), None).is_err());
}

#[test]
fn a_single_download_ends_with_the_first_delivery_and_a_lifetime_with_time() {
    let allowed = |phase, names: &OneTimeNames, now| {
        let attempt = attempt_with_file(phase);
        let (file, source) = (stored(&attempt), Some(peer().ip()));
        may_fetch(&file, &device(Flow::Secure), Some(attempt), source, names, now).map(drop)
    };
    let single = OneTimeNames {
        single_download: true,
        lifetime: None,
    };
    assert_eq!(allowed(Phase::Told, &single, seconds(9)), Ok(()));
    assert_eq!(allowed(Phase::Delivered, &single, seconds(9)), Err(FetchRefused::Used));
    let short = OneTimeNames {
        single_download: false,
        lifetime: Some(Duration::from_secs(60)),
    };
    assert_eq!(allowed(Phase::Delivered, &short, seconds(59)), Ok(()));
    assert_eq!(allowed(Phase::Told, &short, seconds(60)), Err(FetchRefused::Expired));
}

/// An attempt whose file was made at second 0.
fn attempt_with_file(phase: Phase) -> Attempt {
    let mut attempt = attempt_in(Flow::Secure, phase);
    attempt.file = Some(ServedFile {
        name: "name".into(),
        url: "tftp://192.0.2.1/name".into(),
        hash: vec![0; 20],
        algorithm: EncryptAlgorithm::None,
        key: Secret::default(),
        size: 3,
        made: seconds(0),
    });
    attempt
}

#[test]
fn eue_22_the_device_may_fetch_from_when_its_file_is_made_until_its_attempt_ends() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        for phase in [Phase::Enrolled, Phase::Told, Phase::Delivered, Phase::Ended] {
            let attempt = attempt_in(flow, phase);
            let allowed = fetch(&attempt, &device(flow), Some(attempt.clone()), Some(peer().ip()));
            match phase {
                Phase::Ended => assert_eq!(allowed.err(), Some(FetchRefused::Over), "{flow}"),
                _ => assert!(allowed.is_ok(), "{flow} {phase:?}"),
            }
        }
    }
}

#[test]
fn eue_22_a_file_of_a_replaced_attempt_is_refused() {
    let old = attempt_in(Flow::Secure, Phase::Told);
    let new = attempt_in(Flow::Hybrid, Phase::Told);
    let refused = fetch(&old, &device(Flow::Secure), Some(new), Some(peer().ip()));
    assert_eq!(refused.err(), Some(FetchRefused::Over));
    let gone = fetch(&old, &device(Flow::Secure), None, Some(peer().ip()));
    assert_eq!(gone.err(), Some(FetchRefused::Over));
}

#[test]
fn only_the_devices_own_addresses_fetch_its_file() {
    let attempt = attempt_in(Flow::Secure, Phase::Told);
    let known = device(Flow::Secure);
    let unnamed = Device {
        addresses: Vec::new(),
        ..device(Flow::Secure)
    };
    // The last is where the attempt came from, which decides where the operator named no address.
    for (source, by_record, by_attempt) in [
        ("192.0.2.7", true, true),
        ("::ffff:192.0.2.7", true, true),
        ("2001:db8::7", true, false),
        ("192.0.2.8", false, false),
        ("2001:db8::8", false, false),
    ] {
        for (device, expected) in [(&known, by_record), (&unnamed, by_attempt)] {
            let allowed = fetch(&attempt, device, Some(attempt.clone()), Some(ip(source)));
            assert_eq!(allowed.is_ok(), expected, "{source}");
            if !expected {
                assert_eq!(allowed.err(), Some(FetchRefused::Address), "{source}");
            }
        }
    }
}

#[test]
fn eue_22_a_device_that_asks_has_seen_the_set() {
    for (phase, moves) in [(Phase::Enrolled, true), (Phase::Told, false), (Phase::Delivered, false)] {
        let attempt = attempt_in(Flow::Secure, phase);
        let change = requested(attempt.clone(), Delivery::Http, peer(), &policy(), seconds(9));
        assert_eq!(step_ids(&change.steps), [StepId::FILE_REQUEST]);
        assert!(change.steps[0].detail.starts_with("http request from 192.0.2.7"));
        if moves {
            assert_eq!(after(change).phase, Phase::Told);
        } else {
            assert!(
                change.attempt.is_none() && change.ladder == Some(attempt.id),
                "{phase:?}"
            );
        }
    }
}

#[test]
fn eue_23_a_whole_transfer_delivers_and_a_broken_one_may_be_repeated() {
    let whole = Ok((1234, Duration::from_millis(12)));
    for (phase, moves) in [(Phase::Enrolled, true), (Phase::Told, true), (Phase::Delivered, false)] {
        let attempt = attempt_in(Flow::Hybrid, phase);
        let broken = delivered(attempt.clone(), Err("timeout at block 3"), &policy(), seconds(9));
        assert!(
            broken.attempt.is_none() && broken.ladder == Some(attempt.id),
            "{phase:?}"
        );
        assert_eq!(
            (broken.steps[0].step, broken.steps[0].outcome),
            (StepId::FILE_DELIVERED, Outcome::Failed)
        );
        let change = delivered(attempt, whole, &policy(), seconds(9));
        assert_eq!(change.steps[0].detail, "1234 octets in 12.0 ms");
        assert_eq!(change.attempt.is_some(), moves, "{phase:?}");
        if moves {
            assert_eq!(after(change).phase, Phase::Delivered);
        }
    }
}

#[test]
fn eue_22_an_answer_without_the_whole_file_moves_nothing() {
    let attempt = attempt_in(Flow::Hybrid, Phase::Told);
    let change = answered(&attempt, "a part: 1 octets", seconds(9));
    assert!(change.attempt.is_none() && change.ladder == Some(attempt.id));
    assert_eq!(change.steps[0].step, StepId::FILE_REQUEST);
}

#[test]
fn eue_23_a_transfer_that_ends_after_the_status_changes_nothing() {
    let ended = attempt_in(Flow::Secure, Phase::Ended);
    let change = delivered(ended, Ok((1, Duration::ZERO)), &policy(), seconds(9));
    assert!(change.attempt.is_none());
}

#[test]
fn basic_flow_an_attempt_begins_with_the_request_by_name() {
    let fetch = Fetch {
        size: 200,
        manner: Delivery::Tftp,
        peer: peer(),
    };
    let fetched = |previous| {
        let random = &mut SeededRandom::new(3);
        fetched_by_name(&device(Flow::Basic), previous, fetch, &policy(), seconds(9), random)
    };
    let first = fetched(None);
    assert_eq!(step_ids(&first.steps), [StepId::FILE, StepId::FILE_REQUEST]);
    assert!(first.replaced.is_none());
    let attempt = after(first);
    assert_eq!(
        (attempt.phase, attempt.flow, attempt.started),
        (Phase::Told, Flow::Basic, seconds(9))
    );
    let again = fetched(Some(attempt));
    assert_eq!(again.replaced.unwrap().result, Some(AttemptResult::Replaced));
}

#[test]
fn a_one_time_name_ends_with_its_time_its_delivery_and_its_lease() {
    let name = OneTimeName {
        digest: OneTimeName::digest_of("x"),
        mac: MAC,
        address: None,
        file: None,
        single: true,
        created: seconds(0),
        expires: seconds(60),
        claimed: None,
        delivered: None,
    };
    let here = Some(ip("192.0.2.7"));
    assert_eq!(may_use(&name, here, seconds(59)), Ok(()));
    assert_eq!(may_use(&name, here, seconds(60)), Err(NameRefused::Expired));
    let bound = OneTimeName {
        address: Some(ip("192.0.2.8")),
        ..name.clone()
    };
    assert_eq!(
        may_use(&bound, here, seconds(1)),
        Err(NameRefused::Address(ip("192.0.2.8")))
    );
    assert_eq!(may_use(&bound, Some(ip("::ffff:192.0.2.8")), seconds(1)), Ok(()));
    assert_eq!(may_use(&bound, None, seconds(1)), Ok(()));
    let used = OneTimeName {
        delivered: Some(seconds(1)),
        ..name
    };
    assert_eq!(may_use(&used, here, seconds(2)), Err(NameRefused::Used));
    assert_eq!(
        may_use(&OneTimeName { single: false, ..used }, here, seconds(2)),
        Ok(())
    );
}
