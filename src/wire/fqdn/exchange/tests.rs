//! Both halves against each other, and datagrams changed on the way.

use super::super::data::{VERSION_1, public_key_hash};
use super::*;
use crate::value::{Fqdn, MacAddress, Realm, SeededRandom};
use crate::wire::kerberos::{ChecksumType, EncTicketPart, EncType, PrincipalName, ServiceKey};
use proptest::prelude::*;

const SKEW: Duration = Duration::from_secs(300);

struct World {
    kdc: Principal,
    service: Principal,
    keys: Vec<ServiceKey>,
    session_key: EncryptionKey,
    ticket: Ticket,
    now: Timestamp,
}

fn world(etype: EncType) -> World {
    let random = &mut SeededRandom::new(7);
    let realm: Realm = "PKTC.EXAMPLE.NET".parse().expect("realm");
    let fqdn = |text: &str| text.parse::<Fqdn>().expect("fqdn");
    let kdc = PrincipalName::kdcquery(&fqdn("kdc.pktc.example.net")).at(&realm);
    let service = PrincipalName::mtafqdnmap(&fqdn("prov.pktc.example.net")).at(&realm);
    let now = Timestamp(1_795_302_974_123_456);
    let session_key = etype.generate(random);
    let keys = vec![ServiceKey {
        kvno: 3,
        key: etype.generate(random),
    }];
    let part = EncTicketPart::initial(kdc.clone(), session_key.clone(), now, now.plus(SKEW));
    let ticket = Ticket::seal(&service, &part, &keys[0], PadForm::Covered, random).expect("seals");
    World {
        kdc,
        service,
        keys,
        session_key,
        ticket,
        now,
    }
}

impl World {
    fn ask(&self) -> (Vec<u8>, FqdnSent) {
        let request = FqdnRequest {
            version: VERSION_1,
            mac: MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
            public_key_hash: public_key_hash(b"key"),
            manufacturer_revoked: None,
        };
        let query = FqdnQuery {
            client: &self.kdc,
            ticket: &self.ticket,
            session_key: &self.session_key,
            now: self.now,
            from: None,
            pad: PadForm::Covered,
        };
        build_request(&request, &query, &mut SeededRandom::new(8)).expect("builds")
    }

    fn take(&self, datagram: &[u8]) -> Result<FqdnRequestOpened, FqdnExchangeError> {
        open_request(
            datagram,
            &ApReqExpectation {
                service: &self.service,
                keys: &self.keys,
                now: self.now.plus(Duration::from_millis(1_500)),
                skew: SKEW,
                peer: None,
                usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            },
        )
    }

    fn answer(&self, request: &FqdnRequestOpened, seed: u64) -> Vec<u8> {
        let random = &mut SeededRandom::new(seed);
        build_reply(
            request,
            &answer(),
            ReplyForm::Fitting,
            PadForm::Uncovered,
            self.now,
            random,
        )
        .expect("builds")
    }
}

fn answer() -> FqdnAnswer {
    FqdnAnswer {
        fqdn: "mta-1.pktc.example.net".parse().expect("fqdn"),
        addresses: vec!["2001:db8::1".parse().expect("address")],
    }
}

mod eue_prov {
    use super::*;

    #[test]
    fn s6_1_7_the_exchange_in_every_encryption_type() {
        for etype in EncType::ALL {
            let world = world(etype);
            let (datagram, sent) = world.ask();
            assert_eq!(datagram.first(), Some(&0x6e));
            let opened = world.take(&datagram).expect("opens");
            assert_eq!(opened.ap.client, world.kdc);
            let reply = world.answer(&opened, 9);
            assert_eq!(reply.first(), Some(&0x6f));
            let outcome = open_reply(&reply, &sent, world.now, SKEW);
            assert_eq!(outcome, Ok(FqdnOutcome::Answer(answer())));
        }
    }

