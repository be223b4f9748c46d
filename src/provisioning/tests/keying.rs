//! eUE-13 and eUE-14: the AP exchange.

use super::*;
use std::num::NonZeroU32;

use crate::model::AttemptResult;
use crate::store::WakeUpSent;
use crate::wire::kerberos::{KrbErrorCode, Number32, SUBKEY_KEYMATERIAL, open_ap_rep};
use crate::wire::keymgmt::{ApReply, HmacCoverage, HmacKeyRule, HmacKeys, Message, Sealed};

struct Keyed {
    ap: Ap,
    change: Change,
    reply: Vec<u8>,
}

/// What is decided about the AP-REQ of `shape`.
fn keyed_by(shape: ApShape, alter: impl FnOnce(&mut Keying<'_>), profile: &Profile) -> Result<Keyed, KeyingRefused> {
    let (ap, engine) = (Ap::new(shape), engine());
    let request = ap.request(MAC);
    let mut keying = keying(&ap, &request, &engine);
    keying.ways = Ways { profile, ..ways() };
    alter(&mut keying);
    let random = &mut SeededRandom::new(1);
    let (change, reply) = key(
        &device(Flow::Secure),
        None,
        &keying,
        profile,
        &policy(),
        seconds(1),
        random,
    )?;
    Ok(Keyed { ap, change, reply })
}

fn keyed() -> Keyed {
    keyed_by(ApShape::default(), |_| (), &Profile::default()).unwrap()
}

fn refused(alter: impl FnOnce(&mut Keying<'_>)) -> KeyingRefused {
    match keyed_by(ApShape::default(), alter, &Profile::default()) {
        Err(refused) => refused,
        Ok(_) => panic!("not refused"),
    }
}

impl Keyed {
    /// The reply as the device reads it, under the recipe that it follows itself.
    fn opened(&self, recipe: HmacRecipe) -> Sealed<'_, ApReply<'_>> {
        let Ok(Message::ApReply(sealed)) = Message::decode(&self.reply) else {
            panic!("no AP Reply");
        };
        let keys = HmacKeys {
            session_key: &self.ap.session_key.value,
            authenticator_subkey: self.ap.opened.authenticator.subkey.as_ref().map(|key| &key.value),
        };
        assert!(sealed.verify(recipe, keys));
        sealed
    }
}

#[test]
fn eue_13_14_the_device_opens_the_reply_and_both_sides_have_one_secret() {
    let keyed = keyed();
    let reply = keyed.opened(HmacRecipe::default()).body;
    assert_eq!(reply.manager.engine_id, engine().engine_id);
    assert_eq!((reply.manager.engine_boots, reply.manager.engine_time), (4, 51));
    assert_eq!(reply.manager.user, UserName::of_device(MAC));
    assert_eq!(reply.suite, OFFER[0]);
    // P31 and P3.
    assert_eq!(
        (reply.lifetime, reply.grace, reply.reestablish, reply.ack_required),
        (0, 0, false, false)
    );
    let (part, pad) = open_ap_rep(reply.ap_rep, &keyed.ap.session_key, &keyed.ap.sent).unwrap();
    assert_eq!(pad, Some(PadForm::Uncovered));
    let subkey = part.subkey.unwrap();
    assert_eq!((subkey.etype, subkey.value.len()), (SUBKEY_KEYMATERIAL, 46));
    let session = after(keyed.change).session.unwrap();
    assert!(session.subkey.ct_eq(subkey.value.expose()));
}

#[test]
fn p12_the_session_remembers_the_devices_engine_and_choice() {
    let attempt = after(keyed().change);
    assert_eq!(attempt.phase, Phase::Keyed);
    let session = attempt.session.unwrap();
    assert_eq!(session.user, "MTA-Prov-00:11:22:AA:BB:CC");
    assert_eq!(session.engine_id, EngineId::cablelabs(*b"a device"));
    assert_eq!(
        (session.engine_boots, session.engine_time, session.engine_seen),
        (9, 77, seconds(1))
    );
    assert_eq!((session.auth, session.privacy), (SHA1_AES.auth, SHA1_AES.privacy));
}

#[test]
fn p30_the_reply_is_stored_as_the_answer_to_the_same_octets() {
    let keyed = keyed();
    let [whole, authenticator] = &keyed.change.seen[..] else {
        panic!("two rows");
    };
    assert_eq!((whole.digest, &whole.answer), ([7; 32], &keyed.reply));
    assert_eq!(
        (authenticator.digest, authenticator.answer.len()),
        (keyed.ap.opened.replay_hash, 0)
    );
    for seen in [whole, authenticator] {
        assert_eq!(seen.expires, seconds(601), "the window on both sides of now");
    }
    assert_eq!(step_ids(&keyed.change.steps), [StepId::AP_REQUEST, StepId::AP_REPLY]);
}

#[test]
fn the_attempt_that_asked_for_the_ticket_goes_on() {
    let ticketed = attempt_in(Flow::Secure, Phase::Ticketed);
    let (change, _) = key_at(Some(ticketed.clone()), seconds(1)).unwrap();
    assert!(change.replaced.is_none());
    assert_eq!(after(change).id, ticketed.id);
}

#[test]
fn an_ap_request_in_any_later_phase_begins_anew() {
    for phase in [
        Phase::Keyed,
        Phase::Enrolled,
        Phase::Told,
        Phase::Delivered,
        Phase::Ended,
    ] {
        let mut old = attempt_in(Flow::Secure, phase);
        // A device that has rebooted counts its engine boots on.
        old.session.iter_mut().for_each(|session| session.engine_boots = 0);
        let (change, _) = key_at(Some(old.clone()), seconds(9)).unwrap();
        let replaced = change.replaced.as_ref().map(|old| (old.id, old.result.clone()));
        let expected = (phase != Phase::Ended).then_some((old.id, Some(AttemptResult::Replaced)));
        assert_eq!(replaced, expected, "{phase:?}");
        let new = after(change);
        assert!(new.id != old.id && new.phase == Phase::Keyed && new.file.is_none() && new.enrollment.is_none());
    }
}

#[test]
fn a_device_that_asks_again_because_the_reply_was_late_gets_the_same_subkey() {
    let first = after(key_at(None, seconds(1)).unwrap().0);
    let subkey = |attempt: &Attempt| attempt.session.as_ref().map(|session| session.subkey.expose().to_vec());
    let (change, _) = key_at(Some(first.clone()), seconds(5)).unwrap();
    assert!(change.replaced.is_none());
    let again = after(change);
    assert_eq!((again.id, subkey(&again)), (first.id, subkey(&first)));

    let late = after(key_at(Some(first.clone()), seconds(100)).unwrap().0);
    assert!(late.id != first.id && subkey(&late) != subkey(&first));
}

#[test]
fn a_stored_ticket_begins_an_attempt_of_its_own() {
    let attempt = after(keyed().change);
    assert_eq!(
        (attempt.phase, attempt.started, attempt.deadline),
        (Phase::Keyed, seconds(1), seconds(601))
    );
}

#[test]
fn a_device_of_another_flow_is_refused() {
    for flow in [Flow::Hybrid, Flow::Basic] {
        let (ap, engine) = (Ap::new(ApShape::default()), engine());
        let request = ap.request(MAC);
        let (keying, random) = (keying(&ap, &request, &engine), &mut SeededRandom::new(1));
        let refused = key(
            &device(flow),
            None,
            &keying,
            &Profile::default(),
            &policy(),
            NOW,
            random,
        )
        .unwrap_err();
        assert!(matches!(refused, KeyingRefused::Flow(found) if found == flow));
        assert_eq!(refused.code(), Some(KrbErrorCode::Policy));
    }
}

#[test]
fn another_address_than_dhcp_gave_is_refused() {
    let refused = refused(|keying| keying.peer = address("192.0.2.8:1293"));
    assert!(matches!(refused, KeyingRefused::Address(_)));
    assert_eq!(refused.code(), Some(KrbErrorCode::BadAddress));
}

#[test]
fn another_devices_ticket_is_refused() {
    let others = [
        PrincipalName::mta(&"mta2.pktc.example.net".parse().unwrap()),
        PrincipalName::kdcquery(&"kdc.pktc.example.net".parse().unwrap()),
        PrincipalName::new(1, vec!["mta".to_owned()]).unwrap(),
    ];
    for name in others {
        let shape = ApShape {
            client: name.at(&realm()),
            ..ApShape::default()
        };
        let Err(refused) = keyed_by(shape, |_| (), &Profile::default()) else {
            panic!("not refused");
        };
        assert!(matches!(refused, KeyingRefused::OtherDevice { .. }));
        assert_eq!(refused.code(), Some(KrbErrorCode::BadMatch));
    }
}

#[test]
fn p18_the_case_of_a_name_does_not_make_another_device() {
    let shape = ApShape {
        client: PrincipalName::new(2, vec!["mta".to_owned(), "MTA1.pktc.EXAMPLE.net".to_owned()])
            .unwrap()
            .at(&realm()),
        ..ApShape::default()
    };
    assert!(keyed_by(shape, |_| (), &Profile::default()).is_ok());
}

#[test]
fn p13_no_common_ciphersuite_is_refused() {
    let refused = refused(|keying| keying.suites = &[]);
    assert!(matches!(refused, KeyingRefused::Ciphersuite));
    assert_eq!(refused.code(), Some(KrbErrorCode::EncTypeUnsupported));
}

#[test]
fn p13_the_devices_order_decides_among_what_is_allowed() {
    let chosen = |suites: &'static [Ciphersuite]| {
        let keyed = keyed_by(ApShape::default(), |keying| keying.suites = suites, &Profile::default()).unwrap();
        keyed.opened(HmacRecipe::default()).body.suite
    };
    assert_eq!(chosen(&[MD5_DES, SHA1_AES]), OFFER[0]);
    assert_eq!(chosen(&[MD5_DES]), OFFER[1]);
}

#[test]
fn p1_p2_the_reply_follows_the_recipe_of_the_request() {
    for recipe in HmacRecipe::ALL {
        let shape = ApShape {
            subkey: recipe.key == HmacKeyRule::AuthenticatorSubkey,
            ..ApShape::default()
        };
        let keyed = keyed_by(shape, |keying| keying.recipe = recipe, &Profile::default()).unwrap();
        keyed.opened(recipe);
    }
    // A recipe that the Authenticator has no key for cannot have verified; the reply is refused, not sent unsealed.
    let recipe = HmacRecipe {
        key: HmacKeyRule::AuthenticatorSubkey,
        coverage: HmacCoverage::WholeMessage,
    };
    let refused = refused(|keying| keying.recipe = recipe);
    assert!(matches!(refused, KeyingRefused::Encode(_)));
    assert_eq!(refused.code(), Some(KrbErrorCode::Generic));
}

#[test]
fn p4_length_and_type_of_the_subkey() {
    let profile = Profile {
        subkey_length: 24,
        subkey_type: 5,
        ..Profile::default()
    };
    let keyed = keyed_by(ApShape::default(), |_| (), &profile).unwrap();
    let reply = keyed.opened(HmacRecipe::default()).body;
    let (part, _) = open_ap_rep(reply.ap_rep, &keyed.ap.session_key, &keyed.ap.sent).unwrap();
    let subkey = part.subkey.unwrap();
    assert_eq!((subkey.etype, subkey.value.len()), (5, 24));
}

#[test]
fn p10_the_sequence_number_is_echoed_unless_told_otherwise() {
    for (sent, echo, expected) in [
        (Some(0x8000_0001), true, Some(0x8000_0001)),
        (Some(5), false, None),
        (None, true, None),
    ] {
        let shape = ApShape {
            seq_number: sent,
            ..ApShape::default()
        };
        let profile = Profile {
            echo_sequence_number: echo,
            ..Profile::default()
        };
        let keyed = keyed_by(shape, |_| (), &profile).unwrap();
        let reply = keyed.opened(HmacRecipe::default()).body;
        let (part, _) = open_ap_rep(reply.ap_rep, &keyed.ap.session_key, &keyed.ap.sent).unwrap();
        assert_eq!(part.seq_number.map(Number32::value), expected);
    }
}

#[test]
fn p14_the_reply_has_the_pad_form_that_the_authenticator_shows() {
    for pad in [PadForm::Uncovered, PadForm::Covered] {
        // The profile says the opposite; the device's own message goes before it, where it shows its form.
        let profile = Profile {
            pad: match pad {
                PadForm::Covered => PadForm::Uncovered,
                PadForm::Uncovered => PadForm::Covered,
            },
            ..Profile::default()
        };
        let shape = ApShape {
            pad,
            ..ApShape::default()
        };
        let keyed = keyed_by(shape, |_| (), &profile).unwrap();
        let opened = &keyed.ap.opened;
        let shown = opened.pad.or(opened.ticket_pad).unwrap_or(profile.pad);
        let reply = keyed.opened(HmacRecipe::default()).body;
        let (_, found) = open_ap_rep(reply.ap_rep, &keyed.ap.session_key, &keyed.ap.sent).unwrap();
        assert!(found.is_none_or(|found| found == shown), "{pad:?} {found:?}");
    }
}

const NONCE: u32 = 0x0102_0304;

fn wake_up() -> WakeUpSent {
    WakeUpSent {
        mac: MAC,
        nonce: NonZeroU32::new(NONCE).unwrap(),
        expires: seconds(120),
        answered: None,
    }
}

/// What is decided about an AP Request with this nonce and flag, after the attempt `before`.
fn asked(
    before: Option<Attempt>,
    server_nonce: u32,
    reestablish: bool,
    sent: Option<WakeUpSent>,
    now: Timestamp,
) -> Result<Change, KeyingRefused> {
    let (ap, engine) = (Ap::new(ApShape::default()), engine());
    let request = ApRequest {
        server_nonce: NonZeroU32::new(server_nonce),
        reestablish,
        ..ap.request(MAC)
    };
    let keying = Keying {
        wake_up: sent,
        ..keying(&ap, &request, &engine)
    };
    let random = &mut SeededRandom::new(now.unix() as u64);
    let profile = Profile::default();
    let decided = key(&device(Flow::Secure), before, &keying, &profile, &policy(), now, random);
    decided.map(|(change, _)| change)
}

#[test]
fn p9_an_ap_request_that_answers_the_wake_up_gives_the_running_device_new_keys() {
    for phase in [Phase::Delivered, Phase::Ended] {
        let before = attempt_in(Flow::Secure, phase);
        let change = asked(Some(before.clone()), NONCE, true, Some(wake_up()), seconds(30)).unwrap();
        assert_eq!(change.wake_up.unwrap().answered, Some(seconds(30)));
        assert!(change.replaced.is_none());
        assert_eq!(step_ids(&change.steps), [StepId::AP_REQUEST, StepId::AP_REPLY]);
        assert!(change.steps[0].detail.contains("Wake Up with nonce 0x01020304"));
        let attempt = after(change);
        assert_eq!((attempt.id, attempt.phase), (before.id, phase));
        assert_eq!(attempt.result, before.result, "what was reached is not touched");
        let (old, new) = (before.session.unwrap(), attempt.session.unwrap());
        assert!(!old.subkey.ct_eq(new.subkey.expose()));
        assert!(new.asked.reestablish && new.asked.server_nonce.is_some());
    }
}

#[test]
fn p9_a_nonce_that_no_outstanding_wake_up_had_is_dropped() {
    let before = || Some(attempt_in(Flow::Secure, Phase::Ended));
    let over = WakeUpSent {
        expires: seconds(30),
        ..wake_up()
    };
    let answered = WakeUpSent {
        answered: Some(seconds(10)),
        ..wake_up()
    };
    for (what, nonce, sent) in [
        ("no Wake Up", NONCE, None),
        ("another nonce", NONCE + 1, Some(wake_up())),
        ("its window is over", NONCE, Some(over)),
        ("it was answered", NONCE, Some(answered)),
    ] {
        let refused = asked(before(), nonce, true, sent, seconds(30)).unwrap_err();
        assert!(matches!(refused, KeyingRefused::Nonce), "{what}: {refused}");
        assert_eq!(refused.code(), None, "in silence");
    }
}

#[test]
fn p9_the_same_answer_asked_again_gets_the_same_subkey_and_later_none() {
    let first = asked(
        Some(attempt_in(Flow::Secure, Phase::Ended)),
        NONCE,
        true,
        Some(wake_up()),
        seconds(30),
    );
    let first = first.unwrap();
    let sent = first.wake_up;
    let keyed = after(first);
    let again = asked(Some(keyed.clone()), NONCE, true, sent, seconds(33)).unwrap();
    assert_eq!(again.wake_up, sent, "answered once");
    let again = after(again).session.unwrap();
    assert!(again.subkey.ct_eq(keyed.session.as_ref().unwrap().subkey.expose()));
    assert_eq!(again.keyed_at, seconds(30));
    let late = asked(Some(keyed), NONCE, true, sent, seconds(91)).unwrap_err();
    assert!(matches!(late, KeyingRefused::Nonce));
}

#[test]
fn re_establish_without_a_wake_up_refreshes_the_keys_of_a_running_device() {
    let before = attempt_in(Flow::Secure, Phase::Ended);
    let change = asked(Some(before.clone()), 0, true, None, seconds(40)).unwrap();
    assert!(change.steps[0].detail.contains("re-establish"));
    let attempt = after(change);
    assert_eq!((attempt.id, attempt.phase), (before.id, Phase::Ended));
    // A device that says nothing of it, or has rebooted, begins again.
    let began = after(asked(Some(before.clone()), 0, false, None, seconds(40)).unwrap());
    assert_eq!(began.phase, Phase::Keyed);
    assert_ne!(began.id, before.id);
    let mut rebooted = before;
    rebooted
        .session
        .iter_mut()
        .for_each(|session| session.engine_boots -= 1);
    let began = after(asked(Some(rebooted), 0, true, None, seconds(40)).unwrap());
    assert_eq!(began.phase, Phase::Keyed);
}

#[test]
fn p3_an_ap_reply_that_is_to_be_acknowledged_says_so_and_is_awaited() {
    let profile = Profile::default();
    let keyed = keyed_by(ApShape::default(), |keying| keying.ack_required = true, &profile).unwrap();
    assert!(keyed.opened(HmacRecipe::default()).body.ack_required);
    let recovery = keyed.change.recovery.unwrap();
    assert_eq!((recovery.peer, recovery.mac, recovery.digest), (peer(), MAC, [7; 32]));
    assert!(
        keyed_by(ApShape::default(), |_| (), &profile)
            .unwrap()
            .change
            .recovery
            .is_none()
    );
}

#[test]
fn p1_p2_p11_p14_what_the_request_shows_is_kept_with_the_session() {
    let recipe = HmacRecipe::ALL[3];
    let keyed = keyed_by(ApShape::default(), |keying| keying.recipe = recipe, &Profile::default()).unwrap();
    let learned = after(keyed.change).session.unwrap().learned;
    assert_eq!(learned.hmac, Some(recipe));
    assert_eq!(learned.user_name.as_deref(), Some("MTA-Prov-XX:XX:XX:XX:XX:XX"));
    assert_eq!(learned.pad, keyed.ap.opened.pad);
    assert_eq!(learned.keys, None, "the INFORM shows it");
}

#[test]
fn p30_no_more_messages_of_a_device_are_remembered_than_its_quota() {
    let quota = keyed().change.quota.unwrap();
    assert_eq!((quota.owner.as_str(), quota.most), (MAC.to_string().as_str(), 128));
}
