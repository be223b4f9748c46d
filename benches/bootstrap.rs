//! Full mutual handshakes with one GET on each connection, by second of the server's CPU time, beside `openssl s_server -www`
//! with the same certificate, key and suite; then what 10,000 idle connections cost.
//!
//! `cargo bench --bench bootstrap`. The clients are OpenSSL's, the same for all servers, on the same machine: only CPU time
//! counts, of the server with its worker, from /proc. Debian's OpenSSL has no 3DES for TLS; there, and for comparison with
//! AES-128, the peer is a server of a few lines over the vendored OpenSSL, which this program also is (`--peer`).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslOptions, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::X509;

/// How long each server is measured.
const SPAN: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(1);
/// Clients at once.
const CLIENTS: usize = 4;
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
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, pki, suite] = args.as_slice()
        && flag == "--peer"
    {
        return peer(Path::new(pki), suite);
    }
    let site = Site::new();
    println!(
        "{:<38} {:>10} {:>10} {:>10} {:>7}",
        "GETs by CPU second of the server", "hardline", "s_server", "own peer", "ratio"
    );
    for world in WORLDS {
        let ours = site.rate(world);
        let debian = (world.suite != "DES-CBC3-SHA").then(|| s_server(&site, world));
        let vendored = world.legacy.then(|| own_peer(&site, world));
        let beside = debian.or(vendored).unwrap_or(f64::NAN);
        let shown = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        println!(
            "{:<38} {ours:>10.0} {:>10} {:>10} {:>7.2}",
            world.name,
            shown(debian),
            shown(vendored),
            ours / beside
        );
    }
    drop(site);
    for world in [WORLDS[0], WORLDS[2]] {
        // Each on a server of its own: what one has held, it keeps.
        let (before, after) = Site::new().idle(world);
        println!(
            "{IDLE} idle connections, {}: {} MB resident in all, {} MB before",
            world.name,
            after / 1024,
            before / 1024
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

    /// Memory in KiB of the server and its worker before and with the idle connections.
    fn idle(&self, world: World) -> (u64, u64) {
        let context = self.client(world);
        let before = self.processes().into_iter().map(resident).sum();
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
        let after = self.processes().into_iter().map(resident).sum();
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

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
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

fn s_server(site: &Site, world: World) -> f64 {
    let port = free_port();
    let mut command = Command::new("openssl");
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

fn own_peer(site: &Site, world: World) -> f64 {
    let port = free_port();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .arg("--peer")
        .arg(site.path("pki"))
        .arg(format!("{port}/{}", world.suite));
    beside(command, site, world, port)
}

/// What `s_server -www` does, over the vendored OpenSSL: one connection after the other, a page, the end.
fn peer(pki: &Path, port_and_suite: &str) {
    let (port, suite) = port_and_suite.split_once('/').expect("PORT/SUITE");
    let mut context = SslContextBuilder::new(SslMethod::tls_server()).expect("OpenSSL");
    context.set_security_level(0);
    context
        .set_min_proto_version(Some(SslVersion::TLS1))
        .expect("a version");
    context.set_cipher_list(suite).expect("a suite");
    context.set_options(SslOptions::NO_TICKET);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_session_id_context(b"peer").expect("set");
    let certificate = |name: &str| X509::from_pem(&std::fs::read(pki.join(name)).expect("a file")).expect("PEM");
    context.set_certificate(&certificate("bootstrap.crt.pem")).expect("set");
    context.add_extra_chain_cert(certificate("sp-ca.crt.pem")).expect("set");
    context
        .set_private_key_file(pki.join("bootstrap.key.pem"), SslFiletype::PEM)
        .expect("set");
    context
        .cert_store_mut()
        .add_cert(certificate("mta-root.crt.pem"))
        .expect("set");
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let context = context.build();
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("it listens");
    let page = format!("HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\n{}", "x".repeat(2000));
    for stream in listener.incoming().filter_map(Result::ok) {
        let mut tls = SslStream::new(Ssl::new(&context).expect("SSL"), stream).expect("SSL");
        if tls.accept().is_err() {
            continue;
        }
        let mut request = [0; 1024];
        let _ = tls.read(&mut request);
        let _ = tls.write_all(page.as_bytes());
        let _ = tls.shutdown();
    }
}
