//! Mean and spread of each channel of each image.

use crate::element::Element;
use crate::layout::Layout;

/// Mean, and sum of squared deviations from it, of each channel of one image.
#[derive(Clone, Debug)]
pub(crate) struct ImageStats {
    pub(crate) means: Vec<f32>,
    pub(crate) deviations: Vec<f32>,
}

/// Reduces each of the first `images` images on its own: a row in `f32`, rows in `f64`.
pub(crate) fn image_stats<E: Element>(map: &[E], layout: Layout, images: usize) -> Vec<ImageStats> {
    let mut row = vec![0.0f32; layout.stride];
    let mut sums = vec![0.0f64; layout.stride];
    let mut means = vec![0.0f32; layout.stride];
    let mut stats = Vec::with_capacity(images);
    for image in 0..images {
        reduce(map, layout, image, &mut row, &mut sums, |sum, value, _| *sum += value, &means);
        for (mean, sum) in means.iter_mut().zip(&sums) {
            *mean = (sum / layout.pixels() as f64) as f32;
        }
        let squares = |sum: &mut f32, value: f32, mean: f32| *sum += (value - mean) * (value - mean);
        reduce(map, layout, image, &mut row, &mut sums, squares, &means);
        stats.push(ImageStats {
            means: means[..layout.channels].to_vec(),
            deviations: sums[..layout.channels].iter().map(|&sum| sum as f32).collect(),
        });
    }
    stats
}

/// Sums over the pixels of one image, channel by channel.
fn reduce<E: Element>(
    map: &[E],
    layout: Layout,
    image: usize,
    row: &mut [f32],
    sums: &mut [f64],
    add: impl Fn(&mut f32, f32, f32),
    means: &[f32],
) {
    sums.fill(0.0);
    for y in 0..layout.size {
        row.fill(0.0);
        let pixels = &map[layout.inside(image, y, 0)..][..layout.size * layout.stride];
        for pixel in pixels.chunks_exact(layout.stride) {
            for ((sum, value), mean) in row.iter_mut().zip(pixel).zip(means) {
                add(sum, value.to_f32(), *mean);
            }
        }
        for (sum, part) in sums.iter_mut().zip(row.iter()) {
            *sum += f64::from(*part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_channel_of_each_image_is_reduced_on_its_own(
            values in prop::collection::vec(-10.0f32..10.0, 2 * 25 * 3)
        ) {
            let layout = Layout { size: 3, channels: 2, stride: 3, halo: 1 };
            let stats = image_stats(&values[..Layout::room(layout.image(), 2).min(values.len())], layout, 2);
            for (image, stats) in stats.iter().enumerate() {
                for channel in 0..2 {
                    let pixels: Vec<f64> =
                        (0..9).map(|i| f64::from(values[layout.inside(image, i / 3, i % 3) + channel])).collect();
                    let mean = pixels.iter().sum::<f64>() / 9.0;
                    let deviation: f64 = pixels.iter().map(|x| (x - mean).powi(2)).sum();
                    prop_assert!((f64::from(stats.means[channel]) - mean).abs() < 1e-5);
                    prop_assert!((f64::from(stats.deviations[channel]) - deviation).abs() < 1e-4 * (1.0 + deviation));
                }
            }
        }
    }
}
