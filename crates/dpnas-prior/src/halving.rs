//! Going on with smaller chunks when the memory gives out.

use crate::EngineError;
use std::num::NonZeroUsize;

/// Computes with a chunk, and with half of it, a quarter and so on for as long as the engine is out of memory. The chunk
/// that worked stays in `chunk`.
///
/// # Errors
/// Any other error of the engine, or that it is out of memory with a chunk of one image.
pub(crate) fn halving<T>(
    chunk: &mut NonZeroUsize,
    mut compute: impl FnMut(NonZeroUsize) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    loop {
        match compute(*chunk) {
            Err(error) if error.is_out_of_memory() => match NonZeroUsize::new(chunk.get() / 2) {
                Some(half) => *chunk = half,
                None => return Err(error),
            },
            result => return result,
        }
    }
}
