//! Winograd convolution: the choice of the tile.

use crate::scalar::Scalar;
use dpnas_grammar::ConvShape;

/// The tile of a Winograd convolution of stride 1: `points` × `points` input pixels give `out` × `out` output pixels with
/// `points`² products for each pair of channels.
///
/// A large kernel is split into `parts` × `parts` parts of `part` × `part` weights, padded with zeros. The products of all
/// parts are summed before they are transformed back.
///
/// # Source
/// Lavin and Gray, Fast algorithms for convolutional neural networks (2016); the points are 0, ±1, ±2, then ½, then −½,
/// and ∞.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WinogradTile {
    pub(crate) kernel: usize,
    pub(crate) points: usize,
    pub(crate) part: usize,
}

/// The most points of a side.
pub(crate) const MOST_POINTS: usize = 8;
/// Points besides ∞. A tile with fewer points has the first ones.
const POINTS: [f64; MOST_POINTS - 1] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];
/// Fewest input and output channels for which the transforms cost little compared with the products.
const FEWEST_CHANNELS: u32 = 16;
/// Most bytes of transformed weights.
const MOST_BYTES: usize = 320 << 20;
/// Multiply-adds that cost as much as transforming one number of a tile.
const TRANSFORM: usize = 12;
/// Multiply-adds that cost as much as one transformed weight.
const TRANSFORM_WEIGHT: usize = 24;

impl WinogradTile {
    /// The fastest tile for a convolution with `size` × `size` outputs; `None` if direct convolution is faster, which
    /// multiplies `E::STEP` times as many numbers at once. The choice depends on nothing else.
    pub(crate) fn choose<E: Scalar>(conv: &ConvShape, size: usize) -> Option<Self> {
        Self::choose_for::<E>(conv, size, usize::MAX)
    }

    /// As [`choose`](Self::choose) for weights that are transformed anew for every `images` images.
    pub(crate) fn choose_for<E: Scalar>(conv: &ConvShape, size: usize, images: usize) -> Option<Self> {
        let kernel = conv.kernel as usize;
        if conv.stride != 1
            || conv.padding >= conv.kernel
            || kernel < 3
            || conv.in_channels.min(conv.out_channels) < FEWEST_CHANNELS
        {
            return None;
        }
        let tiles = (6..=MOST_POINTS).flat_map(|points| [3, 5].map(|part| (points, part)));
        let tiles = tiles.map(|(points, part)| Self { kernel, points, part });
        let fitting = tiles.filter(|tile| tile.weight_bytes(conv) <= MOST_BYTES);
        let cost = |tile: &Self| {
            let weights = (tile.parts().pow(2) * tile.square() * TRANSFORM_WEIGHT) as u64 * channels(conv);
            tile.cost(conv, size).saturating_add(weights / images as u64)
        };
        let (cost, fastest) = fitting.map(|tile| (cost(&tile), tile)).min_by_key(|(cost, _)| *cost)?;
        let direct = (size * size * kernel * kernel) as u64 * channels(conv) / E::STEP as u64;
        (cost <= direct).then_some(fastest)
    }

    /// Parts of the kernel's side.
    pub(crate) fn parts(&self) -> usize {
        self.kernel.div_ceil(self.part)
    }

    /// Output pixels of a tile's side.
    pub(crate) fn out(&self) -> usize {
        self.points + 1 - self.part
    }

    /// Numbers of a transformed tile.
    pub(crate) fn square(&self) -> usize {
        self.points * self.points
    }

    /// Bytes of the transformed weights.
    pub(crate) fn weight_bytes(&self, conv: &ConvShape) -> usize {
        let channels = |channels: u32| (channels as usize).next_multiple_of(16);
        let numbers = channels(conv.in_channels).saturating_mul(channels(conv.out_channels));
        numbers.saturating_mul(self.parts().pow(2) * self.square() * size_of::<f32>())
    }

    /// Cost of an image, in multiply-adds.
    pub(crate) fn cost(&self, conv: &ConvShape, size: usize) -> u64 {
        let tiles = size.div_ceil(self.out());
        let numbers = (tiles * tiles * self.square()) as u64;
        let [inputs, outputs] = [conv.in_channels, conv.out_channels].map(|n| u64::from(n) * TRANSFORM as u64);
        let parts = self.parts().pow(2) as u64;
        numbers.saturating_mul(parts * (channels(conv) + inputs) + outputs)
    }

