//! tshark, which shares no code with us, dissects what the Kerberos and MTA-FQDN codecs emit.

use hardline::value::{Fqdn, MacAddress, Realm, SeededRandom, Timestamp};
use hardline::wire::fqdn::{self, FqdnAnswer, FqdnErrorCode, FqdnQuery, FqdnRequest, ReplyForm};
use hardline::wire::kerberos::{
    ApReq, ApReqContent, ApReqExpectation, Checksum, ChecksumType, EncKdcRepPart, EncTicketPart, EncType, Exchange,
    HostAddress, KdcRep, KdcReq, KdcReqBody, KerberosFlags, KeyUsage, KrbError, KrbErrorCode, Number32, PA_TGS_REQ,
    PaData, PadForm, Principal, PrincipalName, ReplyKey, ServiceKey, Ticket, TypedData,
};
use std::process::Command;
use std::time::Duration;

const SKEW: Duration = Duration::from_secs(300);
const PAD: PadForm = PadForm::Uncovered;

/// A capture file of UDP datagrams over IPv4, each with its destination port.
fn capture(datagrams: &[(u16, Vec<u8>)]) -> tempfile::NamedTempFile {
    // The header of a capture with microseconds and link type 101, raw IP.
    let mut file = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4];
    file.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 101]);
    for (port, payload) in datagrams {
        let udp = payload.len() as u16 + 8;
        let total = udp + 20;
        file.extend_from_slice(&[0; 8]);
        file.extend_from_slice(&u32::from(total).to_be_bytes().repeat(2));
        file.extend_from_slice(&[0x45, 0]);
        file.extend_from_slice(&total.to_be_bytes());
        file.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        file.extend_from_slice(&50_000u16.to_be_bytes());
        file.extend_from_slice(&port.to_be_bytes());
        file.extend_from_slice(&udp.to_be_bytes());
        file.extend_from_slice(&[0, 0]);
        file.extend_from_slice(payload);
    }
    let capture = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(capture.path(), file).expect("writes");
    capture
}

