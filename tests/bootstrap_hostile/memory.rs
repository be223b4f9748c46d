//! What connections cost that wait.

use std::net::TcpStream;

use super::{BOTH, allow_each_source, connect, installation, serves, worker};
use crate::support::bootstrap::fetcher;

#[test]
fn thousands_of_idle_connections_leave_memory_and_others_alone() {
    let (mut server, papers) = installation();
    allow_each_source(&server, 0);
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
