//! Adam, applied to one block of the weights at a time.

use crate::ProbeConfig;
use crate::lanes::LANES;

/// Adam's two running means of each weight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    pub mean: Vec<f32>,
    pub square: Vec<f32>,
}

impl Moments {
    pub(crate) fn zero(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len] }
    }
}

/// The powers of the decays. Repeated products in `f64` give the same bits on every platform.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    power_1: f64,
    power_2: f64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { power_1: 1.0, power_2: 1.0 }
    }

    /// The factors of the next step.
    pub(crate) fn tick(&mut self, config: &ProbeConfig) -> AdamStep {
        let (beta_1, beta_2) = (f64::from(config.beta_1), f64::from(config.beta_2));
        self.power_1 *= beta_1;
        self.power_2 *= beta_2;
        AdamStep {
            beta_1: config.beta_1,
            rest_1: (1.0 - beta_1) as f32,
            beta_2: config.beta_2,
            rest_2: (1.0 - beta_2) as f32,
            rate: (f64::from(config.learning_rate) / (1.0 - self.power_1)) as f32,
            scale: (1.0 / (1.0 - self.power_2).sqrt()) as f32,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
        }
    }
}

/// The factors of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    beta_1: f32,
    rest_1: f32,
    beta_2: f32,
    rest_2: f32,
    /// Learning rate / first bias correction.
    rate: f32,
    /// 1 / √(second bias correction).
    scale: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl AdamStep {
    /// Updates sixteen weights.
    #[inline(always)]
    pub(crate) fn apply(
        &self,
        gradient: &[f32; LANES],
        weights: &mut [f32; LANES],
        mean: &mut [f32; LANES],
        square: &mut [f32; LANES],
    ) {
        for lane in 0..LANES {
            let gradient = self.weight_decay.mul_add(weights[lane], gradient[lane]);
            mean[lane] = self.beta_1.mul_add(mean[lane], self.rest_1 * gradient);
            square[lane] = self.beta_2.mul_add(square[lane], self.rest_2 * gradient * gradient);
            let root = square[lane].sqrt().mul_add(self.scale, self.epsilon);
            weights[lane] -= self.rate * mean[lane] / root;
        }
    }
}
