//! Mean and deviation of each channel of each image.

use crate::layout::Layout;
use dpnas_prior::Moments;

/// Mean, and sum of squared deviations from it, of each stored channel of some images, `[image][channel]`.
#[derive(Clone, Debug)]
pub(crate) struct ImageStats {
    layout: Layout,
    means: Vec<f32>,
    deviations: Vec<f32>,
}

impl ImageStats {
    /// Zeros for the images of a map.
    pub(crate) fn zeros(layout: Layout, images: usize) -> Self {
        let zeros = vec![0.0; images * layout.stride];
        Self { layout, means: zeros.clone(), deviations: zeros }
    }

    /// Means and deviations, to be written.
    pub(crate) fn places(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.means, &mut self.deviations)
    }

    /// Adds the images in their order.
    pub(crate) fn add_to(&self, moments: &mut Moments) {
        let Layout { stride, channels, .. } = self.layout;
        for (means, deviations) in self.means.chunks_exact(stride).zip(self.deviations.chunks_exact(stride)) {
            moments.add_image(self.layout.pixels() as u64, &means[..channels], &deviations[..channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Compute, stats};
    use crate::level::Level;
    use crate::{Precision, scalar::Scalar};
    use half::bf16;
    use proptest::prelude::*;

    fn check<E: Compute>(level: Level, values: &[f32], layout: Layout) -> Result<(), TestCaseError> {
        let map: Vec<E> = values.iter().map(|&value| E::from_f32(value)).collect();
        let found = stats(level, (&map[..], layout), 2);
        for (image, channel) in (0..2).flat_map(|image| (0..layout.channels).map(move |channel| (image, channel))) {
            let value = |i: usize| map[layout.inside(image, i / layout.size, i % layout.size) + channel];
            let pixels: Vec<f64> = (0..layout.pixels()).map(|i| f64::from(Scalar::to_f32(value(i)))).collect();
            let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
            let deviation: f64 = pixels.iter().map(|x| (x - mean).powi(2)).sum();
            let place = image * layout.stride + channel;
            prop_assert!((f64::from(found.means[place]) - mean).abs() < 1e-5, "{level}: mean {}", found.means[place]);
            prop_assert!((f64::from(found.deviations[place]) - deviation).abs() < 1e-4 * (1.0 + deviation), "{level}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "takes too long; tests/small_plans.rs calibrates")]
        fn each_channel_of_each_image_is_reduced_on_its_own(
            values in prop::collection::vec(-10.0f32..10.0, 2 * 81 * 32),
            size in 1usize..=7,
            channels in 1usize..=32,
        ) {
            let layout = Layout::padded(size, channels, 1);
            for level in Level::available(Precision::F32) {
                check::<f32>(level, &values, layout)?;
            }
            for level in Level::available(Precision::Bf16) {
                check::<bf16>(level, &values, layout)?;
            }
        }
    }
}
