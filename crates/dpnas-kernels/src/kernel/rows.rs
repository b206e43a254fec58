//! Loops over the rows of maps for training: plain code, compiled for the instructions of each level.
//!
//! Every level adds and multiplies in the same order without fusing, so all levels give the same bits.

use crate::layout::{CHANNEL_BLOCK, Layout};
#[cfg(target_arch = "x86_64")]
use crate::level::Kind;
use crate::level::Level;
use crate::train::Coefficients;
use crate::winograd::MOST_POINTS;
use dpnas_grammar::ConvShape;

/// A map to read: its numbers and their layout.
pub(crate) type From<'a> = (&'a [f32], Layout);
/// A map to write.
pub(crate) type To<'a> = (&'a mut [f32], Layout);

/// A function of a level that runs a loop compiled for the level's instructions.
macro_rules! by_level {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) => $body:expr) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "maps and their coefficients")]
        pub(crate) fn $name(level: Level, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            #[allow(clippy::too_many_arguments, reason = "maps and their coefficients")]
            fn avx2($($argument: $type),*) {
                $body
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            #[allow(clippy::too_many_arguments, reason = "maps and their coefficients")]
            fn avx512($($argument: $type),*) {
                $body
            }
            match level.kind() {
                // SAFETY: a level is only made where the processor has its instructions.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 | Kind::Avx512Bf16 | Kind::Amx => unsafe { avx512($($argument),*) },
                _ => $body,
            }
        }
    };
}

/// A row of an image, without the border.
#[inline(always)]
fn row<'a>((map, layout): From<'a>, image: usize, y: usize) -> &'a [f32] {
    let start = layout.inside(image, y, 0);
    &map[start..start + layout.size * layout.stride]
}

#[inline(always)]
fn row_mut(map: &mut [f32], layout: Layout, image: usize, y: usize) -> &mut [f32] {
    let start = layout.inside(image, y, 0);
    &mut map[start..start + layout.size * layout.stride]
}

/// Image and row of each row of a block.
#[inline(always)]
fn places(images: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..images).flat_map(move |image| (0..size).map(move |y| (image, y)))
}

by_level!(
    /// Copies the first images.
    copy(from: From<'_>, to: To<'_>, images: usize) => {
        for (image, y) in places(images, to.1.size) {
            row_mut(to.0, to.1, image, y).copy_from_slice(row(from, image, y));
        }
    }
);

by_level!(
    /// The sum of two maps.
    add(a: From<'_>, b: From<'_>, to: To<'_>, images: usize) => {
        for (image, y) in places(images, to.1.size) {
            let terms = row(a, image, y).iter().zip(row(b, image, y));
            row_mut(to.0, to.1, image, y).iter_mut().zip(terms).for_each(|(sum, (a, b))| *sum = a + b);
        }
    }
);

by_level!(
    /// The product of two maps, number by number.
    multiply(a: From<'_>, b: From<'_>, to: To<'_>, images: usize) => {
        for (image, y) in places(images, to.1.size) {
            let factors = row(a, image, y).iter().zip(row(b, image, y));
            row_mut(to.0, to.1, image, y).iter_mut().zip(factors).for_each(|(product, (a, b))| *product = a * b);
        }
    }
);

by_level!(
    /// The gradient of a rectifier's input: the gradient where the output is positive, and 0 elsewhere.
    unrectify(gradient: From<'_>, output: From<'_>, to: To<'_>, images: usize) => {
        for (image, y) in places(images, to.1.size) {
            let pairs = row(gradient, image, y).iter().zip(row(output, image, y));
            for (place, (gradient, output)) in row_mut(to.0, to.1, image, y).iter_mut().zip(pairs) {
                *place = if *output > 0.0 { *gradient } else { 0.0 };
            }
        }
    }
);

