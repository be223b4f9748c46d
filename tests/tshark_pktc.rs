//! Wireshark's `pktc` dissector judges the key-management codec.

mod support;

use std::net::SocketAddr;
use std::num::NonZeroU32;

use hardline::value::{EngineId, MacAddress, Secret, Timestamp, hex};
use hardline::wire::keymgmt::{
    ApReply, ApRequest, ErrorReply, HmacKeys, HmacRecipe, Recovered, RecoveredRule, Rekey, SnmpParameters, SuiteId,
    UserName, WakeUp,
};
use serde_json::Value;
use support::{Capture, assert_well_formed, field};

const PRINCIPAL: &str = "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET";

/// A DER element with the tag `tag`; lengths up to 65,535.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = match content.len() {
        short @ 0..=127 => vec![short as u8],
        long => [&[0x82][..], &(long as u16).to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &content].concat()
}

fn integer(value: u8) -> Vec<u8> {
    der(0x02, &[&[value]])
}

fn text(value: &str) -> Vec<u8> {
    der(0x1b, &[value.as_bytes()])
}

fn principal(name_type: u8, components: &[&str]) -> Vec<u8> {
    let components: Vec<u8> = components.iter().flat_map(|component| text(component)).collect();
    der(
        0x30,
        &[
            &der(0xa0, &[&integer(name_type)]),
            &der(0xa1, &[&der(0x30, &[&components])]),
        ],
    )
}

fn encrypted(length: usize) -> Vec<u8> {
    der(
        0x30,
        &[
            &der(0xa0, &[&integer(5)]),
            &der(0xa2, &[&der(0x04, &[&vec![0xab; length]])]),
        ],
    )
}

fn ap_req() -> Vec<u8> {
    let ticket = der(
        0x61,
        &[&der(
            0x30,
            &[
                &der(0xa0, &[&integer(5)]),
                &der(0xa1, &[&text("PKTC.EXAMPLE.NET")]),
                &der(0xa2, &[&principal(2, &["mtaprovsrvr", "prov.pktc.example.net"])]),
                &der(0xa3, &[&encrypted(200)]),
            ],
        )],
    );
    der(
        0x6e,
        &[&der(
            0x30,
            &[
                &der(0xa0, &[&integer(5)]),
                &der(0xa1, &[&integer(14)]),
                &der(0xa2, &[&der(0x03, &[&[0, 0x20, 0, 0, 0]])]),
                &der(0xa3, &[&ticket]),
                &der(0xa4, &[&encrypted(96)]),
            ],
        )],
    )
}

fn ap_rep() -> Vec<u8> {
    der(
        0x6f,
        &[&der(
            0x30,
            &[
                &der(0xa0, &[&integer(5)]),
                &der(0xa1, &[&integer(15)]),
                &der(0xa2, &[&encrypted(120)]),
            ],
        )],
    )
}

fn krb_error() -> Vec<u8> {
    let time = der(0x18, &[b"20261121231614Z"]);
    der(
        0x7e,
        &[&der(
            0x30,
            &[
                &der(0xa0, &[&integer(5)]),
                &der(0xa1, &[&integer(30)]),
                &der(0xa4, &[&time]),
                &der(0xa5, &[&integer(0)]),
                &der(0xa6, &[&integer(32)]),
                &der(0xa9, &[&text("PKTC.EXAMPLE.NET")]),
                &der(0xaa, &[&principal(2, &["mtaprovsrvr", "prov.pktc.example.net"])]),
            ],
        )],
    )
}

fn parameters(last: u8) -> SnmpParameters {
    SnmpParameters {
        engine_id: EngineId::cablelabs([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc, 0, last]),
        engine_boots: 7,
        engine_time: 123_456,
        user: UserName::of_device(MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc])),
    }
}

fn suites() -> Vec<SuiteId> {
    [(0x22, 0x21), (0x21, 0x21), (0x21, 0x20)]
        .map(|(authentication, privacy)| SuiteId {
            authentication,
            privacy,
        })
        .to_vec()
}

fn dissect(datagrams: &[&[u8]]) -> Vec<Value> {
    let ends: [(SocketAddr, SocketAddr); 2] = [
        ("192.0.2.1:11293".parse().unwrap(), "192.0.2.2:11293".parse().unwrap()),
        (
            "[2001:db8::1]:11293".parse().unwrap(),
            "[2001:db8::2]:11293".parse().unwrap(),
        ),
    ];
    let mut capture = Capture::new();
    for (from, to) in ends {
        datagrams.iter().for_each(|datagram| capture.udp(from, to, datagram));
    }
    let packets = capture.dissect(&["udp.port==11293,pktc"]);
    packets.iter().for_each(assert_well_formed);
    for packet in &packets {
        expect(packet, "pktc.doi", &["2"]);
        expect(packet, "pktc.version.major", &["1"]);
        expect(packet, "pktc.version.minor", &["0"]);
    }
    packets
}

fn expect(packet: &Value, name: &str, values: &[&str]) {
    assert_eq!(field(packet, name), values, "{name} in {packet:#}");
}

/// Octets as tshark writes them.
fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| hex(&[*octet])).collect::<Vec<_>>().join(":")
}

fn expect_parameters(packet: &Value, parameters: &SnmpParameters) {
    let engine = parameters.engine_id.as_bytes();
    expect(packet, "pktc.asd.snmp_engine_id.len", &[&engine.len().to_string()]);
    expect(packet, "pktc.asd.snmp_engine_id", &[&colons(engine)]);
    expect(
        packet,
        "pktc.asd.snmp_engine_boots",
        &[&parameters.engine_boots.to_string()],
    );
    expect(
        packet,
        "pktc.asd.snmp_engine_time",
        &[&parameters.engine_time.to_string()],
    );
    expect(packet, "pktc.asd.snmp_usm_username.len", &["26"]);
    expect(packet, "pktc.asd.snmp_usm_username", &[parameters.user.as_str()]);
}

