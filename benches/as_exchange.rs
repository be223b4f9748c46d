//! The whole AS exchange on one core, without sockets, the store and the MTA-FQDN query: a request believed and
//! answered, for a KDC with an RSA key of 2048 bits and devices with keys of 1024 and 2048. Once with every chain
//! verified anew, once with chains that are known, which is what a running KDC has.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hardline::provisioning::{self, DeviceFacts, Granting, Kdc, KdcRequest, Policy};
use hardline::settings::EtypePolicy;
use hardline::value::{Fqdn, MacAddress, Realm, SeededRandom, Timestamp};
use hardline::wire::cert::issue::{self, Credential, Terms};
use hardline::wire::cert::{CertPolicy, ChainCache, ExpiryPolicy, NoCache, TrustAnchors, VerifiedDevice};
use hardline::wire::kerberos::{
    EncType, Exchange, KdcReq, KdcReqBody, KerberosFlags, Number32, PA_PK_AS_REQ, PaData, PadForm, PrincipalName,
    ServiceKey,
};
use hardline::wire::pkinit::{DhGroup, DhKeyPair, Identity, ReplyKeyRule, RequestShape, build_request};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Every chain that was verified.
#[derive(Default)]
struct Known(Mutex<HashMap<[u8; 32], Arc<VerifiedDevice>>>);

impl ChainCache for Known {
    fn get(&self, key: &[u8; 32]) -> Option<Arc<VerifiedDevice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: [u8; 32], device: &Arc<VerifiedDevice>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, device.clone());
    }
}

struct World {
    terms: Terms,
    manufacturer: Credential,
    kdc: Kdc,
    /// The KDC's own pair, which serves many requests.
    pair: DhKeyPair,
    service_key: ServiceKey,
}

fn fqdn(text: &str) -> Fqdn {
    text.parse().expect("a name")
}

fn world() -> World {
    let realm: Realm = "PKTC.EXAMPLE.NET".parse().expect("a realm");
    let mut random = SeededRandom::new(1);
    let terms = Terms::new(&mut random, Timestamp::from_unix(NOW.unix() - 86_400), 20);
    let key = || issue::generate_key(2048).expect("a key");
    let root = issue::mta_root(key(), &terms).expect("a root");
    let manufacturer = issue::manufacturer_ca(&root, key(), "Example Devices", &terms).expect("a CA");
    let provider_root = issue::provider_root(key(), &terms).expect("a root");
    let operator = "Example Operator";
    let provider = issue::provider_ca(&provider_root, key(), operator, &terms).expect("a CA");
    let name = fqdn("kdc.pktc.example.net");
    let kdc = issue::kdc(&provider, key(), operator, &name, &realm, &terms).expect("a KDC");
    World {
        kdc: Kdc {
            identity: Identity::new(&[&kdc.certificate, &provider.certificate], kdc.key.clone()).expect("a chain"),
            anchors: TrustAnchors::from_der([&root.certificate]).expect("a root"),
            certificates: CertPolicy {
                end_entity: ExpiryPolicy::Enforce,
                authority: ExpiryPolicy::Enforce,
                ..CertPolicy::default()
            },
            allow_oakley1: false,
            stock_min_bits: 1024,
            prefer_rfc4556: false,
            etypes: EtypePolicy::default(),
            reply_key: ReplyKeyRule::default(),
            pad: PadForm::default(),
            ticket_lifetime: Duration::from_secs(7 * 86_400),
            policy: Policy {
                realm,
                organisation: operator.to_owned(),
                prov_fqdn: fqdn("prov.pktc.example.net"),
                provisioning_timer: Duration::from_secs(600),
                clock_skew: Duration::from_secs(300),
                url_host: None,
                get_capabilities: false,
            },
        },
        terms,
        manufacturer,
        pair: DhKeyPair::generate(DhGroup::Oakley2, &mut random).expect("a pair"),
        service_key: ServiceKey {
            kvno: 1,
            key: EncType::Des3CbcMd5.generate(&mut random),
        },
    }
}

impl World {
    /// The request of a device whose key has `bits`, with a Diffie-Hellman value of group 2 or without one.
    fn request(&self, bits: u32, diffie_hellman: bool) -> Vec<u8> {
        let mac = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);
        let key = issue::generate_key(bits).expect("a key");
        let device = issue::device(&self.manufacturer, key, mac, &self.terms).expect("a device");
        let chain = [&device.certificate, &self.manufacturer.certificate];
        let identity = Identity::new(&chain, device.key.clone()).expect("a chain");
        let pair = DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(2)).expect("a pair");
        let policy = &self.kdc.policy;
        let body = KdcReqBody {
            kdc_options: KerberosFlags::default(),
            cname: None,
            realm: policy.realm.clone(),
            sname: Some(PrincipalName::mtaprovsrvr(&policy.prov_fqdn)),
            from: None,
            till: None,
            rtime: None,
            nonce: Number32::new(0x1234_5678),
            etype: vec![5],
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        };
        let mut request = KdcReq::new(Exchange::As, Vec::new(), body);
        let (body, nonce) = (request.body_der(), request.body.nonce.value());
        let (pair, shape) = (diffie_hellman.then_some(&pair), RequestShape::default());
        let value = build_request(&identity, body, nonce, NOW, pair, &shape).expect("a request");
        let location = PaData::prov_srv_location(&policy.prov_fqdn);
        request.padata = vec![PaData::new(PA_PK_AS_REQ, value), location];
        request.encode()
    }

    /// From the datagram to the AS-REP.
    fn answer(
        &self,
        datagram: &[u8],
        chains: &dyn ChainCache,
        facts: &DeviceFacts,
        random: &mut SeededRandom,
    ) -> usize {
        let mut answered = || {
            let KdcRequest::Pkinit(request) = provisioning::read_request(datagram, &self.kdc)? else {
                panic!("another exchange than AS by PKINIT");
            };
            let claim = provisioning::claim(&request, &self.kdc, chains, NOW)?;
            let pkinit = provisioning::prove(&request, &claim, &self.kdc, chains, NOW)?;
            let granting = Granting {
                service_keys: std::slice::from_ref(&self.service_key),
                pair: provisioning::group(&pkinit).map(|_| &self.pair),
                source: SocketAddr::from(([192, 0, 2, 7], 40_000)),
                asked: NOW,
            };
            provisioning::grant(&request, &pkinit, facts, &granting, &self.kdc, NOW, random)
        };
        match answered() {
            Ok(grant) => grant.reply.len(),
            Err(refused) => panic!("refused: {}", refused.reason),
        }
    }
}

fn as_exchange(criterion: &mut Criterion) {
    let world = world();
    let facts = DeviceFacts {
        fqdn: fqdn("mta1.pktc.example.net"),
        addresses: vec![[192, 0, 2, 7].into()],
    };
    let mut random = SeededRandom::new(3);
    let mut group = criterion.benchmark_group("AS exchange");
    group.throughput(Throughput::Elements(1));
    for bits in [1024, 2048] {
        for (kind, diffie_hellman) in [("Diffie-Hellman group 2", true), ("encKeyPack", false)] {
            let datagram = world.request(bits, diffie_hellman);
            let known = Known::default();
            let caches: [(&str, &dyn ChainCache); 2] = [("chain verified", &NoCache), ("chain known", &known)];
            for (name, chains) in caches {
                group.bench_function(format!("{kind}, device RSA-{bits}, {name}"), |bencher| {
                    bencher.iter(|| world.answer(black_box(&datagram), chains, &facts, &mut random));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, as_exchange);
criterion_main!(benches);
