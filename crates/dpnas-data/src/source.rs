//! Sources of data sets.

use crate::cifar::Cifar;
use crate::idx_files::IdxFiles;
use crate::{DataError, DataSet, Known, LimitOrder, SyntheticConfig, digits, files, kind, synthetic};
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::str::FromStr;

/// Largest number of classes without a training image.
pub(crate) const MAX_UNTRAINED: usize = 1000;

/// The names that [`Source`] parses; everything else is a path.
pub(crate) fn names() -> String {
    let known = Known::ALL.map(Known::name);
    ["digits"].iter().chain(&known).chain(&["synthetic"]).copied().collect::<Vec<_>>().join(", ")
}

/// Source of a data set.
///
/// Parses from `digits`, `synthetic` (that is [`SyntheticConfig::small`]), the name of a [`Known`] set, or a path: a text
/// with a path separator or the name of something that exists.
///
/// # Source
/// SPEC §12.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// The 1,797 UCI digits inside the crate, 1x8x8: 1,442 training and 355 test images. Of each class, in the order
    /// of the original file, every fifth image is a test image.
    Digits,
    /// Synthetic images.
    Synthetic(SyntheticConfig),
    /// A well-known set, in its [folder](Known::folder).
    Known(Known),
    /// A folder, whose kind follows from its content, or one of CIFAR's archives:
    ///
    /// - The IDX files of MNIST's names, each plain or with `.gz`: `train-images-idx3-ubyte`,
    ///   `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, or EMNIST's such as
    ///   `emnist-letters-test-images-idx3-ubyte`. The classes are 0 to the largest label of both parts.
    /// - CIFAR's binary form: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, or `train.bin` and
    ///   `test.bin`; or the folder or the archive that has them, under their original names.
    /// - `train_images.npy`, `train_labels.npy`, `test_images.npy`, `test_labels.npy`, or `x_train.npy` and so on:
    ///   unsigned bytes, or floating-point numbers from 0 to 1, as `[n, h, w]`, `[n, h, w, c]` or `[n, c, h, w]`.
    /// - Images as `train/CLASS/*` and `test/CLASS/*`. Without `test`, the folder `val`, `valid` or `validation` is
    ///   used; with it, they are ignored. Or images as `CLASS/*`: in each class, in the order of the names, every fifth
    ///   image is then a test image. Classes are numbered in the order of their names, and the order of images takes
    ///   one of each class in turn. If at least one image has colours (a palette counts), all get three channels.
    ///   Transparency is dropped.
    ///
    /// Output of this project's programs in the folder is ignored.
    Path(PathBuf),
}

/// Orientation of a set's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// As they are in the files.
    Stored,
    /// Rows and columns swapped, which turns the images of EMNIST upright.
    Transposed,
}

/// Settings of loading a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// The folder of the known sets.
    pub data_dir: PathBuf,
    /// These classes alone, numbered from 0 in this order; `None` takes all.
    pub classes: Option<Vec<u32>>,
    /// Largest number of training images; `None` takes all.
    pub limit_train: Option<usize>,
    /// Choice of these training images.
    pub limit_order: LimitOrder,
    /// Whether images are transposed.
    pub orientation: Orientation,
    /// Side of the square images, in pixels. `None` does not resize, which is an error if the images of a folder have
    /// different sizes.
    pub size: Option<u32>,
}

impl LoadConfig {
    /// All images, unchanged; known sets from the folder `data`; limits balanced with seed 0.
    pub fn standard() -> Self {
        Self {
            data_dir: "data".into(),
            classes: None,
            limit_train: None,
            limit_order: LimitOrder::Balanced(Seed(0)),
            orientation: Orientation::Stored,
            size: None,
        }
    }
}

impl Source {
    /// Reads the data set into memory, without limit or resizing.
    ///
    /// # Errors
    /// [`DataError`], which names the file at fault.
    pub fn load(&self) -> Result<DataSet, DataError> {
        self.load_with(&LoadConfig::standard())
    }

