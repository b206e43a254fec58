//! An encoder as a straight list of tensor operations.

use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use dpnas_grammar::Layer;
use dpnas_prior::{Affine, ConvWeights, Prior};

/// One operation on the [`State`].
#[derive(Clone, Debug)]
pub(crate) enum Op<B: Backend> {
    /// Convolves the value.
    Conv(Conv<B>),
    /// Scales and shifts each channel of the value; does nothing without statistics.
    Norm { stage: usize, affine: Option<(Tensor<B, 4>, Tensor<B, 4>)> },
    /// Rectifies the value.
    Relu,
    /// Max-pools the value.
    MaxPool { size: usize, stride: usize },
    /// Copies the value to the skip path.
    Fork,
    /// Replaces the skip path by a convolution of the value.
    Project(Conv<B>),
    /// Adds the skip path to the value.
    Join,
}

/// A convolution with its weights on the device.
#[derive(Clone, Debug)]
pub(crate) struct Conv<B: Backend> {
    weight: Tensor<B, 4>, // [out, in, kernel, kernel]
    shift: Option<Tensor<B, 1>>,
    stride: usize,
    padding: usize,
}

/// The current feature map and, inside a residual block, the skip path.
#[derive(Clone, Debug)]
pub(crate) struct State<B: Backend> {
    pub(crate) value: Tensor<B, 4>,
    skip: Option<Tensor<B, 4>>,
}

impl<B: Backend> State<B> {
    pub(crate) fn new(value: Tensor<B, 4>) -> Self {
        Self { value, skip: None }
    }

    /// Elements of both, for one image.
    pub(crate) fn elements_per_image(&self) -> usize {
        let of = |tensor: &Tensor<B, 4>| tensor.dims()[1..].iter().product::<usize>();
        of(&self.value) + self.skip.as_ref().map_or(0, of)
    }
}

impl<B: Backend> Conv<B> {
    fn new(weights: &ConvWeights, device: &B::Device) -> Self {
        let shape = weights.shape();
        let [out, input, kernel] = [shape.out_channels, shape.in_channels, shape.kernel].map(|n| n as usize);
        let data = TensorData::new(weights.values().to_vec(), [out, input, kernel, kernel]);
        Self {
            weight: Tensor::from_data(data, device),
            shift: None,
            stride: shape.stride as usize,
            padding: shape.padding as usize,
        }
    }

    fn apply(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
        conv2d(x, self.weight.clone(), self.shift.clone(), options)
    }

    /// The convolution with `scale · x + shift` folded in.
    pub(crate) fn folded(&self, affine: &Affine) -> Self {
        let device = self.weight.device();
        let scale = channels::<B>(&affine.scale, &device).reshape([-1, 1, 1, 1]);
        Self {
            weight: self.weight.clone() * scale,
            shift: Some(channels::<B>(&affine.shift, &device)),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

fn channels<B: Backend>(values: &[f32], device: &B::Device) -> Tensor<B, 1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

impl<B: Backend> Op<B> {
    /// A norm with statistics.
    pub(crate) fn affine(stage: usize, affine: &Affine, device: &B::Device) -> Self {
        let map = |values: &[f32]| channels::<B>(values, device).reshape([1, -1, 1, 1]);
        Self::Norm { stage, affine: Some((map(&affine.scale), map(&affine.shift))) }
    }

    pub(crate) fn apply(&self, state: State<B>) -> State<B> {
        let State { value, skip } = state;
        match self {
            Self::Conv(conv) => State { value: conv.apply(value), skip },
            Self::Norm { affine: None, .. } => State { value, skip },
            Self::Norm { affine: Some((scale, shift)), .. } => {
                State { value: value * scale.clone() + shift.clone(), skip }
            }
            Self::Relu => State { value: relu(value), skip },
            Self::MaxPool { size, stride } => {
                State { value: max_pool2d(value, [*size; 2], [*stride; 2], [0, 0], [1, 1], false), skip }
            }
            Self::Fork => State { skip: Some(value.clone()), value },
            Self::Project(conv) => State { skip: Some(conv.apply(value.clone())), value },
            Self::Join => match skip {
                Some(skip) => State { value: skip + value, skip: None },
                None => State { value, skip: None },
            },
        }
    }
}

/// The operations of a prior, with norms without statistics.
///
/// # Source
/// SPEC §6.
pub(crate) fn program<B: Backend>(prior: &Prior, device: &B::Device) -> Vec<Op<B>> {
    let mut ops = Vec::new();
    for (stage, layer) in prior.plan().stages().iter().map(|stage| stage.layer).enumerate() {
        let weights: Vec<Conv<B>> = prior.stage(stage).iter().map(|weights| Conv::new(weights, device)).collect();
        let norm = || Op::Norm { stage, affine: None };
        match (layer, &weights[..]) {
            (Layer::Conv { .. }, [conv]) => ops.extend([Op::Conv(conv.clone()), norm(), Op::Relu]),
            (Layer::Residual { .. }, [a, b, projection @ ..]) => {
                ops.extend([Op::Fork, norm(), Op::Relu]);
                ops.extend(projection.first().cloned().map(Op::Project));
                ops.extend([Op::Conv(a.clone()), norm(), Op::Relu, Op::Conv(b.clone()), Op::Join]);
            }
            (Layer::MaxPool { size, stride }, _) => {
                ops.push(Op::MaxPool { size: size as usize, stride: stride as usize });
            }
            // A plan has no other stages.
            _ => {}
        }
    }
    ops
}
