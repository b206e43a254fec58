//! Blocks of images on the host.

use crate::EngineError;
use dpnas_grammar::{ImageShape, Plan};
use std::num::NonZeroUsize;

/// A borrowed block of images, `[n, channels, height, width]`, values in `[0, 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    shape: ImageShape,
    pixels: &'a [f32],
}

/// The number of pixels is not a whole number of images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pixels} values are not a whole number of images of {shape}")]
#[non_exhaustive]
pub struct ImagesError {
    /// Number of values.
    pub pixels: usize,
    /// The shape of one image.
    pub shape: ImageShape,
}

impl<'a> Images<'a> {
    /// Takes consecutive images of one shape.
    ///
    /// # Errors
    /// If the number of values is not a multiple of the shape's.
    pub fn new(shape: ImageShape, pixels: &'a [f32]) -> Result<Self, ImagesError> {
        let whole = shape.elements().and_then(|elements| usize::try_from(elements).ok());
        match whole {
            Some(elements) if elements > 0 && pixels.len().is_multiple_of(elements) => Ok(Self { shape, pixels }),
            _ => Err(ImagesError { pixels: pixels.len(), shape }),
        }
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The values, `[n, channels, height, width]`.
    pub fn pixels(&self) -> &'a [f32] {
        self.pixels
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.values_per_image()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The images in blocks of at most `chunk`, in order.
    pub fn chunks(&self, chunk: NonZeroUsize) -> impl Iterator<Item = Images<'a>> + use<'a> {
        let shape = self.shape;
        self.pixels
            .chunks(chunk.get().saturating_mul(self.values_per_image()))
            .map(move |pixels| Images { shape, pixels })
    }

    /// Checks that the images have the shape of a plan's input.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`] if they do not.
    pub fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        match (plan.input(), self.shape) {
            (expected, found) if expected == found => Ok(()),
            (expected, found) => Err(EngineError::WrongShape { expected, found }),
        }
    }

    /// The first `n` images and the rest; all and none if there are fewer.
    pub(crate) fn split_at(&self, n: usize) -> (Self, Self) {
        let values = n.saturating_mul(self.values_per_image()).min(self.pixels.len());
        let (first, rest) = self.pixels.split_at(values);
        (Self { pixels: first, ..*self }, Self { pixels: rest, ..*self })
    }

    /// The values of one image.
    ///
    /// # Panics
    /// If there is no such image.
    pub(crate) fn image(&self, index: usize) -> &'a [f32] {
        &self.pixels[index * self.values_per_image()..][..self.values_per_image()]
    }

    /// Whole images of the same shape.
    pub(crate) fn of_same_shape<'b>(&self, pixels: &'b [f32]) -> Images<'b> {
        Images { shape: self.shape, pixels }
    }

    fn values_per_image(&self) -> usize {
        self.shape.channels as usize * self.shape.height as usize * self.shape.width as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_whole_and_come_in_chunks() {
        let shape = ImageShape::square(1, 2);
        let pixels: Vec<f32> = (0..20u8).map(f32::from).collect();
        let images = Images::new(shape, &pixels).unwrap();
        assert_eq!(images.len(), 5);
        let sizes: Vec<usize> = images.chunks(NonZeroUsize::new(2).unwrap()).map(|block| block.len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        let (first, rest) = images.split_at(2);
        assert_eq!((first.pixels(), rest.pixels()), (&pixels[..8], &pixels[8..]));
        assert_eq!((images.split_at(9).0.len(), images.split_at(9).1.len()), (5, 0));
        let error = Images::new(shape, &pixels[..19]).unwrap_err();
        assert_eq!(error.to_string(), "19 values are not a whole number of images of 1x2x2");
    }
}
