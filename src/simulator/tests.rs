//! A device against a server made of the same codecs: what it accepts, and that it refuses anything else.

mod agent;

use std::sync::Arc;
use std::time::Duration;

use super::ap::{ApExchange, Association};
use super::device::{DeviceSpec, FlowSpec, SecureSpec, Server, StoredTicket, TicketSource, all_suites};
use super::fault::Fault;
use super::kdc::{AsAnswer, AsExchange};
use super::{Timers, factory};
use crate::mib::MibDialect;
use crate::profile::Profile;
use crate::value::{EngineId, Fqdn, MacAddress, Random, Realm, SeededRandom, Timestamp};
use crate::wire::cert::testing::{MAC, NOW, hierarchy, realm};
use crate::wire::cert::{CertPolicy, NoCache, TrustAnchors};
use crate::wire::kerberos::{
    ApReqExpectation, EncKdcRepPart, EncTicketPart, EncType, EncryptionKey, Exchange, KdcRep, KdcReq, KeyUsage,
    KrbError, KrbErrorCode, PA_PK_AS_REP, PA_PK_AS_REQ, PaData, PadForm, PrincipalName, ReplyKey, ServiceKey, Ticket,
    build_ap_rep, generate_subkey, open_ap_req,
};
use crate::wire::keymgmt::{ApReply, ErrorReply, HmacKeys, Message, SnmpParameters, derive_keys};
use crate::wire::pkinit::{
    DH_REPLY_ETYPE, DhGroup, DhKeyPair, Identity, RequestParts, RequestPolicy, build_reply_dh, open_request,
};
use crate::wire::snmp::{
    self, ConfigSet, ErrorStatus, LocalEngine, LocalizedKeys, OutgoingRequest, Pdu, PduKind, ProvisioningState,
    RemoteEngine, SaltSource, UsmStats, Verdict,
};

const SKEW: Duration = Duration::from_secs(300);

fn prov() -> Fqdn {
    "prov.pktc.example.net".parse().unwrap()
}

fn server() -> Server {
    Server {
        realm: realm(),
        prov_fqdn: prov(),
        provider_root: TrustAnchors::from_der([&hierarchy().provider_root.certificate]).unwrap(),
        v4: None,
        v6: None,
        hosts: Default::default(),
        profile: Profile::default(),
    }
}

fn identity() -> Identity {
    let hierarchy = hierarchy();
    let chain = [&hierarchy.device.certificate, &hierarchy.manufacturer.certificate];
    Identity::new(&chain, hierarchy.device.key.clone()).unwrap()
}

fn secure() -> SecureSpec {
    SecureSpec {
        ticket: TicketSource::Kdc {
            identity: Arc::new(identity()),
            tcp: false,
        },
        suites: all_suites(),
    }
}

fn device() -> DeviceSpec {
    DeviceSpec {
        mac: MAC,
        fqdn: "mta1.pktc.example.net".parse().unwrap(),
        address: factory::loopback(0, crate::model::Family::V4),
        mib: MibDialect::Ietf,
        bootstrap: None,
        flow: FlowSpec::Secure(Box::new(secure())),
        timers: Timers::default(),
    }
}

fn service_key() -> ServiceKey {
    let key = EncType::Des3CbcMd5.generate(&mut SeededRandom::new(77));
    ServiceKey { kvno: 3, key }
}

/// What the KDC grants, for a test to spoil.
struct Grant {
    client: Fqdn,
    realm: Realm,
    session_key: EncryptionKey,
    endtime: Timestamp,
}

fn granted() -> Grant {
    Grant {
        client: device().fqdn,
        realm: realm(),
        session_key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(78)),
        endtime: NOW.plus(Duration::from_secs(3600)),
    }
}

