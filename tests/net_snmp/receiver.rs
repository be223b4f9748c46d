//! Our authoritative side, with net-snmp's tools as peers.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hardline::mib::MibDialect;
use hardline::value::{EngineId, MacAddress, OsRandom, Timestamp, hex};
use hardline::wire::snmp::{
    AuthKey, AuthProtocol, LocalEngine, LocalizedKeys, Message, Notification, Pdu, PduKind, PrivKey, PrivProtocol,
    SaltSource, UsmStat, UsmStats, Value, VarBind, Verdict, encode_response, encode_v2c, parse, process,
};

use super::{SYS_CONTACT, SYS_DESCR, USER, oid};

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
