//! A device that does one step at a time, so that a test can stop, spoil or repeat each: the simulator's state machines
//! on a blocking socket.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardline::mib::MibDialect;
use hardline::model::{ConfigUrl, Delivery, Family, Flow, UrlHost};
use hardline::profile::Profile;
use hardline::settings::{Service, Settings};
use hardline::simulator::agent::{Agent, Event, Instruction, KeyForm, Security, SelfDescription};
use hardline::simulator::ap::{ApExchange, Association};
use hardline::simulator::kdc::{AsAnswer, AsExchange};
use hardline::simulator::{
    Backoff, DeviceSpec, Endpoints, Fault, FlowSpec, SecureSpec, StoredTicket, TicketSource, Timers, all_suites,
    factory, recruit,
};
use hardline::value::{MacAddress, OsRandom, Timestamp};
use hardline::wire::cert::issue::{self, Credential, Terms};
use hardline::wire::cert::{certificates_from_pem, key_from_pem};
use hardline::wire::pkinit::Identity;
use hardline::wire::snmp::ProvisioningState;

use super::server::Server;

/// What devices know of their servers.
pub type Known = hardline::simulator::Server;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing must come where silence is the answer.
const SILENCE: Duration = Duration::from_millis(400);
/// A day.
const DAY: i64 = 86_400;

/// The installation as devices see it, and the manufacturer that they come from.
pub struct World {
    /// What devices know of their servers.
    pub known: Arc<Known>,
    settings: Settings,
    manufacturer: Credential,
    key: openssl::pkey::PKey<openssl::pkey::Private>,
}

impl World {
    /// The world around an installation.
    pub fn of(server: &Server) -> Self {
        let settings = server.settings();
        let read = |name: &str| std::fs::read(server.site().join("pki").join(name)).expect("a file of the pki folder");
        let certificates = certificates_from_pem(&read("mfr-ca.crt.pem")).expect("certificates");
        let manufacturer = Credential {
            certificate: certificates.into_iter().next().expect("a certificate"),
            key: key_from_pem(&read("mfr-ca.key.pem")).expect("a key"),
        };
        Self {
            known: recruit::server(&settings, Profile::default()).expect("the service provider's root"),
            settings,
            manufacturer,
            key: issue::generate_key(1024).expect("a key"),
        }
    }

    /// The same servers with one thing that a device believes of them changed.
    pub fn misled(&self, mislead: impl FnOnce(&mut Known)) -> Arc<Known> {
        let known = recruit::server(&self.settings, Profile::default()).expect("the service provider's root");
        let mut known = Arc::into_inner(known).expect("nobody else has it");
        mislead(&mut known);
        Arc::new(known)
    }

    /// Device `index`, not known to the server yet. Its IPv4 address is its own.
    pub fn device(&self, index: u32, flow: Flow) -> DeviceSpec {
        let mac = factory::mac(index);
        let flow = match flow {
            Flow::Secure => self.secure(self.identity(mac)),
            Flow::Hybrid => FlowSpec::Hybrid {
                status: true,
                community: "public".into(),
            },
            Flow::Basic => FlowSpec::Basic {
                status: true,
                community: "public".into(),
                file: self.basic_file(mac, UrlHost::Address("127.0.0.1".parse().expect("an address"))),
            },
        };
        DeviceSpec {
            bootstrap: None,
            mac,
            fqdn: format!("mta{index}.{}", self.settings.domain).parse().expect("a name"),
            address: factory::loopback(index, Family::V4),
            mib: MibDialect::Ietf,
            flow,
            timers: quick(),
        }
    }

    /// Where DHCP says that the file of a basic device is.
    pub fn basic_file(&self, mac: MacAddress, host: UrlHost) -> ConfigUrl {
        let listener = self
            .settings
            .listener(Service::Tftp, Family::V4)
            .expect("TFTP over IPv4");
        let name = format!("basic-ietf@{}", mac.bare());
        ConfigUrl::new(Delivery::Tftp, host, Some(listener.port()), &name).expect("a URL")
    }

