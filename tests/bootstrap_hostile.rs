//! Bootstrapping under bad input: slow, large, broken and many; and the process for the legacy suites, looked at and killed.

#![cfg(feature = "legacy-tls")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use hardline::settings::Service;
use serde_json::Value;
use support::bootstrap::{Papers, asker, curl, fetcher, python, s_client, script, text, with_device};
use support::peers::{eventually, wait_for};
use support::server::Server;

const MAC: &str = "00:11:22:AA:BB:01";
const LEGACY: [&str; 4] = ["-cipher", "AES128-SHA:@SECLEVEL=0", "-tls1", "-quiet"];
const GET: &str = "GET /eue HTTP/1.0\r\n\r\n";
const BOTH: [Service; 2] = [Service::Bootstrap, Service::BootstrapLegacy];

fn installation() -> (Server, Papers) {
    with_device(MAC)
}

fn serves(server: &Server, papers: &Papers) {
    let modern = text(curl(server, Some(papers), &[]));
    assert!(modern.starts_with("HTTP/1.1 200"), "{modern}\n{}", server.stderr());
    let legacy = s_client(server, Service::BootstrapLegacy, Some(papers), &LEGACY, GET);
    assert!(legacy.contains("HTTP/1.0 200"), "{legacy}\n{}", server.stderr());
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What comes until the other side closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    octets
}

/// The process for the legacy suites.
fn worker(server: &Server) -> u32 {
    started(server).expect("a worker")
}

