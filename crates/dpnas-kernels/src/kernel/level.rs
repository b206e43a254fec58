//! Compiles the loops for the instructions of a level.

use super::lanes::Lanes;
use super::maps::{MapJob, RowsJob, StatsJob};
use super::matrix_loops::{FinishJob, GatherJob};
use super::tile::Job;
use super::winograd_loops::TileJob;

/// Rows × vectors of a tile, and pixels of the pooling window that it computes in registers; 1 without pooling.
pub(crate) type Shape = (usize, usize, usize);

/// The loops, compiled for the instructions of a level.
///
/// # Safety
/// The processor must have the level's instructions; jobs are as their types say.
pub(super) trait Loops: Lanes {
    /// Tiles without pooling, the widest first.
    const PLAIN: &'static [(usize, usize)];
    /// Tiles with pooling.
    const POOLED: &'static [Shape];
    /// Independent sums of [`Loops::peak`]: as many as fit the registers besides the factors.
    const PEAK_SUMS: usize;

    /// Computes a panel with one of the shapes, all steps at once.
    unsafe fn direct(job: &Job<'_, Self::Scalar>, shape: Shape);
    /// Computes a panel with one of the plain shapes, in blocks.
    unsafe fn blocked(job: &Job<'_, Self::Scalar>, shape: (usize, usize));
    /// Pools a map.
    unsafe fn pool(job: &MapJob<'_, Self::Scalar>);
    /// Copies images into a map.
    unsafe fn fill(job: &RowsJob<'_, Self::Scalar>);
    /// Writes the features of images.
    unsafe fn emit(job: &RowsJob<'_, Self::Scalar>);
    /// Scales, shifts and rectifies a map.
    unsafe fn rectify(job: &MapJob<'_, Self::Scalar>);
    /// Reduces the channels of a map.
    unsafe fn stats(job: &StatsJob<'_, Self::Scalar>);
    /// Transforms input tiles.
    unsafe fn transform_input(job: &TileJob<'_, Self::Scalar>);
    /// Transforms products back to output tiles.
    unsafe fn transform_output(job: &TileJob<'_, Self::Scalar>);
    /// Multiply-adds that touch no memory; the sum of all lanes.
    unsafe fn peak(rounds: usize) -> f32;
    /// Copies windows into rows.
    unsafe fn gather(job: &GatherJob<'_, Self::Scalar>);
    /// Finishes a panel's sums and stores them.
    unsafe fn finish(job: &FinishJob<'_, Self::Scalar>);
}

/// Implements [`Loops`] for a type, under an attribute that names the instructions.
macro_rules! level {
    (
        $lanes:ty, $attribute:meta, $sums:literal,
        [$(($rows:literal, $vectors:literal)),* $(,)?],
        [$(($pooled_rows:literal, $pooled_vectors:literal, $window:literal)),* $(,)?]
    ) => {
        impl Loops for $lanes {
            const PLAIN: &'static [(usize, usize)] = &[$(($rows, $vectors)),*];
            const POOLED: &'static [Shape] = &[$(($pooled_rows, $pooled_vectors, $window)),*];
            const PEAK_SUMS: usize = $sums;

            unsafe fn direct(
                job: &Job<'_, <$lanes as Lanes>::Scalar>,
                shape: Shape,
            ) {
                #[$attribute]
                unsafe fn run<const R: usize, const V: usize, const W: usize>(
                    job: &Job<'_, <$lanes as Lanes>::Scalar>,
                ) {
                    // SAFETY: passed on from the caller.
                    unsafe { tile::direct::<$lanes, R, V, W>(job) }
                }
                // SAFETY: passed on from the caller.
                unsafe {
                    match shape {
                        $(($rows, $vectors, 1) => run::<$rows, $vectors, 1>(job),)*
                        $(($pooled_rows, $pooled_vectors, $window) => run::<$pooled_rows, $pooled_vectors, $window>(job),)*
                        _ => unreachable!("a shape of another level"),
                    }
                }
            }

            unsafe fn blocked(
                job: &Job<'_, <$lanes as Lanes>::Scalar>,
                shape: (usize, usize),
            ) {
                #[$attribute]
                unsafe fn run<const R: usize, const V: usize>(
                    job: &Job<'_, <$lanes as Lanes>::Scalar>,
                ) {
                    // SAFETY: passed on from the caller.
                    unsafe { tile::blocked::<$lanes, R, V>(job) }
                }
                // SAFETY: passed on from the caller.
                unsafe {
                    match shape {
                        $(($rows, $vectors) => run::<$rows, $vectors>(job),)*
                        _ => unreachable!("a shape of another level"),
                    }
                }
            }

            compiled!($lanes, $attribute, pool, MapJob, |job| maps::pool::<$lanes>(job));
            compiled!($lanes, $attribute, fill, RowsJob, |job| {
                maps::fill::<$lanes, { <$lanes as Lanes>::LANES }>(job)
            });
            compiled!($lanes, $attribute, emit, RowsJob, |job| {
                maps::emit::<$lanes, { <$lanes as Lanes>::LANES }>(job)
            });
            compiled!($lanes, $attribute, rectify, MapJob, |job| maps::rectify::<$lanes>(job));
            compiled!($lanes, $attribute, stats, StatsJob, |job| {
                maps::stats::<$lanes, { <$lanes as Lanes>::LANES }>(job)
            });
            compiled!($lanes, $attribute, transform_input, TileJob, |job| match job.points {
                6 => winograd_loops::input::<$lanes, 6>(job),
                7 => winograd_loops::input::<$lanes, 7>(job),
                _ => winograd_loops::input::<$lanes, 8>(job),
            });
            compiled!($lanes, $attribute, transform_output, TileJob, |job| match (job.points, job.out) {
                (6, 2) => winograd_loops::output::<$lanes, 6, 2>(job),
                (6, _) => winograd_loops::output::<$lanes, 6, 4>(job),
                (7, 3) => winograd_loops::output::<$lanes, 7, 3>(job),
                (7, _) => winograd_loops::output::<$lanes, 7, 5>(job),
                (_, 4) => winograd_loops::output::<$lanes, 8, 4>(job),
                _ => winograd_loops::output::<$lanes, 8, 6>(job),
            });

            unsafe fn peak(rounds: usize) -> f32 {
                #[$attribute]
                unsafe fn run(rounds: usize) -> f32 {
                    // SAFETY: passed on from the caller.
                    unsafe { peak::multiply_adds::<$lanes, $sums>(rounds) }
                }
                // SAFETY: passed on from the caller.
                unsafe { run(rounds) }
            }
            compiled!($lanes, $attribute, gather, GatherJob, |job| matrix_loops::gather::<$lanes>(job));
            compiled!($lanes, $attribute, finish, FinishJob, |job| matrix_loops::finish::<$lanes>(job));
        }
    };
}

/// A function of [`Loops`] whose body is compiled under the attribute.
macro_rules! compiled {
    ($lanes:ty, $attribute:meta, $name:ident, $job:ident, |$argument:ident| $body:expr) => {
        unsafe fn $name($argument: &$job<'_, <$lanes as Lanes>::Scalar>) {
            #[$attribute]
            unsafe fn run($argument: &$job<'_, <$lanes as Lanes>::Scalar>) {
                // SAFETY: passed on from the caller.
                unsafe { $body }
            }
            // SAFETY: passed on from the caller.
            unsafe { run($argument) }
        }
    };
}

pub(super) use {compiled, level};