    /// What a device with this certificate needs for the secure flow.
    pub fn secure(&self, identity: Arc<Identity>) -> FlowSpec {
        FlowSpec::Secure(Box::new(SecureSpec {
            ticket: TicketSource::Kdc { identity, tcp: false },
            suites: all_suites(),
        }))
    }

    /// A certificate of the manufacturer for `mac`, valid.
    pub fn identity(&self, mac: MacAddress) -> Arc<Identity> {
        self.issued(mac, &self.manufacturer, -DAY, 365 * DAY, &[])
    }

    /// A certificate of the manufacturer for `mac` that was valid until yesterday.
    pub fn expired(&self, mac: MacAddress) -> Arc<Identity> {
        self.issued(mac, &self.manufacturer, -365 * DAY, -DAY, &[])
    }

    /// A certificate for `mac` that looks the same, by a manufacturer below another root; the root is sent along where
    /// `with_root` says so.
    pub fn foreign(&self, mac: MacAddress, with_root: bool) -> Arc<Identity> {
        let terms = terms(-DAY, 365 * DAY);
        let root = issue::mta_root(issue::generate_key(2048).expect("a key"), &terms).expect("a root");
        let key = issue::generate_key(2048).expect("a key");
        let manufacturer = issue::manufacturer_ca(&root, key, "Look-alike Manufacturer", &terms).expect("a CA");
        let others: &[&[u8]] = if with_root { &[&root.certificate] } else { &[] };
        self.issued(mac, &manufacturer, -DAY, 365 * DAY, others)
    }

    fn issued(&self, mac: MacAddress, by: &Credential, from: i64, to: i64, others: &[&[u8]]) -> Arc<Identity> {
        let device = issue::device(by, self.key.clone(), mac, &terms(from, to)).expect("a certificate");
        let chain = [&[device.certificate.as_slice(), &by.certificate], others].concat();
        Arc::new(Identity::new(&chain, device.key).expect("an identity"))
    }
}

/// Validity from and to so many seconds after now.
fn terms(from: i64, to: i64) -> Terms {
    let now = Timestamp::now().unix();
    Terms {
        not_after: Timestamp::from_unix(now + to),
        ..Terms::new(&mut OsRandom, Timestamp::from_unix(now + from), 1)
    }
}

/// Timers for a server on the same machine that is made to lose datagrams.
pub fn quick() -> Timers {
    let backoff = Backoff {
        nominal: Duration::from_millis(400),
        max: Duration::from_secs(2),
        retries: 6,
    };
    Timers {
        kdc: backoff,
        key_management: backoff,
        inform: backoff,
        download: Duration::from_secs(15),
        provisioning: Duration::from_secs(20),
    }
}

/// Makes the device known to the server, under the address it has and with further arguments.
pub fn register(server: &Server, device: &DeviceSpec, more: &[&str]) {
    server.add_device(device.mac, &device.fqdn.to_string(), device.flow(), more);
}

/// How far a device goes before it loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Ticketed,
    Keyed,
    Enrolled,
    Told,
    Delivered,
}

/// A device with its socket.
pub struct Eue {
    pub spec: DeviceSpec,
    pub known: Arc<Known>,
    pub at: Endpoints,
    socket: UdpSocket,
}

impl Eue {
    /// The device, powered on: its socket is bound to its own address.
    pub fn new(spec: DeviceSpec, known: Arc<Known>) -> Self {
        let at = known
            .endpoints(spec.family())
            .expect("the server has the device's family");
        let socket = UdpSocket::bind((spec.address, 0)).expect("a socket on the device's address");
        Self {
            spec,
            known,
            at,
            socket,
        }
    }

    /// Where it sends from.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    /// Sends a datagram.
    pub fn send(&self, to: SocketAddr, datagram: &[u8]) {
        self.socket.send_to(datagram, to).expect("a datagram is sent");
    }

