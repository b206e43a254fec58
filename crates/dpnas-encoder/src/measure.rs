//! Measuring the input of every norm over a calibration set.

use crate::encoder::Encoder;
use crate::program::{Op, State};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use dpnas_prior::{EngineError, Images, Measure, Moments};
use rayon::prelude::*;
use std::num::NonZeroUsize;

impl<B: Backend> Encoder<B> {
    /// Measures the input of every norm over a set of images, like [`Encode::measure`](dpnas_prior::Encode::measure)
    /// but without rows.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`], [`EngineError::EmptyCalibrationSet`], or [`EngineError::Device`] if results cannot
    /// be read back.
    pub fn measure(&self, request: &Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.measure_in_flight(request, NonZeroUsize::MIN)
    }

    /// Same as [`measure`](Self::measure), with several chunks at once on rayon's threads. Earlier norms are folded as
    /// in [`freeze`](Self::freeze), so that a norm's input has the same bits as in encoding.
    pub(crate) fn measure_in_flight(
        &self,
        request: &Measure<'_>,
        in_flight: NonZeroUsize,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        request.check(&self.plan)?;
        let Measure { images, epsilon, .. } = *request;
        let mut measured: Vec<Vec<Moments>> = vec![Vec::new(); self.plan.stages().len()];
        // `ops` are the operations so far, frozen; `held` is each chunk's state before operation `held_at`.
        let mut ops: Vec<Op<B>> = Vec::with_capacity(self.drawn.len());
        let (mut held, mut held_at): (Vec<State<B>>, usize) = (Vec::new(), 0);
        let bytes_of = |state: &State<B>| (state.elements_per_image() * images.len() * size_of::<f32>()) as u64;
        let blocks: Vec<Images<'_>> = images.chunks(request.chunk).collect();
        for op in &self.drawn {
            let Op::Norm { stage, .. } = op else {
                ops.push(op.clone());
                continue;
            };
            // Folding a norm changes the output of the convolution before it, so that convolution's input is held.
            let hold_at = ops.len() - usize::from(matches!(ops.last(), Some(Op::Conv(_))));
            // Old and new states are in memory until all new ones are computed.
            let room = request.held_bytes.saturating_sub(held.first().map_or(0, bytes_of));
            let advance = |(index, block): (usize, &Images<'_>)| {
                let start = held.get(index).cloned().unwrap_or_else(|| State::new(self.upload(*block)));
                let before = ops[held_at..hold_at].iter().fold(start, |state, op| op.apply(state));
                let keep = bytes_of(&before) <= room;
                let kept = keep.then(|| before.clone());
                let state = ops[hold_at..].iter().fold(before, |state, op| op.apply(state));
                Ok((image_moments(&state.value)?, kept))
            };
            let results: Vec<(ImageMoments, Option<State<B>>)> = run(&blocks, in_flight, advance)?;
            let mut moments = Moments::new(results.first().map_or(0, |(measured, _)| measured.channels));
            let mut states = Vec::new();
            for (measured, state) in results {
                measured.add_to(&mut moments);
                states.extend(state);
            }
            if !states.is_empty() {
                (held, held_at) = (states, hold_at);
            }
            let affine = moments.stats().fold(epsilon);
            match ops.last_mut() {
                Some(Op::Conv(conv)) => *conv = conv.folded(&affine),
                _ => ops.push(Op::affine(*stage, &affine, &self.device)),
            }
            measured[*stage].push(moments);
        }
        Ok(measured)
    }

    /// Images on the encoder's device, `[n, channels, height, width]`.
    pub(crate) fn upload(&self, images: Images<'_>) -> Tensor<B, 4> {
        let shape = images.shape();
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(|n| n as usize);
        let data = TensorData::new(images.pixels().to_vec(), [images.len(), channels, height, width]);
        Tensor::from_data(data, &self.device)
    }
}

/// Computes every chunk's result, in order, with `in_flight` chunks at once.
fn run<I: Sync, T: Send>(
    blocks: &[I],
    in_flight: NonZeroUsize,
    compute: impl Fn((usize, &I)) -> Result<T, EngineError> + Sync,
) -> Result<Vec<T>, EngineError> {
    if in_flight == NonZeroUsize::MIN {
        return blocks.iter().enumerate().map(compute).collect();
    }
    // Rayon may begin any number of chunks, because a thread that waits for a part of one begins another. Separate
    // windows bound the number in flight.
    let mut results = Vec::with_capacity(blocks.len());
    for (window, blocks) in blocks.chunks(in_flight.get()).enumerate() {
        let first = window * in_flight.get();
        let part: Result<Vec<T>, EngineError> =
            blocks.par_iter().enumerate().map(|(index, block)| compute((first + index, block))).collect();
        results.extend(part?);
    }
    Ok(results)
}

/// Mean and sum of squared deviations of each channel of each image, `[n, channels]`.
struct ImageMoments {
    channels: usize,
    pixels: usize,
    means: Vec<f32>,
    deviations: Vec<f32>,
}

impl ImageMoments {
    fn add_to(&self, moments: &mut Moments) {
        for (mean, deviation) in self.means.chunks(self.channels).zip(self.deviations.chunks(self.channels)) {
            moments.add_image(self.pixels as u64, mean, deviation);
        }
    }
}

/// Each image is reduced over its own pixels on the device, so no number depends on the chunk.
fn image_moments<B: Backend>(value: &Tensor<B, 4>) -> Result<ImageMoments, EngineError> {
    let [n, channels, height, width] = value.dims();
    let pixels = value.clone().reshape([n, channels, height * width]);
    let mean = pixels.clone().mean_dim(2); // [n, channels, 1]
    let centred = pixels - mean.clone();
    let deviation = (centred.clone() * centred).sum_dim(2); // [n, channels, 1]
    let (means, deviations) = (read(mean.into_data())?, read(deviation.into_data())?);
    Ok(ImageMoments { channels, pixels: height * width, means, deviations })
}

/// Values of a tensor that was read back, as `f32`.
pub(crate) fn read(data: TensorData) -> Result<Vec<f32>, EngineError> {
    data.convert::<f32>().into_vec().map_err(|error| EngineError::Device {
        engine: "burn".into(),
        message: format!("cannot read a tensor: {error:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_prior::{Prior, WeightInit};
    use dpnas_seed::Seed;

    #[test]
    fn what_is_held_between_norms_and_who_computes_changes_no_bit() {
        let net = "[C(6,3,1,1,1), C(8,3,1,1,0), P(2,2,0,0), C(4,3,1,1,0), C(5,1,1,0,1), SM(10)]";
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let encoder = Encoder::<Flex>::new(&prior, &Default::default());
        let mut pixels = vec![0.0; 9 * 64];
        Seed(1).stream("test images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(plan.input(), &pixels).unwrap();
        let number = |n| NonZeroUsize::new(n).unwrap();
        let measure = |in_flight, held_bytes| {
            let mut request = Measure::new(images, 1e-4, number(2));
            request.held_bytes = held_bytes;
            encoder.measure_in_flight(&request, number(in_flight)).unwrap()
        };
        let expected = measure(1, u64::MAX);
        let norms: Vec<usize> = expected.iter().map(Vec::len).collect();
        assert_eq!(norms, [1, 2, 0, 2, 1]);
        // Nothing held; only the small maps after the pooling held; all held.
        for held_bytes in [0, 9 * 4 * 8 * 16 * 2, u64::MAX] {
            for in_flight in [1, 2, 3, 9] {
                assert_eq!(measure(in_flight, held_bytes), expected, "{in_flight} {held_bytes}");
            }
        }
    }
}
