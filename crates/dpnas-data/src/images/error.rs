//! Errors of the files and folders of a set of images.

use super::list::{TEST, VALID};
use crate::DataError;
use std::path::{Path, PathBuf};

/// A file that cannot be used as an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Why a folder does not fit a set of images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder has images instead of folders of classes.
    #[error("holds images directly; a folder per class is needed, for example CLASS/1.png in it")]
    Flat,
    /// The folder is named like a part of a set, but there is no folder of training images.
    #[error("has the name of a part of a data set, but there is no `train` beside it; add that, or rename it")]
    NoTrain,
    /// The folder of training images has no sibling with test images.
    #[error(
        "there is none of {}, {} beside it; add one, or give this folder itself, of which every fifth image then tests",
        TEST.join(", "), VALID.join(", ")
    )]
    NoTest,
    /// Another folder is named like the same part of the set.
    #[error("has the name of the same part of a data set as {}; rename or move one", other.display())]
    Twice {
        /// The other folder.
        other: PathBuf,
    },
    /// The folder of a class is named like a part of a set.
    #[error("has the name of a part of a data set, not of a class; move its content one level up, or rename it")]
    Reserved,
    /// The folder has test images of a class without a folder of training images.
    #[error("there is no class of this name among the training images; rename or remove it")]
    UnknownClass,
    /// There are no training images or no test images.
    #[error(
        "{train} training and {test} test images; expected at least one of each: without a test part every fifth image of a \
         class tests, so a class needs five"
    )]
    FewImages {
        /// Training images.
        train: usize,
        /// Test images.
        test: usize,
    },
}

impl FolderError {
    /// The error of this folder.
    pub(crate) fn at(self, path: &Path) -> DataError {
        DataError::Folder { path: path.to_owned(), problem: self }
    }
}
