//! The messages against each other, against ten requests of a third-party client, and changed on the way.

use super::*;
use crate::value::{Fqdn, Random, Realm, SeededRandom, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const SKEW: Duration = Duration::from_secs(300);

fn realm() -> Realm {
    "PKTC.EXAMPLE.NET".parse().expect("realm")
}

fn fqdn(text: &str) -> Fqdn {
    text.parse().expect("fqdn")
}

struct World {
    client: Principal,
    service: Principal,
    keys: Vec<ServiceKey>,
    part: EncTicketPart,
    ticket: Ticket,
    now: Timestamp,
}

fn world(etype: EncType) -> World {
    let random = &mut SeededRandom::new(1);
    let client = PrincipalName::mta(&fqdn("mta-1.pktc.example.net")).at(&realm());
    let service = PrincipalName::mtaprovsrvr(&fqdn("prov.pktc.example.net")).at(&realm());
    let now = Timestamp(1_795_302_974_123_456);
    let keys: Vec<ServiceKey> = (3..5)
        .map(|kvno| ServiceKey {
            kvno,
            key: etype.generate(random),
        })
        .collect();
    let start = Timestamp::from_unix(now.unix());
    let part = EncTicketPart::initial(client.clone(), etype.generate(random), start, start.plus(SKEW * 12));
    let ticket = Ticket::seal(&service, &part, &keys[0], PadForm::Uncovered, random).expect("seals");
    World {
        client,
        service,
        keys,
        part,
        ticket,
        now,
    }
}

impl World {
    fn content(&self) -> ApReqContent<'_> {
        ApReqContent {
            client: &self.client,
            ticket: &self.ticket,
            session_key: &self.part.key,
            now: self.now,
            mutual: true,
            checksum: None,
            subkey: None,
            seq_number: Some(Number32::signed(0x9569_24bf)),
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            pad: PadForm::Covered,
        }
    }

    fn expectation(&self) -> ApReqExpectation<'_> {
        ApReqExpectation {
            service: &self.service,
            keys: &self.keys,
            now: self.now,
            skew: SKEW,
            peer: None,
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        }
    }

    fn request(&self) -> (Vec<u8>, ApReqSent) {
        let (request, sent) = ApReq::build(&self.content(), &mut SeededRandom::new(2)).expect("builds");
        (request.encode(), sent)
    }

    fn code<'a>(&'a self, request: &[u8], change: impl FnOnce(&mut ApReqExpectation<'a>)) -> Option<KrbErrorCode> {
        let mut expectation = self.expectation();
        change(&mut expectation);
        open_ap_req(request, &expectation).err().map(|error| error.code())
    }
}

#[test]
fn rfc4120_3_2_ap_exchange_in_every_encryption_type() {
    for etype in EncType::ALL {
        let world = world(etype);
        let (request, sent) = world.request();
        let opened = open_ap_req(&request, &world.expectation()).expect("opens");
        assert_eq!(opened.client, world.client);
        assert_eq!(opened.session_key(), &world.part.key);
        assert!(opened.mutual);
        let random = &mut SeededRandom::new(3);
        let subkey = generate_subkey(SUBKEY_LENGTH, random);
        let seq_number = opened.authenticator.seq_number;
        let reply = build_ap_rep(&opened, Some(subkey.clone()), seq_number, PadForm::Covered, random).expect("builds");
        let (part, _) = open_ap_rep(&reply, &world.part.key, &sent).expect("opens");
        assert_eq!(part.seq_number, sent.seq_number);
        assert_eq!(part.subkey, Some(subkey));
        let other = ApReqSent { cusec: 1, ..sent };
        assert!(matches!(
            open_ap_rep(&reply, &world.part.key, &other),
            Err(KerberosError::Mismatch { .. })
        ));
    }
}

#[test]
fn p4_the_subkey_has_46_octets_of_key_type_65() {
    let subkey = generate_subkey(SUBKEY_LENGTH, &mut SeededRandom::new(3));
    assert_eq!((subkey.etype, subkey.value.len()), (65, 46));
}

