//! Strict decoding of JPEG: a truncated file is an error instead of an image with a gray part.

use super::decode::{Found, MAX_SIDE};
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Reads the header of a file, and checks that the file has its end marker.
pub(super) fn look(bytes: &[u8]) -> Result<Found, String> {
    found(&decoder(bytes)?)
}

/// Reads the pixels.
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let mut decoder = decoder(bytes)?;
    let Found { width, height, color } = found(&decoder)?;
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let image = match color {
        true => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    image.ok_or_else(|| "has fewer pixels than its header says".to_owned())
}

fn found(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Result<Found, String> {
    let (width, height) = decoder.dimensions().ok_or("has no size")?;
    let color = decoder.options().jpeg_get_out_colorspace() != ColorSpace::Luma;
    Ok(Found { width: width as u32, height: height as u32, color })
}

/// A decoder that has read the headers.
fn decoder(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>, String> {
    if ends_properly(bytes).is_none() {
        return Err("is cut off: its end marker is missing".to_owned());
    }
    // Cameras leave stray bytes between headers, so only the pixels are decoded strictly.
    let options = DecoderOptions::default().set_max_width(MAX_SIDE as usize).set_max_height(MAX_SIDE as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let color = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(color).set_strict_mode(true));
    Ok(decoder)
}

/// Walks from marker to marker; `None` unless the image's end comes before the file's end and before another image.
fn ends_properly(bytes: &[u8]) -> Option<()> {
    const END: u8 = 0xd9;
    const ALONE: [u8; 9] = [0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
    let mut at = 2;
    loop {
        // Within pixels, 0xff is followed by 0; before a marker there may be several.
        at += 2 + bytes.get(at..)?.windows(2).position(|pair| matches!(pair, [0xff, 1..=0xfe]))?;
        match *bytes.get(at - 1)? {
            END => return Some(()),
            0xd8 => return None,
            marker if ALONE.contains(&marker) => {}
            _ => at += usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])),
        }
    }
}
