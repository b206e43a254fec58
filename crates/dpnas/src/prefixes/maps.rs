//! Memory for kept maps.

use memmap2::{MmapMut, MmapOptions};

/// Numbers that are zero at first, in memory of their own: the operating system gives it in large pages where it has some,
/// when it is first written, and has it back at once.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    memory: Option<MmapMut>,
    values: usize,
}

impl Maps {
    /// Room for so many numbers; `None` if the memory cannot be had.
    pub(crate) fn zeros(values: usize) -> Option<Self> {
        if values == 0 {
            return Some(Self::default());
        }
        let bytes = values.checked_mul(size_of::<f32>())?;
        let memory = MmapOptions::new().len(bytes).map_anon().ok()?;
        #[cfg(target_os = "linux")]
        if let Err(error) = memory.advise(memmap2::Advice::HugePage) {
            tracing::debug!("no large pages for kept maps: {error}");
        }
        Some(Self { memory: Some(memory), values })
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        self.memory.as_ref().map_or(&[], |memory| &bytemuck::cast_slice(&memory[..])[..self.values])
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        let values = self.values;
        self.memory.as_mut().map_or(&mut [], |memory| &mut bytemuck::cast_slice_mut(&mut memory[..])[..values])
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.values * size_of::<f32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_zero_at_first_and_keep_what_is_written() {
        for values in [0, 1, 5000] {
            let mut maps = Maps::zeros(values).unwrap();
            assert_eq!((maps.as_slice(), maps.bytes()), (&vec![0.0; values][..], 4 * values as u64));
            maps.as_mut_slice().fill(1.5);
            assert_eq!(maps.as_slice(), vec![1.5; values]);
        }
        assert!(Maps::zeros(usize::MAX).is_none() && Maps::zeros(usize::MAX / 4).is_none());
    }
}
