//! What a flood costs the KDC: the cheap checks come before any public-key operation, replies too big for a datagram go
//! over TCP, and one source neither keeps others out nor gets more than its share.

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hardline::model::Flow;
use hardline::value::Timestamp;
use hardline::wire::kerberos::{Exchange, KdcReq, KrbError, PA_PROV_SRV_LOCATION};
use support::client::{Eue, World, register};
use support::kdc_tcp;
use support::server::Server;

/// A server whose counters can be read at the address that comes along.
fn counting() -> (Server, SocketAddr) {
    let server = Server::install();
    let counters = server.offer_metrics();
    (server, counters)
}

/// The sum of a counter with all its labels; 0 where it does not stand there yet.
fn counter(at: SocketAddr, name: &str) -> u64 {
    let mut stream = TcpStream::connect(at).expect("the counters are offered");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    text.lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

const PUBLIC_KEY: &str = "hardline_kdc_public_key_jobs_total";

/// The code of the KRB-ERROR that a request gets from a source.
fn code(from: IpAddr, kdc: SocketAddr, request: &[u8]) -> i32 {
    let socket = UdpSocket::bind((from, 0)).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    socket.send_to(request, kdc).expect("sent");
    let mut buffer = [0; 65_536];
    let length = socket.recv(&mut buffer).expect("an answer");
    KrbError::parse(&buffer[..length]).map_or(0, |error| error.error_code)
}

#[test]
fn what_fails_a_cheap_check_costs_no_public_key_operation() {
    let (mut server, counters) = counting();
    let world = World::of(&server);
    let (known, stranger) = (world.device(1, Flow::Secure), world.device(2, Flow::Secure));
    let address = known.address.to_string();
    register(&server, &known, &["--ip", &address]);
    server.start();
    let (own, elsewhere) = (known.address, IpAddr::from([127, 77, 0, 9]));
    let kdc = server.v4(hardline::settings::Service::Kdc);
    let eue = Eue::new(known, world.known.clone());
    let unknown = Eue::new(stranger, world.known.clone());

    let fresh = |eue: &Eue| eue.begin_as(Timestamp::now()).datagram().to_vec();
    let late = |eue: &Eue| {
        let long_ago = Timestamp::from_unix(Timestamp::now().unix() - 3_600);
        eue.begin_as(long_ago).datagram().to_vec()
    };
    // The last octet of the realm's name in the body, which the checksum covers, comes before its nonce.
    let edited = |eue: &Eue, edit: fn(&mut KdcReq)| {
        let mut request = KdcReq::parse(&fresh(eue)).expect("our own");
        edit(&mut request);
        let rebuilt = KdcReq::new(Exchange::As, request.padata.clone(), request.body.clone());
        rebuilt.encode()
    };
    let cases: [(&str, i32, IpAddr, Vec<u8>); 7] = [
        ("an unknown MAC address", 6, own, fresh(&unknown)),
        ("a wrong source", 38, elsewhere, fresh(&eue)),
        ("a wrong time", 37, own, late(&eue)),
        (
            "another nonce",
            24,
            own,
            edited(&eue, |request| request.body.nonce = 7u32.into()),
        ),
        (
            "another body",
            24,
            own,
            edited(&eue, |request| request.body.till = Some(Timestamp::now())),
        ),
        (
            "another etype",
            14,
            own,
            edited(&eue, |request| request.body.etype = vec![23]),
        ),
        (
            "no location",
            25,
            own,
            edited(&eue, |request| {
                request
                    .padata
                    .retain(|padata| padata.padata_type != PA_PROV_SRV_LOCATION);
            }),
        ),
    ];
    for (what, expected, from, request) in &cases {
        for _ in 0..20 {
            assert_eq!(code(*from, kdc, request), *expected, "{what}");
        }
    }
    assert!(counter(counters, "hardline_kdc_dropped_total") >= 140);
    assert_eq!(counter(counters, PUBLIC_KEY), 0, "not one public-key operation");
    // The counter does count.
    eue.ticket().expect("a ticket");
    assert!(counter(counters, PUBLIC_KEY) >= 2);
    // A repetition costs none either.
    let exchange = eue.begin_as(Timestamp::now());
    let answer = eue.ask(eue.at.kdc, exchange.datagram());
    let before = counter(counters, PUBLIC_KEY);
    for _ in 0..20 {
        assert_eq!(eue.ask(eue.at.kdc, exchange.datagram()), answer);
    }
    assert_eq!(counter(counters, PUBLIC_KEY), before);
    server.assert_unhurt();
}

#[test]
fn rfc4120_7_2_1_a_reply_too_big_for_a_datagram_goes_over_tcp() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= udp_reply_max = 16384", "udp_reply_max = 1024");
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    let address = device.address.to_string();
    register(&server, &device, &["--ip", &address]);
    server.start();
    let eue = Eue::new(device, world.known.clone());
    let exchange = eue.begin_as(Timestamp::now());
    let answer = eue.ask(eue.at.kdc, exchange.datagram());
    assert_eq!(KrbError::parse(&answer).expect("a KRB-ERROR").error_code, 52);
    // The same request over TCP gets the ticket.
    let answer = kdc_tcp::ask(&mut kdc_tcp::connect(&eue), exchange.datagram());
    assert!(answer.len() > 1024);
    eue.accept_as(&exchange, &answer).expect("a ticket");
    // An error fits, and is no reason to come over TCP.
    let long_ago = Timestamp::from_unix(Timestamp::now().unix() - 3_600);
    let refused = eue.ask(eue.at.kdc, eue.begin_as(long_ago).datagram());
    assert_eq!(KrbError::parse(&refused).expect("a KRB-ERROR").error_code, 37);
}

/// A device floods the KDC with requests that are all its own and all right, each of which costs public-key operations; the
/// others get their tickets meanwhile.
#[test]
fn a_flood_of_one_source_starves_nobody() {
    let mut server = Server::install();
    let world = World::of(&server);
    let devices: Vec<_> = (1..6).map(|index| world.device(index, Flow::Secure)).collect();
    for device in &devices {
        let address = device.address.to_string();
        register(&server, device, &["--ip", &address]);
    }
    server.start();
    let mut eues = devices.into_iter().map(|device| Eue::new(device, world.known.clone()));
    let noisy = eues.next().expect("five devices");
    let requests: Vec<Vec<u8>> = (0..300)
        .map(|_| noisy.begin_as(Timestamp::now()).datagram().to_vec())
        .collect();
    let (stop, kdc, from) = (Arc::new(AtomicBool::new(false)), noisy.at.kdc, noisy.spec.address);
    let flood = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let socket = UdpSocket::bind((from, 0)).expect("a socket");
            let mut sent = 0u64;
            for request in requests.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return sent;
                }
                let _ = socket.send_to(request, kdc);
                sent += 1;
                // Many times what the KDC can answer, and not so many that the system's own buffer loses the others'.
                if sent.is_multiple_of(20) {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            sent
        })
    };
    for eue in eues {
        // A datagram that the system's own buffer had no place for is repeated, as every device does.
        let exchange = eue.begin_as(Timestamp::now());
        let answer = (0..20).find_map(|_| {
            eue.send(eue.at.kdc, exchange.datagram());
            eue.hear(eue.at.kdc, Duration::from_secs(1))
        });
        eue.accept_as(&exchange, &answer.expect("an answer in the flood"))
            .expect("a ticket");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(flood.join().expect("the flood ends") > 300);
    server.assert_unhurt();
}
