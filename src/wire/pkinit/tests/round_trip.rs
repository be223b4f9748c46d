//! Both halves together, in every shape; and what either half refuses.

use super::super::asn1::{ContentInfo, PaPkAsReq, SignedData};
use super::super::identity::issuer_and_serial;
use super::*;
use crate::value::{Secret, SeededRandom};
use crate::wire::cert::testing::{MAC, key, terms};
use crate::wire::cert::{CertError, Certificate, issue};

const RULES: [ReplyKeyRule; 4] = [
    rule(ReplyKeyForm::Leading192, SecretPadding::PrimeLength),
    rule(ReplyKeyForm::Leading192, SecretPadding::Stripped),
    rule(ReplyKeyForm::RandomToKey168, SecretPadding::PrimeLength),
    rule(ReplyKeyForm::RandomToKey168, SecretPadding::Stripped),
];

const fn rule(form: ReplyKeyForm, padding: SecretPadding) -> ReplyKeyRule {
    ReplyKeyRule { form, padding }
}

/// What the client of [`request`] expects, with something to borrow from.
struct Client {
    anchors: TrustAnchors,
    certificates: CertPolicy,
    realm: Realm,
    identity: Identity,
}

impl Client {
    fn new() -> Self {
        Self {
            anchors: anchors(&hierarchy().provider_root),
            certificates: CertPolicy::default(),
            realm: realm(),
            identity: device(),
        }
    }

    fn expects<'a>(&'a self, pair: Option<&'a DhKeyPair>) -> ReplyExpectation<'a> {
        ReplyExpectation {
            anchors: &self.anchors,
            certificates: &self.certificates,
            realm: &self.realm,
            organisation: Some("Example Operator"),
            nonce: NONCE,
            pair,
            rule: ReplyKeyRule::default(),
            identity: &self.identity,
        }
    }
}

fn pair(seed: u64) -> DhKeyPair {
    DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(seed)).unwrap()
}

#[test]
fn diffie_hellman_gives_both_sides_one_key() {
    let (kdc, client) = (Kdc::new(), Client::new());
    for group in [DhGroup::Oakley2, DhGroup::Modp14] {
        let mut random = SeededRandom::new(1);
        let theirs = DhKeyPair::generate(group, &mut random).unwrap();
        let ours = DhKeyPair::generate(group, &mut random).unwrap();
        let opened = kdc
            .open(&request(Some(&theirs), &RequestShape::default()), NOW)
            .unwrap();
        assert_eq!(opened.nonce, NONCE);
        for rule in RULES {
            let (reply, key) = build_reply_dh(&kdc.identity, &opened, &ours, rule).unwrap();
            let expectation = ReplyExpectation {
                rule,
                ..client.expects(Some(&theirs))
            };
            let reply = open_reply(&reply, &expectation, NOW).unwrap();
            assert!(reply.key.ct_eq(key.expose()));
            assert_eq!(reply.etype, 5);
            assert_eq!(reply.kdc.organisation, "Example Operator");
        }
    }
}

#[test]
fn p38_without_diffie_hellman_the_key_comes_in_an_envelope() {
    let (kdc, client) = (Kdc::new(), Client::new());
    let opened = kdc.open(&request(None, &RequestShape::default()), NOW).unwrap();
    assert_eq!(opened.client_public, None);
    let key = Secret::from(&b"twenty-four octets, yes."[..]);
    let random = &mut SeededRandom::new(2);
    let reply = build_reply_enc_key_pack(&kdc.identity, &opened, 5, &key, random).unwrap();
    let reply = open_reply(&reply, &client.expects(None), NOW).unwrap();
    assert!(reply.key.ct_eq(key.expose()));
    assert_eq!(reply.etype, 5);
}

