//! Which files belong to which class.

use super::BadImage;
use crate::DataError;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of files that are read, whatever their case.
pub(crate) const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];
/// Endings of images that are not read: passing over them would leave out part of a set.
const UNSUPPORTED: [&str; 11] = ["avif", "gif", "heic", "jp2", "pgm", "pnm", "ppm", "svg", "tif", "tiff", "webp"];
/// Names of a folder with test images, the first that is there counts.
pub(crate) const TEST_FOLDERS: [&str; 4] = ["test", "val", "valid", "validation"];

/// How the images of a set are divided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layout {
    /// Into two folders with a folder per class each.
    Parts { train: PathBuf, test: PathBuf },
    /// Not at all: a folder per class.
    Whole,
}

/// A file and its class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) label: u32,
}

/// The files of each class, by name, in the order of their names.
pub(super) struct Classes {
    folder: PathBuf,
    pub(super) names: Vec<String>,
    files: Vec<Vec<Entry>>,
}

impl Classes {
    /// The classes are the folders in `folder`, in the order of their names; files beside them and hidden ones are
    /// passed over.
    pub(super) fn list(folder: &Path, bad: &mut Vec<BadImage>) -> Result<Self, DataError> {
        let (mut names, mut files) = (Vec::new(), Vec::new());
        for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let label = names.len() as u32;
            let mut of_class = Vec::new();
            for path in entries(&class)? {
                let ending = ending(&path);
                if path.is_dir() {
                    let problem = "is a folder; images lie directly in the folder of their class".to_owned();
                    bad.push(BadImage { path, problem });
                } else if ENDINGS.contains(&ending.as_str()) {
                    of_class.push(Entry { path, label });
                } else if UNSUPPORTED.contains(&ending.as_str()) {
                    let problem = format!("is a {ending} file, which is not read; convert it to PNG");
                    bad.push(BadImage { path, problem });
                }
            }
            if of_class.is_empty() && !bad.iter().any(|bad| bad.path.starts_with(&class)) {
                return Err(DataError::EmptyClass { path: class });
            }
            names.push(name(&class));
            files.push(of_class);
        }
        Ok(Self { folder: folder.to_owned(), names, files })
    }

    /// The same files with the labels of other classes, of which they may have only some.
    pub(super) fn renumbered(mut self, names: &[String]) -> Result<Self, DataError> {
        for (class, files) in self.names.iter().zip(&mut self.files) {
            let Some(label) = names.iter().position(|name| name == class) else {
                return Err(DataError::UnknownClass { path: self.folder.join(class) });
            };
            files.iter_mut().for_each(|entry| entry.label = label as u32);
        }
        Ok(self)
    }

    /// The files, each class in turn, so that the first so many have all classes.
    pub(super) fn in_turns(self) -> Vec<Entry> {
        let longest = self.files.iter().map(Vec::len).max().unwrap_or(0);
        (0..longest).flat_map(|at| self.files.iter().filter_map(move |files| files.get(at)).cloned()).collect()
    }

    /// Training and test files: of each class, every `every`-th is a test file.
    pub(super) fn split(mut self, every: usize) -> (Vec<Entry>, Vec<Entry>) {
        let mut test = Self { folder: self.folder.clone(), names: self.names.clone(), files: Vec::new() };
        for files in &mut self.files {
            let (of_test, of_train): (Vec<_>, Vec<_>) =
                files.drain(..).enumerate().partition(|(at, _)| (at + 1) % every == 0);
            files.extend(of_train.into_iter().map(|(_, entry)| entry));
            test.files.push(of_test.into_iter().map(|(_, entry)| entry).collect());
        }
        (self.in_turns(), test.in_turns())
    }
}

/// Whether a folder in `folder` has an image directly in it.
pub(crate) fn holds_images(folder: &Path) -> bool {
    let is_image = |path: &PathBuf| {
        let ending = ending(path);
        ENDINGS.contains(&ending.as_str()) || UNSUPPORTED.contains(&ending.as_str())
    };
    let classes = entries(folder).unwrap_or_default().into_iter().filter(|path| path.is_dir());
    classes.into_iter().any(|class| entries(&class).unwrap_or_default().iter().any(is_image))
}

/// What a folder holds, in the order of the names, without hidden entries.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let open = |error| DataError::Open { path: folder.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(open)? {
        let path = entry.map_err(open)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn ending(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}
