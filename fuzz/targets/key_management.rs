//! A series of datagrams to key management; the device's attempt, and what was seen, are kept between them as the store
//! keeps them.

use std::collections::HashSet;

use hardline::model::Attempt;
use hardline::profile::{Profile, Ways};
use hardline::provisioning::{self, Keying};
use hardline::value::SeededRandom;
use hardline::wire::kerberos::open_ap_req;
use hardline::wire::keymgmt::{Ciphersuite, HmacKeys, Message};
use hardline::wire::snmp::{AuthProtocol, PrivProtocol};

use super::world::{self, NOW};

#[derive(Default)]
struct Server {
    attempt: Option<Attempt>,
    seen: HashSet<[u8; 32]>,
    established: usize,
}

pub fn run(data: &[u8]) {
    let mut server = Server::default();
    for message in super::series(data) {
        server.take(message);
    }
    // Nobody but the fuzzer's own device has a ticket, and it sent one Authenticator.
    assert!(server.established <= 1, "{} associations", server.established);
}

impl Server {
    fn take(&mut self, datagram: &[u8]) -> Option<()> {
        let Ok(Message::ApRequest(sealed)) = Message::decode(datagram) else {
            return None;
        };
        let (service, keys) = (world::mtaprovsrvr(), [world::service_key()]);
        let opened = open_ap_req(sealed.body.ap_req, &world::expectation(&service, &keys, NOW)).ok()?;
        let profile = Profile::default();
        let hmac = HmacKeys {
            session_key: &opened.session_key().value,
            authenticator_subkey: opened.authenticator.subkey.as_ref().map(|key| &key.value),
        };
        let ways = Ways {
            profile: &profile,
            candidates: None,
            vendors: &[],
            type_identifier: None,
        };
        let recipe = sealed.recipe(ways.hmac(), hmac)?;
        let suite = |auth, privacy| Ciphersuite { auth, privacy };
        let keying = Keying {
            request: &sealed.body,
            opened: &opened,
            recipe,
            ways,
            wake_up: None,
            digest: provisioning::digest(datagram),
            peer: world::peer(),
            suites: &[
                suite(AuthProtocol::Sha1, Some(PrivProtocol::Aes128)),
                suite(AuthProtocol::Md5, Some(PrivProtocol::Des)),
            ],
            engine: &world::engine(),
            ack_required: false,
        };
        let random = &mut SeededRandom::new(61);
        let device = world::device();
        let decided = provisioning::key(
            &device,
            self.attempt.clone(),
            &keying,
            &profile,
            &world::policy(),
            NOW,
            random,
        );
        let (change, reply) = decided.ok()?;
        let Ok(Message::ApReply(answer)) = Message::decode(&reply) else {
            panic!("an answer is an AP Reply");
        };
        assert!(
            answer.verify(recipe, hmac),
            "the answer's HMAC follows the request's recipe"
        );
        if change.seen.iter().all(|seen| self.seen.insert(seen.digest)) {
            self.established += 1;
            self.attempt = change.attempt.map(|attempt| Attempt {
                version: attempt.version + 1,
                ..attempt
            });
        }
        Some(())
    }
}
