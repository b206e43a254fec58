//! Why an architecture could not be scored.

use dpnas_cache::CacheError;
use dpnas_grammar::PlanError;
#[cfg(feature = "heads")]
use dpnas_heads::HeadError;
use dpnas_prior::{DrawError, EngineError};
use dpnas_train::{FullError, TrainError};

/// Why an architecture could not be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The stop flag was set.
    #[error("interrupted")]
    Interrupted,
    /// The embedding has infinite or undefined values.
    #[error("the embedding has infinite or undefined values")]
    NotFinite,
    /// Not even one image fits the memory budget. [`DeepPrior::score`](crate::DeepPrior::score) returns
    /// [`Outcome::OutOfMemory`](crate::Outcome::OutOfMemory) instead.
    #[error("{net} does not fit the memory: {reason}")]
    OutOfMemory {
        /// The architecture.
        net: String,
        /// Bytes needed and bytes allowed.
        reason: String,
    },
    /// The number of classes differs between the architecture and the images.
    #[error("{net} has {found} classes, the data set has {expected}: write SM({expected})")]
    Classes {
        /// The architecture.
        net: String,
        /// Classes of the architecture.
        found: u32,
        /// Classes of the data set.
        expected: u32,
    },
    /// The architecture has fully connected layers, but the evaluator has no engine that trains them.
    #[error(
        "{net} has fully connected layers, and nothing was given that trains them: use `DeepPrior::with_trainer`, or leave FC out"
    )]
    LinearLayers {
        /// The architecture.
        net: String,
    },
    /// The architecture has fully connected layers, which a ridge regression does not train.
    #[error("{net} has fully connected layers, which need the head `adam`: take it, or leave FC out")]
    RidgeLayers {
        /// The architecture.
        net: String,
    },
    /// The architecture does not fit the images.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The weights do not fit the memory.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The encoder failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The embedding could not be stored or read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The rows of an embedding could not be read back.
    #[error("the rows of the embedding cannot be read back from their file")]
    Rows(#[source] std::io::Error),
    /// The classifier could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A ridge regression, in a build without it.
    #[cfg(not(feature = "heads"))]
    #[error("this build has no ridge regression: build dpnas with the feature `heads`, or use `Head::Adam`")]
    WithoutHeads,
    /// The ridge regression could not be solved.
    #[cfg(feature = "heads")]
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Full training failed.
    #[error(transparent)]
    Full(#[from] FullError),
}
