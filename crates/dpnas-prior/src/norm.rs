//! Normalisation: statistics of each channel, and the scale and shift that they fold into.

use crate::EngineError;
use dpnas_grammar::{Layer, Plan};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Source of the statistics of the encoder's normalisations.
///
/// Prints and parses as `calibrated`, `reference`, `none`.
///
/// # Source
/// SPEC §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormMode {
    /// A fixed calibration set, measured once layer by layer and then frozen for every split.
    Calibrated,
    /// Each mini-batch for the training images, running averages for the others.
    Reference,
    /// No normalisation.
    None,
}

/// Normalisation of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Normalisation {
    /// Source of the statistics.
    pub mode: NormMode,
    /// Added to each variance before the square root; 0 switches normalisation off.
    pub epsilon: f64,
}

impl Normalisation {
    /// The published ε.
    pub const PAPER_EPSILON: f64 = 1e-4;

    /// Calibrated statistics and the published ε.
    pub const fn calibrated() -> Self {
        Self { mode: NormMode::Calibrated, epsilon: Self::PAPER_EPSILON }
    }

    /// The mode in effect: [`NormMode::None`] if ε is 0.
    pub fn effective_mode(&self) -> NormMode {
        if self.epsilon == 0.0 { NormMode::None } else { self.mode }
    }
}

/// An unknown normalisation mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown normalisation `{name}`: use calibrated, reference or none")]
pub struct UnknownNormMode {
    /// The name.
    pub name: String,
}

impl FromStr for NormMode {
    type Err = UnknownNormMode;

    fn from_str(name: &str) -> Result<Self, UnknownNormMode> {
        match name {
            "calibrated" => Ok(Self::Calibrated),
            "reference" => Ok(Self::Reference),
            "none" => Ok(Self::None),
            _ => Err(UnknownNormMode { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for NormMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Calibrated => "calibrated",
            Self::Reference => "reference",
            Self::None => "none",
        })
    }
}

/// Mean and biased variance of each channel of a norm's input.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStats {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel.
    pub variance: Vec<f32>,
}

/// The scale and the shift of each channel: `y = scale · x + shift`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Factor of each channel.
    pub scale: Vec<f32>,
    /// Summand of each channel.
    pub shift: Vec<f32>,
}

impl ChannelStats {
    /// Folds `(x − mean) / √(variance + epsilon)` into a scale and a shift.
    pub fn fold(&self, epsilon: f64) -> Affine {
        let pairs = self.mean.iter().zip(&self.variance).map(|(&mean, &variance)| {
            let scale = 1.0 / (f64::from(variance) + epsilon).sqrt();
            (scale as f32, (-f64::from(mean) * scale) as f32)
        });
        let (scale, shift) = pairs.unzip();
        Affine { scale, shift }
    }
}

/// The statistics of every norm of a plan: `stages[i]` has one entry for a convolution (its output), two for a
/// residual block (its input, then conv a's output) and none for pooling.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Statistics, stage by stage.
    pub stages: Vec<Vec<ChannelStats>>,
}

impl Calibration {
    /// Channels of the input of every norm of a plan, stage by stage.
    pub fn channels(plan: &Plan) -> Vec<Vec<u32>> {
        let stages = plan.stages().iter();
        stages
            .map(|stage| match stage.layer {
                Layer::Conv { .. } => vec![stage.output.channels],
                Layer::Residual { .. } => vec![stage.input.channels, stage.output.channels],
                _ => vec![],
            })
            .collect()
    }

    /// Checks that the statistics have the norms and channels of a plan.
    ///
    /// # Errors
    /// [`EngineError::WrongCalibration`] with the first stage that differs.
    pub fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        let expected = Self::channels(plan);
        let fits = |stats: &ChannelStats, channels: &u32| {
            [&stats.mean, &stats.variance].map(Vec::len) == [*channels as usize; 2]
        };
        for stage in 0..expected.len().max(self.stages.len()) {
            match (self.stages.get(stage), expected.get(stage)) {
                (Some(found), Some(expected))
                    if found.len() == expected.len() && found.iter().zip(expected).all(|(stats, n)| fits(stats, n)) => {
                }
                _ => return Err(EngineError::WrongCalibration { stage }),
            }
        }
        Ok(())
    }

    /// Mean and biased variance of measured moments.
    pub fn from_moments(moments: &[Vec<Moments>]) -> Self {
        Self::from_each(moments, Moments::stats)
    }

    /// Mean and unbiased variance of measured moments, which running averages use.
    pub fn unbiased_from_moments(moments: &[Vec<Moments>]) -> Self {
        Self::from_each(moments, Moments::unbiased_stats)
    }

    /// Mean 0 and variance 1 for every norm: where running averages start.
    pub fn start_values(&self) -> Self {
        let start = |stats: &ChannelStats| ChannelStats {
            mean: vec![0.0; stats.mean.len()],
            variance: vec![1.0; stats.mean.len()],
        };
        Self { stages: self.stages.iter().map(|stage| stage.iter().map(start).collect()).collect() }
    }

    fn from_each(moments: &[Vec<Moments>], stats: impl Fn(&Moments) -> ChannelStats) -> Self {
        Self { stages: moments.iter().map(|stage| stage.iter().map(&stats).collect()).collect() }
    }
}

