//! eUE-25: the device's own word.

use super::*;
use crate::model::{AttemptResult, Outcome};

fn recorded(decision: StatusDecision) -> Change {
    match decision {
        StatusDecision::Recorded(change) => *change,
        other => panic!("not recorded: {other:?}"),
    }
}

#[test]
fn eue_25_every_state_is_recorded_in_the_devices_words() {
    for state in ProvisioningState::ALL {
        let change = recorded(report(
            Some(attempt_in(Flow::Secure, Phase::Delivered)),
            &status_of(1, state),
            seconds(9),
        ));
        let good = state.is_pass() || state == ProvisioningState::InProgress;
        let outcome = if good { Outcome::Ok } else { Outcome::Failed };
        assert_eq!(
            (change.steps[0].step, change.steps[0].outcome),
            (StepId::STATUS, outcome),
            "{state}"
        );
        if state == ProvisioningState::InProgress {
            assert!(
                change.attempt.is_none() && change.ladder.is_some(),
                "in progress ends nothing"
            );
        } else {
            assert_eq!(after(change).result, Some(AttemptResult::Reported(state)));
        }
    }
}

#[test]
fn eue_25_is_taken_in_every_phase_whose_messages_may_have_been_lost() {
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        for &phase in phases(flow) {
            let status = status_of(1, ProvisioningState::FailConfigFileError);
            let ended = after(recorded(report(Some(attempt_in(flow, phase)), &status, seconds(9))));
            assert_eq!(
                ended.result,
                Some(AttemptResult::Reported(status.state)),
                "{flow} {phase:?}"
            );
        }
    }
}

#[test]
fn the_same_status_again_stores_nothing() {
    let status = status_of(1, ProvisioningState::Pass);
    let ended = attempt_in(Flow::Hybrid, Phase::Ended);
    assert!(matches!(
        report(Some(ended), &status, seconds(9)),
        StatusDecision::Known
    ));
}

#[test]
fn a_device_has_the_last_word_after_it_was_given_up() {
    for given_up in [
        give_up(attempt_in(Flow::Hybrid, Phase::Delivered)),
        give_up(attempt_in(Flow::Secure, Phase::Told)),
        after(
            set_answered(
                attempt_in(Flow::Secure, Phase::Enrolled),
                &SetOutcome::Silent,
                &policy(),
                seconds(70),
            )
            .unwrap(),
        ),
    ] {
        let status = status_of(1, ProvisioningState::PassWithWarnings);
        let ended = after(recorded(report(Some(given_up), &status, seconds(900))));
        assert_eq!(ended.result, Some(AttemptResult::Reported(status.state)));
    }
}

#[test]
fn a_replaced_attempt_hears_nothing_more() {
    let old = attempt_in(Flow::Secure, Phase::Delivered);
    let random = &mut SeededRandom::new(2);
    let device = device(Flow::Secure);
    let (_, replaced) = begin(
        &device,
        Some(old),
        Phase::Ticketed,
        peer(),
        &policy(),
        seconds(9),
        random,
    );
    let status = status_of(1, ProvisioningState::Pass);
    assert!(matches!(report(replaced, &status, seconds(9)), StatusDecision::Known));
}

#[test]
fn a_late_status_of_an_earlier_life_ends_no_attempt_at_work() {
    for phase in [Phase::Enrolled, Phase::Told] {
        let status = status_of(99, ProvisioningState::Pass);
        let decision = report(Some(attempt_in(Flow::Hybrid, phase)), &status, seconds(9));
        assert!(matches!(decision, StatusDecision::Known), "{phase:?} {decision:?}");
    }
    // A device that has its file and counts anew is believed: nothing depends on the attempt any more.
    let status = status_of(99, ProvisioningState::Pass);
    recorded(report(
        Some(attempt_in(Flow::Hybrid, Phase::Delivered)),
        &status,
        seconds(9),
    ));
}

#[test]
fn a_status_without_any_attempt_is_refused() {
    let decision = report(None, &status_of(1, ProvisioningState::Pass), NOW);
    assert!(matches!(decision, StatusDecision::Refused(_)));
}
