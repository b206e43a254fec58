//! The sufficient statistics of a stream of labelled rows.

use crate::error::check_rows;
use crate::gram::{BLOCK, Block, Level, add_float_gram};
use crate::sums::Sums;
use crate::{FixedPoint, HeadError};
use std::collections::BTreeMap;

/// Counts, class sums and Gram matrix of labelled rows of `features` values: all that the heads of this crate need.
///
/// A class may appear at any time. Statistics of several places add, and what was added can be subtracted.
///
/// With a [`FixedPoint`] grid all sums are exact, so the same rows give the same bits in any order, in any partition, on
/// any number of threads and any processor. In `f64` sums are rounded, and their last bits depend on the order.
///
/// ```
/// use dpnas_heads::{FixedPoint, Lambda, Statistics, ridge};
///
/// let rows = [0.0, 1.0, 0.1, 0.9, 1.0, 0.0, 0.8, 0.1];
/// let mut statistics = Statistics::exact(FixedPoint::uniform(2, 4.0)?);
/// statistics.add(&rows[..4], &[7, 7])?;
/// statistics.add(&rows[4..], &[3, 3])?;
/// let head = ridge(&statistics, Lambda::Fixed(1e-3))?.head;
/// assert_eq!(head.predict(&rows)?, [7, 7, 3, 3]);
/// # Ok::<(), dpnas_heads::HeadError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    features: usize,
    pub(crate) sums: Arithmetic,
    clipped: u64,
    origin: String,
}

/// The sums, exact or in `f64`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arithmetic {
    Exact(FixedPoint, Sums<i64>),
    Float(Sums<f64>),
}

impl Statistics {
    /// Most rows of which the integer sums are safe: 2³⁰ for each product, so 2³² of them stay below 2⁶³.
    pub const MOST_ROWS: u64 = 1 << 32;

    /// No rows yet; sums are exact on this grid.
    pub fn exact(grid: FixedPoint) -> Self {
        let features = grid.features();
        Self::from_parts(features, Arithmetic::Exact(grid, Sums::new(features)), 0)
    }

    /// No rows yet; sums are in `f64`.
    ///
    /// # Errors
    /// If there are no features.
    pub fn float(features: usize) -> Result<Self, HeadError> {
        match features {
            0 => Err(HeadError::NoFeatures),
            _ => Ok(Self::from_parts(features, Arithmetic::Float(Sums::new(features)), 0)),
        }
    }

    pub(crate) fn from_parts(features: usize, sums: Arithmetic, clipped: u64) -> Self {
        Self { features, sums, clipped, origin: String::new() }
    }

