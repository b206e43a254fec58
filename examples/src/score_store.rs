//! Stores the embeddings of the scored draws.

use crate::options::ScoreOptions;
use crate::row_progress::RowProgress;
use anyhow::{Context, Result, ensure};
use dpnas::data::DataSet;
use dpnas::store::{Layout, Manifest, StoredEmbedding};
use dpnas::{DeepPrior, DrawOutcome, EmbedError, ScoreError, ScoringJob, ScoringReport, StoreRequest, Training};
use std::path::PathBuf;

/// The place of a scoring run's embeddings.
pub struct ScoreStore {
    folder: PathBuf,
    layout: Layout,
    /// One architecture under one draw is stored in the folder itself.
    single: bool,
}

impl ScoreStore {
    /// The place that the options name, if they name one.
    ///
    /// # Errors
    /// If the layout is unknown, or given without a place.
    pub fn of(options: &ScoreOptions, job: &ScoringJob) -> Result<Option<Self>> {
        let options = &options.embedding;
        let Some(folder) = &options.store_embedding else {
            ensure!(options.layout.is_none(), "layout: nothing is stored; add --store-embedding DIR, or leave it out");
            return Ok(None);
        };
        let layout = options.layout.as_deref().unwrap_or("npy").parse().context("layout")?;
        Ok(Some(Self { folder: folder.into(), layout, single: job.targets.len() == 1 && job.draws == 1 }))
    }

    /// Refuses a place that exists already.
    ///
    /// # Errors
    /// If a file or folder has the place of an embedding.
    pub fn check_free(&self, job: &ScoringJob) -> Result<()> {
        let places = (0..job.targets.len()).flat_map(|target| (0..job.draws).map(move |draw| (target, draw)));
        for (target, draw) in places {
            let path = self.place(target, draw);
            ensure!(!path.exists(), "store-embedding: {} exists already: choose another folder", path.display());
        }
        Ok(())
    }

    /// Stores the embedding of each scored draw of a random encoder, unless that is done already. Returns their places;
    /// `None` if it was interrupted.
    ///
    /// # Errors
    /// If an embedding cannot be computed or stored, or its place is taken.
    pub fn store(
        &self,
        prior: &DeepPrior,
        report: &ScoringReport,
        data: &DataSet,
        options: &ScoreOptions,
    ) -> Result<Option<Vec<PathBuf>>> {
        let request = StoreRequest {
            layout: self.layout,
            settings: serde_json::to_value(options)?,
            ..StoreRequest::npy(&data.name)
        };
        let scored = |draw: &&DrawOutcome| draw.training == Training::Random && draw.score().is_some();
        let mut stored = Vec::new();
        for draw in report.draws.iter().filter(scored) {
            let (net, path) = (&report.job.targets[draw.target].net, self.place(draw.target, draw.draw));
            let same =
                |manifest: &Manifest| manifest.layout == self.layout && prior.would_store(net, draw.seed, manifest);
            if !StoredEmbedding::open(&path).is_ok_and(|embedding| same(embedding.manifest())) {
                let progress = RowProgress::new(data.train.len() + data.test.len());
                let result = prior.store_embedding(net, draw.seed, &path, &request, &mut |rows| progress.add(rows));
                match result {
                    Err(EmbedError::Score(ScoreError::Interrupted)) => return Ok(None),
                    result => result.map(|_| ())?,
                }
            }
            stored.push(path);
        }
        Ok(Some(stored))
    }

    fn place(&self, target: usize, draw: u32) -> PathBuf {
        match self.single {
            true => self.folder.clone(),
            false => self.folder.join(format!("net-{target:02}-draw-{draw}")),
        }
    }
}
