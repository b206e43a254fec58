//! The operations on the project's own kernels.

use crate::device::{Device, Place, ToInput};
use crate::memory::Overhead;
use crate::model::Model;
use crate::norm::{DeviceAffine, ImageSums, ThroughNorm};
use crate::program::{Op, Program};
use dpnas_grammar::{ConvShape, window_output};
use dpnas_kernels::Level;
use dpnas_kernels::train::{CHANNEL_BLOCK, Coefficients, Convolution, Map, Passes, Shape, Weights, Workspace, padded};
use dpnas_train::FullError;
use rayon::prelude::*;

/// Numbers that one task adds.
const BLOCK: usize = 1 << 14;

/// A program on this processor, for blocks of at most `room` images.
#[derive(Debug)]
pub(crate) struct Cpu {
    level: Level,
    room: usize,
    images: Shape,
    scores: Shape,
    layers: Vec<Vec<Layer>>,
    workspace: Workspace,
}

/// An operation with its maps. A border is as wide as what reads the map needs.
#[derive(Debug)]
struct Layer {
    /// Weight and products.
    convolution: Option<(usize, Convolution)>,
    /// The value after the operation.
    output: Shape,
    /// The gradients by the value after and before it.
    gradient: Shape,
    gradient_before: Shape,
}

impl Cpu {
    pub(crate) fn new(level: Level, program: &Program, (room, batch): (usize, usize)) -> Self {
        let input = program.input;
        let [channels, size] = [input.channels, input.height].map(|n| n as usize);
        let mut shapes =
            Shapes { program, images: (room, batch), level, value: Shape::new(size, channels, 0), gradient_border: 0 };
        let ops = |segment: usize| program.segments.get(segment).map_or(&[][..], |segment| &segment.ops);
        let border = shapes.border(ops(0));
        let images = match ops(0).first() {
            // Only a convolution reads them.
            Some(Op::Conv { .. }) => Shape::dense(size, channels, border),
            _ => Shape::new(size, channels, border),
        };
        shapes.value = images;
        let mut layers = Vec::new();
        for segment in &program.segments {
            // The gradient by a norm's output has no border.
            shapes.gradient_border = 0;
            layers.push((0..segment.ops.len()).map(|index| shapes.layer(&segment.ops[index..])).collect());
        }
        Self { level, room, images, scores: shapes.value, layers, workspace: Workspace::default() }
    }

    /// Packed weights, buffers and padding for blocks of some images.
    pub(crate) fn overhead(program: &Program, block: usize) -> Overhead {
        let mut overhead = Overhead { fixed: 0, lane: 0, channel_block: CHANNEL_BLOCK as u32, unrolls: false };
        let input = program.input;
        let mut value = (input.height as usize, input.channels as usize);
        for op in program.segments.iter().flat_map(|segment| &segment.ops) {
            let shape = program.convolution(op, value);
            if let Some(shape) = &shape {
                let [fixed, lane] = Convolution::bytes(shape, value.0, block);
                overhead.fixed = overhead.fixed.saturating_add(fixed);
                overhead.lane = overhead.lane.max(lane);
            }
            value = after(op, value, shape.as_ref());
        }
        overhead
    }

    fn layer(&self, at: Place) -> &Layer {
        &self.layers[at.segment][at.op]
    }
}

/// The maps along a program.
struct Shapes<'a> {
    program: &'a Program,
    /// Of a block and of a mini-batch.
    images: (usize, usize),
    level: Level,
    /// Of the current value.
    value: Shape,
    /// Of the gradient by it.
    gradient_border: usize,
}

