//! Tests that every vector extension of the processor gives the bits of scalar code, for both elements.

use crate::adam::Clock;
use crate::backward::Backward;
use crate::block::{Block, Blocks};
use crate::forward::Forward;
use crate::lanes::Rows;
use crate::softmax::Softmax;
use crate::{Bf16, Element, ProbeConfig};
use dpnas_seed::Seed;
use proptest::prelude::*;
use pulp::{Scalar, Simd, WithSimd};

/// A computation at any level.
trait Task {
    type Output: PartialEq + std::fmt::Debug;
    fn run<S: Simd>(&self, simd: S) -> Self::Output;
}

/// The results of scalar code and of every vector extension of this processor.
fn at_all_levels<T: Task>(task: &T) -> (T::Output, Vec<T::Output>) {
    #[allow(unused_mut, reason = "stays empty on processors without a named extension")]
    let mut vectors = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        vectors.extend(pulp::x86::V3::try_new().map(|simd| task.run(simd)));
        vectors.extend(pulp::x86::V4::try_new().map(|simd| task.run(simd)));
    }
    (task.run(Scalar::new()), vectors)
}

fn numbers(seed: u64, name: &str, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    Seed(seed).stream(name, 0).fill_normal(0, &mut out);
    out
}

#[derive(Debug)]
struct Step {
    seed: u64,
    rows: usize,
    features: usize,
    classes: usize,
}

impl Task for Step {
    /// On rows of `f32` and on the same rows of `Bf16`.
    type Output = [Vec<u32>; 2];

    fn run<S: Simd>(&self, simd: S) -> [Vec<u32>; 2] {
        let numbers = numbers(self.seed, "rows", self.rows * self.features);
        let half: Vec<Bf16> = numbers.iter().copied().map(Bf16::from_upper_half).collect();
        let wide: Vec<f32> = half.iter().map(|x| x.to_f32()).collect();
        [self.bits(simd, &wide), self.bits(simd, &half)]
    }
}

impl Step {
    /// The bits of all scores, errors and updated weights, block by block.
    fn bits<S: Simd, E: Element>(&self, simd: S, data: &[E]) -> Vec<u32> {
        let Self { seed, rows, features, classes } = *self;
        let blocks = Blocks::new(features, classes);
        let stride = blocks.score_stride();
        let weights = numbers(seed, "weights", classes * features);
        let offsets: Vec<usize> = (0..rows).rev().map(|row| row * features).collect();
        let config = ProbeConfig { weight_decay: 0.1, ..ProbeConfig::paper(Seed(seed)) };
        let adam = Clock::start().tick(&config);
        let mut bits = Vec::new();
        for index in 0..blocks.count() {
            let mut block = Block::cut(&blocks, index, &weights).with_moments();
            let start = block.features.start;
            let rows = Rows { data, offsets: &offsets };
            let mut scores = vec![0.0; rows.offsets.len() * stride];
            simd.vectorize(Forward { rows, start, block: &block, scores: &mut scores, stride });
            bits.extend(scores.iter().map(|x| x.to_bits()));
            let labels = (0..rows.offsets.len()).map(|row| row % classes);
            simd.vectorize(Softmax { classes, stride, scale: 0.25 }.task(&mut scores, labels, |_| ()));
            bits.extend(scores.iter().map(|x| x.to_bits()));
            let (errors, adam, gradient) = (&scores[..], &adam, &mut Vec::new());
            simd.vectorize(Backward { rows, start, block: &mut block, errors, stride, adam, gradient });
            bits.extend(block.weights.iter().map(|x| x.to_bits()));
        }
        bits
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn each_level_uses_its_own_vectors() {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    assert_eq!(Simd::vectorize(Scalar::new(), Lanes), 1);
    assert!(pulp::x86::V3::try_new().is_none_or(|simd| Simd::vectorize(simd, Lanes) == 8));
    assert!(pulp::x86::V4::try_new().is_none_or(|simd| Simd::vectorize(simd, Lanes) == 16));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_vector_extension_and_element_gives_the_bits_of_scalar_code_on_f32(
        seed: u64, rows in 1usize..40, features in 1usize..150, classes in 1usize..23
    ) {
        let (plain, vectors) = at_all_levels(&Step { seed, rows, features, classes });
        prop_assert_eq!(&plain[0], &plain[1]);
        for vector in vectors {
            prop_assert_eq!(&plain, &vector);
        }
    }
}
