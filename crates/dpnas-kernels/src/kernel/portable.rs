//! Vectors of eight in plain code, which the compiler maps to the target's vectors.

use super::lanes::Lanes;
use super::level::{Loops, Shape, compiled, level};
use super::maps::{self, MapJob, RowsJob, StatsJob};
use super::matrix_loops::{self, FinishJob, GatherJob};
use super::peak;
use super::tile::{self, Job};
use super::winograd_loops::{self, TileJob};
use crate::scalar::Scalar;
use half::bf16;
use std::marker::PhantomData;

/// Plain code on stored numbers of type `E`.
#[derive(Clone, Copy)]
pub(super) struct Portable<E>(PhantomData<E>);

const LANES: usize = 8;

/// `a · b + c`, rounded once if the processor has an instruction for it.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}

macro_rules! lanes {
    ($element:ty, $step:literal) => {
        impl Lanes for Portable<$element> {
            type Scalar = $element;
            type Sums = [f32; LANES];
            type Weights = [[f32; LANES]; $step];
            type Input = [f32; $step];
            const LANES: usize = LANES;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self::Sums {
                [value; LANES]
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self::Sums {
                // SAFETY: the caller gives `LANES` readable sums.
                unsafe { from.cast::<Self::Sums>().read_unaligned() }
            }

            #[inline(always)]
            unsafe fn store(to: *mut f32, sums: Self::Sums) {
                // SAFETY: the caller gives room for `LANES` sums.
                unsafe { to.cast::<Self::Sums>().write_unaligned(sums) }
            }

            #[inline(always)]
            unsafe fn weights(from: *const $element) -> Self::Weights {
                // SAFETY: the caller gives `LANES · STEP` readable weights.
                let weights = unsafe { from.cast::<[[$element; $step]; LANES]>().read_unaligned() };
                std::array::from_fn(|step| std::array::from_fn(|lane| weights[lane][step].to_f32()))
            }

            #[inline(always)]
            unsafe fn input(from: *const $element) -> Self::Input {
                // SAFETY: the caller gives `STEP` readable numbers.
                unsafe { from.cast::<[$element; $step]>().read_unaligned() }.map(Scalar::to_f32)
            }

            #[inline(always)]
            unsafe fn multiply_add(mut sums: Self::Sums, input: Self::Input, weights: Self::Weights) -> Self::Sums {
                for step in 0..$step {
                    for lane in 0..LANES {
                        sums[lane] = multiply_add(input[step], weights[step][lane], sums[lane]);
                    }
                }
                sums
            }

            #[inline(always)]
            unsafe fn affine(sums: Self::Sums, scale: Self::Sums, shift: Self::Sums) -> Self::Sums {
                std::array::from_fn(|lane| multiply_add(sums[lane], scale[lane], shift[lane]))
            }

            #[inline(always)]
            unsafe fn max(a: Self::Sums, b: Self::Sums) -> Self::Sums {
                std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
            }

            #[inline(always)]
            unsafe fn read(from: *const $element) -> Self::Sums {
                // SAFETY: the caller gives `LANES` readable numbers.
                unsafe { from.cast::<[$element; LANES]>().read_unaligned() }.map(Scalar::to_f32)
            }

            #[inline(always)]
            unsafe fn write(to: *mut $element, sums: Self::Sums) {
                // SAFETY: the caller gives room for `LANES` numbers.
                unsafe { to.cast::<[$element; LANES]>().write_unaligned(sums.map(Scalar::from_f32)) }
            }
        }
    };
}

lanes!(f32, 1);
lanes!(bf16, 2);

level!(Portable<f32>, inline(never), 3, [(4, 2)], [(4, 2, 4), (3, 2, 9), (4, 2, 16)]);
level!(Portable<bf16>, inline(never), 3, [(4, 2)], [(4, 2, 4), (3, 2, 9), (4, 2, 16)]);
