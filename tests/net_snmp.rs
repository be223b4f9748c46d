//! net-snmp judges the SNMP engine: its `snmpinform` and `snmpget` as the peers of our authoritative side, its `snmpd`
//! as the agent that takes our requests. Needs the Debian packages `snmp` and `snmpd`.

mod support;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hardline::mib::MibDialect;
use hardline::value::{EngineId, MacAddress, Oid, OsRandom, Timestamp, hex};
use hardline::wire::snmp::{
    AuthKey, AuthProtocol, ErrorStatus, LocalEngine, LocalizedKeys, Message, Notification, OutgoingRequest, Pdu,
    PduKind, PrivKey, PrivProtocol, ProvisioningState, RemoteEngine, Reply, SaltSource, UsmStat, UsmStats, Value,
    VarBind, Verdict, encode_discovery, encode_request, encode_response, encode_v2c, parse, process, process_reply,
    read_plain_report,
};

use support::peers::Process;

const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
const SYS_CONTACT: &str = "1.3.6.1.2.1.1.4.0";
const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";
const USER: &str = "MTA-Prov-00:11:22:AA:BB:CC";

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

// ---- our authoritative side, with net-snmp's tools as peers ----

/// What our entity took, and what it refused.
#[derive(Default)]
struct Seen {
    requests: Vec<Pdu>,
    refused: Vec<UsmStat>,
}

/// A loop around the pure engine: a notification receiver that is an agent with one object as well.
struct Entity {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

impl Entity {
    fn start(engine_id: EngineId, users: HashMap<String, LocalizedKeys>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let engine = LocalEngine {
            engine_id,
            boots: 3,
            started: Timestamp(Timestamp::now().0 - 4_000_000_000),
        };
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            let mut buffer = [0; 65_535];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, peer)) = socket.recv_from(&mut buffer)
                    && let Some(answer) = answer(&buffer[..length], &engine, &users, &mut seen)
                {
                    socket.send_to(&answer, peer).unwrap();
                }
            }
            seen
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn finish(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn answer(
    datagram: &[u8],
    engine: &LocalEngine,
    users: &HashMap<String, LocalizedKeys>,
    seen: &mut Seen,
) -> Option<Vec<u8>> {
    let now = Timestamp::now();
    match parse(datagram).unwrap() {
        Message::V2c(message) => {
            let response = respond(&message.pdu);
            seen.requests.push(message.pdu);
            Some(encode_v2c(&message.community, &response))
        }
        Message::V3(message) => {
            let keys = message.user_name().and_then(|name| users.get(name));
            match process(&message, keys, engine, &UsmStats::default(), now) {
                Verdict::Request(request) => {
                    let response = respond(&request.scoped.pdu);
                    seen.requests.push(request.scoped.pdu.clone());
                    let salt = SaltSource::new(&mut OsRandom).next();
                    Some(encode_response(&request, &response, keys.unwrap(), engine, salt, now))
                }
                Verdict::Report { stat, datagram } => {
                    seen.refused.push(stat);
                    Some(datagram)
                }
                Verdict::Drop(reason) => panic!("{reason}"),
            }
        }
    }
}

fn respond(request: &Pdu) -> Pdu {
    match request.kind {
        PduKind::Inform | PduKind::Set => request.acknowledgement(),
        _ => request.response(vec![VarBind::new(oid(SYS_DESCR), Value::text("hardline under test"))]),
    }
}

/// Runs a net-snmp tool without the machine's configuration and MIBs.
fn tool(name: &str, arguments: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    Command::new(name)
        .args(arguments)
        .env("SNMPCONFPATH", nowhere.path())
        .env("SNMP_PERSISTENT_DIR", nowhere.path())
        .env("MIBS", "")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name} (Debian package snmp): {error}"))
}

/// The objects of an enrollment INFORM of an IETF device, as the tool takes them: uptime, trap, then triples.
const ENROLLMENT: [&str; 17] = [
    "4711",
    "1.3.6.1.2.1.140.0.1",
    SYS_DESCR,
    "s",
    "An eUE",
    "1.3.6.1.2.1.140.1.1.3.0",
    "s",
    "1.2.3",
    "1.3.6.1.2.1.140.1.1.7.0",
    "s",
    "pktc2.0:050101",
    "1.3.6.1.2.1.2.2.1.6.1",
    "x",
    "001122aabbcc",
    "1.3.6.1.2.1.140.1.3.3.0",
    "u",
    "3000000000",
];