    /// Reads the data set into memory: of the chosen classes, limited, then transposed, then [resized](crate::ImageSet::resized).
    ///
    /// # Errors
    /// [`DataError`], which names the file at fault, or for a folder of images all files at fault.
    pub fn load_with(&self, config: &LoadConfig) -> Result<DataSet, DataError> {
        let mut data = match self {
            Self::Digits => digits::load()?,
            Self::Synthetic(config) => synthetic::generate(config)?,
            Self::Known(known) => load_known(*known, config)?,
            Self::Path(path) => kind::load(path, config)?,
        };
        if let Some(classes) = &config.classes {
            data = data.of_classes(classes)?;
        }
        if let Some(limit) = config.limit_train {
            data = data.limit_train(limit, config.limit_order);
        }
        if config.orientation == Orientation::Transposed {
            data = data.transposed();
        }
        if let Some(size) = config.size {
            data = data.resized(size)?;
        }
        match data.untrained().as_slice() {
            [first, others @ ..] if others.len() >= MAX_UNTRAINED => Err(DataError::Untrained {
                source_name: self.to_string(),
                class: data.train.class_names().get(*first as usize).cloned().unwrap_or_default(),
                more: others.len(),
            }),
            _ => Ok(data),
        }
    }
}

/// Reads exactly the files that [`Known::files`] lists.
fn load_known(known: Known, config: &LoadConfig) -> Result<DataSet, DataError> {
    let (path, name) = (known.folder(&config.data_dir), known.name().to_owned());
    for file in known.files() {
        if !files::exists(&path.join(file.name))? {
            let files = known.files().iter().map(|file| file.name).collect();
            return Err(DataError::NotFetched { name: known.name(), path, files });
        }
    }
    let data = match known {
        Known::Mnist | Known::FashionMnist => IdxFiles::compressed(&path).load(&path, name)?,
        Known::Cifar10 => Cifar::Ten.load_archive(&path.join(Cifar::Ten.archive()), name)?,
        Known::Cifar100 => Cifar::Hundred.load_archive(&path.join(Cifar::Hundred.archive()), name)?,
    };
    match known.class_names() {
        Some(names) => data.with_class_names(names),
        None => Ok(data),
    }
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "digits" => Ok(Self::Digits),
            "synthetic" => Ok(Self::Synthetic(SyntheticConfig::small())),
            text => match Known::named(text) {
                Some(known) => Ok(Self::Known(known)),
                None if text.contains(path::is_separator) || Path::new(text).exists() => Ok(Self::Path(text.into())),
                None => Err(DataError::UnknownSource { name: text.to_owned() }),
            },
        }
    }
}

/// Prints the name or path that parses to the source. Settings of synthetic data are left out.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::Synthetic(_) => f.write_str("synthetic"),
            Self::Known(known) => known.fmt(f),
            Self::Path(path) if path.to_string_lossy().contains(path::is_separator) => write!(f, "{}", path.display()),
            Self::Path(path) => write!(f, ".{}{}", path::MAIN_SEPARATOR, path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_parse_and_print() {
        assert_eq!("digits".parse::<Source>().unwrap(), Source::Digits);
        assert_eq!("synthetic".parse::<Source>().unwrap(), Source::Synthetic(SyntheticConfig::small()));
        for known in Known::ALL {
            let source: Source = known.name().parse().unwrap();
            assert_eq!(source, Source::Known(known));
            assert_eq!(source.to_string(), known.name());
        }
        for path in ["./mnist", "./digits", "/no/such/folder", "a/b", "./"] {
            let source: Source = path.parse().unwrap();
            assert_eq!(source, Source::Path(path.into()));
            assert_eq!(source.to_string(), path);
        }
    }

    #[test]
    fn an_existing_folder_needs_no_separator() {
        let source: Source = "src".parse().unwrap(); // tests run in the crate's folder
        assert_eq!(source, Source::Path("src".into()));
        assert_eq!(source.to_string(), "./src");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        assert_eq!(
            "digitz".parse::<Source>().unwrap_err().to_string(),
            "unknown data set `digitz`: known names are digits, mnist, fashion-mnist, cifar10, cifar100, synthetic; a folder \
             is given by its path, for example ./digitz"
        );
        assert!(matches!("".parse::<Source>(), Err(DataError::UnknownSource { .. })));
    }
}
