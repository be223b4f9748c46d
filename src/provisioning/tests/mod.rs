//! The decisions, step by step (seed 003 Table 5) and point by point of the interop profile.

mod attempt;
mod delivery;
mod enrollment;
mod file;
mod key;
mod keying;
mod machine;
mod pkinit;
mod set;
mod status;
mod stock;
mod tgs;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::*;
use crate::mib::{MibDialect, Names};
use crate::model::{Attempt, Delivery, Device, Enrollment, Flow, Phase, Step, StepId};
use crate::profile::{Profile, Ways};
use crate::settings::FileEncryption;
use crate::store::Change;
use crate::template::{SharedLibrary, Site, TemplateLibrary};
use crate::value::{EngineId, MacAddress, SeededRandom, Timestamp};
use crate::wire::cert::testing::{MAC, NOW, realm};
use crate::wire::kerberos::{
    ApReq, ApReqContent, ApReqExpectation, ApReqOpened, ApReqSent, EncTicketPart, EncType, EncryptionKey, KeyUsage,
    PadForm, Principal, PrincipalName, ServiceKey, Ticket, open_ap_req,
};
use crate::wire::keymgmt::{ApRequest, Ciphersuite, HmacRecipe, SnmpParameters, SuiteId, UserName};
use crate::wire::snmp::{AuthProtocol, LocalEngine, PrivProtocol, ProvisioningState};

static LIBRARY: LazyLock<SharedLibrary> =
    LazyLock::new(|| SharedLibrary::new(Arc::new(TemplateLibrary::shipped(Names::embedded()).unwrap())));
static NAMES: LazyLock<Arc<Names>> = LazyLock::new(|| Arc::new(Names::with_own(&[]).unwrap().0));

const SHA1_AES: Ciphersuite = Ciphersuite {
    auth: AuthProtocol::Sha1,
    privacy: Some(PrivProtocol::Aes128),
};
const MD5_DES: Ciphersuite = Ciphersuite {
    auth: AuthProtocol::Md5,
    privacy: Some(PrivProtocol::Des),
};
/// 0x22 and 0x24, then 0x21 and 0x21 (profile P13).
const OFFER: [SuiteId; 2] = [
    SuiteId {
        authentication: 0x22,
        privacy: 0x24,
    },
    SuiteId {
        authentication: 0x21,
        privacy: 0x21,
    },
];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The device's port of key management, of SNMP and of its transfers: one address, as the decisions see it.
fn peer() -> SocketAddr {
    address("192.0.2.7:1293")
}

/// The server, as the device of [`peer`] reaches it.
fn local() -> SocketAddr {
    address("192.0.2.1:162")
}

fn seconds(count: i64) -> Timestamp {
    Timestamp::from_unix(NOW.unix() + count)
}

/// A device whose addresses the operator knows.
pub(super) fn device(flow: Flow) -> Device {
    Device {
        mac: MAC,
        fqdn: "mta1.pktc.example.net".parse().unwrap(),
        flow,
        mib: MibDialect::Ietf,
        addresses: vec![peer().ip(), "2001:db8::7".parse().unwrap()],
        template: None,
        vars: BTreeMap::new(),
        overrides: Default::default(),
        delivery: Delivery::Tftp,
        public_key_sha1: None,
        created: NOW,
    }
}

pub(super) fn policy() -> Policy {
    Policy {
        realm: realm(),
        organisation: "Example Operator".to_owned(),
        prov_fqdn: "prov.pktc.example.net".parse().unwrap(),
        provisioning_timer: Duration::from_secs(600),
        clock_skew: Duration::from_secs(300),
        url_host: None,
        get_capabilities: false,
    }
}

/// A maker that serves on both families of every protocol.
fn maker() -> FileMaker {
    let listeners = |port| {
        ["192.0.2.1", "2001:db8::1"]
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), port))
            .to_vec()
    };
    FileMaker {
        library: LIBRARY.clone(),
        names: NAMES.clone(),
        site: Site {
            realm: realm(),
            organisation: "Example Operator".to_owned(),
            prov_fqdn: policy().prov_fqdn,
            ipv4: Some([192, 0, 2, 1].into()),
            ipv6: Some("2001:db8::1".parse().unwrap()),
            notification_port: 162,
            vars: BTreeMap::new(),
        },
        encryption: FileEncryption::Dialect,
        profile: Profile::default(),
        endpoints: Endpoints {
            tftp: listeners(69),
            http: listeners(80),
        },
        triggers: Default::default(),
    }
}