    /// The row of the weights' transform for a point: powers of the point, scaled so that the transform back needs no
    /// scale.
    pub(crate) fn at_point(&self, point: usize) -> [f64; 5] {
        let mut powers = [0.0; 5];
        let finite = &POINTS[..self.points - 1];
        let Some(value) = finite.get(point) else {
            powers[self.part - 1] = 1.0;
            return powers;
        };
        let others = finite.iter().filter(|other| *other != value);
        let mut power = 1.0 / others.map(|other| value - other).product::<f64>();
        for place in powers.iter_mut().take(self.part) {
            *place = power;
            power *= value;
        }
        powers
    }
}

/// Pairs of channels.
fn channels(conv: &ConvShape) -> u64 {
    u64::from(conv.in_channels) * u64::from(conv.out_channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::{ImageShape, Net};
    use half::bf16;

    /// Points, size and number of parts for the last convolution of a net, in f32 and in bf16.
    fn chosen(net: &str, input: &str) -> [Option<(usize, usize, usize)>; 2] {
        let plan = net.parse::<Net>().unwrap().plan(input.parse::<ImageShape>().unwrap()).unwrap();
        let stage = plan.stages().last().unwrap();
        let conv = stage.weights().next().unwrap();
        let shape = |tile: WinogradTile| (tile.points, tile.part, tile.parts());
        let size = stage.output.height as usize;
        [WinogradTile::choose::<f32>(&conv, size).map(shape), WinogradTile::choose::<bf16>(&conv, size).map(shape)]
    }

    #[test]
    fn tiles_fit_the_map_and_kernels_come_in_parts() {
        for (net, input, expected) in [
            ("[C(64,3,1,1,1), SM(2)]", "64x7x7", (6, 3, 1)),
            ("[C(512,3,1,0,1), SM(2)]", "1024x7x7", (7, 3, 1)),
            ("[C(64,3,1,1,1), SM(2)]", "64x12x12", (8, 3, 1)),
            ("[C(64,5,1,2,1), SM(2)]", "64x2x2", (6, 5, 1)),
            ("[C(64,5,1,2,1), SM(2)]", "64x9x9", (7, 5, 1)),
            ("[C(64,5,1,2,1), SM(2)]", "64x14x14", (8, 5, 1)),
            ("[C(64,7,1,0,1), SM(2)]", "64x18x18", (8, 3, 3)),
            ("[C(64,9,1,0,1), SM(2)]", "64x20x20", (8, 3, 3)),
            ("[C(64,11,1,0,1), SM(2)]", "64x18x18", (6, 3, 4)),
        ] {
            assert_eq!(chosen(net, input), [Some(expected); 2], "{net} {input}");
        }
    }

    #[test]
    fn the_small_plans_of_the_tests_take_every_way() {
        for (net, input, expected) in [
            ("[C(16,1,1,0,1), C(16,3,1,1,1), SM(2)]", "1x4x4", (6, 3, 1)),
            ("[C(16,1,1,0,1), C(16,3,1,0,1), SM(2)]", "1x7x7", (7, 3, 1)),
            ("[C(16,1,1,0,1), C(16,5,1,2,1), SM(2)]", "1x4x4", (8, 5, 1)),
            ("[C(16,1,1,0,1), C(16,7,1,3,1), SM(2)]", "1x3x3", (7, 5, 2)),
        ] {
            assert_eq!(chosen(net, input)[0], Some(expected), "{net} {input}");
        }
    }

    #[test]
    fn strides_few_channels_and_small_maps_are_left_to_the_direct_way() {
        assert_eq!(chosen("[C(64,3,2,1,1), SM(2)]", "64x14x14"), [None; 2]);
        assert_eq!(chosen("[C(64,3,1,1,1), SM(2)]", "3x28x28"), [None; 2]);
        assert_eq!(chosen("[C(64,1,1,0,1), SM(2)]", "64x14x14"), [None; 2]);
        assert_eq!(chosen("[C(64,3,1,1,1), SM(2)]", "64x1x1"), [None; 2]);
        let [single, pairs] = chosen("[C(64,3,1,1,1), SM(2)]", "64x3x3");
        assert!(single.is_some() && pairs.is_none(), "pairs of numbers are multiplied at once the direct way");
    }

    #[test]
    fn weights_at_a_point_interpolate() {
        let tile = WinogradTile { kernel: 3, points: 6, part: 3 };
        assert_eq!(tile.at_point(0), [0.25, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(tile.at_point(4), [1.0 / 24.0, -2.0 / 24.0, 4.0 / 24.0, 0.0, 0.0]);
        assert_eq!(tile.at_point(5), [0.0, 0.0, 1.0, 0.0, 0.0]);
        let tile = WinogradTile { kernel: 3, points: 8, part: 3 };
        assert_eq!(tile.at_point(3), [1.0 / 90.0, 2.0 / 90.0, 4.0 / 90.0, 0.0, 0.0]);
    }
}
