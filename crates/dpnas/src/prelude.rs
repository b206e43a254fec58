//! Types of a typical search program: `use dpnas::prelude::*`.

pub use crate::{
    DeepPrior, DeepPriorConfig, Evaluate, EvaluateError, Head, Metrics, Outcome, Report, RunEvent, RunFolder, Runner,
    Splits, StopReason,
};
pub use dpnas_data::{DataSet, ImageSet, Source};
#[cfg(feature = "cpu")]
pub use dpnas_kernels::CpuEngine;
pub use dpnas_prior::Precision;
pub use dpnas_search::{Candidate, ImageShape, Net, Search, SearchSettings, Seed, SpaceSettings};
