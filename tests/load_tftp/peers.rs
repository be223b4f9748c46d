//! What is known of the servers of others.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{image, load, results};

/// Another server, with its folder.
struct Peer {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

fn program(names: &[&str]) -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let found = names.iter().map(|name| match name.strip_prefix("peers/") {
        Some(name) => fetched.join(name),
        None => PathBuf::from(name),
    });
    let found = found.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("none of {names:?} is there: test.sh installs it"))
}

impl Peer {
    /// Starts a server on `address`, which is a free one of 127.0.0.1 where there is none.
    fn start(names: &[&str], address: Option<SocketAddr>, arguments: impl Fn(SocketAddr, &str) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        // Too short for block numbers to roll over: that takes a while in lockstep.
        std::fs::write(folder.path().join("image.bin"), &image()[..19_683]).unwrap();
        let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = address.unwrap_or_else(free);
        let arguments = arguments(address, folder.path().to_str().unwrap());
        let child = Command::new(program(names))
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let peer = Self { child, folder, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while load(&[
            &address.to_string(),
            "--file",
            "image.bin",
            "--patience",
            "200",
            "--block-size",
            "1400",
        ])
        .0 != Some(0)
        {
            assert!(Instant::now() < deadline, "{names:?} does not serve");
            std::thread::sleep(Duration::from_millis(100));
        }
        peer
    }

    /// The features that it does not have, by name.
    fn lacks(&self) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let address = self.address.to_string();
        let (code, report) = load(&[&address, "--conformance", "--file", "image.bin", "--compare", folder]);
        let all = results(&report);
        let failed: Vec<String> = all
            .into_iter()
            .filter(|(_, result)| result != "OK")
            .map(|(name, _)| name)
            .collect();
        assert_eq!(code, Some(i32::from(report["failed"] != 0)), "{report:#}");
        failed
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have children of its own, which end by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lacks(peer: &Peer, known: &[&str], unknown: &[&str]) {
    let lacks = peer.lacks();
    for feature in known {
        assert!(
            lacks.iter().any(|lack| lack == feature),
            "it is known to lack {feature}: {lacks:?}"
        );
    }
    for feature in unknown {
        assert!(
            !lacks.iter().any(|lack| lack == feature),
            "it is known to have {feature}: {lacks:?}"
        );
    }
}

/// What every TFTP server has.
const COMMON: [&str; 8] = [
    "octet-read",
    "transfer-port",
    "missing-file",
    "retransmission",
    "blksize",
    "tsize",
    "unknown-option",
    "netaddr-not-echoed",
];

#[test]
fn what_is_known_of_tftpd_hpa() {
    let peer = Peer::start(&["/usr/sbin/in.tftpd"], None, |address, folder| {
        ["-L", "-a", &address.to_string(), "-s", folder]
            .map(str::to_owned)
            .to_vec()
    });
    lacks(
        &peer,
        &["windowsize", "third-port-error-5", "repeated-request"],
        &COMMON,
    );
}

#[test]
fn what_is_known_of_atftpd() {
    let peer = Peer::start(
        &["peers/usr/sbin/atftpd", "/usr/sbin/atftpd"],
        None,
        |address, folder| {
            let port = address.port().to_string();
            let fixed = [
                "--daemon",
                "--no-fork",
                "--logfile",
                "/dev/null",
                "--bind-address",
                "127.0.0.1",
            ];
            [&fixed[..], &["--port", &port, folder]]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect()
        },
    );
    lacks(
        &peer,
        &[],
        &["octet-read", "missing-file", "blksize", "tsize", "windowsize"],
    );
}

/// dnsmasq has no port but 69: it gets an address of its own.
#[test]
fn what_is_known_of_dnsmasq() {
    let address = SocketAddr::from(([127, 69, 0, 1], 69));
    let peer = Peer::start(&["/usr/sbin/dnsmasq"], Some(address), |address, folder| {
        let root = format!("--tftp-root={folder}");
        let listen = format!("--listen-address={}", address.ip());
        let fixed = [
            "--no-daemon",
            "--conf-file=/dev/null",
            "--port=0",
            "--bind-interfaces",
            "--user=root",
        ];
        [&fixed[..], &["--enable-tftp", &root, &listen]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    });
    lacks(&peer, &["windowsize", "timeout", "blksize-too-small"], &COMMON);
}
