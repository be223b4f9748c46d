//! Which addresses and ports the engine answers from, and whom it believes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::service::tftp::{TftpSettings, TransferPorts};

use super::Client;
use crate::support::files::{Services, http_settings, tftp_settings};

fn free_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    // Below what the system hands out by itself.
    let start = 9_000 + (std::process::id() % 900) as u16;
    (start..start + 900)
        .find(|first| {
            let free = |port| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok();
            (*first..*first + count).all(free)
        })
        .map(|first| first..=first + count - 1)
        .expect("free ports")
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_answer_from_the_pool_and_from_more_than_one_port() {
    let pool = free_ports(4);
    let ports = TransferPorts::Pool(pool.clone());
    let server = Services::start_with(&["127.0.0.1:0"], &ports, tftp_settings(), http_settings());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let client = Client::new("127.0.0.1", server.tftp[0]).await;
        let (content, transfer) = client.fetch("config.bin").await;
        assert_eq!(content, server.memory.files["config.bin"]);
        assert!(pool.contains(&transfer.port()), "{transfer} is not of {pool:?}");
        seen.insert(transfer.port());
    }
    assert!(seen.len() > 1, "the same port each time: {seen:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_again_from_its_port_gets_another_transfer() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    let (_, first) = client.fetch("config.bin").await;
    let (_, second) = client.fetch("config.bin").await;
    assert_ne!(
        first, second,
        "late packets of the first would be taken for the second's"
    );
    client.request("config.bin\0octet\0").await;
    let (_, transfer) = client.block(1).await;
    let other = if transfer == first { second } else { first };
    client.ack(1, other).await;
    assert_eq!(client.receive_within(Duration::from_millis(50)).await, None);
    client.ack(1, transfer).await;
    client.block(2).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_the_heels_of_the_last_ack_begins_another_transfer() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    for round in 0..500 {
        // Each begins with block 1: the last block of the one before would be the answer to a repeated request.
        assert_eq!(client.fetch("config.bin").await.0.len(), 8_411, "{round}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fell_silent_and_asks_again_begins_anew() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    client.request("config.bin\0octet\0").await;
    let (_, first) = client.block(1).await;
    client.ack(1, first).await;
    client.block(2).await;
    // The device restarts here; what the server repeats meanwhile goes nowhere.
    client.block(2).await;
    client.request("config.bin\0octet\0").await;
    let (packet, second) = loop {
        let (packet, from) = client.receive().await;
        if from != first {
            break (packet, from);
        }
    };
    assert_eq!(packet[..4], [0, 3, 0, 1], "the first block, from another port");
    client.send(&[0, 5, 0, 0, 0], second).await;
    let outcomes = server.memory.outcome_of(2).await;
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { reason, .. } if reason.contains("anew"));
    assert!(outcomes.iter().any(|(_, outcome)| failed(outcome)), "{outcomes:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_the_last_transfer_of_a_port_does_not_end_the_next() {
    let server = Services::start();
    let others = Client::new("127.0.0.1", server.tftp[0]).await;
    for round in 0..8 {
        let client = Client::new("127.0.0.1", server.tftp[0]).await;
        client.request("config.bin\0octet\0").await;
        let (_, first) = client.block(1).await;
        client.ack(1, first).await;
        client.block(2).await;
        client.block(2).await;
        // Whatever port others made the next one.
        for _ in 0..round {
            others.fetch("config.bin").await;
        }
        client.request("config.bin\0octet\0").await;
        let second = loop {
            let (packet, from) = client.receive().await;
            match packet[..4] {
                [0, 3, 0, 1] => break from,
                ref repeated => assert_eq!((repeated, from), (&[0, 3, 0, 2][..], first)),
            }
        };
        assert_ne!(first, second);
        // To the client that has just begun, the repeated block 2 was a stranger's.
        client.send(&[0, 5, 0, 5, 0], first).await;
        client.ack(1, second).await;
        assert_eq!(client.block(2).await.1, second);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    let server = Services::start_with(
        &["0.0.0.0:0", "[::]:0"],
        &TransferPorts::Ephemeral,
        tftp_settings(),
        http_settings(),
    );
    for (from, asked, listener) in [
        ("127.0.0.1", "127.0.0.1", 0),
        ("127.0.0.1", "127.0.0.77", 0),
        ("127.0.0.3", "127.1.2.3", 0),
        ("::1", "::1", 1),
    ] {
        let asked: IpAddr = asked.parse().unwrap();
        let client = Client::new(from, SocketAddr::new(asked, server.tftp[listener].port())).await;
        let (content, transfer) = client.fetch("config.bin").await;
        assert_eq!((content.len(), transfer.ip()), (8_411, asked));
        client.request("missing\0octet\0").await;
        let (error, from) = client.receive().await;
        assert_eq!(
            (&error[..4], from.ip()),
            (&b"\0\x05\0\x01"[..], asked),
            "errors as well"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p29_addresses_are_believed_of_relays_only_and_never_echoed() {
    let settings = TftpSettings {
        relays: Arc::from(["127.0.0.9/32".parse().unwrap()]),
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let claims = "netaddr\x00198.51.100.7\0hwaddr\x0000:11:22:33:44:55\0";
    for (from, relayed) in [("127.0.0.9", true), ("127.0.0.8", false)] {
        let client = Client::new(from, server.tftp[0]).await;
        client.request(&format!("one\0octet\0{claims}")).await;
        let (packet, transfer) = client.receive().await;
        assert_eq!(packet[..4], *b"\0\x03\0\x01", "DATA 1 and no empty OACK");
        client.ack(1, transfer).await;
        client.request(&format!("one\0octet\0{claims}tsize\x000\0")).await;
        let (packet, transfer) = client.receive().await;
        assert_eq!(packet, b"\0\x06tsize\x001\0");
        client.ack(0, transfer).await;
        let (_, transfer) = client.block(1).await;
        client.ack(1, transfer).await;

        let outcomes = server.memory.outcome_of(if relayed { 2 } else { 4 }).await;
        let (request, _) = outcomes.last().unwrap();
        let believed = relayed.then(|| "198.51.100.7".parse::<IpAddr>().unwrap());
        assert_eq!(request.relayed, believed, "from {from}");
        assert_eq!(
            request.hardware.map(|mac| mac.to_string()),
            relayed.then(|| "00:11:22:33:44:55".into())
        );
        assert_eq!(request.client(), believed.unwrap_or(from.parse().unwrap()));

        // Nonsense is an error where it would be believed, and nothing where it is not.
        client.request("one\0octet\0netaddr\0nonsense\0").await;
        let (packet, transfer) = client.receive().await;
        let expected = if relayed { &b"\0\x05\0\x08"[..] } else { b"\0\x03\0\x01" };
        assert_eq!(packet[..4], *expected, "from {from}");
        client.ack(1, transfer).await;
    }
    server.stop().await;
}