fn engine() -> LocalEngine {
    LocalEngine {
        engine_id: EngineId::cablelabs(*b"theserve"),
        boots: 4,
        started: seconds(-50),
    }
}

/// A device's ticket, and its AP-REQ as the server opened it.
struct Ap {
    session_key: EncryptionKey,
    sent: ApReqSent,
    octets: Vec<u8>,
    opened: ApReqOpened,
}

/// What differs between AP-REQs.
struct ApShape {
    client: Principal,
    seq_number: Option<u32>,
    pad: PadForm,
    subkey: bool,
}

impl Default for ApShape {
    fn default() -> Self {
        Self {
            client: PrincipalName::mta(&device(Flow::Secure).fqdn).at(&realm()),
            seq_number: None,
            pad: PadForm::Uncovered,
            subkey: false,
        }
    }
}

impl Ap {
    /// An AP-REQ of [`NOW`] that the server has believed.
    fn new(shape: ApShape) -> Self {
        let mut random = SeededRandom::new(11);
        let service = PrincipalName::mtaprovsrvr(&policy().prov_fqdn).at(&realm());
        let keys = [ServiceKey {
            kvno: 1,
            key: EncType::Des3CbcMd5.generate(&mut random),
        }];
        let session_key = EncType::Des3CbcMd5.generate(&mut random);
        let part = EncTicketPart::initial(shape.client.clone(), session_key.clone(), NOW, seconds(3600));
        let ticket = Ticket::seal(&service, &part, &keys[0], shape.pad, &mut random).unwrap();
        let content = ApReqContent {
            client: &shape.client,
            ticket: &ticket,
            session_key: &session_key,
            now: NOW,
            mutual: true,
            checksum: None,
            subkey: shape.subkey.then(|| EncType::Des3CbcMd5.generate(&mut random)),
            seq_number: shape.seq_number.map(crate::wire::kerberos::Number32::new),
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            pad: shape.pad,
        };
        let (request, sent) = ApReq::build(&content, &mut random).unwrap();
        let octets = request.encode();
        let expected = ApReqExpectation {
            service: &service,
            keys: &keys,
            now: NOW,
            skew: policy().clock_skew,
            peer: None,
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        };
        let opened = open_ap_req(&octets, &expected).unwrap();
        Self {
            session_key,
            sent,
            octets,
            opened,
        }
    }

    /// The AP Request of the device `mac` around this AP-REQ.
    fn request(&self, mac: MacAddress) -> ApRequest<'_> {
        ApRequest {
            ap_req: &self.octets,
            server_nonce: None,
            agent: SnmpParameters {
                engine_id: EngineId::cablelabs(*b"a device"),
                engine_boots: 9,
                engine_time: 77,
                user: UserName::of_device(mac),
            },
            suites: OFFER.to_vec(),
            reestablish: false,
        }
    }
}

/// What is believed about an AP Request by default: it came from [`peer`], and every suite of [`OFFER`] is allowed.
fn keying<'a>(ap: &'a Ap, request: &'a ApRequest<'a>, engine: &'a LocalEngine) -> Keying<'a> {
    Keying {
        request,
        opened: &ap.opened,
        recipe: HmacRecipe::default(),
        ways: ways(),
        wake_up: None,
        digest: [7; 32],
        peer: peer(),
        suites: &[SHA1_AES, MD5_DES],
        engine,
        ack_required: false,
    }
}

/// No vendor is known, and nothing is learned.
fn ways() -> Ways<'static> {
    static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::default);
    Ways {
        profile: &PROFILE,
        candidates: None,
        vendors: &[],
        type_identifier: None,
    }
}

/// Keys for the secure device, decided at `now`.
fn key_at(attempt: Option<Attempt>, now: Timestamp) -> Result<(Change, Vec<u8>), KeyingRefused> {
    let (ap, engine) = (Ap::new(ApShape::default()), engine());
    let request = ap.request(MAC);
    let keying = keying(&ap, &request, &engine);
    let random = &mut SeededRandom::new(now.unix() as u64);
    key(
        &device(Flow::Secure),
        attempt,
        &keying,
        &Profile::default(),
        &policy(),
        now,
        random,
    )
}