#[test]
fn rfc4120_3_2_3_each_check_has_its_code() {
    let world = world(EncType::Des3CbcMd5);
    let (request, _) = world.request();
    assert_eq!(world.code(&request, |_| {}), None);
    assert_eq!(world.code(&request[1..], |_| {}), Some(KrbErrorCode::MessageType));
    let other = PrincipalName::mtaprovsrvr(&fqdn("other.pktc.example.net")).at(&realm());
    assert_eq!(world.code(&request, |e| e.service = &other), Some(KrbErrorCode::NotUs));
    assert_eq!(
        world.code(&request, |e| e.keys = &world.keys[1..]),
        Some(KrbErrorCode::BadKeyVersion)
    );
    let aes = [ServiceKey {
        kvno: 3,
        key: EncType::Aes128Sha1.generate(&mut SeededRandom::new(4)),
    }];
    assert_eq!(world.code(&request, |e| e.keys = &aes), Some(KrbErrorCode::NoKey));
    let wrong = [ServiceKey {
        kvno: 3,
        key: EncType::Des3CbcMd5.generate(&mut SeededRandom::new(4)),
    }];
    assert_eq!(
        world.code(&request, |e| e.keys = &wrong),
        Some(KrbErrorCode::BadIntegrity)
    );
    let shift = |by: i64| Timestamp(world.now.0 + by * 1_000_000);
    for by in [-301, 301] {
        assert_eq!(world.code(&request, |e| e.now = shift(by)), Some(KrbErrorCode::Skew));
    }
    for by in [-300, 300] {
        assert_eq!(world.code(&request, |e| e.now = shift(by)), None);
    }
    // The ticket's own ends, with an Authenticator of the hour.
    let at = |by: i64| {
        let content = ApReqContent {
            now: shift(by),
            ..world.content()
        };
        let (request, _) = ApReq::build(&content, &mut SeededRandom::new(5)).expect("builds");
        world.code(&request.encode(), |e| e.now = shift(by))
    };
    assert_eq!(at(-302), Some(KrbErrorCode::TicketNotYetValid));
    assert_eq!(at(3_600 + 299), None);
    assert_eq!(at(3_600 + 301), Some(KrbErrorCode::TicketExpired));
    let stranger = PrincipalName::mta(&fqdn("mta-2.pktc.example.net")).at(&realm());
    let content = ApReqContent {
        client: &stranger,
        ..world.content()
    };
    let (request, _) = ApReq::build(&content, &mut SeededRandom::new(5)).expect("builds");
    assert_eq!(world.code(&request.encode(), |_| {}), Some(KrbErrorCode::BadMatch));
}

#[test]
fn a_ticket_bound_to_addresses_is_good_from_there_alone() {
    let mut world = world(EncType::Aes256Sha1);
    let home = "192.0.2.1".parse().expect("address");
    world.part.caddr = Some(vec![HostAddress::from(home)]);
    let random = &mut SeededRandom::new(6);
    world.ticket = Ticket::seal(&world.service, &world.part, &world.keys[0], PadForm::Covered, random).expect("seals");
    let (request, _) = world.request();
    assert_eq!(world.code(&request, |e| e.peer = Some(home)), None);
    let mapped = "::ffff:192.0.2.1".parse().expect("address");
    assert_eq!(world.code(&request, |e| e.peer = Some(mapped)), None);
    let away = "192.0.2.2".parse().expect("address");
    assert_eq!(
        world.code(&request, |e| e.peer = Some(away)),
        Some(KrbErrorCode::BadAddress)
    );
}

#[test]
fn a_ticket_without_a_key_version_is_tried_with_every_key() {
    let mut world = world(EncType::Des3CbcMd5);
    world.ticket.enc_part.kvno = None;
    let (request, _) = world.request();
    assert_eq!(world.code(&request, |_| {}), None);
}

fn request_body(nonce: Number32) -> KdcReqBody {
    KdcReqBody {
        kdc_options: KerberosFlags::default(),
        cname: None,
        realm: realm(),
        sname: Some(PrincipalName::mtaprovsrvr(&fqdn("prov.pktc.example.net"))),
        from: None,
        till: None,
        rtime: None,
        nonce,
        etype: vec![5],
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: None,
    }
}

