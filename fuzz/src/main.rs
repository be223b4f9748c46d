//! One fuzzer for all targets: `HARDLINE_FUZZ_TARGET` names the one that runs.

#![no_main]

#[path = "../targets/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the corpus and the bit flips use the rest")]
mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("HARDLINE_FUZZ_TARGET").unwrap_or_default();
    targets::find(&name).unwrap_or_else(|| panic!("HARDLINE_FUZZ_TARGET={name}: no such target"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
