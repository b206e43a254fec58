//! Which plans a search accepts.

use std::fmt;

/// Bounds on what the encoder hands to the classifier.
///
/// # Source
/// SPEC §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Largest height (= width) of the map after the last encoder layer, in pixels.
    pub max_final_map: u32,
    /// Most features into the first classifier layer.
    pub max_features: u64,
}

impl Limits {
    /// The published bounds: final map 8, 20,000 features.
    pub const fn paper() -> Self {
        Self { max_final_map: 8, max_features: 20_000 }
    }
}

/// Whether a plan stays within its [`Limits`]; displays as `accepted` or `rejected: …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Within every limit.
    Accepted,
    /// Beyond a limit.
    Rejected(Rejection),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Rejected(rejection) => write!(f, "rejected: {rejection}"),
        }
    }
}

/// The limit that a plan exceeds; of two, the final map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The map after the last encoder layer is too large.
    FinalMap {
        /// Height (= width) of the map, in pixels.
        size: u32,
        /// The largest that is accepted.
        limit: u32,
    },
    /// Too many features go into the first classifier layer.
    Features {
        /// Features of the plan.
        features: u64,
        /// The most that are accepted.
        limit: u64,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FinalMap { size, limit } => write!(f, "final map {size}x{size}, at most {limit}x{limit}"),
            Self::Features { features, limit } => write!(f, "{features} features, at most {limit}"),
        }
    }
}
