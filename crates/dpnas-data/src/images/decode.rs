//! One image file: its size and colour, then its pixels; bombs are refused.

use dpnas_grammar::ImageShape;
use image::{ImageDecoder, ImageReader, Limits};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// The longest side, in pixels.
const MAX_SIDE: u32 = 1 << 14;
/// The most memory that a decoder may ask for, in bytes.
const MAX_ALLOC: u64 = 1 << 29;

/// What the header of a file says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether it has colour channels, used or not.
    pub(super) color: bool,
}

/// Reads the header of a file.
pub(super) fn look(path: &Path) -> Result<Found, String> {
    let decoder = reader(path)?.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("is {width} x {height} pixels; expected at least one"));
    }
    let bytes = decoder.total_bytes();
    if bytes > MAX_ALLOC {
        return Err(format!("needs {bytes} bytes in memory; expected at most {MAX_ALLOC}"));
    }
    Ok(Found { width, height, color: decoder.color_type().has_color() })
}

/// Reads the pixels of a file in 1 or 3 channels; transparency is dropped.
pub(super) fn pixels(path: &Path, channels: u32) -> Result<(ImageShape, Vec<f32>), String> {
    let image = reader(path)?.decode().map_err(|error| error.to_string())?;
    let shape = ImageShape { channels, height: image.height(), width: image.width() };
    if channels == 1 {
        return Ok((shape, image.to_luma32f().into_raw()));
    }
    let gray = !image.color().has_color();
    let plane = shape.height as usize * shape.width as usize;
    if gray {
        let values = image.to_luma32f().into_raw();
        return Ok((shape, [values.as_slice(); 3].concat()));
    }
    let interleaved = image.to_rgb32f().into_raw();
    let mut planes = Vec::with_capacity(3 * plane);
    (0..3).for_each(|channel| planes.extend(interleaved.iter().skip(channel).step_by(3)));
    Ok((shape, planes))
}

/// A reader that goes by the content of a file, not by its name.
fn reader(path: &Path) -> Result<ImageReader<BufReader<File>>, String> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("is no PNG, JPEG or BMP image".to_owned());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    Ok(reader)
}