    /// Names what made the rows, for example an encoder. Statistics of different origins do not add.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// What made the rows; empty if that was not said.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// No rows, with the same grid or in `f64` as well.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let sums = match &self.sums {
            Arithmetic::Exact(grid, _) => Arithmetic::Exact(grid.clone(), Sums::new(self.features)),
            Arithmetic::Float(_) => Arithmetic::Float(Sums::new(self.features)),
        };
        Self { features: self.features, sums, clipped: 0, origin: self.origin.clone() }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The grid; `None` in `f64`.
    pub fn grid(&self) -> Option<&FixedPoint> {
        match &self.sums {
            Arithmetic::Exact(grid, _) => Some(grid),
            Arithmetic::Float(_) => None,
        }
    }

    /// The classes that have rows, in ascending order, with their numbers of rows.
    pub fn counts(&self) -> BTreeMap<u32, u64> {
        match &self.sums {
            Arithmetic::Exact(_, sums) => sums.classes.iter().map(|(&class, sums)| (class, sums.count)).collect(),
            Arithmetic::Float(sums) => sums.classes.iter().map(|(&class, sums)| (class, sums.count)).collect(),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        match &self.sums {
            Arithmetic::Exact(_, sums) => sums.rows(),
            Arithmetic::Float(sums) => sums.rows(),
        }
    }

    /// Values that were cut to the range of the grid. Many of them mean that the grid is too small.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Bytes of the sums.
    pub fn bytes(&self) -> u64 {
        Self::bytes_of(self.features, self.counts().len())
    }

    /// Bytes of the sums of rows with so many features and classes.
    pub fn bytes_of(features: usize, classes: usize) -> u64 {
        let (d, c) = (features as u64, classes as u64);
        let more = d.saturating_add(1);
        (d.saturating_mul(more) / 2).saturating_add(c.saturating_mul(more)).saturating_mul(8)
    }

    /// Checks that the sums, and the two matrices of all pairs of features that solving for a head takes, fit a memory
    /// budget in bytes.
    ///
    /// # Errors
    /// [`HeadError::OverBudget`] with the number of features that fit.
    pub fn check_budget(features: usize, classes: usize, budget: u64) -> Result<(), HeadError> {
        let needed = |features: usize| {
            let matrices = (features as u64).saturating_pow(2).saturating_mul(16);
            Self::bytes_of(features, classes).saturating_add(matrices)
        };
        if needed(features) <= budget {
            return Ok(());
        }
        let (mut fitting, mut too_many) = (0, features);
        while too_many - fitting > 1 {
            let middle = fitting + (too_many - fitting) / 2;
            if needed(middle) <= budget { fitting = middle } else { too_many = middle }
        }
        Err(HeadError::OverBudget { features, needed: needed(features), budget, fitting })
    }

    /// Adds rows: `values` row after row, and the class of each.
    ///
    /// # Errors
    /// If the values are not whole, finite rows with a label each, or there are too many. Nothing is added then.
    pub fn add(&mut self, values: &[f32], labels: &[u32]) -> Result<(), HeadError> {
        let rows = check_rows(values, self.features)?;
        if rows != labels.len() {
            return Err(HeadError::Labels { labels: labels.len(), rows });
        }
        if self.rows() + rows as u64 > Self::MOST_ROWS {
            return Err(HeadError::TooManyRows);
        }
        let scales = self.grid().map(FixedPoint::scales).unwrap_or_default();
        let level = Level::best();
        for (values, labels) in values.chunks(BLOCK * self.features).zip(labels.chunks(BLOCK)) {
            match &mut self.sums {
                Arithmetic::Exact(_, sums) => {
                    let mut present = labels.to_vec();
                    present.sort_unstable();
                    present.dedup();
                    let class = |label: &u32| present.binary_search(label).unwrap_or_default();
                    let classes: Vec<usize> = labels.iter().map(class).collect();
                    let block = Block::new(values, &scales, &classes, present.len());
                    for (number, &class) in present.iter().enumerate() {
                        let count = classes.iter().filter(|&&class| class == number).count();
                        sums.add_class(class, count as u64, block.class_sums(number));
                    }
                    block.add_gram(level, &mut sums.gram);
                    self.clipped += block.clipped;
                }
                Arithmetic::Float(sums) => {
                    for (row, &label) in values.chunks_exact(self.features).zip(labels) {
                        sums.add_class(label, 1, row.iter().copied().map(f64::from));
                    }
                    add_float_gram(values, self.features, &mut sums.gram);
                }
            }
        }
        Ok(())
    }

    /// Adds the rows of other statistics.
    ///
    /// # Errors
    /// If they have other features or another grid, or there are too many rows. Nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), HeadError> {
        self.check_same(other)?;
        if self.rows() + other.rows() > Self::MOST_ROWS {
            return Err(HeadError::TooManyRows);
        }
        match (&mut self.sums, &other.sums) {
            (Arithmetic::Exact(_, sums), Arithmetic::Exact(_, more)) => sums.add(more),
            (Arithmetic::Float(sums), Arithmetic::Float(more)) => sums.add(more),
            _ => return Err(HeadError::Arithmetic),
        }
        self.clipped += other.clipped;
        Ok(())
    }

    /// Removes rows that were added before, for example all rows of a class.
    ///
    /// # Errors
    /// If other has other features or another grid, or more rows of a class. Nothing is removed then.
    pub fn subtract(&mut self, other: &Self) -> Result<(), HeadError> {
        self.check_same(other)?;
        match (&mut self.sums, &other.sums) {
            (Arithmetic::Exact(_, sums), Arithmetic::Exact(_, less)) => sums.subtract(less)?,
            (Arithmetic::Float(sums), Arithmetic::Float(less)) => sums.subtract(less)?,
            _ => return Err(HeadError::Arithmetic),
        }
        self.clipped = self.clipped.saturating_sub(other.clipped);
        Ok(())
    }

    fn check_same(&self, other: &Self) -> Result<(), HeadError> {
        if self.features != other.features {
            return Err(HeadError::Features { expected: self.features, found: other.features });
        }
        if self.origin != other.origin && !self.origin.is_empty() && !other.origin.is_empty() {
            return Err(HeadError::Origin { expected: self.origin.clone(), found: other.origin.clone() });
        }
        if self.grid() != other.grid() { Err(HeadError::Arithmetic) } else { Ok(()) }
    }
}
