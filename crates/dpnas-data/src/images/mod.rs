//! Images in a folder per class.

mod decode;
mod list;

pub(crate) use list::{Layout, TEST_FOLDERS, holds_images};

use crate::resize::Scaler;
use crate::set::buffer;
use crate::{DataError, DataSet, ImageSet, LoadConfig};
use decode::{Found, look, pixels};
use dpnas_grammar::ImageShape;
use list::{Classes, Entry};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Of folders without a test part, every so many images of a class, in the order of their names, is a test image.
const TEST_EVERY: usize = 5;

/// A file that is no image, or not one that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads the data set of a folder, see [`Source::Path`](crate::Source::Path).
///
/// Every file is looked at before the first is decoded, and all that cannot be used are reported together.
pub(crate) fn load(path: &Path, layout: &Layout, name: String, config: &LoadConfig) -> Result<DataSet, DataError> {
    let mut bad = Vec::new();
    let (classes, train, test) = match layout {
        Layout::Parts { train, test } => {
            let train = Classes::list(train, &mut bad)?;
            let test = Classes::list(test, &mut bad)?.renumbered(&train.names)?;
            let (names, train) = (train.names.clone(), train.in_turns());
            (names, train, test.in_turns())
        }
        Layout::Whole => {
            let all = Classes::list(path, &mut bad)?;
            let names = all.names.clone();
            let (train, test) = all.split(TEST_EVERY);
            (names, train, test)
        }
    };
    let limit = config.limit_train.unwrap_or(usize::MAX).min(train.len());
    let train = &train[..limit];
    if (train.is_empty() || test.is_empty()) && bad.is_empty() {
        return Err(DataError::FewImages { path: path.to_owned(), train: train.len(), test: test.len() });
    }

    let mut seen = Vec::new();
    for entry in train.iter().chain(&test) {
        match look(&entry.path) {
            Ok(found) => seen.push((found, &entry.path)),
            Err(problem) => bad.push(BadImage { path: entry.path.clone(), problem }),
        }
    }
    let channels = if seen.iter().any(|(found, _)| found.color) { 3 } else { 1 };
    let shape = match (config.size, seen.first()) {
        (Some(size), _) => ImageShape::square(channels, size),
        (None, Some((Found { width, height, .. }, _))) => ImageShape { channels, height: *height, width: *width },
        (None, None) => ImageShape::square(channels, 1), // all are bad
    };
    let other = seen.iter().find(|(found, _)| (found.width, found.height) != (shape.width, shape.height));
    if let (None, Some((_, first)), Some((_, other))) = (config.size, seen.first(), other) {
        return Err(DataError::MixedSizes { first: first.to_path_buf(), other: other.to_path_buf() });
    }
    let train = part(train, shape, &classes, &mut bad)?;
    let test = part(&test, shape, &classes, &mut bad)?;
    match (train, test) {
        (Some(train), Some(test)) if bad.is_empty() => Ok(DataSet { name, train, test }),
        _ => Err(DataError::BadImages { path: path.to_owned(), bad }),
    }
}

/// One part of the set, or `None` if one of its images is bad.
fn part(
    entries: &[Entry],
    shape: ImageShape,
    classes: &[String],
    bad: &mut Vec<BadImage>,
) -> Result<Option<ImageSet>, DataError> {
    // Files that were found to be bad from the outside are not decoded, and make no second complaint.
    let known: BTreeSet<PathBuf> = bad.iter().map(|bad| bad.path.clone()).collect();
    let before = bad.len();
    let mut all = buffer(shape, entries.len())?;
    let mut scaler = Scaler::new();
    let mut labels = Vec::with_capacity(entries.len());
    for Entry { path, label } in entries.iter().filter(|entry| !known.contains(&entry.path)) {
        match pixels(path, shape.channels) {
            Ok((from, image)) if from == shape => all.extend_from_slice(&image),
            Ok((from, image)) => scaler.scale(&image, from, shape, &mut all)?,
            Err(problem) => bad.push(BadImage { path: path.clone(), problem }),
        }
        labels.push(*label);
    }
    if bad.len() > before || labels.len() < entries.len() {
        return Ok(None);
    }
    ImageSet::new(shape, all, labels, classes.to_vec()).map(Some)
}
