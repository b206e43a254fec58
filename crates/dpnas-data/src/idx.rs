//! The IDX format of MNIST: unsigned bytes in a few dimensions, plain or compressed with gzip.
//!
//! ```text
//! 0   0x00 0x00      the magic number's first half
//! 2   0x08           element type: unsigned byte
//! 3   D              number of dimensions: 1 for labels, 3 for images
//! 4   D × u32        sizes, big-endian: count, or count, rows, columns
//!     bytes          the elements, row-major, up to the end of the file
//! ```
//!
//! gzip is recognised by its magic number, not by a file's name. The reader does not trust the sizes: it stops as soon as
//! more bytes arrive than they promise, and its memory grows with the bytes that have arrived.

use crate::gzip::Gzip;
use crate::{DataError, files};
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The most elements that one file may hold: 2^30.
pub const MAX_ELEMENTS: u64 = crate::MAX_PIXELS;

/// Bytes with `D` dimensions.
///
/// # Shapes
/// `[sizes[0], …, sizes[D - 1]]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<const D: usize> {
    /// Size of each dimension; the first is the number of images or labels.
    pub sizes: [u32; D],
    /// The elements.
    pub bytes: Vec<u8>,
}

/// Why the content of an IDX file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The file, or the content of its gzip data, is empty.
    #[error("the file is empty; expected an IDX file: fetch it again")]
    Empty,
    /// The content cannot be read to its end: a disk fails, or gzip data is damaged or cut off.
    #[error("cannot read on after {read} bytes of content: {error}; the file is damaged or cut off: fetch it again")]
    Read {
        /// Bytes read before, after decompression.
        read: u64,
        /// What the operating system or the decompressor says.
        error: io::Error,
    },
    /// The content ends within the header.
    #[error(
        "the content ends after {found} bytes; expected a header of {expected}: the file is cut off, fetch it again"
    )]
    ShortHeader {
        /// Bytes found, after decompression.
        found: usize,
        /// Bytes of a header with this number of dimensions.
        expected: usize,
    },
    /// The magic number is not that of IDX.
    #[error(
        "starts with {:02x} {:02x} {:02x} {:02x}; expected 00 00 08 and the number of dimensions: not an IDX file",
        found[0], found[1], found[2], found[3]
    )]
    Magic {
        /// The first four bytes, after decompression.
        found: [u8; 4],
    },
    /// The elements are not unsigned bytes.
    #[error("holds elements of type 0x{code:02x}; expected 0x08, unsigned bytes: convert the file")]
    ElementType {
        /// The type's code.
        code: u8,
    },
    /// The number of dimensions is wrong.
    #[error(
        "the number of dimensions is {found}; expected {expected} (images have 3, labels 1): are images and labels mixed up?"
    )]
    Dimensions {
        /// Dimensions found.
        found: u8,
        /// Dimensions needed.
        expected: usize,
    },
    /// A size is 0.
    #[error(
        "the header says {} elements; expected at least one in each dimension: the set is empty, use another",
        by(sizes)
    )]
    NoElements {
        /// The header's sizes.
        sizes: Vec<u32>,
    },
    /// The sizes exceed the limit of this reader.
    #[error(
        "the header promises {} bytes; expected at most {MAX_ELEMENTS}: use fewer images, or fetch a damaged file again",
        by(sizes)
    )]
    TooLarge {
        /// The header's sizes.
        sizes: Vec<u32>,
    },
    /// The content is shorter than the header promises.
    #[error("the header promises {expected} bytes but {found} follow: the file is cut off, fetch it again")]
    Truncated {
        /// Bytes after the header that the sizes promise.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// The content is longer than the header promises.
    #[error("the header promises {expected} bytes but more follow: the header is wrong, fetch the file again")]
    Excess {
        /// Bytes after the header that the sizes promise.
        expected: u64,
    },
}

/// Reads a file of images: count × rows × columns.
///
/// # Errors
/// If the file cannot be opened; [`DataError::Idx`] for bad content.
pub fn read_images(path: impl AsRef<Path>) -> Result<Array<3>, DataError> {
    read(path.as_ref())
}

/// Reads a file of labels.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(path: impl AsRef<Path>) -> Result<Vec<u8>, DataError> {
    read::<1>(path.as_ref()).map(|array| array.bytes)
}

