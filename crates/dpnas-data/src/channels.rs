//! Gray and RGB images.

use crate::{DataError, ImageSet};
use dpnas_grammar::ImageShape;
use serde::{Deserialize, Serialize};

/// Colour mode of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorMode {
    /// One channel of brightness.
    Gray,
    /// Three channels: red, green, blue.
    Rgb,
}

impl ColorMode {
    /// Number of channels.
    pub const fn channels(self) -> u32 {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// Weights of red, green and blue in brightness (ITU-R BT.601).
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

impl ImageSet {
    /// The same images in gray or RGB: gray becomes RGB by repetition, RGB becomes gray by its ITU-R BT.601 luma.
    ///
    /// Costs nothing if the images already have these channels.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → `[n, 1 or 3, height, width]`.
    ///
    /// # Errors
    /// [`DataError::Channels`] if the images are neither gray nor RGB; [`DataError::TooLarge`].
    ///
    /// # Source
    /// SPEC §12.
    pub fn to_channels(&self, mode: ColorMode) -> Result<Self, DataError> {
        let from = self.shape();
        let shape = ImageShape { channels: mode.channels(), ..from };
        match (from.channels, mode) {
            (1, ColorMode::Gray) | (3, ColorMode::Rgb) => return Ok(self.clone()),
            (1 | 3, _) => {}
            (channels, _) => return Err(DataError::Channels { channels }),
        }
        let mut pixels = self.buffer_for(shape)?;
        for image in (0..self.len()).map(|i| self.image(i)) {
            match mode {
                ColorMode::Rgb => (0..3).for_each(|_| pixels.extend_from_slice(image)),
                ColorMode::Gray => {
                    let plane = image.len() / 3;
                    let (red, others) = image.split_at(plane);
                    let (green, blue) = others.split_at(plane);
                    pixels.extend(red.iter().zip(green).zip(blue).map(|((&red, &green), &blue)| {
                        let [red, green, blue] = [red, green, blue].map(f64::from);
                        (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue) as f32
                    }));
                }
            }
        }
        Ok(self.with_pixels(shape, pixels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(shape: ImageShape, pixels: Vec<f32>) -> ImageSet {
        let n = pixels.len() / shape.elements().unwrap() as usize;
        ImageSet::new(shape, pixels, vec![0; n], vec!["a".to_owned()]).unwrap()
    }

    #[test]
    fn gray_becomes_rgb_by_repeating_each_image_three_times() {
        let rgb = set(ImageShape::square(1, 1), vec![0.25, 0.5]).to_channels(ColorMode::Rgb).unwrap();
        assert_eq!(rgb.shape(), ImageShape::square(3, 1));
        assert_eq!(rgb.pixels(), [0.25, 0.25, 0.25, 0.5, 0.5, 0.5]);
        assert_eq!(rgb.labels(), [0, 0]);
    }

    #[test]
    fn rgb_becomes_gray_by_its_luma() {
        let shape = ImageShape { channels: 3, height: 1, width: 4 }; // red, green, blue and white pixels
        let pixels = vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        let gray = set(shape, pixels).to_channels(ColorMode::Gray).unwrap();
        assert_eq!(gray.shape(), ImageShape { channels: 1, height: 1, width: 4 });
        assert_eq!(gray.pixels(), [0.299, 0.587, 0.114, 1.0]);
    }

    #[test]
    fn images_of_two_channels_cannot_be_converted() {
        let two = set(ImageShape::square(2, 1), vec![0.0, 1.0]);
        for mode in [ColorMode::Gray, ColorMode::Rgb] {
            let error = two.to_channels(mode).unwrap_err();
            assert_eq!(
                error.to_string(),
                "images have 2 channels; only gray (1) and RGB (3) images can be converted to one another"
            );
        }
    }

    proptest! {
        #[test]
        fn gray_to_rgb_and_back_is_the_identity(pixels in prop::collection::vec(0.0f32..=1.0, 4..40)) {
            let n = pixels.len() / 4 * 4;
            let gray = set(ImageShape::square(1, 2), pixels[..n].to_vec());
            let back = gray.to_channels(ColorMode::Rgb).unwrap().to_channels(ColorMode::Gray).unwrap();
            prop_assert_eq!(back.fingerprint(), gray.fingerprint());
        }
    }
}
