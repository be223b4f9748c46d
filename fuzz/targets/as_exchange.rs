//! A series of requests to one KDC: AS by PKINIT, AS with a long-term key, TGS. The verified chains, and what must not be
//! seen twice, are kept between them as the service keeps them.

use std::collections::HashSet;

use hardline::provisioning::{self, AsRequest, DeviceFacts, Granting, KdcRefused, KdcRequest};
use hardline::value::SeededRandom;
use hardline::wire::kerberos::{KdcRep, KrbError};

use super::world::{self, Chains, KDC, NOW};

#[derive(Default)]
struct Kdc {
    chains: Chains,
    seen: HashSet<[u8; 32]>,
}

pub fn run(data: &[u8]) {
    let mut kdc = Kdc::default();
    for message in super::series(data) {
        match kdc.answer(message) {
            Ok(reply) => drop(KdcRep::parse(&reply).expect("a reply is a KDC-REP")),
            Err(refused) => {
                let error = KrbError::parse(&refused.message(&KDC, NOW, &mut SeededRandom::new(52)));
                assert_eq!(error.expect("a refusal is a KRB-ERROR").code(), Some(refused.code));
            }
        }
        let _ = provisioning::claimed_device(message);
    }
}

impl Kdc {
    fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>, KdcRefused> {
        let random = &mut SeededRandom::new(51);
        let (keys, source) = ([world::service_key()], world::peer().ip());
        match provisioning::read_request(message, &KDC)? {
            KdcRequest::Pkinit(request) => self.pkinit(&request),
            KdcRequest::Key(request) => {
                if request.proof_hash().is_some_and(|hash| !self.seen.insert(hash)) {
                    return Err(request.replayed());
                }
                provisioning::grant_by_key(&request, &keys, &keys, source, &KDC, NOW, random)
            }
            KdcRequest::Tgs(request) => {
                let opened = provisioning::open_tgs(&request, &keys, source, &KDC, NOW)?;
                if !self.seen.insert(opened.replay_hash()) {
                    return Err(opened.replayed());
                }
                provisioning::grant_service(&request, &opened, &keys, &KDC, NOW, random)
            }
        }
    }

    fn pkinit(&mut self, request: &AsRequest) -> Result<Vec<u8>, KdcRefused> {
        let claim = provisioning::claim(request, &KDC, &self.chains, NOW)?;
        let pkinit = provisioning::prove(request, &claim, &KDC, &self.chains, NOW)?;
        let pair = provisioning::group(&pkinit).map(world::pair);
        let granting = Granting {
            service_keys: &[world::service_key()],
            pair: pair.as_ref(),
            source: world::peer(),
            asked: NOW,
        };
        let device = world::device();
        let facts = DeviceFacts {
            fqdn: device.fqdn,
            addresses: device.addresses,
        };
        let random = &mut SeededRandom::new(51);
        let grant = provisioning::grant(request, &pkinit, &facts, &granting, &KDC, NOW, random)?;
        assert_eq!(grant.client.realm, world::realm());
        Ok(grant.reply)
    }
}
