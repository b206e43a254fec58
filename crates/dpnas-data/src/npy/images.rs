//! Data sets of four `.npy` files: training images and labels, test images and labels.

use super::{NpyArray, NpyError};
use crate::pairs::{self, Part, check_counts};
use crate::set::buffer;
use crate::{DataError, DataSet, files};
use dpnas_grammar::ImageShape;
use std::io::BufReader;
use std::path::Path;

/// The names of the files: training images and labels, then test images and labels.
pub(crate) const NAMES: [[&str; 4]; 3] = [
    ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"],
    ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"],
    ["X_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"],
];
/// A pixel at most this far outside 0 to 1 is clamped. The distance is larger than rounding errors and smaller than an
/// error of scale.
const ROUNDING: f32 = 1e-3;

/// Reads the four files of these names.
pub(crate) fn load(folder: &Path, names: [&str; 4], name: String) -> Result<DataSet, DataError> {
    let [train_images, train_labels, test_images, test_labels] = names.map(|name| folder.join(name));
    let train = part(&train_images, &train_labels)?;
    pairs::join(folder, name, train, part(&test_images, &test_labels)?)
}

fn part(images_path: &Path, labels_path: &Path) -> Result<Part, DataError> {
    let labels = labels(&read(labels_path)?).map_err(at(labels_path))?;
    let array = read(images_path)?;
    let layout = Layout::of(&array).map_err(at(images_path))?;
    check_counts((images_path, layout.images), (labels_path, labels.len()))?;
    let mut pixels = buffer(layout.shape, layout.images)?;
    layout.arrange(&values(array).map_err(at(images_path))?, &mut pixels);
    check_range(&mut pixels, layout.images).map_err(at(images_path))?;
    Ok(Part { shape: layout.shape, pixels, labels })
}

fn read(path: &Path) -> Result<NpyArray, DataError> {
    NpyArray::read(BufReader::with_capacity(1 << 16, files::open(path)?)).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(NpyError) -> DataError {
    move |problem| DataError::Npy { path: path.to_owned(), problem }
}

fn labels(array: &NpyArray) -> Result<Vec<u32>, NpyError> {
    if !matches!(array.shape(), [_] | [_, 1]) {
        return Err(array.shape_error("[n]: one whole number an image, not one-hot rows"));
    }
    let numbers = array.integers().ok_or_else(|| array.type_error("whole numbers"))?;
    let label = |(index, label)| u16::try_from(label).map(u32::from).map_err(|_| NpyError::Label { index, label });
    numbers.enumerate().map(label).collect()
}

/// The pixels in the order of the file; bytes are divided by 255.
fn values(array: NpyArray) -> Result<Vec<f32>, NpyError> {
    let bytes = array.values().map(|bytes| bytes.map(|byte: u8| f32::from(byte) / 255.0).collect());
    let single = || array.values::<f32>().map(Iterator::collect);
    let double = || array.values().map(|values| values.map(|value: f64| value as f32).collect());
    let expected = "unsigned bytes (`|u1`) or floating-point numbers from 0 to 1 (`<f4`, `<f8`)";
    bytes.or_else(single).or_else(double).ok_or_else(|| array.type_error(expected))
}

/// Clamps pixels that are outside 0 to 1 by rounding, and refuses others outside.
fn check_range(pixels: &mut [f32], images: usize) -> Result<(), NpyError> {
    let near = -ROUNDING..=1.0 + ROUNDING;
    if let Some((at, &value)) = pixels.iter().enumerate().find(|(_, pixel)| !near.contains(*pixel)) {
        let (low, high) = pixels.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let advice = match () {
            () if pixels.iter().any(|pixel| !pixel.is_finite()) => "replace what is not a finite number",
            () if low >= 0.0 && (2.0..=256.0).contains(&high) => "divide by 255, or save unsigned bytes",
            () if low >= -0.5 && high <= 1.5 => "clip them with numpy.clip(images, 0, 1)",
            () => "scale them so that 0 is black and 1 is white",
        };
        return Err(NpyError::Pixel { image: at / (pixels.len() / images), value, advice });
    }
    pixels.iter_mut().for_each(|pixel| *pixel = pixel.clamp(0.0, 1.0));
    Ok(())
}

/// Memory layout of the images.
struct Layout {
    images: usize,
    shape: ImageShape,
    /// Distances of neighbouring images, channels, rows and columns, in elements.
    strides: [usize; 4],
}

impl Layout {
    /// Three dimensions are `[n, h, w]`. Four are `[n, h, w, c]` or `[n, c, h, w]`, where `c` is 1 or 3. If both places
    /// of `c` or neither are 1 or 3, the layout is ambiguous.
    fn of(array: &NpyArray) -> Result<Self, NpyError> {
        const CLEAR: &str = "[n, h, w], [n, h, w, c] or [n, c, h, w], where c is 1 or 3 and the other of the two places \
                             is neither";
        const CHANNELS: [usize; 2] = [1, 3];
        let axes: Vec<(usize, usize)> = array.axes().collect();
        let [images, channels, height, width] = match axes[..] {
            [n, h, w] => [n, (1, 0), h, w],
            [n, c, h, w] if CHANNELS.contains(&c.0) && !CHANNELS.contains(&w.0) => [n, c, h, w],
            [n, h, w, c] if CHANNELS.contains(&c.0) && !CHANNELS.contains(&h.0) => [n, c, h, w],
            _ => return Err(array.shape_error(CLEAR)),
        };
        // Each size is at most 2^30, as their product is.
        let shape = ImageShape { channels: channels.0 as u32, height: height.0 as u32, width: width.0 as u32 };
        Ok(Self { images: images.0, shape, strides: [images.1, channels.1, height.1, width.1] })
    }

    /// Appends all values, row-major `[n, c, h, w]`.
    fn arrange(&self, values: &[f32], pixels: &mut Vec<f32>) {
        let [of_image, of_channel, of_row, of_column] = self.strides;
        let ImageShape { channels, height, width } = self.shape;
        for image in 0..self.images {
            for channel in 0..channels as usize {
                for row in 0..height as usize {
                    let start = image * of_image + channel * of_channel + row * of_row;
                    pixels.extend(values.iter().skip(start).step_by(of_column.max(1)).take(width as usize));
                }
            }
        }
    }
}
