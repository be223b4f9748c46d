//! eUE-15: the enrollment INFORM.

use super::*;
use crate::model::{AttemptResult, Outcome};
use crate::store::Change;

fn is_again(decision: &EnrollDecision) -> bool {
    matches!(decision, EnrollDecision::Again)
}

fn is_late(decision: &EnrollDecision) -> bool {
    matches!(decision, EnrollDecision::Late)
}

fn refused(decision: EnrollDecision) -> &'static str {
    match decision {
        EnrollDecision::Refused(reason) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn eue_15_the_attempt_that_made_the_keys_is_enrolled() {
    let keyed = attempt_in(Flow::Secure, Phase::Keyed);
    let change = enrolled(enroll_at(Flow::Secure, Some(keyed.clone()), 1, seconds(2)));
    assert_eq!(step_ids(&change.steps), [StepId::ENROLLMENT, StepId::FILE]);
    assert!(change.replaced.is_none());
    let name = change.file.as_ref().unwrap().0.clone();
    let attempt = after(change);
    assert_eq!((attempt.id, attempt.phase), (keyed.id, Phase::Enrolled));
    assert_eq!(attempt.enrollment, Some(enrollment(Flow::Secure, 1)));
    assert_eq!(attempt.file.unwrap().name, name);
    assert!(
        attempt
            .session
            .unwrap()
            .subkey
            .ct_eq(keyed.session.unwrap().subkey.expose())
    );
}

#[test]
fn hybrid_flow_an_attempt_begins_with_the_inform() {
    let change = enrolled(enroll_at(Flow::Hybrid, None, 1, NOW));
    let attempt = after(change);
    assert_eq!(
        (attempt.phase, attempt.flow, attempt.started),
        (Phase::Enrolled, Flow::Hybrid, NOW)
    );
    assert!(attempt.session.is_none());
}

#[test]
fn eue_15_with_capabilities_to_ask_for_the_file_waits() {
    let policy = Policy {
        get_capabilities: true,
        ..policy()
    };
    let keyed = Some(attempt_in(Flow::Secure, Phase::Keyed));
    let (device, enrolling, random) = (
        device(Flow::Secure),
        enrolling(Flow::Secure, 1),
        &mut SeededRandom::new(1),
    );
    let change = enrolled(enroll(&device, keyed, &enrolling, &policy, &maker(), seconds(2), random).unwrap());
    assert!(change.file.is_none());
    assert!(after(change).file.is_none());
}

#[test]
fn a_message_of_another_flow_is_refused() {
    assert!(refused(enroll_at(Flow::Basic, None, 1, NOW)).contains("basic"));
    for (flow, other) in [(Flow::Secure, Flow::Hybrid), (Flow::Hybrid, Flow::Secure)] {
        let random = &mut SeededRandom::new(1);
        let keyed = Some(attempt_in(Flow::Secure, Phase::Keyed));
        let enrolling = enrolling(other, 1);
        let decision = enroll(&device(flow), keyed, &enrolling, &policy(), &maker(), NOW, random).unwrap();
        assert!(refused(decision).contains(&flow.to_string()));
    }
}

#[test]
fn secure_flow_without_keys_nothing_enrolls() {
    let ticketed = attempt_in(Flow::Secure, Phase::Ticketed);
    for attempt in [None, Some(ticketed.clone()), Some(give_up(ticketed))] {
        let decision = enroll_at(Flow::Secure, attempt, 1, seconds(2));
        assert!(refused(decision).contains("no AP exchange"));
    }
}

#[test]
fn the_same_inform_again_is_known_in_every_later_phase() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        for phase in [Phase::Enrolled, Phase::Told] {
            let decision = enroll_at(flow, Some(attempt_in(flow, phase)), 1, seconds(9));
            assert!(is_again(&decision), "{flow} {phase:?} {decision:?}");
        }
        for phase in [Phase::Delivered, Phase::Ended] {
            let decision = enroll_at(flow, Some(attempt_in(flow, phase)), 1, seconds(9));
            assert!(is_late(&decision), "{flow} {phase:?} {decision:?}");
        }
    }
}

#[test]
fn another_inform_replaces_the_attempt_in_every_later_phase() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        for phase in [Phase::Enrolled, Phase::Told, Phase::Delivered, Phase::Ended] {
            let old = attempt_in(flow, phase);
            let change = enrolled(enroll_at(flow, Some(old.clone()), 2, seconds(9)));
            let replaced = change.replaced.as_ref().map(|old| (old.id, old.result.clone()));
            let expected = (phase != Phase::Ended).then_some((old.id, Some(AttemptResult::Replaced)));
            assert_eq!(replaced, expected, "{flow} {phase:?}");
            let new = after(change);
            assert_ne!(new.id, old.id);
            assert_ne!(new.file.unwrap().name, old.file.unwrap().name);
            assert_eq!(
                new.session.is_some(),
                flow == Flow::Secure,
                "P31: the keys live until the next AP exchange"
            );
        }
    }
}

