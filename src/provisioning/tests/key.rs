//! AS by a long-term key (RFC 4120 §3.1), clause by clause.

use super::pkinit::kdc;
use super::*;
use crate::settings::EtypePolicy;
use crate::wire::kerberos::{
    EncKdcRepPart, EtypeInfo2Entry, Exchange, HostAddress, KdcRep, KdcReq, KdcReqBody, KerberosFlags, KrbErrorCode,
    Number32, PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PaData, PaEncTsEnc, flag, kdc_option,
};

/// The client in the store of keys.
pub(super) fn client() -> Principal {
    "cms/cms1.pktc.example.net@PKTC.EXAMPLE.NET".parse().unwrap()
}

/// A service that has a key of every type.
pub(super) fn host() -> PrincipalName {
    "host/h1.pktc.example.net@PKTC.EXAMPLE.NET"
        .parse::<Principal>()
        .unwrap()
        .name
}

/// Every type allowed to everybody.
pub(super) fn permissive() -> Kdc {
    Kdc {
        etypes: EtypePolicy {
            devices: vec![EncType::Des3CbcMd5],
            services: EncType::ALL.to_vec(),
        },
        ..kdc()
    }
}

pub(super) fn keys(kvno: u32, seed: u64) -> Vec<ServiceKey> {
    let key = |etype: EncType| ServiceKey {
        kvno,
        key: etype.generate(&mut SeededRandom::new(seed + etype.number() as u64)),
    };
    EncType::ALL.into_iter().map(key).collect()
}

pub(super) fn body(service: PrincipalName, etypes: &[i32]) -> KdcReqBody {
    KdcReqBody {
        kdc_options: KerberosFlags::default(),
        cname: Some(client().name),
        realm: realm(),
        sname: Some(service),
        from: None,
        till: Some(seconds(36_000)),
        rtime: None,
        nonce: Number32::new(0x1234_5678),
        etype: etypes.to_vec(),
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: None,
    }
}

fn proof(key: &EncryptionKey, at: Timestamp) -> PaData {
    PaEncTsEnc::seal(key, at, PadForm::Covered, &mut SeededRandom::new(5)).unwrap()
}

fn asked(body: KdcReqBody, padata: Vec<PaData>, kdc: &Kdc) -> Result<Vec<u8>, KdcRefused> {
    let datagram = KdcReq::new(Exchange::As, padata, body).encode();
    let KdcRequest::Key(request) = read_request(&datagram, kdc)? else {
        panic!("another exchange");
    };
    let client_keys = match request.client == client().name {
        true => keys(4, 100),
        false => Vec::new(),
    };
    let service_keys = match request.service.kind() {
        "host" => keys(2, 200),
        "krbtgt" => keys(9, 300),
        _ => Vec::new(),
    };
    let source = peer().ip();
    grant_by_key(
        &request,
        &client_keys,
        &service_keys,
        source,
        kdc,
        NOW,
        &mut SeededRandom::new(6),
    )
}

fn refused(body: KdcReqBody, padata: Vec<PaData>) -> KdcRefused {
    asked(body, padata, &permissive()).expect_err("not refused")
}

fn key_of(etype: i32) -> EncryptionKey {
    let all = keys(4, 100);
    all.into_iter().find(|key| key.key.etype == etype).unwrap().key
}

fn opened(reply: &[u8], body: &KdcReqBody, key: &EncryptionKey) -> (KdcRep, EncKdcRepPart) {
    let reply = KdcRep::parse(reply).unwrap();
    let (part, _) = reply.open(body, key, KeyUsage::AS_REP).unwrap();
    (reply, part)
}

#[test]
fn rfc4120_3_1_3_a_ticket_in_every_encryption_type() {
    for etype in EncType::ALL {
        let (number, krbtgt) = (etype.number(), PrincipalName::krbtgt(&realm()));
        let body = body(krbtgt.clone(), &[number]);
        let reply = asked(body.clone(), vec![proof(&key_of(number), NOW)], &permissive()).unwrap();
        let (reply, part) = opened(&reply, &body, &key_of(number));
        assert_eq!((reply.cname.clone(), reply.enc_part.etype), (client().name, number));
        assert_eq!(reply.enc_part.kvno.map(Number32::value), Some(4));
        assert_eq!((part.key.etype, part.endtime), (number, seconds(36_000)));
        assert!(part.flags.has(flag::INITIAL) && part.flags.has(flag::PRE_AUTHENT));
        assert!(PaData::find(&reply.padata, PA_ETYPE_INFO2).is_some());
        let ticket = reply.ticket.open(&keys(9, 300)).unwrap();
        assert!(ticket.key.value.ct_eq(part.key.value.expose()));
        assert_eq!(ticket.client(), client());
    }
}

