//! The options of storing an embedding.

use super::group::option_group;
use super::job::{Job, job};
use super::{DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags, ResourceOptions};
use anyhow::Result;

option_group! {
    /// Architecture and files of an embedding.
    StoredOptions, StoredFlags, "Embedding";

    /// The architecture (required); its FC layers belong to the classifier and change nothing
    #[arg(value_name = "NET", allow_hyphen_values = true)]
    net: Option<String> = None;
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

    fn resolved(mut self) -> Result<Self> {
        self.embedding.weight_seed.get_or_insert(self.data.seed);
        self.resources = self.resources.resolved();
        Ok(self)
    }
}