fn assert_enrollment(pdu: &Pdu) {
    assert_eq!(pdu.kind, PduKind::Inform);
    let received = Notification::from_pdu(pdu).unwrap();
    assert_eq!((received.dialect, received.up_time), (MibDialect::Ietf, Some(4711)));
    let expected = Notification::Enrollment {
        sys_descr: "An eUE".into(),
        sw_version: "1.2.3".into(),
        type_identifier: "pktc2.0:050101".into(),
        mac: MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]),
        correlation_id: 3_000_000_000,
    };
    assert_eq!(received.notification, expected);
}

/// Sends the enrollment INFORM by `snmpinform`; gives the tool's outcome and what our entity saw.
fn snmpinform(users: HashMap<String, LocalizedKeys>, security: &[&str]) -> (Output, Seen) {
    let entity = Entity::start(EngineId::cablelabs(*b"receiver"), users);
    let address = format!("udp:{}", entity.address);
    let mut arguments = security.to_vec();
    arguments.extend(["-t", "3", "-r", "1", &address]);
    arguments.extend(ENROLLMENT);
    let output = tool("snmpinform", &arguments);
    (output, entity.finish())
}

fn assert_acknowledged((output, seen): (Output, Seen), refused: &[UsmStat]) {
    assert!(output.status.success(), "{output:?} {:?}", seen.refused);
    assert_eq!(seen.refused, refused);
    assert_eq!(seen.requests.len(), 1);
    assert_enrollment(&seen.requests[0]);
}

#[test]
fn snmpinform_v2c_is_acknowledged() {
    let outcome = snmpinform(HashMap::new(), &["-v2c", "-c", "public"]);
    assert_acknowledged(outcome, &[]);
}

#[test]
fn snmpinform_v3_with_localised_keys_is_acknowledged_after_discovery() {
    for (auth, cipher, auth_name, cipher_name) in [
        (AuthProtocol::Md5, Some(PrivProtocol::Des), "MD5", "DES"),
        (AuthProtocol::Sha1, Some(PrivProtocol::Aes128), "SHA", "AES"),
        (AuthProtocol::Sha1, None, "SHA", ""),
    ] {
        let auth_octets: Vec<u8> = (1..=auth.key_length() as u8).collect();
        let priv_octets = [0xc3; 16];
        let keys = LocalizedKeys {
            auth: AuthKey::new(auth, &auth_octets).unwrap(),
            privacy: cipher.map(|cipher| PrivKey::new(cipher, &priv_octets).unwrap()),
        };
        let auth_key = format!("0x{}", hex(&auth_octets));
        let priv_key = format!("0x{}", hex(&priv_octets));
        let mut security = vec!["-v3", "-u", USER, "-a", auth_name, "-3k", &auth_key];
        match cipher {
            Some(_) => security.extend(["-l", "authPriv", "-x", cipher_name, "-3K", &priv_key]),
            None => security.extend(["-l", "authNoPriv"]),
        }
        let outcome = snmpinform(HashMap::from([(USER.to_owned(), keys)]), &security);
        assert_acknowledged(outcome, &[UsmStat::UnknownEngineIds]);
    }
}

#[test]
fn snmpinform_v3_with_passwords_agrees_on_localisation() {
    let engine_id = EngineId::cablelabs(*b"receiver");
    let privacy = Some((PrivProtocol::Aes128, &b"privacy pass"[..]));
    let keys = LocalizedKeys::from_passwords(AuthProtocol::Sha1, b"authentic pass", privacy, &engine_id).unwrap();
    let users = HashMap::from([(USER.to_owned(), keys)]);
    let mut security = vec!["-v3", "-u", USER, "-l", "authPriv", "-a", "SHA", "-A", "authentic pass"];
    security.extend(["-x", "AES", "-X", "privacy pass"]);
    assert_acknowledged(snmpinform(users.clone(), &security), &[UsmStat::UnknownEngineIds]);

    security[8] = "another passw";
    let (output, seen) = snmpinform(users, &security);
    assert!(!output.status.success());
    assert!(seen.requests.is_empty() && seen.refused.contains(&UsmStat::WrongDigests));
    let complaint = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(complaint.contains("authentication failure"), "{complaint}");
}

