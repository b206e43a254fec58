//! Errors of a fit.

use crate::SettingError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a classifier could not be trained or applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting has a wrong value.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The number of classes is 0.
    #[error("the number of classes is 0: give at least 1")]
    NoClasses,
    /// The number of features is 0.
    #[error("the rows have 0 features: check the encoder's output size")]
    NoFeatures,
    /// Classes × features numbers exceed the address space.
    #[error("{classes} classes × {features} features are too many weights for this machine")]
    TooManyWeights {
        /// Number of classes.
        classes: u32,
        /// Number of features.
        features: usize,
    },
    /// A set has no rows.
    #[error("the {split} set is empty: give at least one row")]
    EmptySet {
        /// Which set.
        split: Split,
    },
    /// The number of values is not labels × features.
    #[error("{values} values are not {labels} rows (one for each label) of {features} features")]
    LengthMismatch {
        /// Values in the rows.
        values: usize,
        /// Labels.
        labels: usize,
        /// Features of a row.
        features: usize,
    },
    /// A label is not below the number of classes.
    #[error("label {label} of {split} row {row} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// Which set.
        split: Split,
        /// The first row with such a label, from 0.
        row: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: u32,
    },
    /// Stored rows cannot be read.
    #[error("the {split} rows cannot be read in epoch {epoch}: {reason}; check the disk that holds the embedding")]
    Unread {
        /// Which set.
        split: Split,
        /// The epoch, from 1.
        epoch: u32,
        /// The operating system's message.
        reason: String,
    },
    /// The weights, the optimiser and the buffers need more memory than is free.
    #[error("no memory for a classifier of {classes} classes × {features} features: {bytes} bytes are needed")]
    OutOfMemory {
        /// Number of classes.
        classes: u32,
        /// Number of features.
        features: usize,
        /// Bytes that are needed.
        bytes: u64,
    },
    /// The operating system did not start a thread.
    #[error(
        "thread {number} of {threads} for training the classifier cannot be started: {reason}; use fewer threads, or raise \
         the limit on processes and memory"
    )]
    Threads {
        /// The number of the thread, from 2: the calling thread is the first.
        number: usize,
        /// All threads of the fit, including the calling thread and the one that reads stored rows.
        threads: usize,
        /// The operating system's message.
        reason: String,
    },
    /// A class score is infinite or not a number, because of such a value in a row or because training has diverged.
    #[error(
        "a class score of a {split} row is not finite in epoch {epoch}: look for NaN or infinity in the rows, or lower \
         the learning rate"
    )]
    NotFinite {
        /// The set of the row.
        split: Split,
        /// The epoch, from 1.
        epoch: u32,
    },
    /// A device other than the CPU failed.
    #[error("the classifier cannot be trained on the device: {reason}")]
    Device {
        /// What went wrong.
        reason: String,
    },
    /// A class score of a trained classifier is infinite or not a number.
    #[error("the class scores of row {row} are not finite: look for NaN or infinity in the row")]
    ScoreNotFinite {
        /// The first such row, from 0.
        row: usize,
    },
}

/// One of the three sets of images or rows.
///
/// Prints as `training`, `validation` and `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The set that weights are fitted to.
    Train,
    /// The set whose accuracy is the reward.
    Valid,
    /// The set that does not influence the training.
    Test,
}

impl Split {
    /// All three, in this order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "training",
            Self::Valid => "validation",
            Self::Test => "test",
        })
    }
}
