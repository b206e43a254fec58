//! The accuracy matrix and the metrics of continual learning.

use serde::{Deserialize, Serialize};

/// Right predictions after each step, on the test rows of each step.
///
/// `accuracy(t, i)` is `R[t][i]` of the literature: after training on steps `0..=t`, on the test rows of the classes that are
/// new in step `i`. Steps count from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyMatrix {
    /// Test rows of each step.
    totals: Vec<u64>,
    /// For each finished step, the right predictions on the test rows of every step.
    correct: Vec<Vec<u64>>,
}

impl AccuracyMatrix {
    /// No finished step; `totals` are the test rows of each step.
    pub fn new(totals: Vec<u64>) -> Self {
        Self { totals, correct: Vec::new() }
    }

    /// Records the right predictions after the next step, on the test rows of every step, of later ones too.
    ///
    /// # Panics
    /// If there is not one number for each step, or one is larger than the number of rows.
    pub fn push(&mut self, correct: Vec<u64>) {
        assert_eq!(correct.len(), self.totals.len(), "one number for each step");
        assert!(correct.iter().zip(&self.totals).all(|(correct, total)| correct <= total), "more than there are rows");
        self.correct.push(correct);
    }

    /// Whether it could have come from the protocol: these test rows of each step, a row for each step, and no number larger than
    /// that of the test rows.
    pub fn is_of(&self, totals: &[u64]) -> bool {
        let fits =
            |row: &Vec<u64>| row.len() == totals.len() && row.iter().zip(totals).all(|(row, total)| row <= total);
        self.totals == totals && self.correct.len() == totals.len() && self.correct.iter().all(fits)
    }

    /// Number of finished steps.
    pub fn steps(&self) -> usize {
        self.correct.len()
    }

    /// Test rows of each step.
    pub fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// Right predictions after each finished step, on the test rows of every step.
    pub fn correct(&self) -> &[Vec<u64>] {
        &self.correct
    }

    /// Accuracy after step `after` on the test rows of step `on`; `None` without rows. A step brings no test rows if all of its
    /// classes were there before; the metrics leave it out.
    pub fn accuracy(&self, after: usize, on: usize) -> Option<f64> {
        match self.totals[on] {
            0 => None,
            total => Some(self.correct[after][on] as f64 / total as f64),
        }
    }

    /// The mean over some steps of what is measured on their test rows.
    fn mean_on(&self, steps: std::ops::Range<usize>, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        mean(steps.filter_map(value))
    }

    /// Accuracy after a step on all test rows of the classes so far.
    pub fn seen_accuracy(&self, after: usize) -> f64 {
        let (correct, total) = (&self.correct[after][..=after], &self.totals[..=after]);
        match total.iter().sum::<u64>() {
            0 => 0.0,
            total => correct.iter().sum::<u64>() as f64 / total as f64,
        }
    }

    /// Accuracy after the last step on all test rows of the classes so far; `None` before the first.
    pub fn final_accuracy(&self) -> Option<f64> {
        Some(self.seen_accuracy(self.steps().checked_sub(1)?))
    }

    /// Mean of [`seen_accuracy`](Self::seen_accuracy) over the steps: the average incremental accuracy of iCaRL and PyCIL.
    pub fn average_incremental_accuracy(&self) -> Option<f64> {
        mean((0..self.steps()).map(|after| self.seen_accuracy(after)))
    }

    /// Mean of the last row, each step alike: the average accuracy of GEM (Lopez-Paz and Ranzato, 2017).
    pub fn average_accuracy(&self) -> Option<f64> {
        let last = self.steps().checked_sub(1)?;
        self.mean_on(0..last + 1, |on| self.accuracy(last, on))
    }

    /// Mean over earlier steps of the last accuracy minus the first: the backward transfer of GEM. Negative numbers are
    /// forgetting. `None` before the second step.
    pub fn backward_transfer(&self) -> Option<f64> {
        let last = self.steps().checked_sub(1)?;
        self.mean_on(0..last, |on| Some(self.accuracy(last, on)? - self.accuracy(on, on)?))
    }

