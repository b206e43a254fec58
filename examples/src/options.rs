//! Options of the jobs: defaults, then a TOML file, then flags.

use anyhow::{Context, Result, bail};
use clap::Args;
use dpnas::search::SpaceSettings;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Every option of a search, with a value. Its TOML form is the run's `settings.toml`, and a `--config` file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the flag of the same name, documented in `Flags`")]
pub struct Options {
    /// The version that wrote the file; free in a `--config` file.
    pub version: String,
    pub seed: u64,
    pub dataset: String,
    pub patch_size: Option<u32>,
    pub rgb: bool,
    pub limit_train: usize,
    pub device: String,
    pub threads: usize,
    pub schedule: String,
    pub q_learning_rate: f64,
    pub q_discount_factor: f64,
    pub replay_number: u32,
    pub min_conv: Option<u32>,
    pub max_conv: Option<u32>,
    pub init: String,
    pub norm: String,
    pub batch_norm: f64,
    pub calibration_images: usize,
    pub epochs: u32,
    pub batch_size: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub drop_out: f64,
    pub early_stopping_thresh: f64,
    pub early_stopping_epoch: u32,
    pub memory_budget: String,
    pub chunk: usize,
    pub runs: String,
    pub cache: Option<String>,
    pub cache_budget: String,
    pub space: SpaceChoice,
}

/// A space by name or file, or spelled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SpaceChoice {
    /// `paper`, `reference-code`, `small`, or a TOML file.
    Named(String),
    /// All values.
    Explicit(SpaceSettings),
}

impl SpaceChoice {
    /// The settings of the space.
    ///
    /// # Errors
    /// If the name is no preset and no readable file, or a value in the file is wrong.
    pub fn settings(&self) -> Result<SpaceSettings> {
        let name = match self {
            Self::Explicit(settings) => return Ok(settings.clone()),
            Self::Named(name) => name,
        };
        if let Some(settings) = SpaceSettings::named(name) {
            return Ok(settings);
        }
        let known = dpnas::search::SPACE_PRESETS.join(", ");
        let text = std::fs::read_to_string(name)
            .with_context(|| format!("`{name}` is neither a space ({known}) nor a readable TOML file"))?;
        SpaceSettings::from_toml(&text).with_context(|| format!("in {name}"))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            dataset: "digits".to_owned(),
            patch_size: None,
            rgb: false,
            limit_train: 0,
            device: "flex".to_owned(),
            threads: 0,
            schedule: "small".to_owned(),
            q_learning_rate: 0.1,
            q_discount_factor: 1.0,
            replay_number: 50,
            min_conv: None,
            max_conv: None,
            init: "kaiming-normal".to_owned(),
            norm: "calibrated".to_owned(),
            batch_norm: 1e-4,
            calibration_images: 1024,
            epochs: 70,
            batch_size: 128,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            drop_out: 0.0,
            early_stopping_thresh: 0.15,
            early_stopping_epoch: 10,
            memory_budget: "2GiB".to_owned(),
            chunk: 256,
            runs: "runs".to_owned(),
            cache: None,
            cache_budget: "2GiB".to_owned(),
            space: SpaceChoice::Named("small".to_owned()),
        }
    }
}

