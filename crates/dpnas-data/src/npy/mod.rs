//! Arrays of numpy: one `.npy` file, with any memory order and byte order.

mod header;
mod pairs;

pub(crate) use pairs::{NAMES, load};

use crate::{MAX_PIXELS, bounded};
use header::{Header, Order};
use std::io::{self, Read};

/// What is wrong with a `.npy` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The bytes stop coming.
    #[error("cannot read on: {error}; check the disk")]
    Read {
        /// What the operating system says.
        error: io::Error,
    },
    /// The file does not begin like a `.npy` file.
    #[error("does not begin with the bytes of a .npy file: save it with numpy.save")]
    Magic,
    /// The version is not known.
    #[error("has version {version} of the format; expected 1, 2 or 3: save it with numpy.save")]
    Version {
        /// The version found.
        version: u8,
    },
    /// The header is not what numpy writes for a plain array.
    #[error("the header is not that of a plain array: {problem}; save it with numpy.save")]
    Header {
        /// What is wrong.
        problem: String,
    },
    /// Elements are of a type that does not fit.
    #[error("holds elements of type `{descr}`; expected {expected}: convert it with astype")]
    ElementType {
        /// The type as numpy writes it.
        descr: String,
        /// Types that fit.
        expected: &'static str,
    },
    /// The shape is larger than this reader takes, or has a size of 0.
    #[error("has shape {shape}; expected at least one element and at most {MAX_PIXELS}")]
    Size {
        /// The shape as numpy writes it.
        shape: String,
    },
    /// The content is not as long as the header says.
    #[error("the header promises {expected} bytes of elements, the file has {found}; save it again")]
    Length {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes found; one more than expected stands for any number.
        found: u64,
    },
    /// The number of dimensions does not fit, or which one holds the channels cannot be told.
    #[error("has shape {shape}; expected {expected}")]
    Shape {
        /// The shape as numpy writes it.
        shape: String,
        /// What would fit.
        expected: &'static str,
    },
    /// A pixel of floating-point images is outside of 0 to 1.
    #[error(
        "image {image} has a pixel of {value}; expected numbers from 0 to 1: divide by 255, or save unsigned bytes"
    )]
    Pixel {
        /// Position of the image.
        image: usize,
        /// The pixel.
        value: f32,
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

/// The elements of a file and how they lie.
pub(crate) struct NpyArray {
    header: Header,
    element: Element,
    bytes: Vec<u8>,
}

/// The type of an element, without its size.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
}

#[derive(Clone, Copy)]
struct Element {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

impl Element {
    /// Reads for example `<f4`, `|u1`, `>i8`.
    fn parse(descr: &str) -> Option<Self> {
        let mut chars = descr.chars();
        let order = chars.next()?;
        let kind = match chars.next()? {
            'u' => Kind::Unsigned,
            'i' => Kind::Signed,
            'f' => Kind::Float,
            _ => return None,
        };
        let size = match (kind, chars.as_str()) {
            (Kind::Unsigned | Kind::Signed, "1") => 1,
            (Kind::Unsigned | Kind::Signed, "2") => 2,
            (_, "4") => 4,
            (_, "8") => 8,
            _ => return None,
        };
        let big_endian = match order {
            '<' | '=' => false,
            '>' => true,
            '|' if size == 1 => false,
            _ => return None,
        };
        Some(Self { kind, size, big_endian })
    }

    /// The bits of an element in the low bits of a number.
    fn bits(self, bytes: &[u8]) -> u64 {
        let join = |number, &byte: &u8| number << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    fn integer(self, bytes: &[u8]) -> i128 {
        let bits = self.bits(bytes);
        let unused = 64 - 8 * self.size as u32;
        match self.kind {
            Kind::Signed => i128::from((bits << unused) as i64 >> unused),
            _ => i128::from(bits),
        }
    }

    fn float(self, bytes: &[u8]) -> f32 {
        match self.size {
            4 => f32::from_bits(self.bits(bytes) as u32),
            _ => f64::from_bits(self.bits(bytes)) as f32,
        }
    }
}

impl NpyArray {
    /// Reads a whole file; memory grows with the bytes that arrive.
    pub(crate) fn read(mut reader: impl Read) -> Result<Self, NpyError> {
        let header = Header::read(&mut reader)?;
        let Some(element) = Element::parse(&header.descr) else {
            return Err(NpyError::ElementType { descr: header.descr, expected: "numbers" });
        };
        let count = header.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let Some(count @ 1..=MAX_PIXELS) = count else {
            return Err(NpyError::Size { shape: tuple(&header.shape) });
        };
        let expected = count * element.size as u64;
        let bytes = bounded::read(reader, expected + 1).map_err(|error| NpyError::Read { error })?;
        match bytes.len() as u64 {
            found if found == expected => Ok(Self { header, element, bytes }),
            found => Err(NpyError::Length { expected, found }),
        }
    }

    fn shape_error(&self, expected: &'static str) -> NpyError {
        NpyError::Shape { shape: tuple(&self.header.shape), expected }
    }

    fn type_error(&self, expected: &'static str) -> NpyError {
        NpyError::ElementType { descr: self.header.descr.clone(), expected }
    }

    /// For each dimension the distance of neighbours, in elements.
    fn strides(&self) -> Vec<usize> {
        let mut stride = 1;
        let mut next = |size: &u64| {
            let this = stride;
            stride *= *size as usize;
            this
        };
        match self.header.order {
            Order::FirstFastest => self.header.shape.iter().map(next).collect(),
            Order::LastFastest => {
                let mut strides: Vec<usize> = self.header.shape.iter().rev().map(&mut next).collect();
                strides.reverse();
                strides
            }
        }
    }

    /// The bytes of one element.
    fn element(&self, at: usize) -> &[u8] {
        &self.bytes[at * self.element.size..][..self.element.size]
    }
}

fn tuple(shape: &[u64]) -> String {
    let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
    match sizes.as_slice() {
        [one] => format!("({one},)"),
        all => format!("({})", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_both_byte_orders() {
        let element = |descr| Element::parse(descr).unwrap();
        assert_eq!(element("|u1").integer(&[200]), 200);
        assert_eq!(element("|i1").integer(&[200]), -56);
        assert_eq!(element("<i2").integer(&[1, 2]), 513);
        assert_eq!(element(">i2").integer(&[1, 2]), 258);
        assert_eq!(element("<i8").integer(&[255; 8]), -1);
        assert_eq!(element("<u8").integer(&[255; 8]), i128::from(u64::MAX));
        assert_eq!(element("<f4").float(&0.25f32.to_le_bytes()), 0.25);
        assert_eq!(element(">f8").float(&0.25f64.to_be_bytes()), 0.25);
    }

    #[test]
    fn other_element_types_are_refused() {
        for descr in ["", "<", "f4", "<f2", "<f16", "|b1", "|O", "<U3", "<c8", "|u2", "!u1", "<u3", "é"] {
            assert!(Element::parse(descr).is_none(), "{descr}");
        }
    }
}
