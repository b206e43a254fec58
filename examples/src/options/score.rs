//! The options of scoring.

use super::embed::rows_of_ensemble;
use super::group::option_group;
use super::job::{Job, job, options_of_run, run};
use super::{
    ClassifierFlags, ClassifierOptions, DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags,
    ResourceOptions, SearchFlags, SearchOptions, TrainingFlags, TrainingOptions,
};
use crate::progress::eprintln;
use anyhow::{Context, Result, bail, ensure};
use dpnas::{Head, RunFolder, Target, fixed_nets, read_replay_buffer, target_of_row};
use std::fs::File;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

option_group! {
    /// Architectures to score, and the number of draws.
    ChoiceOptions, ChoiceFlags, "What to score";

    /// One architecture; takes precedence over --replay-buffer
    #[arg(value_name = "STR")]
    net: Option<String> = None;
    /// Replay buffer of this or the published program, or run folder of a search, whose settings then hold here, too:
    /// scores the 6 lowest, 6 around the middle and the 6 highest by reward
    #[arg(value_name = "CSV|RUN")]
    replay_buffer: Option<String> = None;
    /// Only this row of the replay buffer, counted from 0
    #[arg(value_name = "N")]
    index: Option<usize> = None;
    /// ensemble.json of the program `ensemble` or of `search --ensemble`, instead of --net: its members together are one
    /// prior under a ridge regression; data set and encoder are those of its search
    #[arg(value_name = "FILE")]
    ensemble: Option<String> = None;
    /// Draws of the weights of each architecture; draw 0 has the weights of a search with the same seed [default: 1]
    #[arg(value_name = "K")]
    draws: u32 = 1;
}

option_group! {
    /// Stored embeddings for other programs.
    KeptOptions, KeptFlags, "Embeddings";

    /// Store the embedding of each scored random encoder: in this folder if there is one, else each in its folder
    /// `net-NN-draw-K` there
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

run!(ScoreOptions, "score", "scores.jsonl");

impl Job for ScoreOptions {
    type Flags = ScoreFlags;

    fn resolved(mut self) -> Result<Self> {
        self.resources = self.resources.resolved();
        if self.choice.ensemble.is_some() {
            self.check_ensemble()?;
            self.classifier.head = Head::Ridge.to_string();
        }
        self.classifier.head = self.classifier.head()?.to_string();
        Ok(self)
    }

    /// Data set, encoder, classifier and device of the search whose run folder is the replay buffer.
    fn inherited(given: &Table) -> Result<Table> {
        let run = given.get("replay-buffer").and_then(Value::as_str).map(Path::new).filter(|path| path.is_dir());
        let (Some(run), false) = (run, given.contains_key("net")) else { return rows_of_ensemble(given) };
        let search = search_of(run)?;
        let mut table = Table::try_from(&search.classifier)?;
        table.extend(rows_of_search(search)?);
        eprintln(&format!("data set, encoder and classifier as in {}, unless options say otherwise", run.display()));
        Ok(table)
    }
}

impl ScoreOptions {
    /// Refuses options that an ensemble cannot have.
    fn check_ensemble(&self) -> Result<()> {
        let Self { choice, classifier, training, embedding, .. } = self;
        let named = choice.net.is_some() || choice.replay_buffer.is_some() || choice.index.is_some();
        ensure!(!named, "ensemble: it names the architectures; leave --net, --replay-buffer and --index out");
        ensure!(!training.full_training, "ensemble: its members are random encoders; leave --full-training out");
        ensure!(
            embedding.store_embedding.is_none(),
            "store-embedding: store the rows of an ensemble with `embed --ensemble`"
        );
        let ridge = ClassifierOptions { head: classifier.head.clone(), ..ClassifierOptions::default() };
        ensure!(
            *classifier == ridge && (ridge == ClassifierOptions::default() || ridge.head()? == Head::Ridge),
            "ensemble: its classifier is a ridge regression; leave the options of Adam out"
        );
        Ok(())
    }
}

/// The options of a search by its run folder.
pub(super) fn search_of(run: &Path) -> Result<SearchOptions> {
    options_of_run(&SearchFlags::default(), &RunFolder::open(run)?)
}

/// Data set, encoder and device of a search.
pub(super) fn rows_of_search(search: SearchOptions) -> Result<Table> {
    let mut table = Table::try_from(&search.data)?;
    table.extend(Table::try_from(&search.encoder)?);
    table.insert("device".to_owned(), search.resources.device.into());
    table.insert("precision".to_owned(), search.resources.precision.into());
    Ok(table)
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
                "nothing to score: give an architecture with --net, the replay buffer or run of a search with \
                 --replay-buffer, or its ensemble.json with --ensemble"
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
