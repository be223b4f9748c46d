//! Full mutual handshakes with one GET on each connection, by second of the server's CPU time, beside `openssl s_server -www`
//! with the same certificate, key and suite; then what 10,000 idle connections cost.
//!
//! `cargo bench --bench bootstrap`. The clients are OpenSSL's, the same for all servers, on the same machine: only CPU time
//! counts, of the server with its worker, from /proc. There are two s_servers: Debian's, and one of the vendored OpenSSL,
//! which is built in the target folder when it is first needed. Only that one has 3DES for TLS, so for the legacy suites it
//! is the peer.

#[path = "support/openssl.rs"]
mod openssl_command;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslSessionCacheMode, SslStream, SslVersion,
};

/// How long each server is measured.
const SPAN: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(1);
/// Clients at once. s_server serves one after the other and costs the same for any number; our durable records of who read
/// what share their commits.
const CLIENTS: usize = 64;
/// Idle connections that are held.
const IDLE: usize = 10_000;
const MAC: &str = "00:11:22:AA:BB:01";

#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    version: SslVersion,
    /// s_server's argument for it.
    flag: &'static str,
    /// OpenSSL's name; empty for TLS 1.3's own.
    suite: &'static str,
    legacy: bool,
}

const WORLDS: [World; 4] = [
    World {
        name: "TLS 1.3",
        version: SslVersion::TLS1_3,
        flag: "-tls1_3",
        suite: "",
        legacy: false,
    },
    World {
        name: "TLS 1.2 ECDHE-RSA-AES128-GCM-SHA256",
        version: SslVersion::TLS1_2,
        flag: "-tls1_2",
        suite: "ECDHE-RSA-AES128-GCM-SHA256",
        legacy: false,
    },
    World {
        name: "TLS 1.0 AES128-SHA",
        version: SslVersion::TLS1,
        flag: "-tls1",
        suite: "AES128-SHA",
        legacy: true,
    },
    World {
        name: "TLS 1.0 DES-CBC3-SHA",
        version: SslVersion::TLS1,
        flag: "-tls1",
        suite: "DES-CBC3-SHA",
        legacy: true,
    },
];

fn main() {
    let vendored = openssl_command::vendored();
    let site = Site::new();
    println!(
        "{:<38} {:>10} {:>10} {:>10} {:>7}",
        "GETs by CPU second of the server", "hardline", "Debian's", "vendored", "ratio"
    );
    for world in WORLDS {
        let ours = site.rate(world);
        let debian = (world.suite != "DES-CBC3-SHA").then(|| s_server(Path::new("openssl"), &site, world));
        let vendored = s_server(&vendored, &site, world);
        // Beside the one that the same OpenSSL is in; and where rustls is ours, the one that a user has.
        let beside = debian.filter(|_| !world.legacy).unwrap_or(vendored);
        println!(
            "{:<38} {ours:>10.0} {:>10} {vendored:>10.0} {:>7.2}",
            world.name,
            debian.map_or("-".to_owned(), |rate| format!("{rate:.0}")),
            ours / beside
        );
    }
    drop(site);
    for world in [WORLDS[0], WORLDS[2]] {
        // Each on a server of its own: what one has held, it keeps.
        let (before, after) = Site::new().idle(world);
        println!(
            "{IDLE} idle connections, {}: {:.1} MB resident in all processes, {:.1} before; {:.1} and {:.1} where a page \
             that two of them share counts once",
            world.name, after.resident, before.resident, after.shared_once, before.shared_once
        );
    }
}

