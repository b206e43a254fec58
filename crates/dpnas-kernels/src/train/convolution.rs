//! A convolution with its gradients.

use super::map::{Map, Shape};
use super::way::{Call, Pack, Way, Workspace};
use crate::geometry::{Pooling, halo, pixels, steps, windows};
use crate::kernel::{ConvKernel, ConvTables, Values, rows, scratch_bytes};
use crate::layout::{CHANNEL_BLOCK, Layout};
use crate::level::Level;
use crate::pack::{Packed, Pixels, Tap, taps};
use crate::winograd::WinogradTile;
use dpnas_grammar::{ConvShape, window_output};
use rayon::prelude::*;

/// A convolution, or a fully connected layer as large as its map, on blocks of `images` images.
#[derive(Debug)]
pub struct Convolution {
    level: Level,
    shape: ConvShape,
    from: Layout,
    to: Layout,
    /// Of the gradient by the input.
    into: Layout,
    images: usize,
    pixels: Pixels,
    forward: Way,
    backward: Backward,
    /// Windows are the weights of one output channel, and steps the pixels.
    products: ConvKernel<f32>,
}

/// The ways to the gradient by the input.
#[derive(Debug)]
enum Backward {
    /// A convolution with turned weights.
    Turned(Way),
    /// A convolution for each phase of the stride, with those weights that meet it.
    Phases(Vec<Phase>),
    /// Products with all weights: the output has one pixel.
    Whole(ConvKernel<f32>),
    /// Products of some images with all weights, which are then added to the pixels that they meet.
    Columns(ConvKernel<f32>, usize),
}

/// Pixels of the input whose row and column have one remainder by the stride.
#[derive(Debug)]
struct Phase {
    /// The last row and column of the kernel that meet the pixels; every `stride`th before does too.
    last: (usize, usize),
    taps: Vec<Tap>,
    kernel: ConvKernel<f32>,
}

/// The weights of a convolution, in the orders of its products.
#[derive(Debug)]
pub struct Weights {
    forward: Pack,
    backward: Vec<Pack>,
}

/// Products for which weights are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// The output alone.
    Forward,
    /// The output and the gradient by the input.
    Both,
}

impl Convolution {
    /// A convolution from maps whose border is at least [`border`](Self::border), on blocks of `images` images, with new weights
    /// for each mini-batch of `batch`; the gradient by the maps has a border of `into_border`.
    ///
    /// # Panics
    /// If the kernel does not fit into the maps, or their channels are not the convolution's.
    pub fn new(
        level: Level,
        shape: ConvShape,
        from: Shape,
        into_border: usize,
        (images, batch): (usize, usize),
    ) -> Self {
        let from = from.0;
        let [kernel, stride, padding] = [shape.kernel, shape.stride, shape.padding].map(|n| n as usize);
        assert!(from.channels == shape.in_channels as usize, "the convolution's channels");
        assert!(from.halo >= halo(shape.kernel, shape.padding), "a border as wide as the padding");
        assert!(from.size + 2 * padding >= kernel && stride > 0, "a kernel that fits");
        let size = output_size(&shape, from.size);
        let to = Layout::padded(size, shape.out_channels as usize, 0);
        let into = Layout::padded(from.size, from.channels, into_border);
        let pixels = if from.stride.is_multiple_of(CHANNEL_BLOCK) { Pixels::Padded } else { Pixels::Dense };
        let windows = windows(from, &shape, size, Pooling::NONE, images);
        let steps = steps(from, &taps(&shape, pixels, 1));
        let products = ConvTables {
            outputs: (0..steps.len()).map(|step| step * to.stride).collect(),
            windows: steps.clone(),
            steps: windows.clone(),
            skip: None,
            window: 1,
            channels: to.stride,
            images: 1,
        };
        let winograd = Way::winograd(level, &shape, (from, to), (images, batch));
        let forward = winograd.unwrap_or_else(|| {
            let outputs = outputs(to, images);
            let tables = ConvTables { windows, steps, outputs, skip: None, window: 1, channels: to.stride, images };
            Way::Direct(ConvKernel::new(level, tables))
        });
        Self {
            level,
            shape,
            from,
            to,
            into,
            images,
            pixels,
            forward,
            backward: Backward::new(level, &shape, (to, into), (images, batch)),
            products: ConvKernel::new(level, products),
        }
    }

