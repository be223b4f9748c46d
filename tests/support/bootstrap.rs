//! Devices with certificates, for the tests of bootstrapping.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use hardline::settings::Service;
use hardline::value::{MacAddress, OsRandom, Timestamp};
use hardline::wire::cert::issue::{self, Credential, Terms};
use hardline::wire::cert::{certificates_from_pem, certificates_to_pem, key_from_pem, key_to_pem};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslStream, SslVersion};

use super::server::Server;

/// A device's certificate with its chain and key, in files.
pub struct Papers {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// An installation with one device that has credentials, and the device's papers.
pub fn with_device(mac: &str) -> (Server, Papers) {
    let server = Server::install();
    server.add_device(mac, "one.pktc.example.net", "hybrid", &[]);
    let rows = ["--impi", "one@ims", "--impu", "sip:one@ims", "--generate"];
    server.command(&[&["credentials", "set", mac], &rows[..]].concat());
    let papers = Papers::of(&server, mac);
    (server, papers)
}

/// The status of the answer to a GET.
pub fn status(server: &Server, papers: &Papers) -> String {
    let answer = text(curl(server, Some(papers), &[]));
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The credential `name` of an installation's pki folder.
pub fn authority(server: &Server, name: &str) -> Credential {
    let read = |end: &str| std::fs::read(server.site().join("pki").join(format!("{name}.{end}.pem"))).expect("pki");
    Credential {
        certificate: certificates_from_pem(&read("crt")).expect("PEM").swap_remove(0),
        key: key_from_pem(&read("key")).expect("PEM"),
    }
}

/// Terms that began `years_ago` and hold for `years`.
pub fn terms(years_ago: i64, years: u32) -> Terms {
    let start = Timestamp::from_unix(Timestamp::now().unix() - years_ago * 366 * 86_400 - 86_400);
    Terms::new(&mut OsRandom, start, years)
}

impl Papers {
    /// Of a device certified by `maker`, with an RSA key of `bits`.
    pub fn issue(server: &Server, maker: &Credential, mac: &str, bits: u32, terms: &Terms) -> Self {
        let key = issue::generate_key(bits).expect("a key");
        let mac: MacAddress = mac.parse().expect("a MAC address");
        let device = issue::device(maker, key, mac, terms).expect("a certificate");
        let name = format!("papers-{}", terms.serial);
        let (chain, key) = (
            server.site().join(format!("{name}.pem")),
            server.site().join(format!("{name}.key")),
        );
        let pem = certificates_to_pem(&[&device.certificate, &maker.certificate]).expect("PEM");
        std::fs::write(&chain, pem).expect("written");
        std::fs::write(&key, key_to_pem(&device.key).expect("PEM").expose()).expect("written");
        Self { chain, key }
    }

    /// As `hardline pki device` issues them.
    pub fn of(server: &Server, mac: &str) -> Self {
        let folder = server.site().join(format!("device-{}", mac.replace(':', "")));
        server.command(&["pki", "device", "--mac", mac, "--out", folder.to_str().expect("UTF-8")]);
        Self {
            chain: folder.join("chain.pem"),
            key: folder.join("device.key.pem"),
        }
    }
}

/// What `openssl s_client` writes when it is given `request`, with whatever further arguments.
pub fn s_client(server: &Server, service: Service, papers: Option<&Papers>, args: &[&str], request: &str) -> String {
    let mut command = Command::new("openssl");
    let root = server.site().join("pki/sp-root.crt.pem");
    command.env("OPENSSL_CONF", script("openssl.cnf"));
    command.args([
        "s_client",
        "-connect",
        &server.v4(service).to_string(),
        "-verify_return_error",
        "-ign_eof",
        "-CAfile",
    ]);
    command.arg(root).args(args);
    if let Some(papers) = papers {
        command
            .arg("-cert")
            .arg(&papers.chain)
            .arg("-cert_chain")
            .arg(&papers.chain)
            .arg("-key")
            .arg(&papers.key);
    }
    text(fed(command, request))
}

/// What curl writes for `GET`, headers first.
pub fn curl(server: &Server, papers: Option<&Papers>, args: &[&str]) -> Output {
    let mut command = Command::new("curl");
    let address = server.v4(Service::Bootstrap);
    command.env("OPENSSL_CONF", script("openssl.cnf"));
    command.args(["-sS", "-i", "--max-time", "20", "--cacert"]);
    command.arg(server.site().join("pki/sp-root.crt.pem"));
    if let Some(papers) = papers {
        command.arg("--cert").arg(&papers.chain).arg("--key").arg(&papers.key);
    }
    command.args(args).arg(format!("https://{address}/any/path"));
    command.output().expect("curl runs")
}

/// A client of OpenSSL's for one of the two listeners.
fn client(service: Service, papers: &Papers) -> SslContext {
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    context.set_security_level(0);
    if service == Service::BootstrapLegacy {
        context.set_max_proto_version(Some(SslVersion::TLS1)).unwrap();
        context.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
        context.set_cipher_list("AES128-SHA").unwrap();
    }
    context.set_certificate_chain_file(&papers.chain).unwrap();
    context.set_private_key_file(&papers.key, SslFiletype::PEM).unwrap();
    context.build()
}

fn connected(client: &SslContext, address: SocketAddr) -> SslStream<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut tls = SslStream::new(Ssl::new(client).unwrap(), stream).unwrap();
    tls.connect().unwrap();
    tls
}

/// Sends a request, closes its half of the connection, and gives the whole answer.
pub fn asker(service: Service, papers: &Papers) -> impl Fn(SocketAddr, &str) -> String {
    let client = client(service, papers);
    move |address, request| {
        let mut tls = connected(&client, address);
        tls.write_all(request.as_bytes()).unwrap();
        tls.shutdown().unwrap();
        tls.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = tls.read_to_string(&mut answer);
        answer
    }
}

/// Fetches the document, by TLS 1.0 from the legacy listener, and keeps the connection.
pub fn fetcher(service: Service, papers: &Papers) -> impl Fn(SocketAddr) -> TcpStream {
    let client = client(service, papers);
    move |address| {
        let mut tls = connected(&client, address);
        let held = tls.get_ref().try_clone().unwrap();
        tls.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = [0; 16];
        tls.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[..15], b"HTTP/1.1 200 OK");
        held
    }
}

/// Runs a command with `input` on its standard input.
pub fn fed(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut stdin = child.stdin.take().expect("piped");
    // A peer that has gone already does not read.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// Both outputs as text.
pub fn text(output: Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The body of an HTTP answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("an HTTP answer").1
}

/// A Python with tlslite-ng, which test.sh makes.
pub fn python() -> PathBuf {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: ./test.sh makes it, or: python3 -m venv target/test-venv && target/test-venv/bin/pip install tlslite-ng",
        python.display()
    );
    python
}

/// A script of this folder's neighbours.
pub fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/bootstrap")
        .join(name)
}
