//! Training and test images with their labels.

use crate::set::numbered_classes;
use crate::{DataError, DataSet, ImageSet};
use dpnas_grammar::ImageShape;
use std::path::Path;

/// One part of a set, with one label per image.
pub(crate) struct Part {
    pub(crate) shape: ImageShape,
    pub(crate) pixels: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

/// A file and the number of its entries.
pub(crate) type Counted<'a> = (&'a Path, usize);

/// Checks that both files of a part have the same number of entries.
pub(crate) fn check_counts(
    (images_path, images): Counted<'_>,
    (labels_path, labels): Counted<'_>,
) -> Result<(), DataError> {
    if images == labels {
        return Ok(());
    }
    let (images_path, labels_path) = (images_path.to_owned(), labels_path.to_owned());
    Err(DataError::CountMismatch { images_path, images, labels_path, labels })
}

/// Makes a set of two parts. The classes are 0 to the largest label of both, with or without images.
pub(crate) fn join(folder: &Path, name: String, train: Part, test: Part) -> Result<DataSet, DataError> {
    if train.shape != test.shape {
        return Err(DataError::SplitShapes { path: folder.to_owned(), train: train.shape, test: test.shape });
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let class_names = numbered_classes(largest + 1);
    let into_set = |part: Part| ImageSet::new(part.shape, part.pixels, part.labels, class_names.clone());
    Ok(DataSet::new(name, into_set(train)?, into_set(test)?))
}
