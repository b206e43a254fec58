//! Images with labels, borrowed from wherever they lie.

use crate::{FullError, Split};
use dpnas_grammar::Plan;
use dpnas_prior::Images;

/// Images and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// The images.
    pub images: Images<'a>,
    /// The class of each image.
    pub labels: &'a [u32],
}

impl<'a> Examples<'a> {
    /// Images with a label each.
    ///
    /// # Errors
    /// [`FullError::LengthMismatch`] if there are not as many labels as images.
    pub fn new(images: Images<'a>, labels: &'a [u32]) -> Result<Self, FullError> {
        match images.len() == labels.len() {
            true => Ok(Self { images, labels }),
            false => Err(FullError::LengthMismatch { images: images.len(), labels: labels.len() }),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of some images, one after the other.
    pub(crate) fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let pixels = self.images.pixels();
        let size = pixels.len() / self.len().max(1);
        let mut gathered = Vec::with_capacity(rows.len() * size);
        rows.iter().for_each(|&row| gathered.extend_from_slice(&pixels[row * size..][..size]));
        gathered
    }

    pub(crate) fn check(&self, split: Split, plan: &Plan) -> Result<(), FullError> {
        if self.images.len() != self.labels.len() {
            return Err(FullError::LengthMismatch { images: self.images.len(), labels: self.labels.len() });
        }
        if self.is_empty() {
            return Err(FullError::EmptySet { split });
        }
        if self.images.shape() != plan.input() {
            return Err(FullError::WrongShape { split, expected: plan.input(), found: self.images.shape() });
        }
        let classes = plan.net().classes();
        match self.labels.iter().position(|&label| label >= classes) {
            Some(image) => Err(FullError::LabelOutOfRange { split, image, label: self.labels[image], classes }),
            None => Ok(()),
        }
    }
}
