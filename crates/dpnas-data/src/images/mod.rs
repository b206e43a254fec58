//! Images in a folder per class.

mod decode;
mod error;
mod jpeg;
mod list;

pub use error::{BadImage, FolderError};
pub(crate) use list::{Layout, is_image};

use crate::resize::Scaler;
use crate::set::buffer;
use crate::{DataError, DataSet, ImageSet, LoadConfig, Warning, limit};
use decode::{Found, look, pixels};
use dpnas_grammar::ImageShape;
use list::{Classes, Labelled};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Without a test folder, one in this many images of each class is a test image, in the order of the names.
const TEST_EVERY: usize = 5;

/// Reads the data set of a folder, see [`Source::Path`](crate::Source::Path).
///
/// The header of every used file is read before the first file is decoded, and all bad files are reported together.
pub(crate) fn load(path: &Path, layout: &Layout, name: String, config: &LoadConfig) -> Result<DataSet, DataError> {
    let mut bad = Vec::new();
    let mut warnings = Vec::new();
    let (classes, mut train, test) = match layout {
        Layout::Parts { train, test, left_out } => {
            if let [folder, others @ ..] = left_out.as_slice() {
                warnings.push(Warning::LeftOut { folder: folder.clone(), more: others.len() });
            }
            let train = Classes::list(train, &mut bad)?;
            let test = Classes::list(test, &mut bad)?.numbered_as(&train)?;
            warnings.extend(train.warning.iter().chain(&test.warning).cloned());
            (train.names(), train.in_turns(), test.in_turns())
        }
        Layout::Whole => {
            let all = Classes::list(path, &mut bad)?;
            warnings.extend(all.warning.clone());
            let names = all.names();
            let (train, test) = all.split(TEST_EVERY);
            (names, train, test)
        }
    };
    // With a choice of classes, all images are read before the limit.
    if let Some(limit) = config.limit_train.filter(|_| config.classes.is_none()) {
        let labels: Vec<u32> = train.iter().map(|file| file.label).collect();
        let chosen = limit::choose(&labels, limit, config.limit_order);
        train = chosen.into_iter().filter_map(|at| train.get(at).cloned()).collect();
    }
    if (train.is_empty() || test.is_empty()) && bad.is_empty() {
        return Err(FolderError::FewImages { train: train.len(), test: test.len() }.at(path));
    }

    let mut seen = Vec::new();
    for file in train.iter().chain(&test) {
        match look(&file.path) {
            Ok(found) => seen.push((found, &file.path)),
            Err(problem) => bad.push(BadImage { path: file.path.clone(), problem }),
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
    let oblong = seen.iter().filter(|(found, _)| found.width != found.height).count();
    if let (Some(size), 1..) = (config.size, oblong) {
        warnings.push(Warning::Stretched { images: oblong, size });
    }
    let train = part(&train, shape, &classes, &mut bad)?;
    let test = part(&test, shape, &classes, &mut bad)?;
    match (train, test) {
        (Some(train), Some(test)) if bad.is_empty() => Ok(DataSet { warnings, ..DataSet::new(name, train, test) }),
        _ => Err(DataError::BadImages { path: path.to_owned(), bad }),
    }
}

/// One part of the set, or `None` if one of its images is bad.
fn part(
    files: &[Labelled],
    shape: ImageShape,
    classes: &[String],
    bad: &mut Vec<BadImage>,
) -> Result<Option<ImageSet>, DataError> {
    // Skip files with a bad header: they are already reported.
    let known: BTreeSet<PathBuf> = bad.iter().map(|bad| bad.path.clone()).collect();
    let before = bad.len();
    let mut all = buffer(shape, files.len())?;
    let mut scaler = Scaler::new();
    let mut labels = Vec::with_capacity(files.len());
    for Labelled { path, label } in files.iter().filter(|file| !known.contains(&file.path)) {
        match pixels(path, shape.channels) {
            Ok((from, image)) if from == shape => all.extend_from_slice(&image),
            Ok((from, image)) => scaler.scale(&image, from, shape, &mut all)?,
            Err(problem) => bad.push(BadImage { path: path.clone(), problem }),
        }
        labels.push(*label);
    }
    if bad.len() > before || labels.len() < files.len() {
        return Ok(None);
    }
    ImageSet::new(shape, all, labels, classes.to_vec()).map(Some)
}
