//! Key management that the server begins: Wake Up, the AP Request that answers it, the acknowledgement of the reply; and
//! what of it survives `kill -9`. Judged from outside, by a device on a socket and by tshark.

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use hardline::model::{Flow, KeyAsked};
use hardline::settings::Service;
use hardline::simulator::agent::{Agent, Security};
use hardline::simulator::ap::{ApExchange, Association};
use hardline::simulator::{FlowSpec, StoredTicket};
use hardline::value::{OsRandom, Timestamp};
use hardline::wire::kerberos::KrbError;
use hardline::wire::keymgmt::{ErrorReply, HmacKeys, Message, Recovered, RecoveredRule, WakeUp};
use hardline::wire::snmp::{self, LocalEngine, ProvisioningState, Reply, UsmStat};
use serde_json::Value;
use support::client::{Eue, World, register, tftp_from};
use support::server::Server;
use support::{Capture, assert_well_formed, field};

const PATIENCE: Duration = Duration::from_secs(15);

/// A device in service: its ticket, its agent's engine, its agent.
struct InService {
    eue: Eue,
    ticket: StoredTicket,
    engine: LocalEngine,
    agent: Agent,
}

impl InService {
    /// Device `index`, provisioned by `server`.
    fn new(server: &Server, world: &World, index: u32) -> Self {
        let device = world.device(index, Flow::Secure);
        register(server, &device, &["--ip", &device.address.to_string()]);
        std::thread::sleep(Duration::from_millis(1200));
        let eue = Eue::new(device, world.known.clone());
        let ticket = eue.ticket().expect("a ticket");
        let security = eue.associate(&ticket).expect("keys").security;
        let engine = security.engine.clone();
        let mut agent = eue.agent(Security::User(Box::new(security)));
        eue.enroll(&mut agent);
        let instruction = eue.told(&mut agent);
        tftp_from(eue.spec.address, &instruction.url).expect("the file");
        eue.report(&mut agent, ProvisioningState::Pass);
        Self {
            eue,
            ticket,
            engine,
            agent,
        }
    }

    /// The next Wake Up.
    fn woken(&self) -> WakeUp {
        let datagram = self.eue.hear(self.eue.at.keymgmt, PATIENCE).expect("a Wake Up");
        match Message::decode(&datagram) {
            Ok(Message::WakeUp(wake_up)) => wake_up,
            other => panic!("{other:?}"),
        }
    }

    /// An AP exchange that answers the Wake Up with this nonce.
    fn renew(&self, server_nonce: Option<NonZeroU32>, reestablish: bool) -> ApExchange {
        let FlowSpec::Secure(secure) = &self.eue.spec.flow else {
            panic!("a secure device")
        };
        let asked = KeyAsked {
            server_nonce,
            reestablish,
        };
        ApExchange::renew(
            &self.eue.spec,
            secure,
            &self.eue.known,
            &self.ticket,
            &self.engine,
            asked,
            Timestamp::now(),
            &mut OsRandom,
        )
        .expect("an AP Request")
    }

    /// Sends the exchange's request; the AP Reply that comes, whatever Wake Ups come before it.
    fn reply(&self, exchange: &ApExchange) -> Vec<u8> {
        self.eue.send(self.eue.at.keymgmt, exchange.datagram());
        loop {
            let datagram = self.eue.hear(self.eue.at.keymgmt, PATIENCE).expect("an answer");
            if !matches!(Message::decode(&datagram), Ok(Message::WakeUp(_))) {
                return datagram;
            }
        }
    }

    fn accept(&self, exchange: &ApExchange, reply: &[u8]) -> Association {
        self.eue.accept_ap(exchange, reply).expect("an AP Reply")
    }

    /// The report that an INFORM of `agent` gets.
    fn reported(&self, agent: &mut Agent) -> Option<UsmStat> {
        agent.report(ProvisioningState::Pass, Timestamp::now());
        let answer = self
            .eue
            .ask(self.eue.at.snmp, &agent.inform(Timestamp::now()).expect("an INFORM"));
        let Ok(snmp::Message::V3(message)) = snmp::parse(&answer) else {
            panic!("an SNMPv3 message");
        };
        match snmp::read_plain_report(&message) {
            Reply::Report(report) => report.stat,
            other => panic!("{other:?}"),
        }
    }

