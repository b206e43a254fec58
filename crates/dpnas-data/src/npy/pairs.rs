//! Four `.npy` files: images and labels to train on, images and labels to test on.

use super::{Kind, NpyArray, NpyError};
use crate::set::{buffer, numbered_classes};
use crate::{DataError, DataSet, ImageSet};
use dpnas_grammar::ImageShape;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The names that a pair of pairs may have: training images and labels, then test images and labels.
pub(crate) const NAMES: [[&str; 4]; 3] = [
    ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"],
    ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"],
    ["X_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"],
];

/// Reads the four files of these names; the classes are 0 to the largest label of both parts.
pub(crate) fn load(folder: &Path, names: [&str; 4], name: String) -> Result<DataSet, DataError> {
    let [train_images, train_labels, test_images, test_labels] = names.map(|name| folder.join(name));
    let train = Part::read(&train_images, &train_labels)?;
    let test = Part::read(&test_images, &test_labels)?;
    if train.shape != test.shape {
        return Err(DataError::SplitShapes { path: folder.to_owned(), train: train.shape, test: test.shape });
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let class_names = numbered_classes(largest + 1);
    let into_set = |part: Part| ImageSet::new(part.shape, part.pixels, part.labels, class_names.clone());
    Ok(DataSet { name, train: into_set(train)?, test: into_set(test)? })
}

struct Part {
    shape: ImageShape,
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

impl Part {
    fn read(images_path: &Path, labels_path: &Path) -> Result<Self, DataError> {
        let labels = labels(&read(labels_path)?).map_err(at(labels_path))?;
        let array = read(images_path)?;
        let layout = Layout::of(&array).map_err(at(images_path))?;
        if layout.images != labels.len() {
            return Err(DataError::CountMismatch {
                images_path: images_path.to_owned(),
                images: layout.images,
                labels_path: labels_path.to_owned(),
                labels: labels.len(),
            });
        }
        let mut pixels = buffer(layout.shape, layout.images)?;
        layout.pixels(&array, &mut pixels).map_err(at(images_path))?;
        Ok(Self { shape: layout.shape, pixels, labels })
    }
}

fn read(path: &Path) -> Result<NpyArray, DataError> {
    let file = File::open(path).map_err(|error| DataError::Open { path: path.to_owned(), error })?;
    NpyArray::read(BufReader::with_capacity(1 << 16, file)).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(NpyError) -> DataError {
    move |problem| DataError::Npy { path: path.to_owned(), problem }
}

fn labels(array: &NpyArray) -> Result<Vec<u32>, NpyError> {
    let count = match array.header.shape[..] {
        [count] | [count, 1] => count as usize,
        _ => return Err(array.shape_error("[n]: one whole number an image, not one-hot rows")),
    };
    if array.element.kind == Kind::Float {
        return Err(array.type_error("whole numbers"));
    }
    let label = |index| {
        let label = array.element.integer(array.element(index));
        u16::try_from(label).map(u32::from).map_err(|_| NpyError::Label { index, label })
    };
    (0..count).map(label).collect()
}

/// Where the numbers of an image lie.
struct Layout {
    images: usize,
    shape: ImageShape,
    /// Distances of neighbouring images, channels, rows and columns, in elements.
    strides: [usize; 4],
}

impl Layout {
    /// Three dimensions are `[n, h, w]`. Four are `[n, h, w, c]` or `[n, c, h, w]`, where `c` is the one of the two that
    /// is 1 or 3; if both are or neither is, the channels cannot be told.
    fn of(array: &NpyArray) -> Result<Self, NpyError> {
        const CLEAR: &str = "[n, h, w], [n, h, w, c] or [n, c, h, w], where c is 1 or 3 and the other of the two places \
                             is neither";
        const CHANNELS: [u64; 2] = [1, 3];
        let strides = array.strides();
        let ([images, channels, height, width], strides) = match (&array.header.shape[..], &strides[..]) {
            (&[n, h, w], &[of_n, of_h, of_w]) => ([n, 1, h, w], [of_n, 0, of_h, of_w]),
            (&[n, a, b, c], &[of_n, of_a, of_b, of_c]) => match (CHANNELS.contains(&a), CHANNELS.contains(&c)) {
                (true, false) => ([n, a, b, c], [of_n, of_a, of_b, of_c]),
                (false, true) => ([n, c, a, b], [of_n, of_c, of_a, of_b]),
                _ => return Err(array.shape_error(CLEAR)),
            },
            _ => return Err(array.shape_error(CLEAR)),
        };
        // Each size is at most 2^30, as their product is.
        let shape = ImageShape { channels: channels as u32, height: height as u32, width: width as u32 };
        Ok(Self { images: images as usize, shape, strides })
    }

    /// Appends all pixels, row-major `[n, c, h, w]`.
    fn pixels(&self, array: &NpyArray, pixels: &mut Vec<f32>) -> Result<(), NpyError> {
        let pixel: &dyn Fn(usize) -> f32 = match (array.element.kind, array.element.size) {
            (Kind::Unsigned, 1) => &|at| f32::from(array.bytes[at]) / 255.0,
            (Kind::Float, _) => &|at| array.element.float(array.element(at)),
            _ => {
                return Err(
                    array.type_error("unsigned bytes (`|u1`) or floating-point numbers from 0 to 1 (`<f4`, `<f8`)")
                );
            }
        };
        let [of_image, of_channel, of_row, of_column] = self.strides;
        let ImageShape { channels, height, width } = self.shape;
        for image in 0..self.images {
            for channel in 0..channels as usize {
                for row in 0..height as usize {
                    let start = image * of_image + channel * of_channel + row * of_row;
                    for column in 0..width as usize {
                        let value = pixel(start + column * of_column);
                        if !(0.0..=1.0).contains(&value) {
                            return Err(NpyError::Pixel { image, value });
                        }
                        pixels.push(value);
                    }
                }
            }
        }
        Ok(())
    }
}