    #[test]
    fn s6_1_7_refusals_and_errors_come_back() {
        let world = world(EncType::Des3CbcMd5);
        let (datagram, sent) = world.ask();
        let opened = world.take(&datagram).expect("opens");
        let random = &mut SeededRandom::new(10);
        let code = FqdnErrorCode::UnknownMac;
        let refusal = build_refusal(&opened, code, PadForm::Covered, world.now, random).expect("builds");
        assert_eq!(
            open_reply(&refusal, &sent, world.now, SKEW),
            Ok(FqdnOutcome::Refused(code))
        );
        let error = build_error(KrbErrorCode::Skew, &world.service, world.now);
        let Ok(FqdnOutcome::KrbError(read)) = open_reply(&error, &sent, world.now, SKEW) else {
            panic!("a KRB-ERROR comes back");
        };
        assert_eq!(read.code(), Some(KrbErrorCode::Skew));
    }
}

/// A query whose KRB-SAFE has this checksum, under the session key or a subkey in the Authenticator.
fn asked_by(world: &World, kind: ChecksumType, with_subkey: bool) -> (Vec<u8>, FqdnSent, Option<EncryptionKey>) {
    let random = &mut SeededRandom::new(21);
    let subkey = with_subkey.then(|| world.session_key.enc_type().expect("a type").generate(random));
    let seq_number = Some(Number32::new(77));
    let content = ApReqContent {
        client: &world.kdc,
        ticket: &world.ticket,
        session_key: &world.session_key,
        now: world.now,
        mutual: true,
        checksum: None,
        subkey: subkey.clone(),
        seq_number,
        usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        pad: PadForm::Covered,
    };
    let (ap_req, ap) = ApReq::build(&content, random).expect("builds");
    let request = FqdnRequest {
        version: VERSION_1,
        mac: MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
        public_key_hash: public_key_hash(b"key"),
        manufacturer_revoked: None,
    };
    let body = SafeBody::new(request.encode(), world.now, seq_number);
    let key = subkey.as_ref().unwrap_or(&world.session_key);
    let safe = build_safe(&body, key, Some(kind), SafeCoverage::default(), random).expect("builds");
    let sent = FqdnSent {
        session_key: world.session_key.clone(),
        ap,
    };
    ([ap_req.encode(), safe].concat(), sent, subkey)
}

#[test]
fn p20_each_checksum_type_is_taken_and_answered_by_the_same() {
    use ChecksumType as C;
    for (etype, kinds) in [
        (
            EncType::Des3CbcMd5,
            &[C::RsaMd5Des3, C::HmacSha1Des3Kd, C::HmacSha1Des3][..],
        ),
        (
            EncType::Des3CbcSha1Kd,
            &[C::HmacSha1Des3Kd, C::HmacSha1Des3, C::RsaMd5Des3],
        ),
        (EncType::Aes128Sha1, &[C::HmacSha1Aes128]),
        (EncType::Aes256Sha1, &[C::HmacSha1Aes256]),
        (EncType::Aes128Sha256, &[C::HmacSha256Aes128]),
        (EncType::Aes256Sha384, &[C::HmacSha384Aes256]),
    ] {
        for &kind in kinds {
            let world = world(etype);
            let (datagram, sent, _) = asked_by(&world, kind, false);
            let opened = world.take(&datagram).expect("opens");
            let reply = world.answer(&opened, 9);
            let (_, safe) = split_der(&reply).expect("splits");
            assert_eq!(open_safe(safe, &world.session_key).expect("opens").kind, kind);
            let outcome = open_reply(&reply, &sent, world.now, SKEW);
            assert_eq!(outcome, Ok(FqdnOutcome::Answer(answer())), "{kind:?}");
        }
    }
}

#[test]
fn p20_an_unkeyed_checksum_is_refused_whatever_it_covers() {
    for kind in [7, 10, 14] {
        let world = world(EncType::Des3CbcMd5);
        let (datagram, _, _) = asked_by(&world, ChecksumType::RsaMd5Des3, false);
        let (ap_req, safe) = split_der(&datagram).expect("splits");
        // The checksum's type is the last INTEGER of the message, one octet long.
        let at = safe
            .windows(5)
            .rposition(|octets| octets == [0xa0, 3, 2, 1, 9])
            .expect("its type")
            + 4;
        let mut changed = safe.to_vec();
        changed[at] = kind;
        let refused = world.take(&[ap_req, &changed].concat()).expect_err("refused");
        assert_eq!(refused.code(), KrbErrorCode::Modified, "{kind}");
    }
}