impl Shapes<'_> {
    /// The border that the next operations need of their input.
    fn border(&self, next: &[Op]) -> usize {
        let reads = next.iter().find(|op| !matches!(op, Op::Project { .. }));
        let value = (self.value.size(), self.value.channels());
        reads.and_then(|op| self.program.convolution(op, value)).map_or(0, |shape| Convolution::border(&shape))
    }

    /// The first of some operations.
    fn layer(&mut self, ops: &[Op]) -> Layer {
        let before = self.value;
        let gradient_before = Shape::new(before.size(), before.channels(), self.gradient_border);
        let side = (before.size(), before.channels());
        let shape = self.program.convolution(&ops[0], side);
        let convolution =
            shape.map(|shape| Convolution::new(self.level, shape, before, self.gradient_border, self.images));
        let (size, channels) = after(&ops[0], side, shape.as_ref());
        match ops[0] {
            Op::Conv { .. } | Op::Linear { .. } => {
                self.value = Shape::new(size, channels, 0);
                self.gradient_border = convolution.as_ref().map_or(0, Convolution::border_of_gradient);
            }
            Op::Relu | Op::MaxPool { .. } => {
                self.value = Shape::new(size, channels, 0);
                self.gradient_border = 0;
            }
            _ => {}
        }
        if matches!(ops[0], Op::Relu | Op::MaxPool { .. } | Op::Join) {
            self.value = self.value.with_border(self.border(&ops[1..]));
        }
        Layer {
            convolution: ops[0].weight().zip(convolution),
            output: self.value,
            gradient: Shape::new(self.value.size(), self.value.channels(), self.gradient_border),
            gradient_before,
        }
    }
}

/// Size and channels of the value after an operation.
fn after(op: &Op, (size, channels): (usize, usize), shape: Option<&ConvShape>) -> (usize, usize) {
    let slide = |size: usize, kernel, stride, padding| {
        window_output(size as u32, kernel, stride, padding).unwrap_or(1) as usize
    };
    match (*op, shape) {
        (Op::Conv { .. }, Some(shape)) => {
            (slide(size, shape.kernel, shape.stride, shape.padding), shape.out_channels as usize)
        }
        (Op::Linear { .. }, Some(shape)) => (1, shape.out_channels as usize),
        (Op::MaxPool { size: window, stride }, _) => (slide(size, window as u32, stride as u32, 0), channels),
        _ => (size, channels),
    }
}

impl Device for Cpu {
    type Map = Map;
    type Channels = Vec<f32>;
    type Weights = Vec<Option<Weights>>;
    type Pooled = Map;
    type Gradient = Vec<f32>;

    fn weights(&self, model: &Model, backward: bool) -> Vec<Option<Weights>> {
        let mut all: Vec<Option<Weights>> = model.weights.iter().map(|_| None).collect();
        for (segment, layers) in self.layers.iter().enumerate() {
            for (op, layer) in layers.iter().enumerate() {
                if let Some((weight, convolution)) = &layer.convolution {
                    let passes = if backward && (segment, op) != (0, 0) { Passes::Both } else { Passes::Forward };
                    all[*weight] = Some(convolution.pack(&model.weights[*weight].values, passes));
                }
            }
        }
        all
    }

    fn channels(&self, values: &[f32]) -> Vec<f32> {
        padded(values.to_vec())
    }

    fn images(&self, pixels: Vec<f32>, _: usize) -> Map {
        Map::from_rows(self.level, &pixels, self.images, self.room)
    }

    fn errors(&self, errors: Vec<f32>, _: usize) -> Map {
        Map::from_rows(self.level, &errors, self.scores, self.room)
    }

    fn read(&self, map: &Map) -> Result<Vec<f32>, FullError> {
        Ok(map.rows(self.level))
    }

    fn multiply(&self, at: Place, weights: &Vec<Option<Weights>>, input: &Map) -> Map {
        match self.layer(at).weighted(weights) {
            Some((convolution, weights)) => convolution.forward(weights, input, &self.workspace),
            None => input.clone(),
        }
    }

    fn multiply_back(
        &self,
        at: Place,
        weights: &Vec<Option<Weights>>,
        input: &Map,
        gradient: Map,
        to_input: ToInput,
    ) -> (Option<Map>, Vec<f32>) {
        let Some((convolution, weights)) = self.layer(at).weighted(weights) else {
            return (Some(gradient), Vec::new());
        };
        let gradient = gradient.with_border(self.level, convolution.border_of_gradient());
        let by_weight = convolution.to_weights(input, &gradient, &self.workspace);
        let by_input = match to_input {
            ToInput::Wanted => Some(convolution.to_input(weights, &gradient, &self.workspace)),
            ToInput::Unused => None,
        };
        (by_input, by_weight)
    }

