//! What the running server refuses, judged from outside: each time the protocol's own answer, nothing stored for the
//! device, and the reason where the operator looks for it.

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hardline::model::{ConfigUrl, Flow, UrlHost};
use hardline::settings::Service;
use hardline::simulator::Fault;
use hardline::simulator::agent::{Agent, Security};
use hardline::value::{Realm, Timestamp};
use hardline::wire::kerberos::KrbError;
use hardline::wire::keymgmt::{HmacKeys, Message};
use hardline::wire::snmp::{self, ProvisioningState, Reply, UsmStat};
use serde_json::Value;
use support::client::{Eue, World, register, tftp_from};
use support::server::Server;

/// The numbers of the devices that the server of these tests knows; each test has its own.
const SECURE: std::ops::Range<u32> = 1..16;
const HYBRID: std::ops::Range<u32> = 16..18;
/// A number that no known device has.
const STRANGER: u32 = 900;

/// A server with its devices. Tests that run at the same time share it: making certificates costs more than they do.
struct Bed {
    server: Server,
    world: World,
}

impl Bed {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Bed>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let bed = Arc::new(Self::new());
            *shared = Arc::downgrade(&bed);
            bed
        })
    }

    fn new() -> Self {
        let mut server = Server::install();
        let world = World::of(&server);
        for (numbers, flow) in [(SECURE, Flow::Secure), (HYBRID, Flow::Hybrid)] {
            for index in numbers {
                let device = world.device(index, flow);
                let address = device.address.to_string();
                register(&server, &device, &["--ip", &address]);
            }
        }
        server.start();
        Self { server, world }
    }

    /// Device `index`, which the server knows.
    fn eue(&self, index: u32) -> Eue {
        let flow = if HYBRID.contains(&index) {
            Flow::Hybrid
        } else {
            Flow::Secure
        };
        Eue::new(self.world.device(index, flow), self.world.known.clone())
    }

    /// The device's attempts, newest first.
    fn attempts(&self, eue: &Eue) -> Vec<Value> {
        let attempts = self.server.attempts(eue.spec.mac)["attempts"].clone();
        attempts.as_array().expect("a list").clone()
    }

    /// Asserts that the server holds no attempt of the device, and names a reason with all of these words.
    fn assert_only_refused(&self, eue: &Eue, words: &[&str]) {
        self.assert_reason(eue, words);
        assert!(self.attempts(eue).is_empty(), "{:#?}", self.attempts(eue));
    }

    /// Asserts that one of the refusals of the device has all of these words.
    fn assert_reason(&self, eue: &Eue, words: &[&str]) {
        self.server
            .refused(eue.spec.mac, |reason| words.iter().all(|word| reason.contains(word)));
    }
}

