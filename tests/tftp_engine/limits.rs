//! What one source may have, and what one client may cost.

use std::sync::Arc;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::service::tftp::{SourceLimits, TftpSettings, TransferPorts};

use super::Client;
use crate::support::files::{Services, http_settings, tftp_settings};

#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_bounded_half_open_transfers_and_relays_have_not() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 0,
            half_open: 5,
            exempt: Arc::from(["127.0.0.9/32".parse().unwrap()]),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let mut answered = Vec::new();
    for from in ["127.0.0.2", "127.0.0.9"] {
        let mut count = 0;
        let mut clients = Vec::new();
        for _ in 0..12 {
            let client = Client::new(from, server.tftp[0]).await;
            client.request("config.bin\0octet\0").await;
            if client.receive_within(Duration::from_millis(60)).await.is_some() {
                count += 1;
            }
            clients.push(client);
        }
        answered.push(count);
    }
    assert_eq!(answered, [5, 12]);
    let other = Client::new("127.0.0.3", server.tftp[0]).await;
    assert_eq!(other.fetch("config.bin").await.0.len(), 8_411);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_were_acknowledged_do_not_count_as_half_open() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 0,
            half_open: 3,
            exempt: Arc::default(),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    for _ in 0..10 {
        let client = Client::new("127.0.0.2", server.tftp[0]).await;
        client.fetch("config.bin").await;
        client.request("missing\0octet\0").await;
        client.receive().await;
        client.request("config.bin\0octet\0").await;
        let (_, transfer) = client.block(1).await;
        client.send(b"\0\x05\0\0enough\0", transfer).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_source_are_bounded_by_second() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 20,
            half_open: 0,
            exempt: Arc::default(),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let noisy = Client::new("127.0.0.2", server.tftp[0]).await;
    let started = std::time::Instant::now();
    for _ in 0..200 {
        noisy.request("missing\0octet\0").await;
    }
    let mut answers = 0;
    while noisy.receive_within(Duration::from_millis(200)).await.is_some() {
        answers += 1;
    }
    let seconds = 2 + started.elapsed().as_secs();
    assert!(
        answers >= 20 && answers <= 20 * seconds,
        "{answers} answers in {seconds} s"
    );
    let quiet = Client::new("127.0.0.3", server.tftp[0]).await;
    assert_eq!(quiet.fetch("config.bin").await.0.len(), 8_411);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_and_a_broken_file_source_cost_one_client_only() {
    let server = Services::start();
    let broken = Client::new("127.0.0.1", server.tftp[0]).await;
    broken.request("panic\0octet\0").await;
    let late = Client::new("127.0.0.1", server.tftp[0]).await;
    assert_eq!(late.fetch("late").await.0, server.memory.files["config.bin"]);
    assert_eq!(late.fetch("config.bin").await.0, server.memory.files["config.bin"]);
    let (error, _) = broken.receive().await;
    assert_eq!(error[..4], *b"\0\x05\0\0", "busy, once the time is over");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_open_too_late_is_told_to_have_come_to_nothing() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    client.request("tardy\0octet\0").await;
    let (error, _) = client.receive().await;
    assert_eq!(error[..4], *b"\0\x05\0\0", "busy, once the time is over");
    let outcomes = server.memory.outcome_of(1).await;
    let in_vain =
        |outcome: &Outcome| matches!(outcome, Outcome::Failed { reason, bytes: 0, .. } if reason.contains("gone"));
    assert!(outcomes.len() == 1 && in_vain(&outcomes[0].1), "{outcomes:?}");
    server.stop().await;
}
