//! Where the rows of a run come from.

use super::runner::hex;
use super::{ContinualError, Input};
use crate::store::{Manifest, SplitName, StoredEmbedding};
use crate::{DeepPrior, ScoreError, StoreRequest, draw_seed};
use dpnas_grammar::{Net, Plan};
use dpnas_heads::check_rows;
use dpnas_prior::NormMode;
use dpnas_seed::Seed;
use sha2::{Digest, Sha256};
use std::fmt::Debug;
use std::sync::Arc;

/// Rows of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Number of features of a row.
    pub features: usize,
    /// Training rows, one after another.
    pub train: Vec<f32>,
    /// Test rows, one after another.
    pub test: Vec<f32>,
}

/// Labelled rows that methods learn from, under several draws of an encoder's weights.
pub trait RowSource: Send + Sync + Debug {
    /// Names everything that decides the rows besides the number of the draw.
    fn identity(&self) -> String;

    /// Names everything that decides how an image becomes a row of draw 0. Statistics of rows add if this is equal.
    fn encoder(&self) -> String;

    /// Number of classes.
    fn classes(&self) -> u32;

    /// Features of a row; `None` if there are no rows of this kind.
    fn features(&self, input: Input) -> Option<usize>;

    /// Labels of the training rows.
    fn train_labels(&self) -> &[u32];

    /// Labels of the test rows.
    fn test_labels(&self) -> &[u32];

    /// Most draws that it has rows of; `None` if there is no limit.
    fn draws(&self) -> Option<u32>;

    /// The rows of one draw. Pixels are the same for each.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`], or another [`ScoreError`] if the rows cannot be computed.
    fn rows(&self, input: Input, draw: u32) -> Result<Arc<Features>, ScoreError>;
}

/// Rows of a stored embedding, of which training and validation rows are learned.
#[derive(Debug)]
pub struct EmbeddingRows {
    identity: String,
    encoder: String,
    classes: u32,
    features: Arc<Features>,
    train_labels: Vec<u32>,
    test_labels: Vec<u32>,
}

impl EmbeddingRows {
    /// Reads all rows.
    ///
    /// # Errors
    /// As [`StoredEmbedding::read`], or [`ContinualError::Values`] if a value is not finite.
    pub fn read(embedding: &StoredEmbedding) -> Result<Self, ContinualError> {
        let manifest = embedding.manifest();
        let [train, valid, test] =
            [SplitName::Train, SplitName::Val, SplitName::Test].map(|split| embedding.read(split));
        let (train, valid, test) = (train?, valid?, test?);
        for (name, split) in [("training", &train), ("validation", &valid), ("test", &test)] {
            check_rows(split.values(), manifest.features)
                .map_err(|source| ContinualError::Values { split: name, source })?;
        }
        let mut rows = Sha256::new();
        for split in [&train, &valid, &test] {
            split.labels().iter().for_each(|label| rows.update(label.to_le_bytes()));
            split.values().iter().for_each(|value| rows.update(value.to_le_bytes()));
        }
        Ok(Self {
            identity: format!("{}; rows {}", encoder_of(manifest), hex(&rows.finalize())),
            encoder: encoder_of(manifest),
            classes: manifest.class_names.len() as u32,
            train_labels: [train.labels(), valid.labels()].concat(),
            test_labels: test.labels().to_vec(),
            features: Arc::new(Features {
                features: manifest.features,
                train: [train.values(), valid.values()].concat(),
                test: test.values().to_vec(),
            }),
        })
    }
}

impl RowSource for EmbeddingRows {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn encoder(&self) -> String {
        self.encoder.clone()
    }

    fn classes(&self) -> u32 {
        self.classes
    }

    fn features(&self, input: Input) -> Option<usize> {
        (input == Input::Embedding).then_some(self.features.features)
    }

    fn train_labels(&self) -> &[u32] {
        &self.train_labels
    }

    fn test_labels(&self) -> &[u32] {
        &self.test_labels
    }

    fn draws(&self) -> Option<u32> {
        Some(1)
    }

    fn rows(&self, _: Input, _: u32) -> Result<Arc<Features>, ScoreError> {
        Ok(Arc::clone(&self.features))
    }
}

