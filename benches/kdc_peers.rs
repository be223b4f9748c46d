//! Our KDC and krb5kdc on the same work, in the same run: requests answered per second of the server's CPU time.
//!
//!     cargo bench --bench kdc_peers
//!
//! Needs krb5-kdc, krb5-admin-server and krb5-pkinit (Debian). Both servers are set up in a temporary folder, with the same
//! KDC certificate (RSA-2048), the same client certificate, the same password. All requests are made beforehand; they go to
//! one server at a time over UDP, a fixed number outstanding; CPU time is what the system accounts to the server's process
//! meanwhile. Each figure is the median of several rounds, in which the servers take turns.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hardline::value::{OsRandom, Realm, Timestamp};
use hardline::wire::cert::{certificates_from_pem, key_from_pem};
use hardline::wire::kerberos::{
    ApReq, ApReqContent, Checksum, ChecksumType, EncType, EncryptionKey, Exchange, KdcRep, KdcReq, KdcReqBody,
    KerberosFlags, KeyUsage, Number32, PA_PK_AS_REQ_RFC4556, PA_TGS_REQ, PaData, PaEncTsEnc, PadForm, Principal,
    PrincipalName, Ticket,
};
use hardline::wire::pkinit::{CmsDigest, DhGroup, DhKeyPair, DhPublic, Identity, build_request_rfc4556};

const REALM: &str = "PKTC.EXAMPLE.NET";
const PASSWORD: &str = "benchmark";
const CLIENT: &str = "bench/client";
const DEVICE: &str = "mta/mta1.pktc.example.net";
const SERVICE: &str = "host/bench.pktc.example.net";
const MAC: &str = "00:11:22:33:44:55";
/// Requests that wait for an answer at once.
const WINDOW: usize = 16;
/// Rounds of each case.
const ROUNDS: usize = 5;
/// Requests of a round.
const PKINIT: usize = 600;
const SYMMETRIC: usize = 6_000;

fn main() {
    // `cargo test --benches` runs this with nothing to do.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let ours = Ours::start();
    let peer = Krb5kdc::start(&ours);
    let both: [(&str, &dyn Server); 2] = [("hardline", &ours), ("krb5kdc", &peer)];
    let client = Client::new(&ours);
    println!("| Case | hardline, requests a CPU second | krb5kdc | ratio |\n|---|---|---|---|");
    let group14 = |server: &dyn Server| client.pkinit(DhGroup::Modp14, server.realm());
    compare("AS, PKINIT, RSA-2048, MODP group 14", &both, PKINIT, &group14);
    let oakley2 = |server: &dyn Server| client.pkinit(DhGroup::Oakley2, server.realm());
    let figures = measured("hardline", &ours, PKINIT, &oakley2);
    println!("| AS, PKINIT, RSA-2048, Oakley group 2 | {figures} | – | – |");
    compare("AS, encrypted timestamp, AES-256", &both, SYMMETRIC, &|_| {
        client.timestamp()
    });
    compare("TGS, AES-256", &both, SYMMETRIC, &|server| client.tgs(server));
    arithmetic(&client);
}

/// One server under load.
trait Server {
    fn address(&self) -> SocketAddr;
    fn process(&self) -> u32;
    fn realm(&self) -> &Realm;
}

/// A figure: the median of the rounds, and all of them.
struct Rate(Vec<f64>);

impl Rate {
    fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.0.iter().map(|rate| format!("{rate:.0}")).collect();
        write!(f, "{:.0} (of {})", self.median(), all.join(", "))
    }
}

type Make<'a> = dyn Fn(&dyn Server) -> Box<dyn FnMut() -> Vec<u8> + 'a> + 'a;

fn compare(case: &str, servers: &[(&str, &dyn Server); 2], count: usize, make: &Make<'_>) {
    let mut rates = [Rate(Vec::new()), Rate(Vec::new())];
    for _ in 0..ROUNDS {
        for ((name, server), rate) in servers.iter().zip(&mut rates) {
            rate.0.push(round(name, *server, count, make));
        }
    }
    let ratio = rates[0].median() / rates[1].median();
    println!("| {case} | {} | {} | {ratio:.1} |", rates[0], rates[1]);
}

fn measured(name: &str, server: &dyn Server, count: usize, make: &Make<'_>) -> Rate {
    Rate((0..ROUNDS).map(|_| round(name, server, count, make)).collect())
}

