//! Inverted drop-out of the classifier's input, independent of how the work is split.

use crate::Element;
use crate::lanes::Rows;
use dpnas_seed::Stream;
use std::ops::Range;

/// Copies some features of each row. Each is set to 0 with probability `rate`; the others are scaled by
/// `1 / (1 − rate)`.
///
/// Element (row position in the batch, feature) takes word `position · features + feature` of the step's stream.
///
/// # Shapes
/// `out` becomes `[rows, part]`.
pub(crate) fn drop_out<E: Element>(
    rows: Rows<'_, E>,
    features: usize,
    part: Range<usize>,
    stream: &Stream,
    rate: f32,
    out: &mut Vec<f32>,
) {
    let (start, len) = (part.start, part.len());
    out.resize(rows.offsets.len() * len, 0.0);
    let scale = 1.0 / (1.0 - rate);
    for (position, (out, &offset)) in out.chunks_exact_mut(len).zip(rows.offsets).enumerate() {
        stream.fill_uniform((position * features + start) as u64, 0.0, 1.0, out);
        for (out, &x) in out.iter_mut().zip(&rows.data[offset + start..]) {
            *out = if *out < rate { 0.0 } else { x.to_f32() * scale };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;
    use proptest::prelude::*;

    #[test]
    fn drop_out_keeps_the_mean_and_has_the_given_rate() {
        let (data, offsets) = (vec![1.0f32; 200], vec![0; 1_000]);
        let mut out = Vec::new();
        let stream = Seed(1).stream("drop-out", 0);
        drop_out(Rows { data: &data, offsets: &offsets }, 200, 0..200, &stream, 0.3, &mut out);
        let dropped = out.iter().filter(|&&x| x == 0.0).count() as f64 / 200_000.0;
        let mean = out.iter().map(|&x| f64::from(x)).sum::<f64>() / 200_000.0;
        // Six standard errors: sqrt(0.3 · 0.7 / 200,000) = 0.001, and 1/0.7 of that for the mean.
        assert!((dropped - 0.3).abs() < 0.0062, "{dropped}");
        assert!((mean - 1.0).abs() < 0.0088, "{mean}");
        assert!(out.iter().all(|&x| x == 0.0 || x == 1.0 / 0.7));
    }

    proptest! {
        #[test]
        fn a_part_of_the_features_gets_the_mask_of_the_whole(start in 0usize..40, len in 1usize..20, seed: u64) {
            let data: Vec<f32> = (0..180).map(|i| i as f32).collect();
            let rows = Rows { data: &data, offsets: &[120, 0, 60] };
            let stream = Seed(seed).stream("drop-out", 9);
            let (mut whole, mut part) = (Vec::new(), vec![5.0; 3]);
            drop_out(rows, 60, 0..60, &stream, 0.5, &mut whole);
            drop_out(rows, 60, start..start + len, &stream, 0.5, &mut part);
            for row in 0..3 {
                prop_assert_eq!(&part[row * len..][..len], &whole[row * 60 + start..][..len]);
            }
        }
    }
}
