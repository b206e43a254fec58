//! `manifest.json`: content and origin of a stored embedding.

use super::error::StoreError;
use super::hashes::Hashes;
use super::{Layout, SplitName};
use crate::hex::hex;
use dpnas_grammar::Net;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The format that this version writes, and the newest format that it reads.
pub const MANIFEST_FORMAT: u32 = 1;

pub(crate) const FILE_NAME: &str = "manifest.json";

/// The field `kind` of every manifest. It tells a manifest from other JSON files.
const KIND: &str = "dpnas embedding";

/// Content and origin of a stored embedding.
///
/// The file `manifest.json` has these fields after three others: `kind` is always `dpnas embedding`, `format` is
/// [`MANIFEST_FORMAT`], `dtype` is always `float32`. A reader refuses a newer format and ignores unknown fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The program and the version that wrote the embedding.
    pub program: String,
    /// File layout.
    pub layout: Layout,
    /// Features per row.
    pub features: usize,
    /// Rows of each split.
    pub rows: RowCounts,
    /// Names of the classes: label `l` means `class_names[l]`.
    pub class_names: Vec<String>,
    /// The architecture, in canonical form.
    pub net: String,
    /// The seed of the weights.
    pub weight_seed: u64,
    /// The encoders of an ensemble, whose rows are side by side in this order; `net` and `weight_seed` are those of the
    /// first. Empty, and not in the file, for a single encoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// Initialisation of the weights.
    pub init: String,
    /// How activations were normalised.
    pub norm: NormRecord,
    /// Device and precision that computed the rows.
    pub engine: String,
    /// Name of the data set.
    pub data: String,
    /// Fingerprint of images, labels and order of the three splits.
    pub data_fingerprint: String,
    /// Channels, height and width of the images.
    pub image: [u32; 3],
    /// Every setting of the program that wrote the embedding; `null` if there was none.
    pub settings: Value,
    /// SHA-256 of each file by its path in the folder. The writer fills it in; earlier versions had none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: Hashes,
    /// SHA-256 of the manifest's text with this field empty. The writer fills it in.
    #[serde(default)]
    pub digest: String,
}

/// One encoder of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Member {
    /// Its architecture.
    pub net: Net,
    /// The seed of its weights.
    pub weight_seed: Seed,
}

/// Rows of each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows of `train`.
    pub train: usize,
    /// Rows of `val`.
    pub val: usize,
    /// Rows of `test`.
    pub test: usize,
}

impl RowCounts {
    /// Rows of one split.
    pub fn of(&self, split: SplitName) -> usize {
        match split {
            SplitName::Train => self.train,
            SplitName::Val => self.val,
            SplitName::Test => self.test,
        }
    }
}

/// How activations were normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormRecord {
    /// `calibrated`, `reference` or `none`.
    pub mode: String,
    /// The ε added to variances.
    pub epsilon: f64,
    /// Largest number of training images that calibrated it; `null` unless `calibrated`.
    pub calibration_images: Option<usize>,
    /// Size of a mini-batch; `null` unless `reference`.
    pub batch_size: Option<usize>,
}

/// A manifest in its file.
#[derive(Serialize)]
struct Document<'a> {
    kind: &'a str,
    format: u32,
    dtype: &'a str,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// Fields that mark a manifest, in every format.
#[derive(Deserialize)]
struct Mark {
    kind: String,
    format: u32,
    #[serde(default)]
    dtype: String,
    #[serde(default)]
    program: String,
}

impl Manifest {
    /// A manifest of this version without rows; the caller fills in the other fields.
    pub fn of(net: &Net) -> Self {
        Self {
            program: format!("dpnas {}", env!("CARGO_PKG_VERSION")),
            layout: Layout::Npy,
            features: 0,
            rows: RowCounts::default(),
            class_names: Vec::new(),
            net: net.to_string(),
            weight_seed: 0,
            members: Vec::new(),
            init: String::new(),
            norm: NormRecord { mode: "none".to_owned(), epsilon: 0.0, calibration_images: None, batch_size: None },
            engine: String::new(),
            data: String::new(),
            data_fingerprint: String::new(),
            image: [0; 3],
            settings: Value::Null,
            files: Hashes::new(),
            digest: String::new(),
        }
    }

    /// Reads the manifest in the folder of a stored embedding.
    ///
    /// # Errors
    /// [`StoreError::NotAnEmbedding`] if there is none, [`StoreError::NewerFormat`], [`StoreError::Damaged`] if it is
    /// invalid, or [`StoreError::Io`].
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let Some((text, mark)) = read_mark(folder)? else {
            return Err(StoreError::NotAnEmbedding { path: folder.to_owned() });
        };
        if mark.format > MANIFEST_FORMAT {
            let (found, supported, program) = (mark.format, MANIFEST_FORMAT, mark.program);
            return Err(StoreError::NewerFormat { path, found, supported, program });
        }
        let damaged = |found: String, expected: &str| StoreError::damaged(&path, found, expected);
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string(), "every field of a manifest"))?;
        if mark.dtype != DTYPE {
            return Err(damaged(format!("rows of {}", mark.dtype), "rows of float32"));
        }
        if manifest.features == 0 {
            return Err(damaged("0 features".to_owned(), "at least one"));
        }
        Ok(manifest)
    }

    /// The digest of a manifest with this text.
    pub(crate) fn digest_of(&self, text: &str) -> String {
        let without = if self.digest.is_empty() { text.to_owned() } else { text.replacen(&self.digest, "", 1) };
        hex(&Sha256::digest(without))
    }

    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let document = Document { kind: KIND, format: MANIFEST_FORMAT, dtype: DTYPE, manifest: self };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

const DTYPE: &str = "float32";

/// Whether a folder is a stored embedding, of any format.
pub(crate) fn is_embedding(folder: &Path) -> Result<bool, StoreError> {
    Ok(read_mark(folder)?.is_some())
}

/// The text of the manifest and its mark; `None` if the file is missing or not a manifest.
fn read_mark(folder: &Path) -> Result<Option<(String, Mark)>, StoreError> {
    let path = folder.join(FILE_NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidData) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    let mark = serde_json::from_str::<Mark>(&text).ok().filter(|mark| mark.kind == KIND);
    Ok(mark.map(|mark| (text, mark)))
}