/// The embeddings of an architecture, one for each draw of its weights, and the pixels. Training and validation images are
/// learned.
#[derive(Debug)]
pub struct PriorRows {
    prior: DeepPrior,
    plan: Plan,
    train_labels: Vec<u32>,
}

impl PriorRows {
    /// Rows of an architecture. Draw 0 has the weights of a search with the same settings.
    ///
    /// # Errors
    /// If the architecture does not fit the images.
    pub fn new(prior: DeepPrior, net: Net) -> Result<Self, ScoreError> {
        let plan = net.plan(prior.splits().train.shape())?;
        let splits = prior.splits();
        let train_labels = [splits.train.labels(), splits.valid.labels()].concat();
        Ok(Self { plan, train_labels, prior })
    }

    /// The seed of the weights of one draw.
    pub fn seed(&self, draw: u32) -> Seed {
        let config = self.prior.config();
        draw_seed(config.draw.seed(config.weight_seed, self.plan.net()), draw)
    }
}

impl RowSource for PriorRows {
    fn identity(&self) -> String {
        format!(
            "embedding of {}; {}",
            self.plan.net(),
            self.prior.describe_rows(&format!("weights {}", self.seed(0).0))
        )
    }

    fn encoder(&self) -> String {
        encoder_of(&self.prior.manifest(&self.plan, self.seed(0), &StoreRequest::npy("")))
    }

    fn classes(&self) -> u32 {
        self.prior.splits().classes()
    }

    fn features(&self, input: Input) -> Option<usize> {
        match input {
            Input::Embedding => Some(usize::try_from(self.plan.features()).unwrap_or(usize::MAX)),
            Input::Pixels => self.prior.splits().train.shape().elements().map(|elements| elements as usize),
        }
    }

    fn train_labels(&self) -> &[u32] {
        &self.train_labels
    }

    fn test_labels(&self) -> &[u32] {
        self.prior.splits().test.labels()
    }

    fn draws(&self) -> Option<u32> {
        None
    }

    fn rows(&self, input: Input, draw: u32) -> Result<Arc<Features>, ScoreError> {
        let splits = self.prior.splits();
        let features = self.features(input).unwrap_or_default();
        if input == Input::Pixels {
            let train = [splits.train.pixels(), splits.valid.pixels()].concat();
            return Ok(Arc::new(Features { features, train, test: splits.test.pixels().to_vec() }));
        }
        let mut rows = Features { features, train: Vec::new(), test: Vec::new() };
        let reserve = |rows: &mut Vec<f32>, count: usize| {
            rows.try_reserve_exact(count.saturating_mul(features)).map_err(|_| ScoreError::OutOfMemory {
                net: self.plan.net().to_string(),
                reason: format!("{count} rows of {features} features do not fit the memory"),
            })
        };
        reserve(&mut rows.train, self.train_labels.len())?;
        reserve(&mut rows.test, splits.test.len())?;
        self.prior.embed(self.plan.net(), self.seed(draw), |split, block| {
            match split {
                SplitName::Train | SplitName::Val => rows.train.extend_from_slice(block),
                SplitName::Test => rows.test.extend_from_slice(block),
            }
            Ok::<_, ScoreError>(())
        })?;
        Ok(Arc::new(rows))
    }
}

/// Everything that decides how an image becomes a row.
fn encoder_of(manifest: &Manifest) -> String {
    let Manifest { net, engine, weight_seed, members, init, norm, data_fingerprint, .. } = manifest;
    let others: String =
        members.iter().skip(1).map(|one| format!(" beside {} by {}", one.net, one.weight_seed.0)).collect();
    let images = norm.calibration_images.or(norm.batch_size).map_or_else(String::new, |n| format!(" on {n} images"));
    // Normalisation is frozen on images of the data set.
    let data =
        if norm.mode == NormMode::None.to_string() { String::new() } else { format!("; data {data_fingerprint}") };
    let norm = format!("{} {:?}{images}", norm.mode, norm.epsilon);
    format!("embedding of {net} by {engine}; weights {weight_seed}{others}; init {init}; norm {norm}{data}")
}
