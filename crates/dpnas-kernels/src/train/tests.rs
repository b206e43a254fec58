//! Each product and each loop over maps against plain loops.

use super::*;
use crate::{Level, Precision};
use dpnas_grammar::ConvShape;
use proptest::prelude::*;

/// Numbers of a stream, in −1 … 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    dpnas_seed::Seed(seed).stream("test", 0).fill_uniform(0, -1.0, 1.0, &mut values);
    values
}

/// Each meeting of an input number, a weight and an output number, by their indices.
fn meetings(shape: &ConvShape, size: usize, out: usize, images: usize, mut meet: impl FnMut(usize, usize, usize)) {
    let [kernel, stride, padding, inputs, outputs] =
        [shape.kernel, shape.stride, shape.padding, shape.in_channels, shape.out_channels].map(|n| n as usize);
    for image in 0..images {
        for (o, i) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
            for (y, x) in (0..out).flat_map(|y| (0..out).map(move |x| (y, x))) {
                for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                    let (row, column) =
                        ((y * stride + ky).wrapping_sub(padding), (x * stride + kx).wrapping_sub(padding));
                    if row < size && column < size {
                        meet(
                            ((image * inputs + i) * size + row) * size + column,
                            ((o * inputs + i) * kernel + ky) * kernel + kx,
                            ((image * outputs + o) * out + y) * out + x,
                        );
                    }
                }
            }
        }
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 2e-5 * largest, "{what} {index}: {found} {expected}");
    }
}

/// The three products of a convolution at every level, on a block with one image less than it has room for.
fn check(shape: ConvShape, size: usize, room: usize, dense: bool) {
    let images = room.max(2) - 1;
    let [kernel, stride, padding, inputs, outputs] =
        [shape.kernel, shape.stride, shape.padding, shape.in_channels, shape.out_channels].map(|n| n as usize);
    let out = (size + 2 * padding - kernel) / stride + 1;
    let input = numbers(images * inputs * size * size, 1);
    let weights = numbers(outputs * inputs * kernel * kernel, 2);
    let gradient = numbers(images * outputs * out * out, 3);
    let (mut y, mut dx, mut dw) = (vec![0.0; gradient.len()], vec![0.0; input.len()], vec![0.0; weights.len()]);
    meetings(&shape, size, out, images, |i, w, o| {
        y[o] += f64::from(input[i]) * f64::from(weights[w]);
        dx[i] += f64::from(gradient[o]) * f64::from(weights[w]);
        dw[w] += f64::from(gradient[o]) * f64::from(input[i]);
    });
    let border = Convolution::border(&shape);
    let from = if dense { Shape::dense(size, inputs, border) } else { Shape::new(size, inputs, border) };
    for level in Level::available(Precision::F32) {
        let convolution = Convolution::new(level, shape, from, 1, (room, 128));
        let workspace = Workspace::default();
        let packed = convolution.pack(&weights, Passes::Both);
        let input = Map::from_rows(level, &input, from, room);
        let border = Convolution::gradient_border(&shape, size);
        let gradient = Map::from_rows(level, &gradient, Shape::new(out, outputs, border), room);
        let what = |product: &str| format!("{product} of {shape:?} on {size}, {level}");
        assert_close(&what("output"), &convolution.forward(&packed, &input, &workspace).rows(level), &y);
        let to_input = convolution.to_input(&packed, &gradient, &workspace);
        assert_eq!(to_input.shape(), Shape::new(size, inputs, 1));
        assert_close(&what("gradient by the input"), &to_input.rows(level), &dx);
        let products = convolution.to_weights(&input, &gradient, &workspace);
        assert_close(&what("gradient by the weights"), &convolution.values(&products), &dw);
    }
}

#[test]
fn convolutions_of_every_way_are_right() {
    for (inputs, outputs, kernel, stride, padding, size) in [
        (1, 16, 3, 1, 1, 9),  // the first layer
        (3, 20, 5, 2, 2, 11), // phases with different numbers of weights
        (16, 16, 3, 1, 1, 8), // Winograd both ways
        (20, 70, 3, 1, 0, 7), // two panels
        (4, 4, 4, 1, 3, 5),   // padding as wide as it may be
        (5, 6, 2, 3, 0, 8),   // pixels that no window meets
        (5, 6, 1, 2, 0, 7),
        (3, 4, 3, 1, 5, 4),  // padding beyond the kernel
        (6, 33, 5, 1, 0, 5), // as large as the map
        (7, 9, 1, 1, 0, 1),
        (16, 32, 11, 1, 0, 18), // by columns
        (4, 6, 5, 3, 2, 5),
    ] {
        if cfg!(miri) && inputs * outputs * kernel * kernel > 300 {
            // It would take minutes.
            continue;
        }
        let shape = ConvShape { in_channels: inputs, out_channels: outputs, kernel, stride, padding };
        check(shape, size, 3, false);
        check(shape, size, 3, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    #[cfg_attr(miri, ignore = "takes too long; the test above has every way but Winograd's")]
    fn convolutions_of_any_shape_are_right(
        inputs in 1u32..20, outputs in 1u32..20, kernel in 1u32..6, stride in 1u32..4, padding in 0u32..7,
        size in 1usize..9, room in 1usize..4, dense: bool,
    ) {
        prop_assume!(kernel as usize <= size + 2 * padding as usize);
        let shape = ConvShape { in_channels: inputs, out_channels: outputs, kernel, stride, padding };
        check(shape, size, room.max(2), dense);
    }
}