/// Requests answered per second of the server's CPU time.
fn round(name: &str, server: &dyn Server, count: usize, make: &Make<'_>) -> f64 {
    let mut next = make(server);
    let requests: Vec<Vec<u8>> = (0..count + WINDOW).map(|_| next()).collect();
    let (warming, requests) = requests.split_at(WINDOW);
    drive(name, server.address(), warming);
    let before = cpu_time(server.process());
    drive(name, server.address(), requests);
    count as f64 / (cpu_time(server.process()) - before)
}

/// Sends every request and waits for every answer; each must be a ticket.
fn drive(name: &str, server: SocketAddr, requests: &[Vec<u8>]) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server).expect("connected");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let mut buffer = vec![0; 65_536];
    let mut waiting = 0;
    let mut all = requests.iter();
    loop {
        while waiting < WINDOW
            && let Some(request) = all.next()
        {
            socket.send(request).expect("sent");
            waiting += 1;
        }
        if waiting == 0 {
            return;
        }
        let length = socket
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer = &buffer[..length];
        assert!(matches!(answer[0], 0x6b | 0x6d), "{name} refuses: {}", refusal(answer));
        waiting -= 1;
    }
}

fn refusal(answer: &[u8]) -> String {
    hardline::wire::kerberos::KrbError::parse(answer).map_or_else(
        |error| error.to_string(),
        |error| format!("{} {:?}", error.error_code, error.e_text),
    )
}

/// The CPU time of a process with all its threads so far, seconds.
fn cpu_time(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = [11, 12]
        .map(|at: usize| fields[at].parse::<f64>().expect("ticks"))
        .iter()
        .sum();
    // USER_HZ is 100 on every Linux.
    ticks / 100.0
}

/// What one signature and the exponentiations of an answer cost, for the limit that no KDC can pass.
fn arithmetic(client: &Client) {
    let message = [7; 128];
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).expect("a key")).expect("a key");
    let signing = seconds(400, || {
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).expect("a signer");
        signer.sign_oneshot_to_vec(&message).expect("a signature");
    });
    println!("\nOne RSA-2048 signature: {:.3} ms.", signing * 1e3);
    for group in [DhGroup::Modp14, DhGroup::Oakley2] {
        let pair = DhKeyPair::generate(group, &mut OsRandom).expect("a pair");
        let value = client.pair(group).public_value().to_vec();
        let validated = seconds(200, || {
            DhPublic::new(group, &value).expect("a value");
        });
        let public = DhPublic::new(group, &value).expect("a value");
        let agreed = seconds(200, || {
            pair.agree(&public).expect("a secret");
        });
        let limit = 1.0 / (signing + validated + agreed);
        println!(
            "{group:?}: agreement {:.3} ms, validation of the client's value {:.3} ms; with the signature at most {limit:.0} a CPU second.",
            agreed * 1e3,
            validated * 1e3
        );
    }
}

fn seconds(count: u32, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..count).for_each(|_| work());
    begun.elapsed().as_secs_f64() / f64::from(count)
}

/// The client of both servers.
struct Client {
    identity: Identity,
    pairs: [DhKeyPair; 2],
    key: EncryptionKey,
    realm: Realm,
}

impl Client {
    fn new(ours: &Ours) -> Self {
        let read =
            |name: &str| std::fs::read(ours.folder.path().join("device").join(name)).expect("a file of pki device");
        let chain = certificates_from_pem(&read("chain.pem")).expect("certificates");
        let leaf = certificates_from_pem(&read("device.crt.pem")).expect("a certificate");
        let mut all = leaf;
        all.extend(
            chain
                .into_iter()
                .filter(|certificate| !all.contains(certificate))
                .collect::<Vec<_>>(),
        );
        let key = key_from_pem(&read("device.key.pem")).expect("a key");
        let pair = |group| DhKeyPair::generate(group, &mut OsRandom).expect("a pair");
        let salt = format!("{REALM}{}", CLIENT.replace('/', ""));
        Self {
            identity: Identity::new(&all, key).expect("a chain"),
            pairs: [pair(DhGroup::Modp14), pair(DhGroup::Oakley2)],
            key: EncType::Aes256Sha1
                .string_to_key(PASSWORD.as_bytes(), salt.as_bytes(), None)
                .expect("a key"),
            realm: REALM.parse().expect("a realm"),
        }
    }

    fn pair(&self, group: DhGroup) -> &DhKeyPair {
        self.pairs
            .iter()
            .find(|pair| pair.group() == group)
            .expect("a pair of each group")
    }