/// An installation with a device, and the server on it.
struct Site {
    folder: tempfile::TempDir,
    server: Child,
    offset: u16,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let offset = (12_000..28_000)
            .step_by(97)
            .find(|offset| {
                [443, 4433, 53, 69, 80, 88, 162, 1293, 2246, 8080]
                    .iter()
                    .all(|port| TcpListener::bind(("127.0.0.1", port + offset)).is_ok())
            })
            .expect("free ports");
        let site = folder.path().join("site");
        let config = site.join("hardline.toml");
        let (site, config) = (
            site.to_str().expect("UTF-8"),
            config.to_str().expect("UTF-8").to_owned(),
        );
        run(&[
            "init",
            site,
            "--port-offset",
            &offset.to_string(),
            "--listen",
            "127.0.0.1",
        ]);
        let text = std::fs::read_to_string(&config).expect("settings");
        let text = text
            .replace("#= connections_per_source = 64", "connections_per_source = 0")
            .replace("#= idle_timeout = \"60s\"", "idle_timeout = \"10m\"");
        std::fs::write(&config, text).expect("settings");
        run(&[
            "device",
            "add",
            "--config",
            &config,
            "--mac",
            MAC,
            "--fqdn",
            "a.pktc.example.net",
            "--flow",
            "hybrid",
        ]);
        run(&[
            "credentials",
            "set",
            MAC,
            "--config",
            &config,
            "--impi",
            "a@ims",
            "--impu",
            "sip:a@ims",
            "--generate",
        ]);
        run(&[
            "pki",
            "device",
            "--config",
            &config,
            "--mac",
            MAC,
            "--out",
            &format!("{site}/device"),
        ]);
        let mut server = Command::new(env!("CARGO_BIN_EXE_hardline"))
            .args(["serve", "--config", &config])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("hardline");
        let mut ready = [0; 5];
        server
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut ready)
            .expect("ready");
        Self { folder, server, offset }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("site").join(name)
    }

    fn address(&self, world: World) -> SocketAddr {
        let port = if world.legacy { 4433 } else { 443 };
        SocketAddr::from(([127, 0, 0, 1], port + self.offset))
    }

    /// The server and its worker.
    fn processes(&self) -> Vec<u32> {
        let own = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let tasks = std::fs::read_dir(format!("/proc/{own}/task")).expect("proc");
        let mut all = vec![own];
        for task in tasks.filter_map(Result::ok) {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        all.sort_unstable();
        all.dedup();
        all
    }

    fn rate(&self, world: World) -> f64 {
        measure(&self.client(world), self.address(world), || self.processes())
    }

    fn client(&self, world: World) -> SslContext {
        let mut context = SslContextBuilder::new(SslMethod::tls_client()).expect("OpenSSL");
        context.set_security_level(0);
        context.set_min_proto_version(Some(world.version)).expect("a version");
        context.set_max_proto_version(Some(world.version)).expect("a version");
        if !world.suite.is_empty() {
            context.set_cipher_list(world.suite).expect("a suite");
        }
        context.set_session_cache_mode(SslSessionCacheMode::OFF);
        context
            .set_certificate_chain_file(self.path("device/chain.pem"))
            .expect("a chain");
        context
            .set_private_key_file(self.path("device/device.key.pem"), SslFiletype::PEM)
            .expect("a key");
        context.build()
    }

    /// Memory of the server and its worker before and with the idle connections.
    fn idle(&self, world: World) -> (Memory, Memory) {
        let context = self.client(world);
        let before = Memory::of(&self.processes());
        let mut held = Vec::new();
        for _ in 0..IDLE {
            let stream = TcpStream::connect(self.address(world)).expect("connected");
            // The request goes after the handshake at once, and not when that is acknowledged.
            stream.set_nodelay(true).expect("set");
            held.push(stream.try_clone().expect("a descriptor"));
            let mut tls = SslStream::new(Ssl::new(&context).expect("SSL"), stream).expect("SSL");
            tls.connect().expect("a handshake");
            tls.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
            let mut answer = [0; 64];
            assert!(tls.read(&mut answer).expect("read") > 0);
        }
        let after = Memory::of(&self.processes());
        // Every one of them still stands.
        for stream in held.iter().step_by(100) {
            stream.set_nonblocking(true).expect("set");
            let state = stream.peek(&mut [0; 1]);
            assert!(!matches!(state, Ok(0)), "a connection was closed");
        }
        (before, after)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn run(args: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_hardline"))
        .args(args)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("hardline runs").success(), "{args:?}");
}

/// CPU time in seconds, user and system, of all threads.
fn cpu(processes: &[u32]) -> f64 {
    let ticks = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        number(11) + number(12)
    };
    processes.iter().map(ticks).sum::<u64>() as f64 / 100.0
}

/// Memory of several processes in units of 1,000,000 octets.
struct Memory {
    resident: f64,
    /// The same, but a page of so many processes counts by its share in each. The worker lets nobody but root look.
    shared_once: f64,
}

impl Memory {
    fn of(processes: &[u32]) -> Self {
        let all = |file: &str, field: &str| processes.iter().map(|pid| memory(*pid, file, field)).sum::<u64>();
        let megabytes = |kibibytes: u64| kibibytes as f64 * 1024.0 / 1e6;
        Self {
            resident: megabytes(all("status", "VmRSS:")),
            shared_once: megabytes(all("smaps_rollup", "Pss:")),
        }
    }
}

/// What a line of a file about a process says in KiB.
fn memory(pid: u32, file: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// GETs by second of CPU time of `processes`.
fn measure(context: &SslContext, address: SocketAddr, processes: impl Fn() -> Vec<u32>) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (context, stop, done) = (context.clone(), stop.clone(), done.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    get(&context, address);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    std::thread::sleep(WARM_UP);
    let processes = processes();
    let (count, spent, begun) = (done.load(Ordering::Relaxed), cpu(&processes), Instant::now());
    std::thread::sleep(SPAN);
    let (count, spent) = (done.load(Ordering::Relaxed) - count, cpu(&processes) - spent);
    let wall = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    assert!(
        spent > 0.2 && count > 50,
        "too little to measure: {count} in {spent} s of {wall:?}"
    );
    count as f64 / spent
}

fn get(context: &SslContext, address: SocketAddr) {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("set");
    let mut tls = SslStream::new(Ssl::new(context).expect("SSL"), stream).expect("SSL");
    tls.connect().expect("a handshake");
    tls.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains(" 200 "), "{text}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port()
}

/// Measures another server, which this starts and ends.
fn beside(mut command: Command, site: &Site, world: World, port: u16) -> f64 {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let id = child.id();
    let rate = measure(&site.client(world), address, || vec![id]);
    let _ = child.kill();
    let _ = child.wait();
    rate
}

fn s_server(openssl: &Path, site: &Site, world: World) -> f64 {
    let port = free_port();
    let mut command = Command::new(openssl);
    command.args([
        "s_server",
        "-www",
        "-quiet",
        "-accept",
        &port.to_string(),
        "-Verify",
        "4",
        "-verify_return_error",
    ]);
    command.args([
        world.flag,
        "-no_ticket",
        "-num_tickets",
        "0",
        "-no_cache",
        "-naccept",
        "1000000",
    ]);
    command
        .arg("-cert")
        .arg(site.path("pki/bootstrap.crt.pem"))
        .arg("-key")
        .arg(site.path("pki/bootstrap.key.pem"));
    command
        .arg("-cert_chain")
        .arg(site.path("pki/sp-ca.crt.pem"))
        .arg("-CAfile")
        .arg(site.path("pki/mta-root.crt.pem"));
    let suite = if world.suite.is_empty() { "DEFAULT" } else { world.suite };
    command.args(["-cipher", &format!("{suite}:@SECLEVEL=0")]);
    beside(command, site, world, port)
}
