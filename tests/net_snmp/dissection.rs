//! Our messages, as tshark reads them.

use std::net::SocketAddr;

use hardline::mib::MibDialect;
use hardline::value::{EngineId, MacAddress, OsRandom, Timestamp};
use hardline::wire::snmp::{
    AuthProtocol, LocalEngine, LocalizedKeys, Message, Notification, OutgoingRequest, ProvisioningState, RemoteEngine,
    SaltSource, UsmStats, Verdict, encode_discovery, encode_request, encode_response, encode_v2c, parse, process,
};

use super::USER;
use crate::support::{Capture, field};

#[test]
fn every_message_of_ours_dissects_without_complaint() {
    let engine = LocalEngine {
        engine_id: EngineId::cablelabs(*b"receiver"),
        boots: 3,
        started: Timestamp::from_unix(0),
    };
    let keys = LocalizedKeys::from_passwords(AuthProtocol::Md5, b"authentic pass", None, &engine.engine_id).unwrap();
    let known = RemoteEngine::learned(3, 100, Timestamp::from_unix(100));
    let request = OutgoingRequest {
        msg_id: 5,
        user: USER.as_bytes(),
        keys: &keys,
        engine_id: &engine.engine_id,
        engine: &known,
        context_engine_id: &EngineId::cablelabs(*b"a device"),
    };
    let status = Notification::Status {
        mac: MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]),
        correlation_id: 9,
        state: ProvisioningState::PassWithWarnings,
    };
    let salt = SaltSource::new(&mut OsRandom).next();
    let now = Timestamp::from_unix(100);
    let mut datagrams = vec![encode_discovery(1)];
    for dialect in MibDialect::ALL {
        let inform = status.to_pdu(dialect, 7, 100);
        datagrams.push(encode_v2c(b"public", &inform));
        let sent = encode_request(&request, &inform, salt, now);
        let Ok(Message::V3(message)) = parse(&sent) else {
            panic!()
        };
        let Verdict::Request(taken) = process(&message, Some(&keys), &engine, &UsmStats::default(), now) else {
            panic!();
        };
        datagrams.push(encode_response(
            &taken,
            &inform.acknowledgement(),
            &keys,
            &engine,
            salt,
            now,
        ));
        datagrams.push(sent);
    }
    let Ok(Message::V3(probe)) = parse(&datagrams[0]) else {
        panic!()
    };
    let Verdict::Report { datagram, .. } = process(&probe, None, &engine, &UsmStats::default(), now) else {
        panic!();
    };
    datagrams.push(datagram);

    let mut capture = Capture::new();
    let [from, to]: [SocketAddr; 2] = ["192.0.2.7:162", "192.0.2.1:162"].map(|address| address.parse().unwrap());
    for datagram in &datagrams {
        capture.udp(from, to, datagram);
    }
    for packet in capture.dissect(&[]) {
        assert!(!field(&packet, "snmp.data").is_empty(), "not dissected: {packet:#}");
        assert_eq!(field(&packet, "_ws.expert.message"), [""; 0], "{packet:#}");
        assert!(!packet.to_string().contains("_ws.malformed"), "{packet:#}");
    }
}
