//! TFTP packet by packet: wrong ones, strangers, silence, too many clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::wire::tftp::RequestOptions;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::own::download;
use crate::support::files::Services as Server;

/// Sends one datagram to the TFTP port and gives the answer, if one comes.
async fn ask(address: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(datagram, address).await.unwrap();
    let mut buffer = [0; 2048];
    let (length, _) = timeout(Duration::from_secs(1), socket.recv_from(&mut buffer))
        .await
        .ok()?
        .unwrap();
    Some(buffer[..length].to_vec())
}

/// A client that has asked for a file.
async fn begun(server: &Server) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client
        .send_to(b"\0\x01config.bin\0octet\0", server.tftp[0])
        .await
        .unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn tftp_answers_each_wrong_request_with_its_error() {
    let server = Server::start();
    for (request, code) in [
        (&b"\0\x01one\0netascii\0"[..], Some(4)),
        (b"\0\x01one\0mail\0", Some(4)),
        (b"\0\x01one\0whatever\0", Some(4)),
        (b"\0\x02one\0octet\0", Some(2)),
        (b"\0\x01\xff\xfe\0octet\0", Some(2)),
        (b"\0\x01/\0octet\0", Some(2)),
        (b"\0\x01missing\0octet\0", Some(1)),
        (b"\0\x01../one\0octet\0", Some(1)),
        (b"\0\x01forbidden\0octet\0", Some(2)),
        (b"\0\x01busy\0octet\0", Some(0)),
        (b"\0\x01one\0octet\0blksize\x007\0", Some(8)),
        (b"\0\x01one\0octet\0timeout\x000\0", Some(8)),
        (b"\0\x01one\0octet\0windowsize\x000\0", Some(8)),
        (b"\0\x01one\0octet\0tsize\x000\0tsize\x000\0", Some(8)),
        (b"\0\x04\0\x01", Some(5)),
        (b"\0\x03\0\x01abc", Some(5)),
        (b"\0\x06tsize\x000\0", Some(5)),
        (b"\0\x05\0\x01x\0", None),
        (b"\0\x01one\0octet", None),
        (b"\0\x01", None),
        (b"\0\x09x", None),
        (b"", None),
    ] {
        let answer = ask(server.tftp[0], request).await;
        let expected = code.map(|code| vec![0, 5, 0, code]);
        assert_eq!(answer.map(|answer| answer[..4].to_vec()), expected, "{request:?}");
    }
    let plain = ask(server.tftp[0], b"\0\x01/one\0OCTET\0netaddr\x00192.0.2.7\0unknown\0x\0")
        .await
        .unwrap();
    assert_eq!(
        plain, b"\0\x03\0\x01\0",
        "neither netaddr nor an unknown option makes an OACK"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_port_gets_error_5_and_the_transfer_goes_on() {
    let server = Server::start();
    let client = begun(&server).await;
    let mut buffer = [0; 1024];
    let (length, transfer) = client.recv_from(&mut buffer).await.unwrap();
    assert_eq!((length, &buffer[..4]), (516, &b"\0\x03\0\x01"[..]));
    assert_ne!(transfer, server.tftp[0]);
    assert_eq!(ask(transfer, b"\0\x04\0\x01").await.unwrap()[..4], *b"\0\x05\0\x05");
    assert_eq!(ask(transfer, b"\0\x05\0\0\0").await, None, "an ERROR is never answered");
    for wrong in [
        &b"\0\x03\0\x01x"[..],
        b"\0\x01one\0octet\0",
        b"\0\x09",
        b"\0\x04",
        b"\0\x04\0\x02",
    ] {
        client.send_to(wrong, transfer).await.unwrap();
    }
    client.send_to(b"\0\x04\0\x01", transfer).await.unwrap();
    loop {
        let (_, from) = timeout(Duration::from_secs(2), client.recv_from(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(from, transfer);
        // Block 1 may have been repeated meanwhile.
        if buffer[..4] == *b"\0\x03\0\x02" {
            break;
        }
        assert_eq!(buffer[..4], *b"\0\x03\0\x01");
    }
    client.send_to(b"\0\x05\0\0enough\0", transfer).await.unwrap();
    let outcomes = server.memory.outcome_of(1).await;
    assert!(
        matches!(&outcomes[0].1, Outcome::Failed { bytes: 512, .. }),
        "{outcomes:?}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_and_a_silent_file_source_both_end() {
    let server = Server::start();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(b"\0\x01slow\0octet\0", server.tftp[0]).await.unwrap();
    let mut buffer = [0; 1024];
    timeout(Duration::from_secs(2), client.recv_from(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(buffer[..4], *b"\0\x05\0\0");

    ask(server.tftp[0], b"\0\x01one\0octet\0").await.unwrap();
    let outcomes = timeout(Duration::from_secs(20), async {
        while server.memory.outcomes().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.memory.outcomes()
    });
    assert!(matches!(
        &outcomes.await.unwrap()[0].1,
        Outcome::Failed { retransmissions: 5, .. }
    ));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_table_drops_the_oldest_that_never_acknowledged() {
    let server = Server::start();
    let mut clients = Vec::new();
    // Two workers of 50 transfers each: 300 half-open ones fill both.
    for _ in 0..300 {
        clients.push(begun(&server).await);
    }
    assert_eq!(
        download(server.tftp[0], "config.bin", RequestOptions::default()).await,
        server.memory.files["config.bin"]
    );
    let gave_way = |outcome: &Outcome| matches!(outcome, Outcome::Failed { reason, .. } if reason.contains("gave way"));
    assert!(server.memory.outcomes().iter().any(|(_, outcome)| gave_way(outcome)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_tells_the_clients_and_the_file_source() {
    let server = Server::start();
    let client = begun(&server).await;
    let mut buffer = [0; 1024];
    client.recv_from(&mut buffer).await.unwrap();
    let memory = Arc::clone(&server.memory);
    server.stop().await;
    client.recv_from(&mut buffer).await.unwrap();
    assert_eq!(buffer[..4], *b"\0\x05\0\0");
    assert!(matches!(&memory.outcomes()[0].1, Outcome::Failed { .. }));
}
