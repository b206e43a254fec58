//! The options of scoring.

use super::group::option_group;
use super::job::{Job, job};
use super::{
    ClassifierFlags, ClassifierOptions, DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags,
    ResourceOptions, TrainingFlags, TrainingOptions,
};
use crate::session::Scoring;
use anyhow::{Context, Result, bail, ensure};
use dpnas::{RunFolder, Target, fixed_nets, read_replay_buffer, target_of_row};
use std::fs::File;
use std::path::PathBuf;

option_group! {
    /// Which architectures are scored, and how often.
    ChoiceOptions, ChoiceFlags, "What to score";

    /// One architecture; wins over --replay-buffer
    #[arg(value_name = "STR")]
    net: Option<String> = None;
    /// Architectures of a search, a run folder or a replay buffer of either program: the 6 lowest, 6 around the middle
    /// and the 6 highest by reward
    #[arg(value_name = "CSV|RUN")]
    replay_buffer: Option<String> = None;
    /// Only this row of the replay buffer, counted from 0
    #[arg(value_name = "N")]
    index: Option<usize> = None;
    /// Draws of the weights of each architecture; draw 0 has the weights of a search with the same seed [default: 1]
    #[arg(value_name = "K")]
    draws: u32 = 1;
}

option_group! {
    /// Where embeddings are kept for other programs.
    KeptOptions, KeptFlags, "Embeddings";

    /// Store the embedding of each scored random encoder: in this folder if it is one, else in a folder
    /// `net-NN-draw-K` in it for each
    #[arg(value_name = "DIR")]
    store_embedding: Option<String> = None;
    /// `npy`, `folder` or `safetensors`, see `embed --help`; only with --store-embedding [default: npy]
    #[arg(value_name = "NAME")]
    layout: Option<String> = None;
}

job! {
    /// Every option of scoring.
    ScoreOptions, ScoreFlags;

    /// What is scored.
    choice: ChoiceOptions, ChoiceFlags;
    /// The data set.
    data: DataOptions, DataFlags;
    /// The encoder.
    encoder: EncoderOptions, EncoderFlags;
    /// The classifier.
    classifier: ClassifierOptions, ClassifierFlags;
    /// Full training.
    training: TrainingOptions, TrainingFlags;
    /// Device, memory and folders.
    resources: ResourceOptions, ResourceFlags;
    /// Embeddings for other programs.
    embedding: KeptOptions, KeptFlags;
}

impl ScoreOptions {
    /// What decides how an architecture is scored.
    pub fn scoring(&self) -> Scoring<'_> {
        let Self { data, encoder, classifier, training, resources, .. } = self;
        Scoring { data, encoder, classifier, training, resources }
    }
}

impl Job for ScoreOptions {
    type Flags = ScoreFlags;

    const RESUMABLE: &[&str] = &ResourceOptions::RESUMABLE;

    fn resolved(mut self) -> Result<Self> {
        self.resources = self.resources.resolved();
        self.version = Self::default().version;
        Ok(self)
    }

    fn to_toml(&self) -> Result<String> {
        self.text()
    }
}

impl ChoiceOptions {
    /// The architectures that the options name.
    ///
    /// # Errors
    /// If they name none, or a file, row or architecture cannot be read.
    pub fn targets(&self) -> Result<Vec<Target>> {
        ensure!(
            self.index.is_none() || (self.net.is_none() && self.replay_buffer.is_some()),
            "index: it is a row of a replay buffer; give one with --replay-buffer, without --net"
        );
        match (&self.net, &self.replay_buffer) {
            (Some(net), _) => Ok(vec![Target::given(net.parse()?)]),
            (None, Some(path)) => self.of_replay_buffer(PathBuf::from(path)),
            (None, None) => bail!(
                "nothing to score: give an architecture with --net, or the replay buffer or run of a search with \
                 --replay-buffer"
            ),
        }
    }

    fn of_replay_buffer(&self, path: PathBuf) -> Result<Vec<Target>> {
        let csv = match path.is_dir() {
            true => RunFolder::open(path)?.file("replay_buffer.csv"),
            false => path,
        };
        let file = File::open(&csv).with_context(|| format!("cannot open {}", csv.display()))?;
        let rows = read_replay_buffer(file, &csv)?;
        let targets = match self.index {
            Some(index) => target_of_row(&rows, index).map(|target| vec![target]),
            None => fixed_nets(&rows),
        };
        targets.with_context(|| csv.display().to_string())
    }
}
