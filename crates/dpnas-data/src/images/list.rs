//! Listing the files of each class.

use super::{BadImage, FolderError, decode};
use crate::files::{self, Entry};
use crate::{DataError, Warning};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names, in lower case, of folders with training images, test images and validation images. None of them is a class.
const TRAIN: [&str; 2] = ["train", "training"];
pub(super) const TEST: [&str; 2] = ["test", "testing"];
pub(super) const VALID: [&str; 3] = ["val", "valid", "validation"];

/// Extensions of images, supported or not. Other files are recognised by their first bytes.
const ENDINGS: [&str; 29] = [
    "apng", "avif", "bmp", "dib", "gif", "heic", "heif", "ico", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "pbm",
    "pcx", "pgm", "png", "pnm", "ppm", "psd", "qoi", "raw", "svg", "tga", "tif", "tiff", "webp", "xbm",
];

/// Folder layout of a set of images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layout {
    /// A folder of training images and one of test images, each with a folder per class. Other folders are ignored.
    Parts { train: PathBuf, test: PathBuf, left_out: Vec<PathBuf> },
    /// A folder per class.
    Whole,
}

impl Layout {
    /// The layout of a folder; `None` if it holds no images.
    pub(crate) fn find(entries: &[Entry]) -> Result<Option<Self>, DataError> {
        let (parts, others): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().filter(|entry| entry.is_folder()).partition(|entry| is_part(entry));
        let mut left_out = Vec::new();
        for entry in &others {
            if holds_images(&entry.path)? {
                left_out.push(entry.path.clone());
            }
        }
        let mut found = !left_out.is_empty();
        for entry in &parts {
            found = found || holds_images(&entry.path)? || holds_classes(&entry.path)?;
        }
        let part = |names: &[&str]| match parts.iter().filter(|entry| is_named(entry, names)).collect::<Vec<_>>()[..] {
            [] => Ok(None),
            [part] if holds_images(&part.path)? && !holds_classes(&part.path)? => Err(FolderError::Flat.at(&part.path)),
            [part] => Ok(Some(part.path.clone())),
            [first, second, ..] => Err(FolderError::Twice { other: first.path.clone() }.at(&second.path)),
        };
        match parts.first() {
            _ if !found => Ok(None),
            None => Ok(Some(Self::Whole)),
            Some(first) => {
                let train = part(&TRAIN)?.ok_or_else(|| FolderError::NoTrain.at(&first.path))?;
                let test = if let Some(test) = part(&TEST)? { Some(test) } else { part(&VALID)? };
                let test = test.ok_or_else(|| FolderError::NoTest.at(&train))?;
                Ok(Some(Self::Parts { train, test, left_out }))
            }
        }
    }
}

/// Whether a folder is named like a part of a set.
fn is_part(entry: &Entry) -> bool {
    [&TRAIN[..], &TEST, &VALID].iter().any(|names| is_named(entry, names))
}

fn is_named(entry: &Entry, names: &[&str]) -> bool {
    entry.name.to_str().is_some_and(|name| names.contains(&name.to_ascii_lowercase().as_str()))
}

/// Whether a folder has an image directly in it.
fn holds_images(folder: &Path) -> Result<bool, DataError> {
    Ok(files::list_leniently(folder)?.iter().any(is_image))
}

/// Whether a folder has a folder with images in it.
fn holds_classes(folder: &Path) -> Result<bool, DataError> {
    let mut found = false;
    for entry in files::list_leniently(folder)?.into_iter().filter(Entry::is_folder) {
        found = found || holds_images(&entry.path)?;
    }
    Ok(found)
}

/// Whether a file is an image, by its name or else by its first bytes.
pub(crate) fn is_image(entry: &Entry) -> bool {
    let by_name = ENDINGS.contains(&entry.ending().as_str());
    by_name || entry.is_file() && !entry.is_companion() && decode::is_image(&entry.path)
}

/// A file and its class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Labelled {
    pub(super) path: PathBuf,
    pub(super) label: u32,
}

/// The files of each class, by name, in the order of their names.
pub(super) struct Classes {
    folder: PathBuf,
    names: Vec<OsString>,
    files: Vec<Vec<Labelled>>,
    /// The warning about files outside the classes.
    pub(super) warning: Option<Warning>,
}

impl Classes {
    /// Lists the classes, which are the folders in `folder` in the order of their names. Every file in them counts as
    /// an image, except companions.
    pub(super) fn list(folder: &Path, bad: &mut Vec<BadImage>) -> Result<Self, DataError> {
        let (mut names, mut files) = (Vec::new(), Vec::new());
        let entries = files::list(folder)?;
        for class in entries.iter().filter(|entry| entry.is_folder()) {
            if is_part(class) {
                return Err(FolderError::Reserved.at(&class.path));
            }
            let label = names.len() as u32;
            let mut of_class = Vec::new();
            for entry in files::list_leniently(&class.path)? {
                if entry.is_folder() {
                    let problem = "is a folder; images lie directly in the folder of their class".to_owned();
                    bad.push(BadImage { path: entry.path, problem });
                } else if !entry.is_companion() {
                    of_class.push(Labelled { path: entry.path, label });
                }
            }
            names.push(class.name.clone());
            files.push(of_class);
        }
        let mut beside = entries.iter().filter(|entry| !entry.is_folder() && !entry.is_companion());
        let first = beside.next().map(|entry| entry.path.clone());
        let warning = first.map(|file| Warning::Beside { file, more: beside.count() });
        Ok(Self { folder: folder.to_owned(), names, files, warning })
    }

    /// The names of the classes as text.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| files::text(name)).collect()
    }

    /// The same files with the labels of `other`, whose classes must include these.
    pub(super) fn numbered_as(mut self, other: &Self) -> Result<Self, DataError> {
        for (class, files) in self.names.iter().zip(&mut self.files) {
            let Some(label) = other.names.iter().position(|name| name == class) else {
                return Err(FolderError::UnknownClass.at(&self.folder.join(class)));
            };
            files.iter_mut().for_each(|file| file.label = label as u32);
        }
        Ok(self)
    }

    /// The files, each class in turn.
    pub(super) fn in_turns(self) -> Vec<Labelled> {
        let longest = self.files.iter().map(Vec::len).max().unwrap_or(0);
        (0..longest).flat_map(|at| self.files.iter().filter_map(move |files| files.get(at)).cloned()).collect()
    }

    /// Training and test files: of each class, one in `every` is a test file.
    pub(super) fn split(mut self, every: usize) -> (Vec<Labelled>, Vec<Labelled>) {
        let mut test = Self { folder: PathBuf::new(), names: Vec::new(), files: Vec::new(), warning: None };
        for files in &mut self.files {
            let (of_test, of_train): (Vec<_>, Vec<_>) =
                files.drain(..).enumerate().partition(|(at, _)| (at + 1) % every == 0);
            files.extend(of_train.into_iter().map(|(_, file)| file));
            test.files.push(of_test.into_iter().map(|(_, file)| file).collect());
        }
        (self.in_turns(), test.in_turns())
    }
}
