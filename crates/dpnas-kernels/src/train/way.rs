//! One product of a convolution: directly, or by Winograd's method.

use crate::kernel::{ConvCall, ConvKernel, Scratch, Values, Winograd};
use crate::layout::{CHANNEL_BLOCK, Layout};
use crate::level::Level;
use crate::pack::{Packed, Pixels, pack_winograd};
use crate::winograd::WinogradTile;
use dpnas_grammar::ConvShape;
use std::sync::{Mutex, PoisonError};

/// Buffers that are not in use, for any number of threads.
#[derive(Debug, Default)]
pub struct Workspace(Mutex<Vec<Scratch>>);

impl Workspace {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let result = f(&mut scratch);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result
    }
}

/// The loops of a product.
#[derive(Debug)]
pub(super) enum Way {
    Direct(ConvKernel<f32>),
    Winograd(Box<Winograd>, WinogradTile),
}

/// Weights in the order of those loops.
#[derive(Debug)]
pub(super) enum Pack {
    Direct(Packed<f32>),
    Winograd(Vec<Packed<f32>>),
}

impl Pack {
    /// The weights of a direct product.
    pub(super) fn direct(&self) -> &Packed<f32> {
        match self {
            Self::Direct(weights) => weights,
            Self::Winograd(_) => unreachable!("weights are packed for their way"),
        }
    }
}

impl Way {
    /// Winograd's method for a convolution from a map whose border is the padding, if it costs less for a mini-batch.
    pub(super) fn winograd(
        level: Level,
        conv: &ConvShape,
        (from, to): (Layout, Layout),
        (images, batch): (usize, usize),
    ) -> Option<Self> {
        let fits = from.halo == conv.padding as usize && from.stride.is_multiple_of(CHANNEL_BLOCK);
        let tile = WinogradTile::choose_for::<f32>(conv, to.size, batch).filter(|_| fits)?;
        let winograd = Winograd::new(level, tile, (from, to, None), (to.size, 1), images);
        Some(Self::Winograd(Box::new(winograd), tile))
    }

    /// Packs weights in the order of the loops, for maps with these pixels.
    pub(super) fn pack(&self, level: Level, weights: (&ConvShape, Values<'_>), pixels: Pixels) -> Pack {
        match self {
            Self::Direct(_) => Pack::Direct(Packed::new(level, weights, pixels)),
            Self::Winograd(_, tile) => Pack::Winograd(pack_winograd(level, weights, *tile)),
        }
    }

    /// Computes the first `images` images.
    pub(super) fn run(&self, weights: &Pack, input: &[f32], output: &mut [f32], images: usize, call: Call<'_>) {
        match (self, weights) {
            (Self::Direct(kernel), Pack::Direct(weights)) => {
                call.run(input, output, images, |call| kernel.run(weights, call))
            }
            (Self::Winograd(kernel, _), Pack::Winograd(weights)) => {
                call.run(input, output, images, |call| kernel.run(weights, call));
            }
            _ => unreachable!("weights are packed for their way"),
        }
    }
}

/// Stored channels of the output, and buffers.
pub(super) struct Call<'a> {
    pub(super) channels: usize,
    pub(super) scratch: &'a mut Scratch,
}

impl Call<'_> {
    /// Neither a norm nor a rectifier follows.
    pub(super) fn run(self, input: &[f32], output: &mut [f32], images: usize, run: impl FnOnce(ConvCall<'_, f32>)) {
        let (ones, zeros) = (vec![1.0; self.channels], vec![0.0; self.channels]);
        run(ConvCall {
            input,
            skip: &[],
            output,
            affine: (&ones, &zeros),
            floor: f32::NEG_INFINITY,
            images,
            scratch: self.scratch,
        });
    }
}
