//! How attempts begin, replace one another and end.

use super::*;
use crate::model::{AttemptResult, Family};

#[test]
fn an_attempt_begins_with_nothing_of_an_earlier_one() {
    let old = attempt_in(Flow::Secure, Phase::Delivered);
    let random = &mut SeededRandom::new(2);
    let device = device(Flow::Secure);
    let (new, replaced) = begin(
        &device,
        Some(old.clone()),
        Phase::Ticketed,
        peer(),
        &policy(),
        seconds(9),
        random,
    );
    assert_ne!(new.id, old.id);
    assert!(new.session.is_none() && new.enrollment.is_none() && new.file.is_none() && new.result.is_none());
    assert_eq!((new.started, new.deadline, new.version), (seconds(9), seconds(609), 0));
    let replaced = replaced.unwrap();
    assert_eq!((replaced.id, replaced.phase), (old.id, Phase::Ended));
    assert_eq!(replaced.result, Some(AttemptResult::Replaced));
    assert_eq!(replaced.version, old.version, "the store counts on from what was read");
}

#[test]
fn every_phase_is_replaced_by_a_device_that_begins_again_but_the_last() {
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        for &phase in phases(flow) {
            let old = attempt_in(flow, phase);
            let random = &mut SeededRandom::new(2);
            let (_, replaced) = begin(
                &device(flow),
                Some(old),
                Phase::Told,
                peer(),
                &policy(),
                seconds(9),
                random,
            );
            assert_eq!(replaced.is_some(), phase != Phase::Ended, "{flow} {phase:?}");
        }
    }
}

#[test]
fn a_mapped_address_is_of_the_family_it_maps() {
    let random = &mut SeededRandom::new(2);
    for (text, family) in [
        ("[::ffff:192.0.2.7]:1", Family::V4),
        ("192.0.2.7:1", Family::V4),
        ("[2001:db8::7]:1", Family::V6),
    ] {
        let device = device(Flow::Hybrid);
        let (attempt, _) = begin(&device, None, Phase::Enrolled, address(text), &policy(), NOW, random);
        assert_eq!(attempt.family, family, "{text}");
    }
}

#[test]
fn each_step_forward_counts_the_provisioning_timer_anew() {
    for flow in [Flow::Secure, Flow::Hybrid] {
        let second = |phase| match phase {
            Phase::Ticketed => 0,
            Phase::Keyed => 1,
            Phase::Enrolled => 2,
            Phase::Told => 3,
            Phase::Delivered => 4,
            Phase::Ended => 5,
        };
        for &phase in phases(flow).iter().filter(|&&phase| phase != Phase::Ended) {
            let deadline = attempt_in(flow, phase).deadline;
            assert_eq!(deadline, seconds(600 + second(phase)), "{flow} {phase:?}");
        }
    }
}

#[test]
fn p25_a_quiet_flow_has_succeeded_with_its_delivery() {
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        for &phase in phases(flow).iter().filter(|&&phase| phase != Phase::Ended) {
            let ended = give_up(attempt_in(flow, phase));
            let expected = match (flow, phase) {
                (Flow::Hybrid | Flow::Basic, Phase::Delivered) => AttemptResult::Delivered,
                _ => AttemptResult::TimedOut,
            };
            assert_eq!(ended.result, Some(expected), "{flow} {phase:?}");
            assert_eq!(ended.phase, Phase::Ended);
            assert!(in_progress(ended).is_none());
        }
    }
}

#[test]
fn the_whole_ladder_of_each_flow() {
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        let ended = attempt_in(flow, Phase::Ended);
        assert_eq!(ended.result, Some(AttemptResult::Reported(ProvisioningState::Pass)));
        assert_eq!(ended.session.is_some(), flow == Flow::Secure);
        assert_eq!(ended.enrollment.is_some(), flow != Flow::Basic);
        assert_eq!(ended.file.is_some(), flow != Flow::Basic);
        assert_eq!(ended.version, phases(flow).len() as u64, "one stored state a phase");
    }
}
