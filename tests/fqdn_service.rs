//! What the MTA-FQDN service answers, and what it refuses, judged by a KDC on a socket: name, addresses and every error, each
//! by the clause or profile point that it follows.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use hardline::settings::Service;
use hardline::value::{MacAddress, OsRandom, Timestamp};
use hardline::wire::fqdn::{
    FqdnAnswer, FqdnErrorCode, FqdnOutcome, FqdnQuery, FqdnRequest, FqdnSent, VERSION_1, VERSION_2, build_request,
    open_reply,
};
use hardline::wire::kerberos::{
    EncTicketPart, EncType, EncryptionKey, PadForm, Principal, PrincipalName, ServiceKey, Ticket, parse_keytab,
    service_keys,
};
use support::server::Server;

const SKEW: Duration = Duration::from_secs(300);
const MTA: MacAddress = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 1]);
const DUAL: MacAddress = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 2]);
const HYBRID: MacAddress = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 3]);

/// A KDC that has the service's key.
struct Kdc {
    service: Principal,
    key: ServiceKey,
    client: Principal,
    socket: UdpSocket,
}

/// What differs between queries.
struct Shape {
    request: FqdnRequest,
    now: Timestamp,
    /// The ticket's end, in seconds from now.
    until: i64,
}

impl Kdc {
    fn of(server: &Server) -> Self {
        let keytab = server.site().join("all.keytab");
        server.command(&["keytab", "export", "--file", keytab.to_str().expect("UTF-8")]);
        let entries = parse_keytab(&std::fs::read(&keytab).expect("a keytab")).expect("a keytab");
        let settings = server.settings();
        let service = PrincipalName::mtafqdnmap(&settings.prov_fqdn()).at(&settings.realm);
        let key = service_keys(&entries, &service).into_iter().next().expect("its key");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        socket.connect(server.v4(Service::Fqdn)).expect("the service");
        let client = PrincipalName::kdcquery(&settings.kdc_fqdn()).at(&settings.realm);
        Self {
            service,
            key,
            client,
            socket,
        }
    }

    fn query(&self, shape: &Shape) -> (Vec<u8>, FqdnSent) {
        let session_key: EncryptionKey = EncType::Des3CbcMd5.generate(&mut OsRandom);
        let now = Timestamp::now();
        let end = Timestamp::from_unix(now.unix() + shape.until);
        let start = Timestamp::from_unix(now.unix().min(end.unix()) - 60);
        let part = EncTicketPart::initial(self.client.clone(), session_key.clone(), start, end);
        let ticket =
            Ticket::seal(&self.service, &part, &self.key, PadForm::default(), &mut OsRandom).expect("a ticket");
        let query = FqdnQuery {
            client: &self.client,
            ticket: &ticket,
            session_key: &session_key,
            now: shape.now,
            from: None,
            pad: PadForm::default(),
        };
        build_request(&shape.request, &query, &mut OsRandom).expect("a request")
    }

    fn send(&self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).expect("a datagram is sent");
        let mut buffer = vec![0; 8192];
        let length = self.socket.recv(&mut buffer).expect("an answer");
        buffer.truncate(length);
        buffer
    }

    fn ask(&self, request: FqdnRequest) -> FqdnOutcome {
        let (datagram, sent) = self.query(&shape(request));
        open_reply(&self.send(&datagram), &sent, Timestamp::now(), SKEW).expect("a believable answer")
    }

    /// The code of the KRB-ERROR that a datagram gets.
    fn refused(&self, datagram: &[u8], sent: &FqdnSent) -> i32 {
        match open_reply(&self.send(datagram), sent, Timestamp::now(), SKEW) {
            Ok(FqdnOutcome::KrbError(error)) => error.error_code,
            other => panic!("{other:?}"),
        }
    }
}

fn shape(request: FqdnRequest) -> Shape {
    Shape {
        request,
        now: Timestamp::now(),
        until: 600,
    }
}

fn about(mac: MacAddress) -> FqdnRequest {
    FqdnRequest {
        version: VERSION_1,
        mac,
        public_key_hash: [1; 20],
        manufacturer_revoked: None,
    }
}

fn bed(settings: &[(&str, &str)]) -> (Server, Kdc) {
    let mut server = Server::install();
    for (from, to) in settings {
        server.edit("hardline.toml", from, to);
    }
    let add = |mac: MacAddress, flow: &str, more: &[&str]| {
        server.add_device(mac, &format!("mta{}.pktc.example.net", mac.0[5]), flow, more);
    };
    add(MTA, "secure", &["--ip", "192.0.2.7"]);
    add(
        DUAL,
        "secure",
        &["--ip", "2001:db8::7", "--ip", "192.0.2.8", "--ip", "2001:db8::8"],
    );
    add(HYBRID, "hybrid", &[]);
    let kdc = Kdc::of(&server);
    server.start();
    (server, kdc)
}