#[test]
fn snmpget_and_snmpset_v3_read_our_response() {
    let engine_id = EngineId::cablelabs(*b"a device");
    let privacy = Some((PrivProtocol::Des, &b"privacy pass"[..]));
    let keys = LocalizedKeys::from_passwords(AuthProtocol::Md5, b"authentic pass", privacy, &engine_id).unwrap();
    let entity = Entity::start(engine_id, HashMap::from([(USER.to_owned(), keys)]));
    let address = format!("udp:{}", entity.address);
    let mut arguments = vec!["-v3", "-u", USER, "-l", "authPriv", "-a", "MD5", "-A", "authentic pass"];
    arguments.extend([
        "-x",
        "DES",
        "-X",
        "privacy pass",
        "-Oqv",
        "-t",
        "3",
        "-r",
        "1",
        &address,
    ]);
    let get = tool("snmpget", &[&arguments[..], &[SYS_DESCR]].concat());
    assert!(get.status.success(), "{get:?}");
    assert!(
        String::from_utf8_lossy(&get.stdout).contains("hardline under test"),
        "{get:?}"
    );
    let set = tool("snmpset", &[&arguments[..], &[SYS_CONTACT, "s", "nobody"]].concat());
    assert!(set.status.success(), "{set:?}");
    let seen = entity.finish();
    assert_eq!(
        seen.requests[1].bindings,
        [VarBind::new(oid(SYS_CONTACT), Value::text("nobody"))]
    );
}

// ---- our requests, with net-snmp's agent as peer ----

/// An `snmpd` on a free port of the loopback, which lives as long as this value.
struct Agent {
    _process: Process,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let configuration = "createUser md5des MD5 \"authentic pass\" DES \"privacy pass\"\n\
             createUser shaaes SHA \"authentic pass\" AES \"privacy pass\"\n\
             rwuser md5des authpriv\nrwuser shaaes authpriv\nrwcommunity private 127.0.0.1\n";
        std::fs::write(path("snmpd.conf"), configuration).unwrap();
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let _process = support::snmpd::start(folder.path(), folder.path(), address);
        let agent = Self {
            _process,
            folder,
            address,
        };
        agent.wait();
        agent
    }

    /// Waits until the agent answers.
    fn wait(&self) {
        let socket = self.socket(Duration::from_millis(200));
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            // Before the agent listens, the loopback refuses the datagram.
            let sent = socket.send(&encode_discovery(1));
            if sent.is_ok() && socket.recv(&mut [0; 2000]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        panic!("snmpd does not answer: {log:?}");
    }

    fn socket(&self, patience: Duration) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket
    }
}

/// Our manager: sends requests to an agent and waits for the answer.
struct Manager {
    socket: UdpSocket,
    security: Security,
    next_id: i32,
}

enum Security {
    Community(&'static [u8]),
    User {
        name: &'static str,
        keys: LocalizedKeys,
        engine_id: EngineId,
        engine: RemoteEngine,
    },
}

impl Manager {
    fn v2c(agent: &Agent) -> Self {
        Self {
            socket: agent.socket(Duration::from_secs(5)),
            security: Security::Community(b"private"),
            next_id: 1,
        }
    }

    /// Discovers the agent's engine and localises the user's passwords to it. Its clock stays unknown.
    fn v3(agent: &Agent, name: &'static str, auth: AuthProtocol, cipher: PrivProtocol) -> Self {
        let socket = agent.socket(Duration::from_secs(5));
        socket.send(&encode_discovery(77)).unwrap();
        let datagram = receive(&socket);
        let Ok(Message::V3(message)) = parse(&datagram) else {
            panic!("{datagram:02x?}");
        };
        let Reply::Report(report) = read_plain_report(&message) else {
            panic!("{message:?}");
        };
        assert_eq!((report.stat, report.msg_id), (Some(UsmStat::UnknownEngineIds), 77));
        let engine_id = report.engine_id.unwrap();
        let privacy = Some((cipher, &b"privacy pass"[..]));
        let keys = LocalizedKeys::from_passwords(auth, b"authentic pass", privacy, &engine_id).unwrap();
        Self {
            socket,
            security: Security::User {
                name,
                keys,
                engine_id,
                engine: RemoteEngine::UNKNOWN,
            },
            next_id: 1,
        }
    }

