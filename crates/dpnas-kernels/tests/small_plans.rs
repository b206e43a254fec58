//! Every kernel on plans that are small enough for Miri, which needs a second for a few thousand products.

use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{CpuEngine, Level, Precision};
use dpnas_prior::{EncodeExt, Engine, Images, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;

/// Whether statistics are measured before images are embedded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norms {
    None,
    Calibrated,
}

/// An image gets the same row alone and among others.
fn check(net: &str, input: &str, norms: Norms, engine: &CpuEngine) {
    let plan = net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap();
    let prior = Prior::draw(&plan, WeightInit::KaimingUniform, Seed(1)).unwrap();
    let mut pixels = vec![0.0; 2 * plan.input().elements().unwrap() as usize];
    Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let images = Images::new(plan.input(), &pixels).unwrap();
    let mut encoder = engine.load(&prior).unwrap();
    if norms == Norms::Calibrated {
        encoder.calibrate(&mut Measure::new(images, 1e-4, NonZeroUsize::MIN)).unwrap();
    }
    let together = encoder.embed(images).unwrap();
    assert!(together.iter().all(|value| value.is_finite()), "{}", engine.name());
    let first = encoder.embed(images.chunks(NonZeroUsize::MIN).next().unwrap()).unwrap();
    assert_eq!(first, together[..first.len()], "{}", engine.name());
}

/// A test for each plan. Winograd multiplies f32 for any number type of maps, so one precision suffices there.
macro_rules! plans {
    ($($name:ident: $net:literal on $input:literal, $norms:ident, [$($precision:ident),*];)*) => {
        $(
            #[test]
            fn $name() {
                for precision in [$(Precision::$precision),*] {
                    for level in Level::available(precision) {
                        check($net, $input, Norms::$norms, &CpuEngine::at(level, precision));
                    }
                }
            }
        )*
    };
}

plans! {
    a_plan_without_layers: "[SM(2)]" on "3x2x2", None, [F32, Bf16];
    windows_of_2x2_are_pooled_in_registers: "[C(17,2,1,1,1), P(2,2,0,0), SM(2)]" on "1x2x2", None, [F32, Bf16];
    windows_of_3x3_are_pooled_in_registers: "[C(16,1,1,0,1), P(3,3,0,0), SM(2)]" on "2x3x3", None, [F32, Bf16];
    windows_of_4x4_are_pooled_in_registers: "[C(16,1,1,0,1), P(4,4,0,0), SM(2)]" on "3x4x4", None, [F32, Bf16];
    windows_overlap_and_convolutions_have_strides: "[P(2,1,0,0), C(5,2,2,1,1), SM(2)]" on "3x3x3", Calibrated, [F32, Bf16];
    there_are_more_steps_than_registers_keep: "[C(16,11,1,5,1), SM(2)]" on "5x1x1", None, [F32, Bf16];
    winograd_tiles_of_3x3_kernels_are_pooled: "[C(16,1,1,0,1), C(16,3,1,1,1), P(2,2,0,0), SM(2)]" on "1x4x4", None, [F32];
    winograd_tiles_have_seven_points: "[C(16,1,1,0,1), C(16,3,1,0,1), SM(2)]" on "1x7x7", None, [F32];
    winograd_tiles_of_5x5_kernels: "[C(16,1,1,0,1), C(16,5,1,2,1), SM(2)]" on "1x4x4", None, [F32];
    a_kernel_comes_in_parts: "[C(16,1,1,0,1), C(16,7,1,3,1), SM(2)]" on "1x3x3", None, [F32];
    winograd_starts_from_a_skip_path: "[C(16,1,1,0,1), C(16,3,1,1,0), SM(2)]" on "1x4x4", None, [F32];
    a_projection_changes_the_channels: "[C(3,1,1,0,1), C(4,3,1,1,0), SM(2)]" on "1x1x1", Calibrated, [F32, Bf16];
}

#[test]
fn tiles_are_multiplied_in_plain_code() {
    let engine = CpuEngine::at(Level::tiles_in_plain_code(), Precision::Bf16);
    check("[C(2,1,1,0,1), C(3,1,1,0,1), SM(2)]", "1x1x1", Norms::None, &engine);
}
