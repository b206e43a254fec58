//! The kernels: all unsafe code of the crate. What goes in is checked here, where a plan's tables are made
//! ([`ConvKernel::new`]) and where maps come in ([`ConvKernel::run`], [`pool`], [`rectify`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod lanes;
mod level;
mod map;
mod maps;
mod peak;
mod portable;
mod tile;
mod winograd;
mod winograd_loops;

pub(crate) use conv::{ConvCall, ConvKernel, ConvTables};
pub(crate) use map::{pool, rectify};
pub(crate) use winograd::{Winograd, scratch_bytes, tile_size};
pub(crate) use winograd_loops::{POINTS, SQUARE};

use crate::buffer::Buffer;
use crate::element::Element;
use crate::level::{Kind, Level};
use half::bf16;
use lanes::Lanes;
use level::{Loops, Shape};
use maps::MapJob;
use tile::Job;
use winograd_loops::TileJob;

/// A stored number that every level computes with.
///
/// # Safety
/// The unsafe functions are as in [`Loops`]; a [`Kind`] comes from a [`Level`], so the processor has it.
pub(crate) trait Compute: Element {
    /// Sums of a vector, tiles without pooling and tiles with it.
    fn shapes(level: Level) -> Shapes;
    /// Independent sums of [`Compute::peak`], and lanes of each.
    fn peak_shape(level: Level) -> (usize, usize);
    /// Multiply-adds that touch no memory; the sum of all lanes.
    fn peak(level: Level, rounds: usize) -> f32;
    #[doc(hidden)]
    unsafe fn direct(kind: Kind, job: &Job<'_, Self>, shape: Shape);
    #[doc(hidden)]
    unsafe fn blocked(kind: Kind, job: &Job<'_, Self>, shape: (usize, usize));
    #[doc(hidden)]
    unsafe fn pool(kind: Kind, job: &MapJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn rectify(kind: Kind, job: &MapJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn transform_input(kind: Kind, job: &TileJob<'_, Self>);
    #[doc(hidden)]
    unsafe fn transform_output(kind: Kind, job: &TileJob<'_, Self>);
}

/// Memory for what is between a convolution's steps.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    sums: Vec<f32>,
    transformed: Buffer<f32>,
    products: Buffer<f32>,
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

    /// First channel and channels of each panel of a map with so many stored channels.
    pub(crate) fn panels(&self, channels: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let widest = self.plain.iter().map(|(_, vectors)| vectors * self.lanes).max().unwrap_or(self.lanes);
        (0..channels).step_by(widest).map(move |first| (first, widest.min(channels - first)))
    }
}

/// Calls a function of [`Loops`] for the type that a kind stands for.
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
    ($element:ty, $avx512:pat) => {
        impl Compute for $element {
            fn shapes(level: Level) -> Shapes {
                dispatch!(level.kind(), $element, $avx512, L => Shapes::of::<L>())
            }

            fn peak_shape(level: Level) -> (usize, usize) {
                dispatch!(level.kind(), $element, $avx512, L => (L::PEAK_SUMS, L::LANES))
            }

            fn peak(level: Level, rounds: usize) -> f32 {
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

            unsafe fn rectify(kind: Kind, job: &MapJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::rectify(job) })
            }

            unsafe fn transform_input(kind: Kind, job: &TileJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::transform_input(job) })
            }

            unsafe fn transform_output(kind: Kind, job: &TileJob<'_, Self>) {
                // SAFETY: passed on from the caller; the kind says that the processor has the instructions.
                dispatch!(kind, $element, $avx512, L => unsafe { L::transform_output(job) })
            }
        }
    };
}

compute!(f32, Kind::Avx512 | Kind::Avx512Bf16);
compute!(bf16, Kind::Avx512Bf16);
