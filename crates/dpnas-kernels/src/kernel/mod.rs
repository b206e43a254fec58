//! The kernels, with all unsafe code of the crate. Arguments are checked where a plan's tables are made
//! ([`ConvKernel::new`]) and where maps come in ([`ConvKernel::run`], [`pool`], [`rectify`]).

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod lanes;
mod level;
mod map;
mod maps;
mod matrix;
mod matrix_blocks;
mod matrix_loops;
mod peak;
mod portable;
pub(crate) mod rows;
mod tile;
mod winograd;
mod winograd_loops;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::is_usable as amx_is_usable;
pub(crate) use conv::{ConvCall, ConvKernel, ConvTables};
pub(crate) use map::{emit, fill, pool, rectify, stats};
pub(crate) use matrix::{TileConv, tile_scratch_bytes};
pub(crate) use matrix_loops::{PANEL, TILE, tile_numbers};
pub(crate) use rows::{Values, WeightsJob, transform_weights};
pub(crate) use winograd::{Winograd, scratch_bytes};

use crate::buffer::Buffer;
use crate::level::{Kind, Level};
use crate::scalar::Scalar;
use half::bf16;
use lanes::Lanes;
use level::{Loops, Shape};
use maps::{MapJob, RowsJob, StatsJob};
use matrix_loops::{FinishJob, GatherJob, ProductJob};
use tile::Job;
use winograd_loops::TileJob;

/// A number type that every level computes with.
///
/// # Safety
/// The unsafe functions are as in [`Loops`], and `multiply` only within [`with_tiles`]; a [`Kind`] comes from a [`Level`], so
/// the processor has it.
pub(crate) trait Compute: Scalar {
    /// Sums of a vector, tiles without pooling and tiles with it.
    fn shapes(level: Level) -> Shapes;
    /// Multiply-adds of a round of [`Compute::peak`].
    fn peak_products(level: Level) -> usize;
    /// Multiply-adds that touch no memory; the sum of all lanes.
    fn peak(level: Level, rounds: usize) -> f32;
    #[doc(hidden)]
    unsafe fn direct(kind: Kind, job: &Job<'_, Self>, shape: Shape);
    #[doc(hidden)]
    unsafe fn blocked(kind: Kind, job: &Job<'_, Self>, shape: (usize, usize));
    #[doc(hidden)]
    unsafe fn pool(kind: Kind, job: &MapJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn fill(kind: Kind, job: &RowsJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn emit(kind: Kind, job: &RowsJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn rectify(kind: Kind, job: &MapJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn stats(kind: Kind, job: &StatsJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn transform_input(kind: Kind, job: &TileJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn transform_output(kind: Kind, job: &TileJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn gather(kind: Kind, job: &GatherJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn multiply(kind: Kind, job: &ProductJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn finish(kind: Kind, job: &FinishJob<'_, Self>);
}

/// Buffers of a convolution's intermediate results.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    sums: Vec<f32>,
    transformed: Buffer<f32>,
    products: [Buffer<f32>; 2],
}

/// The tiles of a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shapes {
    lanes: usize,
    plain: &'static [(usize, usize)],
    pooled: &'static [Shape],
}

impl Shapes {
    fn of<L: Loops>() -> Self {
        Self { lanes: L::LANES, plain: L::PLAIN, pooled: L::POOLED }
    }

    /// First channel and width of each panel of a map with `channels` stored channels.
    pub(crate) fn panels(&self, channels: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let widest = self.plain.iter().map(|(_, vectors)| vectors * self.lanes).max().unwrap_or(self.lanes);
        (0..channels).step_by(widest).map(move |first| (first, widest.min(channels - first)))
    }
}

/// Calls a function of [`Loops`] for a kind's type.
macro_rules! dispatch {
    ($kind:expr, $element:ty, $bf16_or_f32:pat, $loops:ident => $call:expr) => {
        match $kind {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => {
                type $loops = avx2::Avx2<$element>;
                $call
            }
            #[cfg(target_arch = "x86_64")]
            $bf16_or_f32 => {
                type $loops = avx512::Avx512<$element>;
                $call
            }
            _ => {
                type $loops = portable::Portable<$element>;
                $call
            }
        }
    };
}

macro_rules! compute {
    ($element:ty, $avx512:pat, $multiply:ident) => {
        impl Compute for $element {
            fn shapes(level: Level) -> Shapes {
                dispatch!(level.kind(), $element, $avx512, L => Shapes::of::<L>())
            }

            fn peak_products(level: Level) -> usize {
                let products = tile_peak_products::<Self>(level);
                let of_vectors = dispatch!(level.kind(), $element, $avx512, L => L::PEAK_SUMS * L::LANES * Self::STEP);
                products.unwrap_or(of_vectors)
            }

            fn peak(level: Level, rounds: usize) -> f32 {
                #[cfg(target_arch = "x86_64")]
                if tile_peak_products::<Self>(level).is_some() {
                    let mut sum = 0.0;
                    // SAFETY: a level is only made where the processor has its instructions; `with_tiles` sets up the registers.
                    unsafe { with_tiles(level.kind(), || sum = amx::peak(rounds)) };
                    return sum;
                }
                // SAFETY: a level is only made where the processor has its instructions.
                dispatch!(level.kind(), $element, $avx512, L => unsafe { L::peak(rounds) })
            }

            unsafe fn direct(kind: Kind, job: &Job<'_, Self>, shape: Shape) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::direct(job, shape) })
            }

            unsafe fn blocked(kind: Kind, job: &Job<'_, Self>, shape: (usize, usize)) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::blocked(job, shape) })
            }

            unsafe fn pool(kind: Kind, job: &MapJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::pool(job) })
            }

            unsafe fn fill(kind: Kind, job: &RowsJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::fill(job) })
            }

            unsafe fn emit(kind: Kind, job: &RowsJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::emit(job) })
            }

            unsafe fn rectify(kind: Kind, job: &MapJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::rectify(job) })
            }

            unsafe fn stats(kind: Kind, job: &StatsJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::stats(job) })
            }

            unsafe fn transform_input(kind: Kind, job: &TileJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::transform_input(job) })
            }

