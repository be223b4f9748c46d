use proptest::prelude::*;

use super::*;
use crate::value::{EngineId, MacAddress, SeededRandom};
use crate::wire::keymgmt::{HmacCoverage, HmacKeyRule, UserName};

const AP_REQ: &[u8] = &[0x6e, 0x03, 0x02, 0x01, 0x05];
const AP_REP: &[u8] = &[0x6f, 0x02, 0x05, 0x00];
const KRB_ERROR_PART: &[u8] = &[0x7e, 0x00];

fn parameters() -> SnmpParameters {
    SnmpParameters {
        engine_id: EngineId::cablelabs([1, 2, 3, 4, 5, 6, 7, 8]),
        engine_boots: 7,
        engine_time: 0x0102_0304,
        user: UserName::of_device(MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc])),
    }
}

fn request() -> ApRequest<'static> {
    ApRequest {
        ap_req: AP_REQ,
        server_nonce: None,
        agent: parameters(),
        suites: vec![
            SuiteId {
                authentication: 0x22,
                privacy: 0x24,
            },
            SuiteId {
                authentication: 0x55,
                privacy: 0x66,
            },
            SuiteId {
                authentication: 0x21,
                privacy: 0x21,
            },
        ],
        reestablish: false,
    }
}

fn reply() -> ApReply<'static> {
    ApReply {
        ap_rep: AP_REP,
        manager: parameters(),
        suite: SuiteId {
            authentication: 0x21,
            privacy: 0x21,
        },
        lifetime: 0,
        grace: 0,
        reestablish: false,
        ack_required: true,
    }
}

fn rekey() -> Rekey {
    Rekey {
        server_nonce: NonZeroU32::new(0xdead_beef).unwrap(),
        principal: "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET".into(),
        timestamp: Timestamp::from_civil(2026, 11, 21, 23, 16, 14).unwrap(),
        manager: parameters(),
        suites: request().suites,
        lifetime: 3600,
        grace: 60,
        reestablish: true,
    }
}

fn session_key() -> Secret {
    Secret::new((0..24).collect())
}

fn keys(session_key: &Secret) -> HmacKeys<'_> {
    HmacKeys {
        session_key,
        authenticator_subkey: None,
    }
}

#[test]
fn an_ap_request_octet_by_octet() {
    let session_key = session_key();
    let datagram = request().seal(HmacRecipe::default(), keys(&session_key)).unwrap();
    let expected = [
        "020210",                         // AP Request, SNMPv3, 1.0
        "6e03020105",                     // the Kerberos part
        "00000000",                       // no Wake Up asked for it
        "0d80 00118b05 0102030405060708", // engine id
        "00000007",                       // boots
        "01020304",                       // time
        "1a",                             // "MTA-Prov-00:11:22:AA:BB:CC"
        "4d54412d50726f762d30303a31313a32323a41413a42423a4343",
        "03 2224 5566 2121", // three ciphersuites, one of them unknown
        "00",                // no re-establishment
    ];
    let expected = crate::value::unhex(&expected.concat().replace(' ', "")).unwrap();
    assert_eq!(datagram[..expected.len()], expected);
    assert_eq!(datagram.len(), expected.len() + HMAC_LENGTH);
    assert_eq!(expected.len() + HMAC_LENGTH, 29 + 5 + (1 + 13 + 4 + 4 + 1 + 26) + 2 * 3);
}

/// OpenSSL is the judge: HMAC-SHA-1 under SHA-1 of the session key, over everything before the HMAC.
#[test]
fn p1_p2_the_default_hmac_as_openssl_computes_it() {
    let session_key = session_key();
    let datagram = request().seal(HmacRecipe::default(), keys(&session_key)).unwrap();
    let covered = &datagram[..datagram.len() - HMAC_LENGTH];
    let key = openssl::hash::hash(openssl::hash::MessageDigest::sha1(), session_key.expose()).unwrap();
    let key = openssl::pkey::PKey::hmac(&key).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha1(), &key).unwrap();
    assert_eq!(signer.sign_oneshot_to_vec(covered).unwrap(), datagram[covered.len()..]);
}

