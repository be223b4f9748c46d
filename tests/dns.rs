//! The DNS service, judged by dig, host, delv and tshark (seed 003 §6.1.2, §6.2.3, eUE-5 to eUE-8).

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use hardline::model::Flow;
use hardline::settings::Service;
use support::capture::Capture;
use support::client::{Eue, World, register};
use support::server::Server;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; install the package bind9-dnsutils"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What dig prints for a query to `server`; it asks once and waits long.
fn dig(server: SocketAddr, query: &[&str]) -> String {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let mut args = vec![at.as_str(), "-p", &port, "+tries=1", "+timeout=10"];
    args.extend(query);
    run("dig", &args)
}

/// The answers alone, a line each, sorted.
fn short(server: SocketAddr, query: &[&str]) -> Vec<String> {
    let said = dig(server, &[&["+short"], query].concat());
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn add(server: &Server, mac: &str, fqdn: &str, addresses: &[&str]) {
    let more: Vec<&str> = addresses.iter().flat_map(|address| ["--ip", address]).collect();
    server.add_device(mac, fqdn, Flow::Secure, &more);
}

/// A server with three devices that were there when it started.
fn started() -> (Server, [SocketAddr; 2]) {
    let mut server = Server::install();
    server.edit(
        "hardline.toml",
        "#= records = []",
        "records = [\"ntp.pktc.example.net A 192.0.2.123\", \
         \"_sip._udp.pktc.example.net SRV 0 10 5060 ntp.pktc.example.net.\", \
         'pktc.example.net NAPTR 10 50 \"s\" \"SIP+D2U\" \"\" _sip._udp.pktc.example.net.']\n\
         zones = [\"homes.example.org\"]",
    );
    add(
        &server,
        "00:11:22:00:00:01",
        "mta1.pktc.example.net",
        &["192.0.2.7", "2001:db8::7"],
    );
    add(&server, "00:11:22:00:00:02", "mta2.nyc.pktc.example.net", &["10.1.2.3"]);
    add(&server, "00:11:22:00:00:03", "mta3.homes.example.org", &["192.0.2.9"]);
    server.start();
    let dns = server.both(Service::Dns);
    (server, dns)
}

#[test]
fn dig_finds_kdc_devices_and_reverse_names() {
    let (server, [v4, v6]) = started();
    let kdc = server.v4(Service::Kdc).port();
    let srv = [format!("0 0 {kdc} kdc.pktc.example.net.")];
    for name in [
        "_kerberos._udp.PKTC.EXAMPLE.NET",
        "_KERBEROS._TCP.pktc.example.net",
        "_kerberos._udp.pktc.example.net",
    ] {
        for at in [v4, v6] {
            assert_eq!(short(at, &["SRV", name]), srv, "{name} at {at}");
            assert_eq!(short(at, &["+tcp", "SRV", name]), srv, "{name} at {at} over TCP");
        }
    }
    // RFC 2782: what the client asks for next comes along.
    let whole = dig(v4, &["SRV", "_kerberos._udp.PKTC.EXAMPLE.NET"]);
    assert!(whole.contains("ADDITIONAL SECTION"), "{whole}");
    let additional = whole.split("ADDITIONAL SECTION").nth(1).unwrap();
    assert!(
        additional.contains("127.0.0.1") && additional.contains("::1"),
        "{whole}"
    );
    assert!(
        whole.contains("flags: qr aa rd;"),
        "authoritative, no recursion: {whole}"
    );

    let answers = |query: &[&str]| short(v4, query);
    assert_eq!(answers(&["A", "kdc.pktc.example.net"]), ["127.0.0.1"]);
    assert_eq!(answers(&["AAAA", "kdc.pktc.example.net"]), ["::1"]);
    assert_eq!(answers(&["A", "prov.pktc.example.net"]), ["127.0.0.1"]);
    assert_eq!(answers(&["NS", "pktc.example.net"]), ["ns.pktc.example.net."]);
    assert_eq!(answers(&["AAAA", "ns.pktc.example.net"]), ["::1"]);
    assert_eq!(answers(&["A", "MTA1.pktc.example.net"]), ["192.0.2.7"]);
    assert_eq!(answers(&["AAAA", "mta1.pktc.example.net"]), ["2001:db8::7"]);
    assert_eq!(answers(&["A", "mta2.nyc.pktc.example.net"]), ["10.1.2.3"]);
    assert_eq!(answers(&["A", "mta3.homes.example.org"]), ["192.0.2.9"]);
    assert_eq!(answers(&["-x", "192.0.2.7"]), ["mta1.pktc.example.net."]);
    assert_eq!(answers(&["-x", "2001:db8::7"]), ["mta1.pktc.example.net."]);
    assert_eq!(answers(&["-x", "10.1.2.3"]), ["mta2.nyc.pktc.example.net."]);
    assert!(answers(&["-x", "127.0.0.1"]).contains(&"kdc.pktc.example.net.".to_owned()));
    let soa = answers(&["SOA", "pktc.example.net"]);
    assert!(
        soa[0].starts_with("ns.pktc.example.net. hostmaster.pktc.example.net. "),
        "{soa:?}"
    );
    assert!(answers(&["SOA", "2.0.192.in-addr.arpa"])[0].starts_with("ns.pktc.example.net."));

    // What the operator adds.
    assert_eq!(answers(&["A", "ntp.pktc.example.net"]), ["192.0.2.123"]);
    assert_eq!(
        answers(&["SRV", "_sip._udp.pktc.example.net"]),
        ["0 10 5060 ntp.pktc.example.net."]
    );
    assert_eq!(
        answers(&["NAPTR", "pktc.example.net"]),
        ["10 50 \"s\" \"SIP+D2U\" \"\" _sip._udp.pktc.example.net."]
    );

    // host and delv read the same.
    let (ip, port) = (v4.ip().to_string(), v4.port().to_string());
    let host = run("host", &["-p", &port, "mta1.pktc.example.net", &ip]);
    assert!(
        host.contains("mta1.pktc.example.net has address 192.0.2.7")
            && host.contains("mta1.pktc.example.net has IPv6 address 2001:db8::7"),
        "{host}"
    );
    let delv = run(
        "delv",
        &[
            &format!("@{ip}"),
            "-p",
            &port,
            "+noroot",
            "-i",
            "mta1.pktc.example.net",
            "A",
        ],
    );
    assert!(delv.contains("192.0.2.7"), "{delv}");
}

#[test]
fn a_device_is_answered_from_the_moment_it_is_stored() {
    let (server, [dns, _]) = started();
    let gone = dig(dns, &["A", "mta9.pktc.example.net"]);
    assert!(gone.contains("status: NXDOMAIN") && gone.contains("IN\tSOA"), "{gone}");
    add(&server, "00:11:22:00:00:09", "mta9.pktc.example.net", &["192.0.2.99"]);
    assert_eq!(short(dns, &["A", "mta9.pktc.example.net"]), ["192.0.2.99"]);
    assert_eq!(short(dns, &["-x", "192.0.2.99"]), ["mta9.pktc.example.net."]);
    add(&server, "00:11:22:00:00:09", "mta9.pktc.example.net", &["192.0.2.100"]);
    assert_eq!(short(dns, &["A", "mta9.pktc.example.net"]), ["192.0.2.100"]);
    server.command(&["device", "remove", "00:11:22:00:00:09"]);
    assert!(dig(dns, &["A", "mta9.pktc.example.net"]).contains("status: NXDOMAIN"));
}

#[test]
fn what_is_not_there_is_told_apart() {
    let (_server, [dns, _]) = started();
    let status = |query: &[&str]| {
        let said = dig(dns, query);
        let status = said.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
        let answers = said.split("ANSWER: ").nth(1).and_then(|rest| rest.split(',').next());
        let soa = said
            .split("AUTHORITY SECTION")
            .nth(1)
            .is_some_and(|rest| rest.contains("\tSOA\t"));
        (
            status.unwrap_or("none").to_owned(),
            answers.unwrap_or("none").to_owned(),
            soa,
        )
    };
    let is = |query: &[&str], code: &str, soa: bool| {
        assert_eq!(status(query), (code.to_owned(), "0".to_owned(), soa), "{query:?}");
    };
    is(&["A", "nobody.pktc.example.net"], "NXDOMAIN", true);
    is(&["-x", "192.0.2.250"], "NXDOMAIN", true);
    // RFC 2308 §2.2: the name exists, the type does not.
    is(&["AAAA", "mta2.nyc.pktc.example.net"], "NOERROR", true);
    is(&["TXT", "kdc.pktc.example.net"], "NOERROR", true);
    // RFC 8020 §2: names that only lie between others exist.
    for name in ["_udp.pktc.example.net", "nyc.pktc.example.net", "1.10.in-addr.arpa"] {
        is(&["A", name], "NOERROR", true);
    }
    // Outside the zones, and what this server does not do.
    for query in [
        &["A", "www.example.com"][..],
        &["A", "example.net"],
        &["-x", "8.8.8.8"],
        &["-c", "CH", "TXT", "version.bind"],
        &["+tcp", "AXFR", "pktc.example.net"],
    ] {
        let said = dig(dns, query);
        assert!(
            said.contains("status: REFUSED") || said.contains("Transfer failed"),
            "{query:?}: {said}"
        );
    }
    assert!(dig(dns, &["+opcode=status", "A", "kdc.pktc.example.net"]).contains("status: NOTIMP"));
    assert!(dig(dns, &["+opcode=update", "SOA", "pktc.example.net"]).contains("status: NOTIMP"));
    assert!(dig(dns, &["+edns=1", "+noednsnegotiation", "A", "kdc.pktc.example.net"]).contains("status: BADVERS"));
    // RFC 8482: ANY is answered, briefly.
    assert_eq!(short(dns, &["ANY", "mta1.pktc.example.net"]), ["192.0.2.7"]);
}

#[test]
fn a_large_answer_is_truncated_over_udp_and_whole_over_tcp() {
    let (server, [dns, _]) = started();
    // 16 names of one address, each some 40 octets long.
    for number in 0..16 {
        let mac = format!("00:11:22:00:01:{number:02x}");
        let fqdn = format!("a-rather-long-name-of-a-device-{number:02}.somewhere.homes.example.org");
        add(&server, &mac, &fqdn, &["198.51.100.7"]);
    }
    let small = dig(dns, &["+ignore", "+noedns", "-x", "198.51.100.7"]);
    assert!(small.contains(" tc "), "{small}");
    let size: usize = small
        .split("MSG SIZE  rcvd: ")
        .nth(1)
        .and_then(|rest| rest.trim().parse().ok())
        .unwrap();
    assert!(size <= 512, "{size}");
    let edns = dig(dns, &["+ignore", "+bufsize=1232", "-x", "198.51.100.7"]);
    assert!(!edns.contains(" tc ") && edns.contains("udp: 1232"), "{edns}");
    assert_eq!(short(dns, &["+tcp", "+noedns", "-x", "198.51.100.7"]).len(), 16);
    // dig goes over to TCP by itself.
    assert_eq!(short(dns, &["+noedns", "-x", "198.51.100.7"]).len(), 16);
}

#[test]
fn hostile_messages_get_an_error_or_nothing() {
    let (server, [dns, _]) = started();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(dns).unwrap();
    let ask = |octets: &[u8], wait: u64| {
        socket.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
        socket.send(octets).unwrap();
        let mut buffer = [0; 2048];
        socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())
    };
    let header = |flags: u16, counts: [u16; 4]| {
        let mut octets = vec![0xab, 0xcd];
        octets.extend(flags.to_be_bytes());
        counts.iter().for_each(|count| octets.extend(count.to_be_bytes()));
        octets
    };
    let code = |answer: Option<Vec<u8>>| answer.map(|answer| (answer[0], answer[1], answer[2] & 0x80, answer[3] & 0xf));
    let formerr = Some((0xab, 0xcd, 0x80, 1));
    // Counts that the message cannot hold.
    assert_eq!(code(ask(&header(0x0100, [0xffff; 4]), 5000)), formerr);
    assert_eq!(code(ask(&header(0x0100, [1, 0, 0, 0]), 5000)), formerr);
    assert_eq!(code(ask(&header(0x0100, [0, 0, 0, 0]), 5000)), formerr);
    assert_eq!(code(ask(&header(0x0100, [2, 0, 0, 0]), 5000)), formerr);
    // A name that points to itself.
    let loops = [header(0, [1, 0, 0, 0]), vec![0xc0, 12, 0, 1, 0, 1]].concat();
    assert_eq!(code(ask(&loops, 5000)), formerr);
    // An answer, and what is no message at all.
    assert_eq!(ask(&header(0x8000, [1, 0, 0, 0]), 500), None);
    assert_eq!(ask(b"hello", 500), None);

    // TCP: a length without its message, and a longer one than any query.
    let mut stream = TcpStream::connect(dns).unwrap();
    stream.write_all(&[0xff, 0xff]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0, "the connection is closed");
    assert_eq!(short(dns, &["A", "mta1.pktc.example.net"]), ["192.0.2.7"]);
    drop(server);
}

