//! Softmax and cross-entropy of class scores, with an exponential that has the same bits on every platform.

use crate::lanes::{LANES, reduce};
use pulp::{Arch, Simd, WithSimd};

/// The loss of one row, and whether it is classified correctly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Cross-entropy in nats.
    pub loss: f64,
    pub correct: bool,
}

/// The softmax of a mini-batch's rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Softmax {
    pub classes: usize,
    pub stride: usize,
    /// 1 / rows of the mini-batch.
    pub scale: f32,
}

impl Softmax {
    /// Replaces class scores, `[rows, stride]`, by errors and reports each row's verdict. Returns `false` if a score is
    /// not finite.
    pub(crate) fn run(
        self,
        arch: Arch,
        scores: &mut [f32],
        labels: impl Iterator<Item = usize>,
        verdict: impl FnMut(Verdict),
    ) -> bool {
        arch.dispatch(self.task(scores, labels, verdict))
    }

    pub(crate) fn task<'a, L: Iterator<Item = usize>, V: FnMut(Verdict)>(
        self,
        scores: &'a mut [f32],
        labels: L,
        verdict: V,
    ) -> impl WithSimd<Output = bool> + use<'a, L, V> {
        Run { softmax: self, scores, labels, verdict }
    }
}

struct Run<'a, L, V> {
    softmax: Softmax,
    scores: &'a mut [f32],
    labels: L,
    verdict: V,
}

impl<L: Iterator<Item = usize>, V: FnMut(Verdict)> WithSimd for Run<'_, L, V> {
    type Output = bool;

    #[inline(always)] // so that the caller's target features apply
    fn with_simd<S: Simd>(mut self, _: S) -> bool {
        let Softmax { classes, stride, scale } = self.softmax;
        let mut finite = true;
        for (scores, label) in self.scores.chunks_exact_mut(stride).zip(self.labels) {
            match errors_in_place(scores, classes, label, scale) {
                Some(verdict) => (self.verdict)(verdict),
                None => finite = false,
            }
        }
        finite
    }
}

/// Replaces one row of class scores by `(softmax − one-hot) · scale`; `None` if a score is not finite.
///
/// # Shapes
/// `scores` is the classes padded to whole lanes; the padding becomes 0.
#[inline(always)]
fn errors_in_place(scores: &mut [f32], classes: usize, label: usize, scale: f32) -> Option<Verdict> {
    let best = argmax(&scores[..classes])?;
    let (highest, own) = (scores[best], scores[label]);
    let mut sums = [0.0; LANES];
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    for (i, chunk) in chunks.iter_mut().enumerate() {
        for x in chunk.iter_mut() {
            *x = exp_of_negative(*x - highest);
        }
        chunk[(classes - i * LANES).min(LANES)..].fill(0.0);
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    let sum = reduce(sums);
    let factor = scale / sum;
    for x in scores.iter_mut() {
        *x *= factor;
    }
    scores[label] -= scale;
    let loss = libm::log(f64::from(sum)) - (f64::from(own) - f64::from(highest));
    Some(Verdict { loss, correct: best == label })
}

/// The class of the highest score, the lowest of equals; `None` if a score is not finite.
#[inline(always)]
pub(crate) fn argmax(scores: &[f32]) -> Option<usize> {
    let (mut best, mut finite) = (0, true);
    for (class, &score) in scores.iter().enumerate() {
        finite &= score.is_finite();
        if score > scores[best] {
            best = class;
        }
    }
    finite.then_some(best)
}

/// The exponential of a number that is not positive. Numbers below −87 are clamped to −87, which gives about 1.6e-38.
///
/// Uses the reduction and the polynomial of Cephes, in fused multiply-adds. The error is at most 2 units in the last
/// place.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: a sum with it has the nearest integer in its lowest bits
    let x = x.clamp(-87.0, 0.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let rest = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(rest, c);
    }
    let fraction = (p * rest).mul_add(rest, rest) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    fraction * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_exponential_is_within_two_units_in_the_last_place(x in -87.0f32..0.0) {
            let (ours, exact) = (f64::from(exp_of_negative(x)), f64::from(x).exp());
            prop_assert!((ours / exact - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "{x}: {ours} {exact}");
        }

        #[test]
        fn errors_and_loss_are_those_of_the_definition(
            scores in prop::collection::vec(-30.0f32..30.0, 1..40), label: prop::sample::Index, scale in 0.001f32..1.0
        ) {
            let (classes, label) = (scores.len(), label.index(scores.len()));
            let mut padded = scores.clone();
            padded.resize(classes.next_multiple_of(LANES), 77.0);
            let verdict = errors_in_place(&mut padded, classes, label, scale).unwrap();
            let sum: f64 = scores.iter().map(|&x| f64::from(x).exp()).sum();
            let loss = sum.ln() - f64::from(scores[label]);
            prop_assert!((verdict.loss - loss).abs() < 1e-6 * loss.abs().max(1.0));
            for (class, &error) in padded.iter().enumerate() {
                let share = scores.get(class).map_or(0.0, |&x| f64::from(x).exp() / sum);
                let expected = f64::from(scale) * (share - f64::from(u8::from(class == label)));
                prop_assert!((f64::from(error) - expected).abs() < 1e-6 * f64::from(scale));
            }
        }
    }

    #[test]
    fn of_equal_scores_the_lowest_class_wins() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), Some(1));
        assert_eq!(argmax(&[-1.0, -1.0]), Some(0));
        assert_eq!(argmax(&[0.0, -0.0]), Some(0));
    }

    #[test]
    fn a_score_that_is_not_finite_gives_no_class() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(argmax(&[1.0, bad]), None);
            let mut scores = [0.0; LANES];
            scores[1] = bad;
            assert_eq!(errors_in_place(&mut scores, 2, 0, 1.0), None);
        }
    }

    #[test]
    fn scores_far_apart_do_not_overflow() {
        let mut scores = [0.0; LANES];
        scores[..3].copy_from_slice(&[1e38, -1e38, 0.0]);
        let verdict = errors_in_place(&mut scores, 3, 2, 1.0).unwrap();
        assert!(!verdict.correct);
        assert!((verdict.loss / 1e38 - 1.0).abs() < 1e-6);
        assert_eq!(&scores[..3], &[1.0, 1.6458115e-38, -1.0]);
    }
}
