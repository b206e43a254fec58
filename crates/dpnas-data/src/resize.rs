//! Antialiased resizing.

use crate::{DataError, ImageSet};
use dpnas_grammar::ImageShape;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

impl ImageSet {
    /// The same images scaled to `size` × `size` pixels by an antialiased bilinear filter: a triangle as wide as one
    /// source or one target pixel, whichever is larger.
    ///
    /// Sums are taken in double precision and rounded to `f32` after each axis. Costs nothing if the images have this
    /// size already; images that are not square are stretched.
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
        let refused = |problem: &dyn std::fmt::Display| DataError::Resize { from, to, problem: problem.to_string() };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let mut resizer = Resizer::new();
        let mut source = Vec::new();
        let mut target = TypedImage::<F32>::new(size, size);
        for plane in self.pixels().chunks_exact(from.height as usize * from.width as usize) {
            source.clear();
            source.extend(plane.iter().map(|&pixel| F32::new(pixel)));
            let view = TypedImageRef::new(from.width, from.height, &source).map_err(|error| refused(&error))?;
            resizer.resize_typed(&view, &mut target, &options).map_err(|error| refused(&error))?;
            pixels.extend(target.pixels().iter().map(|pixel| pixel.0.clamp(0.0, 1.0)));
        }
        Ok(self.with_pixels(to, pixels))
    }
}