#[test]
fn p17_p36_p37_p40_every_shape_is_accepted() {
    let kdc = Kdc::new();
    let pair = pair(1);
    let plain = RequestShape::default;
    let shapes = [
        RequestShape {
            checksum: PaChecksum::Sha1,
            ..plain()
        },
        RequestShape {
            checksum: PaChecksum::Sha1Rfc3961,
            ..plain()
        },
        RequestShape {
            content_type: AuthContentType::Misspelt,
            ..plain()
        },
        RequestShape {
            content_type: AuthContentType::Data,
            ..plain()
        },
        RequestShape {
            digest: CmsDigest::Sha256,
            ..plain()
        },
        RequestShape {
            signed_attributes: true,
            ..plain()
        },
        RequestShape {
            signed_attributes: true,
            digest: CmsDigest::Sha256,
            ..plain()
        },
        RequestShape {
            bare_public_value: true,
            ..plain()
        },
        RequestShape {
            signed_nonce: true,
            ..plain()
        },
        RequestShape {
            named_authenticator: Some(realm()),
            ..plain()
        },
    ];
    for shape in shapes {
        let opened = kdc.open(&request(Some(&pair), &shape), NOW);
        let opened = opened.unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        assert_eq!(opened.body_bound, shape.named_authenticator.is_none(), "{shape:?}");
        let (reply, _) = build_reply_dh(&kdc.identity, &opened, &pair, ReplyKeyRule::default()).unwrap();
        open_reply(&reply, &Client::new().expects(Some(&pair)), NOW).unwrap();
    }
}

#[test]
fn another_realms_authenticator_is_refused() {
    let shape = RequestShape {
        named_authenticator: Some("OTHER.EXAMPLE.NET".parse().unwrap()),
        ..RequestShape::default()
    };
    let refused = Kdc::new().open(&request(None, &shape), NOW).unwrap_err();
    assert_eq!(refused.krb_code(), 76, "{refused}");
}

#[test]
fn p16_group_1_is_refused_with_parameters_unless_allowed() {
    let kdc = Kdc::new();
    let pair = DhKeyPair::generate(DhGroup::Oakley1, &mut SeededRandom::new(1)).unwrap();
    let pa_value = request(Some(&pair), &RequestShape::default());
    let refused = kdc.open(&pa_value, NOW).unwrap_err();
    assert_eq!(refused.krb_code(), 65);
    assert!(
        refused
            .e_data(Dialect::Draft, &kdc.anchors)
            .is_some_and(|data| data.len() > 2 * 128)
    );
    let policy = RequestPolicy {
        allow_oakley1: true,
        ..kdc.policy()
    };
    let parts = RequestParts {
        pa_value: &pa_value,
        body: BODY,
        nonce: NONCE,
    };
    assert!(open_request(&parts, &policy, NOW).is_ok());
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let h = hierarchy();
    // Same issuer and serial number as the device's certificate, another key.
    let impostor = issue::device(&h.manufacturer, key(5), MAC, &terms()).unwrap();
    let impostor = Identity::new(&[&impostor.certificate, &h.manufacturer.certificate], key(5)).unwrap();
    let pa_value = build_request(&impostor, BODY, NONCE, NOW, None, &RequestShape::default()).unwrap();
    let mut request: PaPkAsReq = rasn::ber::decode(&pa_value).unwrap();
    let mut info: ContentInfo = rasn::ber::decode(request.signed_auth_pack.as_bytes()).unwrap();
    let mut signed: SignedData = rasn::ber::decode(info.content.as_bytes()).unwrap();
    signed.certificates = Some(
        [&h.device, &h.manufacturer]
            .map(|c| c.certificate.clone().into())
            .to_vec(),
    );
    info.content = rasn::der::encode(&signed).unwrap().into();
    request.signed_auth_pack = rasn::der::encode(&info).unwrap().into();
    let refused = Kdc::new().open(&rasn::der::encode(&request).unwrap(), NOW).unwrap_err();
    assert!(matches!(refused, PkinitError::Signature(_)), "{refused}");

    signed.certificates = Some(vec![h.manufacturer.certificate.clone().into()]);
    info.content = rasn::der::encode(&signed).unwrap().into();
    request.signed_auth_pack = rasn::der::encode(&info).unwrap().into();
    let refused = Kdc::new().open(&rasn::der::encode(&request).unwrap(), NOW).unwrap_err();
    assert_eq!((refused.krb_code(), refused), (70, PkinitError::SignerUnknown(1)));
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    assert!(Identity::new(&[&hierarchy().device.certificate], key(5)).is_err());
}

