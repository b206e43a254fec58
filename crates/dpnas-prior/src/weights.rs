//! Drawing the weights of a plan on the host.

use crate::WeightInit;
use crate::orthogonal::orthogonal;
use dpnas_grammar::{ConvShape, Plan};
use dpnas_seed::{Seed, Stream};
use rayon::prelude::*;
use std::sync::Arc;

/// Elements that one task fills.
const BLOCK: usize = 1 << 14;

/// The weights of one convolution, row-major `[out_channels, in_channels, kernel, kernel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvWeights {
    shape: ConvShape,
    values: Arc<[f32]>,
}

impl ConvWeights {
    /// The convolution's shape.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// The weights, row-major `[out_channels, in_channels, kernel, kernel]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// A plan with random weights, which an engine loads as a frozen encoder.
///
/// Stage `i` draws from the stream (seed, "encoder", i), its convolutions one after the other. So nets with a common
/// prefix share its weights under one seed, for any number of threads.
#[derive(Clone, Debug)]
pub struct Prior {
    plan: Plan,
    seed: Seed,
    init: WeightInit,
    stages: Vec<Vec<ConvWeights>>,
}

/// Why no weights could be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// A convolution has more weights than the memory holds.
    #[error("layer {layer} ({token}) has {weights} weights: more memory than this machine can give")]
    TooLarge {
        /// Index of the layer, from 0.
        layer: usize,
        /// The layer's token.
        token: String,
        /// Number of weights.
        weights: u64,
    },
}

impl Prior {
    /// Draws the weights of every convolution of the plan.
    ///
    /// # Errors
    /// [`DrawError::TooLarge`] if there is no memory for a convolution's weights.
    ///
    /// # Source
    /// SPEC §6.
    pub fn draw(plan: &Plan, init: WeightInit, seed: Seed) -> Result<Self, DrawError> {
        let stages = plan
            .stages()
            .iter()
            .enumerate()
            .map(|(index, stage)| {
                let stream = seed.stream("encoder", index as u64);
                let mut start = 0;
                stage
                    .weights()
                    .map(|shape| {
                        let values =
                            draw_convolution(&shape, init, &stream, start).ok_or_else(|| DrawError::TooLarge {
                                layer: index,
                                token: stage.layer.to_string(),
                                weights: shape.weights(),
                            })?;
                        start += shape.weights();
                        Ok(ConvWeights { shape, values })
                    })
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { plan: plan.clone(), seed, init, stages })
    }

    /// The plan of the weights.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The seed of the draw.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Initialisation of the weights.
    pub fn init(&self) -> WeightInit {
        self.init
    }

    /// The convolutions of stage `index`: one for a convolution; conv a, conv b and, if the number of channels changes, the
    /// 1×1 projection for a residual block; none for pooling.
    ///
    /// # Panics
    /// If the plan has no such stage.
    pub fn stage(&self, index: usize) -> &[ConvWeights] {
        &self.stages[index]
    }
}

/// Draws the weights of one convolution; `None` if there is no memory for them.
fn draw_convolution(shape: &ConvShape, init: WeightInit, stream: &Stream, start: u64) -> Option<Arc<[f32]>> {
    let count = usize::try_from(shape.weights()).ok()?;
    let mut values = Vec::new();
    values.try_reserve_exact(count).ok()?;
    let (fan_in, fan_out) = (shape.fan_in() as f64, shape.fan_out() as f64);
    let (normal_scale, bound) = match init {
        WeightInit::KaimingNormal => ((2.0 / fan_in).sqrt(), None),
        WeightInit::XavierNormal => ((2.0 / (fan_in + fan_out)).sqrt(), None),
        WeightInit::KaimingUniform => (0.0, Some((6.0 / fan_in).sqrt() as f32)),
        WeightInit::XavierUniform => (0.0, Some((6.0 / (fan_in + fan_out)).sqrt() as f32)),
        WeightInit::Orthogonal => {
            let rows = shape.out_channels as usize;
            return Some(orthogonal(stream, start, rows, count / rows).into());
        }
    };
    values.resize(count, 0.0);
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
        let position = start + (block * BLOCK) as u64;
        match bound {
            Some(bound) => stream.fill_uniform(position, -bound, bound, out),
            None => {
                stream.fill_normal(position, out);
                out.iter_mut().for_each(|value| *value *= normal_scale as f32);
            }
        }
    });
    Some(values.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::{ImageShape, Net};

    fn prior(net: &str, init: WeightInit, seed: u64) -> Prior {
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(3, 12)).unwrap();
        Prior::draw(&plan, init, Seed(seed)).unwrap()
    }

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        (mean, (values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn each_initialisation_has_its_spread() {
        // fan_in = 3 * 25 = 75, fan_out = 512 * 25 = 12,800
        let expected = [
            (WeightInit::KaimingNormal, (2.0f64 / 75.0).sqrt()),
            (WeightInit::KaimingUniform, (6.0f64 / 75.0 / 3.0).sqrt()),
            (WeightInit::XavierNormal, (2.0f64 / 12_875.0).sqrt()),
            (WeightInit::XavierUniform, (6.0f64 / 12_875.0 / 3.0).sqrt()),
            (WeightInit::Orthogonal, (1.0f64 / 512.0).sqrt()),
        ];
        for (init, std) in expected {
            let prior = prior("[C(512,5,1,2,1), SM(10)]", init, 1);
            let (mean, measured) = moments(prior.stage(0)[0].values());
            // 38,400 values: a standard error of 0.5 % of the spread for the mean, less for the spread itself.
            assert!(mean.abs() < 0.025 * std, "{init}: mean {mean}");
            assert!((measured / std - 1.0).abs() < 0.02, "{init}: {measured} beside {std}");
        }
    }

    #[test]
    fn a_residual_block_draws_both_convolutions_and_the_projection_apart() {
        let prior = prior("[C(8,3,1,1,0), C(8,3,1,1,0), SM(10)]", WeightInit::KaimingNormal, 1);
        let counts = |stage: usize| -> Vec<usize> { prior.stage(stage).iter().map(|w| w.values().len()).collect() };
        assert_eq!(counts(0), [8 * 3 * 9, 8 * 8 * 9, 8 * 3]);
        assert_eq!(counts(1), [8 * 8 * 9, 8 * 8 * 9]);
        let (a, b) = (prior.stage(1)[0].values(), prior.stage(1)[1].values());
        assert!(a.iter().zip(b).all(|(x, y)| x != y));
    }

    #[test]
    fn nets_with_the_same_prefix_share_its_weights() {
        let short = prior("[C(16,3,1,1,1), P(2,2,0,0), SM(10)]", WeightInit::KaimingNormal, 7);
        let long = prior("[C(16,3,1,1,1), P(2,2,0,0), C(16,3,1,1,1), SM(10)]", WeightInit::KaimingNormal, 7);
        assert_eq!(short.stage(0), long.stage(0));
        assert!(short.stage(1).is_empty());
        let other = prior("[C(16,3,1,1,1), P(2,2,0,0), SM(10)]", WeightInit::KaimingNormal, 8);
        assert_ne!(short.stage(0), other.stage(0));
    }

    #[test]
    fn one_and_many_threads_draw_the_same_weights() {
        let net = "[C(128,3,1,1,0), SM(10)]";
        let draw = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| prior(net, WeightInit::KaimingNormal, 3).stages)
        };
        assert_eq!(draw(1), draw(3));
    }
}