#[test]
fn every_message_comes_back_as_it_was() {
    let session_key = session_key();
    let recipe = HmacRecipe::default();
    let datagram = request().seal(recipe, keys(&session_key)).unwrap();
    let Ok(Message::ApRequest(sealed)) = Message::decode(&datagram) else {
        panic!("an AP Request");
    };
    assert!(sealed.verify(recipe, keys(&session_key)));
    assert_eq!(sealed.body, request());

    let datagram = reply().seal(recipe, keys(&session_key)).unwrap();
    let Ok(Message::ApReply(sealed)) = Message::decode(&datagram) else {
        panic!("an AP Reply");
    };
    assert!(sealed.verify(recipe, keys(&session_key)));
    assert_eq!(sealed.body, reply());

    let datagram = rekey().seal(&session_key).unwrap();
    let Ok(Message::Rekey(sealed)) = Message::decode(&datagram) else {
        panic!("a Rekey");
    };
    assert!(sealed.verify_rekey(&session_key));
    assert_eq!(sealed.body, rekey());

    let wake_up = WakeUp {
        server_nonce: rekey().server_nonce,
        principal: rekey().principal,
    };
    assert_eq!(
        Message::decode(&wake_up.encode().unwrap()),
        Ok(Message::WakeUp(wake_up.clone()))
    );

    let error = ErrorReply {
        krb_error: KRB_ERROR_PART,
    };
    assert_eq!(Message::decode(&error.encode()), Ok(Message::ErrorReply(error)));
}

#[test]
fn p1_p2_each_recipe_is_recognised_by_its_message_and_by_no_other() {
    let session_key = session_key();
    let subkey = Secret::new(vec![9; 24]);
    let keys = HmacKeys {
        session_key: &session_key,
        authenticator_subkey: Some(&subkey),
    };
    for recipe in HmacRecipe::ALL {
        let datagram = request().seal(recipe, keys).unwrap();
        let Ok(Message::ApRequest(sealed)) = Message::decode(&datagram) else {
            panic!("an AP Request");
        };
        assert_eq!(sealed.recipe(HmacRecipe::ALL, keys), Some(recipe));
        for other in HmacRecipe::ALL {
            assert_eq!(sealed.verify(other, keys), other == recipe);
        }
        let stranger = Secret::new(vec![1; 24]);
        let foreign = HmacKeys {
            session_key: &stranger,
            authenticator_subkey: None,
        };
        assert_eq!(sealed.recipe(HmacRecipe::ALL, foreign), None);
    }
}

#[test]
fn p1_a_missing_authenticator_subkey_is_an_error_not_an_empty_key() {
    let session_key = session_key();
    let recipe = HmacRecipe {
        key: HmacKeyRule::AuthenticatorSubkey,
        coverage: HmacCoverage::WholeMessage,
    };
    assert_eq!(request().seal(recipe, keys(&session_key)), Err(EncodeError::NoHmacKey));
}

#[test]
fn p3_security_parameter_recovered_in_both_forms() {
    let session_key = session_key();
    let subkey = Secret::new(vec![3; 46]);
    let ap_reply = reply().seal(HmacRecipe::default(), keys(&session_key)).unwrap();
    for recipe in HmacRecipe::ALL {
        for rule in [RecoveredRule::OwnHeader, RecoveredRule::ApReply] {
            let datagram = Recovered::encode(rule, recipe, &ap_reply, &subkey);
            assert_eq!(datagram.len(), Recovered::LENGTH);
            let Ok(Message::Recovered(recovered)) = Message::decode(&datagram) else {
                panic!("a Security Parameter Recovered");
            };
            assert!(recovered.verify(rule, recipe, &ap_reply, &subkey));
            assert!(!recovered.verify(rule, recipe, &ap_reply, &session_key));
            if rule == RecoveredRule::ApReply {
                assert!(!recovered.verify(rule, recipe, &ap_reply[1..], &subkey));
            }
        }
    }
}

#[test]
fn every_changed_octet_breaks_the_message_or_its_hmac() {
    let session_key = session_key();
    let datagram = request().seal(HmacRecipe::default(), keys(&session_key)).unwrap();
    for at in 0..datagram.len() {
        let mut changed = datagram.clone();
        changed[at] ^= 0x01;
        if let Ok(Message::ApRequest(sealed)) = Message::decode(&changed) {
            assert!(!sealed.verify(HmacRecipe::default(), keys(&session_key)), "octet {at}");
        }
    }
}

