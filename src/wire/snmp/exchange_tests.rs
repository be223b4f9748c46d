//! Both sides against each other: each clause of RFC 3414 §3.2 with what it earns.

use std::time::Duration;

use proptest::prelude::*;

use super::usm::{MAX_BOOTS, TIME_WINDOW};
use super::*;
use crate::value::{EngineId, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const USER: &[u8] = b"MTA-Prov-00:11:22:AA:BB:CC";

fn server() -> LocalEngine {
    LocalEngine {
        engine_id: EngineId::cablelabs([1; 8]),
        boots: 7,
        started: Timestamp::from_unix(NOW.unix() - 5000),
    }
}

fn device_engine_id() -> EngineId {
    EngineId::cablelabs([2; 8])
}

fn keys(auth: AuthProtocol, privacy: Option<PrivProtocol>) -> LocalizedKeys {
    LocalizedKeys {
        auth: AuthKey::new(auth, &vec![0x5a; auth.key_length()]).unwrap(),
        privacy: privacy.map(|protocol| PrivKey::new(protocol, &[0xa5; 16]).unwrap()),
    }
}

/// Every combination that key management can choose.
fn suites() -> Vec<LocalizedKeys> {
    let mut suites = Vec::new();
    for auth in [AuthProtocol::Md5, AuthProtocol::Sha1] {
        for privacy in [None, Some(PrivProtocol::Des), Some(PrivProtocol::Aes128)] {
            suites.push(keys(auth, privacy));
        }
    }
    suites
}

fn full() -> LocalizedKeys {
    keys(AuthProtocol::Sha1, Some(PrivProtocol::Aes128))
}

fn inform() -> Pdu {
    let mac = "00:11:22:aa:bb:cc".parse().unwrap();
    let state = ProvisioningState::Pass;
    let status = Notification::Status {
        mac,
        correlation_id: 9,
        state,
    };
    status.to_pdu(crate::mib::MibDialect::Ietf, 4711, 100)
}

fn known(engine: &LocalEngine) -> RemoteEngine {
    RemoteEngine::learned(engine.boots, engine.time(NOW), NOW)
}

fn sent(keys: &LocalizedKeys, engine: &RemoteEngine, pdu: &Pdu) -> Vec<u8> {
    let request = OutgoingRequest {
        msg_id: 99,
        user: USER,
        keys,
        engine_id: &server().engine_id,
        engine,
        context_engine_id: &device_engine_id(),
    };
    encode_request(&request, pdu, Salt(0x0102_0304_0506_0708), NOW)
}

fn v3(datagram: &[u8]) -> V3Message<'_> {
    match parse(datagram) {
        Ok(Message::V3(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn judged(datagram: &[u8], keys: Option<&LocalizedKeys>) -> Verdict {
    process(&v3(datagram), keys, &server(), &UsmStats::default(), NOW)
}

fn accepted(datagram: &[u8], keys: &LocalizedKeys) -> Request {
    match judged(datagram, Some(keys)) {
        Verdict::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// The report that a datagram earns, as the sender reads it.
fn reported(datagram: &[u8], keys: Option<&LocalizedKeys>) -> (UsmStat, Report) {
    let Verdict::Report { stat, datagram } = judged(datagram, keys) else {
        panic!("no report: {:?}", judged(datagram, keys));
    };
    let reader = keys.cloned().unwrap_or_else(full);
    match process_reply(
        &v3(&datagram),
        &reader,
        &server().engine_id,
        &RemoteEngine::UNKNOWN,
        NOW,
    ) {
        Reply::Report(report) => (stat, report),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_inform_and_its_acknowledgement_at_every_level() {
    for keys in suites() {
        let engine = known(&server());
        let datagram = sent(&keys, &engine, &inform());
        let message = v3(&datagram);
        assert_eq!((message.user, message.level), (USER, keys.level()));
        assert!(message.is_for(&server().engine_id) && message.is_authentic(&keys.auth));

        let request = accepted(&datagram, &keys);
        assert_eq!(request.scoped.pdu, inform());
        // P32: the context is the sender's engine, and any other would do.
        assert_eq!(request.scoped.context_engine_id, device_engine_id().as_bytes());

        let acknowledgement = request.scoped.pdu.acknowledgement();
        let answer = encode_response(&request, &acknowledgement, &keys, &server(), Salt(1), NOW);
        assert_eq!(v3(&answer).level, keys.level());
        let reply = process_reply(&v3(&answer), &keys, &server().engine_id, &engine, NOW);
        let Reply::Accepted { msg_id: 99, scoped, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(scoped.pdu, acknowledgement);
    }
}

#[test]
fn rfc_3414_4_discovery_of_the_engine_and_then_of_its_clock() {
    let (stat, report) = reported(&encode_discovery(3), None);
    assert_eq!(
        (stat, report.stat),
        (UsmStat::UnknownEngineIds, Some(UsmStat::UnknownEngineIds))
    );
    assert_eq!((report.msg_id, report.value), (3, 1));
    assert_eq!(report.engine_id, Some(server().engine_id));
    assert_eq!(report.engine, None);

    for keys in suites() {
        let (stat, report) = reported(&sent(&keys, &RemoteEngine::UNKNOWN, &inform()), Some(&keys));
        assert_eq!(
            (stat, report.stat),
            (UsmStat::NotInTimeWindows, Some(UsmStat::NotInTimeWindows))
        );
        let learned = report.engine.unwrap();
        assert_eq!((learned.boots, learned.time), (7, 5000));
        accepted(&sent(&keys, &learned, &inform()), &keys);
    }
}

#[test]
fn rfc_3414_3_2_3_a_message_for_another_engine() {
    let keys = full();
    let engine = known(&server());
    let other = OutgoingRequest {
        msg_id: 1,
        user: USER,
        keys: &keys,
        engine_id: &device_engine_id(),
        engine: &engine,
        context_engine_id: &device_engine_id(),
    };
    let datagram = encode_request(&other, &inform(), Salt(1), NOW);
    assert_eq!(reported(&datagram, Some(&keys)).0, UsmStat::UnknownEngineIds);
}

#[test]
fn rfc_3414_3_2_4_an_unknown_user() {
    let datagram = sent(&full(), &known(&server()), &inform());
    let (stat, report) = reported(&datagram, None);
    assert_eq!(
        (stat, report.stat),
        (UsmStat::UnknownUserNames, Some(UsmStat::UnknownUserNames))
    );
}

#[test]
fn rfc_3414_3_2_5_a_level_for_which_the_user_has_no_key() {
    let datagram = sent(&full(), &known(&server()), &inform());
    let auth_only = keys(AuthProtocol::Sha1, None);
    assert_eq!(reported(&datagram, Some(&auth_only)).0, UsmStat::UnsupportedSecLevels);
}

#[test]
fn p32_a_message_below_the_negotiated_level() {
    let auth_only = keys(AuthProtocol::Sha1, None);
    let datagram = sent(&auth_only, &known(&server()), &inform());
    assert_eq!(reported(&datagram, Some(&full())).0, UsmStat::UnsupportedSecLevels);
    // Synchronising the clock below it is no offence.
    let probe = sent(&auth_only, &RemoteEngine::UNKNOWN, &inform());
    assert_eq!(reported(&probe, Some(&full())).0, UsmStat::NotInTimeWindows);
}

#[test]
fn rfc_3414_3_2_6_a_wrong_key() {
    let datagram = sent(&full(), &known(&server()), &inform());
    let mut other = full();
    other.auth = AuthKey::new(AuthProtocol::Sha1, &[1; 20]).unwrap();
    assert_eq!(reported(&datagram, Some(&other)).0, UsmStat::WrongDigests);
    other.auth = AuthKey::new(AuthProtocol::Md5, &[1; 16]).unwrap();
    assert_eq!(reported(&datagram, Some(&other)).0, UsmStat::WrongDigests);
}

#[test]
fn rfc_3414_3_2_7_a_message_from_another_time_or_boot() {
    let engine = server();
    for (boots, time) in [(7, 4849), (7, 5151), (6, 5000), (8, 5000), (MAX_BOOTS, 5000)] {
        let datagram = sent(&full(), &RemoteEngine::learned(boots, time, NOW), &inform());
        let Verdict::Report { stat, datagram } = judged(&datagram, Some(&full())) else {
            panic!("{boots} {time}");
        };
        assert_eq!(stat, UsmStat::NotInTimeWindows);
        assert_eq!(v3(&datagram).level, SecurityLevel::AuthNoPriv);
        assert!(v3(&datagram).is_authentic(&full().auth));
    }
    let in_time = sent(&full(), &RemoteEngine::learned(7, 4850, NOW), &inform());
    accepted(&in_time, &full());
    let later = NOW.plus(TIME_WINDOW + Duration::from_secs(1));
    let replayed = sent(&full(), &known(&engine), &inform());
    let verdict = process(&v3(&replayed), Some(&full()), &engine, &UsmStats::default(), later);
    assert!(matches!(
        verdict,
        Verdict::Report {
            stat: UsmStat::NotInTimeWindows,
            ..
        }
    ));
}

#[test]
fn rfc_3414_3_2_8_a_wrong_privacy_key() {
    for protocol in [PrivProtocol::Des, PrivProtocol::Aes128] {
        let keys = keys(AuthProtocol::Md5, Some(protocol));
        let mut other = keys.clone();
        other.privacy = Some(PrivKey::new(protocol, &[3; 16]).unwrap());
        let datagram = sent(&keys, &known(&server()), &inform());
        assert_eq!(reported(&datagram, Some(&other)).0, UsmStat::DecryptionErrors);
    }
}

#[test]
fn rfc_3412_7_1_3_no_report_about_what_is_not_reportable() {
    let reported = sent(
        &full(),
        &RemoteEngine::UNKNOWN,
        &Pdu::new(PduKind::Report, 1, Vec::new()),
    );
    let unreported = Verdict::Drop(SnmpDropReason::Unreported(UsmStat::NotInTimeWindows));
    assert_eq!(judged(&reported, Some(&full())), unreported);

    // A report that claims to be reportable, in the clear.
    let Verdict::Report { datagram, .. } = judged(&encode_discovery(1), None) else {
        panic!();
    };
    let flags = datagram.windows(3).position(|octets| octets == [4, 1, 0]).unwrap();
    let mut looping = datagram.clone();
    looping[flags + 2] = 4;
    let unreported = Verdict::Drop(SnmpDropReason::Unreported(UsmStat::UnknownUserNames));
    assert_eq!(judged(&looping, None), unreported);
}

#[test]
fn only_requests_are_taken_by_the_authoritative_side_and_only_answers_by_the_other() {
    let engine = known(&server());
    for kind in [PduKind::OK, PduKind::TrapV2, PduKind::Report] {
        let datagram = sent(&full(), &engine, &Pdu::new(kind, 1, Vec::new()));
        assert_eq!(
            judged(&datagram, Some(&full())),
            Verdict::Drop(SnmpDropReason::UnexpectedPdu(kind))
        );
    }
    let datagram = sent(&full(), &engine, &inform());
    let reply = process_reply(&v3(&datagram), &full(), &server().engine_id, &engine, NOW);
    assert_eq!(reply, Reply::Drop(SnmpDropReason::UnexpectedPdu(PduKind::Inform)));
}

#[test]
fn an_answer_below_the_level_or_in_the_clear_is_not_believed() {
    let auth_only = keys(AuthProtocol::Sha1, None);
    let engine = known(&server());
    let request = accepted(&sent(&auth_only, &engine, &inform()), &auth_only);
    let answer = encode_response(
        &request,
        &inform().acknowledgement(),
        &auth_only,
        &server(),
        Salt(1),
        NOW,
    );
    let refused = |stat| Reply::Drop(SnmpDropReason::Refused(stat));
    let read = |datagram: &[u8], engine: &RemoteEngine| {
        process_reply(&v3(datagram), &full(), &server().engine_id, engine, NOW)
    };
    assert_eq!(read(&answer, &engine), refused(UsmStat::UnsupportedSecLevels));
    let ahead = RemoteEngine::learned(7, 6000, NOW);
    assert_eq!(read(&answer, &ahead), refused(UsmStat::NotInTimeWindows));
    assert_eq!(
        read(&encode_discovery(1), &engine),
        refused(UsmStat::UnsupportedSecLevels)
    );
    let mut damaged = answer.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(read(&damaged, &engine), refused(UsmStat::WrongDigests));
}

#[test]
fn rfc_3416_4_2_1_a_response_that_the_peer_cannot_take_becomes_too_big() {
    let mut request = accepted(&sent(&full(), &known(&server()), &inform()), &full());
    request.max_size = 484;
    let name = "1.3.6.1.2.1.1.1.0".parse().unwrap();
    let long = request
        .scoped
        .pdu
        .response(vec![VarBind::new(name, Value::OctetString(vec![1; 500]))]);
    let answer = encode_response(&request, &long, &full(), &server(), Salt(1), NOW);
    let engine = known(&server());
    let Reply::Accepted { scoped, .. } = process_reply(&v3(&answer), &full(), &server().engine_id, &engine, NOW) else {
        panic!();
    };
    let too_big = PduKind::Response {
        status: ErrorStatus::TooBig,
        index: 0,
    };
    assert_eq!(scoped.pdu, Pdu::new(too_big, 4711, Vec::new()));
}

#[test]
fn snmpv1_and_odd_messages_are_dropped_with_their_reason() {
    let mut v1 = encode_v2c(b"public", &inform());
    let version = v1.windows(3).position(|octets| octets == [2, 1, 1]).unwrap();
    v1[version + 2] = 0;
    assert_eq!(parse(&v1), Err(SnmpDropReason::Version(0)));

    let discovery = encode_discovery(1);
    let flags = discovery.windows(3).position(|octets| octets == [4, 1, 4]).unwrap();
    let changed = |at: usize, octet: u8| {
        let mut datagram = discovery.clone();
        datagram[at] = octet;
        parse(&datagram).unwrap_err()
    };
    assert_eq!(changed(flags + 2, 2), SnmpDropReason::Flags(2));
    assert_eq!(changed(flags + 5, 2), SnmpDropReason::SecurityModel(2));
    assert_eq!(changed(0, 0x31).offset(), Some(0));
    assert_eq!(
        parse(&[discovery.as_slice(), &[0]].concat()).unwrap_err().offset(),
        Some(discovery.len())
    );
}

proptest! {
    #[test]
    fn v2c_and_back(community in prop::collection::vec(any::<u8>(), 0..40), pdu in super::pdu::tests::any_pdu()) {
        let datagram = encode_v2c(&community, &pdu);
        prop_assert_eq!(parse(&datagram), Ok(Message::V2c(V2cMessage { community, pdu })));
    }

    #[test]
    fn v3_and_back(pdu in super::pdu::tests::any_pdu(), suite in 0usize..6) {
        let keys = suites().swap_remove(suite);
        let datagram = sent(&keys, &known(&server()), &pdu);
        match judged(&datagram, Some(&keys)) {
            Verdict::Request(request) => prop_assert_eq!(request.scoped.pdu, pdu),
            verdict => prop_assert_eq!(verdict, Verdict::Drop(SnmpDropReason::UnexpectedPdu(pdu.kind))),
        }
    }

    #[test]
    fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&octets);
    }

    #[test]
    fn a_damaged_message_is_never_taken(suite in 0usize..6, at: prop::sample::Index, flip in 1u8..) {
        let keys = suites().swap_remove(suite);
        let mut datagram = sent(&keys, &known(&server()), &inform());
        let at = at.index(datagram.len());
        datagram[at] ^= flip;
        if let Ok(Message::V3(message)) = parse(&datagram) {
            let verdict = process(&message, Some(&keys), &server(), &UsmStats::default(), NOW);
            prop_assert!(!matches!(verdict, Verdict::Request(_)), "octet {at}");
            let reply = process_reply(&message, &keys, &server().engine_id, &known(&server()), NOW);
            prop_assert!(!matches!(reply, Reply::Accepted { .. }), "octet {at}");
        }
    }

    #[test]
    fn a_cut_message_never_panics(suite in 0usize..6, at: prop::sample::Index) {
        let keys = suites().swap_remove(suite);
        let datagram = sent(&keys, &known(&server()), &inform());
        prop_assert!(parse(&datagram[..at.index(datagram.len())]).is_err());
    }
}
