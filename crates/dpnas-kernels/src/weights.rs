//! Weights of a plan, packed for the kernel of each convolution.

use crate::geometry::Pooling;
use crate::kernel::{Compute, Values};
use crate::level::Level;
use crate::pack::{Packed, Pixels, pack_winograd};
use crate::pack_tiles::TileWeights;
use crate::winograd::WinogradTile;
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

/// Packed weights of each kind of kernel.
#[derive(Debug)]
pub(crate) enum ConvPack<E> {
    /// Direct convolution.
    Direct(Arc<Packed<E>>),
    /// Winograd convolution.
    Winograd(WinogradTile, Arc<Vec<Packed<f32>>>),
    /// Products of matrix tiles.
    Tiles(Arc<TileWeights<E>>),
}

/// Packs the weights of a prior.
pub(crate) fn pack<E: Compute>(level: Level, prior: &Prior) -> Vec<StageWeights<E>> {
    let stages = prior.plan().stages().iter().enumerate();
    stages
        .map(|(index, stage)| {
            let weights = prior.stage(index).iter().enumerate();
            let convs = weights.map(|(conv, weights)| {
                let is_first = index == 0 && conv == 0 && input_pixels(prior) == Pixels::Dense;
                Conv { shape: *weights.shape(), pack: pack_conv(level, weights, stage, is_first) }
            });
            StageWeights { convs: convs.collect() }
        })
        .collect()
}

/// Storage of the pixels of a prior's images: without padding if a convolution reads them.
pub(crate) fn input_pixels(prior: &Prior) -> Pixels {
    match prior.plan().stages().first().map(|stage| stage.layer) {
        Some(Layer::Conv { .. }) => Pixels::Dense,
        _ => Pixels::Padded,
    }
}

fn pack_conv<E: Compute>(level: Level, weights: &ConvWeights, stage: &Stage, is_first: bool) -> ConvPack<E> {
    let pixels = if is_first { Pixels::Dense } else { Pixels::Padded };
    match () {
        () if level.kind().has_tiles() => ConvPack::Tiles(Arc::new(TileWeights::new(weights, pixels))),
        () => {
            let size = stage.output.height as usize;
            let values = (weights.shape(), Values::Straight(weights.values()));
            match WinogradTile::choose::<E>(weights.shape(), size) {
                Some(tile) if !is_first => ConvPack::Winograd(tile, Arc::new(pack_winograd(level, values, tile))),
                _ => ConvPack::Direct(Arc::new(Packed::new(level, values, pixels))),
            }
        }
    }
}

impl<E> StageWeights<E> {
    /// The convolution of the stage's output. In a residual block the projection comes after it.
    pub(crate) fn last_conv(&self) -> Option<&Conv<E>> {
        self.convs.get(1).or(self.convs.first())
    }
}

impl<E> Conv<E> {
    /// Whether its kernel can pool its output.
    pub(crate) fn can_pool(&self, pooling: Pooling) -> bool {
        match self.pack {
            ConvPack::Direct(_) | ConvPack::Tiles(_) => pooling.stride >= pooling.size,
            ConvPack::Winograd(tile, _) => pooling.stride == pooling.size && tile.out().is_multiple_of(pooling.size),
        }
    }
}