#[test]
fn rfc4120_5_4_as_and_tgs_replies_open() {
    let world = world(EncType::Des3CbcMd5);
    let random = &mut SeededRandom::new(7);
    for exchange in [Exchange::As, Exchange::Tgs] {
        let nonce = Number32::signed(0x97ab_c244);
        let request = KdcReq::new(exchange, vec![PaData::new(-1, vec![0x1b, 0])], request_body(nonce));
        let read = KdcReq::parse(&request.encode()).expect("parses");
        assert_eq!(read, request);
        let key = EncType::Des3CbcMd5.generate(random);
        let part = EncKdcRepPart::for_ticket(&world.part, world.service.name.clone(), realm(), read.body.nonce);
        let reply_key = ReplyKey {
            key: &key,
            usage: KeyUsage::AS_REP,
            pad: PadForm::Covered,
        };
        let client = (world.client.name.clone(), realm());
        let reply =
            KdcRep::build(exchange, vec![], client, world.ticket.clone(), &part, reply_key, random).expect("builds");
        let octets = reply.encode();
        let read = KdcRep::parse(&octets).expect("parses");
        assert_eq!(read, reply);
        let (opened, _) = read.open(&request.body, &key, KeyUsage::AS_REP).expect("opens");
        assert_eq!(opened.key, world.part.key);
        let other = request_body(Number32::new(1));
        assert!(matches!(
            read.open(&other, &key, KeyUsage::AS_REP),
            Err(KerberosError::Mismatch { field: "nonce", .. })
        ));
    }
}

#[test]
fn p33_enc_kdc_rep_part_is_read_under_either_tag() {
    let world = world(EncType::Des3CbcMd5);
    let part = EncKdcRepPart::for_ticket(&world.part, world.service.name.clone(), realm(), Number32::new(1));
    for (exchange, octet) in [(Exchange::As, 0x79), (Exchange::Tgs, 0x7a)] {
        let octets = part.encode(exchange);
        assert_eq!(octets.first(), Some(&octet));
        assert_eq!(EncKdcRepPart::parse(&octets).expect("parses").key, part.key);
    }
}

/// Each AS-REQ of the third-party client decodes to what its README says and encodes to the same octets.
#[test]
fn as_reqs_of_a_third_party_client() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/heimdal-as-req");
    for (name, nonce, till) in [
        ("2003-nodh", 0xe27d_2347, true),
        ("2004-dh-md5", 0x2560_b4c9, true),
        ("2004-dh-sha1", 0x39b5_2971, true),
        ("2004-dh-rawy", 0x9569_24bf, true),
        ("2004-dh-highnonce", 0x97ab_c244, true),
        ("2004-dh-etype5", 0xba02_ecad, true),
        ("2004-dh-tgt", 0xe88c_1c8d, true),
        ("2004-dh-notill-nocname", 0x0095_219d, false),
        ("2005-nodh", 0x6f30_fa86, true),
        ("2005-dh", 0x87ca_2082, true),
    ] {
        let octets = std::fs::read(folder.join(format!("{name}.der"))).expect(name);
        let request = KdcReq::parse(&octets).expect(name);
        assert_eq!(request.exchange, Exchange::As);
        assert_eq!(request.body.nonce.value(), nonce, "{name}");
        assert_eq!(request.body.till.is_some(), till, "{name}");
        assert_eq!(request.body.cname.is_some(), till, "{name}");
        assert_eq!(request.body.realm, realm());
        assert!(request.body.etype.contains(&5));
        let location = PaData::find(&request.padata, PA_PROV_SRV_LOCATION).expect("location");
        assert_eq!(location.read_prov_srv_location(), Ok(fqdn("prov.pktc.example.net")));
        assert!(PaData::find(&request.padata, PA_PK_AS_REQ).is_some());
        assert_eq!(request.encode(), octets, "{name}");
        // What we decode of the body encodes to the same octets, the nonce's spelling included.
        let again = KdcReq::new(Exchange::As, request.padata.clone(), request.body.clone());
        assert_eq!(again.body_der(), request.body_der(), "{name}");
    }
}

#[test]
fn p20_krb_safe_in_both_coverages_and_every_checksum() {
    let random = &mut SeededRandom::new(8);
    for etype in EncType::ALL {
        let key = etype.generate(random);
        let body = SafeBody::new(
            b"data".to_vec(),
            Timestamp(1_795_302_974_123_456),
            Some(Number32::new(7)),
        );
        for kind in ChecksumType::ALL {
            for coverage in [SafeCoverage::Message, SafeCoverage::Body] {
                let Ok(octets) = build_safe(&body, &key, Some(kind), coverage, random) else {
                    continue;
                };
                let opened = open_safe(&octets, &key).expect("opens");
                assert_eq!((opened.kind, opened.coverage), (kind, coverage));
                assert_eq!(opened.body, body);
                assert!(open_safe(&octets, &etype.generate(random)).is_err());
            }
        }
        let own = open_safe(
            &build_safe(&body, &key, None, SafeCoverage::Message, random).expect("builds"),
            &key,
        );
        assert_eq!(own.map(|opened| opened.kind), Ok(ChecksumType::of_enc_type(etype)));
    }
}

