//! eUE-11 and eUE-12: TGS (RFC 4120 §3.3; profile P33), clause by clause.

use super::key::{body, client, host, keys, permissive};
use super::pkinit::kdc;
use super::*;
use crate::wire::kerberos::{
    AuthorizationData, Checksum, ChecksumType, EncKdcRepPart, Exchange, KdcRep, KdcReq, KdcReqBody, KerberosFlags,
    KrbError, KrbErrorCode, PA_TGS_REQ, PaData, flag, kdc_option,
};

/// What the client has: a ticket-granting ticket and its session key.
struct Tgt {
    ticket: Ticket,
    part: EncTicketPart,
}

fn krbtgt() -> PrincipalName {
    PrincipalName::krbtgt(&realm())
}

fn tgt_keys() -> Vec<ServiceKey> {
    keys(9, 300)
}

impl Tgt {
    /// Of session key type `etype`, good from one hour before now for ten hours.
    fn new(etype: EncType) -> Self {
        let session = etype.generate(&mut SeededRandom::new(11));
        Self::of(EncTicketPart::initial(
            client(),
            session,
            seconds(-3_600),
            seconds(32_400),
        ))
    }

    fn of(part: EncTicketPart) -> Self {
        Self::sealed(part, krbtgt(), &tgt_keys()[0])
    }

    fn sealed(part: EncTicketPart, service: PrincipalName, key: &ServiceKey) -> Self {
        let random = &mut SeededRandom::new(12);
        let ticket = Ticket::seal(&service.at(&realm()), &part, key, PadForm::Covered, random).unwrap();
        Self { ticket, part }
    }

