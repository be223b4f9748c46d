//! AP Request in, AP Reply out: codec, HMACs and key derivation, without the Kerberos part (which `kerberos` measures).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hardline::value::{EngineId, MacAddress, Secret};
use hardline::wire::keymgmt::{
    ApReply, ApRequest, Ciphersuite, HmacKeys, HmacRecipe, KeyRecipe, Localisation, Message, SnmpParameters, SuiteIds,
    UserName, choose_suite, derive_keys,
};
use hardline::wire::snmp::{AuthProtocol, PrivProtocol};

const SUITE: Ciphersuite = Ciphersuite {
    auth: AuthProtocol::Sha1,
    privacy: Some(PrivProtocol::Des),
};

fn parameters(last: u8) -> SnmpParameters {
    SnmpParameters {
        engine_id: EngineId::cablelabs([0, 0, 0, 0, 0, 0, 0, last]),
        engine_boots: 1,
        engine_time: 1,
        user: UserName::of_device(MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc])),
    }
}

/// A DER element of the size that such a Kerberos message has.
fn blob(tag: u8, length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    [vec![tag, 0x82, high, low], vec![0xab; length.into()]].concat()
}

fn keymgmt(c: &mut Criterion) {
    let session_key = Secret::new((0..24).collect());
    let subkey = Secret::new((0..46).collect());
    let keys = HmacKeys {
        session_key: &session_key,
        authenticator_subkey: None,
    };
    let recipe = HmacRecipe::default();
    let ids = SuiteIds::default();
    let (ap_req, ap_rep) = (blob(0x6e, 450), blob(0x6f, 200));
    let request = ApRequest {
        ap_req: &ap_req,
        server_nonce: None,
        agent: parameters(1),
        suites: vec![ids.id(SUITE)],
        reestablish: false,
    };
    let datagram = request.seal(recipe, keys).expect("a request");
    c.bench_function("keymgmt: AP Request decoded, verified, answered by an AP Reply", |b| {
        b.iter(|| {
            let Ok(Message::ApRequest(sealed)) = Message::decode(black_box(&datagram)) else {
                panic!("an AP Request");
            };
            assert!(sealed.verify(recipe, keys));
            let suite = choose_suite(&sealed.body.suites, ids, &[SUITE]).expect("a suite");
            let manager = SnmpParameters {
                user: sealed.body.agent.user,
                ..parameters(2)
            };
            let reply = ApReply {
                ap_rep: &ap_rep,
                manager,
                suite: ids.id(suite),
                lifetime: 0,
                grace: 0,
                reestablish: false,
                ack_required: false,
            };
            reply.seal(recipe, keys)
        });
    });
    for localisation in [Localisation::Direct, Localisation::Each] {
        let recipe = KeyRecipe {
            localisation,
            ..KeyRecipe::default()
        };
        let (agent, manager) = (parameters(1).engine_id, parameters(2).engine_id);
        c.bench_function(
            &format!("keymgmt: SNMPv3 keys derived, localisation {localisation:?}"),
            |b| {
                b.iter(|| derive_keys(black_box(&subkey), SUITE, &recipe, &agent, &manager));
            },
        );
    }
}

criterion_group!(benches, keymgmt);
criterion_main!(benches);
