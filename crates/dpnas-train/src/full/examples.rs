//! Borrowed images with labels.

use crate::{FullError, Split};
use dpnas_grammar::Plan;
use dpnas_prior::Images;

/// Images and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    images: Images<'a>,
    labels: &'a [u32],
}

impl<'a> Examples<'a> {
    /// Images with a label each.
    ///
    /// # Errors
    /// [`FullError::LengthMismatch`] if the numbers of images and labels differ.
    pub fn new(images: Images<'a>, labels: &'a [u32]) -> Result<Self, FullError> {
        match images.len() == labels.len() {
            true => Ok(Self { images, labels }),
            false => Err(FullError::LengthMismatch { images: images.len(), labels: labels.len() }),
        }
    }

    /// The images.
    pub fn images(&self) -> Images<'a> {
        self.images
    }

    /// The class of each image.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub(super) fn check(&self, split: Split, plan: &Plan) -> Result<(), FullError> {
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
