//! Checksums of a journal's lines.
//!
//! The last field of each line is `"crc"`: the CRC-32 of the line without it, continued from the line before, as eight
//! hexadecimal digits. So a changed line is found, and one that is missing, repeated or at another place.

use std::borrow::Cow;

/// The checksum of the lines so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// `None` where lines have no checksum.
    crc: Option<u32>,
}

/// A line's checksum is missing or another one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("it has no checksum")]
    Missing,
    #[error("its checksum is {found} instead of {expected}, so it was changed, or a line before it is missing")]
    Other { found: String, expected: String },
}

const BEFORE: &[u8] = b",\"crc\":\"";
const AFTER: &[u8] = b"\"}";

impl Chain {
    /// A chain without lines.
    pub(crate) fn new() -> Self {
        Self { crc: Some(0) }
    }

    /// No chain: lines are taken as they are.
    pub(crate) fn without() -> Self {
        Self { crc: None }
    }

    /// Adds the checksum to a line, which is a JSON object.
    pub(crate) fn seal(&mut self, line: Vec<u8>) -> Vec<u8> {
        match self.next(&line) {
            Some(crc) => with_field(line, "crc", &crc),
            None => line,
        }
    }

    /// Checks a line's checksum and takes it off.
    pub(crate) fn open<'a>(&mut self, line: &'a [u8]) -> Result<Cow<'a, [u8]>, Broken> {
        if self.crc.is_none() {
            return Ok(Cow::Borrowed(line));
        }
        let end = line.strip_suffix(AFTER).and_then(|rest| rest.split_last_chunk::<8>());
        let (rest, found) = end.ok_or(Broken::Missing)?;
        let mut line = rest.strip_suffix(BEFORE).ok_or(Broken::Missing)?.to_vec();
        line.push(b'}');
        let found = String::from_utf8_lossy(found).into_owned();
        match self.next(&line) {
            Some(expected) if expected != found => Err(Broken::Other { found, expected }),
            _ => Ok(Cow::Owned(line)),
        }
    }

    fn next(&mut self, line: &[u8]) -> Option<String> {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc?);
        hasher.update(line);
        let crc = hasher.finalize();
        self.crc = Some(crc);
        Some(format!("{crc:08x}"))
    }
}

/// A JSON object with a further text at its end.
pub(crate) fn with_field(mut object: Vec<u8>, name: &str, text: &str) -> Vec<u8> {
    if object.pop() == Some(b'}') {
        object.extend(format!(",\"{name}\":{}}}", serde_json::Value::from(text)).into_bytes());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(lines: &[&str]) -> Vec<Vec<u8>> {
        let mut chain = Chain::new();
        lines.iter().map(|line| chain.seal(line.as_bytes().to_vec())).collect()
    }

    /// The number of the first line that is refused.
    fn first_broken(lines: &[Vec<u8>]) -> Option<usize> {
        let mut chain = Chain::new();
        lines.iter().position(|line| chain.open(line).is_err())
    }

    #[test]
    fn a_line_has_its_checksum_as_the_last_field_and_comes_back() {
        let lines = sealed(&["{\"a\":1}", "{\"b\":\"}\"}"]);
        // The CRC-32 of a text from any other program.
        assert_eq!(String::from_utf8_lossy(&lines[0]), "{\"a\":1,\"crc\":\"561bacaf\"}");
        let mut chain = Chain::new();
        let opened: Vec<_> = lines.iter().map(|line| chain.open(line).unwrap().into_owned()).collect();
        assert_eq!(opened, [b"{\"a\":1}".to_vec(), b"{\"b\":\"}\"}".to_vec()]);
        let mut chain = Chain::without();
        assert_eq!(chain.seal(b"{\"a\":1}".to_vec()), b"{\"a\":1}");
        assert_eq!(&*chain.open(&lines[0]).unwrap(), &lines[0][..]);
    }

    #[test]
    fn every_flipped_bit_and_every_other_order_is_found() {
        let lines = sealed(&["{\"a\":1}", "{\"b\":2}", "{\"a\":1}"]);
        assert_eq!(first_broken(&lines), None);
        for line in 0..3 {
            for bit in 0..8 * lines[line].len() {
                let mut flipped = lines.clone();
                flipped[line][bit / 8] ^= 1 << (bit % 8);
                assert_eq!(first_broken(&flipped), Some(line), "bit {bit} of line {line}");
            }
        }
        let of = |numbers: &[usize]| numbers.iter().map(|&number| lines[number].clone()).collect::<Vec<_>>();
        for order in [&[1, 2][..], &[0, 2], &[0, 0, 1, 2], &[0, 2, 1], &[2, 1, 0]] {
            assert!(first_broken(&of(order)).is_some(), "{order:?}");
        }
    }
}
