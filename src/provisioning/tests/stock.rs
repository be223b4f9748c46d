//! AS by PKINIT as RFC 4556 has it: what a stock client is given, and what it is refused.

use super::pkinit::kdc;
use super::*;
use crate::wire::cert::testing::{anchors, hierarchy};
use crate::wire::cert::{CertPolicy, NoCache};
use crate::wire::kerberos::{
    Exchange, KdcRep, KdcReq, KdcReqBody, KerberosFlags, KrbErrorCode, Number32, PA_PK_AS_REP_RFC4556, PA_PK_AS_REQ,
    PA_PK_AS_REQ_RFC4556, PaData, TypedData, kdc_option,
};
use crate::wire::pkinit::{
    CmsDigest, DhGroup, DhKeyPair, Identity, ReplyExpectation, ReplyKeyRule, build_request_rfc4556,
    open_reply_dh_rfc4556,
};

fn krbtgt() -> PrincipalName {
    PrincipalName::krbtgt(&realm())
}

fn service_keys() -> Vec<ServiceKey> {
    [EncType::Des3CbcMd5, EncType::Aes256Sha1]
        .map(|etype| ServiceKey {
            kvno: 3,
            key: etype.generate(&mut SeededRandom::new(21)),
        })
        .to_vec()
}

fn facts() -> DeviceFacts {
    DeviceFacts {
        fqdn: device(Flow::Secure).fqdn,
        addresses: vec![peer().ip()],
    }
}

fn body() -> KdcReqBody {
    KdcReqBody {
        kdc_options: KerberosFlags::of(&[kdc_option::FORWARDABLE, kdc_option::RENEWABLE, 27]),
        cname: Some(PrincipalName::mta(&facts().fqdn)),
        realm: realm(),
        sname: Some(krbtgt()),
        from: None,
        till: Some(seconds(36_000)),
        rtime: None,
        nonce: Number32::new(0x1234_5678),
        etype: vec![20, 18, 17, 16, 23],
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: None,
    }
}

struct Client {
    identity: Identity,
    pair: DhKeyPair,
    digest: CmsDigest,
}

impl Client {
    fn new(group: DhGroup) -> Self {
        let h = hierarchy();
        let chain = [&h.device.certificate, &h.manufacturer.certificate];
        Self {
            identity: Identity::new(&chain, h.device.key.clone()).unwrap(),
            pair: DhKeyPair::generate(group, &mut SeededRandom::new(31)).unwrap(),
            digest: CmsDigest::Sha256,
        }
    }

    /// The nonce of PKAuthenticator is another than the body's: RFC 4556 §3.2.1 allows it.
    const NONCE: u32 = 0x9abc_def0;

    fn padata(&self, body: &[u8], now: Timestamp, with_dh: bool) -> PaData {
        let pair = with_dh.then_some(&self.pair);
        let value = build_request_rfc4556(&self.identity, body, Self::NONCE, now, pair, self.digest).unwrap();
        PaData::new(PA_PK_AS_REQ_RFC4556, value)
    }

    fn request(&self, body: KdcReqBody, with_dh: bool) -> KdcReq {
        let mut request = KdcReq::new(Exchange::As, Vec::new(), body);
        request.padata = vec![
            PaData::new(149, Vec::new()),
            self.padata(request.body_der(), NOW, with_dh),
        ];
        request
    }

    fn key(&self, reply: &KdcRep) -> EncryptionKey {
        let expectation = ReplyExpectation {
            anchors: &anchors(&hierarchy().provider_root),
            certificates: &CertPolicy::default(),
            realm: &realm(),
            organisation: None,
            nonce: Self::NONCE,
            pair: Some(&self.pair),
            rule: ReplyKeyRule::default(),
            identity: &self.identity,
        };
        let padata = PaData::find(&reply.padata, PA_PK_AS_REP_RFC4556).unwrap();
        let etype = EncType::from_number(reply.enc_part.etype).unwrap();
        open_reply_dh_rfc4556(&padata.padata_value, &expectation, etype, NOW).unwrap()
    }
}

