//! One split of a stored embedding, in memory.

/// The rows of one split and their labels.
///
/// # Shapes
/// Values `[n, features]`, row-major; labels `[n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSplit {
    pub(crate) features: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

impl StoredSplit {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features per row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// All values, row by row.
    ///
    /// # Shapes
    /// `[n, features]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The label of every row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The values of row `index`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn row(&self, index: usize) -> &[f32] {
        assert!(index < self.len(), "row {index} of a split of {} rows", self.len());
        &self.values[index * self.features..(index + 1) * self.features]
    }

    /// The rows with a wanted label, in order, for example the classes of one step of continual learning.
    #[must_use]
    pub fn of_classes(&self, wanted: impl Fn(u32) -> bool) -> Self {
        let kept = || self.labels.iter().enumerate().filter(|&(_, &label)| wanted(label));
        let mut values = Vec::with_capacity(kept().count() * self.features);
        kept().for_each(|(row, _)| values.extend_from_slice(self.row(row)));
        Self { features: self.features, values, labels: kept().map(|(_, &label)| label).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_some_classes_keep_their_order() {
        let split = StoredSplit { features: 2, values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], labels: vec![2, 0, 2] };
        let some = split.of_classes(|label| label == 2);
        assert_eq!((some.values(), some.labels()), (&[0.0, 1.0, 4.0, 5.0][..], &[2, 2][..]));
        assert!(split.of_classes(|_| false).is_empty());
    }

    #[test]
    #[should_panic(expected = "row 1 of a split of 1 rows")]
    fn a_row_past_the_end_panics_with_its_number() {
        StoredSplit { features: 1, values: vec![0.0], labels: vec![0] }.row(1);
    }
}
