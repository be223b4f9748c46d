//! The installation that the targets speak to: the same each time, down to its keys.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hardline::mib::MibDialect;
use hardline::model::{Delivery, Device, Flow};
use hardline::provisioning::{Kdc, Policy};
use hardline::settings::EtypePolicy;
use hardline::value::{EngineId, Fqdn, MacAddress, Realm, SeededRandom, Timestamp};
use hardline::wire::cert::issue::{self, Credential, Terms};
use hardline::wire::cert::{CertPolicy, ChainCache, TrustAnchors, VerifiedDevice, certificates_from_pem, key_from_pem};
use hardline::wire::kerberos::{
    ApReq, ApReqContent, ApReqExpectation, ApReqSent, Checksum, ChecksumType, EncTicketPart, EncType, EncryptionKey,
    Exchange, KdcReq, KdcReqBody, KerberosFlags, KeyUsage, Number32, PA_TGS_REQ, PaData, PadForm, Principal,
    PrincipalName, ServiceKey, Ticket,
};
use hardline::wire::keymgmt::{ApRequest, HmacKeys, HmacRecipe, SnmpParameters, SuiteId, UserName};
use hardline::wire::pkinit::{DhGroup, DhKeyPair, Identity, ReplyKeyRule};
use hardline::wire::snmp::LocalEngine;

/// When the captured AS Requests of fixtures/heimdal-as-req were sent, to the half minute.
pub const NOW: Timestamp = Timestamp::from_unix(1_795_303_000);

/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(300);

/// Octets of a captured AS Request: Diffie-Hellman, RSA-MD5.
pub const AS_REQUEST: &[u8] = include_bytes!("../../fixtures/heimdal-as-req/2004-dh-md5.der");

/// The device of the captured requests.
pub const MAC: MacAddress = MacAddress([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);

/// Where messages come from.
pub fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 1293))
}

fn name(text: &str) -> Fqdn {
    text.parse().expect("a name")
}

/// The realm.
pub fn realm() -> Realm {
    "PKTC.EXAMPLE.NET".parse().expect("a realm")
}

/// The operator's choices.
pub fn policy() -> Policy {
    Policy {
        realm: realm(),
        organisation: "Example Operator".to_owned(),
        prov_fqdn: name("prov.pktc.example.net"),
        provisioning_timer: Duration::from_secs(600),
        clock_skew: SKEW,
        url_host: None,
        get_capabilities: false,
    }
}

/// The device's record.
pub fn device() -> Device {
    Device {
        mac: MAC,
        fqdn: name("mta-001122334455.pktc.example.net"),
        flow: Flow::Secure,
        mib: MibDialect::Ietf,
        addresses: vec![peer().ip()],
        template: None,
        vars: BTreeMap::new(),
        overrides: BTreeMap::new(),
        delivery: Delivery::Tftp,
        public_key_sha1: None,
        created: NOW,
    }
}

/// The server's SNMP engine.
pub fn engine() -> LocalEngine {
    LocalEngine {
        engine_id: EngineId::cablelabs(*b"theserve"),
        boots: 4,
        started: Timestamp::from_unix(NOW.unix() - 50),
    }
}

/// The KDC: it trusts the root of the captured requests, and its own certificate is the operator's root itself.
pub static KDC: LazyLock<Kdc> = LazyLock::new(|| {
    let key = key_from_pem(include_bytes!("../../fixtures/heimdal-as-req/device.key")).expect("a key");
    let terms = Terms::new(&mut SeededRandom::new(7), Timestamp::from_unix(1_790_000_000), 20);
    let root = issue::provider_root(key.clone(), &terms).expect("a root");
    let fqdn = name("kdc.pktc.example.net");
    let issuer = Credential {
        certificate: root.certificate.clone(),
        key: key.clone(),
    };
    let kdc = issue::kdc(&issuer, key, "Example Operator", &fqdn, &realm(), &terms).expect("a KDC");
    Kdc {
        identity: Identity::new(&[&kdc.certificate], kdc.key).expect("a chain"),
        anchors: anchors(),
        certificates: CertPolicy::default(),
        allow_oakley1: false,
        stock_min_bits: 1024,
        prefer_rfc4556: false,
        etypes: EtypePolicy::default(),
        reply_key: ReplyKeyRule::default(),
        pad: PadForm::default(),
        ticket_lifetime: Duration::from_secs(7 * 86_400),
        policy: policy(),
    }
});

/// The device root of the captured requests.
pub fn anchors() -> TrustAnchors {
    let pem = include_bytes!("../../fixtures/heimdal-as-req/mta-root.pem");
    TrustAnchors::from_der(certificates_from_pem(pem).expect("PEM")).expect("a root")
}

/// The KDC's pair of each group.
pub fn pair(group: DhGroup) -> DhKeyPair {
    DhKeyPair::generate(group, &mut SeededRandom::new(41)).expect("a pair")
}

