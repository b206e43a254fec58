//! Antialiased resizing.

use crate::{DataError, ImageSet};
use dpnas_grammar::ImageShape;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ImageView, ResizeAlg, ResizeOptions, Resizer};

impl ImageSet {
    /// The same images scaled to `size` × `size` pixels by an antialiased bilinear filter: a triangle as wide as one
    /// source or one target pixel, whichever is larger.
    ///
    /// Sums are taken in double precision and rounded to `f32` after each axis. Images that are not square are
    /// stretched. Costs nothing if the images already have this size.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → `[n, channels, size, size]`.
    ///
    /// # Errors
    /// [`DataError::BadShape`] if `size` is 0; [`DataError::TooLarge`].
    ///
    /// # Source
    /// SPEC §12. The filter is that of Pillow's `BILINEAR`.
    pub fn resized(&self, size: u32) -> Result<Self, DataError> {
        let from = self.shape();
        let to = ImageShape::square(from.channels, size);
        if from == to {
            return Ok(self.clone());
        }
        let mut pixels = self.buffer_for(to)?;
        if self.is_empty() {
            return Ok(self.with_pixels(to, pixels));
        }
        Scaler::new().scale(self.pixels(), from, to, &mut pixels)?;
        Ok(self.with_pixels(to, pixels))
    }
}

/// Scales planes to squares and keeps its buffers.
pub(crate) struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    source: Vec<F32>,
    target: TypedImage<'static, F32>,
}

impl Scaler {
    pub(crate) fn new() -> Self {
        Self {
            resizer: Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
            source: Vec::new(),
            target: TypedImage::new(1, 1),
        }
    }

    /// Appends the planes of `pixels`, which are images of shape `from`, at the size of `to`.
    pub(crate) fn scale(
        &mut self,
        pixels: &[f32],
        from: ImageShape,
        to: ImageShape,
        scaled: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let refused = |problem: &dyn std::fmt::Display| DataError::Resize { from, to, problem: problem.to_string() };
        if (self.target.width(), self.target.height()) != (to.width, to.height) {
            self.target = TypedImage::new(to.width, to.height);
        }
        for plane in pixels.chunks_exact(from.height as usize * from.width as usize) {
            self.source.clear();
            self.source.extend(plane.iter().map(|&pixel| F32::new(pixel)));
            let view = TypedImageRef::new(from.width, from.height, &self.source).map_err(|error| refused(&error))?;
            let resized = self.resizer.resize_typed(&view, &mut self.target, &self.options);
            resized.map_err(|error| refused(&error))?;
            scaled.extend(self.target.pixels().iter().map(|pixel| pixel.0.clamp(0.0, 1.0)));
        }
        Ok(())
    }
}
