//! One program for all targets: `DPNAS_FUZZ_TARGET` names the one that it feeds.
#![no_main]

use dpnas_fuzz::{Target, target};
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("DPNAS_FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("DPNAS_FUZZ_TARGET is `{name}`, which is no target"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = TARGET.check(input);
});