fn granted(request: &KdcReq, kdc: &Kdc) -> Result<Grant, KdcRefused> {
    let KdcRequest::Pkinit(request) = read_request(&request.encode(), kdc)? else {
        panic!("another exchange");
    };
    let claim = claim(&request, kdc, &NoCache, NOW)?;
    admit(claim.mac(), Some(&device(Flow::Secure)), peer().ip())?;
    let pkinit = prove(&request, &claim, kdc, &NoCache, NOW)?;
    let pair = group(&pkinit).map(|group| DhKeyPair::generate(group, &mut SeededRandom::new(41)).unwrap());
    let granting = Granting {
        service_keys: &service_keys(),
        pair: pair.as_ref(),
        source: peer(),
        asked: NOW,
    };
    grant(
        &request,
        &pkinit,
        &facts(),
        &granting,
        kdc,
        NOW,
        &mut SeededRandom::new(51),
    )
}

fn refused(request: &KdcReq, kdc: &Kdc) -> KdcRefused {
    match granted(request, kdc) {
        Err(refused) => refused,
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn rfc4556_3_2_a_ticket_granting_ticket_with_every_group_and_digest() {
    for group in [DhGroup::Modp14, DhGroup::Oakley2] {
        for digest in [CmsDigest::Sha1, CmsDigest::Sha256, CmsDigest::Sha384, CmsDigest::Sha512] {
            let client = Client {
                digest,
                ..Client::new(group)
            };
            let grant = granted(&client.request(body(), true), &kdc()).unwrap_or_else(|e| panic!("{e:?}"));
            let reply = KdcRep::parse(&grant.reply).unwrap();
            let (part, _) = reply.open(&body(), &client.key(&reply), KeyUsage::AS_REP).unwrap();
            assert_eq!((reply.enc_part.etype, part.key.etype), (20, 20));
            assert_eq!(
                (reply.cname, part.endtime),
                (PrincipalName::mta(&facts().fqdn), seconds(36_000))
            );
            let ticket = reply.ticket.open(&service_keys()).unwrap();
            assert_eq!(reply.ticket.enc_part.etype, 18, "AES for services");
            // AD-IF-RELEVANT around AD-INITIAL-VERIFIED-CAS.
            assert_eq!(ticket.authorization_data.unwrap()[0].ad_type, 1);
        }
    }
}

#[test]
fn rfc4556_3_2_3_2_without_a_public_value_the_key_is_encrypted_for_the_certificate() {
    let grant = granted(&Client::new(DhGroup::Oakley2).request(body(), false), &kdc());
    let reply = KdcRep::parse(&grant.unwrap_or_else(|e| panic!("{e:?}")).reply).unwrap();
    let padata = PaData::find(&reply.padata, PA_PK_AS_REP_RFC4556).unwrap();
    assert_eq!(
        padata.padata_value.first(),
        Some(&0x81),
        "encKeyPack, an implicit OCTET STRING"
    );
}

#[test]
fn rfc4556_3_2_2_the_client_is_what_its_certificate_makes_it() {
    let client = Client::new(DhGroup::Modp14);
    let other = KdcReqBody {
        cname: Some(
            "mta/other.pktc.example.net@PKTC.EXAMPLE.NET"
                .parse::<Principal>()
                .unwrap()
                .name,
        ),
        ..body()
    };
    let mismatch = refused(&client.request(other.clone(), true), &kdc());
    assert_eq!(
        (mismatch.code, mismatch.mac),
        (KrbErrorCode::ClientNameMismatch, Some(MAC))
    );
    let canonical = KdcReqBody {
        kdc_options: KerberosFlags::of(&[kdc_option::CANONICALIZE]),
        ..other
    };
    let grant = granted(&client.request(canonical, true), &kdc()).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(grant.client.name, PrincipalName::mta(&facts().fqdn));
}

#[test]
fn rfc4556_3_2_2_the_checksum_must_be_there_and_be_the_bodys() {
    let client = Client::new(DhGroup::Modp14);
    let mut request = client.request(body(), true);
    request.padata = vec![client.padata(b"another body", NOW, true)];
    assert_eq!(refused(&request, &kdc()).code, KrbErrorCode::PreauthFailed);
}

#[test]
fn rfc4556_3_2_2_error_37_for_a_clock_that_is_off() {
    let client = Client::new(DhGroup::Modp14);
    let mut request = client.request(body(), true);
    request.padata = vec![client.padata(request.body_der(), seconds(-301), true)];
    assert_eq!(refused(&request, &kdc()).code, KrbErrorCode::Skew);
}

/// The one typed data of a refusal.
fn typed_data(refused: KdcRefused) -> (i32, Vec<u8>) {
    let mut list = TypedData::decode_list(&refused.e_data.expect("e-data")).expect("typed data");
    let data = list.pop().expect("one");
    (data.data_type, data.data_value.expect("a value").to_vec())
}

#[test]
fn rfc4556_3_2_2_error_65_names_the_groups_that_are_accepted() {
    let strict = Kdc {
        stock_min_bits: 2048,
        ..kdc()
    };
    let refused_group = refused(&Client::new(DhGroup::Oakley2).request(body(), true), &strict);
    assert_eq!(refused_group.code, KrbErrorCode::DhParametersRefused);
    let (kind, value) = typed_data(refused_group);
    assert_eq!(kind, 109);
    // A sequence of algorithms: dhpublicnumber with group 14's prime.
    assert_eq!(value.first(), Some(&0x30));
    assert!(
        value
            .windows(7)
            .any(|window| window == [0x2a, 0x86, 0x48, 0xce, 0x3e, 2, 1])
    );
    assert!(value.len() > 2 * 256);
    assert!(granted(&Client::new(DhGroup::Modp14).request(body(), true), &strict).is_ok());
}

#[test]
fn rfc4556_3_2_2_error_70_names_the_trusted_certifiers_and_error_71_the_certificate() {
    let client = Client::new(DhGroup::Modp14);
    let foreign = Kdc {
        anchors: anchors(&hierarchy().provider_root),
        ..kdc()
    };
    let unknown = refused(&client.request(body(), true), &foreign);
    assert_eq!(unknown.code, KrbErrorCode::CannotVerifyCertificate);
    let (kind, value) = typed_data(unknown);
    assert_eq!(kind, 104);
    let root = b"CableLabs Service Provider Root CA";
    assert!(value.windows(root.len()).any(|window| window == root));

    let late = Timestamp::from_unix(NOW.unix() + 200 * 365 * 86_400);
    let mut request = client.request(body(), true);
    request.padata = vec![client.padata(request.body_der(), late, true)];
    let KdcRequest::Pkinit(request) = read_request(&request.encode(), &kdc()).unwrap_or_else(|e| panic!("{e:?}"))
    else {
        panic!("another exchange");
    };
    let claim = claim(&request, &kdc(), &NoCache, late).unwrap_or_else(|e| panic!("{e:?}"));
    let Err(expired) = prove(&request, &claim, &kdc(), &NoCache, late) else {
        panic!("not refused");
    };
    assert_eq!(expired.code, KrbErrorCode::InvalidCertificate);
    let (kind, value) = typed_data(expired);
    assert_eq!((kind, value.first()), (105, Some(&0x30)));
}

#[test]
fn p40_a_request_that_speaks_both_is_answered_as_the_policy_prefers() {
    let client = Client::new(DhGroup::Oakley2);
    let mut request = client.request(body(), true);
    request.padata.insert(0, PaData::new(PA_PK_AS_REQ, vec![0x30, 0]));
    request.padata.push(PaData::prov_srv_location(&policy().prov_fqdn));
    let dialect = |kdc: &Kdc| match read_request(&request.encode(), kdc) {
        Ok(KdcRequest::Pkinit(request)) => Some(request.dialect),
        Ok(_) => None,
        // The device's types have none of a stock client's.
        Err(refused) => {
            (refused.code == KrbErrorCode::EncTypeUnsupported).then_some(crate::wire::pkinit::Dialect::Draft)
        }
    };
    assert_eq!(dialect(&kdc()), Some(crate::wire::pkinit::Dialect::Draft));
    let preferring = Kdc {
        prefer_rfc4556: true,
        ..kdc()
    };
    assert_eq!(dialect(&preferring), Some(crate::wire::pkinit::Dialect::Rfc4556));
}

#[test]
fn a_stock_client_of_an_unknown_device_or_elsewhere_is_refused_before_any_public_key_operation() {
    let request = Client::new(DhGroup::Modp14).request(body(), true);
    let KdcRequest::Pkinit(request) = read_request(&request.encode(), &kdc()).unwrap_or_else(|e| panic!("{e:?}"))
    else {
        panic!("another exchange");
    };
    let claim = claim(&request, &kdc(), &NoCache, NOW).unwrap_or_else(|e| panic!("{e:?}"));
    let unknown = admit(claim.mac(), None, peer().ip()).expect_err("unknown");
    assert_eq!((unknown.code, unknown.mac), (KrbErrorCode::ClientUnknown, Some(MAC)));
    let elsewhere = admit(claim.mac(), Some(&device(Flow::Secure)), [203, 0, 113, 9].into()).expect_err("elsewhere");
    assert_eq!(elsewhere.code, KrbErrorCode::BadAddress);
}