    /// The next datagram from `from` within `limit`.
    pub fn hear(&self, from: SocketAddr, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let mut buffer = vec![0; 65_536];
        loop {
            let left = deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).expect("a timeout");
            match self.socket.recv_from(&mut buffer) {
                Ok((length, peer)) if peer == from => return Some(buffer[..length].to_vec()),
                _ => {}
            }
        }
    }

    /// The answer to a datagram; there must be one.
    pub fn ask(&self, to: SocketAddr, datagram: &[u8]) -> Vec<u8> {
        self.send(to, datagram);
        self.hear(to, PATIENCE)
            .unwrap_or_else(|| panic!("{to} does not answer"))
    }

    /// Asserts that nothing answers a datagram.
    pub fn assert_silence(&self, to: SocketAddr, datagram: &[u8]) {
        self.send(to, datagram);
        let answer = self.hear(to, SILENCE);
        assert!(answer.is_none(), "{to} answers {answer:02x?}");
    }

    fn secure(&self) -> (&SecureSpec, &Identity) {
        match &self.spec.flow {
            FlowSpec::Secure(secure) => match &secure.ticket {
                TicketSource::Kdc { identity, .. } => (secure, identity),
                TicketSource::Stored(_) => panic!("the device has its ticket"),
            },
            _ => panic!("not a device of the secure flow"),
        }
    }

    /// An AS exchange as of `now`.
    pub fn begin_as(&self, now: Timestamp) -> AsExchange {
        AsExchange::begin(self.secure().1, &self.known, now, &mut OsRandom).expect("an AS-REQ")
    }

    /// What the KDC answers to the exchange's request.
    pub fn accept_as(&self, exchange: &AsExchange, answer: &[u8]) -> Result<StoredTicket, Fault> {
        match exchange.accept(answer, &self.spec, self.secure().1, &self.known, Timestamp::now())? {
            AsAnswer::Ticket(ticket) => Ok(*ticket),
            AsAnswer::TooBig => panic!("the AS-REP is too big for a datagram"),
        }
    }

    /// The whole AS exchange.
    pub fn ticket(&self) -> Result<StoredTicket, Fault> {
        let exchange = self.begin_as(Timestamp::now());
        self.accept_as(&exchange, &self.ask(self.at.kdc, exchange.datagram()))
    }

    /// An AP exchange as of `now`.
    pub fn begin_ap(&self, ticket: &StoredTicket, now: Timestamp) -> ApExchange {
        ApExchange::begin(&self.spec, self.secure().0, &self.known, ticket, now, &mut OsRandom).expect("an AP Request")
    }

    /// What key management answers to the exchange's request.
    pub fn accept_ap(&self, exchange: &ApExchange, answer: &[u8]) -> Result<Association, Fault> {
        let accepted = exchange.accept(answer, Timestamp::now(), &mut OsRandom)?;
        Ok(accepted.expect("an AP Reply or an Error Reply"))
    }

    /// The whole AP exchange.
    pub fn associate(&self, ticket: &StoredTicket) -> Result<Association, Fault> {
        let exchange = self.begin_ap(ticket, Timestamp::now());
        self.accept_ap(&exchange, &self.ask(self.at.keymgmt, exchange.datagram()))
    }

    /// The agent under this security.
    pub fn agent(&self, security: Security) -> Agent {
        let key_form = KeyForm {
            placement: self.known.profile.key_placement,
            iv: self.known.profile.file_form.iv,
        };
        let description = SelfDescription::of(&self.spec);
        Agent::new(description, security, key_form, Timestamp::now(), &mut OsRandom)
    }

    /// The agent, after what its flow needs to have one.
    pub fn secured(&self) -> Agent {
        let security = match &self.spec.flow {
            FlowSpec::Secure(_) => {
                let ticket = self.ticket().expect("a ticket");
                Security::User(Box::new(self.associate(&ticket).expect("keys").security))
            }
            FlowSpec::Hybrid { community, .. } => Security::Community(community.clone()),
            FlowSpec::Basic { .. } => panic!("a basic device has no agent"),
        };
        self.agent(security)
    }

    /// Sends the outstanding INFORM until it is acknowledged; a SET that overtakes the acknowledgement is lost.
    pub fn inform(&self, agent: &mut Agent) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let inform = agent.inform(Timestamp::now()).expect("an INFORM is outstanding");
            self.send(self.at.snmp, &inform);
            while let Some(datagram) = self.hear(self.at.snmp, Duration::from_millis(500)) {
                match agent.receive(&datagram, Timestamp::now()).event {
                    Some(Event::Acknowledged) => return,
                    Some(Event::SendAgain) => break,
                    Some(Event::Wrong(fault)) => panic!("{fault}"),
                    _ => {}
                }
            }
        }
        panic!("the INFORM is not acknowledged");
    }

    /// Sends the enrollment INFORM until it is acknowledged. The agent hears nothing else meanwhile: a SET that came
    /// comes again.
    pub fn enroll(&self, agent: &mut Agent) {
        agent.enroll(Timestamp::now());
        let inform = agent.inform(Timestamp::now()).expect("an INFORM is outstanding");
        self.send(self.at.snmp, &inform);
        let answer = self.hear(self.at.snmp, PATIENCE).expect("an acknowledgement");
        let event = agent.receive(&answer, Timestamp::now()).event;
        assert!(matches!(event, Some(Event::Acknowledged)), "{event:?}");
    }

    /// Waits for the SET and answers it.
    pub fn told(&self, agent: &mut Agent) -> Instruction {
        let deadline = Instant::now() + PATIENCE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let Some(datagram) = self.hear(self.at.snmp, left) else {
                break;
            };
            let reaction = agent.receive(&datagram, Timestamp::now());
            if let Some(answer) = reaction.answer {
                self.send(self.at.snmp, &answer);
            }
            match reaction.event {
                Some(Event::Told(instruction)) => return *instruction,
                Some(Event::Wrong(fault)) => panic!("{fault}"),
                _ => {}
            }
        }
        panic!("no SET comes");
    }

    /// Reports a status; it is acknowledged.
    pub fn report(&self, agent: &mut Agent, state: ProvisioningState) {
        agent.report(state, Timestamp::now());
        self.inform(agent);
    }

    /// Provisions the device as far as `stage`, and forgets it there.
    pub fn climb(&self, stage: Stage) {
        let mut agent = match &self.spec.flow {
            FlowSpec::Secure(_) => {
                let ticket = self.ticket().expect("a ticket");
                if stage == Stage::Ticketed {
                    return;
                }
                self.agent(Security::User(Box::new(
                    self.associate(&ticket).expect("keys").security,
                )))
            }
            _ => self.secured(),
        };
        if stage == Stage::Keyed {
            return;
        }
        self.enroll(&mut agent);
        if stage == Stage::Enrolled {
            return;
        }
        let instruction = self.told(&mut agent);
        if stage == Stage::Delivered {
            tftp_from(self.spec.address, &instruction.url).expect("the file");
        }
    }
}