/// The same, where it runs.
fn started(server: &Server) -> Option<u32> {
    let children = Command::new("ps")
        .args(["-o", "pid=,args=", "--ppid", &server.pid().to_string()])
        .output()
        .unwrap();
    let children = text(children);
    let mut lines = children.lines();
    let line = lines.find(|line| line.contains("bootstrap-worker") && !line.contains("defunct"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn the_worker_has_little_and_only_its_connections_die_with_it() {
    let (mut server, papers) = installation();
    server.start();
    serves(&server, &papers);
    let pid = worker(&server);
    let proc = |pid: u32, name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let status = String::from_utf8(proc(pid, "status")).unwrap();
    let root = nix::unistd::geteuid().is_root();
    if root {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        let ids = |number: u32| format!("{number}\t{number}\t{number}\t{number}");
        assert!(
            status.contains(&format!("Uid:\t{}", ids(nobody.uid.as_raw()))),
            "{status}"
        );
        assert!(
            status.contains(&format!("Gid:\t{}", ids(nobody.gid.as_raw()))),
            "{status}"
        );
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        assert!(proc(pid, "environ").is_empty(), "its environment is empty");
        let held: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.display().to_string()))
            .collect();
        assert!(
            !held
                .iter()
                .any(|name| name.contains("hardline.db") || name.contains("master.key")),
            "{held:?}"
        );
        let files: Vec<&String> = held
            .iter()
            .filter(|name| name.starts_with('/') && *name != "/dev/null")
            .collect();
        assert!(files.is_empty(), "no file of any kind: {files:?}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");

    // A connection of each kind that waits for its next request.
    let mut modern = Waiting::open(&server, Service::Bootstrap, &papers);
    let mut legacy = Waiting::open(&server, Service::BootstrapLegacy, &papers);
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    let next = eventually("it is started again", || started(&server).filter(|next| *next != pid));
    assert!(modern.asks(), "the other listener's connections go on");
    assert!(!legacy.asks(), "its own are lost");
    serves(&server, &papers);
    assert!(server.stderr().contains("started again wait=100ms"));
    // One that ends again soon is waited for longer.
    let kill = |pid: u32| Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(kill(next).success());
    wait_for("it is started again, later", || {
        server.stderr().contains("started again wait=200ms")
    });
    let next = eventually("and serves", || started(&server).filter(|pid| *pid != next));
    serves(&server, &papers);
    let (status, _) = server.terminate();
    assert!(status.success());
    wait_for("the worker ends with the server", || {
        !std::path::Path::new(&format!("/proc/{next}")).exists()
    });
}

/// `openssl s_client` on a connection that stays open.
struct Waiting {
    child: std::process::Child,
    output: std::sync::mpsc::Receiver<String>,
}

impl Waiting {
    fn open(server: &Server, service: Service, papers: &Papers) -> Self {
        let mut command = Command::new("openssl");
        command.env("OPENSSL_CONF", script("openssl.cnf"));
        command
            .args([
                "s_client",
                "-quiet",
                "-connect",
                &server.v4(service).to_string(),
                "-cert",
            ])
            .arg(&papers.chain);
        command
            .arg("-cert_chain")
            .arg(&papers.chain)
            .arg("-key")
            .arg(&papers.key);
        if service == Service::BootstrapLegacy {
            command.args(&LEGACY[..3]);
        }
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, output) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut waiting = Self { child, output };
        assert!(waiting.asks(), "{service}");
        waiting
    }

    /// Whether a request on it is answered.
    fn asks(&mut self) -> bool {
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        if self
            .child
            .stdin
            .as_mut()
            .is_none_or(|stdin| stdin.write_all(request).is_err())
        {
            return false;
        }
        let mut answered = false;
        while let Ok(line) = self
            .output
            .recv_timeout(Duration::from_secs(if answered { 1 } else { 10 }))
        {
            answered |= line.contains("200 OK");
            if line.contains("</eueCredentials>") {
                return answered;
            }
        }
        false
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
fn thousands_of_idle_connections_leave_memory_and_others_alone() {
    let (mut server, papers) = installation();
    server.edit(
        "hardline.toml",
        "#= connections_per_source = 64",
        "connections_per_source = 0",
    );
    server.start();
    serves(&server, &papers);
    let before = server.resident() + resident(worker(&server));
    let mut held = Vec::new();
    for service in BOTH {
        for _ in 0..1000 {
            held.push(connect(server.v4(service)));
        }
    }
    serves(&server, &papers);
    let grown = (server.resident() + resident(worker(&server))).saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB for 2000 connections that say nothing");
    drop(held);
    server.assert_unhurt();
}

/// Connections of devices that have had their document and keep it open, by the memory of the server with its worker.
#[test]
fn a_device_that_stays_connected_costs_little() {
    const CONNECTIONS: u64 = 1000;
    let (mut server, papers) = installation();
    for (from, to) in [
        ("#= connections_per_source = 64", "connections_per_source = 0"),
        ("#= idle_timeout = \"60s\"", "idle_timeout = \"1h\""),
    ] {
        server.edit("hardline.toml", from, to);
    }
    server.start();
    for service in BOTH {
        let fetch = fetcher(service, &papers);
        // What the first ones leave behind is not theirs.
        let mut held: Vec<TcpStream> = (0..50).map(|_| fetch(server.v4(service))).collect();
        let both = || resident(server.pid()) + resident(worker(&server));
        let before = both();
        held.extend((0..CONNECTIONS).map(|_| fetch(server.v4(service))));
        let each = both().saturating_sub(before) * 1024 / CONNECTIONS;
        println!("{service}: {each} octets for a connection that waits");
        assert!(
            each < LITTLE,
            "{service}: {each} octets for each of {CONNECTIONS} connections"
        );
        serves(&server, &papers);
    }
    server.assert_unhurt();
}

/// A process' resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What one of ten thousand connections may cost of 400 MiB, with 50 MiB for the two processes themselves.
const LITTLE: u64 = 36_700;

#[test]
fn one_source_cannot_take_all_connections() {
    let (mut server, papers) = installation();
    server.edit(
        "hardline.toml",
        "#= connections_per_source = 64",
        "connections_per_source = 5",
    );
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

#[test]
fn wrong_paddings_are_answered_alike() {
    let (mut server, papers) = installation();
    server.start();
    let out = Command::new(python())
        .arg(script("padding.py"))
        .args(["127.0.0.1", &server.v4(Service::BootstrapLegacy).port().to_string()])
        .args([&papers.chain, &papers.key])
        .arg("4")
        .output()
        .unwrap();
    let said = text(out);
    let found: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    println!("{found:#}");
    let kinds = found.as_object().unwrap();
    assert_eq!(kinds["right"]["answers"], serde_json::json!(["accepted"]), "{found:#}");
    for (kind, seen) in kinds.iter().filter(|(kind, _)| *kind != "right") {
        // bad_record_mac: the server went on with a secret of its own.
        assert_eq!(seen["answers"], serde_json::json!(["alert 20"]), "{kind}: {found:#}");
    }
    server.assert_unhurt();
}

/// What testssl.sh finds, by listener: each line of the lists is a finding and the reason why it is as it should be.
#[test]
fn testssl_finds_what_is_expected() {
    let (mut server, papers) = installation();
    server.edit(
        "hardline.toml",
        "#= connections_per_source = 64",
        "connections_per_source = 0",
    );
    server.start();
    let mut runs = Vec::new();
    for (service, list) in [
        (Service::Bootstrap, "testssl-bootstrap.txt"),
        (Service::BootstrapLegacy, "testssl-legacy.txt"),
    ] {
        let out = server.site().join(list);
        let mut command = Command::new("testssl");
        command.args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "-n",
            "none",
            "--jsonfile",
        ]);
        command
            .arg(&out)
            .args(["-p", "-s", "-BB", "-R", "-C", "-O", "-Z", "-W", "-F", "-4"]);
        command.arg(server.v4(service).to_string()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        runs.push((service, list, out, command.spawn().expect("testssl runs")));
    }
    for (service, list, out, mut child) in runs {
        child.wait().expect("testssl ends");
        let found: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        // What it says of its own OpenSSL is no finding about the server; and whether a client may renegotiate it cannot
        // tell without a client certificate: it says WARN or OK as its time-outs fall. The test below tells it.
        let about_us = |finding: &&Value| {
            let severity = text(finding, "severity");
            let id = text(finding, "id");
            !["engine_problem", "secure_client_renego"].contains(&id.as_str())
                && severity != "INFO"
                && severity != "DEBUG"
        };
        let found = found.as_array().expect("a list").iter().filter(about_us);
        let found: Vec<String> = found
            .map(|finding| format!("{} {}", text(finding, "id"), text(finding, "severity")))
            .collect();
        let expected = std::fs::read_to_string(script(list)).unwrap();
        let lines = expected.lines().filter(|line| !line.starts_with('#'));
        let expected: Vec<&str> = lines
            .map(|line| line.split_once(" | ").expect("a reason on each line").0)
            .collect();
        assert_eq!(found, expected, "{service}");
    }
    serves(&server, &papers);
}

#[test]
fn nobody_renegotiates() {
    let (mut server, papers) = installation();
    server.start();
    for version in ["-tls1", "-tls1_2"] {
        let mut command = Command::new("timeout");
        command.args(["60", "openssl", "s_client", "-connect"]);
        command.arg(server.v4(Service::BootstrapLegacy).to_string());
        command.args(&LEGACY[..2]).arg(version).arg("-cert").arg(&papers.chain);
        command
            .arg("-cert_chain")
            .arg(&papers.chain)
            .arg("-key")
            .arg(&papers.key);
        command.env("OPENSSL_CONF", script("openssl.cnf")).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A line R is s_client's command to renegotiate. Its input stays open: what ends it is the refusal.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"R\n").unwrap();
        let said = text(child.wait_with_output().unwrap());
        let refused = said.contains("RENEGOTIATING") && said.contains("no renegotiation");
        assert!(refused, "{version}: {said}");
        drop(stdin);
    }
    serves(&server, &papers);
}
