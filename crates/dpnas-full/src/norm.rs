//! Batch normalisation over a whole mini-batch that is computed in blocks.

use crate::device::Device;
use crate::model::Norm;
use dpnas_prior::{Affine, Moments};

/// `scale · x + shift` for each channel, on the device.
#[derive(Debug)]
pub(crate) struct DeviceAffine<D: Device + ?Sized> {
    pub(crate) scale: D::Channels,
    pub(crate) shift: D::Channels,
}

impl<D: Device> DeviceAffine<D> {
    pub(crate) fn new(affine: &Affine, device: &D) -> Self {
        Self { scale: device.channels(&affine.scale), shift: device.channels(&affine.shift) }
    }
}

/// Two sums for each channel of each image, over only the pixels of that image, so that none depends on the block.
#[derive(Clone, Debug)]
pub(crate) struct ImageSums {
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
    /// `[image][channel]`.
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl ImageSums {
    /// The moments of all images, taken in order.
    pub(crate) fn into_moments(parts: &[Self]) -> Moments {
        let mut moments = Moments::new(parts.first().map_or(0, |part| part.channels));
        for part in parts {
            let images = part.first.chunks(part.channels).zip(part.second.chunks(part.channels));
            images.for_each(|(mean, deviation)| moments.add_image(part.pixels as u64, mean, deviation));
        }
        moments
    }

    /// The sums over all images, taken in order.
    fn totals(parts: &[Self]) -> [Vec<f64>; 2] {
        let channels = parts.first().map_or(0, |part| part.channels);
        let mut totals = [vec![0.0; channels], vec![0.0; channels]];
        for part in parts {
            for (totals, values) in totals.iter_mut().zip([&part.first, &part.second]) {
                for image in values.chunks(channels) {
                    totals.iter_mut().zip(image).for_each(|(total, &value)| *total += f64::from(value));
                }
            }
        }
        totals
    }
}

/// A norm with the statistics of one mini-batch.
#[derive(Debug)]
pub(crate) struct BatchNorm<D: Device> {
    pub(crate) moments: Moments,
    pub(crate) affine: DeviceAffine<D>,
    /// Mean of each channel.
    pub(crate) mean: D::Channels,
    /// 1 / √(variance + ε) of each channel.
    inverse_deviation: Vec<f64>,
    /// Values of each channel in the mini-batch.
    count: f64,
}

impl<D: Device> BatchNorm<D> {
    pub(crate) fn new(norm: &Norm, parts: &[ImageSums], epsilon: f64, device: &D) -> Self {
        let moments = ImageSums::into_moments(parts);
        let stats = moments.stats();
        let count: usize = parts.iter().map(|part| part.pixels * (part.first.len() / part.channels.max(1))).sum();
        Self {
            affine: DeviceAffine::new(&norm.affine(&stats, epsilon), device),
            mean: device.channels(&stats.mean),
            inverse_deviation: stats.variance.iter().map(|&v| 1.0 / (f64::from(v) + epsilon).sqrt()).collect(),
            count: count as f64,
            moments,
        }
    }

    /// The gradients of scale and shift and the gradient's way through the norm, after the backward pass of all blocks
    /// down to it.
    pub(crate) fn close(&self, norm: &Norm, parts: &[ImageSums], device: &D) -> ([Vec<f32>; 2], ThroughNorm<D>) {
        let [gradient, product] = ImageSums::totals(parts);
        let scale: Vec<f32> =
            product.iter().zip(&self.inverse_deviation).map(|(sum, inverse)| (sum * inverse) as f32).collect();
        let shift: Vec<f32> = gradient.iter().map(|&sum| sum as f32).collect();
        let mut coefficients = [const { Vec::new() }; 3];
        for (channel, &inverse) in self.inverse_deviation.iter().enumerate() {
            let factor = f64::from(norm.scale.values[channel]) * inverse;
            coefficients[0].push(factor as f32);
            coefficients[1].push((-factor * inverse * inverse * product[channel] / self.count) as f32);
            coefficients[2].push((-factor * gradient[channel] / self.count) as f32);
        }
        let [of_gradient, of_input, constant] = coefficients.map(|values| device.channels(&values));
        ([scale, shift], ThroughNorm { mean: self.mean.clone(), of_gradient, of_input, constant })
    }
}

/// The gradient of a norm's input, `of_gradient · g + of_input · (x − mean) + constant`. The last two terms come from the
/// mean and the variance of the whole mini-batch.
#[derive(Debug)]
pub(crate) struct ThroughNorm<D: Device + ?Sized> {
    pub(crate) mean: D::Channels,
    pub(crate) of_gradient: D::Channels,
    pub(crate) of_input: D::Channels,
    pub(crate) constant: D::Channels,
}
