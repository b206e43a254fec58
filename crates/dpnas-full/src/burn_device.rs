//! The operations on burn tensors.

use crate::device::{Device, Place, ToInput};
use crate::model::Model;
use crate::norm::{DeviceAffine, ImageSums, ThroughNorm};
use crate::program::{Op, Program};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv2d, max_pool2d_with_indices};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Slice, Tensor, TensorData, TensorPrimitive};
use dpnas_train::FullError;

/// One device of a burn backend, for the operations of a program.
pub(crate) struct BurnDevice<'a, B: Backend> {
    pub(crate) program: &'a Program,
    pub(crate) device: &'a B::Device,
}

impl<B: Backend> BurnDevice<'_, B> {
    fn upload(&self, values: Vec<f32>, shape: [usize; 4]) -> Tensor<B, 4> {
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }

    fn op(&self, at: Place) -> Op {
        self.program.segments[at.segment].ops[at.op]
    }
}

impl<B: Backend> Device for BurnDevice<'_, B> {
    type Map = Tensor<B, 4>;
    type Channels = Tensor<B, 4>; // [1, channels, 1, 1]
    type Weights = Vec<Tensor<B, 4>>; // [out, in, kernel, kernel] each
    type Pooled = Tensor<B, 4, Int>; // the indices of the largest numbers
    type Gradient = Tensor<B, 4>;

    fn weights(&self, model: &Model, _: bool) -> Vec<Tensor<B, 4>> {
        let upload = |weight: &crate::model::Parameter| {
            Tensor::from_data(TensorData::new(weight.values.clone(), weight.shape.clone()), self.device)
        };
        model.weights.iter().map(upload).collect()
    }

    fn channels(&self, values: &[f32]) -> Tensor<B, 4> {
        self.upload(values.to_vec(), [1, values.len(), 1, 1])
    }

    fn images(&self, pixels: Vec<f32>, n: usize) -> Tensor<B, 4> {
        let shape = self.program.input;
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(|n| n as usize);
        self.upload(pixels, [n, channels, height, width])
    }

    fn errors(&self, errors: Vec<f32>, n: usize) -> Tensor<B, 4> {
        let classes = errors.len() / n.max(1);
        self.upload(errors, [n, classes, 1, 1])
    }

    fn read(&self, map: &Tensor<B, 4>) -> Result<Vec<f32>, FullError> {
        read(map.clone())
    }

    fn multiply(&self, at: Place, weights: &Vec<Tensor<B, 4>>, input: &Tensor<B, 4>) -> Tensor<B, 4> {
        let convolve = |weight: usize, stride, padding| {
            conv2d(input.clone(), weights[weight].clone(), None, options(stride, padding))
        };
        match self.op(at) {
            Op::Conv { weight, stride, padding } => convolve(weight, stride, padding),
            Op::Project { weight } => convolve(weight, 1, 0),
            Op::Linear { weight } => {
                let [n, features, ..] = input.dims();
                let [units, ..] = weights[weight].dims();
                let matrix = weights[weight].clone().reshape([units, features]);
                input.clone().reshape([n, features]).matmul(matrix.transpose()).reshape([n, units, 1, 1])
            }
            _ => input.clone(),
        }
    }

    fn multiply_back(
        &self,
        at: Place,
        weights: &Vec<Tensor<B, 4>>,
        input: &Tensor<B, 4>,
        gradient: Tensor<B, 4>,
        to_input: ToInput,
    ) -> (Option<Tensor<B, 4>>, Tensor<B, 4>) {
        let op = self.op(at);
        let (weight, stride, padding) = match op {
            Op::Conv { weight, stride, padding } => (&weights[weight], stride, padding),
            Op::Project { weight } | Op::Linear { weight } => (&weights[weight], 1, 0),
            // Not reached: only these multiply.
            _ => return (Some(gradient.clone()), gradient),
        };
        if let Op::Linear { .. } = op {
            let [n, features, ..] = input.dims();
            let [units, ..] = weight.dims();
            let gradient = gradient.reshape([n, units]);
            let by_weight = gradient.clone().transpose().matmul(input.clone().reshape([n, features]));
            let by_input = gradient.matmul(weight.clone().reshape([units, features]));
            return (Some(by_input.reshape([n, features, 1, 1])), by_weight.reshape([units, features, 1, 1]));
        }
        let by_weight = weight_gradient(input.clone(), gradient.clone(), weight.dims(), stride, padding);
        let by_input = match to_input {
            ToInput::Wanted => Some(input_gradient(input.clone(), weight.clone(), gradient, stride, padding)),
            ToInput::Unused => None,
        };
        (by_input, by_weight)
    }

    fn total(&self, total: Tensor<B, 4>, part: Tensor<B, 4>) -> Tensor<B, 4> {
        total + part
    }

    fn read_gradient(&self, _: usize, gradient: Tensor<B, 4>) -> Result<Vec<f32>, FullError> {
        read(gradient)
    }

    fn rectify(&self, _: Place, input: Tensor<B, 4>, norm: Option<&DeviceAffine<Self>>) -> Tensor<B, 4> {
        relu(match norm {
            Some(DeviceAffine { scale, shift }) => input * scale.clone() + shift.clone(),
            None => input,
        })
    }

    fn rectify_back(&self, _: Place, output: &Tensor<B, 4>, gradient: Tensor<B, 4>) -> Tensor<B, 4> {
        gradient.mask_fill(output.clone().lower_equal_elem(0.0), 0.0)
    }

    fn norm_back(
        &self,
        output: &Tensor<B, 4>,
        gradient: Tensor<B, 4>,
        input: &Tensor<B, 4>,
        mean: &Tensor<B, 4>,
    ) -> Result<(Tensor<B, 4>, ImageSums), FullError> {
        let gradient = gradient.mask_fill(output.clone().lower_equal_elem(0.0), 0.0);
        let product = gradient.clone() * (input.clone() - mean.clone());
        let (of_gradient, channels, pixels) = rows(gradient.clone());
        let (product, ..) = rows(product);
        let [first, second] = [read(of_gradient.sum_dim(2))?, read(product.sum_dim(2))?];
        Ok((gradient, ImageSums { channels, pixels, first, second }))
    }

    fn through_norm(
        &self,
        _: usize,
        norm: &ThroughNorm<Self>,
        gradient: Tensor<B, 4>,
        input: &Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        gradient * norm.of_gradient.clone()
            + (input.clone() - norm.mean.clone()) * norm.of_input.clone()
            + norm.constant.clone()
    }

    fn moments(&self, map: &Tensor<B, 4>) -> Result<ImageSums, FullError> {
        let (value, channels, pixels) = rows(map.clone());
        let mean = value.clone().mean_dim(2); // [n, channels, 1]
        let centred = value - mean.clone();
        let deviation = (centred.clone() * centred).sum_dim(2);
        Ok(ImageSums { channels, pixels, first: read(mean)?, second: read(deviation)? })
    }

    fn pool(
        &self,
        _: Place,
        input: &Tensor<B, 4>,
        (size, stride): (usize, usize),
    ) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
        max_pool2d_with_indices(input.clone(), [size; 2], [stride; 2], [0, 0], [1, 1], false)
    }

    fn pool_back(
        &self,
        _: Place,
        input: &Tensor<B, 4>,
        pooled: Tensor<B, 4, Int>,
        gradient: Tensor<B, 4>,
        (size, stride): (usize, usize),
    ) -> Tensor<B, 4> {
        let gradient = B::max_pool2d_with_indices_backward(
            input.clone().into_primitive().tensor(),
            [size; 2],
            [stride; 2],
            [0, 0],
            [1, 1],
            false,
            gradient.into_primitive().tensor(),
            pooled.into_primitive(),
        );
        float(gradient.x_grad)
    }

    fn add(&self, _: Place, a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
        a + b
    }

    fn add_back(&self, _: Place, a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
        a + b
    }

    fn flatten(&self, input: &Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, channels, height, width] = input.dims();
        input.clone().reshape([n, channels * height * width, 1, 1])
    }

    fn flatten_back(&self, input: &Tensor<B, 4>, gradient: Tensor<B, 4>) -> Tensor<B, 4> {
        gradient.reshape(input.dims())
    }

    fn scale(&self, map: Tensor<B, 4>, factors: &[f32]) -> Tensor<B, 4> {
        let shape = map.dims();
        map * self.upload(factors.to_vec(), shape)
    }
}

fn options(stride: usize, padding: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1)
}

fn float<B: Backend, const D: usize>(primitive: burn::tensor::ops::FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn rows<B: Backend>(value: Tensor<B, 4>) -> (Tensor<B, 3>, usize, usize) {
    let [n, channels, height, width] = value.dims();
    (value.reshape([n, channels, height * width]), channels, height * width)
}

/// The values of a tensor, on the host.
pub(crate) fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, FullError> {
    tensor.into_data().convert::<f32>().into_vec().map_err(|error| FullError::Device {
        engine: "burn".into(),
        message: format!("cannot read a tensor: {error:?}"),
    })
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
