//! AVX2 and FMA: sixteen registers of eight sums.

use super::lanes::Lanes;
use super::level::{Loops, Shape, compiled, level};
use super::maps::{self, MapJob, RowsJob, StatsJob};
use super::matrix_loops::{self, FinishJob, GatherJob};
use super::peak;
use super::tile::{self, Job};
use super::winograd_loops::{self, TileJob};
use half::bf16;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// AVX2 on stored numbers of type `E`.
#[derive(Clone, Copy)]
pub(super) struct Avx2<E>(PhantomData<E>);

/// The parts that both number types share.
macro_rules! sums {
    () => {
        type Sums = __m256;
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            // SAFETY: the processor has AVX2, as the trait demands.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            // SAFETY: the caller gives eight readable sums.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, sums: __m256) {
            // SAFETY: the caller gives room for eight sums.
            unsafe { _mm256_storeu_ps(to, sums) }
        }

        #[inline(always)]
        unsafe fn affine(sums: __m256, scale: __m256, shift: __m256) -> __m256 {
            // SAFETY: the processor has FMA, as the trait demands.
            unsafe { _mm256_fmadd_ps(sums, scale, shift) }
        }

        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            // SAFETY: the processor has AVX2, as the trait demands.
            unsafe { _mm256_max_ps(a, b) }
        }
    };
}

impl Lanes for Avx2<f32> {
    type Scalar = f32;
    type Weights = __m256;
    type Input = __m256;
    sums!();

    #[inline(always)]
    unsafe fn weights(from: *const f32) -> __m256 {
        // SAFETY: the caller gives eight readable weights.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn input(from: *const f32) -> __m256 {
        // SAFETY: the caller gives a readable number.
        unsafe { _mm256_broadcast_ss(&*from) }
    }

    #[inline(always)]
    unsafe fn multiply_add(sums: __m256, input: __m256, weights: __m256) -> __m256 {
        // SAFETY: the processor has FMA, as the trait demands.
        unsafe { _mm256_fmadd_ps(input, weights, sums) }
    }

    #[inline(always)]
    unsafe fn read(from: *const f32) -> __m256 {
        // SAFETY: the caller gives eight readable numbers.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn write(to: *mut f32, sums: __m256) {
        // SAFETY: the caller gives room for eight numbers.
        unsafe { _mm256_storeu_ps(to, sums) }
    }
}

/// The lower and the upper number of eight pairs.
#[inline(always)]
unsafe fn halves(pairs: __m256i) -> [__m256; 2] {
    // SAFETY: called by `Lanes` functions alone, so the processor has AVX2.
    unsafe {
        let upper = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
        [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)), _mm256_castsi256_ps(upper)]
    }
}

impl Lanes for Avx2<bf16> {
    type Scalar = bf16;
    type Weights = [__m256; 2];
    type Input = [__m256; 2];
    sums!();

    #[inline(always)]
    unsafe fn weights(from: *const bf16) -> [__m256; 2] {
        // SAFETY: the caller gives sixteen readable weights.
        unsafe { halves(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn input(from: *const bf16) -> [__m256; 2] {
        // SAFETY: the caller gives two readable numbers.
        unsafe { halves(_mm256_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply_add(sums: __m256, input: [__m256; 2], weights: [__m256; 2]) -> __m256 {
        // SAFETY: the processor has FMA, as the trait demands.
        unsafe { _mm256_fmadd_ps(input[1], weights[1], _mm256_fmadd_ps(input[0], weights[0], sums)) }
    }

    #[inline(always)]
    unsafe fn read(from: *const bf16) -> __m256 {
        // SAFETY: the caller gives eight readable numbers.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn write(to: *mut bf16, sums: __m256) {
        // SAFETY: the caller gives room for eight numbers.
        unsafe {
            let bits = _mm256_castps_si256(sums);
            let upper = _mm256_srli_epi32::<16>(bits);
            let odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
            let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
            let quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
            let undefined = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(sums, sums));
            let lanes = _mm256_blendv_epi8(_mm256_srli_epi32::<16>(rounded), quiet, undefined);
            let packed = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
            _mm_storeu_si128(to.cast(), packed);
        }
    }
}

level!(Avx2<f32>, target_feature(enable = "avx2,fma"), 12, [(6, 2)], [(4, 2, 4), (3, 2, 9), (4, 2, 16)]);
level!(Avx2<bf16>, target_feature(enable = "avx2,fma"), 12, [(4, 2)], [(4, 2, 4), (3, 2, 9), (4, 2, 16)]);
