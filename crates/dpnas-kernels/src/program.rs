//! A plan as a list of steps on a few buffers.

use crate::geometry::{Pooling, halo, pixels, steps, windows};
use crate::kernel::{Compute, ConvKernel, ConvTables, SourceTable};
use crate::layout::Layout;
use crate::level::Level;
use crate::pack::{Packed, Pixels};
use dpnas_grammar::{ConvShape, Layer, Plan, Stage};
use dpnas_prior::Prior;
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
    /// The norm that follows a convolution, or that a rectification starts with; counted over the plan.
    pub(crate) norm: Option<usize>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Op<E> {
    /// Convolves, normalises and rectifies; pools first where pooling is fused.
    Conv(ConvKernel<E>),
    /// Convolves and adds the skip path, which is the second input (or its 1×1 convolution).
    ConvAdd(ConvKernel<E>, Skip),
    /// Normalises and rectifies.
    Rectify,
    /// Max-pools.
    Pool { size: usize, stride: usize },
}

/// How a residual block's second input reaches the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// As it is.
    Identity,
    /// Through a convolution, as further products.
    Projection,
}

/// Whether pooling that follows a convolution without overlap is computed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fusion {
    Fused,
    Apart,
}

/// A plan's steps for groups of images.
#[derive(Debug)]
pub(crate) struct Program<E> {
    pub(crate) steps: Vec<Step<E>>,
    /// Where the images go.
    pub(crate) image: Map,
    /// Where the features are.
    pub(crate) result: Map,
    /// Numbers of each buffer.
    pub(crate) slots: Vec<usize>,
    /// Images of a group.
    pub(crate) images: usize,
}

/// The packed weights of every stage.
pub(crate) type Weights<E> = Vec<Vec<Arc<Packed<E>>>>;

/// Packs the weights of a prior.
pub(crate) fn pack<E: Compute>(level: Level, prior: &Prior) -> Weights<E> {
    let stages = prior.plan().stages();
    let pixels = |index: usize, conv: usize| match (index, stages[index].layer, conv) {
        (0, Layer::Conv { .. }, 0) => Pixels::Dense,
        _ => Pixels::Padded,
    };
    let stage = |index: usize| {
        let weights = prior.stage(index).iter().enumerate();
        weights.map(|(conv, weights)| Arc::new(Packed::new(level, weights, pixels(index, conv)))).collect()
    };
    (0..stages.len()).map(stage).collect()
}

/// Steps whose sums stay in registers, in a convolution with few and with many steps.
const DIRECT_STEPS: usize = 600;
const BLOCK_STEPS: usize = 256;
/// Convolution pixels of a block, about.
const BLOCK_PIXELS: usize = 192;

