//! eUE-9 and eUE-10: the AS exchange.

use super::*;
use crate::model::{AttemptResult, Family};
use crate::settings::EtypePolicy;
use crate::wire::cert::testing::{anchors, hierarchy};
use crate::wire::cert::{CertPolicy, NoCache};
use crate::wire::kerberos::{
    EncKdcRepPart, Exchange, KdcRep, KdcReq, KdcReqBody, KerberosFlags, KrbError, KrbErrorCode, Number32, PA_PK_AS_REP,
    PA_PK_AS_REQ, PA_PROV_SRV_LOCATION, PaData, TD_PADATA, TypedData,
};
use crate::wire::pkinit::{
    DhGroup, DhKeyPair, Identity, PkinitRequest, ReplyExpectation, ReplyKeyForm, ReplyKeyRule, RequestShape,
    SecretPadding, build_request, open_reply,
};

/// The KDC of the look-alike hierarchy.
pub(super) fn kdc() -> Kdc {
    let h = hierarchy();
    let chain = [&h.kdc.certificate, &h.provider.certificate];
    Kdc {
        identity: Identity::new(&chain, h.kdc.key.clone()).unwrap(),
        anchors: anchors(&h.mta_root),
        certificates: CertPolicy::default(),
        allow_oakley1: false,
        stock_min_bits: 1024,
        prefer_rfc4556: false,
        etypes: EtypePolicy::default(),
        reply_key: ReplyKeyRule::default(),
        pad: PadForm::default(),
        ticket_lifetime: Duration::from_secs(86_400),
        policy: policy(),
    }
}

fn service() -> PrincipalName {
    PrincipalName::mtaprovsrvr(&policy().prov_fqdn)
}

fn service_key() -> ServiceKey {
    ServiceKey {
        kvno: 3,
        key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(21)),
    }
}

fn pair(group: DhGroup, seed: u64) -> DhKeyPair {
    DhKeyPair::generate(group, &mut SeededRandom::new(seed)).unwrap()
}

fn facts() -> DeviceFacts {
    DeviceFacts {
        fqdn: device(Flow::Secure).fqdn,
        addresses: vec![peer().ip(), ip("2001:db8::7")],
    }
}

fn body() -> KdcReqBody {
    KdcReqBody {
        kdc_options: KerberosFlags::default(),
        cname: None,
        realm: realm(),
        sname: Some(service()),
        from: None,
        till: None,
        rtime: None,
        nonce: Number32::signed(0x97ab_c244),
        etype: vec![16, 5],
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: None,
    }
}

/// The device's half.
struct Client {
    identity: Identity,
    pair: Option<DhKeyPair>,
}

impl Client {
    fn new(group: Option<DhGroup>) -> Self {
        let h = hierarchy();
        let chain = [&h.device.certificate, &h.manufacturer.certificate];
        Self {
            identity: Identity::new(&chain, h.device.key.clone()).unwrap(),
            pair: group.map(|group| pair(group, 31)),
        }
    }

    fn request(&self, body: KdcReqBody) -> KdcReq {
        let mut request = KdcReq::new(Exchange::As, Vec::new(), body);
        let (body, nonce) = (request.body_der(), request.body.nonce.value());
        let shape = RequestShape::default();
        let value = build_request(&self.identity, body, nonce, NOW, self.pair.as_ref(), &shape).unwrap();
        request.padata = vec![
            PaData::new(PA_PK_AS_REQ, value),
            PaData::prov_srv_location(&policy().prov_fqdn),
        ];
        request
    }

    /// Opens the reply to `body`, under the rule for the reply key.
    fn open(&self, reply: &[u8], body: &KdcReqBody, rule: ReplyKeyRule) -> (KdcRep, EncKdcRepPart, Option<PadForm>) {
        let reply = KdcRep::parse(reply).unwrap();
        let expectation = ReplyExpectation {
            anchors: &anchors(&hierarchy().provider_root),
            certificates: &CertPolicy::default(),
            realm: &realm(),
            organisation: Some("Example Operator"),
            nonce: body.nonce.value(),
            pair: self.pair.as_ref(),
            rule,
            identity: &self.identity,
        };
        let padata = PaData::find(&reply.padata, PA_PK_AS_REP).unwrap();
        let opened = open_reply(&padata.padata_value, &expectation, NOW).unwrap();
        let key = EncryptionKey {
            etype: opened.etype,
            value: opened.key,
        };
        let (part, pad) = reply.open(body, &key, KeyUsage::AS_REP).unwrap();
        (reply, part, pad)
    }
}