#[test]
fn a_request_for_another_kdc_certificate_is_refused() {
    let kdc = Kdc::new();
    let h = hierarchy();
    let other = Certificate::parse(&h.provider.certificate, 0).unwrap();
    let mut value: PaPkAsReq = rasn::ber::decode(&request(None, &RequestShape::default())).unwrap();
    value.kdc_certificate = Some(issuer_and_serial(&other));
    let refused = kdc.open(&rasn::der::encode(&value).unwrap(), NOW).unwrap_err();
    assert_eq!(refused.krb_code(), 66, "{refused}");
    value.kdc_certificate = Some(issuer_and_serial(kdc.identity.certificate()));
    assert!(kdc.open(&rasn::der::encode(&value).unwrap(), NOW).is_ok());
}

#[test]
fn a_reply_that_is_not_ours_is_refused() {
    let (kdc, client, theirs, ours) = (Kdc::new(), Client::new(), pair(1), pair(2));
    let opened = kdc
        .open(&request(Some(&theirs), &RequestShape::default()), NOW)
        .unwrap();
    let (reply, _) = build_reply_dh(&kdc.identity, &opened, &ours, ReplyKeyRule::default()).unwrap();
    let expects = || client.expects(Some(&theirs));
    let refused = |expectation: ReplyExpectation<'_>| open_reply(&reply, &expectation, NOW).unwrap_err();

    assert!(matches!(
        refused(ReplyExpectation { nonce: 1, ..expects() }),
        PkinitError::Nonce { .. }
    ));
    assert!(matches!(
        refused(ReplyExpectation {
            pair: None,
            ..expects()
        }),
        PkinitError::ReplyKind(_)
    ));
    let other = "OTHER.EXAMPLE.NET".parse().unwrap();
    assert!(matches!(
        refused(ReplyExpectation {
            realm: &other,
            ..expects()
        }),
        PkinitError::Certificate(CertError::KdcName { .. })
    ));
    assert!(matches!(
        refused(ReplyExpectation {
            organisation: Some("Other"),
            ..expects()
        }),
        PkinitError::Certificate(CertError::Organisation { .. })
    ));
    assert!(matches!(
        refused(ReplyExpectation {
            anchors: &kdc.anchors,
            ..expects()
        }),
        PkinitError::Certificate(CertError::IssuerUnknown(_))
    ));
    let mut altered = reply.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(matches!(
        open_reply(&altered, &expects(), NOW),
        Err(PkinitError::Signature(_))
    ));
}

#[test]
fn a_device_cannot_play_the_kdc() {
    let (kdc, theirs, ours) = (Kdc::new(), pair(1), pair(2));
    let client = Client {
        anchors: anchors(&hierarchy().mta_root),
        ..Client::new()
    };
    let opened = kdc
        .open(&request(Some(&theirs), &RequestShape::default()), NOW)
        .unwrap();
    let (reply, _) = build_reply_dh(&device(), &opened, &ours, ReplyKeyRule::default()).unwrap();
    let refused = open_reply(&reply, &client.expects(Some(&theirs)), NOW).unwrap_err();
    assert_eq!(refused.krb_code(), 76, "{refused}");
}

#[test]
fn an_envelope_for_somebody_else_is_refused() {
    let (kdc, client) = (Kdc::new(), Client::new());
    let opened = kdc.open(&request(None, &RequestShape::default()), NOW).unwrap();
    let key = Secret::new(vec![1; 24]);
    let reply = build_reply_enc_key_pack(&kdc.identity, &opened, 5, &key, &mut SeededRandom::new(2)).unwrap();
    let expectation = ReplyExpectation {
        identity: &kdc.identity,
        ..client.expects(None)
    };
    assert!(matches!(
        open_reply(&reply, &expectation, NOW),
        Err(PkinitError::Envelope(_))
    ));
    let pair = pair(1);
    assert!(matches!(
        open_reply(&reply, &client.expects(Some(&pair)), NOW),
        Err(PkinitError::ReplyKind(_))
    ));
    assert!(matches!(
        build_reply_dh(&kdc.identity, &opened, &pair, ReplyKeyRule::default()),
        Err(PkinitError::ReplyKind(_))
    ));
}
