//! Batch normalisation over a whole mini-batch that is computed in blocks.

use crate::model::Norm;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use dpnas_prior::{Affine, Moments};
use dpnas_train::FullError;

/// `scale · x + shift` for each channel, on the device.
#[derive(Clone, Debug)]
pub(crate) struct DeviceAffine<B: Backend> {
    scale: Tensor<B, 4>, // [1, channels, 1, 1]
    shift: Tensor<B, 4>,
}

impl<B: Backend> DeviceAffine<B> {
    pub(crate) fn new(affine: &Affine, device: &B::Device) -> Self {
        Self { scale: channels(&affine.scale, device), shift: channels(&affine.shift, device) }
    }

    pub(crate) fn apply(&self, value: Tensor<B, 4>) -> Tensor<B, 4> {
        value * self.scale.clone() + self.shift.clone()
    }
}

/// Two sums for each channel of each image, over only the pixels of that image, so that none depends on the block.
#[derive(Clone, Debug)]
pub(crate) struct ImageSums {
    channels: usize,
    pixels: usize,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl ImageSums {
    /// Mean, and sum of squared deviations from it.
    pub(crate) fn moments<B: Backend>(value: Tensor<B, 4>) -> Result<Self, FullError> {
        let (value, channels, pixels) = rows(value);
        let mean = value.clone().mean_dim(2); // [n, channels, 1]
        let centred = value - mean.clone();
        let deviation = (centred.clone() * centred).sum_dim(2);
        Ok(Self { channels, pixels, first: read(mean)?, second: read(deviation)? })
    }

    /// Sums of a gradient, and of its product with the norm's input minus the channel's mean.
    pub(crate) fn products<B: Backend>(
        gradient: Tensor<B, 4>,
        input: Tensor<B, 4>,
        mean: Tensor<B, 4>,
    ) -> Result<Self, FullError> {
        let product = gradient.clone() * (input - mean);
        let (gradient, channels, pixels) = rows(gradient);
        let (product, ..) = rows(product);
        Ok(Self { channels, pixels, first: read(gradient.sum_dim(2))?, second: read(product.sum_dim(2))? })
    }

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
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm<B: Backend> {
    pub(crate) moments: Moments,
    pub(crate) affine: DeviceAffine<B>,
    /// Mean of each channel, `[1, channels, 1, 1]`.
    pub(crate) mean: Tensor<B, 4>,
    /// 1 / √(variance + ε) of each channel.
    inverse_deviation: Vec<f64>,
    /// Values of each channel in the mini-batch.
    count: f64,
}

impl<B: Backend> BatchNorm<B> {
    pub(crate) fn new(norm: &Norm, parts: &[ImageSums], epsilon: f64, device: &B::Device) -> Self {
        let moments = ImageSums::into_moments(parts);
        let stats = moments.stats();
        let count: usize = parts.iter().map(|part| part.pixels * (part.first.len() / part.channels.max(1))).sum();
        Self {
            affine: DeviceAffine::new(&norm.affine(&stats, epsilon), device),
            mean: channels(&stats.mean, device),
            inverse_deviation: stats.variance.iter().map(|&v| 1.0 / (f64::from(v) + epsilon).sqrt()).collect(),
            count: count as f64,
            moments,
        }
    }

    /// The gradients of scale and shift and the gradient's way through the norm, after the backward pass of all blocks
    /// down to it.
    pub(crate) fn close(
        &self,
        norm: &Norm,
        parts: &[ImageSums],
        device: &B::Device,
    ) -> ([Vec<f32>; 2], ThroughNorm<B>) {
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
        let [of_gradient, of_input, constant] = coefficients.map(|values| channels(&values, device));
        ([scale, shift], ThroughNorm { mean: self.mean.clone(), of_gradient, of_input, constant })
    }
}

/// The gradient of a norm's input, `of_gradient · g + of_input · (x − mean) + constant`. The last two terms come from the
/// mean and the variance of the whole mini-batch.
#[derive(Clone, Debug)]
pub(crate) struct ThroughNorm<B: Backend> {
    mean: Tensor<B, 4>,
    of_gradient: Tensor<B, 4>,
    of_input: Tensor<B, 4>,
    constant: Tensor<B, 4>,
}

impl<B: Backend> ThroughNorm<B> {
    pub(crate) fn apply(&self, gradient: Tensor<B, 4>, input: Tensor<B, 4>) -> Tensor<B, 4> {
        gradient * self.of_gradient.clone()
            + (input - self.mean.clone()) * self.of_input.clone()
            + self.constant.clone()
    }
}

fn rows<B: Backend>(value: Tensor<B, 4>) -> (Tensor<B, 3>, usize, usize) {
    let [n, channels, height, width] = value.dims();
    (value.reshape([n, channels, height * width]), channels, height * width)
}

pub(crate) fn channels<B: Backend>(values: &[f32], device: &B::Device) -> Tensor<B, 4> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len(), 1, 1]), device)
}

/// The values of a tensor, on the host.
pub(crate) fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, FullError> {
    tensor.into_data().convert::<f32>().into_vec().map_err(|error| FullError::Device {
        engine: "burn".into(),
        message: format!("cannot read a tensor: {error:?}"),
    })
}