/// Reads an AS-REQ with PKINIT.
fn check(datagram: &[u8], kdc: &Kdc) -> Result<AsRequest, KdcRefused> {
    match read_request(datagram, kdc)? {
        KdcRequest::Pkinit(request) => Ok(request),
        KdcRequest::Key(_) | KdcRequest::Tgs(_) => panic!("another exchange"),
    }
}

fn authenticate(request: &AsRequest, kdc: &Kdc, now: Timestamp) -> Result<PkinitRequest, KdcRefused> {
    prove(request, &claim(request, kdc, &NoCache, now)?, kdc, &NoCache, now)
}

fn believed(datagram: &[u8], kdc: &Kdc) -> (AsRequest, PkinitRequest) {
    let request = check(datagram, kdc).unwrap_or_else(|refused| panic!("{refused:?}"));
    let pkinit = authenticate(&request, kdc, NOW).unwrap_or_else(|refused| panic!("{refused:?}"));
    (request, pkinit)
}

fn granted(datagram: &[u8], kdc: &Kdc, facts: &DeviceFacts, source: SocketAddr) -> Result<Grant, KdcRefused> {
    let (request, pkinit) = believed(datagram, kdc);
    let pair = group(&pkinit).map(|group| pair(group, 41));
    let granting = Granting {
        service_keys: &[service_key()],
        pair: pair.as_ref(),
        source,
        asked: NOW,
    };
    grant(
        &request,
        &pkinit,
        facts,
        &granting,
        kdc,
        seconds(1),
        &mut SeededRandom::new(51),
    )
}

#[test]
fn eue_9_10_the_device_gets_a_ticket_for_the_provisioning_server() {
    for group in [Some(DhGroup::Oakley2), Some(DhGroup::Modp14), None] {
        let (client, kdc) = (Client::new(group), kdc());
        let grant = granted(&client.request(body()).encode(), &kdc, &facts(), peer()).unwrap();
        let (reply, part, pad) = client.open(&grant.reply, &body(), kdc.reply_key);
        assert!(pad.is_none_or(|pad| pad == PadForm::Uncovered), "{group:?}");
        assert_eq!(reply.cname, PrincipalName::mta(&facts().fqdn));
        assert_eq!((part.sname, part.srealm), (service(), realm()));
        assert_eq!((part.authtime, part.endtime), (seconds(1), seconds(86_401)));
        let ticket = reply.ticket.open(&[service_key()]).unwrap();
        assert!(ticket.key.value.ct_eq(part.key.value.expose()));
        assert_eq!((ticket.key.etype, part.key.etype), (5, 5));
        assert_eq!(ticket.client(), grant.client);
        assert_eq!(reply.ticket.enc_part.kvno.map(Number32::value), Some(3));
    }
}

#[test]
fn p36_the_nonce_is_repeated_in_the_octets_of_the_request() {
    let (client, kdc) = (Client::new(None), kdc());
    let grant = granted(&client.request(body()).encode(), &kdc, &facts(), peer()).unwrap();
    let (_, part, _) = client.open(&grant.reply, &body(), kdc.reply_key);
    let signed = b"\xa2\x06\x02\x04\x97\xab\xc2\x44";
    let octets = part.encode(Exchange::As);
    assert!(octets.windows(signed.len()).any(|window| window == signed));
}

#[test]
fn p15_p14_the_rules_for_reply_key_and_pad_are_the_profiles() {
    for form in [ReplyKeyForm::Leading192, ReplyKeyForm::RandomToKey168] {
        for pad in [PadForm::Uncovered, PadForm::Covered] {
            let rule = ReplyKeyRule {
                form,
                padding: SecretPadding::Stripped,
            };
            let kdc = Kdc {
                reply_key: rule,
                pad,
                ..kdc()
            };
            let client = Client::new(Some(DhGroup::Oakley2));
            let grant = granted(&client.request(body()).encode(), &kdc, &facts(), peer()).unwrap();
            let (_, _, found) = client.open(&grant.reply, &body(), rule);
            assert!(found.is_none_or(|found| found == pad), "{form:?} {pad:?} {found:?}");
        }
    }
}