/// The KDC's answer to `datagram`.
fn as_reply(datagram: &[u8], grant: &Grant) -> Vec<u8> {
    let random = &mut SeededRandom::new(79);
    let request = KdcReq::parse(datagram).unwrap();
    let device_roots = TrustAnchors::from_der([&hierarchy().mta_root.certificate]).unwrap();
    let policy = RequestPolicy {
        anchors: &device_roots,
        certificates: &CertPolicy::default(),
        cache: &NoCache,
        skew: SKEW,
        allow_oakley1: false,
        stock_min_bits: 1024,
        realm: &realm(),
        kdc_certificate: None,
    };
    let parts = RequestParts {
        pa_value: &PaData::find(&request.padata, PA_PK_AS_REQ).unwrap().padata_value,
        body: request.body_der(),
        nonce: request.body.nonce.value(),
    };
    let asked = open_request(&parts, &policy, NOW).unwrap();
    assert_eq!(asked.identity.mac, MAC);
    let chain = [&hierarchy().kdc.certificate, &hierarchy().provider.certificate];
    let kdc = Identity::new(&chain, hierarchy().kdc.key.clone()).unwrap();
    let pair = DhKeyPair::generate(DhGroup::Oakley2, random).unwrap();
    let (pa_value, key) = build_reply_dh(&kdc, &asked, &pair, Profile::default().reply_key).unwrap();

    let client = PrincipalName::mta(&grant.client).at(&grant.realm);
    let part = EncTicketPart::initial(client, grant.session_key.clone(), NOW, grant.endtime);
    let sname = request.body.sname.clone().unwrap();
    let ticket = Ticket::seal(
        &sname.clone().at(&realm()),
        &part,
        &service_key(),
        PadForm::default(),
        random,
    )
    .unwrap();
    let rep_part = EncKdcRepPart::for_ticket(&part, sname, realm(), request.body.nonce);
    let key = EncryptionKey {
        etype: DH_REPLY_ETYPE,
        value: key,
    };
    let reply_key = ReplyKey {
        key: &key,
        usage: KeyUsage::AS_REP,
        pad: PadForm::default(),
    };
    let padata = vec![PaData::new(PA_PK_AS_REP, pa_value)];
    let client = (part.cname.clone(), part.crealm.clone());
    KdcRep::build(Exchange::As, padata, client, ticket, &rep_part, reply_key, random)
        .unwrap()
        .encode()
}

fn ask(spoil: impl FnOnce(&mut Grant)) -> Result<AsAnswer, Fault> {
    let exchange = AsExchange::begin(&identity(), &server(), NOW, &mut SeededRandom::new(80)).unwrap();
    let mut grant = granted();
    spoil(&mut grant);
    let reply = as_reply(exchange.datagram(), &grant);
    exchange.accept(&reply, &device(), &identity(), &server(), NOW)
}

fn ticket() -> StoredTicket {
    match ask(|_| {}).unwrap() {
        AsAnswer::Ticket(ticket) => *ticket,
        AsAnswer::TooBig => panic!("the KDC did not say so"),
    }
}

#[test]
fn eue10_a_ticket_comes_with_the_organisation_of_the_kdcs_chain() {
    let ticket = ticket();
    assert_eq!(ticket.organisation, "Example Operator");
    assert_eq!(
        ticket.ticket.service(),
        PrincipalName::mtaprovsrvr(&prov()).at(&realm())
    );
}

