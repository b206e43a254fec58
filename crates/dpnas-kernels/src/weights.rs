//! The weights of a plan, packed for the way in which each convolution is computed.

use crate::geometry::Pooling;
use crate::kernel::{Compute, POINTS, SQUARE, tile_size};
use crate::level::Level;
use crate::pack::{Packed, Pixels, pack_products};
use crate::pack_tiles::TileWeights;
use dpnas_grammar::{ConvShape, Layer, Stage};
use dpnas_prior::{ConvWeights, Prior};
use std::sync::Arc;

/// The convolutions of a stage.
#[derive(Debug)]
pub(crate) struct StageWeights<E> {
    pub(crate) convs: Vec<Conv<E>>,
}

/// A convolution and its weights.
#[derive(Debug)]
pub(crate) struct Conv<E> {
    pub(crate) shape: ConvShape,
    pub(crate) pack: ConvPack<E>,
}

/// Weights, and with them the way.
#[derive(Debug)]
pub(crate) enum ConvPack<E> {
    /// Every product as it is written.
    Direct(Arc<Packed<E>>),
    /// By polynomials.
    Products(Arc<Vec<Packed<f32>>>),
    /// By matrix tiles.
    Tiles(Arc<TileWeights<E>>),
}

/// Packs the weights of a prior.
pub(crate) fn pack<E: Compute>(level: Level, prior: &Prior) -> Vec<StageWeights<E>> {
    let stages = prior.plan().stages().iter().enumerate();
    stages
        .map(|(index, stage)| {
            let weights = prior.stage(index).iter().enumerate();
            let convs = weights.map(|(conv, weights)| {
                let is_first = index == 0 && conv == 0 && matches!(stage.layer, Layer::Conv { .. });
                Conv { shape: *weights.shape(), pack: pack_conv(level, weights, stage, is_first) }
            });
            StageWeights { convs: convs.collect() }
        })
        .collect()
}

fn pack_conv<E: Compute>(level: Level, weights: &ConvWeights, stage: &Stage, is_first: bool) -> ConvPack<E> {
    // The pixels of images are not padded.
    let pixels = if is_first { Pixels::Dense } else { Pixels::Padded };
    match () {
        () if level.kind().has_tiles() => ConvPack::Tiles(Arc::new(TileWeights::new(weights, pixels))),
        () if !is_first && polynomials_pay::<E>(weights.shape(), stage) => {
            ConvPack::Products(Arc::new(pack_products(level, weights)))
        }
        () => ConvPack::Direct(Arc::new(Packed::new(level, weights, pixels))),
    }
}

/// Fewest channels, in and out, for which the transforms are small beside the products.
const FEWEST_CHANNELS: u32 = 16;
/// Most bytes of weights by polynomials, which are four times those of a 3×3 kernel.
const MOST_BYTES: u64 = 128 << 20;

/// Whether polynomials save enough products: a third of them, or, where the direct way computes with pairs of numbers and
/// polynomials do not, half.
fn polynomials_pay<E: Compute>(conv: &ConvShape, stage: &Stage) -> bool {
    let kernel = conv.kernel as usize;
    let Some(out) = tile_size(kernel) else { return false };
    let size = stage.output.height as usize;
    let tiles = size.div_ceil(out);
    let (direct, products) = (size * size * kernel * kernel, tiles * tiles * SQUARE);
    let bytes = u64::from(conv.in_channels) * u64::from(conv.out_channels) * 4 * (POINTS * POINTS) as u64;
    conv.stride == 1
        && conv.padding < conv.kernel
        && conv.in_channels.min(conv.out_channels) >= FEWEST_CHANNELS
        && 2 * direct >= (1 + 2 * E::STEP) * products
        && bytes <= MOST_BYTES
}

impl<E> StageWeights<E> {
    /// The convolution that makes the stage's output: not the projection, which comes last in a residual block.
    pub(crate) fn last_conv(&self) -> Option<&Conv<E>> {
        self.convs.get(1).or(self.convs.first())
    }
}

impl<E> Conv<E> {
    /// Whether its kernel can pool its output.
    pub(crate) fn can_pool(&self, pooling: Pooling) -> bool {
        match self.pack {
            ConvPack::Direct(_) | ConvPack::Tiles(_) => pooling.stride >= pooling.size,
            ConvPack::Products(_) => {
                let out = tile_size(self.shape.kernel as usize).unwrap_or(1);
                pooling.stride == pooling.size && out.is_multiple_of(pooling.size)
            }
        }
    }
}
