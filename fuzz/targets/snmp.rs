//! SNMP messages as the server takes them, with and without keys of the user, and as answers to its own requests.

use std::sync::LazyLock;

use hardline::wire::snmp::{
    AuthProtocol, LocalizedKeys, Message, Notification, PrivProtocol, RemoteEngine, Reply, UsmStats, VarBind, Verdict,
    parse, process, process_reply, read_plain_report,
};

use super::world::{self, NOW};

static KEYS: LazyLock<LocalizedKeys> = LazyLock::new(|| {
    let privacy = Some((PrivProtocol::Aes128, &b"privacy password"[..]));
    let engine = &world::engine().engine_id;
    LocalizedKeys::from_passwords(AuthProtocol::Sha1, b"authentication", privacy, engine).expect("keys")
});

pub fn run(data: &[u8]) {
    if let Ok(binding) = VarBind::decode(data) {
        assert_eq!(VarBind::decode(&binding.encode()), Ok(binding));
    }
    let Ok(message) = parse(data) else { return };
    let message = match message {
        Message::V2c(message) => return drop(Notification::from_pdu(&message.pdu)),
        Message::V3(message) => message,
    };
    let engine = world::engine();
    for keys in [None, Some(&*KEYS)] {
        match process(&message, keys, &engine, &UsmStats::default(), NOW) {
            // Nobody else has the keys.
            Verdict::Request(request) => panic!("believed: {request:?}"),
            Verdict::Report { datagram, .. } => assert!(parse(&datagram).is_ok()),
            Verdict::Drop(_) => {}
        }
    }
    let peer = RemoteEngine::learned(4, 50, NOW);
    if let Reply::Accepted { .. } = process_reply(&message, &KEYS, &engine.engine_id, &peer, NOW) {
        panic!("believed as an answer");
    }
    let _ = read_plain_report(&message);
}
