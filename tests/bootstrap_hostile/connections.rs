//! Slow and broken connections, and many of one source.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use hardline::settings::Service;

use super::{BOTH, LEGACY, allow_each_source, connect, installation, serves};
use crate::support::bootstrap::{asker, curl, s_client, script, text};
use crate::support::peers::wait_for;

/// What comes until the other side closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    octets
}

#[test]
fn slow_broken_and_halved_connections_end_and_others_are_served() {
    let (mut server, papers) = installation();
    for (key, value) in [
        ("handshake_timeout = \"10s\"", "handshake_timeout = \"1s\""),
        ("request_timeout = \"10s\"", "request_timeout = \"1s\""),
        ("idle_timeout = \"60s\"", "idle_timeout = \"2s\""),
    ] {
        server.edit("hardline.toml", &format!("#= {key}"), value);
    }
    server.start();
    for service in BOTH {
        let address = server.v4(service);
        // Nothing, half a record, and a ClientHello that never ends: each is closed by the server.
        let silent = connect(address);
        let mut half = connect(address);
        half.write_all(&[22, 3, 1]).unwrap();
        let mut endless = connect(address);
        endless.write_all(&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]).unwrap();
        // Garbage and HTTP in place of TLS, and a peer that has closed its half: an alert or nothing, then the end.
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0xff; 4096],
            &[22, 3, 1, 0, 0],
            &[21, 3, 1, 0, 2, 2, 40],
        ] {
            let mut stream = connect(address);
            let _ = stream.write_all(garbage);
            let answer = rest(stream);
            assert!(answer.is_empty() || answer[0] == 21, "{service}: {answer:?}");
        }
        let gone = connect(address);
        gone.shutdown(Shutdown::Write).unwrap();
        assert!(rest(gone).len() < 16);
        serves(&server, &papers);
        for stream in [silent, half, endless] {
            assert!(rest(stream).len() < 16, "{service}: closed when its time is over");
        }
        // After the handshake: a request that comes drop by drop, and one that is too large.
        let args: &[&str] = if service == Service::Bootstrap {
            &["-quiet"]
        } else {
            &LEGACY
        };
        let slow = s_client(&server, service, Some(&papers), args, "GET / HTTP/1.1\r\nx: ");
        assert!(!slow.contains("200"), "{slow}");
        let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000));
        let large = s_client(&server, service, Some(&papers), args, &large);
        assert!(large.contains("431 Request Header Fields Too Large"), "{large}");
    }
    server.assert_unhurt();
}

#[test]
fn http_1_1_names_one_host_and_who_closes_its_half_is_answered() {
    let (mut server, papers) = installation();
    server.start();
    for service in BOTH {
        let ask = asker(service, &papers);
        let asked = |request: &str| ask(server.v4(service), request);
        for (request, status) in [
            ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK"),
            (
                "GET / HTTP/1.1\r\nHost: prov.example.net:443\r\n\r\n",
                "HTTP/1.1 200 OK",
            ),
            ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
                "HTTP/1.1 400 Bad Request",
            ),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ] {
            let answer = asked(request);
            assert!(answer.starts_with(status), "{service} {request:?}: {answer}");
            assert_eq!(answer.contains("</eueCredentials>"), status.contains("200"), "{answer}");
        }
    }
    server.assert_unhurt();
}

#[test]
fn one_source_cannot_take_all_connections() {
    let (mut server, papers) = installation();
    allow_each_source(&server, 5);
    server.start();
    for service in BOTH {
        let held: Vec<TcpStream> = (0..5).map(|_| connect(server.v4(service))).collect();
        std::thread::sleep(Duration::from_millis(200));
        let sixth = connect(server.v4(service));
        assert!(rest(sixth).is_empty(), "{service}: closed unread");
        // Another source is served meanwhile.
        let address = server.v4(service).to_string();
        let mut other = Command::new("curl");
        other.args(["-sS", "-k", "--interface", "127.0.0.9", "--tls-max", "1.2", "--tlsv1.0"]);
        other
            .env("OPENSSL_CONF", script("openssl.cnf"))
            .arg("--cert")
            .arg(&papers.chain)
            .arg("--key")
            .arg(&papers.key)
            .arg(format!("https://{address}/"));
        let answer = text(other.output().unwrap());
        assert!(answer.contains("<eueCredentials"), "{service}: {answer}");
        drop(held);
    }
    wait_for("those who left make room", || {
        text(curl(&server, Some(&papers), &[])).starts_with("HTTP/1.1 200")
    });
}