impl<E: Compute> Program<E> {
    /// The steps of a plan for groups of `images` images.
    pub(crate) fn new(level: Level, plan: &Plan, weights: &Weights<E>, images: usize, fusion: Fusion) -> Self {
        let stages = plan.stages();
        let input = plan.input();
        let (size, channels) = (input.height as usize, input.channels as usize);
        let layout = match stages.first().map(|stage| stage.layer) {
            Some(Layer::Conv { .. }) => Layout::dense(size, channels, border(stages, 0)),
            _ => Layout::padded(size, channels, border(stages, 0)),
        };
        let image = Map { slot: 0, layout };
        let mut builder = Builder { level, images, steps: Vec::new(), slots: Vec::new(), norms: 0 };
        builder.reserve(image);
        let (mut map, mut index) = (image, 0);
        while let Some(stage) = stages.get(index) {
            let pooling = match (stage.layer, stages.get(index + 1).map(|next| next.layer), fusion) {
                (Layer::MaxPool { .. }, _, _) => None,
                (_, Some(Layer::MaxPool { size, stride }), Fusion::Fused) if stride >= size => {
                    Some(Pooling { size: size as usize, stride: stride as usize })
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
    /// Appends a stage and gives its output map.
    fn stage(
        &mut self,
        stage: &Stage,
        weights: &[Arc<Packed<E>>],
        map: Map,
        layout: Layout,
        pooling: Pooling,
    ) -> Map {
        let convs: Vec<ConvShape> = stage.weights().collect();
        match (stage.layer, &convs[..]) {
            (Layer::Conv { .. }, [conv]) => {
                let output = self.free(&[map], layout);
                let kernel = self.conv(&[(map, conv, &weights[0])], output, None, pooling);
                self.push(Op::Conv(kernel), vec![map], output, Norm::Here)
            }
            (Layer::Residual { .. }, [a, b, projection @ ..]) => {
                let size = stage.output.height as usize;
                let rectified = self.free(&[map], Layout::padded(size, a.in_channels as usize, 1));
                let rectified = self.push(Op::Rectify, vec![map], rectified, Norm::Here);
                let inner = self.free(&[map, rectified], Layout::padded(size, a.out_channels as usize, 1));
                let kernel = self.conv(&[(rectified, a, &weights[0])], inner, None, Pooling::NONE);
                let inner = self.push(Op::Conv(kernel), vec![rectified], inner, Norm::Here);
                let output = self.free(&[map, rectified, inner], layout);
                match projection.first() {
                    None => {
                        let kernel = self.conv(&[(inner, b, &weights[1])], output, Some(map), pooling);
                        self.push(Op::ConvAdd(kernel, Skip::Identity), vec![inner, map], output, Norm::None)
                    }
                    Some(projection) => {
                        let sources = [(inner, b, &weights[1]), (rectified, projection, &weights[2])];
                        let kernel = self.conv(&sources, output, None, pooling);
                        self.push(Op::ConvAdd(kernel, Skip::Projection), vec![inner, rectified], output, Norm::None)
                    }
                }
            }
            (Layer::MaxPool { size, stride }, _) => {
                let output = self.free(&[map], layout);
                let op = Op::Pool { size: size as usize, stride: stride as usize };
                self.push(op, vec![map], output, Norm::None)
            }
            // A plan's stages are encoder layers with the convolutions that they need: nothing else occurs.
            _ => map,
        }
    }

    fn conv(
        &self,
        sources: &[(Map, &ConvShape, &Arc<Packed<E>>)],
        output: Map,
        skip: Option<Map>,
        pooling: Pooling,
    ) -> ConvKernel<E> {
        let (to, images) = (output.layout, self.images);
        let sources = sources
            .iter()
            .map(|(map, conv, weights)| SourceTable {
                windows: windows(map.layout, conv, to.size, pooling, images),
                steps: steps(map.layout, weights.taps()),
                weights: Arc::clone(weights),
            })
            .collect();
        let skip = skip.map(|map| pixels(to.size, pooling, images, |image, y, x| map.layout.inside(image, y, x)));
        let tables = ConvTables {
            sources,
            outputs: pixels(to.size, Pooling::NONE, images, |image, y, x| to.inside(image, y, x)),
            skip,
            window: pooling.size * pooling.size,
            channels: to.stride,
            images,
            direct: DIRECT_STEPS,
            depth: BLOCK_STEPS,
            block: BLOCK_PIXELS,
        };
        ConvKernel::new(self.level, tables)
    }

    fn push(&mut self, op: Op<E>, inputs: Vec<Map>, output: Map, norm: Norm) -> Map {
        let norm = match norm {
            Norm::None => None,
            Norm::Here => {
                self.norms += 1;
                Some(self.norms - 1)
            }
        };
        self.steps.push(Step { op, inputs, output, norm });
        output
    }

    /// A map in the first buffer that none of these maps is in.
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
        self.slots[map.slot] = self.slots[map.slot].max(map.layout.len(self.images));
    }
}

/// Whether a step has a norm.
#[derive(Clone, Copy, Debug)]
enum Norm {
    None,
    Here,
}
