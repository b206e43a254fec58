//! Counts, class sums and Gram matrix in one number type.

use crate::HeadError;
use crate::gram::triangle;
use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

/// Number type of sums.
pub(crate) trait Number: Copy + Default + PartialEq + AddAssign + SubAssign + Send + Sync {
    fn to_f64(self) -> f64;

    /// Sum of products about the means: `products − a · b / rows`.
    fn about_means(products: Self, a: Self, b: Self, rows: u64) -> f64;
}

impl Number for i64 {
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn about_means(products: i64, a: i64, b: i64, rows: u64) -> f64 {
        // Rounded once: the difference is exact, so nothing cancels.
        (i128::from(rows) * i128::from(products) - i128::from(a) * i128::from(b)) as f64 / rows as f64
    }
}

impl Number for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn about_means(products: f64, a: f64, b: f64, rows: u64) -> f64 {
        products - a / rows as f64 * b
    }
}

/// Rows of one class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassSums<N> {
    pub(crate) count: u64,
    pub(crate) sum: Vec<N>,
}

/// Rows of all classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sums<N> {
    pub(crate) classes: BTreeMap<u32, ClassSums<N>>,
    /// The lower triangle, row by row.
    pub(crate) gram: Vec<N>,
    features: usize,
}

impl<N: Number> Sums<N> {
    pub(crate) fn new(features: usize) -> Self {
        Self { classes: BTreeMap::new(), gram: vec![N::default(); triangle(features)], features }
    }

    /// Sums that were saved.
    pub(crate) fn from_parts(classes: BTreeMap<u32, ClassSums<N>>, gram: Vec<N>, features: usize) -> Self {
        Self { classes, gram, features }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.classes.values().map(|class| class.count).sum()
    }

    /// Adds rows of one class whose features have these sums.
    pub(crate) fn add_class(&mut self, class: u32, count: u64, sum: impl Iterator<Item = N>) {
        let features = self.features;
        let own =
            self.classes.entry(class).or_insert_with(|| ClassSums { count: 0, sum: vec![N::default(); features] });
        own.count += count;
        own.sum.iter_mut().zip(sum).for_each(|(own, more)| *own += more);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (&class, more) in &other.classes {
            self.add_class(class, more.count, more.sum.iter().copied());
        }
        self.gram.iter_mut().zip(&other.gram).for_each(|(own, &more)| *own += more);
    }

    /// Takes sums away that were added before.
    pub(crate) fn subtract(&mut self, other: &Self) -> Result<(), HeadError> {
        for (&class, less) in &other.classes {
            let present = self.classes.get(&class).map_or(0, |own| own.count);
            if present < less.count {
                return Err(HeadError::NotContained { class, subtracted: less.count, present });
            }
        }
        for (class, less) in &other.classes {
            if let Some(own) = self.classes.get_mut(class) {
                own.count -= less.count;
                own.sum.iter_mut().zip(&less.sum).for_each(|(own, &less)| *own -= less);
            }
        }
        self.classes.retain(|_, class| class.count > 0);
        self.gram.iter_mut().zip(&other.gram).for_each(|(own, &less)| *own -= less);
        Ok(())
    }

    /// Sums of all rows, one for each feature.
    pub(crate) fn total(&self) -> Vec<N> {
        let mut total = vec![N::default(); self.features];
        for class in self.classes.values() {
            total.iter_mut().zip(&class.sum).for_each(|(total, &sum)| *total += sum);
        }
        total
    }
}
