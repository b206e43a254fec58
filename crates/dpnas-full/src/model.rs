//! The trained arrays on the host: weights, scales and shifts with Adam's moments, and running averages.

use crate::adam::AdamStep;
use dpnas_prior::{Affine, ChannelStats, MOMENTUM, Moments};

/// The content of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) weights: Vec<Parameter>,
    pub(crate) norms: Vec<Norm>,
    /// Steps of Adam taken.
    pub(crate) steps: u64,
}

/// A trained array with Adam's running means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) square: Vec<f32>,
}

/// A batch normalisation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) scale: Parameter,
    pub(crate) shift: Parameter,
    /// Running averages: mean 0 and variance 1 at first.
    pub(crate) running: ChannelStats,
}

impl Parameter {
    pub(crate) fn new(name: String, shape: Vec<usize>, values: Vec<f32>) -> Self {
        let [mean, square] = [vec![0.0; values.len()], vec![0.0; values.len()]];
        Self { name, shape, values, mean, square }
    }
}

impl Norm {
    /// Scale 1, shift 0.
    pub(crate) fn new(name: &str, channels: usize) -> Self {
        let parameter = |part, value| Parameter::new(format!("{name}.{part}"), vec![channels], vec![value; channels]);
        Self {
            name: name.to_owned(),
            scale: parameter("scale", 1.0),
            shift: parameter("shift", 0.0),
            running: ChannelStats { mean: vec![0.0; channels], variance: vec![1.0; channels] },
        }
    }

    /// The normalisation by these statistics as a scale and a shift.
    pub(crate) fn affine(&self, stats: &ChannelStats, epsilon: f64) -> Affine {
        let mut affine = stats.fold(epsilon);
        let trained = self.scale.values.iter().zip(&self.shift.values);
        for ((scale, shift), (&gamma, &beta)) in affine.scale.iter_mut().zip(&mut affine.shift).zip(trained) {
            *scale *= gamma;
            *shift = (f64::from(*shift) * f64::from(gamma) + f64::from(beta)) as f32;
        }
        affine
    }

    /// Updates the running averages: `(1 − momentum) · old + momentum · mini-batch`, with the unbiased variance.
    pub(crate) fn update(&mut self, batch: &Moments) {
        let batch = batch.unbiased_stats();
        let mix = |old: &mut [f32], new: &[f32]| {
            for (old, new) in old.iter_mut().zip(new) {
                *old = ((1.0 - MOMENTUM) * f64::from(*old) + MOMENTUM * f64::from(*new)) as f32;
            }
        };
        mix(&mut self.running.mean, &batch.mean);
        mix(&mut self.running.variance, &batch.variance);
    }
}

/// The gradient of a mini-batch's mean loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gradient {
    /// For each weight.
    pub(crate) weights: Vec<Vec<f32>>,
    /// For the scale and shift of each norm.
    pub(crate) norms: Vec<[Vec<f32>; 2]>,
}

impl Gradient {
    /// Whether every number is finite. Class scores do not show it, because a ReLU can turn NaN into 0.
    pub(crate) fn is_finite(&self) -> bool {
        self.weights.iter().chain(self.norms.iter().flatten()).flatten().all(|value| value.is_finite())
    }
}

impl Model {
    /// Every trained array.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.weights.iter_mut().chain(self.norms.iter_mut().flat_map(|norm| [&mut norm.scale, &mut norm.shift]))
    }

    /// One step of Adam.
    pub(crate) fn descend(&mut self, gradient: &Gradient, step: &AdamStep) {
        let gradients = gradient.weights.iter().chain(gradient.norms.iter().flatten());
        for (parameter, gradient) in self.parameters_mut().zip(gradients) {
            step.apply(gradient, &mut parameter.values, &mut parameter.mean, &mut parameter.square);
        }
        self.steps += 1;
    }
}
