//! Memory that starts at a cache line.

use crate::scalar::Scalar;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A slice of numbers that starts at a cache line.
#[derive(Debug, Default)]
pub(crate) struct Buffer<E> {
    values: Vec<E>,
    start: usize,
    len: usize,
}

impl<E: Scalar> Buffer<E> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self::of(vec![E::default(); len + LINE / size_of::<E>()], len)
    }

    /// `len` zeros; `None` if the allocator has too little memory.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let (mut values, with_line) = (Vec::new(), len.checked_add(LINE / size_of::<E>())?);
        values.try_reserve_exact(with_line).ok()?;
        values.resize(with_line, E::default());
        Some(Self::of(values, len))
    }

    fn of(values: Vec<E>, len: usize) -> Self {
        // Only speed depends on the alignment, so a start that cannot be aligned is accepted.
        let start = values.as_ptr().align_offset(LINE).min(LINE / size_of::<E>());
        Self { values, start, len }
    }

    /// Makes the buffer at least `len` long. Its values may be lost.
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
            for mut buffer in [Buffer::<f32>::zeros(len), Buffer::try_zeros(len).unwrap()] {
                assert_eq!(buffer.as_slice(), vec![0.0; len]);
                assert_eq!(buffer.as_mut_slice().as_ptr().align_offset(LINE), 0);
            }
        }
        assert!(Buffer::<f32>::try_zeros(usize::MAX).is_none() && Buffer::<f32>::try_zeros(usize::MAX / 8).is_none());
    }
}
