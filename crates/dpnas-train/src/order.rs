//! The order in which a fit goes through the rows of its sets.

use crate::stored::{Set, Values};
use crate::{Element, ProbeConfig};

/// Rows in memory that are classified between two meetings outside of training.
pub(crate) const EVALUATION_ROWS: usize = 256;

/// The rows of a set that is only classified, those of one batch after the other; no result depends on their number.
pub(crate) fn in_order<E: Element>(
    config: &ProbeConfig,
    set: &Set<'_, E>,
) -> impl Iterator<Item = Vec<usize>> + use<E> {
    let (rows, size) = match set.values {
        Values::Memory(_) => (set.len(), EVALUATION_ROWS),
        Values::Stored(_) => (set.len(), stored_rows_at_once(config)),
    };
    (0..rows).step_by(size).map(move |first| (first..rows.min(first + size)).collect())
}

/// Of stored rows, as many as the buffers of training hold, if that is no extreme.
pub(crate) fn stored_rows_at_once(config: &ProbeConfig) -> usize {
    config.batch_size.clamp(64, EVALUATION_ROWS)
}
