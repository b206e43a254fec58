//! Errors of statistics and heads.

/// Rows, statistics or settings that a head cannot work with. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Statistics of no features.
    #[error("rows need at least one feature")]
    NoFeatures,
    /// The values are not whole rows.
    #[error("{values} values are not whole rows of {features} features")]
    Rows {
        /// Number of values.
        values: usize,
        /// Features of a row.
        features: usize,
    },
    /// Another number of labels than of rows.
    #[error("{labels} labels for {rows} rows: each row needs one")]
    Labels {
        /// Number of labels.
        labels: usize,
        /// Number of rows.
        rows: usize,
    },
    /// A value is infinite or undefined.
    #[error("feature {feature} of row {row} is {value}: rows must be finite (both count from 0)")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature, from 0.
        feature: usize,
        /// The value.
        value: f32,
    },
    /// Statistics or rows of another number of features.
    #[error("{found} features where {expected} are expected: both must come from the same encoder")]
    Features {
        /// Features of this side.
        expected: usize,
        /// Features of the other side.
        found: usize,
    },
    /// Statistics of rows of another origin.
    #[error("the rows come from\n  {found}\nand not, as they must, from\n  {expected}")]
    Origin {
        /// Origin of this side.
        expected: String,
        /// Origin of the other side.
        found: String,
    },
    /// Statistics with another arithmetic or another fixed-point grid.
    #[error(
        "the sums differ: some are exact and some in f64, or their fixed-point grids differ. Use the same for both"
    )]
    Arithmetic,
    /// Statistics that are subtracted, but were not added.
    #[error("cannot subtract {subtracted} rows of class {class}: the statistics have {present}")]
    NotContained {
        /// The class.
        class: u32,
        /// Its rows in the subtracted statistics.
        subtracted: u64,
        /// Its rows in these statistics.
        present: u64,
    },
    /// More rows than the integer sums hold.
    #[error("more than {} rows would overflow the sums", crate::Statistics::MOST_ROWS)]
    TooManyRows,
    /// A head needs rows.
    #[error("the statistics have no rows: add some before solving for a head")]
    Empty,
    /// A setting of a head is out of range.
    #[error("{setting} is {value}, but must be {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// Its range.
        expected: &'static str,
    },
    /// No λ makes the matrix positive definite.
    #[error("the linear system has no solution for λ from {first:e} to {last:e}: are the rows nearly infinite?")]
    Singular {
        /// The first λ.
        first: f64,
        /// The last λ.
        last: f64,
    },
    /// Statistics that do not fit the memory.
    #[error(
        "statistics of {features} features take {needed} bytes, the budget is {budget} bytes: {fitting} features would \
         fit: raise the memory budget, or project the rows to as many"
    )]
    OverBudget {
        /// Features of a row.
        features: usize,
        /// Bytes of the statistics while a head is solved for.
        needed: u64,
        /// The budget.
        budget: u64,
        /// The largest number of features that would fit.
        fitting: usize,
    },
    /// Saved statistics or heads that cannot be read.
    #[error("not the format of this version: {problem}")]
    Format {
        /// What is wrong.
        problem: String,
    },
}

impl HeadError {
    pub(crate) fn format(problem: impl std::fmt::Display) -> Self {
        Self::Format { problem: problem.to_string() }
    }
}

/// Number of rows.
///
/// # Errors
/// If the values are not whole, finite rows.
pub fn check_rows(values: &[f32], features: usize) -> Result<usize, HeadError> {
    if features == 0 {
        return Err(HeadError::NoFeatures);
    }
    if !values.len().is_multiple_of(features) {
        return Err(HeadError::Rows { values: values.len(), features });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(place) => {
            Err(HeadError::NotFinite { row: place / features, feature: place % features, value: values[place] })
        }
        None => Ok(values.len() / features),
    }
}
