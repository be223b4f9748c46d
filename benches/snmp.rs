//! An enrollment INFORM taken and acknowledged: read, verified, decrypted, its notification parsed; the response made,
//! encrypted and authenticated. No socket, no storage.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hardline::mib::MibDialect;
use hardline::value::{EngineId, MacAddress, Timestamp};
use hardline::wire::snmp::{
    AuthKey, AuthProtocol, LocalEngine, LocalizedKeys, Message, Notification, OutgoingRequest, PrivKey, PrivProtocol,
    RemoteEngine, Salt, UsmStats, Verdict, encode_request, encode_response, parse, process,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn server() -> LocalEngine {
    LocalEngine {
        engine_id: EngineId::cablelabs(*b"receiver"),
        boots: 3,
        started: Timestamp::from_unix(NOW.unix() - 1000),
    }
}

fn enrollment(keys: &LocalizedKeys) -> Vec<u8> {
    let notification = Notification::Enrollment {
        sys_descr: "eUE <<HW_REV: 1.0; VENDOR: Example; BOOTR: 1.0; SW_REV: 1.2.3; MODEL: E-1>>".into(),
        sw_version: "1.2.3".into(),
        type_identifier: "pktc2.0:050C0101020301010401001A0101".into(),
        mac: MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]),
        correlation_id: 0x1234_5678,
    };
    let request = OutgoingRequest {
        msg_id: 1,
        user: b"MTA-Prov-00:11:22:AA:BB:CC",
        keys,
        engine_id: &server().engine_id,
        engine: &RemoteEngine::learned(3, 1000, NOW),
        context_engine_id: &EngineId::cablelabs(*b"a device"),
    };
    encode_request(&request, &notification.to_pdu(MibDialect::Ietf, 1, 100), Salt(1), NOW)
}

fn acknowledge(datagram: &[u8], keys: &LocalizedKeys, engine: &LocalEngine) -> Vec<u8> {
    let Ok(Message::V3(message)) = parse(datagram) else {
        panic!("not an SNMPv3 message");
    };
    let Verdict::Request(request) = process(&message, Some(keys), engine, &UsmStats::default(), NOW) else {
        panic!("not taken");
    };
    let pdu = &request.scoped.pdu;
    black_box(Notification::from_pdu(pdu).expect("an enrollment"));
    encode_response(&request, &pdu.acknowledgement(), keys, engine, Salt(2), NOW)
}

fn informs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("enrollment INFORM to acknowledgement");
    group.throughput(criterion::Throughput::Elements(1));
    for (name, auth, privacy) in [
        ("MD5 DES", AuthProtocol::Md5, PrivProtocol::Des),
        ("SHA-1 AES-128", AuthProtocol::Sha1, PrivProtocol::Aes128),
    ] {
        let keys = LocalizedKeys {
            auth: AuthKey::new(auth, &vec![7; auth.key_length()]).expect("a key of the protocol's length"),
            privacy: Some(PrivKey::new(privacy, &[9; 16]).expect("16 octets are a key")),
        };
        let (datagram, engine) = (enrollment(&keys), server());
        group.bench_function(name, |bencher| {
            bencher.iter(|| acknowledge(black_box(&datagram), &keys, &engine));
        });
    }
    group.finish();
}

criterion_group!(benches, informs);
criterion_main!(benches);
