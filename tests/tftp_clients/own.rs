//! Hardline's own client, over good lines and bad ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hardline::value::Timestamp;
use hardline::wire::tftp::{Download, Pace, RequestOptions};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use crate::support::files::Services as Server;

/// Hardline's own client fetches `name`.
pub(super) async fn download(server: SocketAddr, name: &str, asked: RequestOptions) -> Vec<u8> {
    fetch(server, name, asked).await.expect("a download")
}

async fn fetch(server: SocketAddr, name: &str, asked: RequestOptions) -> Result<Vec<u8>, String> {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).await.unwrap();
    let (started, base) = (Instant::now(), Timestamp::now());
    let now = || base.plus(started.elapsed());
    let pace = Pace {
        first: Duration::from_millis(150),
        longest: Duration::from_millis(400),
        retries: 8,
        ..Pace::default()
    };
    let mut packet = Vec::new();
    let mut download = Download::start(server, name, asked, 1 << 24, pace, now(), &mut packet);
    socket.send_to(&packet, server).await.unwrap();
    let mut buffer = vec![0; 70_000];
    while download.result().is_none() {
        let wait = download.deadline().since(now());
        let to = match timeout(wait, socket.recv_from(&mut buffer)).await {
            Ok(received) => {
                let (length, from) = received.unwrap();
                download.receive(from, &buffer[..length], now(), &mut packet)
            }
            Err(_) => download.tick(now(), &mut packet),
        };
        if let Some(to) = to {
            socket.send_to(&packet, to).await.unwrap();
        }
    }
    download
        .result()
        .unwrap()
        .map(<[u8]>::to_vec)
        .map_err(ToString::to_string)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_client_fetches_with_windows_over_both_families() {
    let server = Server::start();
    for address in &server.tftp {
        for window in [None, Some(1), Some(4), Some(200)] {
            let asked = RequestOptions {
                window,
                size: Some(0),
                ..Download::device_options(address.ip())
            };
            for name in ["empty", "one", "config.bin", "big"] {
                assert_eq!(
                    download(*address, name, asked).await,
                    server.memory.files[name],
                    "{name} {window:?}"
                );
            }
        }
    }
    server.stop().await;
}

/// A proxy between one client and the server that loses, doubles and swaps datagrams in a fixed pattern.
async fn bad_line(server: SocketAddr, pattern: u64) -> SocketAddr {
    let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = outside.local_addr().unwrap();
    tokio::spawn(async move {
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (mut client, mut peer) = (None, server);
        let (mut near, mut far) = ([0; 2048], [0; 2048]);
        let mut state = pattern | 1;
        let mut held: Option<(bool, Vec<u8>)> = None;
        loop {
            let (outward, datagram) = tokio::select! {
                Ok((length, from)) = outside.recv_from(&mut near) => {
                    client = Some(from);
                    (true, near[..length].to_vec())
                }
                Ok((length, from)) = inside.recv_from(&mut far) => {
                    peer = from;
                    (false, far[..length].to_vec())
                }
            };
            // A xorshift generator: the same pattern each time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let mut sending = match state % 16 {
                0 | 1 => vec![],
                2 => vec![(outward, datagram.clone()), (outward, datagram)],
                3 if held.is_none() => {
                    held = Some((outward, datagram));
                    vec![]
                }
                _ => vec![(outward, datagram)],
            };
            sending.extend(held.take_if(|_| state % 16 > 3));
            for (outward, datagram) in sending {
                if outward {
                    let _ = inside.send_to(&datagram, peer).await;
                } else if let Some(client) = client {
                    let _ = outside.send_to(&datagram, client).await;
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_ends_in_the_file_or_a_failure() {
    let server = Server::start();
    let mut runs = tokio::task::JoinSet::new();
    for pattern in 1..=12 {
        let (tftp, memory) = (server.tftp[0], Arc::clone(&server.memory));
        runs.spawn(async move {
            let line = bad_line(tftp, u64::wrapping_mul(pattern, 0x9e37_79b9_7f4a_7c15)).await;
            let window = [None, Some(4), Some(16)][pattern as usize % 3];
            let asked = RequestOptions {
                window,
                ..Download::device_options(line.ip())
            };
            let result = timeout(Duration::from_secs(60), fetch(line, "config.bin", asked)).await;
            let result = result.expect("never stuck");
            if let Ok(content) = &result {
                assert_eq!(*content, memory.files["config.bin"]);
            }
            result.is_ok()
        });
    }
    let delivered = runs.join_all().await.into_iter().filter(|delivered| *delivered).count();
    assert!(delivered >= 8, "retransmission delivers most: {delivered} of 12");
    server.stop().await;
}
