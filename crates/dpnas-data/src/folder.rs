//! A folder with the four IDX files of MNIST.

use crate::set::{buffer, numbered_classes};
use crate::{DataError, DataSet, ImageSet, idx};
use dpnas_grammar::ImageShape;
use std::path::{Path, PathBuf};

/// Images and labels of the training part, then those of the test part.
pub(crate) const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Reads the data set in a folder; a pixel value of 255 becomes 1.
///
/// The classes are 0 to the largest label of both parts, whether or not each has an image.
pub(crate) fn load(folder: &Path, name: String) -> Result<DataSet, DataError> {
    load_files(folder, files(folder)?, name)
}

/// Reads exactly the four compressed files.
pub(crate) fn load_compressed(folder: &Path, name: String) -> Result<DataSet, DataError> {
    load_files(folder, NAMES.map(|name| folder.join(format!("{name}.gz"))), name)
}

fn load_files(folder: &Path, files: [PathBuf; 4], name: String) -> Result<DataSet, DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let train = Part::read(&train_images, &train_labels)?;
    let test = Part::read(&test_images, &test_labels)?;
    let (train_shape, test_shape) = (train.shape(), test.shape());
    if train_shape != test_shape {
        return Err(DataError::SplitShapes { path: folder.to_owned(), train: train_shape, test: test_shape });
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let class_names = numbered_classes(u32::from(largest) + 1);
    Ok(DataSet { name, train: train.into_set(255, class_names.clone())?, test: test.into_set(255, class_names)? })
}

/// The bytes of one part of a data set, as many labels as images.
pub(crate) struct Part {
    images: idx::Array<3>,
    labels: Vec<u8>,
}

impl Part {
    fn read(images_path: &Path, labels_path: &Path) -> Result<Self, DataError> {
        Self::new(idx::read_images(images_path)?, idx::read_labels(labels_path)?, images_path, labels_path)
    }

    pub(crate) fn new(
        images: idx::Array<3>,
        labels: Vec<u8>,
        images_path: &Path,
        labels_path: &Path,
    ) -> Result<Self, DataError> {
        let count = images.sizes[0] as usize;
        if count != labels.len() {
            return Err(DataError::CountMismatch {
                images_path: images_path.to_owned(),
                images: count,
                labels_path: labels_path.to_owned(),
                labels: labels.len(),
            });
        }
        Ok(Self { images, labels })
    }

    fn shape(&self) -> ImageShape {
        let [_, height, width] = self.images.sizes;
        ImageShape { channels: 1, height, width }
    }

    /// Divides the pixels by `white`.
    pub(crate) fn into_set(self, white: u8, class_names: Vec<String>) -> Result<ImageSet, DataError> {
        let shape = self.shape();
        let mut pixels = buffer(shape, self.labels.len())?;
        let scaled: [f32; 256] = std::array::from_fn(|value| value as f32 / f32::from(white));
        pixels.extend(self.images.bytes.iter().map(|&byte| scaled[usize::from(byte)]));
        ImageSet::new(shape, pixels, self.labels.into_iter().map(u32::from).collect(), class_names)
    }
}

/// The four files, each plain or, if that is missing, with `.gz`.
fn files(folder: &Path) -> Result<[PathBuf; 4], DataError> {
    let found = NAMES.map(|name| {
        [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.exists()).ok_or(name)
    });
    let missing: Vec<String> =
        found.iter().filter_map(|file| file.as_ref().err()).map(|name| name.to_string()).collect();
    match found {
        [Ok(a), Ok(b), Ok(c), Ok(d)] => Ok([a, b, c, d]),
        _ => Err(DataError::MissingFiles {
            path: folder.to_owned(),
            looked_for: NAMES.map(|name| format!("{name}[.gz]")).to_vec(),
            missing,
        }),
    }
}
