//! Tables of a convolution: positions of its windows and outputs.

use crate::layout::Layout;
use crate::pack::Tap;
use dpnas_grammar::ConvShape;

/// Max pooling without overlap that a convolution computes before it stores its output: size of a window, and stride
/// between windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) size: usize,
    pub(crate) stride: usize,
}

impl Pooling {
    /// No pooling.
    pub(crate) const NONE: Self = Self { size: 1, stride: 1 };
}

/// The border that a map needs for a convolution. A window beyond it would read only zeros.
pub(crate) fn halo(kernel: u32, padding: u32) -> usize {
    kernel.min(padding) as usize
}

/// The convolution pixels of an output map, image by image, window by window: `f(image, y, x)`.
pub(crate) fn pixels(
    size: usize,
    pooling: Pooling,
    images: usize,
    f: impl Fn(usize, usize, usize) -> usize,
) -> Vec<usize> {
    let Pooling { size: window, stride } = pooling;
    let mut positions = Vec::with_capacity(images * size * size * window * window);
    for image in 0..images {
        for y in 0..size {
            for x in 0..size {
                for dy in 0..window {
                    positions.extend((0..window).map(|dx| f(image, y * stride + dy, x * stride + dx)));
                }
            }
        }
    }
    positions
}

/// Positions of the windows of a convolution's pixels in its input.
///
/// A window beyond the border is moved to the border's edge, where it also reads only zeros.
pub(crate) fn windows(from: Layout, conv: &ConvShape, size: usize, pooling: Pooling, images: usize) -> Vec<usize> {
    let [kernel, stride, padding] = [conv.kernel, conv.stride, conv.padding].map(|n| n as usize);
    let last = from.size + 2 * from.halo - kernel;
    let start = |at: usize| (at * stride + from.halo).saturating_sub(padding).min(last);
    pixels(size, pooling, images, |image, y, x| from.at(image, start(y), start(x)))
}

/// Positions of the steps in a window.
pub(crate) fn steps(from: Layout, taps: &[Tap]) -> Vec<usize> {
    taps.iter().map(|tap| tap.y * from.row() + tap.x * from.stride + tap.channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each number of a window is that of the padded map, zero in the padding.
        #[test]
        fn windows_read_the_padded_map(
            size in 1usize..7, kernel in 1u32..6, stride in 1u32..5, padding in 0u32..12
        ) {
            let padded = size + 2 * padding as usize;
            prop_assume!(kernel as usize <= padded);
            let conv = ConvShape { in_channels: 1, out_channels: 1, kernel, stride, padding };
            let from = Layout::dense(size, 1, halo(kernel, padding));
            let mut map = vec![0usize; Layout::room(from.image(), 1)];
            for y in 0..size {
                for x in 0..size {
                    map[from.inside(0, y, x)] = 1 + y * size + x;
                }
            }
            let out = (padded - kernel as usize) / stride as usize + 1;
            let windows = windows(from, &conv, out, Pooling::NONE, 1);
            for (index, window) in windows.iter().enumerate() {
                for dy in 0..kernel as usize {
                    for dx in 0..kernel as usize {
                        let y = (index / out * stride as usize + dy).checked_sub(padding as usize);
                        let x = (index % out * stride as usize + dx).checked_sub(padding as usize);
                        let expected = match (y, x) {
                            (Some(y), Some(x)) if y < size && x < size => 1 + y * size + x,
                            _ => 0,
                        };
                        prop_assert_eq!(map[window + dy * from.row() + dx * from.stride], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn pixels_are_ordered_by_pooling_window() {
        let order = pixels(2, Pooling { size: 2, stride: 3 }, 1, |_, y, x| 10 * y + x);
        assert_eq!(order, [0, 1, 10, 11, 3, 4, 13, 14, 30, 31, 40, 41, 33, 34, 43, 44]);
    }
}
