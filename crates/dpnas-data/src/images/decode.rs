//! Reading one image file: size and colour first, then the pixels. Decompression bombs are refused.

use super::jpeg;
use crate::{bounded, files};
use dpnas_grammar::ImageShape;
use image::{ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// The longest side, in pixels.
pub(super) const MAX_SIDE: u32 = 1 << 14;
/// Limit of the bytes of a file, and of the memory of its decoder.
const MAX_BYTES: u64 = 1 << 29;

/// Size and colour in the header of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether it has colour channels, even if all pixels are gray.
    pub(super) color: bool,
}

/// Whether the first bytes of a file are those of an image, also in an unsupported format.
pub(super) fn is_image(path: &Path) -> bool {
    let start = files::open(path).ok().and_then(|file| bounded::read(file, 32).ok());
    start.is_some_and(|start| image::guess_format(&start).is_ok())
}

/// Reads the header of a file.
pub(super) fn look(path: &Path) -> Result<Found, String> {
    let (bytes, format) = read(path)?;
    let found = if format == ImageFormat::Jpeg {
        jpeg::look(&bytes)?
    } else {
        let decoder = reader(&bytes, format).into_decoder().map_err(|error| error.to_string())?;
        let (width, height) = decoder.dimensions();
        Found { width, height, color: decoder.color_type().has_color() }
    };
    let Found { width, height, .. } = found;
    match 3 * u64::from(width) * u64::from(height) {
        0 => Err(format!("is {width} x {height} pixels; expected at least one")),
        1..=MAX_BYTES => Ok(found),
        bytes => Err(format!("needs {bytes} bytes in memory; expected at most {MAX_BYTES}")),
    }
}

/// Reads the pixels of a file in 1 or 3 channels; transparency is dropped.
pub(super) fn pixels(path: &Path, channels: u32) -> Result<(ImageShape, Vec<f32>), String> {
    let (bytes, format) = read(path)?;
    let image = match format {
        ImageFormat::Jpeg => jpeg::decode(&bytes)?,
        _ => reader(&bytes, format).decode().map_err(|error| error.to_string())?,
    };
    let shape = ImageShape { channels, height: image.height(), width: image.width() };
    if channels == 1 || !image.color().has_color() {
        let values = image.to_luma32f().into_raw();
        return Ok((shape, values.repeat(channels as usize)));
    }
    let interleaved = image.to_rgb32f().into_raw();
    let mut planes = Vec::with_capacity(interleaved.len());
    (0..3).for_each(|channel| planes.extend(interleaved.iter().skip(channel).step_by(3)));
    Ok((shape, planes))
}

/// The bytes of a file, and the format that follows from them.
fn read(path: &Path) -> Result<(Vec<u8>, ImageFormat), String> {
    let file = files::open(path).map_err(|error| {
        let text = error.to_string();
        text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned()
    })?;
    let bytes = bounded::read(file, MAX_BYTES + 1).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) if ends_properly(&bytes).is_none() => {
            Err("is cut off: its last chunk is missing".to_owned())
        }
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp)) => Ok((bytes, format)),
        Ok(format) => Err(format!("is a {format:?} image, which is not read; convert it to PNG")),
        Err(_) => Err("is no PNG, JPEG or BMP image".to_owned()),
    }
}

/// Walks over a PNG's chunks; `None` unless the last one is there.
fn ends_properly(bytes: &[u8]) -> Option<()> {
    let mut at = 8;
    loop {
        let (length, name) = (bytes.get(at..at + 4)?, bytes.get(at + 4..at + 8)?);
        at += 12 + length.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        if name == b"IEND" {
            return bytes.get(at - 1).map(|_| ());
        }
    }
}

fn reader(bytes: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader
}
