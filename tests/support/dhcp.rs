//! A network of its own with a real DHCP server on it and real clients: two ends of a cable (veth), the far one in a network
//! namespace.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::peers::{Process, run, wait_for};

/// A cable between this machine and a namespace. Both end with the test.
pub struct Cable {
    pub folder: tempfile::TempDir,
    namespace: String,
    /// The interface on this side.
    pub near: String,
    /// The interface of the client.
    pub far: String,
    network: u8,
}

impl Cable {
    /// `None`, and a loud word, where this machine lets nobody make namespaces.
    pub fn lay(mac: &str) -> Option<Self> {
        let number = std::process::id();
        let names = |end: &str| format!("hl{end}{}", number % 100_000);
        let cable = Self {
            folder: tempfile::tempdir().expect("a folder"),
            namespace: names("n"),
            near: names("a"),
            far: names("b"),
            network: u8::try_from(number % 200).expect("below 200"),
        };
        let (near, far, namespace) = (&*cable.near, &*cable.far, &*cable.namespace);
        let made = Command::new("ip").args(["netns", "add", namespace]).output();
        if !made.as_ref().is_ok_and(|out| out.status.success()) {
            eprintln!("SKIPPED: no DHCP client was tried, since this machine makes no network namespaces: {made:?}");
            return None;
        }
        let ip = |args: &[&str]| run(Command::new("ip").args(args));
        ip(&["link", "add", near, "type", "veth", "peer", "name", far, "address", mac]);
        ip(&["link", "set", far, "netns", namespace]);
        ip(&["addr", "add", &format!("{}/24", cable.v4(1)), "dev", near]);
        ip(&["addr", "add", &format!("{}/64", cable.v6(1)), "dev", near, "nodad"]);
        ip(&["link", "set", near, "up"]);
        cable.inside(&["ip", "link", "set", "lo", "up"]);
        cable.inside(&["ip", "link", "set", far, "up"]);
        // Addresses may be used once they are found to be nobody else's.
        let tentative = |text: String| text.contains("tentative") || !text.contains("fe80::");
        wait_for("the link-local addresses", || {
            let near = ip(&["-6", "addr", "show", "dev", near]);
            !tentative(near) && !tentative(cable.inside(&["ip", "-6", "addr", "show", "dev", far]))
        });
        Some(cable)
    }

    /// An IPv4 address on the cable, of the range for tests of networks (RFC 2544).
    pub fn v4(&self, last: u8) -> String {
        format!("198.18.{}.{last}", self.network)
    }

    /// An IPv6 address on the cable.
    pub fn v6(&self, last: u16) -> String {
        format!("fd77:{:x}::{last:x}", self.network)
    }

    /// A program at the far end, which must succeed.
    pub fn inside(&self, program: &[&str]) -> String {
        run(Command::new("ip")
            .args(["netns", "exec", &self.namespace])
            .args(program))
    }

    /// A program at the far end that goes on.
    pub fn start(&self, program: &[&str]) -> Process {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).args(program);
        Process::start(&mut command, &self.folder.path().join("client.log"))
    }

    /// A program at the far end, however it ends.
    pub fn attempt(&self, program: &[&str]) -> Output {
        let mut command = Command::new("ip");
        let out = command.args(["netns", "exec", &self.namespace]).args(program).output();
        out.expect("ip")
    }

    /// A script of this content.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}")).expect("a script");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
        path
    }

    /// Kea's server for a family, 4 or 6, on the near end: leases from the addresses 16 to 31, `more` of a JSON object, and
    /// lease_cmds on the socket that is returned beside it.
    pub fn kea(&self, family: u8, more: &str) -> (Process, PathBuf) {
        let folder = self.folder.path();
        let socket = folder.join(format!("kea{family}.sock"));
        let hooks = run(Command::new("sh").args([
            "-c",
            "dirname $(ls /usr/lib/*/kea/hooks/libdhcp_lease_cmds.so | head -1)",
        ]));
        let (first, last, subnet, interface) = match family {
            4 => (self.v4(16), self.v4(31), self.v4(0) + "/24", self.near.clone()),
            _ => (self.v6(16), self.v6(31), self.v6(0) + "/64", self.near.clone()),
        };
        let on_subnet = match family {
            4 => String::new(),
            _ => format!(", \"interface\": \"{interface}\""),
        };
        let text = format!(
            "{{\"Dhcp{family}\": {{\"interfaces-config\": {{\"interfaces\": [\"{interface}\"]}},
            \"control-socket\": {{\"socket-type\": \"unix\", \"socket-name\": \"{}\"}},
            \"lease-database\": {{\"type\": \"memfile\", \"name\": \"{}\"}}, \"valid-lifetime\": 600,
            \"hooks-libraries\": [{{\"library\": \"{}/libdhcp_lease_cmds.so\"}}],
            \"subnet{family}\": [{{\"id\": 7, \"subnet\": \"{subnet}\", \"pools\": [{{\"pool\": \"{first}-{last}\"}}]{on_subnet}}}],
            \"loggers\": [{{\"name\": \"kea-dhcp{family}\", \"severity\": \"INFO\", \"output_options\": [{{\"output\": \"stderr\"}}]}}]
            {more}}}}}",
            socket.display(),
            folder.join(format!("leases{family}.csv")).display(),
            hooks.trim(),
        );
        let config = folder.join(format!("kea{family}.json"));
        std::fs::write(&config, text).expect("a file");
        let mut serve = Command::new(format!("kea-dhcp{family}"));
        serve.arg("-c").arg(&config);
        serve.env("KEA_PIDFILE_DIR", folder).env("KEA_LOCKFILE_DIR", folder);
        let process = Process::start(&mut serve, &folder.join(format!("kea{family}.log")));
        wait_for("Kea", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        (process, socket)
    }

    /// What a file of the folder says.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.near]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).output();
        if std::thread::panicking() {
            for log in ["kea4.log", "kea6.log", "client.log"] {
                eprintln!("--- {log} ---\n{}", self.read(log));
            }
        }
    }
}

/// What the line `key=` of an environment says.
pub fn said(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{key}= is not in {text}")).to_owned()
}
