//! Thousands of hostile datagrams to every listener of the running server, over both families: it answers the next valid
//! request as before, holds no more memory, and has nothing of them on record as the device's doing.

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hardline::model::Flow;
use hardline::profile::Profile;
use hardline::settings::Service;
use hardline::simulator::agent::Security;
use hardline::value::{OsRandom, Random, SeededRandom, Timestamp};
use hardline::wire::fqdn::{FqdnQuery, FqdnRequest, VERSION_1, build_request};
use hardline::wire::kerberos::{EncTicketPart, EncType, KrbError, PrincipalName, Ticket, parse_keytab, service_keys};
use hardline::wire::snmp::{self, Reply, UsmStat};
use support::client::{Eue, World, register, tftp};
use support::server::Server;

/// What the server may hold more after everything than before it, in KiB.
const GROWTH: u64 = 64 * 1024;
/// Log lines that everything hostile together may cost.
const LINES: usize = 3_000;
/// The largest payload of a datagram over IPv4.
const LARGEST: usize = 65_507;
/// Datagrams that are sent before the next answer is waited for: few enough to fit into a socket's buffer, so that none
/// is lost unread.
const BATCH_OCTETS: usize = 24_000;
/// The content of the static file, several blocks of it.
const SHARED: [u8; 2000] = [0x5a; 2000];

/// What a service is attacked with, and what it answers to a valid request.
struct Target {
    service: Service,
    /// Valid datagrams to spoil. What of their spoilt forms is valid by chance changes nothing of the witness.
    valid: Vec<Vec<u8>>,
    /// A valid request, and whether a datagram answers it.
    probe: Vec<u8>,
    answers: fn(&[u8], &[u8]) -> bool,
    /// The answer before the attack, for answers that stay the same.
    first: Vec<u8>,
}

/// Every hostile form of a valid datagram, deterministic.
fn spoilt(valid: &[u8], random: &mut SeededRandom) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..valid.len()).map(|length| valid[..length].to_vec()).collect();
    let bits = valid.len() * 8;
    // Each bit of the first octets, where tags, lengths and versions stand; a sample of the rest.
    let step = (bits / 1200).max(1);
    for bit in (0..bits).filter(|&bit| bit < 512 || bit % step == 0) {
        let mut flipped = valid.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push(flipped);
    }
    for _ in 0..200 {
        let mut torn = valid.to_vec();
        for _ in 0..4 {
            let at = usize::from(u16::from_be_bytes(random.array())) % torn.len();
            torn[at] = random.array::<1>()[0];
        }
        all.push(torn);
    }
    let mut long = valid.to_vec();
    long.resize(LARGEST, 0);
    all.push(long);
    all.push(valid.repeat(LARGEST / valid.len()));
    all
}

/// Datagrams that were never valid.
fn garbage(random: &mut SeededRandom) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    all.extend((0..=255).map(|octet| vec![octet]));
    for _ in 0..300 {
        let length = usize::from(u16::from_be_bytes(random.array())) % 1400;
        let mut noise = vec![0; length];
        random.fill(&mut noise);
        all.push(noise);
    }
    let mut largest = vec![0; LARGEST];
    random.fill(&mut largest);
    all.push(largest);
    // Nested as deep as a datagram goes, with definite and indefinite lengths, and lengths far beyond it.
    for opening in [
        &[0x30, 0x80][..],
        &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
        &[0xa0, 0x88, 0xff],
        &[0x6a, 0x82, 0xff],
    ] {
        all.push(opening.repeat(LARGEST / opening.len()));
    }
    let mut nested = Vec::new();
    while nested.len() < 60_000 {
        let length = u16::try_from(nested.len()).expect("fits").to_be_bytes();
        nested.splice(0..0, [0x30, 0x82, length[0], length[1]]);
    }
    for tag in [0x30, 0x6a, 0x6e, 0x7e] {
        nested[0] = tag;
        all.push(nested.clone());
    }
    all
}

