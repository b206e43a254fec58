//! Every level that this processor has, in both precisions, on random plans. Too much for Miri, which runs
//! `small_plans.rs`.
#![cfg(not(miri))]

#[path = "../../dpnas-prior/tests/common/plans.rs"]
mod plans;

use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_kernels::{CpuEngine, Level, Precision};
use dpnas_prior::conformance::{Reference, Tolerance};
use dpnas_prior::{EncodeExt, Engine, Images, Prior, WeightInit};
use dpnas_seed::Seed;
use plans::plans;
use proptest::prelude::*;

fn all_levels(precision: Precision, plan: &Plan, seed: u64) -> Result<(), String> {
    let tolerance = match precision {
        Precision::F32 => Tolerance::F32,
        Precision::Bf16 => Tolerance::BF16,
    };
    let reference = Reference::new(plan, seed)?;
    Level::available(precision)
        .into_iter()
        .chain([Level::tiles_in_plain_code()])
        .try_for_each(|level| reference.check(&CpuEngine::at(level, precision), tolerance))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_f32_level_conforms_on_random_plans(plan in plans(), seed: u64) {
        all_levels(Precision::F32, &plan, seed).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn every_bf16_level_conforms_on_random_plans(plan in plans(), seed: u64) {
        all_levels(Precision::Bf16, &plan, seed).map_err(TestCaseError::fail)?;
    }
}

/// Each of these runs through other kernels.
#[test]
fn chosen_plans_conform() {
    let plans = [
        ("[C(16,3,1,1,1), P(2,2,0,0), C(32,3,1,1,1), P(2,2,0,0), SM(10)]", "1x12x12"),
        ("[C(64,5,1,2,1), P(4,4,0,0), C(48,3,1,1,0), SM(10)]", "1x12x12"),
        ("[C(96,3,1,1,1), P(3,3,0,0), C(80,1,1,0,1), P(3,2,0,0), SM(10)]", "3x11x11"),
        ("[C(16,7,2,3,1), P(4,4,0,0), C(128,1,1,0,1), SM(10)]", "3x16x16"),
        ("[C(80,3,1,1,0), P(2,2,0,0), C(80,3,1,1,0), P(5,5,0,0), SM(10)]", "3x10x10"),
        ("[P(2,2,0,0), C(17,3,3,4,1), P(1,2,0,0), SM(10)]", "5x9x9"),
        ("[C(3,1,5,9,1), SM(10)]", "2x4x4"),
        ("[C(100,11,2,5,1), C(33,1,1,0,1), C(33,3,1,1,0), SM(10)]", "1x8x8"),
        ("[SM(10)]", "3x4x4"),
        // Winograd tiles of six, seven and eight points, with every pooling window that divides them, and kernels in parts.
        ("[C(32,1,1,0,1), C(32,3,1,1,1), P(4,4,0,0), SM(10)]", "1x4x4"),
        ("[C(32,1,1,0,1), C(32,3,1,1,1), P(5,5,0,0), SM(10)]", "1x10x10"),
        ("[C(32,1,1,0,1), C(32,3,1,1,1), P(3,3,0,0), SM(10)]", "1x12x12"),
        ("[C(32,1,1,0,1), C(32,3,1,1,0), P(2,2,0,0), SM(10)]", "1x12x12"),
        ("[C(32,1,1,0,1), C(32,5,1,2,1), P(2,2,0,0), SM(10)]", "1x2x2"),
        ("[C(32,1,1,0,1), C(32,5,1,2,1), P(3,3,0,0), SM(10)]", "1x9x9"),
        ("[C(32,1,1,0,1), C(32,5,1,2,1), P(4,4,0,0), C(32,7,1,3,1), SM(10)]", "1x13x13"),
        ("[C(32,1,1,0,1), C(48,9,1,2,1), P(2,2,0,0), SM(10)]", "1x16x16"),
        ("[C(32,1,1,0,1), C(40,11,1,0,1), SM(10)]", "1x14x14"),
    ];
    for (net, input) in plans {
        let plan = net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap();
        all_levels(Precision::F32, &plan, 1).unwrap();
        all_levels(Precision::Bf16, &plan, 1).unwrap();
    }
}

#[test]
fn a_pixel_that_is_not_a_number_reaches_the_embedding() {
    for net in ["[C(16,3,1,1,1), C(16,3,1,1,1), SM(10)]", "[C(20,3,1,1,0), C(8,2,2,0,1), SM(10)]"] {
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let mut pixels = vec![0.5; 64];
        pixels[27] = f32::NAN;
        for precision in [Precision::F32, Precision::Bf16] {
            for level in Level::available(precision).into_iter().chain([Level::tiles_in_plain_code()]) {
                let encoder = CpuEngine::at(level, precision).load(&prior).unwrap();
                let rows = encoder.embed(Images::new(plan.input(), &pixels).unwrap()).unwrap();
                assert!(rows.iter().any(|value| value.is_nan()), "{net} at {level} {precision}");
            }
        }
    }
}

#[test]
fn an_engine_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<CpuEngine>();
}

#[test]
fn an_engine_is_named_by_level_precision_and_version() {
    assert_eq!(CpuEngine::at(Level::portable(), Precision::Bf16).name(), "cpu portable bf16 v3");
}