/// The code of the KRB-ERROR that an exchange ended with.
fn code<T>(ended: Result<T, Fault>) -> i32 {
    match ended {
        Err(Fault::Refused { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the exchange went well"),
    }
}

/// The KRB-ERROR in an Error Reply.
fn error_reply(datagram: &[u8]) -> KrbError {
    match Message::decode(datagram) {
        Ok(Message::ErrorReply(reply)) => KrbError::parse(reply.krb_error).expect("a KRB-ERROR"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn krb_error_6_for_a_device_that_nobody_entered() {
    let bed = Bed::shared();
    let eue = Eue::new(bed.world.device(STRANGER, Flow::Secure), bed.world.known.clone());
    assert_eq!(code(eue.ticket()), 6);
    bed.assert_only_refused(&eue, &["MAC address is unknown"]);
}

#[test]
fn an_inform_of_an_unknown_device_is_not_acknowledged() {
    let bed = Bed::shared();
    let eue = Eue::new(bed.world.device(STRANGER + 1, Flow::Hybrid), bed.world.known.clone());
    let mut agent = eue.secured();
    agent.enroll(Timestamp::now());
    let inform = agent.inform(Timestamp::now()).expect("an INFORM");
    eue.assert_silence(eue.at.snmp, &inform);
    bed.assert_only_refused(&eue, &["not a known device"]);
}

#[test]
fn krb_error_68_for_another_realm() {
    let bed = Bed::shared();
    let mut eue = bed.eue(1);
    eue.known = bed
        .world
        .misled(|known| known.realm = "OTHER.EXAMPLE.NET".parse::<Realm>().expect("a realm"));
    assert_eq!(code(eue.ticket()), 68);
    bed.assert_only_refused(&eue, &["realm", "OTHER.EXAMPLE.NET"]);
}

#[test]
fn krb_error_7_for_a_provisioning_server_that_has_no_key_here() {
    let bed = Bed::shared();
    let mut eue = bed.eue(2);
    eue.known = bed
        .world
        .misled(|known| known.prov_fqdn = "elsewhere.example.net".parse().expect("a name"));
    assert_eq!(code(eue.ticket()), 7);
    bed.assert_only_refused(&eue, &["no key", "elsewhere.example.net"]);
}

#[test]
fn krb_error_71_for_an_expired_device_certificate() {
    let bed = Bed::shared();
    let mut eue = bed.eue(3);
    eue.spec.flow = bed.world.secure(bed.world.expired(eue.spec.mac));
    assert_eq!(code(eue.ticket()), 71);
    bed.assert_only_refused(&eue, &["valid"]);
}

#[test]
fn krb_errors_62_and_71_for_a_certificate_below_a_root_that_only_has_the_name() {
    let bed = Bed::shared();
    let mut eue = bed.eue(4);
    for (with_root, expected) in [(true, 62), (false, 71)] {
        eue.spec.flow = bed.world.secure(bed.world.foreign(eue.spec.mac, with_root));
        assert_eq!(code(eue.ticket()), expected, "root sent along: {with_root}");
    }
    bed.assert_only_refused(&eue, &["PacketCable"]);
}

#[test]
fn krb_error_38_for_an_address_that_dhcp_did_not_give() {
    let bed = Bed::shared();
    let mut spec = bed.eue(5).spec;
    spec.address = "127.77.0.1".parse().expect("an address");
    let eue = Eue::new(spec, bed.world.known.clone());
    assert_eq!(code(eue.ticket()), 38);
    bed.assert_only_refused(&eue, &["127.77.0.1", "DHCP"]);
}

#[test]
fn krb_error_37_names_the_kdc_s_time_to_a_device_whose_clock_is_wrong() {
    let bed = Bed::shared();
    let eue = bed.eue(6);
    let long_ago = Timestamp::from_unix(Timestamp::now().unix() - 3600);
    let answer = eue.ask(eue.at.kdc, eue.begin_as(long_ago).datagram());
    let error = KrbError::parse(&answer).expect("a KRB-ERROR");
    assert_eq!(error.error_code, 37);
    assert!(
        error.stime.distance(Timestamp::now()) < Duration::from_secs(10),
        "{:?}",
        error.stime
    );
    bed.assert_only_refused(&eue, &["skew"]);
}

#[test]
fn p30_skew_in_an_ap_request_gets_an_error_reply_with_the_server_s_time() {
    let bed = Bed::shared();
    let eue = bed.eue(7);
    let ticket = eue.ticket().expect("a ticket");
    let before = bed.attempts(&eue);
    let long_ago = Timestamp::from_unix(Timestamp::now().unix() - 3600);
    let error = error_reply(&eue.ask(eue.at.keymgmt, eue.begin_ap(&ticket, long_ago).datagram()));
    assert_eq!(error.error_code, 37);
    assert!(
        error.stime.distance(Timestamp::now()) < Duration::from_secs(10),
        "{:?}",
        error.stime
    );
    error
        .verify(&ticket.session_key)
        .expect("the time is the server's: e-cksum under the session key");
    bed.assert_reason(&eue, &["skew"]);
    assert_eq!(bed.attempts(&eue), before, "a refused AP Request changes nothing");
}

#[test]
fn p30_an_identical_ap_request_gets_the_identical_answer_and_an_altered_one_error_34() {
    let bed = Bed::shared();
    let eue = bed.eue(8);
    let ticket = eue.ticket().expect("a ticket");
    let exchange = eue.begin_ap(&ticket, Timestamp::now());
    let first = eue.ask(eue.at.keymgmt, exchange.datagram());
    eue.accept_ap(&exchange, &first).expect("an AP Reply");
    let before = bed.attempts(&eue);
    assert_eq!(eue.ask(eue.at.keymgmt, exchange.datagram()), first);

    // The same Authenticator in another message, whose HMAC is right all the same.
    let Ok(Message::ApRequest(mut request)) = Message::decode(exchange.datagram()) else {
        panic!("the exchange's own AP Request");
    };
    request.body.agent.engine_time += 7;
    let keys = HmacKeys {
        session_key: &ticket.session_key.value,
        authenticator_subkey: None,
    };
    let altered = request.body.seal(eue.known.profile.hmac, keys).expect("an AP Request");
    let error = error_reply(&eue.ask(eue.at.keymgmt, &altered));
    assert_eq!(error.error_code, 34);
    bed.assert_reason(&eue, &["replay"]);
    assert_eq!(bed.attempts(&eue), before, "nothing new is established");
}

#[test]
fn p30_a_wrong_hmac_gets_silence() {
    let bed = Bed::shared();
    let eue = bed.eue(9);
    let ticket = eue.ticket().expect("a ticket");
    let before = bed.attempts(&eue);
    let mut request = eue.begin_ap(&ticket, Timestamp::now()).datagram().to_vec();
    *request.last_mut().expect("octets") ^= 1;
    eue.assert_silence(eue.at.keymgmt, &request);
    bed.assert_reason(&eue, &["HMAC"]);
    assert_eq!(bed.attempts(&eue), before);
}

#[test]
fn p21_a_wrong_hash_is_reported_by_the_device_and_recorded() {
    let bed = Bed::shared();
    let eue = bed.eue(10);
    let mut agent = eue.secured();
    eue.enroll(&mut agent);
    let instruction = eue.told(&mut agent);
    tftp_from(eue.spec.address, &instruction.url).expect("the file");
    eue.report(&mut agent, ProvisioningState::FailConfigFileError);
    let attempts = bed.attempts(&eue);
    let steps = attempts[0]["steps"].as_array().expect("a ladder");
    let reported = steps
        .iter()
        .find(|step| step["step"] == "eUE-25")
        .expect("the status INFORM");
    assert_eq!(reported["outcome"], "failed");
    assert!(
        reported["detail"]
            .as_str()
            .expect("text")
            .contains("failConfigFileError"),
        "{reported}"
    );
    assert_eq!(attempts[0]["pass"], false);
    assert!(
        attempts[0]["result"]
            .as_str()
            .expect("text")
            .contains("failConfigFileError"),
        "{}",
        attempts[0]
    );
}

/// A device that was told where its file is.
fn told(bed: &Bed, index: u32) -> (Eue, Agent, ConfigUrl) {
    let eue = bed.eue(index);
    let mut agent = eue.secured();
    eue.enroll(&mut agent);
    let url = eue.told(&mut agent).url;
    (eue, agent, url)
}

#[test]
fn a_file_is_refused_to_every_address_but_the_device_s() {
    let bed = Bed::shared();
    let (eue, mut agent, url) = told(&bed, 11);
    let thief: IpAddr = "127.77.0.2".parse().expect("an address");
    assert_eq!(tftp_from(thief, &url), Err(2), "access violation");
    assert_eq!(http_status(thief, bed.server.v4(Service::Http), url.file()), 403);
    bed.assert_reason(&eue, &["address is not the device's"]);
    tftp_from(eue.spec.address, &url).expect("the device's own file");
    eue.report(&mut agent, ProvisioningState::Pass);
    assert_eq!(bed.attempts(&eue)[0]["result"], "pass");
    assert_eq!(tftp_from(eue.spec.address, &url), Err(2), "the attempt is over");
    bed.assert_reason(&eue, &["over"]);
}

#[test]
fn a_file_is_not_served_under_another_device_s_token() {
    let bed = Bed::shared();
    let (one, _, url) = told(&bed, 12);
    let (other, _, _) = told(&bed, 13);
    let token = url
        .file()
        .strip_prefix(&one.spec.mac.bare())
        .expect("the name begins with the device's address");
    let forged = format!("{}{token}", other.spec.mac.bare());
    let UrlHost::Address(host) = *url.host() else {
        panic!("an address")
    };
    let server = SocketAddr::new(host, url.port());
    assert_eq!(
        support::client::tftp(other.spec.address, server, &forged),
        Err(1),
        "no such file"
    );
    bed.assert_reason(&other, &["no file of this name"]);
    assert_eq!(
        tftp_from(other.spec.address, &url),
        Err(2),
        "the name of another device's file"
    );
    bed.assert_reason(&one, &["address is not the device's"]);
}

#[test]
fn a_secure_device_is_not_heard_over_snmpv2c() {
    let bed = Bed::shared();
    let eue = bed.eue(14);
    let mut agent = eue.agent(Security::Community("private".into()));
    agent.enroll(Timestamp::now());
    let inform = agent.inform(Timestamp::now()).expect("an INFORM");
    eue.assert_silence(eue.at.snmp, &inform);
    bed.assert_only_refused(&eue, &["flow is secure", "SNMPv2c"]);
}

#[test]
fn rfc3414_3_2_an_inform_under_wrong_keys_gets_the_report_and_enrolls_nobody() {
    let bed = Bed::shared();
    let eue = bed.eue(15);
    let ticket = eue.ticket().expect("a ticket");
    let forger = eue.associate(&ticket).expect("keys");
    // Enrolled, the device begins again: the keys of the first association are worth nothing from now on.
    let mut enrolled = eue.agent(Security::User(Box::new(
        eue.associate(&ticket).expect("the same keys").security,
    )));
    enrolled.enroll(Timestamp::now());
    eue.inform(&mut enrolled);
    eue.associate(&ticket).expect("other keys");
    let before = bed.attempts(&eue);
    let mut agent = eue.agent(Security::User(Box::new(forger.security)));
    agent.enroll(Timestamp::now());
    let answer = eue.ask(eue.at.snmp, &agent.inform(Timestamp::now()).expect("an INFORM"));
    let Ok(snmp::Message::V3(message)) = snmp::parse(&answer) else {
        panic!("an SNMPv3 report");
    };
    match snmp::read_plain_report(&message) {
        Reply::Report(report) => assert_eq!(report.stat, Some(UsmStat::WrongDigests)),
        other => panic!("{other:?}"),
    }
    bed.assert_reason(&eue, &["report"]);
    assert_eq!(bed.attempts(&eue), before);
}

#[test]
fn p26_an_inform_from_another_address_than_the_device_s_is_not_acknowledged() {
    let bed = Bed::shared();
    let mut spec = bed.eue(16).spec;
    spec.address = "127.77.0.3".parse().expect("an address");
    let eue = Eue::new(spec, bed.world.known.clone());
    let mut agent = eue.secured();
    agent.enroll(Timestamp::now());
    let inform = agent.inform(Timestamp::now()).expect("an INFORM");
    eue.assert_silence(eue.at.snmp, &inform);
    bed.assert_only_refused(&eue, &["source address"]);
}

/// The status of a GET of `/name` from the client address `from`.
fn http_status(from: IpAddr, server: SocketAddr, name: &str) -> u16 {
    let socket = socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket
        .bind(&SocketAddr::new(from, 0).into())
        .expect("the client's address");
    socket.connect(&server.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    write!(stream, "GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{answer}"))
}
