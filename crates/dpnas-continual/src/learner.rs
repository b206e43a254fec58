//! Learners that see a stream once.

use crate::{LearnError, RandomFourier};
use dpnas_heads::{HeadError, Lambda, LinearHead, Projection, Shrinkage, Statistics};
use dpnas_heads::{lda, nearest_class_mean, ridge};

/// A classifier that learns from a stream of rows.
pub trait Learner: Send {
    /// Learns from rows of the present step: `values` row after row, and the class of each.
    ///
    /// # Errors
    /// If the rows are wrong; nothing is learned then.
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError>;

    /// Ends a step.
    ///
    /// # Errors
    /// If no classifier can be made of what was learned.
    fn end_step(&mut self) -> Result<(), LearnError>;

    /// The class of each row, among those learned before the last [`end_step`](Self::end_step).
    ///
    /// # Errors
    /// [`LearnError::Untrained`] before the first step ended, or if the rows are wrong.
    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError>;

    /// Bytes that it needs from one step to the next, without rows of the stream.
    fn state_bytes(&self) -> u64;

    /// Bytes of rows of the stream that it keeps.
    fn exemplar_bytes(&self) -> u64 {
        0
    }

    /// Values that were cut to the range of a fixed-point grid.
    fn clipped(&self) -> u64 {
        0
    }

    /// The classifier of the last step that ended, on rows after the learner's own random features, if it has some.
    fn head(&self) -> Option<LinearHead>;

    /// The statistics of the rows as they are, if they are all that it learns from.
    fn statistics(&self) -> Option<&Statistics> {
        None
    }
}

/// A head that is solved for from sufficient statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClosedFormHead {
    /// Nearest class mean.
    NearestMean,
    /// Linear discriminant analysis; with exact statistics this is deep SLDA without its dependence on the order.
    Lda(Shrinkage),
    /// Ridge regression with a λ for each step.
    Ridge(Lambda),
    /// Ridge regression whose λ is chosen by generalised cross-validation in the first step and stays.
    RidgeOfFirstStep,
}

/// A map of rows before the statistics.
#[derive(Clone, Debug, PartialEq)]
enum Map {
    Identity,
    Projection(Projection),
    Fourier(RandomFourier),
}

/// A learner that keeps sums alone. What it has learned does not depend on the order of the rows, so after the last step it is
/// the joint solution: bit for bit with exact statistics.
#[derive(Clone, Debug)]
pub struct ClosedForm {
    method: ClosedFormHead,
    map: Map,
    statistics: Statistics,
    lambda: Option<f64>,
    head: Option<LinearHead>,
}

impl ClosedForm {
    /// A learner of rows as they are, with empty statistics.
    pub fn new(method: ClosedFormHead, statistics: Statistics) -> Self {
        Self { method, map: Map::Identity, statistics, lambda: None, head: None }
    }

    /// A learner of randomly projected rows, in the form of RanPAC, with empty statistics of as many features.
    ///
    /// # Errors
    /// If the statistics have another number of features.
    pub fn projected(
        method: ClosedFormHead,
        projection: Projection,
        statistics: Statistics,
    ) -> Result<Self, HeadError> {
        check_features(projection.outputs(), &statistics)?;
        Ok(Self { map: Map::Projection(projection), ..Self::new(method, statistics) })
    }

    /// A learner of random Fourier features, with empty statistics of as many features; with pixels and a shrunk LDA this is
    /// RanDumb.
    ///
    /// # Errors
    /// If the statistics have another number of features.
    pub fn fourier(method: ClosedFormHead, features: RandomFourier, statistics: Statistics) -> Result<Self, HeadError> {
        check_features(features.outputs(), &statistics)?;
        Ok(Self { map: Map::Fourier(features), ..Self::new(method, statistics) })
    }

    /// Goes on from saved statistics.
    ///
    /// # Errors
    /// If they have another number of features or another grid.
    pub fn resumed(mut self, statistics: &Statistics) -> Result<Self, HeadError> {
        self.statistics.merge(statistics)?;
        Ok(self)
    }

    fn map(&self, values: &[f32]) -> Result<Option<Vec<f32>>, HeadError> {
        Ok(match &self.map {
            Map::Identity => None,
            Map::Projection(projection) => Some(projection.apply(values)?),
            Map::Fourier(features) => Some(features.apply(values)?),
        })
    }
}

fn check_features(expected: usize, statistics: &Statistics) -> Result<(), HeadError> {
    match statistics.features() {
        found if found == expected => Ok(()),
        found => Err(HeadError::Features { expected, found }),
    }
}

impl Learner for ClosedForm {
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError> {
        let mapped = self.map(values)?;
        Ok(self.statistics.add(mapped.as_deref().unwrap_or(values), labels)?)
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        let statistics = &self.statistics;
        self.head = Some(match self.method {
            ClosedFormHead::NearestMean => nearest_class_mean(statistics)?,
            ClosedFormHead::Lda(shrinkage) => lda(statistics, shrinkage)?.head,
            ClosedFormHead::Ridge(lambda) => ridge(statistics, lambda)?.head,
            ClosedFormHead::RidgeOfFirstStep => {
                let solution = ridge(statistics, self.lambda.map_or(Lambda::Gcv, Lambda::Fixed))?;
                self.lambda.get_or_insert(solution.lambda);
                solution.head
            }
        });
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        let head = self.head.as_ref().ok_or(LearnError::Untrained)?;
        let mapped = self.map(values)?;
        Ok(head.predict(mapped.as_deref().unwrap_or(values))?)
    }

    fn state_bytes(&self) -> u64 {
        match self.method {
            // The products of features are kept for the other heads alone.
            ClosedFormHead::NearestMean => {
                8 * (self.statistics.counts().len() * (self.statistics.features() + 1)) as u64
            }
            _ => self.statistics.bytes(),
        }
    }

    fn clipped(&self) -> u64 {
        self.statistics.clipped()
    }

    fn head(&self) -> Option<LinearHead> {
        self.head.clone()
    }

    fn statistics(&self) -> Option<&Statistics> {
        (self.map == Map::Identity).then_some(&self.statistics)
    }
}
