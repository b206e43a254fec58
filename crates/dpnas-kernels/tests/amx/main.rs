//! The loops of level `amx` on any processor with AVX-512 for bf16. Missing matrix instructions are emulated.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#![allow(clippy::print_stderr, reason = "the emulator says why it ends the test")]
#![allow(unsafe_code, reason = "the emulator reads the instructions and the memory that they name")]

mod emulator;
#[path = "../../../dpnas-prior/tests/common/plans.rs"]
mod plans;
#[path = "../../../../fixtures/skipped.rs"]
mod skipped;

use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_kernels::{CpuEngine, Level, Precision};
use dpnas_prior::conformance::{Tolerance, check};
use dpnas_prior::{EncodeExt, Engine, Images, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use plans::plans;
use proptest::prelude::*;
use std::num::NonZeroUsize;

/// The level, emulated if need be; `None` if the processor lacks its other instructions.
fn amx() -> Option<Level> {
    let levels = Level::available(Precision::Bf16);
    if let Some(level) = levels.iter().find(|level| level.to_string() == "amx") {
        return Some(*level);
    }
    if !levels.iter().any(|level| level.to_string() == "avx512-bf16") {
        skipped::skipped("the processor has no AVX-512 for bf16");
        return None;
    }
    emulator::install();
    // SAFETY: the processor has the rest of the level's instructions, and the emulator computes the others.
    Some(unsafe { Level::amx_unchecked() })
}

fn plan(net: &str, input: &str) -> Plan {
    net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap()
}

#[test]
fn the_instructions_compute_what_the_plain_code_does() {
    let Some(amx) = amx() else { return };
    for (net, input) in [
        ("[C(16,3,1,1,1), P(2,2,0,0), C(32,3,1,1,1), P(2,2,0,0), SM(10)]", "1x12x12"),
        ("[C(96,3,1,1,1), P(3,3,0,0), C(80,1,1,0,1), P(3,2,0,0), SM(10)]", "3x11x11"),
        ("[C(33,1,1,0,1), C(33,3,1,1,0), SM(10)]", "1x8x8"),
        ("[C(64,3,1,1,1), C(270,3,1,1,1), C(20,5,2,0,1), SM(10)]", "1x7x7"),
    ] {
        let plan = plan(net, input);
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let mut pixels = vec![0.0; 5 * plan.input().elements().unwrap() as usize];
        Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(plan.input(), &pixels).unwrap();
        let rows = |level| {
            let mut encoder = CpuEngine::at(level, Precision::Bf16).load(&prior).unwrap();
            encoder.calibrate(&mut Measure::new(images, 1e-4, NonZeroUsize::new(3).unwrap())).unwrap();
            encoder.embed(images).unwrap()
        };
        let plain = rows(Level::tiles_in_plain_code());
        assert!(plain.iter().any(|value| *value != 0.0));
        // The plain code's norm is not fused, so a sum may fall on the other side of a rounding boundary.
        let largest = plain.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in rows(amx).iter().zip(&plain) {
            assert!((found - expected).abs() <= 0.02 * largest, "{net}: {found}, not {expected} (largest {largest})");
        }
    }
}

#[test]
fn the_peak_multiplies_four_tiles_a_round() {
    let Some(amx) = amx() else { return };
    assert_eq!(dpnas_kernels::peak_operations(amx, Precision::Bf16, 3), 2 * 3 * 4 * 16 * 16 * 32);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_level_conforms_on_random_plans(plan in plans(), seed: u64) {
        if let Some(amx) = amx() {
            let engine = CpuEngine::at(amx, Precision::Bf16);
            check(&engine, &plan, seed, Tolerance::BF16).map_err(TestCaseError::fail)?;
        }
    }
}