    fn pdu(&mut self, kind: PduKind, bindings: Vec<VarBind>) -> Pdu {
        self.next_id += 1;
        Pdu::new(kind, self.next_id, bindings)
    }

    /// Sends a request and gives the response; a report of a wrong time is obeyed once.
    fn ask(&mut self, kind: PduKind, bindings: Vec<VarBind>) -> Pdu {
        let pdu = self.pdu(kind, bindings);
        let response = self
            .try_once(&pdu)
            .or_else(|| self.try_once(&pdu))
            .expect("the clock was learned");
        assert_eq!(response.request_id, pdu.request_id);
        response
    }

    fn try_once(&mut self, pdu: &Pdu) -> Option<Pdu> {
        let now = Timestamp::now();
        match &mut self.security {
            Security::Community(community) => {
                self.socket.send(&encode_v2c(community, pdu)).unwrap();
                match parse(&receive(&self.socket)) {
                    Ok(Message::V2c(message)) => Some(message.pdu),
                    other => panic!("{other:?}"),
                }
            }
            Security::User {
                name,
                keys,
                engine_id,
                engine,
            } => {
                let request = OutgoingRequest {
                    msg_id: pdu.request_id,
                    user: name.as_bytes(),
                    keys,
                    engine_id,
                    engine,
                    context_engine_id: engine_id,
                };
                let salt = SaltSource::new(&mut OsRandom).next();
                self.socket.send(&encode_request(&request, pdu, salt, now)).unwrap();
                let datagram = receive(&self.socket);
                let Ok(Message::V3(message)) = parse(&datagram) else {
                    panic!("{datagram:02x?}");
                };
                match process_reply(&message, keys, engine_id, engine, Timestamp::now()) {
                    Reply::Accepted {
                        msg_id,
                        scoped,
                        engine: learned,
                    } => {
                        assert_eq!(msg_id, pdu.request_id);
                        *engine = learned;
                        Some(scoped.pdu)
                    }
                    Reply::Report(report) => {
                        assert_eq!(report.stat, Some(UsmStat::NotInTimeWindows));
                        *engine = report.engine.expect("the report is authenticated");
                        None
                    }
                    Reply::Drop(reason) => panic!("{reason}"),
                }
            }
        }
    }
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).expect("the agent answers");
    buffer.truncate(length);
    buffer
}

/// SET, GET, GETNEXT and GETBULK, and what the agent says of each.
fn manage(manager: &mut Manager, mark: &str) {
    let contact = VarBind::new(oid(SYS_CONTACT), Value::text(&format!("contact {mark}")));
    let name = VarBind::new(oid(SYS_NAME), Value::text(&format!("name-{mark}")));
    let both = vec![contact.clone(), name.clone()];
    let set = manager.ask(PduKind::Set, both.clone());
    assert_eq!((set.kind, &set.bindings), (PduKind::OK, &both));

    let get = manager.ask(
        PduKind::Get,
        vec![VarBind::unset(oid(SYS_CONTACT)), VarBind::unset(oid(SYS_NAME))],
    );
    assert_eq!((get.kind, get.bindings), (PduKind::OK, both));
    let next = manager.ask(PduKind::GetNext, vec![VarBind::unset(oid("1.3.6.1.2.1.1.4"))]);
    assert_eq!(next.bindings, std::slice::from_ref(&contact));
    let bulk = PduKind::GetBulk {
        non_repeaters: 1,
        max_repetitions: 2,
    };
    let bulk = manager.ask(
        bulk,
        vec![VarBind::unset(oid(SYS_NAME)), VarBind::unset(oid("1.3.6.1.2.1.1.4"))],
    );
    assert_eq!(bulk.bindings.len(), 3);
    assert_eq!(bulk.bindings[1..], [contact, name]);

    let absent = manager.ask(PduKind::Get, vec![VarBind::unset(oid("1.3.6.1.2.1.140.1.1.8.0"))]);
    assert!(matches!(
        absent.bindings[0].value,
        Value::NoSuchObject | Value::NoSuchInstance
    ));
    let refused = manager.ask(PduKind::Set, vec![VarBind::new(oid(SYS_CONTACT), Value::Integer(1))]);
    let wrong_type = PduKind::Response {
        status: ErrorStatus::WrongType,
        index: 1,
    };
    assert_eq!(refused.kind, wrong_type);
}

