//! Errors of streams and learners.

use dpnas_heads::HeadError;
use dpnas_train::TrainError;

/// A stream that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A text that is no class order.
    #[error("unknown class order `{text}`: use natural, seed:N, pycil, or labels such as 2,0,1")]
    UnknownOrder {
        /// The text.
        text: String,
    },
    /// An order that is no permutation of the classes.
    #[error("the class order must have each label from 0 to {} once", classes.saturating_sub(1))]
    NoPermutation {
        /// Number of classes.
        classes: u32,
    },
    /// A text that is no list of steps.
    #[error(
        "unknown steps `{text}`: use for example 5x2 (five steps of two classes), 50+10x5, 4,3,3, 0,1|2|0,3 (places in the \
         class order), data:10 or iid:10"
    )]
    UnknownSteps {
        /// The text.
        text: String,
    },
    /// Steps that do not have every class.
    #[error("the steps have {found} classes, the data set has {classes}: each class needs one step at least")]
    Classes {
        /// Classes of the steps.
        found: usize,
        /// Classes of the data set.
        classes: u32,
    },
    /// A place beyond the classes.
    #[error("the steps name place {place} of the class order, the data set has {classes} classes: places count from 0")]
    Place {
        /// The place.
        place: usize,
        /// Classes of the data set.
        classes: u32,
    },
    /// A step without training rows.
    #[error(
        "step {step} has no training rows (steps count from 0): there are more steps than rows, or a class appears more often \
         than it has rows"
    )]
    EmptyStep {
        /// The step.
        step: usize,
    },
    /// A label beyond the classes.
    #[error("label {label} of a data set of {classes} classes: labels count from 0")]
    Label {
        /// The label.
        label: u32,
        /// Classes of the data set.
        classes: u32,
    },
}

/// A learner that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// Rows or settings that a head cannot work with.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The classifier could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A label beyond the classes.
    #[error("label {label} of a classifier of {classes} classes: labels count from 0")]
    Label {
        /// The label.
        label: u32,
        /// Classes of the classifier.
        classes: u32,
    },
    /// Weights that are no longer finite.
    #[error("training diverged: lower the learning rate or the strength")]
    Diverged,
    /// The stop flag was set.
    #[error("interrupted")]
    Interrupted,
    /// A prediction before the first row.
    #[error("nothing was learned yet: a learner predicts after its first step")]
    Untrained,
}
