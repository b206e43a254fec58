//! The groups that several jobs share.

use crate::bytes::{self, AUTO};
use crate::options::group::option_group;
use anyhow::{Context, Result};
use dpnas::Head;
use std::path::{Path, PathBuf};

option_group! {
    /// The data set, and the seed of everything that is random.
    DataOptions, DataFlags, "Data";

    /// Seed of everything that is random [default: 0]
    #[arg(value_name = "N")]
    seed: u64 = 0;
    /// `digits` (inside the program), `mnist`, `fashion-mnist`, `cifar10`, `cifar100` (fetched on first use),
    /// `synthetic`, or a folder of IDX files, CIFAR's binary files, .npy files or images per class [default: digits]
    #[arg(value_name = "NAME|PATH")]
    dataset: String = "digits".to_owned();
    /// Folder of fetched data sets, with a folder for each [default: data]
    #[arg(value_name = "DIR")]
    data_dir: String = "data".to_owned();
    /// Fetch nothing; list missing files and their places instead
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    offline: bool = false;
    /// Fetch from this folder on the web instead of the known ones
    #[arg(value_name = "URL")]
    mirror: Option<String> = None;
    /// Side of the square images after resizing [default: 28; digits and synthetic keep their own size]
    #[arg(value_name = "PIXELS")]
    patch_size: Option<u32> = None;
    /// Use three channels, equal for gray images; without this option colours become gray
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    rgb: bool = false;
    /// Swap rows and columns of the images, which turns those of EMNIST upright
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    transpose: bool = false;
    /// Use the images of these classes alone, such as 0,3,4; they are numbered from 0 in this order [default: all]
    #[arg(value_name = "LABEL,…")]
    classes: Option<String> = None;
    /// Use at most N training images; 0 takes all [default: 0]
    #[arg(value_name = "N")]
    limit_train: usize = 0;
    /// Which images these are: `balanced` (random by the seed, as many of each class) or `first` [default: balanced]
    #[arg(value_name = "NAME")]
    limit_order: String = "balanced".to_owned();
}

option_group! {
    /// The frozen random encoder.
    EncoderOptions, EncoderFlags, "Encoder";

    /// kaiming-normal, kaiming-uniform, xavier-normal, xavier-uniform or orthogonal [default: kaiming-normal]
    #[arg(value_name = "NAME")]
    init: String = "kaiming-normal".to_owned();
    /// `per-search` gives all architectures the weights of one seed; `per-candidate` derives a seed for each from the
    /// seed and its text [default: per-search]
    #[arg(value_name = "NAME")]
    draw: String = "per-search".to_owned();
    /// Source of normalisation statistics: calibrated, reference (mini-batches) or none [default: calibrated]
    #[arg(value_name = "NAME")]
    norm: String = "calibrated".to_owned();
    /// ε of the normalisation; 0 switches it off [default: 0.0001]
    #[arg(value_name = "EPS", allow_negative_numbers = true)]
    batch_norm: f64 = 1e-4;
    /// Largest number of training images that calibrate the normalisation [default: 1024]
    #[arg(value_name = "N")]
    calibration_images: usize = 1024;
}

option_group! {
    /// The classifier and its training.
    ClassifierOptions, ClassifierFlags, "Classifier";

    /// `adam`: softmax regression, the reward is the validation accuracy; `ridge`: closed form without a held-out part, the
    /// reward is the leave-one-out accuracy, and the other options of the classifier have no effect; or `auto`: adam, but in
    /// a search ridge with at most 5,000 training images, if no other option of the classifier is given, nothing is trained in
    /// full, no earlier run continued, and the schedule is not `paper` [default: auto]
    #[arg(value_name = "NAME")]
    head: String = AUTO.to_owned();
    /// Epochs of the classifier [default: 70]
    #[arg(value_name = "N")]
    epochs: u32 = 70;
    /// Mini-batch of the classifier [default: 128]
    #[arg(value_name = "N")]
    batch_size: usize = 128;
    /// Learning rate of Adam [default: 0.001]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    learning_rate: f64 = 1e-3;
    /// L2 factor that Adam adds to the gradient [default: 0]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    weight_decay: f64 = 0.0;
    /// Dropout before the classifier [default: 0]
    #[arg(value_name = "P")]
    drop_out: f64 = 0.0;
    /// Validation accuracy below which training stops early [default: 0.15]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    early_stopping_thresh: f64 = 0.15;
    /// Epoch of that check [default: 10]
    #[arg(value_name = "N")]
    early_stopping_epoch: u32 = 10;
}

option_group! {
    /// Device, memory and folders. Only device and precision change a result.
    ResourceOptions, ResourceFlags, "Device, memory and folders";

    /// `cpu` (own kernels), `cudnn` or `cudnn:N` (NVIDIA GPU, with --precision bf16), `flex` or `ndarray` (burn, CPU), `cuda` or
    /// `cuda:N` (burn, built with --features cuda) [default: cpu]
    #[arg(value_name = "NAME")]
    device: String = "cpu".to_owned();
    /// Number type of encoders: f32, or bf16 with f32 sums (devices `cpu` and `cudnn`) [default: f32]
    #[arg(value_name = "NAME")]
    precision: String = "f32".to_owned();
    /// CPU threads; 0 for all cores. Changes no result [default: 0]
    #[arg(value_name = "N")]
    threads: usize = 0;
    /// Memory for scoring, beside the images and the program, or `auto`: half of the free memory at the start, within
    /// the limits of a container. Changes no result, but leaves out an architecture that does not fit one image at a
    /// time [default: auto]
    #[arg(value_name = "SIZE|auto")]
    memory_budget: String = "auto".to_owned();
    /// Largest number of images computed at once. Changes no result [default: 256]
    #[arg(value_name = "N")]
    chunk: usize = 256;
    /// Folder of the runs [default: runs]
    #[arg(value_name = "DIR")]
    runs: String = "runs".to_owned();
    /// Folder of embeddings for later runs, or `off`. Changes no result [default: `cache` in the folder of the runs]
    #[arg(value_name = "DIR|off")]
    cache: Option<String> = None;
    /// Largest size of that folder [default: 2GiB]
    #[arg(value_name = "SIZE")]
    cache_budget: String = "2GiB".to_owned();
}

impl ClassifierOptions {
    /// What classifies. `auto` is Adam; a search decides before.
    ///
    /// # Errors
    /// If its name is unknown.
    pub fn head(&self) -> Result<Head> {
        if self.head == AUTO { Ok(Head::Adam) } else { self.head.parse().context("head") }
    }
}

impl ResourceOptions {
    /// Options that may change when a run is resumed, because no result depends on them, or only how far a search goes. The
    /// data set may have moved; its fingerprint is checked.
    pub const RESUMABLE: [&str; 11] = [
        "threads",
        "memory-budget",
        "chunk",
        "cache",
        "cache-budget",
        "dataset",
        "data-dir",
        "embedding",
        "offline",
        "mirror",
        "time",
    ];

    /// The options with the memory budget as `auto:SIZE`: what `auto` is now, so that settings do not depend on the memory that
    /// is free later, unless a run goes on where less is free.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        if self.memory_budget == bytes::AUTO {
            self.memory_budget = format!("{}{}", bytes::CHOSEN, bytes::mebibytes(dpnas::auto_memory_budget()));
        }
        self
    }

    /// The folder that keeps embeddings; `None` if there is none.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        match self.cache.as_deref() {
            Some("off") => None,
            Some(folder) => Some(folder.into()),
            None => Some(Path::new(&self.runs).join("cache")),
        }
    }
}
