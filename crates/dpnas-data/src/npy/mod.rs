//! Reading an array of numpy from a `.npy` file with any memory order and byte order.

mod header;
mod images;

pub(crate) use images::{NAMES, load};

use crate::{MAX_PIXELS, bounded};
use npyz::{Deserialize, NpyFile, NpyHeader};
use std::io::{self, Read};

/// Why a `.npy` file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The content cannot be read to its end.
    #[error("cannot read on: {error}; check the disk")]
    Read {
        /// What the operating system says.
        error: io::Error,
    },
    /// The file has no magic number of `.npy`.
    #[error("does not begin with the bytes of a .npy file: save it with numpy.save")]
    Magic,
    /// The version is unknown.
    #[error("has version {version} of the format; expected 1, 2 or 3: save it with numpy.save")]
    Version {
        /// The version found.
        version: u8,
    },
    /// The header is not that of a plain array.
    #[error("the header is not that of a plain array: {problem}; save it with numpy.save")]
    Header {
        /// What is wrong.
        problem: String,
    },
    /// The elements have an unsupported type.
    #[error("holds elements of type `{descr}`; expected {expected}: convert it with astype")]
    ElementType {
        /// The type as numpy writes it.
        descr: String,
        /// Supported types.
        expected: &'static str,
    },
    /// The shape exceeds the limit of this reader, or has a size of 0.
    #[error("has shape {shape}; expected at least one element and at most {MAX_PIXELS}")]
    Size {
        /// The shape as numpy writes it.
        shape: String,
    },
    /// The length of the content contradicts the header.
    #[error("the header promises {expected} bytes of elements, the file has {found}; save it again")]
    Length {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes found; one more than expected stands for any number.
        found: u64,
    },
    /// The number of dimensions is wrong, or the dimension of the channels is ambiguous.
    #[error("has shape {shape}; expected {expected}")]
    Shape {
        /// The shape as numpy writes it.
        shape: String,
        /// Supported shapes.
        expected: &'static str,
    },
    /// A floating-point pixel is outside 0 to 1.
    #[error("image {image} has a pixel of {value}; expected numbers from 0 to 1: {advice}")]
    Pixel {
        /// Position of the image.
        image: usize,
        /// The pixel.
        value: f32,
        /// The remedy, chosen by the range of all pixels.
        advice: &'static str,
    },
    /// A label is negative or too large.
    #[error("label {index} is {label}; expected a whole number from 0 to {}", u16::MAX)]
    Label {
        /// Position of the label.
        index: usize,
        /// Its value.
        label: i128,
    },
}

/// The elements of a file and their memory layout.
pub(crate) struct NpyArray {
    header: NpyHeader,
    bytes: Vec<u8>,
}

impl NpyArray {
    /// Reads a whole file; memory grows with the bytes that arrive.
    pub(crate) fn read(mut reader: impl Read) -> Result<Self, NpyError> {
        let mut array = Self { header: header::read(&mut reader)?, bytes: Vec::new() };
        let (1..=MAX_PIXELS) = array.header.shape().iter().product() else {
            return Err(NpyError::Size { shape: tuple(array.shape()) });
        };
        if array.integers().is_none() && array.values::<f32>().is_none() && array.values::<f64>().is_none() {
            return Err(array.type_error("numbers"));
        }
        let expected =
            array.header.shape().iter().product::<u64>() * array.header.dtype().num_bytes().unwrap_or(0) as u64;
        array.bytes = bounded::read(reader, expected + 1).map_err(|error| NpyError::Read { error })?;
        match array.bytes.len() as u64 {
            found if found == expected => Ok(array),
            found => Err(NpyError::Length { expected, found }),
        }
    }

    fn shape(&self) -> &[u64] {
        self.header.shape()
    }

    /// Size and stride, in elements, of each dimension.
    fn axes(&self) -> impl Iterator<Item = (usize, usize)> {
        let sizes = self.shape().iter().zip(self.header.strides());
        sizes.map(|(&size, &stride)| (size as usize, stride as usize))
    }

    /// The elements in the order of the file, if they are of this type.
    fn values<T: Deserialize>(&self) -> Option<impl Iterator<Item = T>> {
        let file = NpyFile::with_header(self.header.clone(), &self.bytes[..]);
        Some(file.data().ok()?.map_while(Result::ok))
    }

    /// The elements in the order of the file, if they are whole numbers.
    fn integers(&self) -> Option<Box<dyn Iterator<Item = i128> + '_>> {
        type Wide<'a> = Option<Box<dyn Iterator<Item = i128> + 'a>>;
        fn wide<'a, T: Deserialize + Into<i128> + 'a>(array: &'a NpyArray) -> Wide<'a> {
            Some(Box::new(array.values::<T>()?.map(T::into)))
        }
        let types =
            [wide::<u8>, wide::<u16>, wide::<u32>, wide::<u64>, wide::<i8>, wide::<i16>, wide::<i32>, wide::<i64>];
        types.into_iter().find_map(|wide| wide(self))
    }

    fn shape_error(&self, expected: &'static str) -> NpyError {
        NpyError::Shape { shape: tuple(self.shape()), expected }
    }

    fn type_error(&self, expected: &'static str) -> NpyError {
        NpyError::ElementType { descr: self.header.dtype().descr().trim_matches('\'').to_owned(), expected }
    }
}

fn tuple(shape: &[u64]) -> String {
    let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
    match sizes.as_slice() {
        [one] => format!("({one},)"),
        all => format!("({})", all.join(", ")),
    }
}