    /// Bytes of the packed weights with the tables of a block, and of one thread's buffers.
    pub fn bytes(shape: &ConvShape, size: usize, images: usize) -> [u64; 2] {
        let kernel = shape.kernel as usize;
        let out = output_size(shape, size);
        let [inputs, outputs] =
            [shape.in_channels, shape.out_channels].map(|n| (n as usize).next_multiple_of(CHANNEL_BLOCK));
        let product = |numbers: &[usize]| numbers.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
        let direct = product(&[inputs, outputs, kernel, kernel, size_of::<f32>()]);
        let winograd = |conv: &ConvShape, size: usize| -> [u64; 2] {
            let tile = WinogradTile::choose::<f32>(conv, size);
            tile.map_or([0; 2], |tile| [tile.weight_bytes(conv) as u64, scratch_bytes(tile, conv) as u64])
        };
        let ([forward, buffers], [backward, more]) = (winograd(shape, out), winograd(&turned_shape(shape), size));
        let positions = product(&[images, size_of::<usize>(), 3 * out * out + 2 * size * size]);
        let gradients = product(&[images, out, out, outputs, size_of::<f32>()]);
        [
            direct.max(forward).saturating_add(direct.max(backward)).saturating_add(positions),
            buffers
                .max(more)
                .saturating_add(COLUMN_BYTES as u64)
                .saturating_add(product(&[out, out, kernel, kernel, inputs, 4]))
                .saturating_add(gradients)
                .saturating_add(direct.saturating_mul(2)),
        ]
    }

    /// The border that the input needs.
    pub fn border(shape: &ConvShape) -> usize {
        halo(shape.kernel, shape.padding)
    }

    /// The border that the gradient of the output needs, for an input of `size` × `size` pixels.
    pub fn gradient_border(shape: &ConvShape, size: usize) -> usize {
        let [kernel, stride, padding] = [shape.kernel, shape.stride, shape.padding].map(|n| n as usize);
        let out = output_size(shape, size);
        if is_whole(shape, size) || by_columns(shape, size) {
            return 0;
        }
        let of_phase = |phase: usize| {
            let taps = kernel.saturating_sub(phase).div_ceil(stride);
            let mut bases =
                (0..size).filter(|y| (y + padding) % stride == phase).map(|y| (y + padding - phase) / stride);
            match (taps, bases.next(), bases.next_back()) {
                (0, ..) | (_, None, _) => 0,
                (_, Some(first), last) => {
                    let before = (taps - 1).saturating_sub(first);
                    before.max(last.unwrap_or(first).saturating_sub(out - 1))
                }
            }
        };
        (0..stride).map(of_phase).max().unwrap_or(0)
    }

    /// The border that this convolution's gradient of the output needs.
    pub fn border_of_gradient(&self) -> usize {
        self.gradient_layout().halo
    }

    /// Shape of the output.
    pub fn output(&self) -> Shape {
        Shape(self.to)
    }

    /// Packs weights, `[out, in, kernel, kernel]`, for the output and, if it is wanted, for the gradient by the input.
    ///
    /// # Panics
    /// If there are not as many weights.
    pub fn pack(&self, values: &[f32], passes: Passes) -> Weights {
        let Self { level, shape, .. } = self;
        let [kernel, inputs, outputs] = [shape.kernel, shape.in_channels, shape.out_channels].map(|n| n as usize);
        assert!(values.len() == kernel * kernel * inputs * outputs, "a value for each weight");
        let weight =
            |out: usize, input: usize, y: usize, x: usize| values[((out * inputs + input) * kernel + y) * kernel + x];
        let forward = self.forward.pack(*level, (shape, Values::Straight(values)), self.pixels);
        let backward = match &self.backward {
            _ if passes == Passes::Forward => Vec::new(),
            Backward::Turned(way) => {
                vec![way.pack(*level, (&turned_shape(shape), Values::Turned(values)), Pixels::Padded)]
            }
            Backward::Phases(phases) => {
                let stride = shape.stride as usize;
                let of_phase = |phase: &Phase| {
                    let (y, x) = phase.last;
                    let packed = Packed::pack(*level, phase.taps.clone(), inputs, |input, tap, place: &mut [f32]| {
                        place[0] = weight(tap.channel, input, y - stride * tap.y, x - stride * tap.x);
                    });
                    Pack::Direct(packed)
                };
                phases.iter().map(of_phase).collect()
            }
            Backward::Whole(_) | Backward::Columns(..) => {
                let stride = self.into.stride;
                let taps = (0..outputs).map(|channel| Tap { y: 0, x: 0, channel }).collect();
                let packed = Packed::pack(*level, taps, kernel * kernel * stride, |number, tap, place: &mut [f32]| {
                    let (pixel, input) = (number / stride, number % stride);
                    place[0] = match input < inputs {
                        true => weight(tap.channel, input, pixel / kernel, pixel % kernel),
                        false => 0.0,
                    };
                });
                vec![Pack::Direct(packed)]
            }
        };
        Weights { forward, backward }
    }

