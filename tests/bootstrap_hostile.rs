//! Bootstrapping under bad input: slow, large, broken and many; and the process for the legacy suites, looked at and killed.

#![cfg(feature = "legacy-tls")]

#[path = "bootstrap_hostile/connections.rs"]
mod connections;
#[path = "bootstrap_hostile/memory.rs"]
mod memory;
mod support;
#[path = "bootstrap_hostile/tls.rs"]
mod tls;
#[path = "bootstrap_hostile/worker.rs"]
mod worker;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use hardline::settings::Service;
use support::bootstrap::{Papers, curl, s_client, text, with_device};
use support::server::Server;

const MAC: &str = "00:11:22:AA:BB:01";
const LEGACY: [&str; 4] = ["-cipher", "AES128-SHA:@SECLEVEL=0", "-tls1", "-quiet"];
const GET: &str = "GET /eue HTTP/1.0\r\n\r\n";
const BOTH: [Service; 2] = [Service::Bootstrap, Service::BootstrapLegacy];

fn installation() -> (Server, Papers) {
    with_device(MAC)
}

/// Lets each source have so many connections; 0 sets no limit.
fn allow_each_source(server: &Server, connections: u32) {
    server.edit(
        "hardline.toml",
        "#= connections_per_source = 64",
        &format!("connections_per_source = {connections}"),
    );
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