    fn body(&self, client: Option<&str>, service: PrincipalName) -> KdcReqBody {
        KdcReqBody {
            kdc_options: KerberosFlags::default(),
            cname: client.map(name),
            realm: self.realm.clone(),
            sname: Some(service),
            from: None,
            till: Some(Timestamp::now().plus(Duration::from_secs(36_000))),
            rtime: None,
            // MIT's decoder drops a request whose nonce has its highest bit set.
            nonce: Number32::new(random_number() >> 1),
            etype: vec![EncType::Aes256Sha1.number()],
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        }
    }

    fn pkinit<'a>(&'a self, group: DhGroup, realm: &Realm) -> Box<dyn FnMut() -> Vec<u8> + 'a> {
        let krbtgt = PrincipalName::krbtgt(realm);
        Box::new(move || {
            let mut request = KdcReq::new(Exchange::As, Vec::new(), self.body(Some(DEVICE), krbtgt.clone()));
            let (pair, nonce) = (self.pair(group), random_number() >> 1);
            let now = Timestamp::now();
            let value = build_request_rfc4556(
                &self.identity,
                request.body_der(),
                nonce,
                now,
                Some(pair),
                CmsDigest::Sha256,
            );
            request.padata = vec![PaData::new(PA_PK_AS_REQ_RFC4556, value.expect("a request"))];
            request.encode()
        })
    }

    fn timestamp(&self) -> Box<dyn FnMut() -> Vec<u8> + '_> {
        Box::new(move || {
            let body = self.body(Some(CLIENT), PrincipalName::krbtgt(&self.realm));
            let proof = PaEncTsEnc::seal(&self.key, Timestamp::now(), PadForm::Covered, &mut OsRandom);
            KdcReq::new(Exchange::As, vec![proof.expect("a proof")], body).encode()
        })
    }

    /// A ticket-granting ticket of `server`, and its session key.
    fn ticket(&self, server: &dyn Server) -> (Ticket, EncryptionKey) {
        let datagram = self.timestamp()();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        socket.send_to(&datagram, server.address()).expect("sent");
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).expect("an answer");
        let reply = KdcRep::parse(&buffer[..length]).unwrap_or_else(|_| panic!("{}", refusal(&buffer[..length])));
        let body = KdcReq::parse(&datagram).expect("our own").body;
        let (part, _) = reply.open(&body, &self.key, KeyUsage::AS_REP).expect("it opens");
        (reply.ticket, part.key)
    }

    fn tgs<'a>(&'a self, server: &dyn Server) -> Box<dyn FnMut() -> Vec<u8> + 'a> {
        let (ticket, session_key) = self.ticket(server);
        let client: Principal = name(CLIENT).at(&self.realm);
        Box::new(move || {
            let mut request = KdcReq::new(Exchange::Tgs, Vec::new(), self.body(None, name(SERVICE)));
            let kind = ChecksumType::of_enc_type(EncType::Aes256Sha1);
            let (usage, body) = (KeyUsage::TGS_REQ_CHECKSUM, request.body_der());
            let content = ApReqContent {
                client: &client,
                ticket: &ticket,
                session_key: &session_key,
                now: Timestamp::now(),
                mutual: false,
                checksum: Checksum::keyed(kind, &session_key, usage, body, &mut OsRandom).ok(),
                subkey: None,
                seq_number: None,
                usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
                pad: PadForm::Covered,
            };
            let (ap_req, _) = ApReq::build(&content, &mut OsRandom).expect("an AP-REQ");
            request.padata = vec![PaData::new(PA_TGS_REQ, ap_req.encode())];
            request.encode()
        })
    }
}

fn name(text: &str) -> PrincipalName {
    format!("{text}@{REALM}")
        .parse::<Principal>()
        .expect("a principal")
        .name
}

fn random_number() -> u32 {
    u32::from_be_bytes(hardline::value::Random::array(&mut OsRandom))
}

/// A server's process, killed at the end.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command that must succeed.
fn run(command: &mut Command) {
    let out = command.stdin(Stdio::null()).output().expect("the program is installed");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(
        out.status.success(),
        "{command:?}: {}{}",
        text(&out.stdout),
        text(&out.stderr)
    );
}

