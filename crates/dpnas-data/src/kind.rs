//! Detecting the kind of data set in a folder by its content.

use crate::cifar::Cifar;
use crate::files::{self, Entry};
use crate::idx_files::IdxFiles;
use crate::images::{self, FolderError, Layout};
use crate::{DataError, DataSet, LoadConfig, npy};
use std::fs;
use std::path::{Path, PathBuf};

/// A kind of data set, and its files.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Idx(IdxFiles),
    CifarFolder(Cifar, PathBuf),
    CifarArchive(Cifar, PathBuf),
    Npy([&'static str; 4]),
    Images(Layout),
}

/// Supported files, for the message if none is found.
pub(crate) const LOOKED_FOR: [&str; 5] = [
    "IDX: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may \
     end in .gz), or such names of EMNIST",
    "CIFAR-10: data_batch_1.bin to data_batch_5.bin and test_batch.bin, or cifar-10-binary.tar.gz",
    "CIFAR-100: train.bin and test.bin, or cifar-100-binary.tar.gz",
    "numpy: train_images.npy, train_labels.npy, test_images.npy, test_labels.npy, or x_train.npy, y_train.npy, \
     x_test.npy, y_test.npy",
    "images: train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png (also JPEG and BMP)",
];
/// Number of names in that message.
const SHOWN: usize = 10;

/// Reads the data set at a path: a folder, or an archive of CIFAR.
pub(crate) fn load(path: &Path, config: &LoadConfig) -> Result<DataSet, DataError> {
    if !files::exists(path)? {
        return Err(DataError::NotFound { path: path.to_owned() });
    }
    let name = name_of(path);
    let kind = if path.is_dir() {
        let entries = files::list(path)?;
        let mut kinds = kinds(path, &entries)?;
        match (kinds.pop(), kinds.pop()) {
            (Some(kind), None) => kind,
            (Some(second), Some(first)) => {
                return Err(DataError::SeveralSets { path: path.to_owned(), kinds: [first.name(), second.name()] });
            }
            (None, _) if entries.iter().any(images::is_image) => {
                return Err(FolderError::Flat.at(path));
            }
            (None, _) => {
                let found = entries.iter().take(SHOWN).map(|entry| files::text(&entry.name)).collect();
                return Err(DataError::NoDataSet {
                    path: path.to_owned(),
                    found,
                    more: entries.len().saturating_sub(SHOWN),
                });
            }
        }
    } else {
        let archive = |cifar: &Cifar| path.file_name().is_some_and(|name| name == cifar.archive());
        match Cifar::ALL.into_iter().find(archive) {
            Some(cifar) => Kind::CifarArchive(cifar, path.to_owned()),
            None => return Err(DataError::NotAFolder { path: path.to_owned() }),
        }
    };
    match kind {
        Kind::Idx(files) => files.load(path, name),
        Kind::CifarFolder(cifar, folder) => cifar.load_folder(&folder, name),
        Kind::CifarArchive(cifar, archive) => cifar.load_archive(&archive, name),
        Kind::Npy(names) => npy::load(path, names, name),
        Kind::Images(layout) => images::load(path, &layout, name, config),
    }
}

impl Kind {
    fn name(&self) -> String {
        match self {
            Self::Idx(files) => files.name(),
            Self::CifarFolder(Cifar::Ten, _) | Self::CifarArchive(Cifar::Ten, _) => "CIFAR-10".to_owned(),
            Self::CifarFolder(Cifar::Hundred, _) | Self::CifarArchive(Cifar::Hundred, _) => "CIFAR-100".to_owned(),
            Self::Npy(_) => "numpy files".to_owned(),
            Self::Images(_) => "folders of images".to_owned(),
        }
    }
}

/// Every kind of which the folder has at least one file. For CIFAR, files go before a folder, and a folder before an
/// archive.
fn kinds(path: &Path, entries: &[Entry]) -> Result<Vec<Kind>, DataError> {
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let mut kinds: Vec<Kind> = IdxFiles::find(entries)?.into_iter().map(Kind::Idx).collect();
    for cifar in Cifar::ALL {
        if cifar.image_files().any(has) {
            kinds.push(Kind::CifarFolder(cifar, path.to_owned()));
        } else if has(cifar.folder()) {
            kinds.push(Kind::CifarFolder(cifar, path.join(cifar.folder())));
        } else if has(cifar.archive()) {
            kinds.push(Kind::CifarArchive(cifar, path.join(cifar.archive())));
        }
    }
    // `y_train.npy` belongs to two sets of names.
    let count = |names: &[&str; 4]| names.iter().filter(|name| has(name)).count();
    let best = npy::NAMES.iter().max_by_key(|names| (count(names), names[0] != "X_train.npy"));
    if let Some(names) = best.filter(|names| count(names) > 0) {
        let missing: Vec<String> = names.iter().filter(|name| !has(name)).map(|name| name.to_string()).collect();
        if !missing.is_empty() {
            let looked_for = names.map(str::to_owned).to_vec();
            return Err(DataError::MissingFiles { path: path.to_owned(), looked_for, missing });
        }
        kinds.push(Kind::Npy(*names));
    }
    kinds.extend(Layout::find(entries)?.map(Kind::Images));
    Ok(kinds)
}

/// The last part of a path, for display.
fn name_of(path: &Path) -> String {
    let name = fs::canonicalize(path).ok().and_then(|path| Some(files::text(path.file_name()?)));
    name.unwrap_or_else(|| path.display().to_string())
}