/// The flags of a search; what is not given comes from `--config` or the defaults.
#[derive(Args, Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Flags {
    /// Seed of everything that is random [default: 0]
    #[arg(long, value_name = "N", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// `digits` (inside the program), `synthetic`, or a folder of IDX files with MNIST's names [default: digits]
    #[arg(long, value_name = "NAME|PATH", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<String>,
    /// Side of the square images after resizing [default: 28; digits and synthetic keep their own size]
    #[arg(long, value_name = "PIXELS", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_size: Option<u32>,
    /// Three channels: gray images are repeated
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    rgb: Option<bool>,
    /// Use only the first N training images; 0 takes all [default: 0]
    #[arg(long, value_name = "N", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_train: Option<usize>,
    /// `flex` or `ndarray` (CPU), `cuda` or `cuda:N` (built with --features cuda) [default: flex]
    #[arg(long, value_name = "NAME", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// CPU threads; 0 takes all cores. Changes no result [default: 0]
    #[arg(long, value_name = "N", help_heading = "Data and device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    /// Which ε for how many architectures: `paper` (2,403), `small` (48), or for example 1.0:150,0.5:50,0.0:3
    /// [default: small]
    #[arg(long, value_name = "SCHEDULE", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    /// Step size α of a Q-value update [default: 0.1]
    #[arg(long, value_name = "X", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    q_learning_rate: Option<f64>,
    /// Weight γ of later rewards [default: 1]
    #[arg(long, value_name = "X", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    q_discount_factor: Option<f64>,
    /// Q-value updates after each architecture [default: 50]
    #[arg(long, value_name = "N", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_number: Option<u32>,
    /// Smallest depth, in place of the space's own
    #[arg(long, value_name = "DEPTH", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_conv: Option<u32>,
    /// Largest depth, in place of the space's own
    #[arg(long, value_name = "DEPTH", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_conv: Option<u32>,
    /// What may be built: `paper`, `reference-code`, `small`, or a TOML file [default: small]
    #[arg(long, value_name = "NAME|FILE", help_heading = "Search")]
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    /// kaiming-normal, kaiming-uniform, xavier-normal, xavier-uniform or orthogonal [default: kaiming-normal]
    #[arg(long, value_name = "NAME", help_heading = "Encoder")]
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<String>,
    /// Where normalisation statistics come from: calibrated, reference (mini-batches) or none [default: calibrated]
    #[arg(long, value_name = "NAME", help_heading = "Encoder")]
    #[serde(skip_serializing_if = "Option::is_none")]
    norm: Option<String>,
    /// ε of the normalisation; 0 switches it off [default: 0.0001]
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, help_heading = "Encoder")]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_norm: Option<f64>,
    /// Training images that calibrate the normalisation, at most [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Encoder")]
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration_images: Option<usize>,
    /// Epochs of the classifier [default: 70]
    #[arg(long, value_name = "N", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<u32>,
    /// Mini-batch of the classifier [default: 128]
    #[arg(long, value_name = "N", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    /// Learning rate of Adam [default: 0.001]
    #[arg(long, value_name = "X", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    /// L2 factor that Adam adds to the gradient [default: 0]
    #[arg(long, value_name = "X", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    /// Dropout before the classifier [default: 0]
    #[arg(long, value_name = "P", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_out: Option<f64>,
    /// Validation accuracy below which training stops early [default: 0.15]
    #[arg(long, value_name = "X", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    early_stopping_thresh: Option<f64>,
    /// Epoch after which that is looked at [default: 10]
    #[arg(long, value_name = "N", help_heading = "Classifier")]
    #[serde(skip_serializing_if = "Option::is_none")]
    early_stopping_epoch: Option<u32>,
    /// Memory for activations [default: 2GiB]
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_budget: Option<String>,
    /// Images computed at once, at most. Changes no result [default: 256]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<usize>,
    /// Folder of the runs [default: runs]
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<String>,
    /// Folder that keeps embeddings for later runs, or `off`. Changes no result [default: `cache` in the
    /// folder of the runs]
    #[arg(long, value_name = "DIR|off", help_heading = "Resources")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<String>,
    /// Size of that folder, at most [default: 2GiB]
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_budget: Option<String>,
}

/// What may change when a run is resumed: nothing that a result depends on.
const RESUMABLE: [&str; 5] = ["threads", "memory-budget", "chunk", "cache", "cache-budget"];

impl Flags {
    /// Defaults, then the file, then the flags.
    ///
    /// # Errors
    /// An unknown key or a wrong type in the file, by name.
    pub fn options(&self, config: Option<&Path>) -> Result<Options> {
        let mut table = toml::Table::try_from(Options::default())?;
        if let Some(path) = config {
            table.extend(read_table(path)?);
        }
        table.extend(toml::Table::try_from(self)?);
        let options: Options = table.try_into().map_err(|error: toml::de::Error| match config {
            Some(path) => anyhow::anyhow!("{}: {}", path.display(), error.message()),
            None => anyhow::anyhow!("{}", error.message()),
        })?;
        options.resolved()
    }

    /// The options of an earlier run, with flags that change no result.
    ///
    /// # Errors
    /// If a flag would change a result, or the run's settings cannot be read.
    pub fn options_of_run(&self, folder: &dpnas::RunFolder) -> Result<Options> {
        let flags = toml::Table::try_from(self)?;
        if let Some(flag) = flags.keys().find(|flag| !RESUMABLE.contains(&flag.as_str())) {
            let allowed = RESUMABLE.map(|name| format!("--{name}")).join(", ");
            bail!("--{flag} cannot change while a run is resumed: its settings.toml decides. Only {allowed} may");
        }
        let path = folder.file("settings.toml");
        let mut table = read_table(&path)?;
        table.extend(flags);
        table.try_into().map_err(|error: toml::de::Error| anyhow::anyhow!("{}: {}", path.display(), error.message()))
    }
}

impl Options {
    /// The space with all its values and the cache with its folder, so that a run's settings do not depend on a preset
    /// or another option.
    fn resolved(mut self) -> Result<Self> {
        let mut space = self.space.settings()?;
        space.min_depth = self.min_conv.take().unwrap_or(space.min_depth);
        space.max_depth = self.max_conv.take().unwrap_or(space.max_depth);
        self.space = SpaceChoice::Explicit(space);
        self.version = env!("CARGO_PKG_VERSION").to_owned();
        let cache = || Path::new(&self.runs).join("cache").display().to_string();
        self.cache = Some(self.cache.take().unwrap_or_else(cache));
        Ok(self)
    }

    /// The TOML text of the options.
    ///
    /// # Errors
    /// If a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string(self)?)
    }
}

/// Keys are checked by name first: a typing error gets the nearest known key.
fn read_table(path: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML file", path.display()))?;
    let known = known_keys();
    if let Some(key) = table.keys().find(|key| !known.contains(key)) {
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)));
        let nearest = nearest.map(String::as_str).unwrap_or_default();
        bail!("{}: unknown key `{key}`; the nearest known one is `{nearest}`", path.display());
    }
    Ok(table)
}

fn known_keys() -> Vec<String> {
    let flags = Flags::augment_args(clap::Command::new("options"));
    let names = flags.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned));
    names.chain(["version".to_owned()]).collect()
}
