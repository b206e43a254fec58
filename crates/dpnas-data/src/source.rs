//! Where a data set comes from.

use crate::{DataError, DataSet, SyntheticConfig, digits, folder, synthetic};
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::str::FromStr;

/// The names that [`Source`] parses; everything else is a path.
pub(crate) const NAMES: [&str; 2] = ["digits", "synthetic"];

/// Where a data set comes from.
///
/// Parses from `digits`, `synthetic` (that is [`SyntheticConfig::small`]), or the path of a folder: a text with a path
/// separator or the name of an existing folder.
///
/// # Source
/// SPEC §12.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The 1,797 UCI digits inside the crate, 1x8x8: 1,442 training and 355 test images. Of each class, in the order
    /// of the original file, every fifth image is a test image.
    Digits,
    /// Images that are made up.
    Synthetic(SyntheticConfig),
    /// A folder with the IDX files of MNIST's names, each plain or with `.gz`: `train-images-idx3-ubyte`,
    /// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`. The classes are 0 to the largest
    /// label of both parts.
    Path(PathBuf),
}

impl Source {
    /// Brings the data set into memory.
    ///
    /// # Errors
    /// [`DataError`], naming the file at fault.
    pub fn load(&self) -> Result<DataSet, DataError> {
        match self {
            Self::Digits => digits::load(),
            Self::Synthetic(config) => synthetic::generate(config),
            Self::Path(path) => folder::load(path),
        }
    }
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "digits" => Ok(Self::Digits),
            "synthetic" => Ok(Self::Synthetic(SyntheticConfig::small())),
            text if text.contains(path::is_separator) || Path::new(text).is_dir() => Ok(Self::Path(text.into())),
            name => Err(DataError::UnknownSource { name: name.to_owned() }),
        }
    }
}

/// The name or path that parses to the source; of synthetic data the name alone.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::Synthetic(_) => f.write_str("synthetic"),
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
        for path in ["./digits", "/no/such/folder", "a/b", "./"] {
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
            "unknown data set `digitz`: known names are digits, synthetic; a folder of IDX files is given by its path, \
             for example ./digitz"
        );
        assert!(matches!("".parse::<Source>(), Err(DataError::UnknownSource { .. })));
    }
}