    /// Convolves.
    ///
    /// # Panics
    /// If the input has another shape, or more images than a block.
    #[must_use]
    pub fn forward(&self, weights: &Weights, input: &Map, workspace: &Workspace) -> Map {
        self.assert_shape(input, self.from);
        workspace.with(|scratch| {
            Map::written(self.to, (input.images, self.images), |to| {
                let call = Call { channels: self.to.stride, scratch };
                self.forward.run(&weights.forward, input.values.as_slice(), to, input.images, call);
            })
        })
    }

    /// The gradient by the input, from that of the output.
    ///
    /// # Panics
    /// If the gradient has another shape than [`gradient_border`](Self::gradient_border) says, or more images than a block.
    #[must_use]
    pub fn to_input(&self, weights: &Weights, gradient: &Map, workspace: &Workspace) -> Map {
        self.assert_shape(gradient, self.gradient_layout());
        assert!(
            !weights.backward.is_empty() || matches!(&self.backward, Backward::Phases(phases) if phases.is_empty()),
            "weights for both passes"
        );
        let (values, images) = (gradient.values.as_slice(), gradient.images);
        let whole = matches!(self.backward, Backward::Whole(_));
        let layout = if whole { Layout { halo: 0, ..self.into } } else { self.into };
        let map = workspace.with(|scratch| {
            Map::written(layout, (images, self.images), |to| {
                let backward = &weights.backward;
                match &self.backward {
                    Backward::Turned(way) => {
                        way.run(&backward[0], values, to, images, Call { channels: layout.stride, scratch });
                    }
                    Backward::Phases(phases) => {
                        for (phase, weights) in phases.iter().zip(backward) {
                            let call = Call { channels: layout.stride, scratch: &mut *scratch };
                            call.run(values, to, images, |call| phase.kernel.run(weights.direct(), call));
                        }
                    }
                    Backward::Columns(kernel, group) => {
                        let (gradient, channels) = (self.gradient_layout(), self.columns());
                        let mut columns = vec![0.0; group * self.to.pixels() * channels];
                        for first in (0..images).step_by(*group) {
                            let count = (*group).min(images - first);
                            let values = &values[first * gradient.image()..];
                            let call = Call { channels, scratch: &mut *scratch };
                            call.run(values, &mut columns, count, |call| kernel.run(backward[0].direct(), call));
                            let to = (&mut to[first * layout.image()..], layout);
                            rows::add_columns(self.level, &columns, &self.shape, (self.to, count), to);
                        }
                    }
                    Backward::Whole(kernel) => {
                        let call = Call { channels: layout.pixels() * layout.stride, scratch };
                        call.run(values, to, images, |call| kernel.run(backward[0].direct(), call));
                    }
                }
            })
        });
        map.with_border(self.level, self.into.halo)
    }

