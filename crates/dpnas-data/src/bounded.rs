//! Reading up to a limit.

use std::io::{self, Read};

/// Reads to the end, but at most `limit` bytes. Memory grows with the bytes that arrive, not with the limit.
pub(crate) fn read(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_arrives_and_not_with_the_limit() {
        for arriving in [0, 20, 1000, 100_000] {
            let bytes = read(io::repeat(7).take(arriving), 1 << 40).unwrap();
            assert_eq!(bytes.len() as u64, arriving);
            assert!(bytes.capacity() as u64 <= 2 * arriving + 64, "{} for {arriving}", bytes.capacity());
        }
    }

    #[test]
    fn data_without_end_ends_at_the_limit() {
        assert_eq!(read(io::repeat(7), 1000).unwrap(), [7; 1000]);
    }
}
