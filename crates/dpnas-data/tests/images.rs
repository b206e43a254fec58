//! Folders of images per class: what is read, and how.

mod common;

use common::message;
use dpnas_data::{ColorMode, DataError, DataSet, LimitOrder, LoadConfig, Source};
use dpnas_seed::Seed;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, RgbaImage};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// A gray image of one value.
fn gray(path: impl AsRef<Path>, width: u32, height: u32, value: u8) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    GrayImage::from_pixel(width, height, Luma([value])).save(path).unwrap();
}

fn load(folder: &Path) -> DataSet {
    Source::Path(folder.to_owned()).load().unwrap()
}

fn load_sized(folder: &Path, size: u32) -> Result<DataSet, DataError> {
    let config = LoadConfig { size: Some(size), ..LoadConfig::standard() };
    Source::Path(folder.to_owned()).load_with(&config)
}

/// The first pixel of each image, as a byte.
fn firsts(set: &dpnas_data::ImageSet) -> Vec<u8> {
    (0..set.len()).map(|i| (set.image(i)[0] * 255.0).round() as u8).collect()
}

#[test]
fn classes_are_folders_in_the_order_of_their_names_and_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, value) in [("train/cat/b.png", 12), ("train/cat/a.PNG", 11), ("train/cat/c.jpg", 13)] {
        gray(path.join(name), 3, 2, value);
    }
    gray(path.join("train/ant/z.png"), 3, 2, 21);
    gray(path.join("train/bee/z.png"), 3, 2, 31);
    gray(path.join("test/cat/z.png"), 3, 2, 41);
    gray(path.join("test/bee/z.png"), 3, 2, 51);
    let data = load(path);
    assert_eq!(data.train.class_names(), ["ant", "bee", "cat"]);
    assert_eq!(data.test.class_names(), data.train.class_names());
    assert_eq!(data.train.shape().to_string(), "1x2x3");
    assert_eq!(firsts(&data.train), [21, 31, 11, 12, 13]);
    assert_eq!(data.train.labels(), [0, 1, 2, 2, 2]);
    assert_eq!((firsts(&data.test), data.test.labels()), (vec![51, 41], &[1, 2][..]));
}

#[test]
fn a_limit_takes_as_many_images_of_each_class_or_the_first() {
    let folder = tempfile::tempdir().unwrap();
    for (class, images) in [("a", 2), ("b", 9), ("c", 9)] {
        (0..images).for_each(|i| gray(folder.path().join(format!("train/{class}/{i}.png")), 2, 2, 10 * i));
        gray(folder.path().join(format!("test/{class}/0.png")), 2, 2, 0);
    }
    let source = Source::Path(folder.path().to_owned());
    let limited = |limit, limit_order| {
        let config = LoadConfig { limit_train: Some(limit), limit_order, ..LoadConfig::standard() };
        source.load_with(&config).unwrap().train
    };
    assert_eq!(limited(5, LimitOrder::First).labels(), [0, 1, 2, 0, 1]);
    let balanced = limited(8, LimitOrder::Balanced(Seed(1)));
    assert_eq!([0, 1, 2].map(|class| balanced.labels().iter().filter(|&&label| label == class).count()), [2, 3, 3]);
    assert_eq!(balanced, source.load().unwrap().limit_train(8, LimitOrder::Balanced(Seed(1))).train);
    assert_ne!(balanced, limited(8, LimitOrder::Balanced(Seed(2))));
}

#[test]
fn without_parts_every_fifth_image_of_a_class_is_a_test_image() {
    let folder = tempfile::tempdir().unwrap();
    (0..11).for_each(|i| gray(folder.path().join(format!("a/{i:02}.png")), 2, 2, i));
    (0..4).for_each(|i| gray(folder.path().join(format!("b/{i:02}.png")), 2, 2, 100 + i));
    let data = load(folder.path());
    assert_eq!(firsts(&data.test), [4, 9]);
    assert_eq!(firsts(&data.train), [0, 100, 1, 101, 2, 102, 3, 103, 5, 6, 7, 8, 10]);
    assert_eq!(data.train.class_names(), ["a", "b"]);
}