#[test]
fn the_same_number_from_another_port_or_of_another_boot_is_another_inform() {
    let told = attempt_in(Flow::Hybrid, Phase::Told);
    let mut moved = enrolling(Flow::Hybrid, 1);
    moved.peer = address("192.0.2.7:40000");
    let mut rebooted = enrolling(Flow::Hybrid, 1);
    rebooted.enrollment.correlation_id = 5;
    for enrolling in [moved, rebooted] {
        let random = &mut SeededRandom::new(1);
        let told = Some(told.clone());
        let decision = enroll(
            &device(Flow::Hybrid),
            told,
            &enrolling,
            &policy(),
            &maker(),
            seconds(9),
            random,
        );
        assert!(matches!(decision, Ok(EnrollDecision::Enrolled(_))));
    }
}

#[test]
fn late_has_no_end_in_the_secure_flow_and_one_of_a_minute_in_the_hybrid() {
    let late = |flow, second| {
        is_late(&enroll_at(
            flow,
            Some(attempt_in(flow, Phase::Ended)),
            1,
            seconds(second),
        ))
    };
    assert!(late(Flow::Secure, 500));
    assert!(late(Flow::Hybrid, 61));
    assert!(!late(Flow::Hybrid, 62));
}

#[test]
fn after_a_failure_of_the_server_the_same_inform_is_served_anew() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        let enrolled_once = attempt_in(flow, Phase::Enrolled);
        let unanswered = set_answered(enrolled_once.clone(), &SetOutcome::Silent, &policy(), seconds(9)).unwrap();
        for ended in [after(unanswered), give_up(enrolled_once)] {
            let change = enrolled(enroll_at(flow, Some(ended.clone()), 1, seconds(20)));
            assert_ne!(after(change).id, ended.id);
        }
    }
}

#[test]
fn a_device_that_was_moved_to_another_flow_leaves_its_keys_behind() {
    for phase in [Phase::Keyed, Phase::Told, Phase::Ended] {
        let old = attempt_in(Flow::Secure, phase);
        let change = enrolled(enroll_at(Flow::Hybrid, Some(old.clone()), 7, seconds(9)));
        assert_eq!(change.replaced.is_some(), phase != Phase::Ended);
        let new = after(change);
        assert!(
            new.id != old.id && new.flow == Flow::Hybrid && new.session.is_none(),
            "{phase:?}"
        );
    }
    let old = attempt_in(Flow::Hybrid, Phase::Told);
    assert!(refused(enroll_at(Flow::Secure, Some(old), 7, seconds(9))).contains("no AP exchange"));
}

#[test]
fn eue_18_a_file_that_cannot_be_made_ends_the_attempt_with_the_reason() {
    let device = Device {
        template: Some("nowhere".to_owned()),
        ..device(Flow::Secure)
    };
    let keyed = Some(attempt_in(Flow::Secure, Phase::Keyed));
    let random = &mut SeededRandom::new(1);
    let enrolling = enrolling(Flow::Secure, 1);
    let error = enroll(&device, keyed, &enrolling, &policy(), &maker(), seconds(2), random).unwrap_err();
    let change: Change = *error.change;
    assert!(change.file.is_none());
    assert_eq!(step_ids(&change.steps), [StepId::ENROLLMENT, StepId::FILE]);
    assert_eq!(change.steps[1].outcome, Outcome::Failed);
    let ended = after(change);
    assert!(matches!(&ended.result, Some(AttemptResult::Failed(reason)) if reason.contains("nowhere")));
    assert!(ended.file.is_none() && ended.phase == Phase::Ended);
}

#[test]
fn eue_15_an_inform_under_replaced_keys_enrolls_nobody() {
    let mut before = after(key_at(None, seconds(0)).unwrap().0);
    let replaced = before.session.clone().map(|session| session.subkey);
    // The next request is one of a device that has rebooted; otherwise it would get the same keys again.
    before.session.iter_mut().for_each(|session| session.engine_boots = 0);
    let now = after(key_at(Some(before), seconds(1)).unwrap().0);
    let own = now.session.clone().map(|session| session.subkey);
    for (subkey, taken) in [(replaced, false), (own, true)] {
        let enrolling = Enrolling {
            subkey: subkey.clone(),
            ..enrolling(Flow::Secure, 1)
        };
        let random = &mut SeededRandom::new(1);
        let (device, policy, maker) = (device(Flow::Secure), policy(), maker());
        let decision = enroll(
            &device,
            Some(now.clone()),
            &enrolling,
            &policy,
            &maker,
            seconds(2),
            random,
        )
        .unwrap();
        assert_eq!(matches!(decision, EnrollDecision::Enrolled(_)), taken, "{decision:?}");
        let status = Status {
            subkey,
            ..status_of(1, ProvisioningState::Pass)
        };
        let decision = report(Some(now.clone()), &status, seconds(3));
        assert_eq!(matches!(decision, StatusDecision::Recorded(_)), taken, "{decision:?}");
    }
}
