//! Operations forward and backward on one block of images.

use crate::program::Op;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv2d, max_pool2d_with_indices};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Slice, Tensor, TensorPrimitive};

/// A feature map and, inside a residual block, the skip path; or the gradient of both.
#[derive(Clone, Debug)]
pub(crate) struct State<B: Backend> {
    pub(crate) value: Tensor<B, 4>,
    pub(crate) skip: Option<Tensor<B, 4>>,
}

impl<B: Backend> State<B> {
    pub(crate) fn new(value: Tensor<B, 4>) -> Self {
        Self { value, skip: None }
    }
}

/// Inputs of an operation besides its state.
pub(crate) struct Pass<'a, B: Backend> {
    /// The weights, `[out, in, kernel, kernel]` each.
    pub(crate) weights: &'a [Tensor<B, 4>],
    /// The factors of drop-out, `[n, features, 1, 1]`; `None` outside of training.
    pub(crate) mask: Option<Tensor<B, 4>>,
}

/// The tensors that an operation saves for its backward pass.
pub(crate) enum Saved<B: Backend> {
    Nothing,
    /// The input.
    Input(Tensor<B, 4>),
    /// The output.
    Output(Tensor<B, 4>),
    /// The input's shape.
    Shape([usize; 4]),
    /// The input, and the indices of the largest values.
    Pooled(Tensor<B, 4>, Tensor<B, 4, Int>),
}

/// The gradient of one weight over a block of images.
pub(crate) type WeightGradient<B> = (usize, Tensor<B, 4>);

impl Op {
    /// The result, and the tensors saved for the backward pass.
    pub(crate) fn forward<B: Backend>(&self, state: State<B>, pass: &Pass<'_, B>) -> (State<B>, Saved<B>) {
        let State { value, skip } = state;
        match *self {
            Self::Conv { weight, stride, padding } => {
                let out = conv2d(value.clone(), pass.weights[weight].clone(), None, options(stride, padding));
                (State { value: out, skip }, Saved::Input(value))
            }
            Self::Relu => {
                let value = relu(value);
                (State { value: value.clone(), skip }, Saved::Output(value))
            }
            Self::MaxPool { size, stride } => {
                let (out, indices) =
                    max_pool2d_with_indices(value.clone(), [size; 2], [stride; 2], [0, 0], [1, 1], false);
                (State { value: out, skip }, Saved::Pooled(value, indices))
            }
            Self::Fork => (State { skip: Some(value.clone()), value }, Saved::Nothing),
            Self::Project { weight } => {
                let skip = conv2d(value.clone(), pass.weights[weight].clone(), None, options(1, 0));
                (State { value: value.clone(), skip: Some(skip) }, Saved::Input(value))
            }
            Self::Join => {
                let value = match skip {
                    Some(skip) => skip + value,
                    None => value,
                };
                (State::new(value), Saved::Nothing)
            }
            Self::Flatten => {
                let shape = value.dims();
                let [n, channels, height, width] = shape;
                (State { value: value.reshape([n, channels * height * width, 1, 1]), skip }, Saved::Shape(shape))
            }
            Self::DropOut => {
                let value = match &pass.mask {
                    Some(mask) => value * mask.clone(),
                    None => value,
                };
                (State { value, skip }, Saved::Nothing)
            }
            Self::Linear { weight } => {
                let [n, features, ..] = value.dims();
                let [units, ..] = pass.weights[weight].dims();
                let matrix = pass.weights[weight].clone().reshape([units, features]);
                let out = value.clone().reshape([n, features]).matmul(matrix.transpose());
                (State { value: out.reshape([n, units, 1, 1]), skip }, Saved::Input(value))
            }
        }
    }

    /// The tensors saved for the backward pass of an operation whose result is known.
    pub(crate) fn remember<B: Backend>(&self, input: &State<B>) -> Saved<B> {
        match self {
            Self::Conv { .. } | Self::Linear { .. } => Saved::Input(input.value.clone()),
            _ => Saved::Nothing,
        }
    }

