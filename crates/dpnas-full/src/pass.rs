//! Operations forward and backward on one block of images.

use crate::device::{Device, Place, ToInput};
use crate::norm::DeviceAffine;
use crate::program::Op;

/// A feature map and, inside a residual block, the skip path; or the gradient of both.
#[derive(Clone, Debug)]
pub(crate) struct State<M> {
    pub(crate) value: M,
    pub(crate) skip: Option<M>,
}

impl<M> State<M> {
    pub(crate) fn new(value: M) -> Self {
        Self { value, skip: None }
    }
}

/// Inputs of an operation besides its state.
pub(crate) struct Pass<'a, D: Device> {
    pub(crate) device: &'a D,
    pub(crate) weights: &'a D::Weights,
    /// The factors of drop-out, `[n, features]`; `None` outside of training.
    pub(crate) mask: Option<Vec<f32>>,
}

/// The maps that an operation saves for its backward pass.
pub(crate) enum Saved<D: Device> {
    Nothing,
    Input(D::Map),
    Output(D::Map),
    /// The input of max pooling.
    Pooled(D::Map, D::Pooled),
}

/// The gradient by one weight over a block of images, and the weight's index.
pub(crate) type WeightGradient<D> = (usize, <D as Device>::Gradient);

impl Op {
    /// The result, and the maps saved for the backward pass. A norm before the operation is one before a rectifier.
    pub(crate) fn forward<D: Device>(
        &self,
        at: Place,
        state: State<D::Map>,
        norm: Option<&DeviceAffine<D>>,
        pass: &Pass<'_, D>,
    ) -> (State<D::Map>, Saved<D>) {
        let State { value, skip } = state;
        let Pass { device, weights, mask } = pass;
        match *self {
            Self::Conv { .. } | Self::Linear { .. } => {
                (State { value: device.multiply(at, weights, &value), skip }, Saved::Input(value))
            }
            Self::Relu => {
                let value = device.rectify(at, value, norm);
                (State { value: value.clone(), skip }, Saved::Output(value))
            }
            Self::MaxPool { size, stride } => {
                let (out, pooled) = device.pool(at, &value, (size, stride));
                (State { value: out, skip }, Saved::Pooled(value, pooled))
            }
            Self::Fork => (State { skip: Some(value.clone()), value }, Saved::Nothing),
            Self::Project { .. } => {
                let skip = device.multiply(at, weights, &value);
                (State { value: value.clone(), skip: Some(skip) }, Saved::Input(value))
            }
            Self::Join => {
                let value = match skip {
                    Some(skip) => device.add(at, skip, value),
                    None => value,
                };
                (State::new(value), Saved::Nothing)
            }
            Self::Flatten => (State { value: device.flatten(&value), skip }, Saved::Input(value)),
            Self::DropOut => {
                let value = match mask {
                    Some(mask) => device.scale(value, mask),
                    None => value,
                };
                (State { value, skip }, Saved::Nothing)
            }
        }
    }

    /// The maps saved for the backward pass of an operation whose result is known.
    pub(crate) fn remember<D: Device>(&self, input: &State<D::Map>) -> Saved<D> {
        match self {
            Self::Conv { .. } | Self::Linear { .. } => Saved::Input(input.value.clone()),
            _ => Saved::Nothing,
        }
    }

    /// The gradient of the input from that of the result; gradients of weights go to `weights`.
    pub(crate) fn backward<D: Device>(
        &self,
        at: Place,
        saved: Saved<D>,
        gradient: State<D::Map>,
        pass: &Pass<'_, D>,
        to_input: ToInput,
        weights: &mut Vec<WeightGradient<D>>,
    ) -> State<D::Map> {
        let State { value, skip } = gradient;
        let device = pass.device;
        match (*self, saved) {
            (Self::Conv { weight, .. } | Self::Linear { weight }, Saved::Input(input)) => {
                let (to_input, by_weight) = device.multiply_back(at, pass.weights, &input, value.clone(), to_input);
                weights.push((weight, by_weight));
                State { value: to_input.unwrap_or(value), skip }
            }
            (Self::Relu, Saved::Output(output)) => State { value: device.rectify_back(at, &output, value), skip },
            (Self::MaxPool { size, stride }, Saved::Pooled(input, pooled)) => {
                State { value: device.pool_back(at, &input, pooled, value, (size, stride)), skip }
            }
            (Self::Fork, _) => State::new(match skip {
                Some(skip) => device.add_back(at, value, skip),
                None => value,
            }),
            (Self::Project { weight }, Saved::Input(input)) => match skip {
                Some(skip) => {
                    let (to_input, by_weight) = device.multiply_back(at, pass.weights, &input, skip, ToInput::Wanted);
                    weights.push((weight, by_weight));
                    State::new(match to_input {
                        Some(to_input) => device.add_back(at, value, to_input),
                        None => value,
                    })
                }
                None => State::new(value),
            },
            (Self::Join, _) => State { skip: Some(value.clone()), value },
            (Self::Flatten, Saved::Input(input)) => State { value: device.flatten_back(&input, value), skip },
            (Self::DropOut, _) => State {
                value: match &pass.mask {
                    Some(mask) => device.scale(value, mask),
                    None => value,
                },
                skip,
            },
            // Not reached: each operation saves the variant that its arm above takes.
            (_, _) => State { value, skip },
        }
    }
}