#[test]
fn the_end_that_the_device_asks_for_is_honoured_where_it_is_sooner() {
    let (client, kdc) = (Client::new(None), kdc());
    for (till, end) in [
        (None, 86_401),
        (Some(seconds(3_600)), 3_600),
        (Some(seconds(1_000_000)), 86_401),
        (Some(seconds(-5)), 86_401),
    ] {
        let body = KdcReqBody { till, ..body() };
        let grant = granted(&client.request(body.clone()).encode(), &kdc, &facts(), peer()).unwrap();
        let (_, part, _) = client.open(&grant.reply, &body, kdc.reply_key);
        assert_eq!(part.endtime, seconds(end), "{till:?}");
    }
}

#[test]
fn without_a_server_name_the_ticket_is_for_the_server_at_the_named_location() {
    let body = KdcReqBody { sname: None, ..body() };
    let request = check(&Client::new(None).request(body).encode(), &kdc()).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(
        (request.service, request.prov_server),
        (service(), Some(policy().prov_fqdn))
    );
}

/// Why `check` refuses.
fn refused(datagram: &[u8]) -> KrbErrorCode {
    match check(datagram, &kdc()) {
        Err(refused) => refused.code,
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn what_is_no_as_req_is_refused() {
    for datagram in [&b""[..], b"\x6a", b"\x6a\x82\xff\xff\x00", b"\x30\x03\x02\x01\x05"] {
        assert_eq!(refused(datagram), KrbErrorCode::MessageType);
    }
}

#[test]
fn what_this_kdc_does_not_give_is_refused_before_any_public_key_operation() {
    let client = Client::new(None);
    let other_realm = KdcReqBody {
        realm: "OTHER.EXAMPLE.NET".parse().unwrap(),
        ..body()
    };
    assert_eq!(refused(&client.request(other_realm).encode()), KrbErrorCode::WrongRealm);
    let other_etypes = KdcReqBody {
        etype: vec![18, 17, 16, 23],
        ..body()
    };
    assert_eq!(
        refused(&client.request(other_etypes).encode()),
        KrbErrorCode::EncTypeUnsupported
    );
    for missing in [PA_PK_AS_REQ, PA_PROV_SRV_LOCATION] {
        let mut request = client.request(body());
        request.padata.retain(|padata| padata.padata_type != missing);
        let Err(refused) = read_request(&request.encode(), &kdc()) else {
            panic!("{missing} is not missed");
        };
        assert_eq!(refused.code, KrbErrorCode::PreauthRequired, "{missing}");
        let data = TypedData::decode_list(&refused.e_data.unwrap()).unwrap();
        let methods = PaData::decode_list(data[0].data_value.as_ref().unwrap()).unwrap();
        assert_eq!((data[0].data_type, methods[0].padata_type), (TD_PADATA, PA_PK_AS_REQ));
    }
    let mut request = client.request(body());
    request.padata.pop();
    request
        .padata
        .push(PaData::new(PA_PROV_SRV_LOCATION, vec![0x1b, 1, b'/']));
    assert_eq!(refused(&request.encode()), KrbErrorCode::PadataUnsupported);
}

#[test]
fn a_request_that_proves_nothing_is_refused_with_the_code_of_the_drafts() {
    let (client, kdc) = (Client::new(None), kdc());
    let request = check(&client.request(body()).encode(), &kdc).unwrap_or_else(|error| panic!("{error:?}"));
    let code = |kdc: &Kdc, now| match authenticate(&request, kdc, now) {
        Err(refused) => {
            assert_eq!(refused.mac, None, "nothing is proven");
            refused.code.number()
        }
        Ok(_) => panic!("not refused"),
    };
    assert_eq!(code(&kdc, seconds(301)), 37);
    assert_eq!(code(&kdc, seconds(-301)), 37);
    let foreign = Kdc {
        anchors: anchors(&hierarchy().provider_root),
        ..super::pkinit::kdc()
    };
    assert_eq!(code(&foreign, NOW), 70);
}

#[test]
fn seed_003_6_1_7_the_source_is_an_address_that_dhcp_gave() {
    let (client, kdc) = (Client::new(None), kdc());
    let datagram = client.request(body()).encode();
    for source in ["192.0.2.7:88", "[::ffff:192.0.2.7]:88", "[2001:db8::7]:5"] {
        assert!(granted(&datagram, &kdc, &facts(), address(source)).is_ok(), "{source}");
    }
    for source in ["192.0.2.8:88", "[2001:db8::8]:88"] {
        let Err(refused) = granted(&datagram, &kdc, &facts(), address(source)) else {
            panic!("{source} is not refused");
        };
        assert_eq!((refused.code, refused.mac), (KrbErrorCode::BadAddress, Some(MAC)));
    }
    let anywhere = DeviceFacts {
        addresses: Vec::new(),
        ..facts()
    };
    assert!(granted(&datagram, &kdc, &anywhere, address("203.0.113.9:1")).is_ok());
}

#[test]
fn a_pair_of_another_group_than_the_requests_makes_no_reply() {
    let kdc = kdc();
    let (request, pkinit) = believed(&Client::new(Some(DhGroup::Oakley2)).request(body()).encode(), &kdc);
    let granting = Granting {
        service_keys: &[service_key()],
        pair: Some(&pair(DhGroup::Modp14, 41)),
        source: peer(),
        asked: NOW,
    };
    let random = &mut SeededRandom::new(51);
    let Err(refused) = grant(&request, &pkinit, &facts(), &granting, &kdc, NOW, random) else {
        panic!("not refused");
    };
    assert_eq!(refused.mac, Some(MAC));
}

#[test]
fn a_refusal_is_a_krb_error_of_the_ticket_granting_service() {
    let refused = KdcRefused {
        e_data: Some(vec![0x30, 0]),
        ..KdcRefused::new(KrbErrorCode::BadAddress, "a test")
    };
    let error = KrbError::parse(&refused.message(&kdc(), NOW, &mut SeededRandom::new(1))).unwrap();
    assert_eq!(error.code(), Some(KrbErrorCode::BadAddress));
    assert_eq!((error.sname, error.realm), (PrincipalName::krbtgt(&realm()), realm()));
    assert_eq!((error.stime, error.e_data.as_deref()), (NOW, Some(&[0x30, 0][..])));
}

/// A grant as it is recorded, without the cryptography of one.
pub(super) fn a_grant(digest: u8) -> Grant {
    Grant {
        reply: vec![0x6b, digest],
        client: PrincipalName::mta(&facts().fqdn).at(&realm()),
        service: service(),
        digest: [digest; 32],
        source: peer(),
        asked: NOW,
    }
}

#[test]
fn eue_9_10_the_ticket_begins_an_attempt_and_its_repetition_gets_the_same_answer() {
    let (device, kdc, random) = (device(Flow::Secure), kdc(), &mut SeededRandom::new(1));
    let change = ticketed(Some(&device), None, &a_grant(9), &kdc, seconds(1), random).unwrap();
    assert_eq!(step_ids(&change.steps), [StepId::AS_REQUEST, StepId::AS_REPLY]);
    assert_eq!((change.steps[0].at, change.steps[1].at), (NOW, seconds(1)));
    let [seen] = &change.seen[..] else { panic!("one row") };
    assert_eq!(
        (seen.digest, &seen.answer[..], seen.expires),
        ([9; 32], &[0x6b, 9][..], seconds(601))
    );
    let attempt = after(change);
    assert_eq!(
        (attempt.phase, attempt.flow, attempt.family),
        (Phase::Ticketed, Flow::Secure, Family::V4)
    );
    assert_eq!(attempt.peer, peer());
}

#[test]
fn a_new_ticket_replaces_the_attempt_in_every_phase() {
    let (device, kdc) = (device(Flow::Secure), kdc());
    for &phase in phases(Flow::Secure) {
        let old = attempt_in(Flow::Secure, phase);
        let random = &mut SeededRandom::new(2);
        let change = ticketed(Some(&device), Some(old.clone()), &a_grant(9), &kdc, seconds(9), random).unwrap();
        let replaced = change.replaced.as_ref().map(|old| (old.id, old.result.clone()));
        let expected = (phase != Phase::Ended).then_some((old.id, Some(AttemptResult::Replaced)));
        assert_eq!(replaced, expected, "{phase:?}");
    }
}

#[test]
fn a_device_that_is_provisioned_elsewhere_or_otherwise_leaves_no_attempt() {
    let (kdc, random) = (kdc(), &mut SeededRandom::new(1));
    for device in [None, Some(device(Flow::Hybrid)), Some(device(Flow::Basic))] {
        assert!(ticketed(device.as_ref(), None, &a_grant(9), &kdc, NOW, random).is_none());
    }
}
