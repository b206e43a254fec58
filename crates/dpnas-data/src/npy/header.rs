//! The header of a `.npy` file, checked before `npyz` parses it.
//!
//! ```text
//! 0    \x93NUMPY       the magic number
//! 6    1, 2 or 3, 0    the version
//! 8    u16 or u32      length of the text, little-endian: u16 in version 1
//!      text            {'descr': '<f4', 'fortran_order': False, 'shape': (10, 28, 28), }
//! ```
//!
//! `npyz` reserves the promised length of the text, recurses into nested values, and multiplies the sizes without a check.
//! So `npyz` gets a header only if it is short, has no nested values, and its sizes cannot overflow.

use super::NpyError;
use crate::bounded;
use npyz::NpyHeader;
use std::io::Read;

/// The longest text of a header, as in numpy.
const MAX_TEXT: u64 = 10_000;
/// The most digits of a shape: any such numbers have a product below 2^64.
const MAX_DIGITS: usize = 19;

/// Reads the header, up to the first element.
pub(super) fn read(reader: &mut impl Read) -> Result<NpyHeader, NpyError> {
    let start = take(reader, 8)?;
    let &[0x93, b'N', b'U', b'M', b'P', b'Y', version, _] = start.as_slice() else { return Err(NpyError::Magic) };
    let length_bytes = match version {
        1 => 2,
        2 | 3 => 4,
        version => return Err(NpyError::Version { version }),
    };
    let length = take(reader, length_bytes)?;
    let text_len = length.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    if (length.len() as u64) < length_bytes || text_len > MAX_TEXT {
        return Err(NpyError::Header { problem: format!("its length is {text_len} bytes, not at most {MAX_TEXT}") });
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

/// Reads at most `count` bytes.
fn take(reader: &mut impl Read, count: u64) -> Result<Vec<u8>, NpyError> {
    bounded::read(reader, count).map_err(|error| NpyError::Read { error })
}

fn parse(text: &str) -> Option<NpyHeader> {
    if !is_plain(text) {
        return None;
    }
    let text = text.replace('L', ""); // Python 2 writes sizes as 28L
    let length = (text.len() as u32).to_le_bytes();
    NpyHeader::from_reader(&[b"\x93NUMPY\x03\x00", &length[..], text.as_bytes()].concat()[..]).ok()
}

/// Whether the text is one dictionary that contains one tuple of whole numbers and no other nested value.
fn is_plain(text: &str) -> bool {
    let count = |character| text.matches(character).count();
    let shape = text.split_once('(').and_then(|(_, rest)| Some(rest.split_once(')')?.0)).unwrap_or("?");
    [count('{'), count('('), count('['), count('\\')] == [1, 1, 0, 0]
        && shape.chars().all(|character| character.is_ascii_digit() || ", L".contains(character))
        && shape.matches(|character: char| character.is_ascii_digit()).count() <= MAX_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::Order;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        for (text, shape, order) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  \n", &[3, 4][..], Order::C),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", &[], Order::C),
            ("{\"shape\":(7,),\"fortran_order\":False,\"descr\":\"<f4\"}", &[7], Order::C),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L)}", &[3, 4], Order::C),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}", &[3], Order::Fortran),
        ] {
            let header = parse(text).unwrap();
            assert_eq!((header.shape(), header.order()), (shape, order), "{text}");
            assert_eq!(header.dtype().descr(), "'<f4'");
        }
    }

    #[test]
    fn other_texts_are_not_understood() {
        let nested = "(1,".repeat(3000);
        for text in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} and more",
            &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {nested}"),
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[{}():,'\"a-zA-Z0-9 <|\\\\+.]{0,60}", sizes in "[0-9, L]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}"));
        }
    }
}
