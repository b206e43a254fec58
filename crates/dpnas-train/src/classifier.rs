//! The bias-free linear classifier.

use crate::block::{Block, Blocks};
use crate::forward::Forward;
use crate::lanes::Rows;
use crate::softmax::argmax;
use crate::{Element, Labelled, Split, TrainError};
use dpnas_seed::Seed;
use pulp::Arch;

/// Rows that are classified at once. No result depends on it.
const CHUNK: usize = 256;

/// A linear layer without bias from features to class scores.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearClassifier {
    /// The weights, `[classes, features]`, row-major.
    pub(crate) weights: Vec<f32>,
    classes: u32,
    features: usize,
}

impl LinearClassifier {
    /// Random weights, uniform in ±1/√features from the stream ("classifier", 0) of the seed.
    ///
    /// # Errors
    /// [`TrainError::NoClasses`], [`TrainError::NoFeatures`], or [`TrainError::TooManyWeights`].
    pub fn initial(seed: Seed, classes: u32, features: usize) -> Result<Self, TrainError> {
        let mut weights = vec![0.0; number_of_weights(classes, features)?];
        let bound = (1.0 / (features as f64).sqrt()) as f32;
        seed.stream("classifier", 0).fill_uniform(0, -bound, bound, &mut weights);
        Ok(Self { weights, classes, features })
    }

    /// A classifier with given weights, `[classes, features]`, row-major.
    ///
    /// # Errors
    /// As [`initial`](Self::initial), or [`TrainError::LengthMismatch`] if there are not `classes · features` weights.
    pub fn from_weights(weights: Vec<f32>, classes: u32, features: usize) -> Result<Self, TrainError> {
        if number_of_weights(classes, features)? != weights.len() {
            let (values, labels) = (weights.len(), classes as usize);
            return Err(TrainError::LengthMismatch { values, labels, features });
        }
        Ok(Self { weights, classes, features })
    }

    /// The weights, `[classes, features]`, row-major.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Number of classes.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The class scores of some rows, computed on the calling thread with the same bits as in training.
    ///
    /// # Shapes
    /// `rows` is `[n, features]`, the result `[n, classes]`, both row-major.
    ///
    /// # Errors
    /// [`TrainError::LengthMismatch`] if `rows` is not a whole number of rows.
    pub fn logits<E: Element>(&self, rows: &[E]) -> Result<Vec<f32>, TrainError> {
        let labels = rows.len() / self.features;
        if labels * self.features != rows.len() {
            return Err(TrainError::LengthMismatch { values: rows.len(), labels, features: self.features });
        }
        let blocks = Blocks::new(self.features, self.classes as usize);
        let parts: Vec<Block> = (0..blocks.count()).map(|i| Block::cut(&blocks, i, &self.weights)).collect();
        let (stride, arch) = (blocks.score_stride(), Arch::new());
        let mut logits = Vec::with_capacity(labels * blocks.classes);
        let (mut sums, mut scores) = (Vec::new(), vec![0.0; CHUNK * stride]);
        for chunk in rows.chunks(CHUNK * self.features) {
            let offsets: Vec<usize> = (0..chunk.len()).step_by(self.features).collect();
            sums.clear();
            sums.resize(offsets.len() * stride, 0.0);
            for part in &parts {
                let rows = Rows { data: chunk, offsets: &offsets };
                Forward { rows, start: part.features.start, block: part, scores: &mut scores, stride }.run(arch);
                for (sum, score) in sums.iter_mut().zip(&scores) {
                    *sum += score;
                }
            }
            for row in sums.chunks_exact(stride) {
                logits.extend_from_slice(&row[..blocks.classes]);
            }
        }
        Ok(logits)
    }

    /// The fraction of rows whose label has the highest class score. Of equal scores the lowest class counts.
    ///
    /// # Errors
    /// No rows, not one label for each row, a label that is not below the number of classes, or
    /// [`TrainError::ScoreNotFinite`].
    pub fn accuracy<E: Element>(&self, rows: &[E], labels: &[u32]) -> Result<f64, TrainError> {
        Labelled::new(rows, labels, self.features)?.check(Split::Test, self.features, self.classes)?;
        let logits = self.logits(rows)?;
        let mut correct = 0usize;
        for (row, (scores, &label)) in logits.chunks_exact(self.classes as usize).zip(labels).enumerate() {
            let best = argmax(scores).ok_or(TrainError::ScoreNotFinite { row })?;
            correct += usize::from(best == label as usize);
        }
        Ok(correct as f64 / labels.len() as f64)
    }
}

fn number_of_weights(classes: u32, features: usize) -> Result<usize, TrainError> {
    if classes == 0 {
        return Err(TrainError::NoClasses);
    }
    if features == 0 {
        return Err(TrainError::NoFeatures);
    }
    let too_many = TrainError::TooManyWeights { classes, features };
    // Leave room for padding below the limit of a vector, isize::MAX bytes.
    let number = (classes as usize).checked_mul(features).ok_or(too_many.clone())?;
    if number > isize::MAX as usize / 64 { Err(too_many) } else { Ok(number) }
}