#[test]
fn s6_1_7_one_ipv4_address_by_the_1_x_reply_and_both_families_at_once_by_table_1() {
    let (_server, kdc) = bed(&[]);
    let answer = |addresses: &[&str], name: &str| FqdnAnswer {
        fqdn: name.parse().expect("a name"),
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
    };
    let one = answer(&["192.0.2.7"], "mta1.pktc.example.net");
    assert_eq!(kdc.ask(about(MTA)), FqdnOutcome::Answer(one.clone()));
    let second = FqdnRequest {
        version: VERSION_2,
        ..about(MTA)
    };
    assert_eq!(kdc.ask(second), FqdnOutcome::Answer(one), "P19: either version");
    let all = answer(&["192.0.2.8", "2001:db8::7", "2001:db8::8"], "mta2.pktc.example.net");
    assert_eq!(
        kdc.ask(about(DUAL)),
        FqdnOutcome::Answer(all),
        "IPv4 first, as Table 1 has it"
    );
}

#[test]
fn p19_error_codes_1_2_and_3() {
    let (server, kdc) = bed(&[("#= refuse_changed_keys = false", "refuse_changed_keys = true")]);
    let refused = |request| match kdc.ask(request) {
        FqdnOutcome::Refused(code) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(about(MacAddress([9; 6]))), FqdnErrorCode::UnknownMac);
    assert_eq!(refused(about(HYBRID)), FqdnErrorCode::UnknownMac);
    assert!(matches!(kdc.ask(about(MTA)), FqdnOutcome::Answer(_)));
    let clone = FqdnRequest {
        public_key_hash: [2; 20],
        ..about(MTA)
    };
    assert_eq!(refused(clone.clone()), FqdnErrorCode::PublicKeyMismatch);
    server.refused(MTA, |reason| reason.contains("public key"));
    let revoked = |seconds: i64| FqdnRequest {
        manufacturer_revoked: Some(Timestamp::from_unix(Timestamp::now().unix() + seconds)),
        ..about(MTA)
    };
    assert_eq!(refused(revoked(-3600)), FqdnErrorCode::ManufacturerRevoked);
    assert!(
        matches!(kdc.ask(revoked(3600)), FqdnOutcome::Answer(_)),
        "not revoked yet"
    );
    server.command(&["device", "reset", &MTA.to_string()]);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(
        matches!(kdc.ask(clone), FqdnOutcome::Answer(_)),
        "reset forgets the key"
    );
}

#[test]
fn rfc4120_3_2_3_what_is_not_believed_gets_its_krb_error() {
    let (server, kdc) = bed(&[]);
    let (datagram, sent) = kdc.query(&shape(about(MTA)));
    assert!(matches!(
        open_reply(&kdc.send(&datagram), &sent, Timestamp::now(), SKEW),
        Ok(FqdnOutcome::Answer(_))
    ));
    assert_eq!(kdc.refused(&datagram, &sent), 34, "a replay");

    let late = Shape {
        now: Timestamp::from_unix(Timestamp::now().unix() - 3600),
        ..shape(about(MTA))
    };
    let (datagram, sent) = kdc.query(&late);
    assert_eq!(kdc.refused(&datagram, &sent), 37, "clock skew");

    let expired = Shape {
        until: -3600,
        ..shape(about(MTA))
    };
    let (datagram, sent) = kdc.query(&expired);
    assert_eq!(kdc.refused(&datagram, &sent), 32, "an expired ticket");

    let (mut datagram, sent) = kdc.query(&shape(about(MTA)));
    // The last octet is the checksum's.
    *datagram.last_mut().expect("octets") ^= 1;
    assert_eq!(kdc.refused(&datagram, &sent), 41, "a changed KRB-SAFE");

    let (mut datagram, sent) = kdc.query(&shape(about(MTA)));
    datagram.push(0);
    assert_eq!(kdc.refused(&datagram, &sent), 40, "octets after the last message");

    let mut elsewhere = Kdc::of(&server);
    elsewhere.service =
        PrincipalName::mtafqdnmap(&"elsewhere.example.net".parse().expect("a name")).at(&server.settings().realm);
    let (datagram, sent) = elsewhere.query(&shape(about(MTA)));
    assert_eq!(kdc.refused(&datagram, &sent), 35, "another service's ticket");

    let mut newer = Kdc::of(&server);
    newer.key.kvno = 9;
    let (datagram, sent) = newer.query(&shape(about(MTA)));
    assert_eq!(kdc.refused(&datagram, &sent), 44, "an unknown key version");
}

#[test]
fn p18_who_may_ask_is_the_operators_choice_and_a_device_never_may() {
    let (server, mut kdc) = bed(&[]);
    let realm = server.settings().realm;
    let client = |name: &str| format!("{name}@{realm}").parse::<Principal>().expect("a principal");
    kdc.client = client("anything/kdc.other.example.net");
    assert!(matches!(kdc.ask(about(MTA)), FqdnOutcome::Answer(_)));
    kdc.client = client("mta/mta1.pktc.example.net");
    let (datagram, sent) = kdc.query(&shape(about(MTA)));
    assert_eq!(kdc.refused(&datagram, &sent), 12);

    let (_server, mut kdc) = bed(&[("#= clients = \"any\"", "clients = [\"kdcquery\"]")]);
    assert!(matches!(kdc.ask(about(MTA)), FqdnOutcome::Answer(_)));
    kdc.client = client("anything/kdc.other.example.net");
    let (datagram, sent) = kdc.query(&shape(about(MTA)));
    assert_eq!(kdc.refused(&datagram, &sent), 12);
}