    /// The request, with what the caller makes of the Authenticator.
    fn request(&self, body: KdcReqBody, edit: impl FnOnce(&mut ApReqContent<'_>, &[u8])) -> Vec<u8> {
        let mut request = KdcReq::new(Exchange::Tgs, Vec::new(), body);
        let random = &mut SeededRandom::new(13);
        let (client, kind) = (client(), ChecksumType::of_enc_type(self.part.key.enc_type().unwrap()));
        let sum = Checksum::keyed(
            kind,
            &self.part.key,
            KeyUsage::TGS_REQ_CHECKSUM,
            request.body_der(),
            random,
        );
        let mut content = ApReqContent {
            client: &client,
            ticket: &self.ticket,
            session_key: &self.part.key,
            now: NOW,
            mutual: false,
            checksum: Some(sum.unwrap()),
            subkey: None,
            seq_number: None,
            usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
            pad: PadForm::Covered,
        };
        edit(&mut content, request.body_der());
        let (ap_req, _) = ApReq::build(&content, random).unwrap();
        request.padata = vec![PaData::new(PA_TGS_REQ, ap_req.encode())];
        request.encode()
    }
}

fn service_keys(service: &PrincipalName) -> Vec<ServiceKey> {
    match service.kind() {
        "host" | "mtaprovsrvr" => keys(2, 200),
        _ => Vec::new(),
    }
}

fn answered(datagram: &[u8], kdc: &Kdc, now: Timestamp) -> Result<Vec<u8>, KdcRefused> {
    let KdcRequest::Tgs(request) = read_request(datagram, kdc)? else {
        panic!("another exchange");
    };
    let opened = open_tgs(&request, &tgt_keys(), peer().ip(), kdc, now)?;
    let keys = service_keys(&request.service);
    grant_service(&request, &opened, &keys, kdc, now, &mut SeededRandom::new(14))
}

fn code(datagram: &[u8]) -> KrbErrorCode {
    answered(datagram, &permissive(), NOW).expect_err("not refused").code
}

fn opened(reply: &[u8], body: &KdcReqBody, key: &EncryptionKey, usage: KeyUsage) -> (KdcRep, EncKdcRepPart) {
    let reply = KdcRep::parse(reply).unwrap();
    let (part, _) = reply.open(body, key, usage).unwrap();
    (reply, part)
}

fn plain(_: &mut ApReqContent<'_>, _: &[u8]) {}

#[test]
fn eue_11_12_a_service_ticket_in_every_encryption_type() {
    for etype in EncType::ALL {
        let (tgt, body) = (Tgt::new(etype), body(host(), &[etype.number()]));
        let reply = answered(&tgt.request(body.clone(), plain), &permissive(), NOW).unwrap();
        let (reply, part) = opened(&reply, &body, &tgt.part.key, KeyUsage::TGS_REP_SESSION);
        assert_eq!((reply.exchange, &reply.cname), (Exchange::Tgs, &client().name));
        let ticket = reply.ticket.open(&keys(2, 200)).unwrap();
        assert!(ticket.key.value.ct_eq(part.key.value.expose()));
        assert_eq!(ticket.key.etype, etype.number());
        // It ends with the ticket-granting ticket, keeps its authtime, and is not initial.
        assert_eq!((ticket.authtime, ticket.endtime), (seconds(-3_600), seconds(32_400)));
        assert_eq!(ticket.start(), NOW);
        assert!(ticket.flags.has(flag::PRE_AUTHENT) && !ticket.flags.has(flag::INITIAL));
    }
}

#[test]
fn rfc4120_3_3_3_with_a_subkey_the_reply_is_under_it_with_usage_9() {
    let (tgt, body) = (Tgt::new(EncType::Aes256Sha1), body(host(), &[18]));
    let subkey = EncType::Aes128Sha256.generate(&mut SeededRandom::new(21));
    let datagram = tgt.request(body.clone(), |content, _| content.subkey = Some(subkey.clone()));
    let reply = answered(&datagram, &permissive(), NOW).unwrap();
    let parsed = KdcRep::parse(&reply).unwrap();
    assert!(parsed.open(&body, &tgt.part.key, KeyUsage::TGS_REP_SESSION).is_err());
    assert!(parsed.open(&body, &subkey, KeyUsage::TGS_REP_SESSION).is_err());
    opened(&reply, &body, &subkey, KeyUsage::TGS_REP_SUBKEY);
}

#[test]
fn p33_checksums_7_14_10_and_keyed_ones_are_taken() {
    let (tgt, body) = (Tgt::new(EncType::Des3CbcMd5), body(host(), &[5]));
    for kind in [ChecksumType::RsaMd5, ChecksumType::Sha1Other, ChecksumType::Sha1] {
        let datagram = tgt.request(body.clone(), |content, body| {
            content.checksum = Some(Checksum::unkeyed(kind, body).unwrap());
        });
        assert!(answered(&datagram, &permissive(), NOW).is_ok(), "{kind:?}");
    }
    for kind in [
        ChecksumType::RsaMd5Des3,
        ChecksumType::HmacSha1Des3Kd,
        ChecksumType::HmacSha1Des3,
    ] {
        let datagram = tgt.request(body.clone(), |content, body| {
            let random = &mut SeededRandom::new(3);
            let key = content.session_key;
            content.checksum = Checksum::keyed(kind, key, KeyUsage::TGS_REQ_CHECKSUM, body, random).ok();
        });
        assert!(answered(&datagram, &permissive(), NOW).is_ok(), "{kind:?}");
    }
}

#[test]
fn rfc4120_3_3_3_the_checksum_binds_the_body() {
    let (tgt, body) = (Tgt::new(EncType::Aes256Sha1), body(host(), &[18]));
    let missing = tgt.request(body.clone(), |content, _| content.checksum = None);
    assert_eq!(code(&missing), KrbErrorCode::InappropriateChecksum);
    let other = tgt.request(body.clone(), |content, _| {
        content.checksum = Some(Checksum::unkeyed(ChecksumType::RsaMd5, b"another body").unwrap());
    });
    assert_eq!(code(&other), KrbErrorCode::Modified);
    let unknown = tgt.request(body.clone(), |content, _| {
        content.checksum = Some(Checksum {
            cksumtype: 99,
            checksum: vec![0; 16].into(),
        });
    });
    assert_eq!(code(&unknown), KrbErrorCode::ChecksumUnsupported);
    // A checksum that goes with another type of key is none of this one's.
    let foreign = tgt.request(body, |content, _| {
        content.checksum = Some(Checksum {
            cksumtype: ChecksumType::HmacSha1Aes128.number(),
            checksum: vec![0; 12].into(),
        });
    });
    assert_eq!(code(&foreign), KrbErrorCode::ChecksumUnsupported);
}

#[test]
fn rfc1510_a_6_options_that_the_ticket_granting_ticket_has_no_flag_for() {
    use kdc_option::*;
    let tgt = Tgt::new(EncType::Aes256Sha1);
    let with = |option| {
        tgt.request(
            KdcReqBody {
                kdc_options: KerberosFlags::of(&[option]),
                ..body(host(), &[18])
            },
            plain,
        )
    };
    for option in [
        FORWARDABLE,
        FORWARDED,
        PROXIABLE,
        PROXY,
        ALLOW_POSTDATE,
        RENEWABLE,
        CNAME_IN_ADDL_TKT,
        REQUEST_ANONYMOUS,
        ENC_TKT_IN_SKEY,
        RENEW,
        VALIDATE,
    ] {
        assert_eq!(code(&with(option)), KrbErrorCode::BadOption, "{option}");
    }
    assert_eq!(code(&with(POSTDATED)), KrbErrorCode::CannotPostdate);
    for option in [CANONICALIZE, 26, 27] {
        assert!(answered(&with(option), &permissive(), NOW).is_ok(), "{option}");
    }
}

#[test]
fn rfc4120_3_2_3_what_is_wrong_with_the_ticket() {
    let body = || body(host(), &[18]);
    let good = Tgt::new(EncType::Aes256Sha1).part;
    // For another service, under a key that nobody has, of an unknown version, of an unknown type.
    let other_service = Tgt::sealed(good.clone(), host(), &tgt_keys()[0]);
    assert_eq!(code(&other_service.request(body(), plain)), KrbErrorCode::NotUs);
    let stranger = ServiceKey {
        kvno: 9,
        key: EncType::Aes256Sha1.generate(&mut SeededRandom::new(1)),
    };
    let forged = Tgt::sealed(good.clone(), krbtgt(), &stranger);
    assert_eq!(code(&forged.request(body(), plain)), KrbErrorCode::BadIntegrity);
    let old = ServiceKey {
        kvno: 8,
        ..tgt_keys()[0].clone()
    };
    let of_old_key = Tgt::sealed(good.clone(), krbtgt(), &old);
    assert_eq!(code(&of_old_key.request(body(), plain)), KrbErrorCode::BadKeyVersion);
    // Over, or not begun, or to be validated.
    let over = Tgt::of(EncTicketPart {
        endtime: seconds(-301),
        ..good.clone()
    });
    assert_eq!(code(&over.request(body(), plain)), KrbErrorCode::TicketExpired);
    let within_the_skew = Tgt::of(EncTicketPart {
        endtime: seconds(-1),
        ..good.clone()
    });
    assert_eq!(
        code(&within_the_skew.request(body(), plain)),
        KrbErrorCode::TicketExpired
    );
    let early = Tgt::of(EncTicketPart {
        starttime: Some(seconds(301)),
        ..good.clone()
    });
    assert_eq!(code(&early.request(body(), plain)), KrbErrorCode::TicketNotYetValid);
    let invalid = Tgt::of(EncTicketPart {
        flags: KerberosFlags::of(&[flag::INVALID]),
        ..good.clone()
    });
    assert_eq!(code(&invalid.request(body(), plain)), KrbErrorCode::TicketNotYetValid);
    // Bound to another address.
    let bound = Tgt::of(EncTicketPart {
        caddr: Some(vec![IpAddr::from([203, 0, 113, 9]).into()]),
        ..good
    });
    assert_eq!(code(&bound.request(body(), plain)), KrbErrorCode::BadAddress);
}

#[test]
fn a_key_version_that_was_rotated_out_still_opens_tickets() {
    let (tgt, body) = (Tgt::new(EncType::Aes256Sha1), body(host(), &[18]));
    let KdcRequest::Tgs(request) =
        read_request(&tgt.request(body, plain), &permissive()).unwrap_or_else(|e| panic!("{e:?}"))
    else {
        panic!("another exchange");
    };
    let rotated = [keys(10, 500), tgt_keys()].concat();
    assert!(open_tgs(&request, &rotated, peer().ip(), &permissive(), NOW).is_ok());
}

#[test]
fn rfc4120_3_2_3_what_is_wrong_with_the_authenticator() {
    let (tgt, body) = (Tgt::new(EncType::Aes256Sha1), || body(host(), &[18]));
    for off in [-301, 301] {
        let datagram = tgt.request(body(), |content, _| content.now = seconds(off));
        assert_eq!(code(&datagram), KrbErrorCode::Skew);
    }
    let other = "other@PKTC.EXAMPLE.NET".parse::<Principal>().unwrap();
    let mut of_another = KdcReq::parse(&tgt.request(body(), plain)).unwrap();
    let content = ApReqContent {
        client: &other,
        ticket: &tgt.ticket,
        session_key: &tgt.part.key,
        now: NOW,
        mutual: false,
        checksum: None,
        subkey: None,
        seq_number: None,
        usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
        pad: PadForm::Covered,
    };
    let (ap_req, _) = ApReq::build(&content, &mut SeededRandom::new(1)).unwrap();
    of_another.padata = vec![PaData::new(PA_TGS_REQ, ap_req.encode())];
    assert_eq!(code(&of_another.encode()), KrbErrorCode::BadMatch);
    // The usage of an AP-REQ to a service is not that of a TGS-REQ.
    let wrong_usage = tgt.request(body(), |content, _| content.usage = KeyUsage::AP_REQ_AUTHENTICATOR);
    assert_eq!(code(&wrong_usage), KrbErrorCode::BadIntegrity);
}

#[test]
fn requests_without_a_ticket_or_a_server() {
    let bare = KdcReq::new(Exchange::Tgs, Vec::new(), body(host(), &[18])).encode();
    assert_eq!(code(&bare), KrbErrorCode::PadataUnsupported);
    let tgt = Tgt::new(EncType::Aes256Sha1);
    let unnamed = KdcReqBody {
        sname: None,
        ..body(host(), &[18])
    };
    assert_eq!(code(&tgt.request(unnamed, plain)), KrbErrorCode::ServiceUnknown);
    let nowhere = "ftp/h1@PKTC.EXAMPLE.NET".parse::<Principal>().unwrap().name;
    assert_eq!(
        code(&tgt.request(body(nowhere, &[18]), plain)),
        KrbErrorCode::ServiceUnknown
    );
    // A ticket-granting ticket for another realm: this KDC knows none.
    let elsewhere = PrincipalName::krbtgt(&"OTHER.EXAMPLE.NET".parse().unwrap());
    assert_eq!(
        code(&tgt.request(body(elsewhere, &[18]), plain)),
        KrbErrorCode::ServiceUnknown
    );
    let garbage = KdcReq::new(
        Exchange::Tgs,
        vec![PaData::new(PA_TGS_REQ, vec![0x6e, 0])],
        body(host(), &[18]),
    );
    assert_eq!(code(&garbage.encode()), KrbErrorCode::MessageType);
}

#[test]
fn error_14_where_a_device_asks_for_what_devices_may_not_have() {
    let provsrvr = PrincipalName::mtaprovsrvr(&policy().prov_fqdn);
    let device = Tgt::new(EncType::Des3CbcMd5);
    let refused = answered(&device.request(body(provsrvr.clone(), &[18]), plain), &kdc(), NOW);
    assert_eq!(refused.expect_err("refused").code, KrbErrorCode::EncTypeUnsupported);
    let body = body(provsrvr, &[18, 5]);
    let reply = answered(&device.request(body.clone(), plain), &kdc(), NOW).unwrap();
    let (reply, part) = opened(&reply, &body, &device.part.key, KeyUsage::TGS_REP_SESSION);
    assert_eq!((part.key.etype, reply.ticket.enc_part.etype), (5, 5));
}

#[test]
fn rfc4120_3_3_3_authorization_data_is_inherited_and_added() {
    let element = |ad_type| AuthorizationData {
        ad_type,
        ad_data: vec![1].into(),
    };
    let mut part = Tgt::new(EncType::Aes256Sha1).part;
    part.authorization_data = Some(vec![element(64)]);
    let tgt = Tgt::of(part);
    let sealed = |usage| {
        let added = rasn::der::encode(&vec![element(65)]).unwrap();
        let sealed = tgt
            .part
            .key
            .seal(None, usage, &added, PadForm::Covered, &mut SeededRandom::new(1));
        KdcReqBody {
            enc_authorization_data: Some(sealed.unwrap()),
            ..body(host(), &[18])
        }
    };
    let body = sealed(KeyUsage::TGS_REQ_AUTH_DATA_SESSION);
    let reply = answered(&tgt.request(body.clone(), plain), &permissive(), NOW).unwrap();
    let (reply, _) = opened(&reply, &body, &tgt.part.key, KeyUsage::TGS_REP_SESSION);
    let ticket = reply.ticket.open(&keys(2, 200)).unwrap();
    assert_eq!(ticket.authorization_data, Some(vec![element(64), element(65)]));
    let wrong = sealed(KeyUsage::TGS_REQ_AUTH_DATA_SUBKEY);
    assert_eq!(code(&tgt.request(wrong, plain)), KrbErrorCode::BadIntegrity);
}

#[test]
fn an_error_to_a_client_whose_key_is_known_is_sealed_with_it() {
    for etype in EncType::ALL {
        let tgt = Tgt::new(etype);
        let nowhere = "ftp/h1@PKTC.EXAMPLE.NET".parse::<Principal>().unwrap().name;
        let datagram = tgt.request(body(nowhere, &[etype.number()]), plain);
        let refused = answered(&datagram, &permissive(), NOW).expect_err("refused");
        let error = KrbError::parse(&refused.message(&permissive(), NOW, &mut SeededRandom::new(1))).unwrap();
        assert_eq!(
            (error.code(), error.cname.clone()),
            (Some(KrbErrorCode::ServiceUnknown), Some(client().name))
        );
        assert_eq!(
            error.sname.kind(),
            "ftp",
            "the error is about the service that was asked for"
        );
        error.verify(&tgt.part.key).expect("the e-cksum");
        let other = etype.generate(&mut SeededRandom::new(99));
        assert!(error.verify(&other).is_err());
    }
}

#[test]
fn a_replay_is_told_by_the_authenticator_whatever_stands_around_it() {
    let tgt = Tgt::new(EncType::Aes256Sha1);
    let hash = |datagram: &[u8]| {
        let KdcRequest::Tgs(request) = read_request(datagram, &permissive()).unwrap_or_else(|e| panic!("{e:?}")) else {
            panic!("another exchange");
        };
        let opened = open_tgs(&request, &tgt_keys(), peer().ip(), &permissive(), NOW);
        let opened = opened.unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!(opened.replayed().code, KrbErrorCode::Repeat);
        opened.replay_hash()
    };
    let one = tgt.request(body(host(), &[18]), plain);
    let later = tgt.request(body(host(), &[18]), |content, _| content.now = seconds(1));
    assert_eq!(hash(&one), hash(&one));
    assert_ne!(hash(&one), hash(&later));
}
