//! eUE-22 and eUE-23: who gets the file, and what follows.

use super::*;
use crate::model::{AttemptResult, Outcome};
use crate::store::StoredFile;

fn stored(attempt: &Attempt) -> StoredFile {
    StoredFile {
        attempt: attempt.id,
        mac: MAC,
        octets: vec![1, 2, 3],
    }
}

#[test]
fn eue_22_the_device_may_fetch_from_when_its_file_is_made_until_its_attempt_ends() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        for phase in [Phase::Enrolled, Phase::Told, Phase::Delivered, Phase::Ended] {
            let attempt = attempt_in(flow, phase);
            let allowed = may_fetch(&stored(&attempt), &device(flow), Some(attempt), peer().ip());
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
    let refused = may_fetch(&stored(&old), &device(Flow::Secure), Some(new), peer().ip());
    assert_eq!(refused.err(), Some(FetchRefused::Over));
    let gone = may_fetch(&stored(&old), &device(Flow::Secure), None, peer().ip());
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
            let allowed = may_fetch(&stored(&attempt), device, Some(attempt.clone()), ip(source));
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
