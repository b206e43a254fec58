//! The batches of a set that is only classified.

use crate::data::Values;
use crate::{Element, Labelled, ProbeConfig};

/// Rows in memory that are classified between two waits at the barrier.
pub(crate) const EVALUATION_ROWS: usize = 256;

/// The rows of a set, batch by batch. No result depends on the size of a batch.
pub(crate) fn in_order<E: Element>(
    config: &ProbeConfig,
    set: &Labelled<'_, E>,
) -> impl Iterator<Item = Vec<usize>> + use<E> {
    let (rows, size) = match set.values {
        Values::Memory(_) => (set.len(), EVALUATION_ROWS),
        Values::Stored(_) => (set.len(), stored_rows_at_once(config)),
    };
    (0..rows).step_by(size).map(move |first| (first..rows.min(first + size)).collect())
}

/// Stored rows in a batch: a mini-batch of training, within limits.
pub(crate) fn stored_rows_at_once(config: &ProbeConfig) -> usize {
    config.batch_size.clamp(64, EVALUATION_ROWS)
}
