//! The operations of a training that depend on the kind of device.

use crate::model::Model;
use crate::norm::{DeviceAffine, ImageSums, ThroughNorm};
use dpnas_train::FullError;
use std::fmt::Debug;

/// An operation of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: usize,
    pub(crate) op: usize,
}

/// Whether the gradient by an operation's input is needed. That by the images is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToInput {
    Wanted,
    Unused,
}

/// Operations on blocks of images, forward and backward.
///
/// A map holds `[n, channels, height, width]` numbers in the device's own order. No result depends on what another thread
/// computes at the same time.
pub(crate) trait Device: Sync {
    /// Feature maps of a block of images. A copy is cheap.
    type Map: Clone + Debug + Send + Sync;
    /// One number for each channel of a map.
    type Channels: Clone + Debug + Send + Sync;
    /// All weights.
    type Weights: Sync;
    /// What max pooling saves for its way back.
    type Pooled: Send;
    /// The gradient by one weight over a block.
    type Gradient: Send;

    /// Copies the weights to the device; `backward` says whether gradients will be asked for.
    fn weights(&self, model: &Model, backward: bool) -> Self::Weights;
    fn channels(&self, values: &[f32]) -> Self::Channels;
    /// Copies images, `[n, channels, height, width]`.
    fn images(&self, pixels: Vec<f32>, n: usize) -> Self::Map;
    /// Copies the errors of class scores, `[n, classes]`.
    fn errors(&self, errors: Vec<f32>, n: usize) -> Self::Map;
    /// Copies a map back, `[n, channels, height, width]`.
    fn read(&self, map: &Self::Map) -> Result<Vec<f32>, FullError>;

    /// Multiplies with the operation's weight: a convolution, a projection or a fully connected layer.
    fn multiply(&self, at: Place, weights: &Self::Weights, input: &Self::Map) -> Self::Map;
    /// The gradients by the input, if it is wanted, and by the weight.
    fn multiply_back(
        &self,
        at: Place,
        weights: &Self::Weights,
        input: &Self::Map,
        gradient: Self::Map,
        to_input: ToInput,
    ) -> (Option<Self::Map>, Self::Gradient);
    /// The sum of two gradients by a weight.
    fn total(&self, total: Self::Gradient, part: Self::Gradient) -> Self::Gradient;
    /// Copies the gradient by weight number `weight` back, `[out, in, kernel, kernel]`.
    fn read_gradient(&self, weight: usize, gradient: Self::Gradient) -> Result<Vec<f32>, FullError>;

    /// Normalises, if there is a norm, and rectifies.
    fn rectify(&self, at: Place, input: Self::Map, norm: Option<&DeviceAffine<Self>>) -> Self::Map;
    /// The gradient by the rectifier's input.
    fn rectify_back(&self, at: Place, output: &Self::Map, gradient: Self::Map) -> Self::Map;
    /// As [`rectify_back`](Self::rectify_back) for a rectifier after a norm, with the sums of the gradient and of its product
    /// with the norm's input minus its mean.
    fn norm_back(
        &self,
        output: &Self::Map,
        gradient: Self::Map,
        input: &Self::Map,
        mean: &Self::Channels,
    ) -> Result<(Self::Map, ImageSums), FullError>;
    /// The gradient by the norm's input, which is the result of `segment`.
    fn through_norm(
        &self,
        segment: usize,
        norm: &ThroughNorm<Self>,
        gradient: Self::Map,
        input: &Self::Map,
    ) -> Self::Map;
    /// Mean, and sum of squared deviations from it, of each channel of each image.
    fn moments(&self, map: &Self::Map) -> Result<ImageSums, FullError>;

    fn pool(&self, at: Place, input: &Self::Map, window: (usize, usize)) -> (Self::Map, Self::Pooled);
    fn pool_back(
        &self,
        at: Place,
        input: &Self::Map,
        pooled: Self::Pooled,
        gradient: Self::Map,
        window: (usize, usize),
    ) -> Self::Map;
    /// The sum of two maps, in the order of `at`'s result.
    fn add(&self, at: Place, a: Self::Map, b: Self::Map) -> Self::Map;
    /// The sum of two gradients by the input of `at`.
    fn add_back(&self, at: Place, a: Self::Map, b: Self::Map) -> Self::Map;
    /// One pixel of `[n, features]`.
    fn flatten(&self, input: &Self::Map) -> Self::Map;
    fn flatten_back(&self, input: &Self::Map, gradient: Self::Map) -> Self::Map;
    /// Multiplies with one factor for each number of a flat map, `[n, features]`.
    fn scale(&self, map: Self::Map, factors: &[f32]) -> Self::Map;
}