#[test]
fn a_source_that_asks_too_much_is_held_back_and_others_are_not() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= rate_per_source = 2000", "rate_per_source = 5");
    server.start();
    let [dns, _] = server.both(Service::Dns);
    let query = {
        let mut octets = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in ["kdc", "pktc", "example", "net", ""] {
            octets.push(u8::try_from(label.len()).unwrap());
            octets.extend(label.as_bytes());
        }
        octets.extend([0, 1, 0, 1]);
        octets
    };
    let from = |address: &str| {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(dns).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        socket
    };
    let noisy = from("127.0.0.2");
    for _ in 0..200 {
        noisy.send(&query).unwrap();
    }
    let mut buffer = [0; 512];
    let answered = (0..200).take_while(|_| noisy.recv(&mut buffer).is_ok()).count();
    assert!((1..=50).contains(&answered), "{answered} of 200 were answered");
    let other = from("127.0.0.3");
    other.send(&query).unwrap();
    assert!(other.recv(&mut buffer).is_ok(), "another source is answered");
}

#[test]
fn tshark_reads_every_answer() {
    let (_server, [dns, _]) = started();
    let mut capture = Capture::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(dns).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let client: SocketAddr = "192.0.2.1:40000".parse().unwrap();
    let server: SocketAddr = "192.0.2.2:53".parse().unwrap();
    let queries: [(&str, u16); 6] = [
        ("_kerberos._udp.PKTC.EXAMPLE.NET", 33),
        ("mta1.pktc.example.net", 28),
        ("7.2.0.192.in-addr.arpa", 12),
        ("pktc.example.net", 35),
        ("nobody.pktc.example.net", 1),
        ("www.example.com", 1),
    ];
    for (number, (name, kind)) in queries.into_iter().enumerate() {
        let mut octets = vec![0, u8::try_from(number).unwrap(), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').chain([""]) {
            octets.push(u8::try_from(label.len()).unwrap());
            octets.extend(label.as_bytes());
        }
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 1]);
        socket.send(&octets).unwrap();
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        capture.udp(client, server, &octets);
        capture.udp(server, client, &buffer[..length]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.pcap");
    capture.write(&file);
    let read = |filter: &str, fields: &[&str]| {
        let mut args = vec!["-r", file.to_str().unwrap(), "-Y", filter, "-T", "fields"];
        fields.iter().for_each(|field| args.extend(["-e", *field]));
        run("tshark", &args)
    };
    assert_eq!(
        read("_ws.malformed || _ws.expert.severity >= 0x600000", &["frame.number"]),
        ""
    );
    let codes = read(
        "dns.flags.response == 1",
        &["dns.flags.rcode", "dns.flags.authoritative"],
    );
    assert_eq!(
        codes.lines().collect::<Vec<_>>(),
        ["0\t1", "0\t1", "0\t1", "0\t1", "3\t1", "5\t0"],
        "{codes}"
    );
    let srv = read("dns.srv.target", &["dns.srv.target"]);
    assert_eq!(srv.trim(), "kdc.pktc.example.net");
}

