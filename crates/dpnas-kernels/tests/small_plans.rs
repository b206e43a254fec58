//! Every way through the kernels on plans that are small enough for Miri and for an address sanitizer.

use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{CpuEngine, Level, Precision};
use dpnas_prior::{Engine, Images, Prior, WeightInit};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;

/// What is special about a plan, the plan, and its images.
const PLANS: [(&str, &str, &str); 10] = [
    ("no layer", "[SM(2)]", "3x2x2"),
    ("pooling of 2x2 in registers, odd channels", "[C(17,3,1,1,1), P(2,2,0,0), SM(2)]", "1x5x5"),
    ("pooling of 3x3 in registers", "[C(16,3,1,0,1), P(3,3,0,0), SM(2)]", "2x5x5"),
    ("pooling of 4x4 in registers", "[C(16,1,1,0,1), P(4,4,0,0), SM(2)]", "3x4x4"),
    ("pooling with overlap, stride, padding", "[P(2,1,0,0), C(5,2,2,1,1), SM(2)]", "3x5x5"),
    ("more steps than registers keep", "[C(16,11,1,5,1), SM(2)]", "10x2x2"),
    ("polynomials, 3x3, pooled", "[C(16,1,1,0,1), C(16,3,1,1,1), P(2,2,0,0), SM(2)]", "1x4x4"),
    ("polynomials, 5x5", "[C(16,1,1,0,1), C(16,5,1,2,1), SM(2)]", "1x4x4"),
    ("polynomials with a skip path", "[C(16,1,1,0,1), C(16,3,1,1,0), SM(2)]", "1x4x4"),
    ("a projection", "[C(3,1,1,0,1), C(4,3,1,1,0), SM(2)]", "1x3x3"),
];

#[test]
fn every_way_through_the_kernels_gives_an_image_the_same_row_alone_and_among_others() {
    for (what, net, input) in PLANS {
        let plan = net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap();
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let mut pixels = vec![0.0; 3 * plan.input().elements().unwrap() as usize];
        Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(plan.input(), &pixels).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            for level in Level::available(precision).into_iter().chain([Level::tiles_in_plain_code()]) {
                let mut encoder = CpuEngine::at(level, precision).load(&prior).unwrap();
                let two = NonZeroUsize::new(2).unwrap();
                encoder.calibrate(images, 1e-4, two).unwrap();
                let together = encoder.encode(images).unwrap();
                let alone = images.chunks(NonZeroUsize::MIN).flat_map(|image| encoder.encode(image).unwrap());
                assert_eq!(alone.collect::<Vec<f32>>(), together, "{what}, {level} {precision}");
                assert!(together.iter().all(|value| value.is_finite()), "{what}, {level} {precision}");
            }
        }
    }
}
