//! Where the rows of a run come from.

use super::{ContinualError, Input};
use crate::store::{Manifest, Member, SplitName, StoredEmbedding};
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
            identity: format!("{}; rows {}", encoder_of(manifest), crate::hex::hex(&rows.finalize()[..8])),
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

/// The embeddings of an architecture or of an ensemble, one for each draw of the weights, and the pixels. Training and
/// validation images are learned.
#[derive(Debug)]
pub struct PriorRows {
    prior: DeepPrior,
    /// The encoders, whose rows are side by side, with the seeds of draw 0.
    encoders: Vec<(Plan, Seed)>,
    train_labels: Vec<u32>,
}

impl PriorRows {
    /// Rows of an architecture. Draw 0 has the weights of a search with the same settings.
    ///
    /// # Errors
    /// If the architecture does not fit the images.
    pub fn new(prior: DeepPrior, net: Net) -> Result<Self, ScoreError> {
        let config = prior.config();
        let weight_seed = config.draw.seed(config.weight_seed, &net);
        Self::of_ensemble(prior, (&Member { net, weight_seed }, &[]))
    }

    /// Rows of several encoders side by side. Draw 0 has their own weights.
    ///
    /// # Errors
    /// If an architecture does not fit the images.
    pub fn of_ensemble(prior: DeepPrior, (first, others): (&Member, &[Member])) -> Result<Self, ScoreError> {
        let splits = prior.splits();
        let plan = |member: &Member| Ok((member.net.plan(splits.train.shape())?, member.weight_seed));
        let encoders = std::iter::once(first).chain(others).map(plan).collect::<Result<Vec<_>, ScoreError>>()?;
        let train_labels = [splits.train.labels(), splits.valid.labels()].concat();
        Ok(Self { encoders, train_labels, prior })
    }

    fn members(&self) -> Vec<Member> {
        let member = |(plan, weight_seed): &(Plan, Seed)| Member { net: plan.net().clone(), weight_seed: *weight_seed };
        self.encoders.iter().map(member).collect()
    }
}

impl RowSource for PriorRows {
    fn identity(&self) -> String {
        let others: String = self.members().iter().skip(1).map(beside).collect();
        let (plan, seed) = &self.encoders[0];
        format!("embedding of {}{others}; {}", plan.net(), self.prior.describe_rows(&format!("weights {}", seed.0)))
    }

    fn encoder(&self) -> String {
        let (plan, seed) = &self.encoders[0];
        let manifest = self.prior.manifest(plan, *seed, &StoreRequest::npy(""));
        encoder_of(&Manifest { members: self.members(), ..manifest })
    }

    fn classes(&self) -> u32 {
        self.prior.splits().classes()
    }

    fn features(&self, input: Input) -> Option<usize> {
        match input {
            Input::Embedding => {
                let features = self.encoders.iter().map(|(plan, _)| plan.features());
                Some(usize::try_from(features.fold(0, u64::saturating_add)).unwrap_or(usize::MAX))
            }
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
        let zeros = |count: usize| {
            let mut rows = Vec::new();
            rows.try_reserve_exact(count.saturating_mul(features)).map_err(|_| ScoreError::OutOfMemory {
                net: self.encoders[0].0.net().to_string(),
                reason: format!("{count} rows of {features} features do not fit the memory"),
            })?;
            rows.resize(count * features, 0.0);
            Ok::<_, ScoreError>(rows)
        };
        // Encoders have what all rows leave of the budget.
        let kept = 4 * (self.train_labels.len() + splits.test.len()) as u64;
        let budget = self.prior.config().memory_budget.saturating_sub(kept.saturating_mul(features as u64));
        let (mut train, mut test) = (zeros(self.train_labels.len())?, zeros(splits.test.len())?);
        let mut first = 0;
        for (plan, seed) in &self.encoders {
            let columns = usize::try_from(plan.features()).unwrap_or(usize::MAX);
            let mut next = [train.chunks_exact_mut(features), test.chunks_exact_mut(features)];
            self.prior.embed_within(budget, plan.net(), draw_seed(*seed, draw), &mut |split, block| {
                let rows = &mut next[usize::from(split == SplitName::Test)];
                for (values, row) in block.chunks_exact(columns).zip(rows) {
                    row[first..first + columns].copy_from_slice(values);
                }
                Ok::<_, ScoreError>(())
            })?;
            first += columns;
        }
        Ok(Arc::new(Features { features, train, test }))
    }
}

/// A further encoder of an ensemble.
fn beside(member: &Member) -> String {
    format!(" beside {} by {}", member.net, member.weight_seed.0)
}

/// Everything that decides how an image becomes a row.
fn encoder_of(manifest: &Manifest) -> String {
    let Manifest { net, engine, weight_seed, members, init, norm, data_fingerprint, .. } = manifest;
    let others: String = members.iter().skip(1).map(beside).collect();
    let images = norm.calibration_images.or(norm.batch_size).map_or_else(String::new, |n| format!(" on {n} images"));
    // Normalisation is frozen on images of the data set.
    let data =
        if norm.mode == NormMode::None.to_string() { String::new() } else { format!("; data {data_fingerprint}") };
    let norm = format!("{} {:?}{images}", norm.mode, norm.epsilon);
    format!("embedding of {net} by {engine}; weights {weight_seed}{others}; init {init}; norm {norm}{data}")
}
