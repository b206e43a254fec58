//! A plan as a list of steps on a few buffers.

use crate::geometry::{Pooling, halo, pixels, steps, windows};
use crate::kernel::{Compute, ConvKernel, ConvTables, TileConv, Winograd};
use crate::layout::Layout;
use crate::level::Level;
use crate::pack::{Packed, Pixels, Tap};
use crate::pack_tiles::TileWeights;
use crate::weights::{Conv, ConvPack, StageWeights};
use dpnas_grammar::{Layer, Plan, Stage};
use std::sync::Arc;

/// A map in one of the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) slot: usize,
    pub(crate) layout: Layout,
}

/// One step of a program.
#[derive(Debug)]
pub(crate) struct Step<E> {
    pub(crate) op: Op<E>,
    /// The maps that are read: one, or two.
    pub(crate) inputs: Vec<Map>,
    pub(crate) output: Map,
    /// Multiply-adds of an image.
    pub(crate) work: usize,
    /// Index in the plan of the norm that follows a convolution or begins a rectification.
    pub(crate) norm: Option<usize>,
}

/// Operation of a step.
#[derive(Debug)]
pub(crate) enum Op<E> {
    /// Adds the second input, if any, to the products; pools if pooling is fused; normalises and rectifies if the step has a
    /// norm.
    Conv(Box<Kernel<E>>),
    /// Normalises and rectifies.
    Rectify,
    /// Max-pools.
    Pool { size: usize, stride: usize },
}

/// A convolution kernel with its weights.
#[derive(Debug)]
pub(crate) enum Kernel<E> {
    Direct(ConvKernel<E>, Arc<Packed<E>>),
    Winograd(Box<Winograd>, Arc<Vec<Packed<f32>>>),
    Tiles(TileConv<E>, Arc<TileWeights<E>>),
}

/// Whether a convolution computes the pooling without overlap that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fusion {
    Fused,
    Apart,
}

/// A plan's steps for groups of images.
#[derive(Debug)]
pub(crate) struct Program<E> {
    pub(crate) steps: Vec<Step<E>>,
    /// Map of the input images.
    pub(crate) image: Map,
    /// Map of the features.
    pub(crate) result: Map,
    /// Length of each buffer. Kernels may read past the last image.
    pub(crate) slots: Vec<usize>,
    /// Images of a group.
    pub(crate) images: usize,
}

impl<E: Compute> Program<E> {
    /// The steps of a plan for groups of `images` images with this storage of pixels.
    pub(crate) fn new(
        level: Level,
        plan: &Plan,
        (weights, pixels): (&[StageWeights<E>], Pixels),
        images: usize,
        fusion: Fusion,
    ) -> Self {
        let stages = plan.stages();
        let input = plan.input();
        let (size, channels) = (input.height as usize, input.channels as usize);
        let layout = match pixels {
            Pixels::Dense => Layout::dense(size, channels, border(stages, 0)),
            Pixels::Padded => Layout::padded(size, channels, border(stages, 0)),
        };
        let image = Map { slot: 0, layout };
        let mut builder = Builder { level, images, steps: Vec::new(), slots: Vec::new(), norms: 0 };
        builder.reserve(image);
        let (mut map, mut index) = (image, 0);
        while let Some(stage) = stages.get(index) {
            let pooling = match (weights[index].last_conv(), stages.get(index + 1).map(|next| next.layer), fusion) {
                (Some(conv), Some(Layer::MaxPool { size, stride }), Fusion::Fused) => {
                    let pooling = Pooling { size: size as usize, stride: stride as usize };
                    conv.can_pool(pooling).then_some(pooling)
                }
                _ => None,
            };
            let last = index + usize::from(pooling.is_some());
            let output = stages[last].output;
            let channels = output.channels as usize;
            let layout = Layout::padded(output.height as usize, channels, border(stages, last + 1));
            map = builder.stage(stage, &weights[index], map, layout, pooling.unwrap_or(Pooling::NONE));
            index = last + 1;
        }
        Self { steps: builder.steps, image, result: map, slots: builder.slots, images }
    }
}

/// The border that the map before stage `index` needs.
fn border(stages: &[Stage], index: usize) -> usize {
    match stages.get(index).map(|stage| stage.layer) {
        Some(Layer::Conv { kernel, padding, .. }) => halo(kernel, padding),
        _ => 0,
    }
}

struct Builder<E> {
    level: Level,
    images: usize,
    steps: Vec<Step<E>>,
    slots: Vec<usize>,
    norms: usize,
}