by_level!(
    /// As [`unrectify`], with two sums over the pixels of each image, `[image][channel]`: of the result, and of its product
    /// with `input` − `mean`.
    unrectify_and_sum(
        gradient: From<'_>, output: From<'_>, input: From<'_>, mean: &[f32], to: To<'_>, sums: [&mut [f32]; 2], images: usize
    ) => {
        let stride = to.1.stride;
        let [first, second] = sums;
        let images = first.chunks_exact_mut(stride).zip(second.chunks_exact_mut(stride)).take(images).enumerate();
        let mut of_row = [vec![0.0f32; stride], vec![0.0f32; stride]];
        let mut of_image = [vec![0.0f64; stride], vec![0.0f64; stride]];
        for (image, (first, second)) in images {
            of_image.iter_mut().for_each(|sums| sums.fill(0.0));
            for y in 0..to.1.size {
                of_row.iter_mut().for_each(|sums| sums.fill(0.0));
                let pixels = row(gradient, image, y).chunks_exact(stride).zip(row(output, image, y).chunks_exact(stride));
                let pixels = pixels.zip(row(input, image, y).chunks_exact(stride));
                let places = row_mut(to.0, to.1, image, y).chunks_exact_mut(stride);
                for (place, ((gradient, output), input)) in places.zip(pixels) {
                    let [sums, products] = &mut of_row;
                    let numbers = gradient.iter().zip(output).zip(input.iter().zip(mean));
                    let sums = sums.iter_mut().zip(products.iter_mut());
                    for ((place, (sum, product)), ((gradient, output), (input, mean))) in place.iter_mut().zip(sums).zip(numbers) {
                        let gradient = if *output > 0.0 { *gradient } else { 0.0 };
                        *place = gradient;
                        *sum += gradient;
                        *product += gradient * (input - mean);
                    }
                }
                for (total, of_row) in of_image.iter_mut().zip(&of_row) {
                    total.iter_mut().zip(of_row).for_each(|(total, sum)| *total += f64::from(*sum));
                }
            }
            for (place, total) in [first, second].into_iter().zip(&of_image) {
                place.iter_mut().zip(total).for_each(|(place, total)| *place = *total as f32);
            }
        }
    }
);

by_level!(
    /// The gradient of a norm's input, `of_gradient · g + of_input · (x − mean) + constant`.
    through_norm(gradient: From<'_>, input: From<'_>, norm: Coefficients<'_>, to: To<'_>, images: usize) => {
        let stride = to.1.stride;
        let norm = [norm.of_gradient, norm.of_input, norm.mean, norm.constant].map(|values| &values[..stride]);
        let [of_gradient, of_input, mean, constant] = norm;
        for (image, y) in places(images, to.1.size) {
            let pixels = row(gradient, image, y).chunks_exact(stride).zip(row(input, image, y).chunks_exact(stride));
            for (place, (gradient, input)) in row_mut(to.0, to.1, image, y).chunks_exact_mut(stride).zip(pixels) {
                let factors = of_gradient.iter().zip(of_input).zip(mean.iter().zip(constant));
                for ((place, (gradient, input)), ((a, b), (mean, constant))) in
                    place.iter_mut().zip(gradient.iter().zip(input)).zip(factors)
                {
                    *place = a * gradient + b * (input - mean) + constant;
                }
            }
        }
    }
);

by_level!(
    /// The gradient of max pooling's input: each window's gradient goes to its first largest pixel. `to` is zero before.
    unpool(gradient: From<'_>, input: From<'_>, output: From<'_>, to: To<'_>, images: usize, pooling: (usize, usize)) => {
        let (size, stride) = pooling;
        let lanes = to.1.stride;
        let mut open = vec![0.0f32; lanes];
        for (image, y) in places(images, gradient.1.size) {
            let pixels = row(gradient, image, y).chunks_exact(lanes).zip(row(output, image, y).chunks_exact(lanes));
            for (x, (gradient, largest)) in pixels.enumerate() {
                // What no pixel of the window has got yet.
                open.copy_from_slice(gradient);
                for (dy, dx) in (0..size).flat_map(|dy| (0..size).map(move |dx| (dy, dx))) {
                    let start = input.1.inside(image, y * stride + dy, x * stride + dx);
                    let values = &input.0[start..start + lanes];
                    let start = to.1.inside(image, y * stride + dy, x * stride + dx);
                    let places = to.0[start..start + lanes].iter_mut().zip(&mut open);
                    for ((place, open), (value, largest)) in places.zip(values.iter().zip(largest)) {
                        let own = if value == largest { *open } else { 0.0 };
                        *place += own;
                        *open = if value == largest { 0.0 } else { *open };
                    }
                }
            }
        }
    }
);

