//! Stock clients.

use crate::support::files::{Services as Server, assert_complete, run};

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
