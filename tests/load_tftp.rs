//! `hardline load tftp`: what it says of this server and of others, that it finds what is wrong, and that devices keep their
//! service during a flood.

#[path = "load_tftp/faulty.rs"]
mod faulty;
#[path = "load_tftp/peers.rs"]
mod peers;
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hardline::settings::Service;
use serde_json::Value;
use support::server::{Server, hardline};

/// A file whose blocks roll over with blksize 8, and whose size block sizes divide.
fn image() -> Vec<u8> {
    (0..531_441u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn load(args: &[&str]) -> (Option<i32>, Value) {
    let out = hardline(&[&["load", "tftp", "--json"], args].concat());
    let text = String::from_utf8_lossy(&out.stdout);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {text}{}", String::from_utf8_lossy(&out.stderr)));
    (out.status.code(), value)
}

/// Each feature with its result, and the reason where it is not OK.
fn results(report: &Value) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().expect("checks");
    let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
    checks
        .iter()
        .map(|check| (text(check, "feature"), text(check, "result")))
        .collect()
}

#[test]
fn this_server_conforms_in_every_feature_over_both_families() {
    let mut server = Server::install();
    server.share("image.bin", &image());
    server.start();
    let folder = server.site().join("static");
    for address in server.both(Service::Tftp) {
        let target = address.to_string();
        let compare = folder.to_str().unwrap();
        let (code, report) = load(&[&target, "--conformance", "--compare", compare]);
        let others: Vec<_> = results(&report)
            .into_iter()
            .filter(|(_, result)| result != "OK")
            .collect();
        assert!(others.is_empty(), "{report:#}");
        assert_eq!(code, Some(0));
        assert!(report["passed"].as_u64().unwrap() > 30, "{report:#}");
    }
    let text = hardline(&[
        "load",
        "tftp",
        &server.v4(Service::Tftp).to_string(),
        "--conformance",
        "--file",
        "none",
    ]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.starts_with("FAIL  octet-read"), "{text}");
    assert!(text.contains("error 1") && text.contains("SKIP"), "{text}");
    server.assert_unhurt();
}

#[test]
fn downloads_are_compared_octet_by_octet() {
    let mut server = Server::install();
    let folder = tempfile::tempdir().unwrap();
    for device in 0..20 {
        let name = format!("cm-0200000000{device:02x}.bin");
        let content: Vec<u8> = (0..4_000 + device * 7).map(|at| (at * 31 + device) as u8).collect();
        server.share(&name, &content);
        std::fs::write(folder.path().join(&name), &content).unwrap();
    }
    server.start();
    let address = server.v4(Service::Tftp).to_string();
    let compare = folder.path().to_str().unwrap();
    let pattern = [
        "--file",
        "cm-{mac}.bin",
        "--compare",
        compare,
        "--sessions",
        "20",
        "--downloads",
        "5",
        "--tsize",
    ];
    let (code, report) = load(&[&[address.as_str()][..], &pattern].concat());
    assert_eq!(
        (code, &report["passed"], &report["failed"]),
        (Some(0), &100.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(report["repetitions"], 0);
    for field in ["p50", "p90", "p99", "max"] {
        assert!(report["milliseconds"][field].as_f64().unwrap() > 0.0, "{report:#}");
    }

    // Every file of the folder, from addresses of their own, over sockets that are shared.
    let (code, report) = load(&[
        &address,
        "--compare",
        compare,
        "--sessions",
        "4",
        "--source",
        "127.16.0.0/16",
    ]);
    assert_eq!((code, &report["passed"]), (Some(0), &20.into()), "{report:#}");

    // One octet is another.
    let path = folder.path().join("cm-020000000003.bin");
    let mut content = std::fs::read(&path).unwrap();
    content[1234] ^= 1;
    std::fs::write(&path, content).unwrap();
    let (code, report) = load(&[&[address.as_str()][..], &pattern].concat());
    assert_eq!(
        (code, &report["passed"], &report["failed"]),
        (Some(1), &95.into(), &5.into()),
        "{report:#}"
    );
    let reasons = report["failures"].as_object().unwrap();
    assert!(
        reasons
            .keys()
            .next()
            .unwrap()
            .contains("cm-020000000003.bin differs from octet 1234 on"),
        "{report:#}"
    );

    let (code, report) = load(&[&address, "--file", "missing"]);
    assert_eq!(code, Some(1));
    assert!(
        report["failures"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .contains("error 1"),
        "{report:#}"
    );
    for wrong in [
        &[&address[..]][..],
        &[&address, "--file", "{x}"],
        &[&address, "--file", "f", "--source", "127.0.0.0/30", "--sessions", "9"],
        &[&address, "--file", "f", "--loss", "100"],
        &["no port:x", "--file", "f"],
    ] {
        assert_eq!(
            hardline(&[&["load", "tftp"], wrong].concat()).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
    server.assert_unhurt();
}

#[test]
fn packets_are_lost_and_everything_comes_all_the_same() {
    let mut server = Server::install();
    server.edit(
        "hardline.toml",
        "#= retransmit_after = \"1s\"",
        "retransmit_after = \"100ms\"",
    );
    server.edit("hardline.toml", "#= retries = 5", "retries = 12");
    server.share("config.bin", &image()[..8_411]);
    server.start();
    let address = server.v4(Service::Tftp).to_string();
    let folder = server.site().join("static");
    let common = [
        "--file",
        "config.bin",
        "--compare",
        folder.to_str().unwrap(),
        "--sessions",
        "40",
        "--downloads",
        "3",
    ];
    let patience = ["--patience", "150", "--retries", "12", "--loss", "5"];
    for options in [
        &[][..],
        &["--window", "4", "--block-size", "1448"],
        &["--window", "16", "--tsize"],
    ] {
        let (code, report) = load(&[&[address.as_str()][..], &common, &patience, options].concat());
        assert_eq!(
            (code, &report["passed"]),
            (Some(0), &120.into()),
            "{options:?}: {report:#}"
        );
        assert!(
            report["repetitions"].as_u64().unwrap() > 0,
            "something was lost: {report:#}"
        );
    }
    server.assert_unhurt();
}

#[test]
fn ten_thousand_half_open_transfers_of_as_many_addresses_take_little_memory() {
    let mut server = Server::install();
    server.share("config.bin", &image()[..8_411]);
    server.start();
    let address = server.v4(Service::Tftp).to_string();
    // Whatever is allocated once is allocated now.
    let warm = [
        "--file",
        "config.bin",
        "--sessions",
        "500",
        "--downloads",
        "4",
        "--source",
        "127.20.0.0/16",
    ];
    assert_eq!(load(&[&[address.as_str()][..], &warm].concat()).0, Some(0));
    let before = server.resident();
    let sockets: Vec<UdpSocket> = (0..50).map(|_| UdpSocket::bind("0.0.0.0:0").unwrap()).collect();
    let target: SocketAddr = address.parse().unwrap();
    let mut clients = 0u64;
    for round in 0..200u32 {
        for socket in &sockets {
            // Another address each time: 10,000 clients.
            let from = SocketAddr::from((
                [127, 30, (round >> 8) as u8, round as u8],
                socket.local_addr().unwrap().port(),
            ));
            let client = UdpSocket::bind(from).unwrap_or_else(|_| UdpSocket::bind((from.ip(), 0)).unwrap());
            client.send_to(b"\0\x01config.bin\0octet\0", target).unwrap();
            clients += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(500));
    let each = server.resident().saturating_sub(before) * 1024 / clients;
    // With what the limits by source and the usage report remember of 10,000 addresses.
    assert!(each < 2_048, "{each} octets a transfer and address");
    server.assert_unhurt();
}

#[test]
fn devices_keep_their_service_during_a_flood() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= rate_per_source = 50000", "rate_per_source = 2000");
    server.edit(
        "hardline.toml",
        "#= half_open_per_source = 16384",
        "half_open_per_source = 200",
    );
    server.edit("hardline.toml", "#= max_transfers = 50000", "max_transfers = 1000");
    let metrics = server.offer_metrics();
    server.share("config.bin", &image()[..8_411]);
    server.start();
    let target = server.v4(Service::Tftp);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Two sources send requests that they never follow up, as fast as they can, and garbage in between.
        for source in ["127.0.0.66", "127.0.0.67"] {
            let over = &over;
            scope.spawn(move || {
                let mut sent = 0u64;
                while !over.load(Ordering::Relaxed) {
                    let socket = UdpSocket::bind((source, 0)).unwrap();
                    for _ in 0..20 {
                        let _ = socket.send_to(b"\0\x01config.bin\0octet\0", target);
                        let _ = socket.send_to(b"\0\x01garbage", target);
                        sent += 2;
                    }
                    if sent.is_multiple_of(2_000) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                assert!(sent > 10_000, "a flood: {sent}");
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let folder = server.site().join("static");
        let compare = folder.to_str().unwrap();
        let address = target.to_string();
        let arguments = [
            "--file",
            "config.bin",
            "--compare",
            compare,
            "--sessions",
            "20",
            "--downloads",
            "25",
        ];
        let (code, report) = load(
            &[
                &[address.as_str()][..],
                &arguments,
                &["--patience", "500", "--retries", "8"],
            ]
            .concat(),
        );
        over.store(true, Ordering::Relaxed);
        // On a machine that does everything else too, a transfer may be begun again later than the tool waits.
        let passed = report["passed"].as_u64().unwrap_or(0);
        assert!(code.is_some() && passed >= 495, "{report:#}");
    });
    let page = Command::new("curl")
        .args(["-sS", &format!("http://{metrics}/metrics")])
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&page.stdout);
    let counted = |counter: &str, label: &str| {
        let line = page.lines().find(|line| line.contains(counter) && line.contains(label));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        number.unwrap_or(0.0)
    };
    let dropped = |reason| counted("hardline_tftp_dropped_total", reason);
    assert!(
        dropped("rate_of_source") + dropped("half_open_of_source") > 1_000.0,
        "{page}"
    );
    assert!(counted("hardline_tftp_transfers_total", "complete") >= 495.0, "{page}");
    server.assert_unhurt();
}
