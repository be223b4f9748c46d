//! A series of datagrams, each taken as a request to the MTA-FQDN service and as the answer to a KDC that asked.

use hardline::value::SeededRandom;
use hardline::wire::fqdn::{
    FqdnAnswer, FqdnErrorCode, FqdnOutcome, FqdnQuery, FqdnRequest, FqdnSent, ReplyForm, VERSION_1, build_refusal,
    build_reply, build_request, open_reply, open_request, public_key_hash,
};
use hardline::wire::kerberos::PadForm;

use super::world::{self, NOW, SKEW};

/// What the KDC asks, and what it remembers of asking.
pub fn query() -> (Vec<u8>, FqdnSent) {
    let client = world::kdcquery();
    let (ticket, session_key) = world::ticket(&client, &world::mtafqdnmap());
    let query = FqdnQuery {
        client: &client,
        ticket: &ticket,
        session_key: &session_key,
        now: NOW,
        from: None,
        pad: PadForm::default(),
    };
    build_request(&request(), &query, &mut SeededRandom::new(8)).expect("a query")
}

fn request() -> FqdnRequest {
    FqdnRequest {
        version: VERSION_1,
        mac: world::MAC,
        public_key_hash: public_key_hash(b"key"),
        manufacturer_revoked: None,
    }
}

fn answer() -> FqdnAnswer {
    let device = world::device();
    FqdnAnswer {
        fqdn: device.fqdn,
        addresses: device.addresses,
    }
}

/// What the service answers to `datagram`, where it believes it.
pub fn served(datagram: &[u8]) -> Option<Vec<u8>> {
    let (service, keys) = (world::mtafqdnmap(), [world::service_key()]);
    let opened = open_request(datagram, &world::expectation(&service, &keys, NOW)).ok()?;
    // Who has no key cannot ask anything that the KDC did not ask.
    assert_eq!(opened.request, request());
    let random = &mut SeededRandom::new(9);
    let pad = PadForm::default();
    let refusal = build_refusal(&opened, FqdnErrorCode::UnknownMac, pad, NOW, random);
    refusal.expect("a believed request can be refused");
    Some(build_reply(&opened, &answer(), ReplyForm::Fitting, pad, NOW, random).expect("and answered"))
}

pub fn run(data: &[u8]) {
    let (_, sent) = query();
    for message in super::series(data) {
        if let Some(reply) = served(message) {
            assert_eq!(open_reply(&reply, &sent, NOW, SKEW), Ok(FqdnOutcome::Answer(answer())));
        }
        // The service refuses with one code above, and answers nothing else.
        match open_reply(message, &sent, NOW, SKEW) {
            Ok(FqdnOutcome::Answer(told)) => assert_eq!(told, answer()),
            Ok(FqdnOutcome::Refused(code)) => assert_eq!(code, FqdnErrorCode::UnknownMac),
            Ok(FqdnOutcome::KrbError(_)) | Err(_) => {}
        }
    }
}
