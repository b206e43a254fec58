//! Shapes of images and feature maps, and the one place where window arithmetic is written.

use std::fmt;
use std::str::FromStr;

/// Channels × height × width of an image or a feature map.
///
/// Prints and parses as `1x28x28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageShape {
    /// Channels (features) of the map; 1 for gray and 3 for RGB images.
    pub channels: u32,
    /// Rows, in pixels.
    pub height: u32,
    /// Columns, in pixels.
    pub width: u32,
}

impl ImageShape {
    /// A square map of `size` × `size` pixels.
    pub const fn square(channels: u32, size: u32) -> Self {
        Self { channels, height: size, width: size }
    }

    /// Channels × height × width, or `None` if that does not fit `u64`.
    pub fn elements(&self) -> Option<u64> {
        u64::from(self.channels).checked_mul(u64::from(self.height))?.checked_mul(u64::from(self.width))
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// A text that is not of the form `CHANNELSxHEIGHTxWIDTH`, each a number from 1 to `u32::MAX`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a shape: write CHANNELSxHEIGHTxWIDTH, for example 1x28x28")]
pub struct ShapeError {
    /// The text that was given.
    pub text: String,
}

impl FromStr for ImageShape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let error = || ShapeError { text: text.to_owned() };
        let numbers: Vec<u32> =
            text.trim().split('x').map(|part| part.parse().map_err(|_| error())).collect::<Result<_, _>>()?;
        match numbers[..] {
            [channels, height, width] if channels > 0 && height > 0 && width > 0 => {
                Ok(Self { channels, height, width })
            }
            _ => Err(error()),
        }
    }
}

/// Output size of a window sliding over one axis: `floor((size − kernel + 2·padding) / stride) + 1`.
///
/// `None` if the kernel is larger than the padded input, or a kernel or stride is 0.
///
/// # Source
/// SPEC §3.
pub const fn window_output(size: u32, kernel: u32, stride: u32, padding: u32) -> Option<u32> {
    let padded = size as u64 + 2 * padding as u64;
    if kernel == 0 || stride == 0 || kernel as u64 > padded {
        return None;
    }
    let positions = (padded - kernel as u64) / stride as u64 + 1;
    if positions > u32::MAX as u64 { None } else { Some(positions as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_output_is_the_published_formula() {
        assert_eq!(window_output(28, 5, 1, 2), Some(28));
        assert_eq!(window_output(28, 11, 2, 0), Some(9));
        assert_eq!(window_output(28, 4, 4, 0), Some(7));
        assert_eq!(window_output(3, 3, 1, 0), Some(1));
    }

    #[test]
    fn a_kernel_larger_than_the_padded_map_has_no_output() {
        assert_eq!(window_output(3, 5, 1, 0), None);
        assert_eq!(window_output(3, 5, 1, 1), Some(1));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        assert_eq!(window_output(u32::MAX, 1, 1, u32::MAX), None);
        assert_eq!(window_output(u32::MAX, u32::MAX, u32::MAX, u32::MAX), Some(3));
        assert_eq!(window_output(0, 0, 0, 0), None);
    }

    #[test]
    fn shapes_print_and_parse() {
        let shape = ImageShape { channels: 3, height: 32, width: 16 };
        assert_eq!(shape.to_string().parse(), Ok(shape));
        for bad in ["", "28", "1x28", "0x28x28", "1x28x28x1", "ax28x28", "1x-2x3"] {
            assert!(bad.parse::<ImageShape>().is_err(), "{bad}");
        }
    }
}