    fn total(&self, mut total: Vec<f32>, part: Vec<f32>) -> Vec<f32> {
        // Other threads wait for it.
        let blocks = total.par_chunks_mut(BLOCK).zip(part.par_chunks(BLOCK));
        blocks.for_each(|(total, part)| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
        total
    }

    fn read_gradient(&self, weight: usize, gradient: Vec<f32>) -> Result<Vec<f32>, FullError> {
        let mut layers = self.layers.iter().flatten().filter_map(|layer| layer.convolution.as_ref());
        let convolution = layers.find(|(own, _)| *own == weight);
        Ok(convolution.map_or_else(Vec::new, |(_, convolution)| convolution.values(&gradient)))
    }

    fn rectify(&self, at: Place, input: Map, norm: Option<&DeviceAffine<Self>>) -> Map {
        let affine = norm.map(|norm| (&norm.scale[..], &norm.shift[..]));
        input.rectified(self.level, affine, self.layer(at).output)
    }

    fn rectify_back(&self, at: Place, output: &Map, gradient: Map) -> Map {
        output.unrectified(self.level, &gradient, self.layer(at).gradient_before)
    }

    fn norm_back(
        &self,
        output: &Map,
        gradient: Map,
        input: &Map,
        mean: &Vec<f32>,
    ) -> Result<(Map, ImageSums), FullError> {
        let shape = input.shape().with_border(0);
        let (map, [first, second]) = output.unrectified_with_sums(self.level, &gradient, (input, mean), shape);
        Ok((map, sums(shape, [first, second])))
    }

    fn through_norm(&self, segment: usize, norm: &ThroughNorm<Self>, gradient: Map, input: &Map) -> Map {
        let ThroughNorm { mean, of_gradient, of_input, constant } = norm;
        let coefficients = Coefficients { mean, of_gradient, of_input, constant };
        let shape = self.layers[segment].last().map_or(input.shape().with_border(0), |layer| layer.gradient);
        input.through_norm(self.level, &gradient, coefficients, shape)
    }

    fn moments(&self, map: &Map) -> Result<ImageSums, FullError> {
        Ok(sums(map.shape(), map.moments(self.level)))
    }

    fn pool(&self, at: Place, input: &Map, window: (usize, usize)) -> (Map, Map) {
        let pooled = input.pooled(self.level, window, self.layer(at).output);
        (pooled.clone(), pooled)
    }

    fn pool_back(&self, at: Place, input: &Map, pooled: Map, gradient: Map, window: (usize, usize)) -> Map {
        input.unpooled(self.level, (&pooled, &gradient), window, self.layer(at).gradient_before)
    }

    fn add(&self, at: Place, a: Map, b: Map) -> Map {
        a.plus(self.level, &b, self.layer(at).output)
    }

    fn add_back(&self, at: Place, a: Map, b: Map) -> Map {
        a.plus(self.level, &b, self.layer(at).gradient_before)
    }

    /// The next layer is as large as the map.
    fn flatten(&self, input: &Map) -> Map {
        input.clone()
    }

    fn flatten_back(&self, _: &Map, gradient: Map) -> Map {
        gradient
    }

    fn scale(&self, map: Map, factors: &[f32]) -> Map {
        let factors = Map::from_rows(self.level, factors, map.shape(), self.room);
        map.times(self.level, &factors)
    }
}

impl Layer {
    fn weighted<'a>(&'a self, weights: &'a [Option<Weights>]) -> Option<(&'a Convolution, &'a Weights)> {
        let (weight, convolution) = self.convolution.as_ref()?;
        Some((convolution, weights[*weight].as_ref()?))
    }
}

fn sums(shape: Shape, [first, second]: [Vec<f32>; 2]) -> ImageSums {
    ImageSums { channels: shape.channels(), pixels: shape.size() * shape.size(), first, second }
}