#[test]
fn rfc4120_5_9_1_error_25_tells_the_client_its_types_in_its_order() {
    let refused = refused(body(host(), &[17, 23, 20]), Vec::new());
    assert_eq!(refused.code, KrbErrorCode::PreauthRequired);
    let methods = PaData::decode_list(&refused.e_data.unwrap()).unwrap();
    assert!(PaData::find(&methods, PA_ENC_TIMESTAMP).is_some());
    let info = PaData::find(&methods, PA_ETYPE_INFO2).unwrap();
    let entries = EtypeInfo2Entry::decode_list(&info.padata_value).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.etype).collect::<Vec<_>>(), [17, 20]);
}

#[test]
fn error_24_for_another_password_and_for_another_type() {
    let other = EncType::Aes256Sha1.generate(&mut SeededRandom::new(77));
    let wrong = refused(body(host(), &[18]), vec![proof(&other, NOW)]);
    assert_eq!(wrong.code, KrbErrorCode::PreauthFailed);
    assert!(wrong.e_data.is_some());
    let of_another_type = refused(body(host(), &[18]), vec![proof(&key_of(17), NOW)]);
    assert_eq!(of_another_type.code, KrbErrorCode::PreauthFailed);
    let malformed = refused(body(host(), &[18]), vec![PaData::new(PA_ENC_TIMESTAMP, vec![0x30, 0])]);
    assert_eq!(malformed.code, KrbErrorCode::PreauthFailed);
}

#[test]
fn error_37_for_a_clock_that_is_off() {
    for off in [-301, 301] {
        let refused = refused(body(host(), &[18]), vec![proof(&key_of(18), seconds(off))]);
        assert_eq!(refused.code, KrbErrorCode::Skew, "{off}");
    }
    assert!(
        asked(
            body(host(), &[18]),
            vec![proof(&key_of(18), seconds(299))],
            &permissive()
        )
        .is_ok()
    );
}

#[test]
fn errors_6_and_7_for_names_that_have_no_key() {
    let stranger = KdcReqBody {
        cname: Some("nobody@PKTC.EXAMPLE.NET".parse::<Principal>().unwrap().name),
        ..body(host(), &[18])
    };
    assert_eq!(refused(stranger, Vec::new()).code, KrbErrorCode::ClientUnknown);
    let krbtgt = KdcReqBody {
        cname: Some(PrincipalName::krbtgt(&realm())),
        ..body(host(), &[18])
    };
    assert_eq!(refused(krbtgt, Vec::new()).code, KrbErrorCode::ClientUnknown);
    let nowhere = "ftp/h1@PKTC.EXAMPLE.NET".parse::<Principal>().unwrap().name;
    let unknown = refused(body(nowhere, &[18]), vec![proof(&key_of(18), NOW)]);
    assert_eq!(unknown.code, KrbErrorCode::ServiceUnknown);
    let unnamed = KdcReqBody {
        sname: None,
        ..body(host(), &[18])
    };
    assert_eq!(refused(unnamed, Vec::new()).code, KrbErrorCode::ServiceUnknown);
}

#[test]
fn a_device_is_asked_for_its_certificate() {
    let device = KdcReqBody {
        cname: Some(PrincipalName::mta(&"mta1.pktc.example.net".parse().unwrap())),
        ..body(host(), &[18])
    };
    let refused = refused(device, Vec::new());
    assert_eq!(refused.code, KrbErrorCode::PreauthRequired);
    let methods = PaData::decode_list(&refused.e_data.unwrap()).unwrap();
    assert_eq!(methods[0].padata_type, 16);
}

