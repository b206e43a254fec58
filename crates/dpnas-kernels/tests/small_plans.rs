//! Every way through the kernels on plans that are small enough for Miri and for an address sanitizer.

use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{CpuEngine, Level, Precision};
use dpnas_prior::{Engine, Images, Prior, WeightInit};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;

/// An image gets the same row alone and among others, on every level in both precisions.
fn check(net: &str, input: &str) {
    let plan = net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap();
    let prior = Prior::draw(&plan, WeightInit::KaimingUniform, Seed(1)).unwrap();
    let mut pixels = vec![0.0; 3 * plan.input().elements().unwrap() as usize];
    Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let images = Images::new(plan.input(), &pixels).unwrap();
    for precision in [Precision::F32, Precision::Bf16] {
        for level in Level::available(precision).into_iter().chain([Level::tiles_in_plain_code()]) {
            let mut encoder = CpuEngine::at(level, precision).load(&prior).unwrap();
            encoder.calibrate(images, 1e-4, NonZeroUsize::new(2).unwrap()).unwrap();
            let together = encoder.encode(images).unwrap();
            let alone = images.chunks(NonZeroUsize::MIN).flat_map(|image| encoder.encode(image).unwrap());
            assert_eq!(alone.collect::<Vec<f32>>(), together, "{level} {precision}");
            assert!(together.iter().all(|value| value.is_finite()), "{level} {precision}");
        }
    }
}

macro_rules! plans {
    ($($name:ident: $net:literal on $input:literal,)*) => {
        $(
            #[test]
            fn $name() {
                check($net, $input);
            }
        )*
    };
}

plans! {
    a_plan_without_layers: "[SM(2)]" on "3x2x2",
    windows_of_2x2_are_pooled_in_registers: "[C(17,3,1,1,1), P(2,2,0,0), SM(2)]" on "1x5x5",
    windows_of_3x3_are_pooled_in_registers: "[C(16,3,1,0,1), P(3,3,0,0), SM(2)]" on "2x5x5",
    windows_of_4x4_are_pooled_in_registers: "[C(16,1,1,0,1), P(4,4,0,0), SM(2)]" on "3x4x4",
    windows_overlap_and_convolutions_have_strides: "[P(2,1,0,0), C(5,2,2,1,1), SM(2)]" on "3x5x5",
    there_are_more_steps_than_registers_keep: "[C(16,9,1,4,1), SM(2)]" on "16x1x1",
    products_are_by_3x3_polynomials_and_pooled: "[C(16,1,1,0,1), C(16,3,1,1,1), P(2,2,0,0), SM(2)]" on "1x4x4",
    products_are_by_5x5_polynomials: "[C(16,1,1,0,1), C(16,5,1,2,1), SM(2)]" on "1x4x4",
    polynomials_start_from_a_skip_path: "[C(16,1,1,0,1), C(16,3,1,1,0), SM(2)]" on "1x4x4",
    a_projection_changes_the_channels: "[C(3,1,1,0,1), C(4,3,1,1,0), SM(2)]" on "1x3x3",
}
