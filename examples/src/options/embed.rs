//! The options of storing an embedding.

use super::group::option_group;
use super::job::{Job, job};
use super::score::{rows_of_search, search_of};
use super::{DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags, ResourceOptions};
use crate::progress::eprintln;
use anyhow::{Result, ensure};
use std::path::Path;
use toml::{Table, Value};

option_group! {
    /// Architecture and files of an embedding.
    StoredOptions, StoredFlags, "Embedding";

    /// The architecture (required); its FC layers belong to the classifier and change nothing
    #[arg(value_name = "NET", allow_hyphen_values = true)]
    net: Option<String> = None;
    /// ensemble.json of the program `ensemble`, instead of --net: the rows of its members side by side; data
    /// set and encoder are those of its search
    #[arg(value_name = "FILE")]
    ensemble: Option<String> = None;
    /// Seed of the weights, for another draw of them over the same images [default: the seed]
    #[arg(value_name = "N")]
    weight_seed: Option<u64> = None;
    /// `npy` (features.npy and labels.npy for each split), `folder` (a folder for each class, a file for each row:
    /// torchvision's DatasetFolder) or `safetensors` [default: npy]
    #[arg(value_name = "NAME")]
    layout: String = "npy".to_owned();
    /// Mini-batch of --norm reference [default: 128]
    #[arg(value_name = "N")]
    batch_size: usize = 128;
}

job! {
    /// Every option of storing an embedding.
    EmbedOptions, EmbedFlags;

    /// The data set.
    data: DataOptions, DataFlags;
    /// The encoder.
    encoder: EncoderOptions, EncoderFlags;
    /// Device, memory and folders.
    resources: ResourceOptions, ResourceFlags;
    /// The embedding.
    embedding: StoredOptions, StoredFlags;
}

impl Job for EmbedOptions {
    type Flags = EmbedFlags;

    fn inherited(given: &Table) -> Result<Table> {
        rows_of_ensemble(given)
    }

    fn resolved(mut self) -> Result<Self> {
        match self.embedding.ensemble {
            Some(_) => ensure!(
                self.embedding.weight_seed.is_none(),
                "weight-seed: the ensemble names the seed of each member; leave it out"
            ),
            None => drop(self.embedding.weight_seed.get_or_insert(self.data.seed)),
        }
        self.resources = self.resources.resolved();
        Ok(self)
    }
}

/// Data set, encoder and device of the search in whose run folder the ensemble of the given options lies.
pub(super) fn rows_of_ensemble(given: &Table) -> Result<Table> {
    let file = given.get("ensemble").and_then(Value::as_str).map(Path::new);
    let Some(run) = file.and_then(Path::parent).filter(|run| run.join("settings.toml").is_file()) else {
        return Ok(Table::new());
    };
    let table = rows_of_search(search_of(run)?)?;
    eprintln(&format!("data set and encoder as in {}, unless options say otherwise", run.display()));
    Ok(table)
}