/// Mean and sum of squared deviations of each channel, gathered image by image in `f64`.
///
/// Images are added in the order of the set for any chunk and any number of threads, so the result depends on neither.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Moments {
    /// Moments of no images.
    pub fn new(channels: usize) -> Self {
        Self { count: 0, mean: vec![0.0; channels], deviation: vec![0.0; channels] }
    }

    /// Adds one image: each channel's mean and sum of squared deviations from that mean over its `pixels` pixels.
    pub fn add_image(&mut self, pixels: u64, means: &[f32], deviations: &[f32]) {
        let (old, new) = (self.count as f64, pixels as f64);
        self.count += pixels;
        let total = self.count as f64;
        for (channel, (&mean, &deviation)) in means.iter().zip(deviations).enumerate() {
            let delta = f64::from(mean) - self.mean[channel];
            self.mean[channel] += delta * new / total;
            self.deviation[channel] += f64::from(deviation) + delta * delta * old * new / total;
        }
    }

    /// Mean and biased variance (0 without any image).
    pub fn stats(&self) -> ChannelStats {
        self.with_divisor(self.count as f64)
    }

    /// Mean and unbiased variance, which running averages use.
    pub fn unbiased_stats(&self) -> ChannelStats {
        self.with_divisor(self.count.saturating_sub(1) as f64)
    }

    fn with_divisor(&self, divisor: f64) -> ChannelStats {
        ChannelStats {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            variance: self.deviation.iter().map(|&sum| (sum / divisor.max(1.0)) as f32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_is_batch_normalisation() {
        let stats = ChannelStats { mean: vec![2.0], variance: vec![8.9999] };
        let affine = stats.fold(1e-4);
        assert!((affine.scale[0] - 1.0 / 3.0).abs() < 1e-6);
        assert!((affine.scale[0] * 5.0 + affine.shift[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_constant_channel_has_no_variance_and_a_finite_scale() {
        let mut moments = Moments::new(1);
        moments.add_image(4, &[0.5], &[0.0]);
        moments.add_image(4, &[0.5], &[0.0]);
        let affine = moments.stats().fold(1e-4);
        assert_eq!(moments.stats().variance, [0.0]);
        assert!((affine.scale[0] - 100.0).abs() < 1e-3);
    }

    #[test]
    fn modes_print_and_parse() {
        for mode in [NormMode::Calibrated, NormMode::Reference, NormMode::None] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
        }
        assert!("batch".parse::<NormMode>().unwrap_err().to_string().contains("calibrated, reference or none"));
    }

    #[test]
    fn a_normalisation_is_read_back_and_takes_no_unknown_field() {
        let text = r#"{"mode":"calibrated","epsilon":0.0001}"#;
        assert_eq!(serde_json::to_string(&Normalisation::calibrated()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Normalisation>(text).unwrap(), Normalisation::calibrated());
        assert!(serde_json::from_str::<Normalisation>(&text.replace("epsilon", "epsilom")).is_err());
    }

    proptest! {
        #[test]
        fn moments_equal_those_of_all_pixels_at_once(
            images in prop::collection::vec(prop::collection::vec(-100.0f32..100.0, 6), 1..20),
        ) {
            let mut moments = Moments::new(1);
            for image in &images {
                let mean = image.iter().sum::<f32>() / 6.0;
                let deviation = image.iter().map(|x| (x - mean).powi(2)).sum::<f32>();
                moments.add_image(6, &[mean], &[deviation]);
            }
            let all: Vec<f64> = images.iter().flatten().map(|&x| f64::from(x)).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
            let unbiased = variance * all.len() as f64 / (all.len() - 1) as f64;
            prop_assert!((f64::from(moments.stats().mean[0]) - mean).abs() < 1e-3);
            prop_assert!((f64::from(moments.stats().variance[0]) / variance.max(1e-9) - 1.0).abs() < 1e-4);
            prop_assert!((f64::from(moments.unbiased_stats().variance[0]) / unbiased.max(1e-9) - 1.0).abs() < 1e-4);
        }
    }
}
