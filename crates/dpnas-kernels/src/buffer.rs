//! Memory that starts at a cache line.

use crate::element::Element;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A slice of numbers that starts at a cache line.
#[derive(Debug, Default)]
pub(crate) struct Buffer<E> {
    values: Vec<E>,
    start: usize,
    len: usize,
}

impl<E: Element> Buffer<E> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let values = vec![E::default(); len + LINE / size_of::<E>()];
        // Where the allocator cannot align, it does not: only speed depends on it.
        let start = values.as_ptr().align_offset(LINE).min(LINE / size_of::<E>());
        Self { values, start, len }
    }

    /// Makes the buffer at least `len` long; what was in it may be lost.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeros(len);
        }
    }

    pub(crate) fn as_slice(&self) -> &[E] {
        &self.values[self.start..self.start + self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [E] {
        &mut self.values[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_zero_and_starts_at_a_cache_line() {
        for len in [0, 1, 63, 1000] {
            let mut buffer = Buffer::<f32>::zeros(len);
            assert_eq!(buffer.as_slice(), vec![0.0; len]);
            assert_eq!(buffer.as_mut_slice().as_ptr().align_offset(LINE), 0);
        }
    }
}
