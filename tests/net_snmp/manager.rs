//! Our requests, with net-snmp's agent as peer.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hardline::value::{EngineId, OsRandom, Timestamp};
use hardline::wire::snmp::{
    AuthProtocol, ErrorStatus, LocalizedKeys, Message, OutgoingRequest, Pdu, PduKind, PrivProtocol, RemoteEngine,
    Reply, SaltSource, UsmStat, Value, VarBind, encode_discovery, encode_request, encode_v2c, parse, process_reply,
    read_plain_report,
};

use super::{SYS_CONTACT, SYS_NAME, oid};
use crate::support::peers::Process;
use crate::support::snmpd;

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
        let _process = snmpd::start(folder.path(), folder.path(), address);
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