/// The newest key of every service.
pub fn service_key() -> ServiceKey {
    ServiceKey {
        kvno: 3,
        key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(21)),
    }
}

/// Key management as a Kerberos service.
pub fn mtaprovsrvr() -> Principal {
    PrincipalName::mtaprovsrvr(&policy().prov_fqdn).at(&realm())
}

/// The MTA-FQDN service.
pub fn mtafqdnmap() -> Principal {
    PrincipalName::mtafqdnmap(&policy().prov_fqdn).at(&realm())
}

/// The KDC as a Kerberos client.
pub fn kdcquery() -> Principal {
    PrincipalName::kdcquery(&name("kdc.pktc.example.net")).at(&realm())
}

/// What a service holds against an AP-REQ at `now`.
pub fn expectation<'a>(service: &'a Principal, keys: &'a [ServiceKey], now: Timestamp) -> ApReqExpectation<'a> {
    ApReqExpectation {
        service,
        keys,
        now,
        skew: SKEW,
        peer: Some(peer().ip()),
        usage: KeyUsage::AP_REQ_AUTHENTICATOR,
    }
}

/// A ticket of `client` for `service`, and its session key.
pub fn ticket(client: &Principal, service: &Principal) -> (Ticket, EncryptionKey) {
    let mut random = SeededRandom::new(11);
    let session_key = EncType::Des3CbcMd5.generate(&mut random);
    let end = NOW.plus(Duration::from_secs(3600));
    let part = EncTicketPart::initial(client.clone(), session_key.clone(), NOW, end);
    let ticket = Ticket::seal(service, &part, &service_key(), PadForm::default(), &mut random).expect("a ticket");
    (ticket, session_key)
}

/// The device's AP Request to key management, the session key of its ticket, and what the device remembers.
pub fn ap_request() -> (Vec<u8>, EncryptionKey, ApReqSent) {
    let client = PrincipalName::mta(&device().fqdn).at(&realm());
    let (ticket, session_key) = ticket(&client, &mtaprovsrvr());
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
        pad: PadForm::default(),
    };
    let (request, sent) = ApReq::build(&content, &mut SeededRandom::new(12)).expect("an AP-REQ");
    let ap_req = request.encode();
    let suite = |authentication, privacy| SuiteId {
        authentication,
        privacy,
    };
    let request = ApRequest {
        ap_req: &ap_req,
        server_nonce: None,
        agent: SnmpParameters {
            engine_id: EngineId::cablelabs(*b"a device"),
            engine_boots: 9,
            engine_time: 77,
            user: UserName::of_device(MAC),
        },
        suites: vec![suite(0x22, 0x24), suite(0x21, 0x21)],
        reestablish: false,
    };
    let keys = HmacKeys {
        session_key: &session_key.value,
        authenticator_subkey: None,
    };
    let datagram = request.seal(HmacRecipe::default(), keys).expect("an AP Request");
    (datagram, session_key, sent)
}

/// A device's TGS Request for key management's ticket.
pub fn tgs_request() -> Vec<u8> {
    let client = PrincipalName::mta(&device().fqdn).at(&realm());
    let krbtgt = PrincipalName::krbtgt(&realm()).at(&realm());
    let (ticket, session_key) = ticket(&client, &krbtgt);
    let body = KdcReqBody {
        kdc_options: KerberosFlags::default(),
        cname: None,
        realm: realm(),
        sname: Some(mtaprovsrvr().name),
        from: None,
        till: Some(NOW.plus(Duration::from_secs(600))),
        rtime: None,
        nonce: Number32::new(5),
        etype: vec![5],
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: None,
    };
    let mut request = KdcReq::new(Exchange::Tgs, Vec::new(), body);
    let mut random = SeededRandom::new(13);
    let usage = KeyUsage::TGS_REQ_CHECKSUM;
    let kind = ChecksumType::of_enc_type(EncType::Des3CbcMd5);
    let checksum = Checksum::keyed(kind, &session_key, usage, request.body_der(), &mut random).expect("a checksum");
    let content = ApReqContent {
        client: &client,
        ticket: &ticket,
        session_key: &session_key,
        now: NOW,
        mutual: false,
        checksum: Some(checksum),
        subkey: None,
        seq_number: None,
        usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
        pad: PadForm::default(),
    };
    let (ap_req, _) = ApReq::build(&content, &mut random).expect("an AP-REQ");
    request.padata = vec![PaData::new(PA_TGS_REQ, ap_req.encode())];
    request.encode()
}

/// Verified chains, all of them.
#[derive(Default)]
pub struct Chains(Mutex<HashMap<[u8; 32], Arc<VerifiedDevice>>>);

impl ChainCache for Chains {
    fn get(&self, key: &[u8; 32]) -> Option<Arc<VerifiedDevice>> {
        self.0.lock().expect("no panic before").get(key).cloned()
    }

    fn put(&self, key: [u8; 32], device: &Arc<VerifiedDevice>) {
        self.0.lock().expect("no panic before").insert(key, device.clone());
    }
}
