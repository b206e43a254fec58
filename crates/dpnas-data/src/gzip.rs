//! Reading gzip data like `gzip`: one or several members, then optional zeros.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// Reads the content of all members. Anything but zeros after the last one is an error.
pub(crate) struct Gzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.member = Some(member);
                return Ok(read);
            }
            let mut rest = member.into_inner();
            // Tapes and some servers pad files to a whole number of blocks.
            if skip_zeros(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zeros. Returns whether anything else follows.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let block = reader.fill_buf()?;
        let zeros = block.iter().take_while(|&&byte| byte == 0).count();
        let len = block.len();
        reader.consume(zeros);
        if zeros < len || len == 0 {
            return Ok(zeros < len);
        }
    }
}
