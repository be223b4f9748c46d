//! Octets that no honest peer sends.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::value::{Secret, SeededRandom};

static PAIR: LazyLock<DhKeyPair> =
    LazyLock::new(|| DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(1)).unwrap());
static KDC: LazyLock<Kdc> = LazyLock::new(Kdc::new);
static DEVICE: LazyLock<Identity> = LazyLock::new(device);
static REQUEST: LazyLock<Vec<u8>> = LazyLock::new(|| request(Some(&PAIR), &RequestShape::default()));
static REPLIES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let with_dh = KDC.open(&REQUEST, NOW).unwrap();
    let without = KDC.open(&request(None, &RequestShape::default()), NOW).unwrap();
    let random = &mut SeededRandom::new(2);
    [
        build_reply_dh(&KDC.identity, &with_dh, &PAIR, ReplyKeyRule::default())
            .unwrap()
            .0,
        build_reply_enc_key_pack(&KDC.identity, &without, 5, &Secret::new(vec![1; 24]), random).unwrap(),
    ]
});

fn open_as_client(octets: &[u8], pair: Option<&DhKeyPair>) -> Result<OpenedReply, PkinitError> {
    let anchors = anchors(&hierarchy().provider_root);
    let expectation = ReplyExpectation {
        anchors: &anchors,
        certificates: &CertPolicy::default(),
        realm: &realm(),
        organisation: None,
        nonce: NONCE,
        pair,
        rule: ReplyKeyRule::default(),
        identity: &DEVICE,
    };
    open_reply(octets, &expectation, NOW)
}

proptest! {
    #[test]
    fn octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(KDC.open(&octets, NOW).is_err());
        prop_assert!(open_as_client(&octets, None).is_err());
    }

    #[test]
    fn a_cut_request_or_reply_is_refused(at in any::<prop::sample::Index>()) {
        prop_assert!(KDC.open(&REQUEST[..at.index(REQUEST.len())], NOW).is_err());
        let [dh, envelope] = &*REPLIES;
        prop_assert!(open_as_client(&dh[..at.index(dh.len())], Some(&PAIR)).is_err());
        prop_assert!(open_as_client(&envelope[..at.index(envelope.len())], None).is_err());
    }

    /// An altered octet may hit something that does not matter, such as the version; it never changes what is agreed.
    #[test]
    fn an_altered_octet_changes_nothing_that_is_accepted(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut altered = REQUEST.clone();
        altered[at.index(REQUEST.len())] ^= flip;
        if let Ok(opened) = KDC.open(&altered, NOW) {
            prop_assert_eq!(opened, KDC.open(&REQUEST, NOW).unwrap());
        }
        for (reply, pair) in REPLIES.iter().zip([Some(&*PAIR), None]) {
            let mut altered = reply.clone();
            altered[at.index(reply.len())] ^= flip;
            if let Ok(opened) = open_as_client(&altered, pair) {
                prop_assert!(opened.key.ct_eq(open_as_client(reply, pair).unwrap().key.expose()));
            }
        }
    }

    /// Nesting without end: the decoder bounds its depth.
    #[test]
    fn deep_nesting_is_refused(tag in prop::sample::select(vec![0xa0u8, 0x30, 0x31, 0x24]), depth in 1usize..20_000) {
        let octets: Vec<u8> = std::iter::repeat_n([tag, 0x80], depth).flatten().collect();
        prop_assert!(KDC.open(&octets, NOW).is_err());
    }
}