#[test]
fn p20_rsa_md5_des3_under_the_plain_key_is_accepted() {
    let random = &mut SeededRandom::new(9);
    let key = EncType::Des3CbcMd5.generate(random);
    let sum = |key: &EncryptionKey, random: &mut SeededRandom| {
        Checksum::keyed(ChecksumType::RsaMd5Des3, key, KeyUsage(15), b"data", random).expect("sums")
    };
    assert_eq!(sum(&key, random).verify(Some(&key), KeyUsage(15), b"data"), Ok(()));
    // The variant of the key's variant is the key: a sum made with the variant as key stands under the plain key.
    let turned: Vec<u8> = key.value.expose().iter().map(|octet| octet ^ 0xf0).collect();
    let turned = EncryptionKey::new(EncType::Des3CbcMd5, crate::value::Secret::new(turned)).expect("24 octets");
    let plain = sum(&turned, random);
    assert_eq!(plain.verify(Some(&key), KeyUsage(15), b"data"), Ok(()));
    assert_eq!(
        plain.verify(Some(&key), KeyUsage(15), b"date"),
        Err(CryptoError::Integrity)
    );
}

#[test]
fn unkeyed_checksums_do_not_protect_a_safe() {
    let random = &mut SeededRandom::new(10);
    let key = EncType::Des3CbcMd5.generate(random);
    let body = SafeBody::new(vec![1], Timestamp(0), None);
    assert!(build_safe(&body, &key, Some(ChecksumType::RsaMd5), SafeCoverage::Body, random).is_err());
    let sum = Checksum::unkeyed(ChecksumType::RsaMd5, b"").expect("sums");
    assert_eq!(crate::value::hex(&sum.checksum), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(sum.verify(None, KeyUsage(1), b""), Ok(()));
}

#[test]
fn krb_error_keeps_its_fields_and_its_checksum() {
    let random = &mut SeededRandom::new(11);
    let world = world(EncType::Des3CbcMd5);
    let typed = vec![TypedData {
        data_type: 106,
        data_value: Some(vec![1, 2].into()),
    }];
    let error = KrbError::new(KrbErrorCode::Skew, &world.service, world.now)
        .with_data(TypedData::encode_list(&typed))
        .signed(&world.part.key, random)
        .expect("signs");
    let read = KrbError::parse(&error.encode()).expect("parses");
    assert_eq!(read, error);
    assert_eq!(read.code(), Some(KrbErrorCode::Skew));
    assert_eq!(read.verify(&world.part.key), Ok(()));
    assert!(read.verify(&world.keys[0].key).is_err());
    assert_eq!(
        TypedData::decode_list(read.e_data.as_deref().unwrap_or_default()),
        Ok(typed)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_changed_ap_req_is_believed(at in any::<proptest::sample::Index>(), flip in 1u8..=255) {
        for etype in [EncType::Des3CbcMd5, EncType::Aes256Sha384] {
            let world = world(etype);
            let (request, _) = world.request();
            let original = open_ap_req(&request, &world.expectation()).expect("opens");
            let mut changed = request.clone();
            changed[at.index(request.len())] ^= flip;
            if let Ok(opened) = open_ap_req(&changed, &world.expectation()) {
                // Name types and ap-options are under no key.
                prop_assert_eq!(opened.client, world.client.clone());
                prop_assert_eq!(opened.replay_hash, original.replay_hash);
            }
        }
    }

    #[test]
    fn hostile_octets_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = EncType::Des3CbcMd5.generate(&mut SeededRandom::new(12));
        let _ = (KdcReq::parse(&octets), KdcRep::parse(&octets), ApReq::parse(&octets), KrbError::parse(&octets));
        let _ = (open_safe(&octets, &key), EncKdcRepPart::parse(&octets), TypedData::decode_list(&octets));
    }

    #[test]
    fn a_broken_as_req_does_not_panic(at in any::<proptest::sample::Index>(), seed: u64, cut: bool) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/heimdal-as-req");
        let mut octets = std::fs::read(folder.join("2004-dh-md5.der")).expect("fixture");
        let index = at.index(octets.len());
        if cut {
            octets.truncate(index);
            prop_assert!(KdcReq::parse(&octets).is_err());
        } else {
            let mut random = SeededRandom::new(seed);
            octets[index] = random.array::<1>()[0];
            let _ = KdcReq::parse(&octets);
        }
    }
}