fn enrollment(flow: Flow, request_id: i32) -> Enrollment {
    Enrollment {
        sys_descr: "eUE".to_owned(),
        sw_version: "1.2.3".to_owned(),
        type_identifier: "pktc2.0:0503010101".to_owned(),
        correlation_id: 1000 + request_id as u32,
        community: (flow != Flow::Secure).then(|| "public".to_owned()),
        request_id,
    }
}

fn enrolling(flow: Flow, request_id: i32) -> Enrolling<'static> {
    Enrolling {
        enrollment: enrollment(flow, request_id),
        peer: peer(),
        local: local(),
        manner: "a test's",
        subkey: None,
        keys: None,
        inputs: Default::default(),
        ways: ways(),
    }
}

/// An INFORM of a device of `flow`, decided at `now` with everything at its default.
fn enroll_at(flow: Flow, attempt: Option<Attempt>, request_id: i32, now: Timestamp) -> EnrollDecision {
    let random = &mut SeededRandom::new(now.unix() as u64);
    enroll(
        &device(flow),
        attempt,
        &enrolling(flow, request_id),
        &policy(),
        &maker(),
        now,
        random,
    )
    .unwrap()
}

/// A status report that belongs to the enrollment with `request_id`.
fn status_of(request_id: i32, state: ProvisioningState) -> Status {
    Status {
        state,
        correlation_id: 1000 + request_id as u32,
        peer: peer(),
        manner: "a test's",
        subkey: None,
    }
}

/// The change of an enrollment that is accepted.
fn enrolled(decision: EnrollDecision) -> Change {
    match decision {
        EnrollDecision::Enrolled(change) => *change,
        other => panic!("not enrolled: {other:?}"),
    }
}

/// The attempt that a change leaves behind, as the store would give it back.
fn after(change: Change) -> Attempt {
    let attempt = change.attempt.expect("the change has an attempt");
    Attempt {
        version: attempt.version + 1,
        ..attempt
    }
}

/// An attempt of the device of `flow` in `phase`, reached step by step, one second each, from [`NOW`] on.
fn attempt_in(flow: Flow, phase: Phase) -> Attempt {
    let first = match (flow, phase) {
        (Flow::Secure, Phase::Ticketed) | (Flow::Basic, Phase::Told) => {
            let random = &mut SeededRandom::new(1);
            let (first, _) = begin(&device(flow), None, phase, peer(), &policy(), NOW, random);
            return Attempt { version: 1, ..first };
        }
        (Flow::Secure, _) => Some(after(
            key_at(Some(attempt_in(flow, Phase::Ticketed)), seconds(1)).unwrap().0,
        )),
        (Flow::Hybrid, _) => None,
        (Flow::Basic, _) => Some(attempt_in(flow, Phase::Told)),
    };
    if phase == Phase::Keyed {
        return first.unwrap();
    }
    let told = match flow {
        Flow::Basic => first.unwrap(),
        _ => {
            let enrolled = after(enrolled(enroll_at(flow, first, 1, seconds(2))));
            if phase == Phase::Enrolled {
                return enrolled;
            }
            after(set_answered(enrolled, &SetOutcome::Accepted, &policy(), seconds(3)).unwrap())
        }
    };
    if phase == Phase::Told {
        return told;
    }
    let delivered = after(delivered(
        told,
        Ok((100, Duration::from_millis(5))),
        &policy(),
        seconds(4),
    ));
    if phase == Phase::Delivered {
        return delivered;
    }
    match report(Some(delivered), &status_of(1, ProvisioningState::Pass), seconds(5)) {
        StatusDecision::Recorded(change) => after(*change),
        other => panic!("{other:?}"),
    }
}

/// The phases that an attempt of `flow` goes through.
fn phases(flow: Flow) -> &'static [Phase] {
    use Phase::{Delivered, Ended, Enrolled, Keyed, Ticketed, Told};
    match flow {
        Flow::Secure => &[Ticketed, Keyed, Enrolled, Told, Delivered, Ended],
        Flow::Hybrid => &[Enrolled, Told, Delivered, Ended],
        Flow::Basic => &[Told, Delivered, Ended],
    }
}

fn step_ids(steps: &[Step]) -> Vec<StepId> {
    steps.iter().map(|step| step.step).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
