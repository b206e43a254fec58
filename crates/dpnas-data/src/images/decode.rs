//! Reading one image file: size and colour first, then the pixels. Decompression bombs are refused.

use super::jpeg;
use crate::{bounded, files};
use dpnas_grammar::ImageShape;
use image::{ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// The longest side, in pixels.
pub(super) const MAX_SIDE: u32 = 1 << 14;
/// Limit of the bytes of a file, of the memory of its decoder, and of the numbers of its pixels.
const MAX_BYTES: u64 = 1 << 29;
/// The most pixels for each byte of a file: as deflate expands at most, with a bit for each pixel.
const DENSEST: u64 = 8 * 1032;
/// Pixels that are made numbers at a time.
const PIECE: u32 = 1 << 20;

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
    let pixels = u64::from(width) * u64::from(height);
    if pixels > DENSEST * bytes.len() as u64 {
        // A decoder takes the memory first.
        return Err(format!("promises {width} x {height} pixels in {} bytes: it is damaged or cut off", bytes.len()));
    }
    match pixels * 3 * size_of::<f32>() as u64 {
        0 => Err(format!("is {width} x {height} pixels; expected at least one")),
        1..=MAX_BYTES => Ok(found),
        bytes => Err(format!("needs {bytes} bytes in memory; expected at most {MAX_BYTES}: make it smaller")),
    }
}

/// Reads the pixels of a file in 1 or 3 channels; transparency is dropped.
pub(super) fn pixels(path: &Path, channels: u32) -> Result<(ImageShape, Vec<f32>), String> {
    let (bytes, format) = read(path)?;
    let image = match format {
        ImageFormat::Jpeg => jpeg::decode(&bytes)?,
        _ => reader(&bytes, format).decode().map_err(|error| error.to_string())?,
    };
    let (width, height) = (image.width(), image.height());
    let (shape, size) = (ImageShape { channels, height, width }, width as usize * height as usize);
    let color = channels == 3 && image.color().has_color();
    let mut planes = vec![0.0; channels as usize * size];
    // Some rows at a time: as numbers of `f32` the whole image would be there twice.
    let rows = (PIECE / width.max(1)).max(1);
    for first in (0..height).step_by(rows as usize) {
        let piece = image.crop_imm(0, first, width, rows.min(height - first));
        let start = first as usize * width as usize;
        let (values, step) = if color { (piece.to_rgb32f().into_raw(), 3) } else { (piece.to_luma32f().into_raw(), 1) };
        for channel in 0..channels as usize {
            let values = values.iter().skip(channel % step).step_by(step);
            planes.iter_mut().skip(channel * size + start).zip(values).for_each(|(to, &from)| *to = from);
        }
    }
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