/// A socket of the server's family on loopback. It is not connected: TFTP answers from another port.
fn line(server: SocketAddr) -> UdpSocket {
    let own: IpAddr = if server.is_ipv4() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    };
    let socket = UdpSocket::bind((own, 0)).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    socket
}

impl Target {
    /// Asserts that the service answers its valid request.
    fn assert_alive(&self, socket: &UdpSocket, server: SocketAddr, after: &str) {
        let mut buffer = vec![0; 65_536];
        // What answers the datagrams before comes first, and the system may drop a datagram under load.
        for _ in 0..3 {
            socket.send_to(&self.probe, server).expect("a datagram is sent");
            for _ in 0..5_000 {
                match socket.recv(&mut buffer) {
                    Ok(length) if (self.answers)(&buffer[..length], &self.first) => return,
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        panic!("{} does not answer any more, {after}", self.service);
    }

    fn attack(&self, server: SocketAddr) -> usize {
        let mut random = SeededRandom::new(0x1234 + u64::from(server.port()));
        let hostile: Vec<_> = self.valid.iter().flat_map(|valid| spoilt(valid, &mut random)).collect();
        let hostile = [garbage(&mut random), hostile].concat();
        let socket = line(server);
        let mut waiting = 0;
        for (number, datagram) in hostile.iter().enumerate() {
            // A datagram that the family cannot carry was not sent, and hurts nobody.
            let _ = socket.send_to(datagram, server);
            waiting += datagram.len() + 600;
            if waiting > BATCH_OCTETS {
                self.assert_alive(&socket, server, &format!("after hostile datagram {number}"));
                waiting = 0;
            }
        }
        self.assert_alive(&socket, server, "after all hostile datagrams");
        hostile.len()
    }
}

/// Whether a datagram is the report that answers a discovery (RFC 3414 §4).
fn is_discovery_report(datagram: &[u8], _: &[u8]) -> bool {
    let Ok(snmp::Message::V3(message)) = snmp::parse(datagram) else {
        return false;
    };
    match snmp::read_plain_report(&message) {
        Reply::Report(report) => report.msg_id == 77 && report.stat == Some(UsmStat::UnknownEngineIds),
        _ => false,
    }
}

fn is_krb_error(datagram: &[u8], code: i32) -> bool {
    KrbError::parse(datagram).is_ok_and(|error| error.error_code == code)
}

/// The request to the MTA-FQDN service of a KDC that has the service's key.
fn fqdn_request(server: &Server, eue: &Eue) -> Vec<u8> {
    let settings = server.settings();
    let keytab = server.site().join("all.keytab");
    server.command(&["keytab", "export", "--file", keytab.to_str().expect("UTF-8")]);
    let entries = parse_keytab(&std::fs::read(&keytab).expect("a keytab")).expect("a keytab");
    let service = PrincipalName::mtafqdnmap(&settings.prov_fqdn()).at(&settings.realm);
    let key = service_keys(&entries, &service)
        .into_iter()
        .next()
        .expect("the service's key");
    let kdc = PrincipalName::kdcquery(&settings.kdc_fqdn()).at(&settings.realm);
    let now = Timestamp::now();
    let session_key = EncType::Des3CbcMd5.generate(&mut OsRandom);
    let part = EncTicketPart::initial(
        kdc.clone(),
        session_key.clone(),
        now,
        now.plus(Duration::from_secs(600)),
    );
    let pad = Profile::default().pad;
    let ticket = Ticket::seal(&service, &part, &key, pad, &mut OsRandom).expect("a ticket");
    let query = FqdnQuery {
        client: &kdc,
        ticket: &ticket,
        session_key: &session_key,
        now,
        from: None,
        pad,
    };
    let request = FqdnRequest {
        version: VERSION_1,
        mac: eue.spec.mac,
        public_key_hash: [0; 20],
        manufacturer_revoked: None,
    };
    build_request(&request, &query, &mut OsRandom).expect("a request").0
}

/// The UDP services with their valid datagrams. The witness has a ticket and keys, and has said nothing since.
fn targets(server: &Server, world: &World, witness: &Eue, bystander: &Eue) -> Vec<Target> {
    let now = Timestamp::now();
    let ticket = witness.ticket().expect("a ticket");
    let exchange = witness.begin_ap(&ticket, now);
    let first = witness.ask(witness.at.keymgmt, exchange.datagram());
    let association = witness.accept_ap(&exchange, &first).expect("keys");
    let another = witness.begin_ap(&ticket, now);
    let mut agent = witness.agent(Security::User(Box::new(association.security)));
    agent.enroll(now);
    let inform = agent.inform(now).expect("an INFORM");
    let mut open = witness.agent(Security::Community("public".into()));
    open.enroll(now);
    let open_inform = open.inform(now).expect("an INFORM");
    let other_realm = world.misled(|known| known.realm = "OTHER.NET".parse().expect("a realm"));
    let mut lost = Eue::new(bystander.spec.clone(), other_realm);
    let wrong_realm = lost.begin_as(now).datagram().to_vec();
    lost.known = world.known.clone();
    lost.spec.flow = world.secure(world.foreign(witness.spec.mac, true));
    let foreign = lost.begin_as(now).datagram().to_vec();
    let target = |service, valid, probe, answers, first| Target {
        service,
        valid,
        probe,
        answers,
        first,
    };
    vec![
        target(
            Service::Kdc,
            vec![bystander.begin_as(now).datagram().to_vec(), foreign],
            wrong_realm,
            |datagram, _| is_krb_error(datagram, 68),
            Vec::new(),
        ),
        target(
            Service::Keymgmt,
            vec![another.datagram().to_vec(), first.clone()],
            exchange.datagram().to_vec(),
            |datagram, first| datagram == first,
            first,
        ),
        target(
            Service::Fqdn,
            vec![fqdn_request(server, bystander)],
            vec![0x6e, 0x00],
            |datagram, _| datagram.first() == Some(&0x7e) && KrbError::parse(datagram).is_ok(),
            Vec::new(),
        ),
        target(
            Service::Snmp,
            vec![inform, open_inform, snmp::encode_discovery(5)],
            snmp::encode_discovery(77),
            is_discovery_report,
            Vec::new(),
        ),
        target(
            Service::Tftp,
            vec![
                b"\0\x01shared\0octet\0tsize\x000\0blksize\x001448\0timeout\x001\0".to_vec(),
                b"\0\x02x\0octet\0".to_vec(),
            ],
            b"\0\x01nothing-of-this-name\0octet\0".to_vec(),
            |datagram, _| datagram.starts_with(&[0, 5, 0, 1]),
            Vec::new(),
        ),
    ]
}

/// What a TCP service is attacked with: whole garbage, and halves of messages that are left hanging.
fn hostile_streams(service: Service, valid: &[u8], random: &mut SeededRandom) -> Vec<Vec<u8>> {
    let mut noise = vec![0; 70_000];
    random.fill(&mut noise);
    let mut all = vec![
        Vec::new(),
        vec![0],
        vec![0xff; 4],
        noise.clone(),
        valid[..valid.len() / 2].to_vec(),
    ];
    match service {
        Service::Http => {
            all.push(b"GET".to_vec());
            all.push(b"GET /shared HTTP/1.1\r\nHost: x\r\nX: ".to_vec());
            all.push([&b"GET /"[..], &vec![b'a'; 100_000], b" HTTP/1.1\r\n\r\n"].concat());
            all.push([&b"GET / HTTP/1.1\r\n"[..], &b"X: y\r\n".repeat(1000), b"\r\n"].concat());
            all.push(b"GET /..%2f..%2fmaster.key HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
            all.push(b"POST /shared HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx".to_vec());
            all.push(b"GET /shared HTTP/1.1\r\nHost: x\r\nRange: bytes=99999999999999999999-1\r\n\r\n".to_vec());
            all.push(b"\0\0\0\0GET /\r\n\r\n".to_vec());
        }
        _ => {
            all.push(vec![0, 0, 0, 0]);
            all.push(vec![0, 1, 0, 1]);
            all.push([&[0, 0, 0xff, 0xff][..], &[0x6a; 5]].concat());
            all.push([&[0x7f, 0xff, 0xff, 0xff][..], &noise].concat());
        }
    }
    for _ in 0..40 {
        let length = usize::from(random.array::<1>()[0]) + 1;
        let at = usize::from(u16::from_be_bytes(random.array()));
        all.push(noise[at..at + length].to_vec());
    }
    all
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    stream
}

/// The body of a static file over HTTP.
fn http_get(server: SocketAddr, name: &str) -> Vec<u8> {
    let mut stream = connect(server);
    write!(stream, "GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let head = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    answer.split_off(head + 4)
}

/// The answer of the KDC over TCP.
fn kdc_over_tcp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    let length = u32::try_from(request.len()).expect("fits").to_be_bytes();
    stream.write_all(&[&length[..], request].concat()).expect("a request");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

#[test]
fn every_listener_survives_any_input_and_serves_the_next_request() {
    let mut server = Server::install();
    server.share("shared", &SHARED);
    let world = World::of(&server);
    let [witness, bystander] = [1, 2].map(|index| world.device(index, Flow::Secure));
    register(&server, &witness, &[]);
    register(&server, &bystander, &[]);
    server.start();
    let [witness, bystander] = [witness, bystander].map(|device| Eue::new(device, world.known.clone()));

    let targets = targets(&server, &world, &witness, &bystander);
    for target in &targets {
        for address in server.both(target.service) {
            target.assert_alive(&line(address), address, "before anything hostile");
        }
    }
    let before = server.attempts(witness.spec.mac)["attempts"].clone();
    let resident = server.resident();

    let mut sent = 0;
    for target in &targets {
        for address in server.both(target.service) {
            sent += target.attack(address);
        }
        server.assert_unhurt();
    }
    assert!(sent > 20_000, "{sent}");

    let mut random = SeededRandom::new(99);
    let mut hanging = Vec::new();
    for service in [Service::Kdc, Service::Http] {
        let valid = &targets[0].valid[0];
        for address in server.both(service) {
            for octets in hostile_streams(service, valid, &mut random) {
                let mut stream = connect(address);
                // The server may have closed before everything was written.
                let _ = stream.write_all(&octets);
                hanging.push(stream);
            }
        }
    }

    // With all of them still open, everything is served, in full.
    for [tftp_at, http_at, kdc_at] in
        [0, 1].map(|family| [Service::Tftp, Service::Http, Service::Kdc].map(|service| server.both(service)[family]))
    {
        let own = line(tftp_at).local_addr().expect("an address").ip();
        assert_eq!(tftp(own, tftp_at, "shared").as_deref(), Ok(&SHARED[..]));
        assert_eq!(http_get(http_at, "shared"), SHARED);
        assert!(is_krb_error(&kdc_over_tcp(kdc_at, &targets[0].probe), 68));
    }
    for target in &targets {
        for address in server.both(target.service) {
            target.assert_alive(&line(address), address, "at the end");
        }
    }
    drop(hanging);
    let after = server.resident();
    assert!(after < resident + GROWTH, "from {resident} KiB to {after} KiB");
    assert_eq!(
        server.attempts(witness.spec.mac)["attempts"],
        before,
        "nothing hostile changed the device's attempts"
    );
    let lines = server.stderr().lines().count();
    assert!(lines < LINES, "{lines} log lines");
    server.assert_unhurt();
    bystander.secured();
}
