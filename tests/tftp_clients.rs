//! Stock clients fetch files from the TFTP and HTTP services; hostile packets and lost ones disturb nobody.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::value::Timestamp;
use hardline::wire::tftp::{Download, Pace, RequestOptions};
use support::files::{Services as Server, assert_complete, run};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn tftp_hpa_fetches_in_octet_mode_only() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for (at, address) in server.tftp.iter().enumerate() {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let file = format!("got{at}");
        let arguments = ["-m", "binary", &host, &port, "-c", "get", "config.bin", &file];
        run("tftp", &arguments, folder.path()).await;
        assert_eq!(
            std::fs::read(folder.path().join(&file)).unwrap(),
            server.memory.files["config.bin"]
        );
        assert_complete(&server.memory.outcome_of(at + 1).await[at], "config.bin", 8_411);

        let ascii = run(
            "tftp",
            &["-m", "ascii", &host, &port, "-c", "get", "config.bin", "ascii"],
            folder.path(),
        )
        .await;
        let said = String::from_utf8_lossy(&ascii.stdout).into_owned() + &String::from_utf8_lossy(&ascii.stderr);
        assert!(said.contains("Error code 4"), "{said}");
        std::fs::write(folder.path().join("mine"), "x").unwrap();
        let put = run(
            "tftp",
            &["-m", "binary", &host, &port, "-c", "put", "mine"],
            folder.path(),
        )
        .await;
        let said = String::from_utf8_lossy(&put.stdout).into_owned() + &String::from_utf8_lossy(&put.stderr);
        assert!(said.contains("Error code 2"), "{said}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn atftp_fetches_with_options() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let (host, port) = (server.tftp[0].ip().to_string(), server.tftp[0].port().to_string());
    for (at, name) in ["config.bin", "empty", "block", "big"].into_iter().enumerate() {
        let options = ["--option", "blksize 1448", "--option", "tsize", "--option", "timeout 3"];
        let arguments = [&["--get", "-r", name, "-l", name][..], &options, &[&host, &port]].concat();
        let output = run("atftp", &arguments, folder.path()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            std::fs::read(folder.path().join(name)).unwrap(),
            server.memory.files[name]
        );
        assert_complete(
            &server.memory.outcome_of(at + 1).await[at],
            name,
            server.memory.files[name].len() as u64,
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn busybox_fetches_with_and_without_a_block_size() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let (host, port) = (server.tftp[0].ip().to_string(), server.tftp[0].port().to_string());
    for (at, block_size) in ["512", "1448", "65464"].into_iter().enumerate() {
        let arguments = ["tftp", "-g", "-b", block_size, "-r", "big", "-l", "got", &host, &port];
        let output = run("busybox", &arguments, folder.path()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            std::fs::read(folder.path().join("got")).unwrap(),
            server.memory.files["big"]
        );
        assert_complete(&server.memory.outcome_of(at + 1).await[at], "big", 1_500_000);
    }
    let missing = run("busybox", &["tftp", "-g", "-r", "missing", &host, &port], folder.path()).await;
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(!missing.status.success() && said.contains("no such file"), "{said}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_fetches_by_tftp_and_by_http_over_both_families() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let urls = server.tftp.iter().map(|address| format!("tftp://{address}/config.bin"));
    let urls = urls.chain(server.http.iter().map(|address| format!("http://{address}/config.bin")));
    let block_sizes = ["1448", "1428", "512", "512"];
    for (at, (url, block_size)) in urls.zip(block_sizes).enumerate() {
        let output = run(
            "curl",
            &["-sS", "--fail", "--tftp-blksize", block_size, &url],
            folder.path(),
        )
        .await;
        assert!(
            output.status.success(),
            "{url}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout, server.memory.files["config.bin"], "{url}");
        assert_complete(&server.memory.outcome_of(at + 1).await[at], "config.bin", 8_411);
    }
    let url = format!("http://{}/a%20b/%C3%A9", server.http[1]);
    let output = run("curl", &["-sS", "--fail", &url], folder.path()).await;
    assert_eq!(
        output.stdout, server.memory.files["a b/é"],
        "P34: escapes are decoded once"
    );
    let missing = run(
        "curl",
        &["-sS", &format!("tftp://{}/missing", server.tftp[0])],
        folder.path(),
    )
    .await;
    assert_eq!(missing.status.code(), Some(68), "curl's code for TFTP error 1");
    let forbidden = run(
        "curl",
        &["-sS", &format!("tftp://{}/forbidden", server.tftp[0])],
        folder.path(),
    )
    .await;
    assert_eq!(forbidden.status.code(), Some(69), "curl's code for TFTP error 2");
    server.stop().await;
}

/// The status and the fields of what curl's `arguments` get.
async fn status(server: &Server, path: &str, arguments: &[&str]) -> (String, String) {
    let url = format!("http://{}{path}", server.http[0]);
    let arguments = [&["-sS", "-i", "--path-as-is", "-m", "5"][..], arguments, &[&url]].concat();
    let output = run("curl", &arguments, Path::new("/")).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text.split(' ').nth(1).unwrap_or_default().to_owned(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_serves_get_and_head_of_existing_files_and_nothing_else() {
    let server = Server::start();
    for (path, arguments, expected) in [
        ("/config.bin", &["-X", "POST", "-d", "x"][..], "405"),
        ("/config.bin", &["-X", "DELETE"], "405"),
        ("/config.bin", &["-X", "OPTIONS"], "405"),
        ("/missing", &[], "404"),
        ("/", &[], "404"),
        ("/config.bin?x=1", &[], "404"),
        ("/forbidden", &[], "403"),
        ("/busy", &[], "503"),
        ("/%00", &[], "404"),
        ("/%ff", &[], "400"),
        ("/%zz", &[], "400"),
        ("/../config.bin", &[], "404"),
        ("/config.bin", &["-H", "Range: bytes=9000-"], "416"),
        ("/config.bin", &["-H", "Host:"], "400"),
    ] {
        assert_eq!(
            status(&server, path, arguments).await.0,
            expected,
            "{path} {arguments:?}"
        );
    }
    assert!(
        status(&server, "/one", &["-X", "POST"])
            .await
            .1
            .to_lowercase()
            .contains("allow: get, head")
    );

    let (code, head) = status(&server, "/config.bin", &["-I"]).await;
    assert_eq!(code, "200");
    assert!(head.to_lowercase().contains("content-length: 8411"), "{head}");
    let tag = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("etag: ").map(str::to_owned))
        .unwrap();
    let same = format!("If-None-Match: {}", tag.trim());
    assert_eq!(status(&server, "/config.bin", &["-H", &same]).await.0, "304");

    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/config.bin", server.http[0]);
    let part = run("curl", &["-sS", "-r", "100-199", &url], folder.path()).await;
    assert_eq!(part.stdout, server.memory.files["config.bin"][100..200]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_lets_no_slow_or_garbled_client_linger() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start();
    let long = [
        b"GET /one HTTP/1.1\r\nX: ".to_vec(),
        vec![b'a'; 40_000],
        b"\r\n\r\n".to_vec(),
    ]
    .concat();
    let both = b"POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for sent in [&b""[..], b"GET /one HT", b"\0\x01\x02 / /\r\n\r\n", &long, both] {
        let mut stream = tokio::net::TcpStream::connect(server.http[0]).await.unwrap();
        let _ = stream.write_all(sent).await;
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(
            closed.is_ok(),
            "still open after {:?}",
            String::from_utf8_lossy(&sent[..sent.len().min(30)])
        );
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    server.stop().await;
}

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
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client
        .send_to(b"\0\x01config.bin\0octet\0", server.tftp[0])
        .await
        .unwrap();
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
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client
            .send_to(b"\0\x01config.bin\0octet\0", server.tftp[0])
            .await
            .unwrap();
        clients.push(client);
    }
    assert_eq!(
        download(server.tftp[0], "config.bin", RequestOptions::default()).await,
        server.memory.files["config.bin"]
    );
    let gave_way = |outcome: &Outcome| matches!(outcome, Outcome::Failed { reason, .. } if reason.contains("gave way"));
    assert!(server.memory.outcomes().iter().any(|(_, outcome)| gave_way(outcome)));
    server.stop().await;
}

/// Hardline's own client fetches `name`.
async fn download(server: SocketAddr, name: &str, asked: RequestOptions) -> Vec<u8> {
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

#[tokio::test(flavor = "multi_thread")]
async fn stopping_tells_the_clients_and_the_file_source() {
    let server = Server::start();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client
        .send_to(b"\0\x01config.bin\0octet\0", server.tftp[0])
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    client.recv_from(&mut buffer).await.unwrap();
    let memory = Arc::clone(&server.memory);
    server.stop().await;
    client.recv_from(&mut buffer).await.unwrap();
    assert_eq!(buffer[..4], *b"\0\x05\0\0");
    assert!(matches!(&memory.outcomes()[0].1, Outcome::Failed { .. }));
}