fn wait_for(what: &str, address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{what} does not listen at {address}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Our server.
struct Ours {
    folder: tempfile::TempDir,
    address: SocketAddr,
    realm: Realm,
    process: Process,
}

impl Ours {
    fn start() -> Self {
        const OFFSET: u16 = 26_700;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let hardline = || Command::new(env!("CARGO_BIN_EXE_hardline"));
        let (site, config) = (path("site"), path("site/hardline.toml"));
        run(hardline().args([
            "init",
            &site,
            "--listen",
            "127.0.0.1",
            "--port-offset",
            &OFFSET.to_string(),
        ]));
        let fqdn = DEVICE.trim_start_matches("mta/");
        run(hardline().args([
            "device", "add", "--config", &config, "--mac", MAC, "--fqdn", fqdn, "--flow", "secure",
        ]));
        run(hardline().args([
            "pki",
            "device",
            "--config",
            &config,
            "--mac",
            MAC,
            "--out",
            &path("device"),
        ]));
        std::fs::write(path("password"), PASSWORD).expect("a file");
        for (principal, by_password) in [(CLIENT, true), (SERVICE, false)] {
            let mut add = hardline();
            add.args(["keytab", "add", "--config", &config, "--principal", principal]);
            add.args(["--etype", EncType::Aes256Sha1.name()]);
            if by_password {
                add.args(["--password-file", &path("password")]);
            }
            run(&mut add);
        }
        let mut serve = hardline();
        serve
            .args(["serve", "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process(serve.spawn().expect("hardline runs"));
        let address = SocketAddr::from(([127, 0, 0, 1], 88 + OFFSET));
        wait_for("hardline", address);
        Self {
            folder,
            address,
            realm: REALM.parse().expect("a realm"),
            process,
        }
    }

    fn pki(&self, name: &str) -> PathBuf {
        self.folder.path().join("site/pki").join(name)
    }
}

impl Server for Ours {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }

    fn realm(&self) -> &Realm {
        &self.realm
    }
}

/// MIT's KDC with the same certificates.
struct Krb5kdc {
    _folder: tempfile::TempDir,
    address: SocketAddr,
    realm: Realm,
    process: Process,
}

impl Krb5kdc {
    fn start(ours: &Ours) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        write_settings(folder.path(), ours, port);
        let command = |program: &str| {
            let mut command = Command::new(program);
            command.env("KRB5_CONFIG", folder.path().join("krb5.conf"));
            command.env("KRB5_KDC_PROFILE", folder.path().join("kdc.conf"));
            command
        };
        run(command("/usr/sbin/kdb5_util").args(["create", "-s", "-r", REALM, "-P", "master"]));
        let query = |text: String| run(command("/usr/sbin/kadmin.local").args(["-r", REALM, "-q", &text]));
        query(format!("addprinc +requires_preauth -pw {PASSWORD} {CLIENT}"));
        query(format!("addprinc -randkey {SERVICE}"));
        query(format!("addprinc +requires_preauth -randkey {DEVICE}"));
        query(format!("setstr {DEVICE} pkinit_cert_match <SUBJECT>{MAC}"));
        let mut kdc = command("/usr/sbin/krb5kdc");
        kdc.args(["-n", "-r", REALM])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process(kdc.spawn().expect("krb5kdc (Debian package krb5-kdc)"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_for("krb5kdc", address);
        Self {
            _folder: folder,
            address,
            realm: REALM.parse().expect("a realm"),
            process,
        }
    }
}

impl Server for Krb5kdc {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }

    fn realm(&self) -> &Realm {
        &self.realm
    }
}

fn write_settings(folder: &Path, ours: &Ours, port: u16) {
    let here = folder.display();
    let identity = format!(
        "FILE:{},{}",
        ours.pki("kdc.crt.pem").display(),
        ours.pki("kdc.key.pem").display()
    );
    let client = format!("[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n");
    let kdc = format!(
        "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n \
         kdc_max_dgram_reply_size = 16384\n\
         [realms]\n {REALM} = {{\n  database_name = {here}/principal\n  key_stash_file = {here}/stash\n  \
         max_life = 1d\n  supported_enctypes = aes256-cts-hmac-sha1-96:normal\n  pkinit_identity = {identity}\n  \
         pkinit_anchors = FILE:{}\n  pkinit_pool = FILE:{}\n  pkinit_pool = FILE:{}\n  pkinit_anchors = FILE:{}\n  \
         pkinit_eku_checking = none\n }}\n[logging]\n kdc = FILE:{here}/kdc.log\n",
        ours.pki("mta-root.crt.pem").display(),
        ours.pki("mfr-ca.crt.pem").display(),
        ours.pki("sp-ca.crt.pem").display(),
        ours.pki("sp-root.crt.pem").display(),
    );
    std::fs::write(folder.join("krb5.conf"), client).expect("a file");
    std::fs::write(folder.join("kdc.conf"), kdc).expect("a file");
}
