//! Running averages of normalisation statistics, for validation and test images.

use crate::{Calibration, Moments};

/// Weight of the newest mini-batch in the running averages.
pub const MOMENTUM: f64 = 0.1;

/// Running averages of every norm of a plan: mean 0 and variance 1 at first, then
/// `(1 − momentum) · old + momentum · mini-batch`, with the unbiased variance.
#[derive(Clone, Debug)]
pub struct RunningStats {
    calibration: Option<Calibration>,
}

impl RunningStats {
    /// Averages of no mini-batches.
    pub fn new() -> Self {
        Self { calibration: None }
    }

    /// Adds a mini-batch.
    pub fn update(&mut self, moments: &[Vec<Moments>]) {
        let batch = Calibration::unbiased_from_moments(moments);
        let averages = self.calibration.get_or_insert_with(|| batch.start_values());
        for (old, new) in averages.stages.iter_mut().flatten().zip(batch.stages.iter().flatten()) {
            mix(&mut old.mean, &new.mean);
            mix(&mut old.variance, &new.variance);
        }
    }

    /// The averages; `None` before the first mini-batch.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }
}

impl Default for RunningStats {
    fn default() -> Self {
        Self::new()
    }
}

fn mix(old: &mut [f32], new: &[f32]) {
    for (old, new) in old.iter_mut().zip(new) {
        *old = ((1.0 - MOMENTUM) * f64::from(*old) + MOMENTUM * f64::from(*new)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(pixels: [f32; 2]) -> Vec<Vec<Moments>> {
        let mean = (pixels[0] + pixels[1]) / 2.0;
        let deviation = pixels.iter().map(|x| (x - mean).powi(2)).sum();
        let mut moments = Moments::new(1);
        moments.add_image(2, &[mean], &[deviation]);
        vec![vec![moments], vec![]]
    }

    #[test]
    fn running_averages_start_at_zero_and_one_and_use_the_unbiased_variance() {
        let mut running = RunningStats::new();
        assert!(running.calibration().is_none());
        running.update(&moments([1.0, 3.0])); // mean 2, unbiased variance 2
        let first = running.calibration().unwrap().stages[0][0].clone();
        assert!((first.mean[0] - 0.2).abs() < 1e-6);
        assert!((first.variance[0] - (0.9 + 0.2)).abs() < 1e-6);
        running.update(&moments([5.0, 5.0])); // mean 5, variance 0
        let second = &running.calibration().unwrap().stages[0][0];
        assert!((second.mean[0] - (0.18 + 0.5)).abs() < 1e-6);
        assert!((second.variance[0] - 0.99).abs() < 1e-6);
    }
}