fn tshark(capture: &tempfile::NamedTempFile, arguments: &[&str]) -> String {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture.path())
        .args(arguments)
        .output()
        .expect("tshark is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first value of each of these fields, a line for each datagram.
fn fields(capture: &tempfile::NamedTempFile, names: &[&str]) -> String {
    let form = ["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"];
    let named = names.iter().flat_map(|name| ["-e", name]);
    tshark(capture, &form.into_iter().chain(named).collect::<Vec<_>>())
}

/// Fails where any datagram dissects as malformed or with an expert mark of warning or worse.
fn assert_clean(capture: &tempfile::NamedTempFile) {
    let marked = tshark(
        capture,
        &[
            "-V",
            "-Y",
            "_ws.malformed || _ws.unreassembled || _ws.expert.severity >= 6291456",
        ],
    );
    assert_eq!(marked, "");
}

struct World {
    realm: Realm,
    kdc: Principal,
    service: Principal,
    key: ServiceKey,
    part: EncTicketPart,
    ticket: Ticket,
    now: Timestamp,
    random: SeededRandom,
}

fn world(etype: EncType) -> World {
    let mut random = SeededRandom::new(1);
    let realm: Realm = "PKTC.EXAMPLE.NET".parse().expect("realm");
    let fqdn = |text: &str| text.parse::<Fqdn>().expect("fqdn");
    let kdc = PrincipalName::kdcquery(&fqdn("kdc.pktc.example.net")).at(&realm);
    let service = PrincipalName::mtafqdnmap(&fqdn("prov.pktc.example.net")).at(&realm);
    let now = Timestamp(1_795_302_974_123_456);
    let key = ServiceKey {
        kvno: 3,
        key: etype.generate(&mut random),
    };
    let part = EncTicketPart::initial(kdc.clone(), etype.generate(&mut random), now, now.plus(SKEW));
    let ticket = Ticket::seal(&service, &part, &key, PAD, &mut random).expect("seals");
    World {
        realm,
        kdc,
        service,
        key,
        part,
        ticket,
        now,
        random,
    }
}

#[test]
fn tshark_dissects_the_mta_fqdn_exchange() {
    for etype in [EncType::Des3CbcMd5, EncType::Aes256Sha1] {
        let mut world = world(etype);
        let request = FqdnRequest {
            version: fqdn::VERSION_1,
            mac: MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
            public_key_hash: fqdn::public_key_hash(b"key"),
            manufacturer_revoked: Some(world.now),
        };
        let query = FqdnQuery {
            client: &world.kdc,
            ticket: &world.ticket,
            session_key: &world.part.key,
            now: world.now,
            from: None,
            pad: PAD,
        };
        let (asked, _) = fqdn::build_request(&request, &query, &mut world.random).expect("builds");
        let expectation = ApReqExpectation {
            service: &world.service,
            keys: std::slice::from_ref(&world.key),
            now: world.now,
            skew: SKEW,
            peer: None,
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        };
        let opened = fqdn::open_request(&asked, &expectation).expect("opens");
        let answer = FqdnAnswer {
            fqdn: "mta-1.pktc.example.net".parse().expect("fqdn"),
            addresses: vec!["192.0.2.1".parse().expect("address")],
        };
        let mut reply =
            |form| fqdn::build_reply(&opened, &answer, form, PAD, world.now, &mut world.random).expect("builds");
        let (fitting, table) = (reply(ReplyForm::Fitting), reply(ReplyForm::Table1));
        let code = FqdnErrorCode::UnknownMac;
        let refusal = fqdn::build_refusal(&opened, code, PAD, world.now, &mut world.random).expect("builds");
        let capture = capture(&[(2246, asked), (2246, fitting), (2246, table), (2246, refusal)]);
        assert_clean(&capture);
        let shown = fields(
            &capture,
            &[
                "pktc.mtafqdn.msgtype",
                "pktc.mtafqdn.enterprise",
                "pktc.mtafqdn.version",
                "pktc.mtafqdn.mac",
                "pktc.mtafqdn.fqdn",
                "pktc.mtafqdn.ip",
            ],
        );
        assert_eq!(
            shown.lines().collect::<Vec<_>>(),
            [
                "1|1|1|00:11:22:33:44:55||",
                "2|1|1||mta-1.pktc.example.net|192.0.2.1",
                "3|1|2|||",
                "3|1|1|||",
            ]
        );
    }
}

fn body(world: &World) -> KdcReqBody {
    KdcReqBody {
        kdc_options: KerberosFlags::default(),
        cname: Some(world.kdc.name.clone()),
        realm: world.realm.clone(),
        sname: Some(world.service.name.clone()),
        from: Some(world.now),
        till: Some(world.now.plus(SKEW)),
        rtime: Some(world.now.plus(SKEW)),
        nonce: Number32::new(0x7fff_0001),
        etype: vec![5, 16, 17, 18, 19, 20],
        addresses: Some(vec![HostAddress::from(std::net::IpAddr::from([192, 0, 2, 1]))]),
        enc_authorization_data: None,
        additional_tickets: Some(vec![world.ticket.clone()]),
    }
}

#[test]
fn tshark_dissects_the_exchanges_with_the_kdc() {
    let mut world = world(EncType::Aes128Sha256);
    let location = PaData::prov_srv_location(&"prov.pktc.example.net".parse().expect("fqdn"));
    let as_req = KdcReq::new(Exchange::As, vec![location], body(&world));
    let mut tgs_req = KdcReq::new(Exchange::Tgs, Vec::new(), body(&world));
    let content = ApReqContent {
        client: &world.kdc,
        ticket: &world.ticket,
        session_key: &world.part.key,
        now: world.now,
        mutual: false,
        checksum: Some(Checksum::unkeyed(ChecksumType::RsaMd5, tgs_req.body_der()).expect("sums")),
        subkey: None,
        seq_number: None,
        usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
        pad: PAD,
    };
    let (ap_req, _) = ApReq::build(&content, &mut world.random).expect("builds");
    tgs_req.padata = vec![PaData::new(PA_TGS_REQ, ap_req.encode())];
    let mut reply = |exchange, usage| {
        let part = EncKdcRepPart::for_ticket(
            &world.part,
            world.service.name.clone(),
            world.realm.clone(),
            as_req.body.nonce,
        );
        let key = ReplyKey {
            key: &world.part.key,
            usage,
            pad: PAD,
        };
        let client = (world.kdc.name.clone(), world.realm.clone());
        KdcRep::build(
            exchange,
            Vec::new(),
            client,
            world.ticket.clone(),
            &part,
            key,
            &mut world.random,
        )
        .expect("builds")
        .encode()
    };
    let as_rep = reply(Exchange::As, KeyUsage::AS_REP);
    let tgs_rep = reply(Exchange::Tgs, KeyUsage::TGS_REP_SESSION);
    let typed = [TypedData {
        data_type: 106,
        data_value: Some(vec![1].into()),
    }];
    let error = KrbError::new(KrbErrorCode::Skew, &world.service, world.now)
        .with_data(TypedData::encode_list(&typed))
        .signed(&world.part.key, &mut world.random)
        .expect("signs");
    let capture = capture(&[
        (88, as_req.encode()),
        (88, as_rep),
        (88, tgs_req.encode()),
        (88, tgs_rep),
        (88, error.encode()),
    ]);
    assert_clean(&capture);
    let shown = fields(&capture, &["kerberos.msg_type", "kerberos.realm"]);
    let types: Vec<_> = shown.lines().collect();
    assert_eq!(
        types,
        ["10", "11", "12", "13", "30"].map(|kind| format!("{kind}|PKTC.EXAMPLE.NET"))
    );
}