#[test]
fn snmpd_takes_our_requests_v2c_and_v3() {
    let agent = Agent::start();
    manage(&mut Manager::v2c(&agent), "v2c");
    manage(
        &mut Manager::v3(&agent, "md5des", AuthProtocol::Md5, PrivProtocol::Des),
        "md5-des",
    );
    manage(
        &mut Manager::v3(&agent, "shaaes", AuthProtocol::Sha1, PrivProtocol::Aes128),
        "sha-aes",
    );
}

#[test]
fn every_message_of_ours_dissects_without_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let engine = LocalEngine {
        engine_id: EngineId::cablelabs(*b"receiver"),
        boots: 3,
        started: Timestamp::from_unix(0),
    };
    let keys = LocalizedKeys::from_passwords(AuthProtocol::Md5, b"authentic pass", None, &engine.engine_id).unwrap();
    let known = RemoteEngine::learned(3, 100, Timestamp::from_unix(100));
    let request = OutgoingRequest {
        msg_id: 5,
        user: USER.as_bytes(),
        keys: &keys,
        engine_id: &engine.engine_id,
        engine: &known,
        context_engine_id: &EngineId::cablelabs(*b"a device"),
    };
    let status = Notification::Status {
        mac: MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]),
        correlation_id: 9,
        state: ProvisioningState::PassWithWarnings,
    };
    let salt = SaltSource::new(&mut OsRandom).next();
    let now = Timestamp::from_unix(100);
    let mut datagrams = vec![encode_discovery(1)];
    for dialect in MibDialect::ALL {
        let inform = status.to_pdu(dialect, 7, 100);
        datagrams.push(encode_v2c(b"public", &inform));
        let sent = encode_request(&request, &inform, salt, now);
        let Ok(Message::V3(message)) = parse(&sent) else {
            panic!()
        };
        let Verdict::Request(taken) = process(&message, Some(&keys), &engine, &UsmStats::default(), now) else {
            panic!();
        };
        datagrams.push(encode_response(
            &taken,
            &inform.acknowledgement(),
            &keys,
            &engine,
            salt,
            now,
        ));
        datagrams.push(sent);
    }
    let Ok(Message::V3(probe)) = parse(&datagrams[0]) else {
        panic!()
    };
    let Verdict::Report { datagram, .. } = process(&probe, None, &engine, &UsmStats::default(), now) else {
        panic!();
    };
    datagrams.push(datagram);

    let capture = folder.path().join("snmp.pcap");
    std::fs::write(&capture, pcap(&datagrams)).unwrap();
    let output = Command::new("tshark")
        .args([
            "-r",
            capture.to_str().unwrap(),
            "-T",
            "fields",
            "-e",
            "snmp.data",
            "-e",
            "_ws.expert.message",
        ])
        .args(["-e", "_ws.malformed", "-E", "separator=|"])
        .output()
        .unwrap_or_else(|error| panic!("tshark (Debian package tshark): {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), datagrams.len(), "{output:?}");
    for line in lines {
        let fields: Vec<&str> = line.split('|').collect();
        assert!(!fields[0].is_empty(), "not dissected: {line}");
        assert_eq!(fields[1..], ["", ""], "{line}");
    }
}

/// A capture of UDP datagrams from port 162 to 162 of the loopback, link type raw IP (101).
fn pcap(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0,
    ];
    for datagram in datagrams {
        let udp = u16::try_from(datagram.len() + 8).unwrap();
        let length = u32::from(udp) + 20;
        file.extend([0; 8]);
        file.extend(length.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend([0x45, 0]);
        file.extend((length as u16).to_be_bytes());
        file.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        file.extend([0, 162, 0, 162]);
        file.extend(udp.to_be_bytes());
        file.extend([0, 0]);
        file.extend(datagram);
    }
    file
}
