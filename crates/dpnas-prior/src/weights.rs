//! Drawing the weights of a plan on the host.

use crate::orthogonal::orthogonal;
use crate::{WeightInit, can_have};
use dpnas_grammar::{ConvShape, Plan, Stage};
use dpnas_seed::{Seed, Stream};
use rayon::prelude::*;
use std::sync::Arc;

/// Elements that one task fills.
const BLOCK: usize = 1 << 14;

/// The weights of one convolution, row-major `[out_channels, in_channels, kernel, kernel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvWeights {
    shape: ConvShape,
    values: Arc<Vec<f32>>,
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

    /// The weights without their shape. They are copied only if another [`Prior`] has them too.
    pub fn into_values(self) -> Vec<f32> {
        Arc::unwrap_or_clone(self.values)
    }
}

/// Bytes of one weight.
const F32_BYTES: u64 = 4;

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
    /// Most bytes that [`draw`](Self::draw) holds at once, from the plan alone: the weights, and for an orthogonal
    /// initialisation its numbers of twice the size for the largest convolution.
    pub fn bytes(plan: &Plan, init: WeightInit) -> u64 {
        let largest = plan.stages().iter().flat_map(Stage::weights).map(|shape| shape.weights()).max().unwrap_or(0);
        let beside = largest.saturating_mul(bytes_to_draw(init) - F32_BYTES);
        plan.parameters().saturating_mul(F32_BYTES).saturating_add(beside)
    }

    /// Draws the weights of every convolution of the plan. It takes [`bytes`](Self::bytes), so compare these with the
    /// memory first.
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

    /// Every convolution, in the order of the stages and within a stage as [`stage`](Self::stage) gives them.
    pub fn into_convolutions(self) -> impl Iterator<Item = ConvWeights> {
        self.stages.into_iter().flatten()
    }
}

/// Bytes for each weight of a convolution while it is drawn.
fn bytes_to_draw(init: WeightInit) -> u64 {
    match init {
        WeightInit::Orthogonal => 3 * F32_BYTES,
        _ => F32_BYTES,
    }
}

/// Draws the weights of one convolution; `None` if there is no memory for them.
fn draw_convolution(shape: &ConvShape, init: WeightInit, stream: &Stream, start: u64) -> Option<Arc<Vec<f32>>> {
    let count = usize::try_from(shape.weights()).ok()?;
    if !can_have(shape.weights().saturating_mul(bytes_to_draw(init))) {
        return None;
    }
    let (fan_in, fan_out) = (shape.fan_in() as f64, shape.fan_out() as f64);
    let (normal_scale, bound) = match init {
        WeightInit::KaimingNormal => ((2.0 / fan_in).sqrt(), None),
        WeightInit::XavierNormal => ((2.0 / (fan_in + fan_out)).sqrt(), None),
        WeightInit::KaimingUniform => (0.0, Some((6.0 / fan_in).sqrt() as f32)),
        WeightInit::XavierUniform => (0.0, Some((6.0 / (fan_in + fan_out)).sqrt() as f32)),
        WeightInit::Orthogonal => {
            let rows = shape.out_channels as usize;
            return Some(Arc::new(orthogonal(stream, start, rows, count / rows)));
        }
    };
    let mut values = vec![0.0; count];
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
    Some(Arc::new(values))
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
    fn the_bytes_of_a_draw_follow_from_the_plan() {
        let plan = |net: &str| net.parse::<Net>().unwrap().plan(ImageShape::square(3, 12)).unwrap();
        let two = plan("[C(8,3,1,1,1), C(4,3,1,1,1), SM(10)]");
        assert_eq!(Prior::bytes(&two, WeightInit::KaimingNormal), 4 * (8 * 3 * 9 + 4 * 8 * 9));
        // The vectors of the larger convolution are of f64.
        assert_eq!(Prior::bytes(&two, WeightInit::Orthogonal), 4 * (8 * 3 * 9 + 4 * 8 * 9) + 8 * 4 * 8 * 9);
        assert_eq!(Prior::bytes(&plan("[SM(10)]"), WeightInit::Orthogonal), 0);
    }

    #[test]
    fn weights_that_the_memory_does_not_hold_are_an_error_and_not_the_end_of_the_program() {
        // More bytes than addresses.
        let net = "[C(4000000000,3,1,1,1), SM(10)]".parse::<Net>().unwrap();
        let plan = net.plan(ImageShape::square(1 << 20, 4)).unwrap();
        for (init, _) in WeightInit::ALL {
            let error = Prior::draw(&plan, init, Seed(1)).map(drop);
            assert!(matches!(error, Err(DrawError::TooLarge { .. })), "{init}: {error:?}");
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
