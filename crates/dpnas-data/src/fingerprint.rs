//! A hash of an image set, for caches and journals.

use crate::ImageSet;
use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256 of an image set. Equal fingerprints mean equal images, labels and order.
///
/// Displays as 64 hexadecimal digits. The hashed bytes are, integers in little-endian order,
/// `"dpnas images v1\n" | channels (4) | height (4) | width (4) | images (8) | labels (4 each) | bits of the pixels (4 each)`.
/// Class names are not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ImageSet {
    /// SHA-256 over shape, labels and the bits of the pixels.
    pub fn fingerprint(&self) -> Fingerprint {
        let shape = self.shape();
        let mut hash = Sha256::new();
        hash.update(b"dpnas images v1\n");
        update(&mut hash, [shape.channels, shape.height, shape.width].into_iter());
        hash.update((self.len() as u64).to_le_bytes());
        update(&mut hash, self.labels().iter().copied());
        update(&mut hash, self.pixels().iter().map(|pixel| pixel.to_bits()));
        Fingerprint(hash.finalize().into())
    }
}

/// Hashes words in blocks: a call for every word costs more than the hash.
fn update(hash: &mut Sha256, words: impl Iterator<Item = u32>) {
    const BLOCK: usize = 1 << 14;
    let mut block = Vec::with_capacity(BLOCK);
    for word in words {
        block.extend_from_slice(&word.to_le_bytes());
        if block.len() == BLOCK {
            hash.update(&block);
            block.clear();
        }
    }
    hash.update(&block);
}