by_level!(
    /// Adds columns, `[image][pixel of the output][row and column of the kernel][channel]`, to the pixels that they meet.
    add_columns(columns: &[f32], shape: &ConvShape, from: (Layout, usize), to: To<'_>) => {
        let ((from, images), (map, layout)) = (from, to);
        let [kernel, step, padding] = [shape.kernel, shape.stride, shape.padding].map(|n| n as usize);
        let stride = layout.stride;
        let mut columns = columns.chunks_exact(kernel * kernel * stride);
        for (image, y) in places(images, from.size) {
            for x in 0..from.size {
                let Some(column) = columns.next() else { return };
                for (ky, row) in column.chunks_exact(kernel * stride).enumerate() {
                    // Rows and columns beyond the map were padding.
                    let Some(at) = (y * step + ky).checked_sub(padding).filter(|at| *at < layout.size) else { continue };
                    let left = (x * step).saturating_sub(padding);
                    let skipped = padding.saturating_sub(x * step).min(kernel);
                    let count = (kernel - skipped).min(layout.size.saturating_sub(left));
                    let start = layout.inside(image, at, left.min(layout.size));
                    let numbers = &row[skipped * stride..][..count * stride];
                    map[start..start + count * stride].iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
                }
            }
        }
    }
);

/// A convolution's weights, `[out, in, kernel, kernel]`, or turned ones: `[in, out, kernel, kernel]` with rows and columns from
/// their ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    Straight(&'a [f32]),
    Turned(&'a [f32]),
}

impl Values<'_> {
    /// The weight of two channels, of (output channels, input channels), and a place in the kernel, of so many.
    #[inline(always)]
    pub(crate) fn at(
        &self,
        (out, input): (usize, usize),
        (outputs, inputs): (usize, usize),
        place: usize,
        square: usize,
    ) -> f32 {
        match self {
            Self::Straight(values) => values[(out * inputs + input) * square + place],
            Self::Turned(values) => values[(input * outputs + out) * square + square - 1 - place],
        }
    }
}

/// Weights of a Winograd convolution to transform: some input channels of one panel of output channels.
pub(crate) struct WeightsJob<'a> {
    pub(crate) values: Values<'a>,
    /// Input channels, output channels, and rows of the kernel.
    pub(crate) sizes: (usize, usize, usize),
    /// The kernel's part: its first row and column, and its rows and columns.
    pub(crate) corner: (usize, usize),
    pub(crate) extent: (usize, usize),
    /// Powers of each point.
    pub(crate) points: &'a [[f64; 5]],
    /// First channel and width of the panel.
    pub(crate) panel: (usize, usize),
    /// The first input channel.
    pub(crate) input: usize,
    /// For each pair of points, `[input channel][channel of the panel]`.
    pub(crate) products: Vec<&'a mut [f32]>,
}

/// Output channels that are transformed at once.
const LANES: usize = CHANNEL_BLOCK;

by_level!(
    /// Transforms weights: the rows of the kernel first, in f64.
    transform_weights(job: &mut WeightsJob<'_>) => {
        let (inputs, outputs, kernel) = job.sizes;
        let ((y, x), (rows, columns), (first, width)) = (job.corner, job.extent, job.panel);
        let count = job.products.first().map_or(0, |product| product.len() / width);
        for (row, block) in (0..count).flat_map(|row| (0..width).step_by(LANES).map(move |block| (row, block))) {
            let present = LANES.min(outputs.saturating_sub(first + block));
            let mut weights = [[[0.0f64; LANES]; 5]; 5];
            for lane in 0..present {
                let channels = (first + block + lane, job.input + row);
                for (dy, weights) in weights.iter_mut().enumerate().take(rows) {
                    for (dx, weights) in weights.iter_mut().enumerate().take(columns) {
                        let place = (y + dy) * kernel + x + dx;
                        weights[lane] = f64::from(job.values.at(channels, (outputs, inputs), place, kernel * kernel));
                    }
                }
            }
            let mut half = [[[0.0f64; LANES]; 5]; MOST_POINTS];
            for (half, powers) in half.iter_mut().zip(job.points) {
                for (weights, power) in weights.iter().zip(powers).take(rows) {
                    for (half, weights) in half.iter_mut().zip(weights).take(columns) {
                        half.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += power * weight);
                    }
                }
            }
            let pairs = half.iter().take(job.points.len()).flat_map(|half| job.points.iter().map(move |powers| (half, powers)));
            for ((half, powers), product) in pairs.zip(&mut job.products) {
                let mut sums = [0.0f64; LANES];
                for (half, power) in half.iter().zip(powers).take(columns) {
                    sums.iter_mut().zip(half).for_each(|(sum, half)| *sum += half * power);
                }
                let place = &mut product[row * width + block..][..LANES];
                place.iter_mut().zip(sums).for_each(|(place, sum)| *place = sum as f32);
            }
        }
    }
);
