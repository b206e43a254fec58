//! Slow reference of an encoder: nested loops in `f64`, one image at a time.

use crate::{Calibration, ChannelStats, ConvWeights, Images, Prior};
use dpnas_grammar::Layer;

/// The maps of some images, `[image][channel][row][column]`, all square and of one size.
#[derive(Clone, Debug)]
struct Maps {
    images: usize,
    channels: usize,
    size: usize,
    values: Vec<f64>,
}

/// Normalisation of a forward pass.
enum Norms<'a> {
    /// None.
    None,
    /// Frozen statistics, in the order of the plan.
    Frozen(std::vec::IntoIter<&'a ChannelStats>, f64),
    /// Statistics of the maps themselves, which are kept.
    Measured(Vec<ChannelStats>, f64),
}

/// The embedding of images, `[n, features]`, with these statistics and ε or without normalisation.
///
/// # Source
/// SPEC §6.
pub fn embed(prior: &Prior, statistics: Option<(&Calibration, f64)>, images: Images<'_>) -> Vec<f64> {
    let mut norms = match statistics {
        None => Norms::None,
        Some((calibration, epsilon)) => {
            let stats: Vec<&ChannelStats> = calibration.stages.iter().flatten().collect();
            Norms::Frozen(stats.into_iter(), epsilon)
        }
    };
    forward(prior, images, &mut norms).values
}

/// Mean and biased variance of every norm's input in a training-mode pass with the images as a single batch.
///
/// # Source
/// SPEC §6, `calibrated`.
pub fn calibrate(prior: &Prior, epsilon: f64, images: Images<'_>) -> Calibration {
    let mut norms = Norms::Measured(Vec::new(), epsilon);
    forward(prior, images, &mut norms);
    let Norms::Measured(stats, _) = norms else { return Calibration { stages: Vec::new() } };
    let mut stats = stats.into_iter();
    let count = |layer| match layer {
        Layer::Conv { .. } => 1,
        Layer::Residual { .. } => 2,
        _ => 0,
    };
    let stages = prior.plan().stages().iter().map(|stage| stats.by_ref().take(count(stage.layer)).collect());
    Calibration { stages: stages.collect() }
}

fn forward(prior: &Prior, images: Images<'_>, norms: &mut Norms<'_>) -> Maps {
    let shape = images.shape();
    let values = images.pixels().iter().map(|&x| f64::from(x)).collect();
    let mut maps =
        Maps { images: images.len(), channels: shape.channels as usize, size: shape.height as usize, values };
    for (index, stage) in prior.plan().stages().iter().enumerate() {
        let weights = prior.stage(index);
        maps = match stage.layer {
            Layer::Conv { .. } => relu(norm(convolve(&maps, &weights[0]), norms)),
            Layer::Residual { .. } => {
                let rectified = relu(norm(maps.clone(), norms));
                let skip = weights.get(2).map_or(maps, |projection| convolve(&rectified, projection));
                let inner = relu(norm(convolve(&rectified, &weights[0]), norms));
                let mut sum = convolve(&inner, &weights[1]);
                sum.values.iter_mut().zip(&skip.values).for_each(|(sum, skip)| *sum += skip);
                sum
            }
            Layer::MaxPool { size, stride } => pool(&maps, size as usize, stride as usize),
            Layer::Linear { .. } | Layer::Softmax { .. } => maps,
        };
    }
    maps
}

impl Maps {
    fn at(&self, image: usize, channel: usize, y: usize, x: usize) -> f64 {
        self.values[((image * self.channels + channel) * self.size + y) * self.size + x]
    }

    /// New maps, value by value.
    fn make(images: usize, channels: usize, size: usize, f: impl Fn(usize, usize, usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(images * channels * size * size);
        for image in 0..images {
            for channel in 0..channels {
                for y in 0..size {
                    values.extend((0..size).map(|x| f(image, channel, y, x)));
                }
            }
        }
        Self { images, channels, size, values }
    }
}

fn convolve(maps: &Maps, weights: &ConvWeights) -> Maps {
    let shape = weights.shape();
    let [kernel, stride, padding] = [shape.kernel, shape.stride, shape.padding].map(|n| n as usize);
    let size = (maps.size + 2 * padding - kernel) / stride + 1;
    Maps::make(maps.images, shape.out_channels as usize, size, |image, out, y, x| {
        let mut sum = 0.0;
        for channel in 0..maps.channels {
            for dy in 0..kernel {
                for dx in 0..kernel {
                    let (y, x) = (y * stride + dy, x * stride + dx);
                    let inside = padding..maps.size + padding;
                    if inside.contains(&y) && inside.contains(&x) {
                        let weight = weights.values()[((out * maps.channels + channel) * kernel + dy) * kernel + dx];
                        sum += f64::from(weight) * maps.at(image, channel, y - padding, x - padding);
                    }
                }
            }
        }
        sum
    })
}

fn pool(maps: &Maps, window: usize, stride: usize) -> Maps {
    let size = (maps.size - window) / stride + 1;
    Maps::make(maps.images, maps.channels, size, |image, channel, y, x| {
        let places = (0..window * window).map(|i| (y * stride + i / window, x * stride + i % window));
        places.map(|(y, x)| maps.at(image, channel, y, x)).fold(f64::NEG_INFINITY, f64::max)
    })
}

fn relu(mut maps: Maps) -> Maps {
    maps.values.iter_mut().for_each(|value| *value = value.max(0.0));
    maps
}

fn norm(mut maps: Maps, norms: &mut Norms<'_>) -> Maps {
    let (stats, epsilon) = match norms {
        Norms::None => return maps,
        Norms::Frozen(stats, epsilon) => match stats.next() {
            Some(stats) => (stats.clone(), *epsilon),
            None => return maps,
        },
        Norms::Measured(stats, epsilon) => {
            stats.push(measured(&maps));
            (stats[stats.len() - 1].clone(), *epsilon)
        }
    };
    let pixels = maps.size * maps.size;
    for (index, plane) in maps.values.chunks_mut(pixels).enumerate() {
        let channel = index % maps.channels;
        let (mean, variance) = (f64::from(stats.mean[channel]), f64::from(stats.variance[channel]));
        plane.iter_mut().for_each(|value| *value = (*value - mean) / (variance + epsilon).sqrt());
    }
    maps
}

fn measured(maps: &Maps) -> ChannelStats {
    let pixels = maps.size * maps.size;
    let stats = (0..maps.channels).map(|channel| {
        let planes = maps.values.chunks(pixels).skip(channel).step_by(maps.channels);
        let values: Vec<f64> = planes.flatten().copied().collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean as f32, variance as f32)
    });
    let (mean, variance) = stats.unzip();
    ChannelStats { mean, variance }
}
