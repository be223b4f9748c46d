//! The process for the legacy suites, looked at and killed.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use hardline::settings::Service;

use super::{LEGACY, installation, serves, started, worker};
use crate::support::bootstrap::{Papers, script};
use crate::support::peers::{eventually, wait_for};
use crate::support::server::Server;

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
