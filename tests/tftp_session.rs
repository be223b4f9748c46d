//! The TFTP session of the fuzz target `tftp_session`, with decisions of a property test.

#[path = "../fuzz/targets/tftp_session.rs"]
#[allow(dead_code, reason = "the fuzzer uses the rest")]
mod tftp_session;

use proptest::prelude::*;
use tftp_session::rehearse;

#[test]
fn a_quiet_session_brings_the_file() {
    for size in [0u16, 1, 511, 512, 513, 1024, 8_411] {
        for options in [&[0, 0, 0, 0][..], &[128, 0, 1, 0], &[255, 4, 1, 201], &[0, 15, 0, 255]] {
            let decisions = [&size.to_be_bytes()[..], options].concat();
            assert_eq!(rehearse(&decisions), Ok(()), "{size} {options:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_the_network_decides(decisions in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(rehearse(&decisions), Ok(()));
    }

    #[test]
    fn loss_and_doubling_without_anything_false(
        head in prop::array::uniform6(any::<u8>()),
        decisions in prop::collection::vec((0u8..6, 0u8..32), 0..600),
    ) {
        let decisions = decisions.into_iter().map(|(what, which)| which * 8 + what);
        let all: Vec<u8> = head.into_iter().chain(decisions).collect();
        prop_assert_eq!(rehearse(&all), Ok(()));
    }
}
