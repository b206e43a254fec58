//! Adam on host arrays, from any step.

use dpnas_train::ProbeConfig;
use rayon::prelude::*;

/// Numbers updated by one task.
const BLOCK: usize = 1 << 14;

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
    /// The factors of step `number`, counted from 1, with the learning rate scaled by `rate_factor`.
    pub(crate) fn new(config: &ProbeConfig, number: u64, rate_factor: f64) -> Self {
        let (beta_1, beta_2) = (f64::from(config.beta_1), f64::from(config.beta_2));
        Self {
            beta_1: config.beta_1,
            rest_1: (1.0 - beta_1) as f32,
            beta_2: config.beta_2,
            rest_2: (1.0 - beta_2) as f32,
            rate: (f64::from(config.learning_rate) * rate_factor / (1.0 - power(beta_1, number))) as f32,
            scale: (1.0 / (1.0 - power(beta_2, number)).sqrt()) as f32,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
        }
    }

    /// Updates numbers.
    pub(crate) fn apply(&self, gradient: &[f32], values: &mut [f32], mean: &mut [f32], square: &mut [f32]) {
        let moments = mean.par_chunks_mut(BLOCK).zip(square.par_chunks_mut(BLOCK));
        let numbers = gradient.par_chunks(BLOCK).zip(values.par_chunks_mut(BLOCK));
        numbers.zip(moments).for_each(|((gradient, values), (mean, square))| {
            // Slices of one length, so that the loop needs no checks and becomes vectors.
            let length = values.len();
            let (gradient, mean, square) = (&gradient[..length], &mut mean[..length], &mut square[..length]);
            for i in 0..length {
                let gradient = gradient[i] + self.weight_decay * values[i];
                mean[i] = self.beta_1 * mean[i] + self.rest_1 * gradient;
                square[i] = self.beta_2 * square[i] + self.rest_2 * gradient * gradient;
                values[i] -= self.rate * mean[i] / (square[i].sqrt() * self.scale + self.epsilon);
            }
        });
    }
}

/// A power by squaring, which gives the same bits on every platform.
fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut square) = (1.0, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;

    #[test]
    fn steps_follow_the_definition() {
        let config = ProbeConfig { learning_rate: 0.1, weight_decay: 0.01, ..ProbeConfig::paper(Seed(0)) };
        let (mut value, mut mean, mut square) = ([2.0f32], [0.0f32], [0.0f32]);
        let (mut exact, mut m, mut v) = (2.0f64, 0.0f64, 0.0f64);
        for number in 1..=20 {
            let gradient = (number as f64 * 0.7).sin();
            AdamStep::new(&config, number, 0.5).apply(&[gradient as f32], &mut value, &mut mean, &mut square);
            let gradient = gradient + 0.01 * exact;
            m = 0.9 * m + 0.1 * gradient;
            v = 0.999 * v + 0.001 * gradient * gradient;
            let (m, v) = (m / (1.0 - 0.9f64.powi(number as i32)), v / (1.0 - 0.999f64.powi(number as i32)));
            exact -= 0.05 * m / (v.sqrt() + 1e-8);
        }
        assert!((f64::from(value[0]) - exact).abs() < 1e-5, "{} {exact}", value[0]);
    }

    #[test]
    fn a_power_by_squaring_is_the_power() {
        assert_eq!(power(0.5, 0), 1.0);
        assert_eq!(power(0.5, 10), 0.5f64.powi(10));
        assert!((power(0.999, 12_345) / 0.999f64.powf(12_345.0) - 1.0).abs() < 1e-10);
    }
}