#[test]
fn a_foreign_provisioning_server_is_found_by_its_name() {
    let (mut own, mut other) = (
        Server::install(),
        Server::install_with(&["--domain", "other.example.net"]),
    );
    let port = own.v4(Service::Fqdn).port();
    other.edit(
        "hardline.toml",
        "[fqdn]\nenabled = true\nlisten = [\"127.0.0.1\", \"::1\"]",
        &format!("[fqdn]\nenabled = true\nlisten = [\"127.0.0.77:{port}\"]"),
    );
    own.edit(
        "hardline.toml",
        "#= records = []",
        "records = [\"prov.other.example.net A 127.0.0.77\"]\nzones = [\"other.example.net\"]",
    );
    let dns = own.v4(Service::Dns);
    own.edit("hardline.toml", "#= servers = []", &format!("servers = [\"{dns}\"]"));
    let world = World::of(&own);
    let device = world.device(1, Flow::Secure);
    register(&other, &device, &[]);
    let known = world.misled(|known| known.prov_fqdn = "prov.other.example.net".parse().unwrap());
    let eue = Eue::new(device, known);

    own.start();
    other.start();
    let refused = eue.ticket().unwrap_err().to_string();
    assert!(
        refused.contains("KRB-ERROR 7"),
        "without a key nobody is asked: {refused}"
    );
    let keytab = other.site().join("keytab");
    let keytab = keytab.to_str().unwrap();
    for (server, command) in [(&other, "export"), (&own, "import")] {
        server.command(&["keytab", command, "--file", keytab]);
    }
    // Keys that were imported are seen within moments.
    own.hang_up();
    let ticket = eue.ticket().unwrap_or_else(|fault| panic!("{fault}: {}", own.stderr()));
    let service = ticket.ticket.service().to_string();
    assert!(service.starts_with("mtaprovsrvr/prov.other.example.net"), "{service}");
}