    /// The details of the ladder of its newest attempt, and that there is only one.
    fn ladder(&self, server: &Server) -> Vec<String> {
        let shown = server.attempts(self.eue.spec.mac);
        let attempts = shown["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 1, "{attempts:#?}");
        assert_eq!(attempts[0]["result"], "pass");
        let steps = attempts[0]["steps"].as_array().expect("a ladder");
        steps
            .iter()
            .map(|step| step["detail"].as_str().expect("text").to_owned())
            .collect()
    }
}

/// Runs `hardline device rekey` beside `device`; what the command says in JSON, and its exit code.
fn rekey_beside<T>(server: &Server, mac: impl ToString, device: impl FnOnce() -> T) -> (Value, Option<i32>, T) {
    let mac = mac.to_string();
    std::thread::scope(|scope| {
        let command = scope.spawn(|| server.run(&["device", "rekey", &mac, "--json"]));
        let done = device();
        let out = command.join().expect("no panic");
        let said = serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out.stderr)));
        (said, out.status.code(), done)
    })
}

fn keys(ticket: &StoredTicket) -> HmacKeys<'_> {
    HmacKeys {
        session_key: &ticket.session_key.value,
        authenticator_subkey: None,
    }
}

fn is_krb_error(datagram: &[u8], code: i32) -> bool {
    match Message::decode(datagram) {
        Ok(Message::ErrorReply(ErrorReply { krb_error })) => {
            KrbError::parse(krb_error).is_ok_and(|error| error.error_code == code)
        }
        _ => false,
    }
}

#[test]
fn p9_device_rekey_wakes_the_device_up_and_only_its_new_keys_hold() {
    let mut server = Server::install();
    let world = World::of(&server);
    server.start();
    let mut device = InService::new(&server, &world, 1);
    let mac = device.eue.spec.mac;
    let (said, code, mut security) = rekey_beside(&server, mac, || {
        let first = device.woken();
        assert_eq!(first.principal, "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET");
        // The first one got lost: it comes again, with the same nonce.
        assert_eq!(device.woken(), first);
        let exchange = device.renew(Some(first.server_nonce), true);
        let reply = device.reply(&exchange);
        assert_eq!(device.reply(&exchange), reply, "the same octets again");
        device.accept(&exchange, &reply).security
    });
    assert_eq!((said["outcome"].as_str(), code), (Some("done"), Some(0)), "{said}");
    assert!(
        said["detail"].as_str().expect("text").contains("has new keys"),
        "{said}"
    );
    security.salts = snmp::SaltSource::new(&mut OsRandom);
    let mut renewed = device.eue.agent(Security::User(Box::new(security)));
    device.eue.report(&mut renewed, ProvisioningState::Pass);
    let mut old = std::mem::replace(&mut device.agent, device.eue.agent(Security::Community("x".into())));
    assert_eq!(
        device.reported(&mut old),
        Some(UsmStat::WrongDigests),
        "the old keys hold no longer"
    );

    let ladder = device.ladder(&server);
    let woken: Vec<_> = ladder
        .iter()
        .filter(|detail| detail.starts_with("Wake Up to"))
        .collect();
    assert!(woken.len() >= 2 && woken[1].contains("transmission 2"), "{ladder:#?}");
    assert!(
        ladder.iter().any(|detail| detail.contains("in answer to the Wake Up")),
        "{ladder:#?}"
    );

    // What nobody asked for, or not any more, is dropped and counted.
    let unknown = device.renew(NonZeroU32::new(0x1234_5678), true);
    device.eue.assert_silence(device.eue.at.keymgmt, unknown.datagram());
    server.refused(mac, |reason| reason.contains("no outstanding Wake Up"));
    // A running device that refreshes its keys of its own accord goes on as well.
    let refresh = device.renew(None, true);
    let reply = device.reply(&refresh);
    device.accept(&refresh, &reply);
    assert!(
        device
            .ladder(&server)
            .iter()
            .any(|detail| detail.contains("re-establish"))
    );
    server.assert_unhurt();
}