#[test]
fn validation_images_test_where_there_is_no_test_folder_and_are_left_alone_where_there_is() {
    for name in ["val", "valid", "validation"] {
        let folder = tempfile::tempdir().unwrap();
        gray(folder.path().join("train/a/1.png"), 2, 2, 1);
        gray(folder.path().join(name).join("a/1.png"), 2, 2, 2);
        assert_eq!(firsts(&load(folder.path()).test), [2]);
        gray(folder.path().join("test/a/1.png"), 2, 2, 3);
        let data = load(folder.path());
        assert_eq!((firsts(&data.train), firsts(&data.test)), (vec![1], vec![3]));
    }
}

#[test]
fn one_image_with_colours_gives_all_three_channels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    gray(path.join("train/a/1.png"), 1, 1, 51);
    gray(path.join("test/a/1.png"), 1, 1, 102);
    RgbImage::from_pixel(1, 1, Rgb([255, 0, 51])).save(path.join("train/a/2.png")).unwrap();
    RgbaImage::from_pixel(1, 1, image::Rgba([0, 255, 0, 7])).save(path.join("train/a/3.png")).unwrap();
    let data = load(path);
    assert_eq!(data.train.shape().to_string(), "3x1x1");
    assert_eq!(data.train.pixels(), [0.2, 0.2, 0.2, 1.0, 0.0, 0.2, 0.0, 1.0, 0.0]);
    assert_eq!(data.test.pixels(), [0.4, 0.4, 0.4]);
    assert_eq!(data.to_channels(ColorMode::Gray).unwrap().train.pixels()[0], 0.2);
}

#[test]
fn images_of_different_sizes_need_a_size() {
    let folder = tempfile::tempdir().unwrap();
    gray(folder.path().join("train/a/1.png"), 4, 6, 51);
    gray(folder.path().join("train/a/2.jpg"), 9, 3, 102);
    gray(folder.path().join("test/a/1.png"), 2, 2, 153);
    assert_eq!(
        message(folder.path()),
        "DIR/train/a/1.png and DIR/train/a/2.jpg have different sizes; give the size to which all images are resized"
    );
    let data = load_sized(folder.path(), 5).unwrap();
    assert_eq!(data.train.shape().to_string(), "1x5x5");
    assert_eq!(data.warnings()[0].to_string(), "images that are not square are stretched to 5x5 pixels: 2");
    assert_eq!((firsts(&data.train), firsts(&data.test)), (vec![51, 102], vec![153]));
}

#[test]
fn resizing_while_reading_is_resizing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shift) in [("train/a/1.png", 0u32), ("train/b/2.png", 50), ("test/a/1.png", 99)] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(7, 5, |x, y| Rgb([x * 30, y * 40 + shift, x * y].map(|v| v as u8))).save(path).unwrap();
    }
    let whole = load(folder.path());
    assert_eq!(whole.train.shape().to_string(), "3x5x7");
    assert_eq!(load_sized(folder.path(), 4).unwrap(), whole.resized(4).unwrap());
}

#[test]
fn every_file_that_is_no_usable_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    gray(path.join("train/a/good.png"), 3, 3, 1);
    gray(path.join("test/a/good.png"), 3, 3, 1);
    fs::write(path.join("train/a/empty.png"), "").unwrap();
    fs::write(path.join("train/a/text.jpg"), "this is no image").unwrap();
    fs::write(path.join("train/a/moving.gif"), "GIF89a").unwrap();
    fs::create_dir(path.join("train/a/inner")).unwrap();
    let whole = fs::read(path.join("train/a/good.png")).unwrap();
    fs::write(path.join("test/a/cut.png"), &whole[..whole.len() - 20]).unwrap();
    fs::write(path.join("test/a/bomb.png"), huge_png()).unwrap();
    let text = message(path);
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), "DIR: 6 of its files cannot be used as images; repair or remove them");
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    let starts = [
        "  DIR/test/a/bomb.png: ",
        "  DIR/test/a/cut.png: ",
        "  DIR/train/a/empty.png: is no PNG, JPEG or BMP image",
        "  DIR/train/a/inner: is a folder; images lie directly in the folder of their class",
        "  DIR/train/a/moving.gif: is a Gif image, which is not read; convert it to PNG",
        "  DIR/train/a/text.jpg: is no PNG, JPEG or BMP image",
    ];
    assert_eq!(lines.len(), starts.len(), "{text}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{text}");
}