#[test]
fn eue10_another_client_a_past_ticket_and_another_answer_are_refused() {
    let wrong = |answer: Result<AsAnswer, Fault>| match answer {
        Err(Fault::Mismatch(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(wrong(ask(|grant| grant.client = prov())), "the AS Reply's client");
    assert_eq!(wrong(ask(|grant| grant.endtime = NOW)), "the ticket's endtime");
    let aes = |grant: &mut Grant| grant.session_key = EncType::Aes128Sha1.generate(&mut SeededRandom::new(1));
    assert_eq!(wrong(ask(aes)), "the session key");

    let begin = |seed| AsExchange::begin(&identity(), &server(), NOW, &mut SeededRandom::new(seed)).unwrap();
    let reply = as_reply(begin(81).datagram(), &granted());
    assert!(
        begin(82)
            .accept(&reply, &device(), &identity(), &server(), NOW)
            .is_err(),
        "the nonce of another request"
    );
}

#[test]
fn eue10_an_error_says_its_code_and_52_means_tcp() {
    let exchange = AsExchange::begin(&identity(), &server(), NOW, &mut SeededRandom::new(83)).unwrap();
    let answer = |code| {
        let error = KrbError::new(code, &PrincipalName::krbtgt(&realm()).at(&realm()), NOW).encode();
        exchange.accept(&error, &device(), &identity(), &server(), NOW)
    };
    assert!(matches!(answer(KrbErrorCode::ResponseTooBig), Ok(AsAnswer::TooBig)));
    assert!(matches!(
        answer(KrbErrorCode::ClientUnknown),
        Err(Fault::Refused { code: 6, .. })
    ));
}

/// The provisioning server's half of a security association.
struct Manager {
    engine: LocalEngine,
    keys: LocalizedKeys,
    agent: EngineId,
    agent_clock: RemoteEngine,
    agent_keys: LocalizedKeys,
    user: String,
    salts: SaltSource,
}

/// The server's answer to an AP Request, and what it keeps. `spoil` changes the reply before it is sealed.
fn ap_reply(datagram: &[u8], spoil: impl FnOnce(&mut ApReply<'_>)) -> (Vec<u8>, Manager) {
    let random = &mut SeededRandom::new(84);
    let profile = Profile::default();
    let Ok(Message::ApRequest(request)) = Message::decode(datagram) else {
        panic!("an AP Request");
    };
    let service = PrincipalName::mtaprovsrvr(&prov()).at(&realm());
    let keys = [service_key()];
    let expected = ApReqExpectation {
        service: &service,
        keys: &keys,
        now: NOW,
        skew: SKEW,
        peer: None,
        usage: KeyUsage::AP_REQ_AUTHENTICATOR,
    };
    let opened = open_ap_req(request.body.ap_req, &expected).unwrap();
    assert!(opened.mutual);
    let hmac_keys = HmacKeys {
        session_key: &opened.session_key().value,
        authenticator_subkey: None,
    };
    assert!(request.verify(profile.hmac, hmac_keys));
    let asked = &request.body;
    assert_eq!(asked.server_nonce, None);

    let subkey = generate_subkey(profile.subkey_length, random);
    let sequence = opened.authenticator.seq_number;
    let ap_rep = build_ap_rep(&opened, Some(subkey.clone()), sequence, PadForm::default(), random).unwrap();
    let engine = LocalEngine {
        engine_id: EngineId::cablelabs([9; 8]),
        boots: 7,
        started: NOW,
    };
    let manager = SnmpParameters {
        engine_id: engine.engine_id.clone(),
        engine_boots: engine.boots,
        engine_time: 0,
        user: asked.agent.user.clone(),
    };
    let suite = asked.suites[0];
    let mut reply = ApReply {
        ap_rep: &ap_rep,
        manager,
        suite,
        lifetime: 0,
        grace: 0,
        reestablish: false,
        ack_required: false,
    };
    spoil(&mut reply);
    let suite = profile.suite_ids.suite(suite).unwrap();
    let derived = derive_keys(
        &subkey.value,
        suite,
        &profile.keys,
        &asked.agent.engine_id,
        &engine.engine_id,
    );
    let manager = Manager {
        keys: derived.manager,
        agent: asked.agent.engine_id.clone(),
        agent_clock: RemoteEngine::learned(asked.agent.engine_boots, asked.agent.engine_time, NOW),
        agent_keys: derived.agent,
        user: asked.agent.user.as_str().to_owned(),
        salts: SaltSource::new(random),
        engine,
    };
    (reply.seal(profile.hmac, hmac_keys).unwrap(), manager)
}

fn exchange_keys(spoil: impl FnOnce(&mut ApReply<'_>)) -> (Result<Option<Association>, Fault>, Manager) {
    let random = &mut SeededRandom::new(85);
    let exchange = ApExchange::begin(&device(), &secure(), &server(), &ticket(), NOW, random).unwrap();
    let (reply, manager) = ap_reply(exchange.datagram(), spoil);
    (exchange.accept(&reply, NOW, random), manager)
}

#[test]
fn eue14_what_the_server_may_not_change_is_refused() {
    let wrong = |spoil: fn(&mut ApReply<'_>)| match exchange_keys(spoil).0 {
        Err(Fault::Mismatch(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(wrong(|reply| reply.suite.privacy = 0x55), "the AP Reply's ciphersuite");
    assert_eq!(
        wrong(|reply| reply.manager.engine_boots = 0),
        "the AP Reply's engine boots"
    );
    let other = |reply: &mut ApReply<'_>| {
        reply.manager.user = crate::wire::keymgmt::UserName::of_device(MacAddress([1; 6]));
    };
    assert_eq!(wrong(other), "the AP Reply's user name");
}

#[test]
fn eue14_a_changed_octet_and_an_error_reply_end_the_exchange() {
    let random = &mut SeededRandom::new(86);
    let exchange = ApExchange::begin(&device(), &secure(), &server(), &ticket(), NOW, random).unwrap();
    let (mut reply, _) = ap_reply(exchange.datagram(), |_| {});
    let last = reply.len() - 1;
    reply[last] ^= 1;
    assert!(matches!(
        exchange.accept(&reply, NOW, random),
        Err(Fault::Mismatch("the AP Reply's HMAC"))
    ));
    let service = PrincipalName::mtaprovsrvr(&prov()).at(&realm());
    let error = KrbError::new(KrbErrorCode::BadKeyVersion, &service, NOW).encode();
    let datagram = ErrorReply { krb_error: &error }.encode();
    assert!(matches!(
        exchange.accept(&datagram, NOW, random),
        Err(Fault::Refused { code: 44, .. })
    ));
}

#[test]
fn eue14_an_acknowledgement_is_sent_where_it_is_asked_for() {
    let (association, _) = exchange_keys(|reply| reply.ack_required = true);
    assert!(association.unwrap().unwrap().recovered.is_some());
}