/// Reads an array with `D` dimensions from the bytes of an IDX file, plain or compressed with gzip, up to their end.
///
/// # Errors
/// [`IdxError`] unless the bytes are one whole IDX file with `D` dimensions and nothing else.
pub fn parse<const D: usize>(mut reader: impl Read) -> Result<Array<D>, IdxError> {
    let mut start = Vec::new();
    fill(&mut start, 2, &mut reader, 0)?;
    let gzip = start == [0x1f, 0x8b];
    let content = io::Cursor::new(start).chain(reader);
    if gzip { parse_content(Gzip::new(BufReader::new(content))) } else { parse_content(content) }
}

fn read<const D: usize>(path: &Path) -> Result<Array<D>, DataError> {
    let file = files::open(path)?;
    parse(BufReader::with_capacity(1 << 16, file)).map_err(|problem| DataError::Idx { path: path.to_owned(), problem })
}

fn parse_content<const D: usize>(mut content: impl Read) -> Result<Array<D>, IdxError> {
    let mut header = Vec::new();
    fill(&mut header, 4, &mut content, 0)?;
    let magic: [u8; 4] = match (header.as_slice().try_into(), header.len()) {
        (Ok(magic), _) => magic,
        (Err(_), 0) => return Err(IdxError::Empty),
        (Err(_), found) => return Err(IdxError::ShortHeader { found, expected: 4 + 4 * D }),
    };
    match magic {
        [0, 0, 0x08, found] if usize::from(found) == D => {}
        [0, 0, 0x08, found] => return Err(IdxError::Dimensions { found, expected: D }),
        [0, 0, code @ (0x09 | 0x0b..=0x0e), _] => return Err(IdxError::ElementType { code }),
        found => return Err(IdxError::Magic { found }),
    }
    fill(&mut header, 4 * D as u64, &mut content, 4)?;
    if header.len() < 4 + 4 * D {
        return Err(IdxError::ShortHeader { found: header.len(), expected: 4 + 4 * D });
    }
    let mut sizes = [0; D];
    for (size, bytes) in sizes.iter_mut().zip(header.chunks_exact(4).skip(1)) {
        *size = bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
    }
    let expected = promised(&sizes)?;
    let header_len = header.len() as u64;
    let mut bytes = Vec::new();
    fill(&mut bytes, expected, &mut content, header_len)?;
    let found = bytes.len() as u64;
    if found < expected {
        return Err(IdxError::Truncated { expected, found });
    }
    // Read to the end, so that the decompressor also checks its checksum.
    let mut excess = Vec::new();
    fill(&mut excess, 1, &mut content, header_len + found)?;
    if excess.is_empty() { Ok(Array { sizes, bytes }) } else { Err(IdxError::Excess { expected }) }
}

/// Number of elements that the header promises.
fn promised(sizes: &[u32]) -> Result<u64, IdxError> {
    if sizes.contains(&0) {
        return Err(IdxError::NoElements { sizes: sizes.to_vec() });
    }
    let product = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size.into()));
    product.filter(|&product| product <= MAX_ELEMENTS).ok_or_else(|| IdxError::TooLarge { sizes: sizes.to_vec() })
}

/// Appends up to `limit` bytes; `read` bytes came before. The buffer grows with what arrives.
fn fill(buffer: &mut Vec<u8>, limit: u64, reader: &mut impl Read, read: u64) -> Result<(), IdxError> {
    let before = buffer.len();
    match reader.take(limit).read_to_end(buffer) {
        Ok(_) => Ok(()),
        Err(error) => Err(IdxError::Read { read: read + (buffer.len() - before) as u64, error }),
    }
}

fn by(sizes: &[u32]) -> String {
    sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" x ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_arrives_and_not_with_what_is_promised() {
        for arriving in [0, 20, 1000, 100_000] {
            let mut buffer = Vec::new();
            fill(&mut buffer, MAX_ELEMENTS, &mut io::repeat(7).take(arriving), 0).unwrap();
            assert_eq!(buffer.len() as u64, arriving);
            assert!(buffer.capacity() as u64 <= 2 * arriving + 64, "{} for {arriving}", buffer.capacity());
        }
    }
}