#[test]
fn error_14_where_the_policy_or_the_keys_have_none_of_the_clients_types() {
    assert_eq!(
        refused(body(host(), &[23, 1]), Vec::new()).code,
        KrbErrorCode::EncTypeUnsupported
    );
    let by_default = asked(body(host(), &[5, 16]), vec![proof(&key_of(16), NOW)], &kdc());
    assert_eq!(by_default.expect_err("refused").code, KrbErrorCode::EncTypeUnsupported);
}

#[test]
fn rfc4120_3_1_3_options_that_an_as_exchange_cannot_meet() {
    use kdc_option::*;
    let code = |option: u32| {
        let body = KdcReqBody {
            kdc_options: KerberosFlags::of(&[option]),
            ..body(host(), &[18])
        };
        asked(body, vec![proof(&key_of(18), NOW)], &permissive())
            .map_err(|refused| refused.code)
            .err()
    };
    for option in [
        FORWARDED,
        PROXY,
        CNAME_IN_ADDL_TKT,
        REQUEST_ANONYMOUS,
        ENC_TKT_IN_SKEY,
        RENEW,
        VALIDATE,
    ] {
        assert_eq!(code(option), Some(KrbErrorCode::BadOption), "{option}");
    }
    assert_eq!(code(POSTDATED), Some(KrbErrorCode::CannotPostdate));
    // What is only a wish is not granted, and not refused: every stock client asks for it.
    for option in [FORWARDABLE, PROXIABLE, ALLOW_POSTDATE, RENEWABLE, CANONICALIZE, 27] {
        assert_eq!(code(option), None, "{option}");
    }
}

#[test]
fn rfc4120_3_1_3_start_and_end() {
    let proven = || vec![proof(&key_of(18), NOW)];
    let code = |body: KdcReqBody| {
        asked(body, proven(), &permissive())
            .map_err(|refused| refused.code)
            .err()
    };
    let with = |from, till| KdcReqBody {
        from,
        till,
        ..body(host(), &[18])
    };
    assert_eq!(code(with(Some(seconds(301)), None)), Some(KrbErrorCode::CannotPostdate));
    assert_eq!(code(with(Some(seconds(299)), None)), None);
    assert_eq!(code(with(None, Some(seconds(-1)))), Some(KrbErrorCode::NeverValid));
    // Zero asks for the longest life (RFC 4120 §5.4.1).
    for till in [None, Some(Timestamp::from_unix(0)), Some(seconds(10_000_000))] {
        let body = with(None, till);
        let reply = asked(body.clone(), proven(), &permissive()).unwrap();
        assert_eq!(
            opened(&reply, &body, &key_of(18)).1.endtime,
            seconds(86_400),
            "{till:?}"
        );
    }
}

#[test]
fn rfc4120_3_1_3_addresses_are_put_into_the_ticket_and_held_against_the_source() {
    let own = KdcReqBody {
        addresses: Some(vec![HostAddress::from(peer().ip())]),
        ..body(host(), &[18])
    };
    let reply = asked(own.clone(), vec![proof(&key_of(18), NOW)], &permissive()).unwrap();
    let (reply, part) = opened(&reply, &own, &key_of(18));
    assert_eq!(part.caddr, own.addresses);
    assert_eq!(reply.ticket.open(&keys(2, 200)).unwrap().caddr, own.addresses);
    let other = KdcReqBody {
        addresses: Some(vec![HostAddress::from(IpAddr::from([203, 0, 113, 9]))]),
        ..body(host(), &[18])
    };
    assert_eq!(
        refused(other, vec![proof(&key_of(18), NOW)]).code,
        KrbErrorCode::BadAddress
    );
}

#[test]
fn a_rotated_key_no_longer_proves_a_client() {
    let (old, body) = (keys(3, 400), body(host(), &[18]));
    let proof = proof(&old[3].key, NOW);
    let datagram = KdcReq::new(Exchange::As, vec![proof], body).encode();
    let KdcRequest::Key(request) = read_request(&datagram, &permissive()).unwrap_or_else(|error| panic!("{error:?}"))
    else {
        panic!("another exchange");
    };
    let both = [keys(4, 100), old].concat();
    let random = &mut SeededRandom::new(1);
    let refused = grant_by_key(&request, &both, &keys(2, 200), peer().ip(), &permissive(), NOW, random);
    assert_eq!(refused.expect_err("refused").code, KrbErrorCode::PreauthFailed);
}
