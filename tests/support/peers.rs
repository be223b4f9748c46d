//! Programs of others that hold leases: databases, ISC Kea. Each runs in a folder of its own on free ports, as a
//! user of its own where it insists, and ends with the test.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use super::databases::{MariaDb, PASSWORD, Postgres};

/// How long a program may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `found` holds before `limit` is over.
pub fn within(limit: Duration, mut found: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !found() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// Waits until `found` holds.
pub fn wait_for(what: &str, found: impl FnMut() -> bool) {
    assert!(within(PATIENCE, found), "{what}");
}

/// Waits until `attempt` gives something.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut given = None;
    wait_for(what, || {
        given = attempt();
        given.is_some()
    });
    given.expect("it was waited for")
}

/// A TCP port that nothing has.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A UDP port that nothing has.
pub fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address").port()
}

/// The output of a program that must succeed.
pub fn run(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output();
    let out = out.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let Output { status, stdout, stderr } = &out;
    let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    assert!(status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// A process that is killed at the latest when this is dropped.
pub struct Process(Option<Child>);

impl Process {
    /// Starts it; what it writes is added to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log");
        let errors = file.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        Self(Some(child.unwrap_or_else(|error| panic!("{command:?}: {error}"))))
    }

    fn signal(&self, signal: &str) {
        let pid = self.0.as_ref().expect("it runs").id().to_string();
        run(Command::new("kill").args([&format!("-{signal}"), &pid]));
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it, so that it answers nothing, without ending it.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// ISC Kea's DHCPv4 server over loopback, on ports of its own; perfdhcp plays a relay agent with clients behind it.
pub struct Kea {
    pub folder: tempfile::TempDir,
    config: PathBuf,
    server_port: u16,
    relay_port: u16,
    pub process: Process,
    agent: Option<Process>,
}

impl Kea {
    /// A server that leases from `pool`, with its leases in `database` (a JSON object of Kea's), and `script` for the hook
    /// run_script where there is one.
    pub fn start(pool: &str, database: &str, script: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hooks = run(Command::new("sh").args(["-c", "dirname $(ls /usr/lib/*/kea/hooks/libdhcp_lease_cmds.so /usr/lib/kea/hooks/libdhcp_lease_cmds.so 2>/dev/null | head -1)"]));
        let hooks = hooks.trim();
        let script = script.map_or_else(String::new, |script| {
            format!(", {{\"library\": \"{hooks}/libdhcp_run_script.so\", \"parameters\": {{\"name\": \"{}\", \"sync\": false}}}}", script.display())
        });
        let config = folder.path().join("kea4.json");
        let text = format!(
            "{{\"Dhcp4\": {{\"interfaces-config\": {{\"interfaces\": [\"lo\"], \"dhcp-socket-type\": \"udp\"}},
            \"control-socket\": {{\"socket-type\": \"unix\", \"socket-name\": \"{socket}\"}},
            \"lease-database\": {database}, \"store-extended-info\": true, \"valid-lifetime\": 600,
            \"hooks-libraries\": [{{\"library\": \"{hooks}/libdhcp_lease_cmds.so\"}}{script}],
            \"subnet4\": [{{\"id\": 7, \"subnet\": \"127.0.0.0/8\", \"pools\": [{{\"pool\": \"{pool}\"}}]}}],
            \"loggers\": [{{\"name\": \"kea-dhcp4\", \"severity\": \"INFO\", \"output_options\": [{{\"output\": \"stderr\"}}]}}]}}}}",
            socket = folder.path().join("kea4.sock").display(),
        );
        std::fs::write(&config, text).expect("a file");
        let (server_port, relay_port) = (free_udp_port(), free_udp_port());
        let process = Self::serve(folder.path(), &config, server_port, relay_port);
        let kea = Self {
            folder,
            config,
            server_port,
            relay_port,
            process,
            agent: None,
        };
        kea.wait();
        kea
    }

    fn serve(folder: &Path, config: &Path, server_port: u16, relay_port: u16) -> Process {
        let mut serve = Command::new("kea-dhcp4");
        serve
            .arg("-c")
            .arg(config)
            .args(["-p", &server_port.to_string(), "-P", &relay_port.to_string()]);
        serve.env("KEA_PIDFILE_DIR", folder).env("KEA_LOCKFILE_DIR", folder);
        Process::start(&mut serve, &folder.join("log"))
    }

    fn wait(&self) {
        wait_for("Kea", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("kea4.sock")
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        let _ = std::fs::remove_file(self.folder.path().join("kea4.kea-dhcp4.pid"));
        self.process = Self::serve(self.folder.path(), &self.config, self.server_port, self.relay_port);
        self.wait();
    }

    /// Starts its control agent, which asks for `user` and `password`; the agent's address.
    pub fn agent(&mut self, user: &str, password: &str) -> SocketAddr {
        let port = free_port();
        let text = format!(
            "{{\"Control-agent\": {{\"http-host\": \"127.0.0.1\", \"http-port\": {port},
            \"authentication\": {{\"type\": \"basic\", \"realm\": \"kea\", \"clients\": [{{\"user\": \"{user}\", \"password\": \"{password}\"}}]}},
            \"control-sockets\": {{\"dhcp4\": {{\"socket-type\": \"unix\", \"socket-name\": \"{}\"}}}}}}}}",
            self.socket().display()
        );
        let config = self.folder.path().join("agent.json");
        std::fs::write(&config, text).expect("a file");
        let mut serve = Command::new("kea-ctrl-agent");
        serve.arg("-c").arg(config);
        serve
            .env("KEA_PIDFILE_DIR", self.folder.path())
            .env("KEA_LOCKFILE_DIR", self.folder.path());
        self.agent = Some(Process::start(&mut serve, &self.folder.path().join("agent.log")));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_for("the control agent", || TcpStream::connect(address).is_ok());
        address
    }

    /// A client with this MAC address behind the cable modem `cm` asks for a lease, and gets one: DISCOVER, OFFER, REQUEST,
    /// ACK, several times within a second, as a device that is switched on and off again.
    pub fn exchange(&self, mac: &str, cm: &str) {
        let option = format!("82,0104000000010206{}", cm.replace(':', ""));
        let (relay, server) = (self.relay_port.to_string(), self.server_port.to_string());
        wait_for("a DHCP exchange", || {
            let mut perfdhcp = Command::new("perfdhcp");
            perfdhcp.args([
                "-4",
                "-l",
                "127.0.0.1",
                "-L",
                &relay,
                "-N",
                &server,
                "-r",
                "5",
                "-p",
                "1",
                "-R",
                "1",
            ]);
            perfdhcp.args(["-b", &format!("mac={mac}"), "-o", &option, "127.0.0.1"]);
            let out = perfdhcp.output().expect("perfdhcp");
            let text = String::from_utf8_lossy(&out.stdout);
            let acknowledged = text.split("REQUEST-ACK").nth(1);
            acknowledged
                .is_some_and(|part| part.contains("received packets: ") && !part.contains("received packets: 0"))
        });
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A line between a client and a server that can be cut or made to swallow everything.
pub struct Line {
    pub address: SocketAddr,
    state: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

const GOOD: u8 = 0;
const SWALLOWS: u8 = 1;

impl Line {
    /// A line to a port of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(AtomicU8::new(GOOD));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (line, streams) = (state.clone(), open.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
                    let line = line.clone();
                    std::thread::spawn(move || carry(from, to, &line));
                }
                let mut streams = streams.lock().expect("no panic");
                streams.extend([client, server]);
            }
        });
        Self { address, state, open }
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn swallow(&self) {
        self.state.store(SWALLOWS, Ordering::SeqCst);
    }

    /// It is good again; connections of before are gone without a word.
    pub fn mend(&self) {
        self.open.lock().expect("no panic").clear();
        self.state.store(GOOD, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, line: &AtomicU8) {
    let mut buffer = [0; 4096];
    while let Ok(length) = from.read(&mut buffer) {
        // What went into a line that swallows never comes out of it.
        if length == 0 || line.load(Ordering::SeqCst) == SWALLOWS {
            if length == 0 {
                let _ = to.shutdown(std::net::Shutdown::Both);
                return;
            }
            loop {
                match from.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        }
        if std::io::Write::write_all(&mut to, &buffer[..length]).is_err() {
            return;
        }
    }
}