#[test]
fn a_request_under_the_authenticators_subkey_is_answered_under_it() {
    let world = world(EncType::Aes256Sha1);
    let (datagram, _, subkey) = asked_by(&world, ChecksumType::HmacSha1Aes256, true);
    let opened = world.take(&datagram).expect("opens");
    let reply = world.answer(&opened, 9);
    let (_, safe) = split_der(&reply).expect("splits");
    assert!(open_safe(safe, &world.session_key).is_err());
    assert!(open_safe(safe, &subkey.expect("a subkey")).is_ok());
}

#[test]
fn rfc4120_5_6_1_a_peer_that_gives_its_address_gets_the_servers() {
    let world = world(EncType::Aes128Sha1);
    let request = FqdnRequest {
        version: VERSION_1,
        mac: MacAddress([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
        public_key_hash: public_key_hash(b"key"),
        manufacturer_revoked: None,
    };
    let (own, local): (IpAddr, IpAddr) = ("192.0.2.8".parse().expect("ip"), "192.0.2.1".parse().expect("ip"));
    for from in [Some(own), None] {
        let query = FqdnQuery {
            client: &world.kdc,
            ticket: &world.ticket,
            session_key: &world.session_key,
            now: world.now,
            from,
            pad: PadForm::Covered,
        };
        let (datagram, _) = build_request(&request, &query, &mut SeededRandom::new(8)).expect("builds");
        let opened = world.take(&datagram).expect("opens").received_at(local);
        assert_eq!(opened.safe.body.s_address.as_ref().and_then(HostAddress::ip), from);
        let reply = world.answer(&opened, 9);
        let (_, safe) = split_der(&reply).expect("splits");
        let body = open_safe(safe, &world.session_key).expect("opens").body;
        let expected = from.map(|_| local);
        assert_eq!(body.s_address.as_ref().and_then(HostAddress::ip), expected);
    }
}

#[test]
fn a_safe_of_another_exchange_is_stale() {
    let world = world(EncType::Des3CbcMd5);
    let (datagram, sent) = world.ask();
    let opened = world.take(&datagram).expect("opens");
    let reply = world.answer(&opened, 9);
    let mut other = sent.clone();
    other.ap.seq_number = Some(Number32::new(1));
    // The AP-REP still repeats the server's number, so take that away as well.
    let (ap_rep, safe) = split_der(&reply).expect("splits");
    let bare = build_ap_rep(&opened.ap, None, None, PadForm::Covered, &mut SeededRandom::new(1)).expect("builds");
    assert_eq!(
        open_reply(&[&bare, safe].concat(), &other, world.now, SKEW),
        Err(FqdnExchangeError::Stale("sequence number"))
    );
    assert!(open_reply(ap_rep, &sent, world.now, SKEW).is_err());
    let late = world.now.plus(SKEW * 2);
    assert_eq!(
        open_reply(&reply, &sent, late, SKEW),
        Err(FqdnExchangeError::Stale("timestamp"))
    );
}

#[test]
fn octets_behind_the_last_message_are_refused() {
    let world = world(EncType::Des3CbcMd5);
    let (mut datagram, _) = world.ask();
    datagram.push(0);
    assert_eq!(world.take(&datagram).err(), Some(FqdnExchangeError::Trailing(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_changed_datagram_is_believed(at in any::<proptest::sample::Index>(), flip in 1u8..=255) {
        let world = world(EncType::Aes128Sha1);
        let (datagram, sent) = world.ask();
        let original = world.take(&datagram).expect("opens");
        let mut changed = datagram.clone();
        changed[at.index(datagram.len())] ^= flip;
        if let Ok(opened) = world.take(&changed) {
            // Only what no key protects may differ: name types and options of the AP-REQ.
            prop_assert_eq!(opened.request, original.request.clone());
            prop_assert_eq!(opened.ap.replay_hash, original.ap.replay_hash);
        }
        let mut reply = world.answer(&original, 9);
        let index = at.index(reply.len());
        reply[index] ^= flip;
        if let Ok(outcome) = open_reply(&reply, &sent, world.now, SKEW) {
            prop_assert_eq!(outcome, FqdnOutcome::Answer(answer()));
        }
    }

    #[test]
    fn hostile_datagrams_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let world = world(EncType::Des3CbcMd5);
        let (_, sent) = world.ask();
        prop_assert!(world.take(&octets).is_err());
        prop_assert!(open_reply(&octets, &sent, world.now, SKEW).is_err());
    }
}