#[test]
fn ap_request_and_ap_reply_dissect_as_they_were_made() {
    let session_key = Secret::new((0..24).collect());
    let keys = HmacKeys {
        session_key: &session_key,
        authenticator_subkey: None,
    };
    let (ap_req, ap_rep) = (ap_req(), ap_rep());
    let request = ApRequest {
        ap_req: &ap_req,
        server_nonce: NonZeroU32::new(0xdead_beef),
        agent: parameters(1),
        suites: suites(),
        reestablish: true,
    };
    let reply = ApReply {
        ap_rep: &ap_rep,
        manager: parameters(2),
        suite: suites()[1],
        lifetime: 86_400,
        grace: 3_600,
        reestablish: false,
        ack_required: true,
    };
    let request_datagram = request.seal(HmacRecipe::default(), keys).unwrap();
    let reply_datagram = reply.seal(HmacRecipe::default(), keys).unwrap();
    let packets = dissect(&[&request_datagram, &reply_datagram]);
    for pair in packets.chunks(2) {
        let [request_packet, reply_packet] = pair else {
            panic!("two packets")
        };
        expect(request_packet, "pktc.kmmid", &["0x02"]);
        expect(request_packet, "pktc.server_nonce", &["0xdeadbeef"]);
        expect_parameters(request_packet, &request.agent);
        expect(request_packet, "pktc.ciphers.len", &["3"]);
        expect(request_packet, "pktc.asd.snmp_auth_alg", &["0x22", "0x21", "0x21"]);
        expect(request_packet, "pktc.asd.snmp_enc_alg", &["0x21", "0x21", "0x20"]);
        expect(request_packet, "pktc.reestablish", &["1"]);
        expect(
            request_packet,
            "pktc.sha1_hmac",
            &[&colons(&request_datagram[request_datagram.len() - 20..])],
        );
        expect(request_packet, "kerberos.realm", &["PKTC.EXAMPLE.NET"]);

        expect(reply_packet, "pktc.kmmid", &["0x03"]);
        expect_parameters(reply_packet, &reply.manager);
        expect(reply_packet, "pktc.ciphers.len", &["1"]);
        expect(reply_packet, "pktc.asd.snmp_auth_alg", &["0x21"]);
        expect(reply_packet, "pktc.asd.snmp_enc_alg", &["0x21"]);
        expect(reply_packet, "pktc.spl", &["86400"]);
        expect(reply_packet, "pktc.grace_period", &["3600"]);
        expect(reply_packet, "pktc.reestablish", &["0"]);
        expect(reply_packet, "pktc.ack_required", &["1"]);
        expect(
            reply_packet,
            "pktc.sha1_hmac",
            &[&colons(&reply_datagram[reply_datagram.len() - 20..])],
        );
    }
}

#[test]
fn wake_up_recovered_and_error_reply_dissect_as_they_were_made() {
    let subkey = Secret::new(vec![3; 46]);
    let wake_up = WakeUp {
        server_nonce: NonZeroU32::new(0x0102_0304).unwrap(),
        principal: PRINCIPAL.into(),
    };
    let recovered = Recovered::encode(RecoveredRule::OwnHeader, HmacRecipe::default(), &[], &subkey);
    let krb_error = krb_error();
    let error = ErrorReply { krb_error: &krb_error };
    let packets = dissect(&[&wake_up.encode().unwrap(), &recovered, &error.encode()]);
    for triple in packets.chunks(3) {
        let [wake_up, recovered_packet, error] = triple else {
            panic!("three packets")
        };
        expect(wake_up, "pktc.kmmid", &["0x01"]);
        expect(wake_up, "pktc.server_nonce", &["0x01020304"]);
        expect(wake_up, "pktc.server_principal", &[PRINCIPAL]);
        expect(recovered_packet, "pktc.kmmid", &["0x04"]);
        expect(recovered_packet, "pktc.sha1_hmac", &[&colons(&recovered[3..])]);
        expect(error, "pktc.kmmid", &["0x06"]);
        expect(error, "kerberos.error_code", &["32"]);
    }
}

/// The dissector knows Rekey's parameters for IPsec only, so that it can judge what stands before them.
#[test]
fn rekey_dissects_up_to_its_snmp_parameters() {
    let rekey = Rekey {
        server_nonce: NonZeroU32::new(5).unwrap(),
        principal: PRINCIPAL.into(),
        timestamp: Timestamp::from_civil(2026, 11, 21, 23, 16, 14).unwrap(),
        manager: parameters(2),
        suites: suites(),
        lifetime: 1,
        grace: 2,
        reestablish: false,
    };
    let datagram = rekey.seal(&Secret::new(vec![1; 20])).unwrap();
    let mut capture = Capture::new();
    capture.udp(
        "192.0.2.1:11293".parse().unwrap(),
        "192.0.2.2:11293".parse().unwrap(),
        &datagram,
    );
    let packets = capture.dissect(&["udp.port==11293,pktc"]);
    expect(&packets[0], "pktc.kmmid", &["0x05"]);
    expect(&packets[0], "pktc.server_nonce", &["0x00000005"]);
    expect(&packets[0], "pktc.server_principal", &[PRINCIPAL]);
    expect(&packets[0], "pktc.timestamp", &["261121231614Z"]);
}
