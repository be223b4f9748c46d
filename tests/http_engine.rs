//! The HTTP service from outside: what is smuggled, slow, large or led out of the folder.

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, symlink};
use std::process::Command;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::service::http::HttpSettings;
use hardline::service::tftp::TransferPorts;
use hardline::settings::Service;
use socket2::SockRef;
use support::files::{Services, assert_complete, http_settings, tftp_settings};
use support::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

/// Everything that comes over a connection on which `sent` was sent, until the server closes it.
async fn exchange(server: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let _ = stream.write_all(sent).await;
    let mut answer = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "still open after {:?}", String::from_utf8_lossy(sent));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_smuggled_in_another_ones_body() {
    let server = Services::start();
    let hidden = "GET /block HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = hidden.len();
    for head in [
        format!("GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"),
        format!("POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"),
        format!("GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nContent-Length: 0\r\n\r\n"),
        format!("GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        "GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: 0x0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n".to_owned(),
        "GET /one HTTP/1.1\r\n\r\n".to_owned(),
        "GET /one\r\n".to_owned(),
        "GET /one HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(),
    ] {
        let answer = exchange(server.http[0], format!("{head}{hidden}").as_bytes()).await;
        let answers = answer.matches("HTTP/1.").count();
        let wholly_separate = head.contains("Host: g") || head == "GET /one HTTP/1.1\r\n\r\n";
        assert!(!answer.starts_with("HTTP/1.1 200"), "{head:?}: {answer}");
        if !wholly_separate {
            assert!(answers <= 1, "{head:?}: {answer}");
            assert!(!answer.contains("content-length: 512"), "{head:?}: {answer}");
        }
    }
    // What is no body at all is fine, and so is one request after the other.
    let two = "GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.http[0], two.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_side_when_it_has_asked_gets_everything() {
    let server = Services::start();
    for (name, size) in [("one", 1), ("late", 8_411), ("big", 1_500_000)] {
        let mut stream = TcpStream::connect(server.http[0]).await.unwrap();
        let request = format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // It is in no hurry: the server has more to send than it can.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut answer = Vec::new();
        timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{name}");
        assert_eq!(answer.len() - head, size, "{name}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_field_names_a_host() {
    let server = Services::start();
    for (host, status) in [
        ("h", "200"),
        (" prov.example.net:8080", "200"),
        ("[2001:db8::1]:80", "200"),
        ("", "200"),
        ("a b/c", "400"),
        ("a/b", "400"),
        ("u@a", "400"),
    ] {
        let request = format!("GET /one HTTP/1.1\r\nHost:{host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.http[0], request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host:?}: {answer}");
    }
    server.stop().await;
}

/// Whether there is one outcome, which says that the file was opened for nobody.
async fn came_to_nothing(server: &Services) {
    let outcomes = server.memory.outcome_of(1).await;
    assert!(
        matches!(&outcomes[..], [(_, Outcome::Failed { bytes: 0, .. })]),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_opened_for_a_client_that_has_left_has_an_end() {
    // The client resets the connection while the file is being opened.
    let server = Services::start();
    let mut stream = TcpStream::connect(server.http[0]).await.unwrap();
    stream
        .write_all(b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(stream);
    came_to_nothing(&server).await;
    server.stop().await;
    // The service does not wait so long for its file.
    let server = Services::start();
    let request = b"GET /tardy HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.http[0], request).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    came_to_nothing(&server).await;
    server.stop().await;
    // The service ends the connection meanwhile, and lets nobody in before the file is open.
    let settings = HttpSettings {
        lifetime: Duration::from_millis(100),
        max_connections: 1,
        ..http_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, tftp_settings(), settings);
    assert_eq!(exchange(server.http[0], request).await, "");
    assert_eq!(exchange(server.http[0], request).await, "", "one is all");
    came_to_nothing(&server).await;
    assert_eq!(server.memory.outcomes().len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_left() {
    let server = Services::start();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.http[0]).await.unwrap();
    // More than the buffers of both ends hold.
    for _ in 0..8 {
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    }
    let outcomes = server.memory.outcome_of(1).await;
    let part = |outcome: &Outcome| matches!(outcome, Outcome::Failed { bytes, .. } if (1..1_500_000).contains(bytes));
    assert!(outcomes.iter().any(|(_, outcome)| part(outcome)), "{outcomes:?}");
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    assert!(outcomes.iter().all(|(_, outcome)| failed(outcome)), "{outcomes:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_what_nobody_wants_can_read_why() {
    let server = Services::start();
    let mut stream = TcpStream::connect(server.http[0]).await.unwrap();
    let head = b"POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for _ in 0..10 {
        stream
            .write_all(&[b'x'; 100_000])
            .await
            .expect("the server hears it out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 405 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    server.stop().await;
}

/// Asks for a large file with little room for it.
async fn ask_for_much(server: &Services) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.http[0]).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_complete_when_the_client_has_it_and_not_before() {
    // It goes when it has a little: the system had taken all that was left to send, or could.
    let server = Services::start();
    let mut stream = ask_for_much(&server).await;
    stream.read_exact(&mut [0; 10_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.memory.outcomes().is_empty(), "{:?}", server.memory.outcomes());
    drop(stream);
    let outcomes = server.memory.outcome_of(1).await;
    let part = |outcome: &Outcome| matches!(outcome, Outcome::Failed { bytes, .. } if (9_000..200_000).contains(bytes));
    assert!(outcomes.len() == 1 && part(&outcomes[0].1), "{outcomes:?}");
    server.stop().await;

    // It is slow, for longer than the server waits for another request or while nothing is taken.
    let server = Services::start();
    let mut stream = ask_for_much(&server).await;
    let mut piece = vec![0; 100_000];
    for _ in 0..15 {
        stream.read_exact(&mut piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let outcomes = server.memory.outcome_of(1).await;
    assert_complete(&outcomes[0], "big", 1_500_000);
    server.stop().await;

    // One file after the other over one connection, which is reset in the end.
    let server = Services::start();
    let mut stream = TcpStream::connect(server.http[0]).await.unwrap();
    for (count, name) in [(1, "one"), (2, "config.bin"), (3, "empty")] {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let size = server.memory.files[name].len();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") || answer.len() < size {
            stream.read_buf(&mut answer).await.unwrap();
        }
        let outcomes = server.memory.outcome_of(count).await;
        assert_complete(&outcomes[count - 1], name, size as u64);
    }
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_source_are_bounded_and_others_go_on() {
    let settings = HttpSettings {
        connections_per_source: 4,
        header_timeout: Duration::from_secs(30),
        ..http_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, tftp_settings(), settings);
    let connect = async |from: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        socket.connect(server.http[0]).await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(connect("127.0.0.2").await);
    }
    let mut fifth = connect("127.0.0.2").await;
    let mut answer = Vec::new();
    let closed = timeout(SOON, fifth.read_to_end(&mut answer)).await;
    assert!(closed.is_ok() && answer.is_empty(), "the fifth connection is closed");
    let mut other = connect("127.0.0.3").await;
    other.write_all(b"GET /one HTTP/1.0\r\n\r\n").await.unwrap();
    other.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"));
    drop(held);
    server.stop().await;
}

fn curl(args: &[&str]) -> (String, Vec<u8>) {
    let output = Command::new("curl")
        .args(["-sS", "--path-as-is", "-m", "60"])
        .args(args)
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.stdout)
}

fn code(url: &str, args: &[&str]) -> String {
    let (error, out) = curl(&[args, &["-o", "/dev/null", "-w", "%{http_code}", url]].concat());
    assert!(error.is_empty(), "{url}: {error}");
    String::from_utf8(out).unwrap()
}

#[test]
fn firmware_is_streamed_and_nothing_leads_out_of_the_folder() {
    let mut server = Server::install();
    let shared = server.site().join("static");
    const SIZE: u64 = 300 << 20;
    let image = std::fs::File::create(shared.join("image.bin")).unwrap();
    image.set_len(SIZE).unwrap();
    image.write_all_at(b"middle", SIZE / 2).unwrap();
    image.write_all_at(b"end", SIZE - 3).unwrap();
    std::fs::create_dir(shared.join("sub")).unwrap();
    std::fs::write(shared.join("sub/file"), "inside").unwrap();
    std::fs::write(server.site().join("outside"), "outside").unwrap();
    symlink("../outside", shared.join("link")).unwrap();
    symlink("..", shared.join("up")).unwrap();
    server.start();
    let base = format!("http://{}", server.v4(Service::Http));

    for (path, expected) in [
        ("/sub/file", "200"),
        ("//sub//file", "200"),
        ("/sub/", "404"),
        ("/sub", "404"),
        ("/", "404"),
        ("/link", "404"),
        ("/up/outside", "404"),
        ("/../outside", "404"),
        ("/sub/../../outside", "404"),
        ("/%2e%2e/outside", "404"),
        ("/..%2foutside", "404"),
        ("/sub/%2e%2e/%2e%2e/outside", "404"),
        ("/%252e%252e/outside", "404"),
        ("/..%5coutside", "404"),
        ("/sub/file%00", "404"),
        ("/%c0%ae%c0%ae/outside", "400"),
        ("/hardline.db", "404"),
        ("/sub/file?", "404"),
    ] {
        assert_eq!(code(&format!("{base}{path}"), &[]), expected, "{path}");
    }

    let url = format!("{base}/image.bin");
    let before = server.resident();
    let (error, out) = curl(&["-o", "/dev/null", "-w", "%{http_code} %{size_download}", &url]);
    assert_eq!(String::from_utf8(out).unwrap(), format!("200 {SIZE}"), "{error}");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more after a download of 300 MiB");
    assert_eq!(
        curl(&["-r", &format!("{}-{}", SIZE / 2, SIZE / 2 + 5), &url]).1,
        b"middle"
    );
    assert_eq!(curl(&["-r", "-3", &url]).1, b"end");

    let head = String::from_utf8(curl(&["-I", &url]).1).unwrap().to_lowercase();
    assert!(head.contains(&format!("content-length: {SIZE}")), "{head}");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(code(&url, &["-H", &format!("If-None-Match: {tag}")]), "304");
    let both = ["-H", "If-None-Match: \"x\"", "-H", &format!("If-None-Match: {tag}")];
    assert_eq!(code(&url, &both), "304", "two lines are one list");
    assert_eq!(code(&url, &["-H", "If-Match: \"x\""]), "412");
    assert_eq!(code(&url, &["-I", "-H", "If-Match: \"x\""]), "412");
    assert_eq!(code(&url, &["-r", "0-9", "-H", &format!("If-Match: {tag}")]), "206");
    assert_eq!(code(&url, &["-r", "0-9", "-H", &format!("If-Range: {tag}")]), "206");
    image.write_all_at(b"other", 0).unwrap();
    assert_eq!(
        code(&url, &["-r", "0-9", "-H", &format!("If-Range: {tag}")]),
        "200",
        "it changed"
    );
    assert_eq!(code(&url, &["-H", &format!("If-None-Match: {tag}")]), "200");

    // The same file by TFTP, streamed as well.
    let tftp = server.v4(Service::Tftp).to_string();
    let before = server.resident();
    let fetched = Command::new("curl")
        .args([
            "-sS",
            "-m",
            "60",
            "--tftp-blksize",
            "65464",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
        ])
        .arg(format!("tftp://{tftp}/image.bin"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&fetched.stdout), SIZE.to_string());
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more after a transfer of 300 MiB");
    server.assert_unhurt();
}
