//! Image files that are cut or damaged: every cut is an error, whatever the kind of file.

use dpnas_data::{DataSet, LoadConfig, Source};
use image::{GrayImage, ImageFormat, Rgb, RgbImage};
use std::fs;
use std::io::Cursor;
use tempfile::TempDir;

/// The kinds of JPEG that cameras and editors write: 40 × 24 pixels, made with Pillow.
const JPEGS: [&[u8]; 4] = [
    include_bytes!("jpeg/baseline.jpg"),
    include_bytes!("jpeg/progressive.jpg"),
    include_bytes!("jpeg/gray-progressive.jpg"),
    include_bytes!("jpeg/restarts.jpg"),
];

/// A set with one training image, whose content is still to come.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("train/a")).unwrap();
    fs::create_dir_all(folder.path().join("test/a")).unwrap();
    GrayImage::new(40, 24).save(folder.path().join("test/a/1.png")).unwrap();
    folder
}

fn load(folder: &TempDir, content: &[u8]) -> Result<DataSet, String> {
    fs::write(folder.path().join("train/a/1"), content).unwrap();
    let config = LoadConfig { size: Some(24), ..LoadConfig::standard() };
    Source::Path(folder.path().to_owned()).load_with(&config).map_err(|error| error.to_string())
}

#[test]
fn a_whole_jpeg_has_the_pixels_of_a_lenient_decoder() {
    let folder = folder();
    for content in JPEGS {
        let expected = image::load_from_memory(content).unwrap();
        load(&folder, content).unwrap();
        let set = Source::Path(folder.path().to_owned()).load().unwrap().train;
        assert_eq!(set.shape().channels, if expected.color().has_color() { 3 } else { 1 });
        let channels = set.shape().channels as usize;
        let expected = if channels == 3 { expected.to_rgb32f().into_raw() } else { expected.to_luma32f().into_raw() };
        for (at, &pixel) in set.pixels().iter().enumerate() {
            assert_eq!(pixel, expected[at % 960 * channels + at / 960]);
        }
    }
}

#[test]
fn a_file_is_an_error_wherever_it_is_cut() {
    let image = RgbImage::from_fn(8, 6, |x, y| Rgb([x * 30, y * 40, x * y].map(|value| value as u8)));
    let encoded = [ImageFormat::Png, ImageFormat::Bmp].map(|format| {
        let mut content = Cursor::new(Vec::new());
        image.write_to(&mut content, format).unwrap();
        content.into_inner()
    });
    let folder = folder();
    for content in encoded.iter().map(Vec::as_slice).chain(JPEGS) {
        load(&folder, content).unwrap();
        for len in 0..content.len() {
            let error = load(&folder, &content[..len]).expect_err("a cut file is read");
            assert!(error.contains("1 of its files cannot be used as images"), "{error}");
        }
    }
}

#[test]
fn what_follows_the_end_of_a_jpeg_is_ignored_but_the_end_must_be_its_own() {
    let folder = folder();
    for content in JPEGS {
        let whole = load(&folder, content).unwrap();
        for rest in [&b"anything"[..], &[0; 1000], JPEGS[0]] {
            assert_eq!(load(&folder, &[content, rest].concat()).unwrap(), whole);
        }
        let cut = &content[..content.len() * 4 / 5];
        for rest in [&[0; 1000][..], JPEGS[0]] {
            let error = load(&folder, &[cut, rest].concat()).unwrap_err();
            assert!(error.contains("1 of its files cannot be used as images"), "{error}");
        }
    }
}
