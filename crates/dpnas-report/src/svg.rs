//! The finished picture, as text and as pixels.

use crate::font;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::fmt;

/// Largest number of pixels of a PNG along one side, and in all.
const LONGEST: f32 = 16_384.0;
const LARGEST: f32 = 64e6;

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The scale is not a positive number, or it leads to a PNG without pixels or with more than 64 million.
    #[error(
        "a scale of {scale} makes no PNG of a picture of {width}x{height}: choose one that gives 1 to 16384 pixels a side and at most 64 million in all"
    )]
    Scale {
        /// The scale that was asked for.
        scale: f32,
        /// Width of the picture at scale 1, in pixels.
        width: f32,
        /// Height of the picture at scale 1, in pixels.
        height: f32,
    },
    /// The SVG text could not be read back for drawing.
    #[error("the SVG cannot be drawn as a PNG: {message}; save the SVG itself instead")]
    Draw {
        /// The message of the renderer.
        message: String,
    },
    /// The pixels could not be packed as a PNG.
    #[error("the pixels cannot be written as a PNG: {message}; save the SVG instead")]
    Encode {
        /// The message of the encoder.
        message: String,
    },
}

/// A picture as SVG text.
///
/// The same input gives the same text, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The SVG document: one `<svg>` element without an XML declaration, so that it fits into HTML, too.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The picture as a PNG of `scale` times its size, in the compiled-in font.
    ///
    /// # Errors
    /// [`ReportError::Scale`] if the scale gives no picture or one of more than 64 million pixels; the others if the
    /// renderer fails.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, ReportError> {
        let options = Options { fontdb: font::database(), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
        let tree = Tree::from_str(&self.0, &options);
        let tree = tree.map_err(|error| ReportError::Draw { message: error.to_string() })?;
        let (width, height) = (tree.size().width(), tree.size().height());
        let [columns, rows] = [width, height].map(|side| (side * scale).round());
        let sides = [columns, rows].iter().all(|side| (1.0..=LONGEST).contains(side));
        let pixmap = (sides && columns * rows <= LARGEST).then(|| Pixmap::new(columns as u32, rows as u32)).flatten();
        let mut pixmap = pixmap.ok_or(ReportError::Scale { scale, width, height })?;
        resvg::render(&tree, Transform::from_scale(columns / width, rows / height), &mut pixmap.as_mut());
        pixmap.encode_png().map_err(|error| ReportError::Encode { message: error.to_string() })
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Svg({} bytes)", self.0.len())
    }
}
