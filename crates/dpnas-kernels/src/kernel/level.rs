//! Compiles the loops for the instructions of a level.

use super::lanes::Lanes;
use super::maps::MapJob;
use super::tile::Job;

/// Rows × vectors of a tile, and the pooling window that it computes in registers: 1 where there is no pooling.
pub(crate) type Shape = (usize, usize, usize);

/// The loops, compiled for the instructions of a level.
///
/// # Safety
/// The processor must have the level's instructions; jobs are as [`Job`] and [`MapJob`] say.
pub(super) trait Loops: Lanes {
    /// Tiles without pooling, the widest first.
    const PLAIN: &'static [(usize, usize)];
    /// Tiles with pooling.
    const POOLED: &'static [Shape];

    /// Computes a panel with one of the shapes, all steps at once.
    unsafe fn direct(job: &Job<'_, Self::Element>, shape: Shape);
    /// Computes a panel with one of the plain shapes, in blocks.
    unsafe fn blocked(job: &Job<'_, Self::Element>, shape: (usize, usize));
    /// Pools a map.
    unsafe fn pool(job: &MapJob<'_, Self::Element>);
    /// Scales, shifts and rectifies a map.
    unsafe fn rectify(job: &MapJob<'_, Self::Element>);
}

/// Implements [`Loops`] for a type, under an attribute that names the instructions.
macro_rules! level {
    (
        $lanes:ty, $attribute:meta,
        [$(($rows:literal, $vectors:literal)),* $(,)?],
        [$(($pooled_rows:literal, $pooled_vectors:literal, $window:literal)),* $(,)?]
    ) => {
        impl $crate::kernel::level::Loops for $lanes {
            const PLAIN: &'static [(usize, usize)] = &[$(($rows, $vectors)),*];
            const POOLED: &'static [$crate::kernel::level::Shape] = &[$(($pooled_rows, $pooled_vectors, $window)),*];

            unsafe fn direct(
                job: &$crate::kernel::tile::Job<'_, <$lanes as Lanes>::Element>,
                shape: $crate::kernel::level::Shape,
            ) {
                #[$attribute]
                unsafe fn run<const R: usize, const V: usize, const W: usize>(
                    job: &$crate::kernel::tile::Job<'_, <$lanes as Lanes>::Element>,
                ) {
                    // SAFETY: passed on from the caller.
                    unsafe { $crate::kernel::tile::direct::<$lanes, R, V, W>(job) }
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
                job: &$crate::kernel::tile::Job<'_, <$lanes as Lanes>::Element>,
                shape: (usize, usize),
            ) {
                #[$attribute]
                unsafe fn run<const R: usize, const V: usize>(
                    job: &$crate::kernel::tile::Job<'_, <$lanes as Lanes>::Element>,
                ) {
                    // SAFETY: passed on from the caller.
                    unsafe { $crate::kernel::tile::blocked::<$lanes, R, V>(job) }
                }
                // SAFETY: passed on from the caller.
                unsafe {
                    match shape {
                        $(($rows, $vectors) => run::<$rows, $vectors>(job),)*
                        _ => unreachable!("a shape of another level"),
                    }
                }
            }

            unsafe fn pool(job: &$crate::kernel::maps::MapJob<'_, <$lanes as Lanes>::Element>) {
                #[$attribute]
                unsafe fn run(job: &$crate::kernel::maps::MapJob<'_, <$lanes as Lanes>::Element>) {
                    // SAFETY: passed on from the caller.
                    unsafe { $crate::kernel::maps::pool::<$lanes>(job) }
                }
                // SAFETY: passed on from the caller.
                unsafe { run(job) }
            }

            unsafe fn rectify(job: &$crate::kernel::maps::MapJob<'_, <$lanes as Lanes>::Element>) {
                #[$attribute]
                unsafe fn run(job: &$crate::kernel::maps::MapJob<'_, <$lanes as Lanes>::Element>) {
                    // SAFETY: passed on from the caller.
                    unsafe { $crate::kernel::maps::rectify::<$lanes>(job) }
                }
                // SAFETY: passed on from the caller.
                unsafe { run(job) }
            }
        }
    };
}

pub(super) use level;