/// Fetches the file at `url` by TFTP from the client address `from`; the ERROR's code where it is refused.
pub fn tftp_from(from: IpAddr, url: &ConfigUrl) -> Result<Vec<u8>, u16> {
    let UrlHost::Address(host) = url.host() else {
        panic!("the URL names an address")
    };
    tftp(from, SocketAddr::new(*host, url.port()), url.file())
}

/// Fetches a file by TFTP, in blocks of 512 octets without any option (RFC 1350).
pub fn tftp(from: IpAddr, server: SocketAddr, name: &str) -> Result<Vec<u8>, u16> {
    let socket = UdpSocket::bind((from, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    socket.send_to(&request, server).expect("a datagram is sent");
    let mut file = Vec::new();
    let mut buffer = [0; 1024];
    for block in 1u16.. {
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).expect("the server answers");
            match &buffer[..length] {
                [0, 5, high, low, ..] => return Err(u16::from_be_bytes([*high, *low])),
                [0, 3, high, low, data @ ..] if u16::from_be_bytes([*high, *low]) == block => {
                    file.extend_from_slice(data);
                    socket.send_to(&[0, 4, *high, *low], peer).expect("a datagram is sent");
                    break;
                }
                _ => {}
            }
        }
        if file.len() < usize::from(block) * 512 {
            break;
        }
    }
    Ok(file)
}