    /// Mean over later steps of the accuracy just before each is learned, minus that of an untrained learner: the forward
    /// transfer of GEM. `None` before the second step.
    pub fn forward_transfer(&self, untrained: f64) -> Option<f64> {
        self.mean_on(1..self.steps(), |on| Some(self.accuracy(on - 1, on)? - untrained))
    }

    /// Mean over earlier steps of the best accuracy after any step but the last, minus the last: the forgetting of Chaudhry et al.
    /// (2018). `None` before the second step.
    pub fn forgetting(&self) -> Option<f64> {
        let last = self.steps().checked_sub(1)?;
        let best = |on: usize| (0..last).filter_map(|after| self.accuracy(after, on)).reduce(f64::max);
        self.mean_on(0..last, |on| Some(best(on)? - self.accuracy(last, on)?))
    }

    /// Mean over earlier steps of the first accuracy minus the last: the forgetting of Avalanche, the negative of
    /// [`backward_transfer`](Self::backward_transfer). `None` before the second step.
    pub fn forgetting_since_learned(&self) -> Option<f64> {
        self.backward_transfer().map(|transfer| -transfer)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: 10 test rows in steps 0 and 1, 20 in step 2.
    ///
    /// | after | 0 | 1 | 2 |
    /// |---|---|---|---|
    /// | 0 | 0.9 | 0.2 | 0.1 |
    /// | 1 | 1.0 | 0.8 | 0.3 |
    /// | 2 | 0.6 | 0.7 | 0.5 |
    fn worked() -> AccuracyMatrix {
        let mut matrix = AccuracyMatrix::new(vec![10, 10, 20]);
        for row in [[9, 2, 2], [10, 8, 6], [6, 7, 10]] {
            matrix.push(row.to_vec());
        }
        matrix
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} is not {expected}");
    }

    #[test]
    fn a_worked_matrix_gives_each_metric_of_its_source() {
        let matrix = worked();
        near(matrix.average_accuracy(), (0.6 + 0.7 + 0.5) / 3.0);
        near(matrix.final_accuracy(), 23.0 / 40.0);
        near(matrix.average_incremental_accuracy(), (9.0 / 10.0 + 18.0 / 20.0 + 23.0 / 40.0) / 3.0);
        near(matrix.backward_transfer(), ((0.6 - 0.9) + (0.7 - 0.8)) / 2.0);
        near(matrix.forward_transfer(0.1), ((0.2 - 0.1) + (0.3 - 0.1)) / 2.0);
        // The best of step 0 came after step 1.
        near(matrix.forgetting(), ((1.0 - 0.6) + (0.8 - 0.7)) / 2.0);
        near(matrix.forgetting_since_learned(), ((0.9 - 0.6) + (0.8 - 0.7)) / 2.0);
        // A step may have been best before it was learned.
        let mut early = AccuracyMatrix::new(vec![10, 10, 10]);
        for row in [[9, 5, 0], [9, 4, 0], [9, 3, 9]] {
            early.push(row.to_vec());
        }
        near(early.forgetting(), (0.0 + 0.2) / 2.0);
    }

    #[test]
    fn metrics_that_need_a_second_step_are_absent_before_it() {
        let mut matrix = AccuracyMatrix::new(vec![10, 0]);
        assert_eq!((matrix.final_accuracy(), matrix.average_accuracy()), (None, None));
        matrix.push(vec![5, 0]);
        assert_eq!((matrix.final_accuracy(), matrix.forgetting()), (Some(0.5), None));
        assert_eq!((matrix.backward_transfer(), matrix.forward_transfer(0.1)), (None, None));
        assert_eq!(matrix.accuracy(0, 1), None, "a step without test rows");
        // Such a step counts nowhere: the third step brings ten rows.
        let mut matrix = AccuracyMatrix::new(vec![10, 0, 10]);
        for row in [[10, 0, 0], [8, 0, 0], [6, 0, 9]] {
            matrix.push(row.to_vec());
        }
        near(matrix.average_accuracy(), (0.6 + 0.9) / 2.0);
        near(matrix.forgetting(), 1.0 - 0.6);
        near(matrix.backward_transfer(), 0.6 - 1.0);
        near(matrix.forward_transfer(0.1), -0.1);
    }
}
