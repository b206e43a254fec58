//! Checksums of files.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// The checksum of a file.
///
/// Parses from and displays as `sha256:` or `md5:` and hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// SHA-256.
    Sha256([u8; 32]),
    /// MD5, for files whose publisher gives nothing better. It reveals damage, not malice.
    Md5([u8; 16]),
}

/// A text is no checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no checksum; write `sha256:` and 64 hexadecimal digits, or `md5:` and 32")]
pub struct ChecksumError {
    /// The text that was given.
    pub text: String,
}

impl Checksum {
    /// The checksum of the same kind of all bytes of `reader`.
    ///
    /// # Errors
    /// The reader's error.
    pub fn of_same_kind(&self, mut reader: impl Read) -> io::Result<Self> {
        match self {
            Self::Sha256(_) => digest::<Sha256>(&mut reader).map(|hash| Self::Sha256(hash.into())),
            Self::Md5(_) => digest::<Md5>(&mut reader).map(|hash| Self::Md5(hash.into())),
        }
    }
}

fn digest<D: Digest>(reader: &mut impl Read) -> io::Result<sha2::digest::Output<D>> {
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let parsed = match text.split_once(':') {
            Some(("sha256", digits)) => bytes(digits).map(Self::Sha256),
            Some(("md5", digits)) => bytes(digits).map(Self::Md5),
            _ => None,
        };
        parsed.ok_or_else(|| ChecksumError { text: text.to_owned() })
    }
}

/// Reads exactly `2 N` hexadecimal digits.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes): (_, &[u8]) = match self {
            Self::Sha256(bytes) => ("sha256", bytes),
            Self::Md5(bytes) => ("md5", bytes),
        };
        write!(f, "{name}:")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ABC: [&str; 2] = [
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "md5:900150983cd24fb0d6963f7d28e17f72",
    ];

    #[test]
    fn the_checksums_of_abc_are_those_of_the_standards() {
        for text in ABC {
            let checksum: Checksum = text.parse().unwrap();
            assert_eq!(checksum.of_same_kind(&b"abc"[..]).unwrap(), checksum);
            assert_ne!(checksum.of_same_kind(&b"abd"[..]).unwrap(), checksum);
            assert_eq!(checksum.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_errors_that_say_how_to_write_one() {
        let short = &ABC[0][..70];
        let long = format!("{}0", ABC[1]);
        let sign = format!("md5:+{}", &ABC[1][5..]);
        for text in ["", "sha256:", "900150983cd24fb0d6963f7d28e17f72", short, &long, &sign, "crc32:00", "md5:é"] {
            let error = text.parse::<Checksum>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{text}` is no checksum; write `sha256:` and 64 hexadecimal digits, or `md5:` and 32")
            );
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_is_the_identity(bytes: [u8; 32], short: [u8; 16]) {
            for checksum in [Checksum::Sha256(bytes), Checksum::Md5(short)] {
                prop_assert_eq!(checksum.to_string().parse::<Checksum>().unwrap(), checksum);
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in "(sha256:|md5:)?.{0,70}") {
            let _ = text.parse::<Checksum>();
        }
    }
}
