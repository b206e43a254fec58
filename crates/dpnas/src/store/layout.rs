//! File layouts of a stored embedding, and the names of its splits.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// File layout of a stored embedding.
///
/// Prints and parses as `npy`, `folder`, `safetensors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `{split}/features.npy` and `{split}/labels.npy`: the best choice for numpy, which can memory-map the features.
    Npy,
    /// `{split}/{label:06}/{count:06}.npy`, one file per row, for torchvision's `DatasetFolder`. The slowest layout.
    Folder,
    /// `{split}.safetensors` with the tensors `features` and `labels`.
    Safetensors,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 3] = [Self::Npy, Self::Folder, Self::Safetensors];
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Npy => "npy",
            Self::Folder => "folder",
            Self::Safetensors => "safetensors",
        })
    }
}

/// A name that is not a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown layout `{name}`: use npy, folder or safetensors")]
pub struct UnknownLayout {
    /// The name.
    pub name: String,
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(name: &str) -> Result<Self, UnknownLayout> {
        let found = Self::ALL.into_iter().find(|layout| layout.to_string() == name);
        found.ok_or_else(|| UnknownLayout { name: name.to_owned() })
    }
}

/// One of the three splits of a stored embedding.
///
/// Prints as the name of its file or folder: `train`, `val`, `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplitName {
    /// Training images.
    Train,
    /// Validation images, held out from the training images.
    Val,
    /// Test images.
    Test,
}

impl SplitName {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_print_parse_and_stand_in_json_alike() {
        for layout in Layout::ALL {
            assert_eq!(layout.to_string().parse(), Ok(layout));
            assert_eq!(serde_json::to_string(&layout).unwrap(), format!("\"{layout}\""));
        }
        let error = "numpy".parse::<Layout>().unwrap_err();
        assert_eq!(error.to_string(), "unknown layout `numpy`: use npy, folder or safetensors");
    }
}
