//! The protocol: learn step by step, test after each.

use crate::stream::tally;
use crate::{AccuracyMatrix, LearnError, Learner, Stream};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Learn step by step, and test after each step on all test rows, by the step that brings their class.
#[derive(Clone, Copy, Debug)]
pub struct Protocol<'a> {
    /// The steps.
    pub stream: &'a Stream,
    /// Training rows.
    pub train: Rows<'a>,
    /// Test rows.
    pub test: Rows<'a>,
    /// Most rows that a learner sees at once.
    pub block: usize,
    /// Ends learning between blocks once it is set.
    pub stop: &'a AtomicBool,
}

impl Protocol<'_> {
    /// Lets a learner see the stream once.
    ///
    /// # Errors
    /// [`LearnError::Interrupted`], or the first error of the learner.
    pub fn learn(&self, learner: &mut dyn Learner) -> Result<AccuracyMatrix, LearnError> {
        let mut exam = Exam::new(self);
        for step in &self.stream.steps {
            self.show(learner, &step.rows)?;
            exam.take(learner, self.test)?;
        }
        Ok(exam.matrix)
    }

    /// After each step, lets a new learner see all rows so far in the order of the data set, not of the stream. Returns the
    /// last learner, too.
    ///
    /// # Errors
    /// As [`learn`](Self::learn), and without steps.
    pub fn learn_jointly(
        &self,
        make: impl Fn() -> Result<Box<dyn Learner>, LearnError>,
    ) -> Result<(Box<dyn Learner>, AccuracyMatrix), LearnError> {
        let (mut exam, mut seen, mut last) = (Exam::new(self), Vec::new(), None);
        for step in &self.stream.steps {
            seen.extend_from_slice(&step.rows);
            seen.sort_unstable();
            let mut learner = make()?;
            self.show(learner.as_mut(), &seen)?;
            exam.take(learner.as_ref(), self.test)?;
            last = Some(learner);
        }
        Ok((last.ok_or(LearnError::Untrained)?, exam.matrix))
    }

    /// Shows rows and ends the step.
    fn show(&self, learner: &mut dyn Learner, rows: &[usize]) -> Result<(), LearnError> {
        for rows in rows.chunks(self.block.max(1)) {
            self.check_stop()?;
            let (values, labels) = self.train.select(rows);
            learner.learn(&values, &labels)?;
        }
        self.check_stop()?;
        learner.end_step()
    }

    fn check_stop(&self) -> Result<(), LearnError> {
        if self.stop.load(Ordering::Relaxed) { Err(LearnError::Interrupted) } else { Ok(()) }
    }
}

/// The test after each step.
struct Exam {
    /// The step that brings the class of each test row.
    steps: Vec<Option<usize>>,
    matrix: AccuracyMatrix,
}

impl Exam {
    fn new(protocol: &Protocol<'_>) -> Self {
        let steps = protocol.stream.steps_of(protocol.test.labels);
        let totals = tally(protocol.stream.steps.len(), steps.iter().copied());
        Self { steps, matrix: AccuracyMatrix::new(totals) }
    }

    fn take(&mut self, learner: &dyn Learner, test: Rows<'_>) -> Result<(), LearnError> {
        let predicted = learner.predict(test.values)?;
        let right = predicted.iter().zip(test.labels).zip(&self.steps).filter(|((found, label), _)| found == label);
        self.matrix.push(tally(self.matrix.totals().len(), right.map(|(_, &step)| step)));
        Ok(())
    }
}
