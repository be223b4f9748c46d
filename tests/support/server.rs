//! The real server in a process of its own: an installation in a temporary folder, on ports that nothing else has.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hardline::settings::{Service, Settings};
use serde_json::Value;

/// How long the server may take to listen, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program: that of this package, or the same one of the package of foreign judges.
pub const PROGRAM: &str = match (
    option_env!("CARGO_BIN_EXE_hardline"),
    option_env!("CARGO_BIN_EXE_hardline-under-test"),
) {
    (Some(program), _) | (None, Some(program)) => program,
    (None, None) => panic!("these tests belong to a package with the program"),
};

/// The offsets that are tried: below the ports that the system hands out by itself, above the well-known ones.
const OFFSETS: std::ops::Range<u16> = 10_000..29_000;

/// An installation, and the server on it while it runs. The server is killed at the latest when this is dropped.
pub struct Server {
    folder: tempfile::TempDir,
    process: Option<Process>,
    /// What ended servers of this installation wrote to standard error.
    past: String,
}

struct Process {
    child: Child,
    stderr: Arc<Mutex<String>>,
}

impl Server {
    /// An installation on which nothing runs yet.
    pub fn install() -> Self {
        Self::install_with(&[])
    }

    /// The same, with more arguments of `hardline init`.
    pub fn install_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let offset = free_offset().to_string();
        let server = Self {
            folder,
            process: None,
            past: String::new(),
        };
        let site = server.site();
        let arguments = ["init", site.to_str().expect("UTF-8"), "--port-offset", &offset];
        let made = hardline(&[&arguments, more].concat());
        assert!(made.status.success(), "init: {}", text(&made.stderr));
        server
    }

    /// The installation's folder.
    pub fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// Its hardline.toml.
    pub fn config(&self) -> PathBuf {
        self.site().join("hardline.toml")
    }

    /// What hardline.toml says.
    pub fn settings(&self) -> Settings {
        Settings::load(&self.config()).expect("settings")
    }

    /// Replaces text in a file of the installation.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.site().join(file);
        let before = std::fs::read_to_string(&path).expect("a text file");
        assert!(before.contains(from), "{file} has no {from:?}");
        std::fs::write(&path, before.replace(from, to)).expect("the file can be written");
    }

    /// Adds sections to hardline.toml.
    pub fn add_settings(&self, text: &str) {
        let before = std::fs::read_to_string(self.config()).expect("settings");
        std::fs::write(self.config(), before + text).expect("settings");
    }

    /// Has the server offer its metrics, and gives where.
    pub fn offer_metrics(&self) -> SocketAddr {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = probe.local_addr().expect("an address");
        self.edit("hardline.toml", "#= listen = []", &format!("listen = [\"{address}\"]"));
        address
    }

    /// Puts a file into the folder of static files.
    pub fn share(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.site().join("static").join(name), octets).expect("the static folder");
    }

    /// Where a service listens; the first half is IPv4, the second IPv6.
    pub fn both(&self, service: Service) -> [SocketAddr; 2] {
        let listeners = self.settings().listeners(service);
        [false, true].map(|v6| {
            let of_family = listeners.iter().find(|listener| listener.is_ipv6() == v6);
            *of_family.unwrap_or_else(|| panic!("{service} listens on both families"))
        })
    }

    /// Where a service listens over IPv4.
    pub fn v4(&self, service: Service) -> SocketAddr {
        self.both(service)[0]
    }

    /// Starts the server and waits until it says that it is ready.
    pub fn start(&mut self) -> &mut Self {
        assert!(self.process.is_none(), "one server at a time");
        let mut child = serve(&self.config());
        let stderr = Arc::new(Mutex::new(String::new()));
        let (errors, gathered) = (child.stderr.take().expect("piped"), stderr.clone());
        std::thread::spawn(move || {
            let mut errors = BufReader::new(errors);
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                gathered.lock().expect("no panic").push_str(&text(&line));
                line.clear();
            }
        });
        let output = BufReader::new(child.stdout.take().expect("piped"));
        self.process = Some(Process { child, stderr });
        let (sender, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = ready.recv_timeout(PATIENCE);
        assert!(
            line.as_ref().is_ok_and(|line| line.starts_with("ready ")),
            "serve is not ready: {line:?}\n{}",
            self.stderr()
        );
        self
    }

    /// Everything that the servers of this installation wrote to standard error so far.
    pub fn stderr(&self) -> String {
        let present = self
            .process
            .as_ref()
            .map(|process| process.stderr.lock().expect("no panic").clone());
        format!("{}{}", self.past, present.unwrap_or_default())
    }

    /// Asserts that the server runs and that no thread of it has panicked.
    pub fn assert_unhurt(&mut self) {
        let process = self.process.as_mut().expect("a server was started");
        let ended = process.child.try_wait().expect("a child");
        let stderr = self.stderr();
        assert!(ended.is_none(), "the server ended with {ended:?}:\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a server was started").child.id()
    }

    /// The memory that the server holds, in KiB (VmRSS).
    pub fn resident(&self) -> u64 {
        let process = self.process.as_ref().expect("a server was started");
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|number| number.parse().ok());
        number.expect("VmRSS in KiB")
    }

    /// Ends the server by SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
            self.past.push_str(&process.stderr.lock().expect("no panic"));
        }
    }

    /// Sends SIGHUP, and waits until the server says what came of it: whether it reloaded.
    pub fn hang_up(&self) -> bool {
        let process = self.process.as_ref().expect("a server was started");
        let said = |what: &str| self.stderr().matches(what).count();
        let before = (said("reloaded"), said("not reloaded"));
        let sent = Command::new("kill")
            .args(["-HUP", &process.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGHUP");
        let deadline = Instant::now() + PATIENCE;
        while said("reloaded") == before.0 {
            assert!(
                Instant::now() < deadline,
                "nothing is said of SIGHUP: {}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        said("not reloaded") == before.1
    }

    /// Ends the server by SIGTERM; how it ended, and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let mut process = self.process.take().expect("a server was started");
        let begun = Instant::now();
        let sent = Command::new("kill")
            .args(["-TERM", &process.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM");
        let status = wait(&mut process.child, PATIENCE).unwrap_or_else(|| {
            let _ = process.child.kill();
            panic!("the server does not stop: {}", process.stderr.lock().expect("no panic"))
        });
        let took = begun.elapsed();
        self.past.push_str(&process.stderr.lock().expect("no panic"));
        (status, took)
    }

    /// Runs the server where it must not start: its exit code and what it wrote to standard error.
    pub fn fails_to_start(&self) -> (Option<i32>, String) {
        let mut child = serve(&self.config());
        let Some(status) = wait(&mut child, PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("serve started all the same");
        };
        let mut stderr = String::new();
        let read = child.stderr.take().expect("piped").read_to_string(&mut stderr);
        read.expect("UTF-8 on standard error");
        (status.code(), stderr)
    }

    /// Runs a command with `--config`, whatever comes of it.
    pub fn run(&self, args: &[&str]) -> Output {
        let config = self.config();
        hardline(&[args, &["--config", config.to_str().expect("UTF-8")]].concat())
    }

    /// A command with `--config`; it must succeed. Its standard output.
    pub fn command(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert!(
            out.status.success(),
            "{args:?}: {}{}",
            text(&out.stdout),
            text(&out.stderr)
        );
        text(&out.stdout)
    }

    /// The JSON document that a command prints.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.command(&[args, &["--json"]].concat())).expect("JSON")
    }

    /// Makes a device known, or replaces its record; `more` are further arguments of `hardline device add`.
    pub fn add_device(&self, mac: impl ToString, fqdn: &str, flow: impl ToString, more: &[&str]) {
        let (mac, flow) = (mac.to_string(), flow.to_string());
        let known = ["device", "add", "--mac", &mac, "--fqdn", fqdn, "--flow", &flow];
        self.command(&[&known[..], more].concat());
    }

    /// The lease sources as `hardline lease sources` shows them, and its exit code.
    pub fn lease_sources(&self) -> (Vec<Value>, Option<i32>) {
        let out = self.run(&["lease", "sources", "--json"]);
        let shown: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let sources = shown["sources"].as_array().expect("a list").clone();
        (sources, out.status.code())
    }

    /// `hardline device attempts`.
    pub fn attempts(&self, mac: impl ToString) -> Value {
        self.json(&["device", "attempts", &mac.to_string()])
    }

    /// The reasons for which messages of the device were refused, newest first. A refusal is written when there is
    /// time: this waits until `found` is satisfied by one of them.
    pub fn refused(&self, mac: impl ToString, found: impl Fn(&str) -> bool) -> Vec<String> {
        let mac = mac.to_string();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // Of a device that is not known there is nothing to show before its first refusal.
            let shown = self.run(&["device", "attempts", &mac, "--json"]);
            let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
            let reasons: Vec<String> = shown["refusals"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|refusal| refusal["reason"].as_str().map(str::to_owned))
                .collect();
            if reasons.iter().any(|reason| found(reason)) {
                return reasons;
            }
            assert!(
                Instant::now() < deadline,
                "no such refusal of {mac}: {reasons:?}\n{}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's standard error ---\n{}", self.past);
        }
    }
}

/// Runs a command of the program.
pub fn hardline(args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).output().expect("hardline runs")
}

fn serve(config: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg("serve").arg("--config").arg(config);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("hardline runs")
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// An offset at which every port is free. Each process begins to look elsewhere, and each call after the last one.
fn free_offset() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(211);
    for _ in 0..500 {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let place = start.wrapping_add(tried * 23) % OFFSETS.len() as u32;
        let offset = OFFSETS.start + u16::try_from(place).expect("within the offsets");
        if Service::ALL
            .into_iter()
            .all(|service| is_free(service.standard_port() + offset))
        {
            return offset;
        }
    }
    panic!("no offset has all ports free");
}

fn is_free(port: u16) -> bool {
    [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
        .into_iter()
        .all(|ip| UdpSocket::bind((ip, port)).is_ok() && TcpListener::bind((ip, port)).is_ok())
}