    /// The gradient by the weights, in the order that [`values`](Self::values) reads.
    ///
    /// # Panics
    /// If a map has another shape, or more images than a block.
    #[must_use]
    pub fn to_weights(&self, input: &Map, gradient: &Map, workspace: &Workspace) -> Vec<f32> {
        self.assert_shape(input, self.from);
        self.assert_shape(gradient, gradient.layout);
        assert!(gradient.images == input.images, "a gradient of each image");
        let (from, stride) = (gradient.layout, self.to.stride);
        let steps = self.images * self.to.pixels();
        let packed = Packed::pixels(self.level, steps, stride, |panel: &mut [f32], first, width| {
            let mut places = panel.chunks_exact_mut(width);
            for image in 0..gradient.images {
                for y in 0..from.size {
                    let start = from.inside(image, y, 0);
                    let row = &gradient.values.as_slice()[start..start + from.size * stride];
                    for (pixel, place) in row.chunks_exact(stride).zip(&mut places) {
                        place.copy_from_slice(&pixel[first..first + width]);
                    }
                }
            }
        });
        let mut products = vec![0.0; self.taps() * stride];
        workspace.with(|scratch| {
            let call = Call { channels: stride, scratch };
            call.run(input.values.as_slice(), &mut products, 1, |call| self.products.run(&packed, call));
        });
        products
    }

    /// The gradient by the weights as `[out, in, kernel, kernel]`.
    ///
    /// # Panics
    /// If the products are not those of this convolution.
    pub fn values(&self, products: &[f32]) -> Vec<f32> {
        let [kernel, inputs, outputs] =
            [self.shape.kernel, self.shape.in_channels, self.shape.out_channels].map(|n| n as usize);
        let stride = self.to.stride;
        assert!(products.len() == self.taps() * stride, "a product for each weight");
        let mut values = vec![0.0; outputs * self.taps()];
        let square = kernel * kernel;
        // Taps are ordered by row, column and input channel. Some output channels at once use whole cache lines.
        values.par_chunks_mut((self.taps() * CHANNEL_BLOCK).max(1)).enumerate().for_each(|(block, values)| {
            for (tap, products) in products.chunks_exact(stride).enumerate() {
                let (pixel, input) = (tap / inputs, tap % inputs);
                let products = &products[block * CHANNEL_BLOCK..];
                for (of_channel, product) in values.chunks_exact_mut(inputs * square).zip(products) {
                    of_channel[input * square + pixel] = *product;
                }
            }
        });
        values
    }

    /// Numbers of a column: a pixel of the input for each weight of an output channel.
    fn columns(&self) -> usize {
        (self.shape.kernel as usize).pow(2) * self.into.stride
    }

    /// Weights of an output channel.
    fn taps(&self) -> usize {
        self.shape.in_channels as usize * (self.shape.kernel as usize).pow(2)
    }

    fn gradient_layout(&self) -> Layout {
        Layout { halo: Self::gradient_border(&self.shape, self.from.size), ..self.to }
    }

    fn assert_shape(&self, map: &Map, layout: Layout) {
        assert!(map.layout == layout, "{:?} is expected, and {:?} found", layout, map.layout);
        assert!(map.images <= map.room && map.room == self.images, "a block of {} images", self.images);
    }
}

/// Rows and columns of the output on maps of `size` × `size` pixels.
fn output_size(shape: &ConvShape, size: usize) -> usize {
    window_output(size as u32, shape.kernel, shape.stride, shape.padding).unwrap_or(1) as usize
}

/// Whether the kernel covers a map of `size` × `size` pixels, so that the output has one pixel.
fn is_whole(shape: &ConvShape, size: usize) -> bool {
    shape.padding == 0 && shape.kernel as usize == size
}

/// Bytes of the columns that are computed at once: they stay in the second-level cache.
const COLUMN_BYTES: usize = 512 << 10;
/// Multiply-adds that cost as much as adding a number of a column.
const ADD: u64 = 8;

/// Whether the gradient by the input is computed by columns: a large kernel without padding meets mostly zeros outside of the
/// gradient's map.
fn by_columns(shape: &ConvShape, size: usize) -> bool {
    let [kernel, stride] = [shape.kernel, shape.stride].map(u64::from);
    let (size, squared) = (size as u64, kernel * kernel);
    let out = (output_size(shape, size as usize) as u64).pow(2);
    let [inputs, outputs] = [shape.in_channels, shape.out_channels].map(u64::from);
    let columns = out.saturating_mul(squared).saturating_mul(inputs.saturating_mul(outputs + ADD));
    let turned = WinogradTile::choose::<f32>(&turned_shape(shape), size as usize);
    let direct = size.pow(2).saturating_mul(squared).saturating_mul(inputs * outputs) / stride.max(1).pow(2);
    let other = match turned {
        Some(tile) if stride == 1 => tile.cost(&turned_shape(shape), size as usize).min(direct),
        _ => direct,
    };
    columns < other
}

