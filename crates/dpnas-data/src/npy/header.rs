//! The header of a `.npy` file: a Python dictionary with element type, memory order and shape.
//!
//! ```text
//! 0    \x93NUMPY       the magic number
//! 6    1, 2 or 3, 0    the version
//! 8    u16 or u32      length of the text, little-endian: u16 in version 1
//!      text            {'descr': '<f4', 'fortran_order': False, 'shape': (10, 28, 28), }
//! ```
//!
//! The reader is its own because the sizes are hostile until they are checked: the text is taken as it is written by
//! numpy, a dictionary of these three keys, and nothing in it nests.

use super::NpyError;
use crate::bounded;
use std::io::Read;

/// The longest text of a header, as in numpy.
const MAX_TEXT: u64 = 10_000;
/// The most dimensions, as in numpy.
const MAX_DIMENSIONS: usize = 64;

/// The content of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Byte order and type of an element, for example `<f4`.
    pub(super) descr: String,
    pub(super) order: Order,
    pub(super) shape: Vec<u64>,
}

/// Which index runs fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The last one (C).
    LastFastest,
    /// The first one (Fortran).
    FirstFastest,
}

impl Header {
    /// Reads up to the first element.
    pub(super) fn read(reader: &mut impl Read) -> Result<Self, NpyError> {
        let start = take(reader, 8)?;
        if start.len() < 8 || !start.starts_with(b"\x93NUMPY") {
            return Err(NpyError::Magic);
        }
        let length_bytes = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err(NpyError::Version { version }),
        };
        let length = take(reader, length_bytes)?;
        let text_len = length.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        if (length.len() as u64) < length_bytes || text_len > MAX_TEXT {
            return Err(NpyError::Header {
                problem: format!("its length is {text_len} bytes, not at most {MAX_TEXT}"),
            });
        }
        let text = take(reader, text_len)?;
        if (text.len() as u64) < text_len {
            return Err(NpyError::Header { problem: format!("it ends after {} of {text_len} bytes", text.len()) });
        }
        let text = String::from_utf8_lossy(&text);
        parse(&text).ok_or_else(|| NpyError::Header {
            problem: format!("`{}` is not understood", text.chars().take(100).collect::<String>().trim_end()),
        })
    }
}

/// At most `count` bytes.
fn take(reader: &mut impl Read, count: u64) -> Result<Vec<u8>, NpyError> {
    bounded::read(reader, count).map_err(|error| NpyError::Read { error })
}

fn parse(text: &str) -> Option<Header> {
    let mut rest = Cursor(text.trim_end());
    let (mut descr, mut order, mut shape) = (None, None, None);
    rest.expect('{')?;
    while !rest.accept('}') {
        let key = rest.string()?;
        rest.expect(':')?;
        match key {
            "descr" if descr.is_none() => descr = Some(rest.string()?.to_owned()),
            "fortran_order" if order.is_none() => order = Some(rest.boolean()?),
            "shape" if shape.is_none() => shape = Some(rest.numbers()?),
            _ => return None,
        }
        if !rest.accept(',') {
            rest.expect('}')?;
            break;
        }
    }
    let order = if order? { Order::FirstFastest } else { Order::LastFastest };
    rest.0.is_empty().then_some(Header { descr: descr?, order, shape: shape? })
}

/// The text that is still to be read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Passes over spaces and one character, if it comes next.
    fn accept(&mut self, character: char) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(character);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, character: char) -> Option<()> {
        self.accept(character).then_some(())
    }

    /// A text in quotes, without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.accept('\'') { '\'' } else { self.expect('"').map(|()| '"')? };
        let (string, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        (!string.contains('\\')).then_some(string)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Some(value);
            }
        }
        None
    }

    /// A tuple of whole numbers, as `()`, `(3,)` or `(3, 4)`; numbers of Python 2 may end in `L`.
    fn numbers(&mut self) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            numbers.push(digits.parse().ok()?);
            if numbers.len() > MAX_DIMENSIONS {
                return None;
            }
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(shape: &[u64]) -> Header {
        Header { descr: "<f4".to_owned(), order: Order::LastFastest, shape: shape.to_vec() }
    }

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        let texts = [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  \n", header(&[3, 4])),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", header(&[])),
            ("{\"shape\":(7,),\"fortran_order\":False,\"descr\":\"<f4\"}", header(&[7])),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L)}", header(&[3, 4])),
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}",
                Header { order: Order::FirstFastest, ..header(&[3]) },
            ),
        ];
        for (text, expected) in texts {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_understood() {
        let shape = "(1,".repeat(4000);
        for text in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': (3,)}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} and more",
            &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}"),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[{}():,'\"a-zA-Z0-9 <|]{0,60}") {
            let _ = parse(&text);
        }
    }
}