    /// The gradient of the input from that of the result; gradients of weights go to `weights`.
    pub(crate) fn backward<B: Backend>(
        &self,
        saved: Saved<B>,
        gradient: State<B>,
        pass: &Pass<'_, B>,
        to_input: ToInput,
        weights: &mut Vec<WeightGradient<B>>,
    ) -> State<B> {
        let State { value, skip } = gradient;
        match (*self, saved) {
            (Self::Conv { weight, stride, padding }, Saved::Input(input)) => {
                let matrix = &pass.weights[weight];
                weights.push((weight, weight_gradient(input.clone(), value.clone(), matrix.dims(), stride, padding)));
                let value = match to_input {
                    ToInput::Wanted => input_gradient(input, matrix.clone(), value, stride, padding),
                    ToInput::Unused => value,
                };
                State { value, skip }
            }
            (Self::Relu, Saved::Output(output)) => {
                State { value: value.mask_fill(output.lower_equal_elem(0.0), 0.0), skip }
            }
            (Self::MaxPool { size, stride }, Saved::Pooled(input, indices)) => {
                let gradient = B::max_pool2d_with_indices_backward(
                    input.into_primitive().tensor(),
                    [size; 2],
                    [stride; 2],
                    [0, 0],
                    [1, 1],
                    false,
                    value.into_primitive().tensor(),
                    indices.into_primitive(),
                );
                State { value: float(gradient.x_grad), skip }
            }
            (Self::Fork, _) => State::new(match skip {
                Some(skip) => value + skip,
                None => value,
            }),
            (Self::Project { weight }, Saved::Input(input)) => match skip {
                Some(skip) => {
                    let matrix = &pass.weights[weight];
                    weights.push((weight, weight_gradient(input.clone(), skip.clone(), matrix.dims(), 1, 0)));
                    State::new(value + input_gradient(input, matrix.clone(), skip, 1, 0))
                }
                None => State::new(value),
            },
            (Self::Join, _) => State { skip: Some(value.clone()), value },
            (Self::Flatten, Saved::Shape(shape)) => State { value: value.reshape(shape), skip },
            (Self::DropOut, _) => State {
                value: match &pass.mask {
                    Some(mask) => value * mask.clone(),
                    None => value,
                },
                skip,
            },
            (Self::Linear { weight }, Saved::Input(input)) => {
                let [n, features, ..] = input.dims();
                let [units, ..] = pass.weights[weight].dims();
                let value = value.reshape([n, units]);
                let product = value.clone().transpose().matmul(input.reshape([n, features]));
                weights.push((weight, product.reshape([units, features, 1, 1])));
                let matrix = pass.weights[weight].clone().reshape([units, features]);
                State { value: value.matmul(matrix).reshape([n, features, 1, 1]), skip }
            }
            // Not reached: each operation saves the variant that its arm above takes.
            (_, _) => State { value, skip },
        }
    }
}

/// Whether the gradient of a convolution's input is needed. The gradient of images is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToInput {
    Wanted,
    Unused,
}

fn options(stride: usize, padding: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1)
}

fn float<B: Backend, const D: usize>(primitive: burn::tensor::ops::FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn input_gradient<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    gradient: Tensor<B, 4>,
    stride: usize,
    padding: usize,
) -> Tensor<B, 4> {
    let [input, weight, gradient] = [input, weight, gradient].map(|tensor| tensor.into_primitive().tensor());
    float(B::conv2d_x_backward(input, weight, gradient, options(stride, padding)))
}

/// Products of the gradient with the patches under the kernel, kernel row by kernel row.
///
/// Backends compute this gradient as a convolution with kernels as large as the map, which is slow in most of them.
fn weight_gradient<B: Backend>(
    input: Tensor<B, 4>,
    gradient: Tensor<B, 4>,
    [out, channels, kernel, _]: [usize; 4],
    stride: usize,
    padding: usize,
) -> Tensor<B, 4> {
    let [n, _, height, width] = gradient.dims();
    let columns = n * height * width;
    let gradient = gradient.swap_dims(0, 1).reshape([out, columns]);
    let input = if padding > 0 { input.pad((padding, padding, padding, padding), 0.0) } else { input };
    let input = input.swap_dims(0, 1); // [channels, n, height, width]
    let window = |start: usize, length: usize| {
        Slice::new(start as isize, Some((start + (length - 1) * stride + 1) as isize), stride as isize)
    };
    let all = |length: usize| Slice::new(0, Some(length as isize), 1);
    let rows = (0..kernel).map(|i| {
        let patches = (0..kernel)
            .map(|j| {
                let seen = [all(channels), all(n), window(i, height), window(j, width)];
                input.clone().slice(seen).reshape([channels, columns])
            })
            .collect();
        let patches = Tensor::cat(patches, 0); // [kernel · channels, columns]
        gradient.clone().matmul(patches.transpose()).reshape([out, 1, kernel, channels])
    });
    Tensor::cat(rows.collect(), 1).permute([0, 3, 1, 2])
}
