//! Means and scatter matrices in `f64`, from exact or rounded sums.

use crate::gram::triangle;
use crate::statistics::Arithmetic;
use crate::sums::{Number, Sums};
use crate::{HeadError, Statistics};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, Par};

/// Means and scatter of the rows.
pub(crate) struct Moments {
    pub(crate) rows: f64,
    /// Classes in ascending order.
    pub(crate) classes: Vec<u32>,
    /// Rows of each class.
    pub(crate) counts: Vec<f64>,
    /// Mean of all rows.
    pub(crate) mean: Vec<f64>,
    /// Means of the classes, a column each.
    pub(crate) class_means: Mat<f64>,
    /// Sums of products about the mean of all rows; the lower triangle.
    pub(crate) scatter: Mat<f64>,
}

impl Moments {
    pub(crate) fn of(statistics: &Statistics) -> Result<Self, HeadError> {
        match &statistics.sums {
            Arithmetic::Exact(grid, sums) => Self::new(sums, &grid.steps()),
            Arithmetic::Float(sums) => Self::new(sums, &vec![1.0; statistics.features()]),
        }
    }

    /// `steps` are the units of the sums, one for each feature.
    fn new<N: Number>(sums: &Sums<N>, steps: &[f64]) -> Result<Self, HeadError> {
        let (count, features) = (sums.rows(), steps.len());
        if count == 0 {
            return Err(HeadError::Empty);
        }
        let (rows, total) = (count as f64, sums.total());
        let classes: Vec<_> = sums.classes.values().collect();
        let mut scatter = Mat::zeros(features, features);
        for (j, mut column) in scatter.col_iter_mut().enumerate() {
            for i in j..features {
                let products = sums.gram[triangle(i) + j];
                column[i] = N::about_means(products, total[i], total[j], count) * steps[i] * steps[j];
            }
        }
        Ok(Self {
            rows,
            classes: sums.classes.keys().copied().collect(),
            counts: classes.iter().map(|class| class.count as f64).collect(),
            mean: total.iter().zip(steps).map(|(sum, step)| sum.to_f64() / rows * step).collect(),
            class_means: Mat::from_fn(features, classes.len(), |feature, class| {
                classes[class].sum[feature].to_f64() / classes[class].count as f64 * steps[feature]
            }),
            scatter,
        })
    }

    /// Means of the classes about the mean of all rows, each times a power of its number of rows.
    pub(crate) fn centred_means(&self, power: f64) -> Mat<f64> {
        Mat::from_fn(self.mean.len(), self.classes.len(), |feature, class| {
            (self.class_means[(feature, class)] - self.mean[feature]) * self.counts[class].powf(power)
        })
    }

    /// Sums of products about the mean of each row's class; the lower triangle.
    pub(crate) fn within_scatter(&self) -> Mat<f64> {
        let between = self.centred_means(0.5);
        let mut within = self.scatter.clone();
        matmul(
            within.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            between.as_ref(),
            BlockStructure::Rectangular,
            between.transpose(),
            BlockStructure::Rectangular,
            -1.0,
            Par::Seq,
        );
        within
    }
}