/// Positions of the pixels of a map.
fn outputs(to: Layout, images: usize) -> Vec<usize> {
    pixels(to.size, Pooling::NONE, images, |image, y, x| to.inside(image, y, x))
}

/// The convolution of the gradient's map that gives the gradient by the input, for stride 1.
fn turned_shape(shape: &ConvShape) -> ConvShape {
    ConvShape {
        in_channels: shape.out_channels,
        out_channels: shape.in_channels,
        padding: (shape.kernel - 1).saturating_sub(shape.padding),
        ..*shape
    }
}

impl Backward {
    fn new(level: Level, shape: &ConvShape, (to, into): (Layout, Layout), (images, batch): (usize, usize)) -> Self {
        let [kernel, stride, padding] = [shape.kernel, shape.stride, shape.padding].map(|n| n as usize);
        let from = Layout { halo: Convolution::gradient_border(shape, into.size), ..to };
        let channels = into.stride;
        if is_whole(shape, into.size) {
            let channels = into.pixels() * channels;
            let places = |layout: Layout| (0..images).map(|image| layout.at(image, 0, 0)).collect::<Vec<_>>();
            let tables = ConvTables {
                windows: places(from),
                steps: (0..to.channels).collect(),
                outputs: places(Layout { halo: 0, ..into }),
                skip: None,
                window: 1,
                channels,
                images,
            };
            return Self::Whole(ConvKernel::new(level, tables));
        }
        if by_columns(shape, into.size) {
            let columns = kernel * kernel * channels;
            let group = (COLUMN_BYTES / (to.pixels() * columns * size_of::<f32>()).max(1)).clamp(1, images);
            let tables = ConvTables {
                windows: outputs(from, group),
                steps: (0..to.channels).collect(),
                outputs: (0..group * to.pixels()).map(|pixel| pixel * columns).collect(),
                skip: None,
                window: 1,
                channels: columns,
                images: group,
            };
            return Self::Columns(ConvKernel::new(level, tables), group);
        }
        let can_turn = stride == 1 && padding < kernel;
        let turned = || Way::winograd(level, &turned_shape(shape), (from, into), (images, batch));
        if let Some(way) = can_turn.then(turned).flatten() {
            return Self::Turned(way);
        }
        let phases = (0..stride).flat_map(|y| (0..stride).map(move |x| (y, x)));
        let of_phase = |(py, px): (usize, usize)| {
            // Rows or columns of the kernel that meet a phase, and where the windows of the phase's pixels begin.
            let side = |phase: usize| {
                let count = kernel.saturating_sub(phase).div_ceil(stride);
                let meets = move |y: &usize| (y + padding) % stride == phase;
                let starts = (0..into.size).filter(meets).map(move |y| {
                    // The windows' first row may be left of the border by as much as the border is wide.
                    (y, ((y + padding - phase) / stride + from.halo + 1).saturating_sub(count))
                });
                (count, starts.collect::<Vec<_>>())
            };
            let ((rows, ys), (columns, xs)) = (side(py), side(px));
            if rows == 0 || columns == 0 || ys.is_empty() || xs.is_empty() {
                return None;
            }
            let taps: Vec<Tap> = (0..rows)
                .flat_map(|y| {
                    (0..columns).flat_map(move |x| (0..to.channels).map(move |channel| Tap { y, x, channel }))
                })
                .collect();
            let places = |f: &dyn Fn(usize, (usize, usize), (usize, usize)) -> usize| -> Vec<usize> {
                let rows = (0..images).flat_map(|image| ys.iter().map(move |y| (image, *y)));
                rows.flat_map(|(image, y)| xs.iter().map(move |x| f(image, y, *x))).collect()
            };
            let tables = ConvTables {
                windows: places(&|image, (_, y), (_, x)| from.at(image, y, x)),
                steps: steps(from, &taps),
                outputs: places(&|image, (y, _), (x, _)| into.inside(image, y, x)),
                skip: None,
                window: 1,
                channels,
                images,
            };
            let last = (py + stride * (rows - 1), px + stride * (columns - 1));
            Some(Phase { last, taps, kernel: ConvKernel::new(level, tables) })
        };
        Self::Phases(phases.filter_map(of_phase).collect())
    }
}