impl<E: Compute> Builder<E> {
    /// Appends a stage and returns its output map.
    fn stage(&mut self, stage: &Stage, weights: &StageWeights<E>, map: Map, layout: Layout, pooling: Pooling) -> Map {
        match (stage.layer, &weights.convs[..]) {
            (Layer::Conv { .. }, [conv]) => {
                let output = self.free(&[map], layout);
                self.conv(conv, vec![map], output, pooling, Norm::Here)
            }
            (Layer::Residual { .. }, [a, b, projection @ ..]) => {
                let inner = |channels: u32| Layout::padded(stage.output.height as usize, channels as usize, 1);
                let rectified = self.free(&[map], inner(stage.input.channels));
                let rectified = self.push((Op::Rectify, 0), vec![map], rectified, Norm::Here);
                let (skip, used) = match projection.first() {
                    None => (map, vec![map, rectified]),
                    Some(projection) => {
                        let skip = Layout { halo: 0, ..inner(stage.output.channels) };
                        let skip = self.free(&[rectified], skip);
                        let skip = self.conv(projection, vec![rectified], skip, Pooling::NONE, Norm::None);
                        (skip, vec![skip, rectified])
                    }
                };
                let middle = self.free(&used, inner(stage.output.channels));
                let middle = self.conv(a, vec![rectified], middle, Pooling::NONE, Norm::Here);
                let output = self.free(&[skip, middle], layout);
                self.conv(b, vec![middle, skip], output, pooling, Norm::None)
            }
            (Layer::MaxPool { size, stride }, _) => {
                let output = self.free(&[map], layout);
                let op = Op::Pool { size: size as usize, stride: stride as usize };
                self.push((op, 0), vec![map], output, Norm::None)
            }
            // A plan has no other stages.
            _ => map,
        }
    }

    /// Appends a convolution of the first input, which adds the second one, if any.
    fn conv(&mut self, conv: &Conv<E>, inputs: Vec<Map>, output: Map, pooling: Pooling, norm: Norm) -> Map {
        let (from, to, images) = (inputs[0].layout, output.layout, self.images);
        let skip = inputs.get(1).map(|map| map.layout);
        let tables = |taps: &[Tap]| ConvTables {
            windows: windows(from, &conv.shape, to.size, pooling, images),
            steps: steps(from, taps),
            outputs: pixels(to.size, Pooling::NONE, images, |image, y, x| to.inside(image, y, x)),
            skip: skip.map(|skip| pixels(to.size, pooling, images, |image, y, x| skip.inside(image, y, x))),
            window: pooling.size * pooling.size,
            channels: to.stride,
            images,
        };
        let kernel = match &conv.pack {
            ConvPack::Winograd(tile, weights) => {
                let size = from.size + 2 * from.halo + 1 - conv.shape.kernel as usize;
                let winograd = Winograd::new(self.level, *tile, (from, to, skip), (size, pooling.size), images);
                Kernel::Winograd(Box::new(winograd), Arc::clone(weights))
            }
            ConvPack::Direct(weights) => {
                Kernel::Direct(ConvKernel::new(self.level, tables(weights.taps())), Arc::clone(weights))
            }
            ConvPack::Tiles(weights) => {
                let pitch = from.stride * conv.shape.stride as usize;
                let kernel = TileConv::new(self.level, tables(weights.taps()), weights, (pitch, to.size));
                self.lengthen(inputs[0].slot, kernel.input_len());
                Kernel::Tiles(kernel, Arc::clone(weights))
            }
        };
        let sums = to.pixels() * pooling.size.pow(2) * conv.shape.out_channels as usize;
        let products = conv.shape.in_channels as usize * (conv.shape.kernel as usize).pow(2);
        self.push((Op::Conv(Box::new(kernel)), sums * products), inputs, output, norm)
    }

    fn push(&mut self, (op, work): (Op<E>, usize), inputs: Vec<Map>, output: Map, norm: Norm) -> Map {
        let norm = match norm {
            Norm::None => None,
            Norm::Here => {
                self.norms += 1;
                Some(self.norms - 1)
            }
        };
        self.steps.push(Step { op, work, inputs, output, norm });
        output
    }

    /// A map in the first buffer that holds none of the used maps.
    fn free(&mut self, used: &[Map], layout: Layout) -> Map {
        let slot = (0..=used.len()).find(|slot| used.iter().all(|map| map.slot != *slot)).unwrap_or(used.len());
        let map = Map { slot, layout };
        self.reserve(map);
        map
    }

    fn reserve(&mut self, map: Map) {
        if self.slots.len() <= map.slot {
            self.slots.resize(map.slot + 1, 0);
        }
        self.lengthen(map.slot, Layout::room(map.layout.image(), self.images));
    }

    fn lengthen(&mut self, slot: usize, length: usize) {
        self.slots[slot] = self.slots[slot].max(length);
    }
}

/// Whether a step has a norm.
#[derive(Clone, Copy, Debug)]
enum Norm {
    None,
    Here,
}