#[test]
fn p9_p30_the_nonce_and_the_replay_cache_survive_kill_9() {
    let mut server = Server::install();
    let world = World::of(&server);
    server.start();
    let device = InService::new(&server, &world, 1);
    let mac = device.eue.spec.mac;
    // The server dies between Wake Up and AP Request. The next one takes the order up again, with the same nonce.
    let config = server.config();
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_hardline"))
        .args(["device", "rekey", &mac.to_string(), "--json", "--config"])
        .arg(&config)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("hardline runs");
    let first = device.woken();
    server.kill();
    server.start();
    let again = device.woken();
    assert_eq!(again, first);
    let exchange = device.renew(Some(first.server_nonce), true);
    let reply = device.reply(&exchange);
    device.accept(&exchange, &reply);
    let said = command.wait_with_output().expect("it ends");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(said["outcome"], "done", "{said}");

    server.kill();
    server.start();
    assert_eq!(
        device.reply(&exchange),
        reply,
        "the identical message gets the identical answer"
    );
    let Ok(Message::ApRequest(mut request)) = Message::decode(exchange.datagram()) else {
        panic!("its own AP Request");
    };
    // The same Authenticator in another message, whose HMAC is right: a replay.
    request.body.agent.engine_time += 7;
    let altered = request
        .body
        .seal(device.eue.known.profile.hmac, keys(&device.ticket))
        .expect("an AP Request");
    // Wake Ups that came in vain before are no answer.
    while device
        .eue
        .hear(device.eue.at.keymgmt, Duration::from_millis(50))
        .is_some()
    {}
    let refused = device.eue.ask(device.eue.at.keymgmt, &altered);
    assert!(is_krb_error(&refused, 34), "{:?}", Message::decode(&refused));
    request.body.server_nonce = None;
    let altered = request
        .body
        .seal(device.eue.known.profile.hmac, keys(&device.ticket))
        .expect("an AP Request");
    let refused = device.eue.ask(device.eue.at.keymgmt, &altered);
    assert!(is_krb_error(&refused, 34), "{:?}", Message::decode(&refused));
    // A ticket of before the restart opens.
    device.eue.associate(&device.ticket).expect("keys");
}

