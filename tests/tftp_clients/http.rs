//! HTTP: what is answered, and how soon.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::support::files::{Services as Server, run};

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
