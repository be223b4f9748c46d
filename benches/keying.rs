//! AP Request datagram in, AP Reply datagram out, on one core: decoded, ticket and Authenticator opened, HMAC verified,
//! keys drawn, the change for the store made, the reply sealed. No socket, no store.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hardline::mib::MibDialect;
use hardline::model::{Device, Flow};
use hardline::profile::{Profile, Ways};
use hardline::provisioning::{self, Keying, Policy};
use hardline::store::Change;
use hardline::value::{EngineId, MacAddress, Realm, SeededRandom, Timestamp};
use hardline::wire::kerberos::{
    ApReq, ApReqContent, ApReqExpectation, EncTicketPart, EncType, KeyUsage, PadForm, Principal, PrincipalName,
    ServiceKey, Ticket, open_ap_req,
};
use hardline::wire::keymgmt::{
    ApRequest, Ciphersuite, HmacKeys, HmacRecipe, Message, SnmpParameters, SuiteIds, UserName,
};
use hardline::wire::snmp::{AuthProtocol, LocalEngine, PrivProtocol};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const MAC: MacAddress = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);
const SUITE: Ciphersuite = Ciphersuite {
    auth: AuthProtocol::Sha1,
    privacy: Some(PrivProtocol::Aes128),
};

struct World {
    device: Device,
    policy: Policy,
    profile: Profile,
    service: Principal,
    keys: Vec<ServiceKey>,
    engine: LocalEngine,
}

fn world() -> World {
    let realm: Realm = "PKTC.EXAMPLE.NET".parse().expect("a realm");
    let policy = Policy {
        realm: realm.clone(),
        organisation: "Example Operator".to_owned(),
        prov_fqdn: "prov.pktc.example.net".parse().expect("a name"),
        provisioning_timer: Duration::from_secs(600),
        clock_skew: Duration::from_secs(300),
        url_host: None,
        get_capabilities: false,
    };
    let device = Device {
        mac: MAC,
        fqdn: "mta1.pktc.example.net".parse().expect("a name"),
        flow: Flow::Secure,
        mib: MibDialect::Ietf,
        addresses: vec![[192, 0, 2, 7].into()],
        template: None,
        vars: BTreeMap::new(),
        overrides: Default::default(),
        delivery: Default::default(),
        public_key_sha1: None,
        created: NOW,
    };
    World {
        service: PrincipalName::mtaprovsrvr(&policy.prov_fqdn).at(&realm),
        keys: vec![ServiceKey {
            kvno: 1,
            key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(1)),
        }],
        engine: LocalEngine {
            engine_id: EngineId::cablelabs(*b"a server"),
            boots: 3,
            started: NOW,
        },
        profile: Profile::default(),
        device,
        policy,
    }
}

impl World {
    /// The device's datagram.
    fn request(&self) -> Vec<u8> {
        let mut random = SeededRandom::new(2);
        let client = PrincipalName::mta(&self.device.fqdn).at(&self.policy.realm);
        let session_key = EncType::Des3CbcMd5.generate(&mut random);
        let end = NOW.plus(Duration::from_secs(86_400));
        let part = EncTicketPart::initial(client.clone(), session_key.clone(), NOW, end);
        let pad = PadForm::default();
        let ticket = Ticket::seal(&self.service, &part, &self.keys[0], pad, &mut random).expect("a ticket");
        let content = ApReqContent {
            client: &client,
            ticket: &ticket,
            session_key: &session_key,
            now: NOW,
            mutual: true,
            checksum: None,
            subkey: None,
            seq_number: None,
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            pad,
        };
        let (ap_req, _) = ApReq::build(&content, &mut random).expect("an AP-REQ");
        let request = ApRequest {
            ap_req: &ap_req.encode(),
            server_nonce: None,
            agent: SnmpParameters {
                engine_id: EngineId::cablelabs(*b"a device"),
                engine_boots: 1,
                engine_time: 1,
                user: UserName::of_device(MAC),
            },
            suites: vec![SuiteIds::default().id(SUITE)],
            reestablish: false,
        };
        let keys = HmacKeys {
            session_key: &session_key.value,
            authenticator_subkey: None,
        };
        request.seal(HmacRecipe::default(), keys).expect("an AP Request")
    }

    fn answer(&self, datagram: &[u8], random: &mut SeededRandom) -> (Change, Vec<u8>) {
        let Ok(Message::ApRequest(request)) = Message::decode(datagram) else {
            panic!("no AP Request");
        };
        let expected = ApReqExpectation {
            service: &self.service,
            keys: &self.keys,
            now: NOW,
            skew: self.policy.clock_skew,
            peer: None,
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        };
        let opened = open_ap_req(request.body.ap_req, &expected).expect("a believed AP-REQ");
        let keys = HmacKeys {
            session_key: &opened.session_key().value,
            authenticator_subkey: None,
        };
        let keying = Keying {
            request: &request.body,
            opened: &opened,
            recipe: request.recipe([self.profile.hmac], keys).expect("the HMAC"),
            ways: Ways {
                profile: &self.profile,
                candidates: None,
                vendors: &[],
                type_identifier: None,
            },
            wake_up: None,
            ack_required: false,
            digest: provisioning::digest(datagram),
            peer: ([192, 0, 2, 7], 1293).into(),
            suites: &[SUITE],
            engine: &self.engine,
        };
        provisioning::key(&self.device, None, &keying, &self.profile, &self.policy, NOW, random).expect("a reply")
    }
}

fn keying(criterion: &mut Criterion) {
    let world = world();
    let datagram = world.request();
    let mut random = SeededRandom::new(3);
    let mut group = criterion.benchmark_group("AP Request to AP Reply");
    group.throughput(Throughput::Elements(1));
    group.bench_function("etype 5, SHA-1 and AES-128", |bencher| {
        bencher.iter(|| world.answer(black_box(&datagram), &mut random));
    });
    group.finish();
}

criterion_group!(benches, keying);
criterion_main!(benches);