#[test]
fn p3_ack_required_security_parameter_recovered_is_verified_and_tshark_reads_all_of_it() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= ack_required = false", "ack_required = true");
    let world = World::of(&server);
    server.start();
    let device = InService::new(&server, &world, 1);
    let (mac, keymgmt) = (device.eue.spec.mac, device.eue.at.keymgmt);
    let mut capture = Capture::new();
    let own = device.eue.address();
    let (said, _, (exchange, reply, association)) = rekey_beside(&server, mac, || {
        let wake_up = device.woken();
        capture.udp(keymgmt, own, &wake_up.encode().expect("a Wake Up"));
        let exchange = device.renew(Some(wake_up.server_nonce), true);
        let reply = device.reply(&exchange);
        let association = device.accept(&exchange, &reply);
        (exchange, reply, association)
    });
    assert_eq!(said["outcome"], "done", "{said}");
    let Ok(Message::ApReply(sealed)) = Message::decode(&reply) else {
        panic!("an AP Reply");
    };
    assert!(sealed.body.ack_required);
    let recovered = association.recovered.expect("the server asks for it");
    // Under another subkey it acknowledges nothing.
    let other = hardline::value::Secret::new(vec![7; 46]);
    let forged = Recovered::encode(RecoveredRule::OwnHeader, device.eue.known.profile.hmac, &reply, &other);
    device.eue.assert_silence(keymgmt, &forged);
    server.refused(mac, |reason| reason.contains("recovered, HMAC"));
    let noted = |what: &str| {
        device
            .ladder(&server)
            .iter()
            .filter(|detail| detail.contains(what))
            .count()
    };
    // The forged one stands in no ladder; the exchange at boot was not acknowledged by this device.
    assert_eq!(noted("Recovered from"), 0);
    device.eue.send(keymgmt, &recovered);
    let deadline = std::time::Instant::now() + PATIENCE;
    while noted("Recovered from") == 0 {
        assert!(std::time::Instant::now() < deadline, "{}", server.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    device.eue.send(keymgmt, &recovered);
    device.eue.assert_silence(keymgmt, &recovered);
    assert_eq!(noted("Recovered from"), 1, "once");

    let wrong_time = device
        .eue
        .begin_ap(&device.ticket, Timestamp::from_unix(Timestamp::now().unix() - 3600));
    let error = device.eue.ask(keymgmt, wrong_time.datagram());
    assert!(is_krb_error(&error, 37));
    for (from, to, datagram) in [
        (own, keymgmt, exchange.datagram()),
        (keymgmt, own, &reply),
        (own, keymgmt, &recovered),
        (keymgmt, own, &error),
    ] {
        capture.udp(from, to, datagram);
    }
    let packets = capture.dissect(&[&format!("udp.port=={},pktc", server.v4(Service::Keymgmt).port())]);
    let kinds: Vec<_> = packets
        .iter()
        .map(|packet| field(packet, "pktc.kmmid").join(""))
        .collect();
    packets.iter().for_each(assert_well_formed);
    assert_eq!(kinds, ["0x01", "0x02", "0x03", "0x04", "0x06"]);
    assert_eq!(field(&packets[1], "pktc.reestablish"), ["1"]);
    assert_eq!(field(&packets[2], "pktc.ack_required"), ["1"]);
    assert_eq!(
        field(&packets[0], "pktc.server_nonce"),
        field(&packets[1], "pktc.server_nonce")
    );
}

#[test]
fn an_order_that_no_server_takes_is_withdrawn_and_the_command_says_so() {
    let server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    let rekey = |more: &[&str]| {
        let mac = device.mac.to_string();
        server.run(&[&["device", "rekey", &mac], more].concat())
    };
    let out = rekey(&["--timeout", "1"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        said.contains("no server picked it up") && said.contains("hardline serve"),
        "{said}"
    );
    let out = rekey(&["--timeout", "1", "--json"]);
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(
        (said["outcome"].as_str(), out.status.code()),
        (Some("not taken"), Some(1))
    );
}

#[test]
fn a_device_that_was_never_heard_cannot_be_woken_at_the_port_of_its_ap_request() {
    let mut server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    server.start();
    let (said, code, ()) = rekey_beside(&server, device.mac, || ());
    assert_eq!((said["outcome"].as_str(), code), (Some("failed"), Some(1)));
    assert!(
        said["detail"].as_str().expect("text").contains("provisioned first"),
        "{said}"
    );
}

#[test]
fn a_simulated_device_in_service_answers_the_wake_up() {
    let mut server = Server::install();
    server.start();
    let config = server.config();
    let config = config.to_str().expect("UTF-8");
    let mut fleet = std::process::Command::new(env!("CARGO_BIN_EXE_hardline"))
        .args([
            "simulate",
            "--flow",
            "secure",
            "--devices",
            "1",
            "--stay",
            "--json",
            "--config",
            config,
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("hardline runs");
    let mut line = String::new();
    let mut output = std::io::BufReader::new(fleet.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut output, &mut line).expect("a line");
    assert!(line.contains("\"passed\":1"), "{line}");
    let (said, code, ()) = rekey_beside(&server, "02:00:00:00:00:00", || ());
    let again = rekey_beside(&server, "02:00:00:00:00:00", || ());
    let _ = fleet.kill();
    let _ = fleet.wait();
    assert_eq!((said["outcome"].as_str(), code), (Some("done"), Some(0)), "{said}");
    assert_eq!(again.0["outcome"], "done", "{}", again.0);
    let shown = server.attempts("02:00:00:00:00:00");
    let steps = shown["attempts"][0]["steps"].as_array().expect("a ladder");
    let woken = steps.iter().filter(|step| {
        step["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("in answer to the Wake Up"))
    });
    assert_eq!(woken.count(), 2, "{steps:#?}");
}