#[test]
fn every_truncation_and_every_trailing_octet_is_refused() {
    let session_key = session_key();
    let wake_up = WakeUp {
        server_nonce: rekey().server_nonce,
        principal: rekey().principal,
    };
    let datagrams = [
        request().seal(HmacRecipe::default(), keys(&session_key)).unwrap(),
        reply().seal(HmacRecipe::default(), keys(&session_key)).unwrap(),
        rekey().seal(&session_key).unwrap(),
        wake_up.encode().unwrap(),
        ErrorReply {
            krb_error: KRB_ERROR_PART,
        }
        .encode(),
        Recovered::encode(RecoveredRule::OwnHeader, HmacRecipe::default(), &[], &session_key),
    ];
    for datagram in datagrams {
        for length in 0..datagram.len() {
            assert!(
                Message::decode(&datagram[..length]).is_err(),
                "{} of {} octets",
                length,
                datagram.len()
            );
        }
        let mut longer = datagram.clone();
        longer.push(0);
        assert_eq!(
            Message::decode(&longer),
            Err(DecodeError::Trailing { offset: datagram.len() })
        );
    }
}

#[test]
fn the_header_is_refused_by_name() {
    assert_eq!(Message::decode(&[2, 1, 0x10]), Err(DecodeError::IpsecDoi));
    assert_eq!(Message::decode(&[2, 3, 0x10]), Err(DecodeError::Doi(3)));
    assert_eq!(Message::decode(&[2, 2, 0x20]), Err(DecodeError::Version(0x20)));
    assert_eq!(Message::decode(&[0, 2, 0x10]), Err(DecodeError::MessageId(0)));
    assert_eq!(Message::decode(&[7, 2, 0x10]), Err(DecodeError::MessageId(7)));
    assert_eq!(
        Message::decode(&[2, 2, 0x10, 0x6f, 0x00]),
        Err(DecodeError::Kerberos {
            expected: 0x6e,
            offset: 3
        })
    );
    assert_eq!(
        Message::decode(&[1, 2, 0x10, 0, 0, 0, 0, b'a', 0]).map_err(|error| error.offset()),
        Err(3),
        "P9: a Wake Up never carries nonce 0"
    );
}

#[test]
fn p9_a_wake_up_nonce_is_never_zero() {
    struct Zeros;
    impl Random for Zeros {
        fn fill(&mut self, octets: &mut [u8]) {
            octets.fill(0);
        }
    }
    assert_eq!(WakeUp::nonce(&mut Zeros).get(), 1);
    assert_ne!(
        WakeUp::nonce(&mut SeededRandom::new(1)),
        WakeUp::nonce(&mut SeededRandom::new(2))
    );
}

#[test]
fn what_does_not_fit_is_not_encoded() {
    let session_key = session_key();
    let mut many = request();
    many.suites = vec![
        SuiteId {
            authentication: 1,
            privacy: 1
        };
        256
    ];
    assert_eq!(
        many.seal(HmacRecipe::default(), keys(&session_key)),
        Err(EncodeError::Suites(256))
    );
    for principal in ["", "a\0b", "é", &"a".repeat(256)] {
        let wake_up = WakeUp {
            server_nonce: NonZeroU32::MIN,
            principal: principal.into(),
        };
        assert_eq!(wake_up.encode(), Err(EncodeError::Principal));
    }
}

proptest! {
    #[test]
    fn any_ap_request_comes_back(
        blob in prop::collection::vec(any::<u8>(), 0..127),
        nonce in any::<u32>(),
        engine in prop::collection::vec(1u8..0xff, 5..33),
        boots in any::<u32>(),
        time in any::<u32>(),
        user in "[ -~]{1,32}",
        suites in prop::collection::vec(any::<(u8, u8)>(), 0..256),
        reestablish in any::<bool>(),
    ) {
        let ap_req = [&[0x6e, blob.len() as u8][..], &blob].concat();
        let message = ApRequest {
            ap_req: &ap_req,
            server_nonce: NonZeroU32::new(nonce),
            agent: SnmpParameters {
                engine_id: EngineId::new(&engine).unwrap(),
                engine_boots: boots,
                engine_time: time,
                user: UserName::new(user.as_bytes()).unwrap(),
            },
            suites: suites.iter().map(|&(authentication, privacy)| SuiteId { authentication, privacy }).collect(),
            reestablish,
        };
        let session_key = session_key();
        let datagram = message.seal(HmacRecipe::default(), keys(&session_key)).unwrap();
        match Message::decode(&datagram) {
            Ok(Message::ApRequest(sealed)) => prop_assert_eq!(sealed.body, message),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn hostile_octets_never_panic(id in 0u8..8, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&rest);
        let _ = Message::decode(&[&[id, 2, 0x10][..], &rest].concat());
        let _ = Message::decode(&[&[id, 2, 0x10, 0x6e, 0x01, 0x00][..], &rest].concat());
    }
}
