//! The protocol: learn step by step, test after each.

use crate::{AccuracyMatrix, LearnError, Learner, Stream};

/// Labelled rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Row after row.
    pub values: &'a [f32],
    /// The class of each row.
    pub labels: &'a [u32],
}

impl Rows<'_> {
    fn select(&self, rows: &[usize]) -> (Vec<f32>, Vec<u32>) {
        let features = self.values.len().checked_div(self.labels.len()).unwrap_or(0);
        let values = rows.iter().flat_map(|&row| &self.values[row * features..][..features]).copied().collect();
        (values, rows.iter().map(|&row| self.labels[row]).collect())
    }
}

/// Lets a learner see the stream once, in blocks of at most `block` rows, and tests it after each step on all test rows, by the
/// step that brings their class.
///
/// # Errors
/// The first error of the learner.
pub fn learn(
    learner: &mut dyn Learner,
    stream: &Stream,
    train: Rows<'_>,
    test: Rows<'_>,
    block: usize,
) -> Result<AccuracyMatrix, LearnError> {
    let of_step = |label: u32| stream.steps.iter().position(|step| step.new_classes.binary_search(&label).is_ok());
    let steps: Vec<Option<usize>> = test.labels.iter().map(|&label| of_step(label)).collect();
    let count = |rows: &mut dyn Iterator<Item = Option<usize>>| {
        let mut counts = vec![0; stream.steps.len()];
        rows.flatten().for_each(|step| counts[step] += 1);
        counts
    };
    let mut matrix = AccuracyMatrix::new(count(&mut steps.iter().copied()));
    for step in &stream.steps {
        for rows in step.rows.chunks(block.max(1)) {
            let (values, labels) = train.select(rows);
            learner.learn(&values, &labels)?;
        }
        learner.end_step()?;
        let predicted = learner.predict(test.values)?;
        let right = predicted.iter().zip(test.labels).zip(&steps).filter(|((found, label), _)| found == label);
        matrix.push(count(&mut right.map(|(_, &step)| step)));
    }
    Ok(matrix)
}