            unsafe fn transform_output(kind: Kind, job: &TileJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::transform_output(job) })
            }

            unsafe fn gather(kind: Kind, job: &GatherJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::gather(job) })
            }

            unsafe fn multiply(kind: Kind, job: &ProductJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                unsafe { $multiply(kind, job) }
            }

            unsafe fn finish(kind: Kind, job: &FinishJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::finish(job) })
            }
        }
    };
}

compute!(f32, Kind::Avx512 | Kind::Avx512Bf16 | Kind::Amx, multiply_f32);
compute!(bf16, Kind::Avx512Bf16 | Kind::Amx, multiply_bf16);

/// Multiply-adds of a round of the peak, if the level multiplies tiles of `E`.
fn tile_peak_products<E: Scalar>(level: Level) -> Option<usize> {
    match level.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Amx if E::STEP == 2 => Some(amx::PEAK_PRODUCTS),
        _ => None,
    }
}

/// Runs `f` with this thread set up to multiply tiles.
///
/// # Safety
/// The processor has the kind's instructions.
unsafe fn with_tiles(kind: Kind, f: impl FnOnce()) {
    match kind {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: passed on from the caller.
        Kind::Amx => unsafe {
            amx::begin();
            f();
            amx::end();
        },
        _ => f(),
    }
}

/// In plain code: no processor multiplies tiles of f32.
///
/// # Safety
/// As [`ProductJob`] says.
unsafe fn multiply_f32(_: Kind, job: &ProductJob<'_, f32>) {
    // SAFETY: passed on from the caller.
    unsafe { matrix_loops::multiply(job) }
}

/// # Safety
/// As [`ProductJob`] says, within [`with_tiles`].
unsafe fn multiply_bf16(kind: Kind, job: &ProductJob<'_, bf16>) {
    // SAFETY: passed on from the caller.
    unsafe {
        match kind {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => amx::multiply(job),
            _ => matrix_loops::multiply(job),
        }
    }
}