/// A PNG file whose header promises 60,000 × 60,000 pixels.
fn huge_png() -> Vec<u8> {
    png_of(60_000, 0)
}

/// A colour PNG file whose header promises a square, with bytes of text instead of pixels.
fn png_of(side: u32, text: usize) -> Vec<u8> {
    let chunk = |name: &[u8], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(&[name, content].concat());
        [&(content.len() as u32).to_be_bytes(), name, content, &crc.sum().to_be_bytes()].concat()
    };
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let text = [b"Comment\0".to_vec(), vec![b' '; text]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"tEXt", &text), chunk(b"IDAT", b""), chunk(b"IEND", b"")].concat();
    [b"\x89PNG\r\n\x1a\n", &chunks[..]].concat()
}

#[test]
fn a_bomb_is_refused_before_memory_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    gray(folder.path().join("test/a/1.png"), 3, 3, 1);
    gray(folder.path().join("train/a/1.png"), 3, 3, 1);
    for (side, text, expected) in [
        (60_000, 0, "limit"),
        (6_000, 0, "promises 6000 x 6000 pixels in "),
        // Its pixels may be in the file, but need the memory as numbers.
        (6_700, 10_000, "needs 538680000 bytes in memory; expected at most 536870912: make it smaller"),
    ] {
        fs::write(folder.path().join("train/a/2.png"), png_of(side, text)).unwrap();
        let error = load_sized(folder.path(), 8).unwrap_err();
        assert!(matches!(&error, DataError::BadImages { bad, .. } if bad.len() == 1), "{error}");
        assert!(error.to_string().to_lowercase().contains(expected), "{error}");
    }
}

#[test]
fn pixels_of_an_image_of_many_pieces_are_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let of = |x: u32, y: u32| Rgb([(x % 251) as u8, (y % 241) as u8, ((x + y) % 239) as u8]);
    let image = RgbImage::from_fn(1500, 1500, of);
    for part in ["train/a", "test/a"] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
        image.save(folder.path().join(part).join("1.bmp")).unwrap();
    }
    let data = load(folder.path());
    let expected = (0..3).flat_map(|channel| image.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0));
    assert!(data.train.pixels().iter().copied().eq(expected));
}

#[test]
fn a_name_may_say_png_over_other_content() {
    let folder = tempfile::tempdir().unwrap();
    gray(folder.path().join("test/a/1.png"), 2, 2, 1);
    fs::create_dir_all(folder.path().join("train/a")).unwrap();
    GrayImage::from_pixel(2, 2, Luma([9]))
        .save_with_format(folder.path().join("train/a/1.png"), ImageFormat::Bmp)
        .unwrap();
    assert_eq!(firsts(&load(folder.path()).train), [9]);
}

#[test]
fn a_folder_with_two_kinds_of_data_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    common::write_folder(folder.path());
    gray(folder.path().join("train/a/1.png"), 2, 2, 1);
    gray(folder.path().join("test/a/1.png"), 2, 2, 1);
    assert_eq!(
        message(folder.path()),
        "DIR: holds both IDX files * and folders of images; give each data set a folder of its own"
    );
}

/// A small image in one of the formats.
fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_fn(5, 4, |x, y| Rgb([x * 50, y * 60, x * y].map(|v| v as u8))).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_images_never_panic(
        format in prop_oneof![Just(ImageFormat::Png), Just(ImageFormat::Jpeg), Just(ImageFormat::Bmp)],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        gray(folder.path().join("test/a/1.png"), 2, 2, 1);
        let mut bytes = encoded(format);
        let len = bytes.len();
        damage.iter().for_each(|(at, byte)| bytes[at.index(len)] = *byte);
        bytes.truncate(cut.map_or(len, |at| at.index(len)));
        let path = folder.path().join("train/a/1.png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bytes).unwrap();
        match load_sized(folder.path(), 3) {
            Ok(data) => prop_assert_eq!(data.train.len(), 1),
            Err(error) => prop_assert!(error.to_string().contains("1.png: "), "{}", error),
        }
    }
}
