//! The same images in every format.

mod common;

use common::{gzip, idx, npy, tar_gz};
use dpnas_data::{ColorMode, ImageSet, Source};
use image::{GrayImage, RgbImage};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const SIDE: usize = 32;

/// Writes five training images of the classes 0 to 4 and a test image of class 2, each `channels` × 32 × 32 bytes.
type Writer = fn(&Path, &[Vec<u8>]);

fn load(write: Writer, images: &[Vec<u8>]) -> (ImageSet, ImageSet) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), images);
    let data = Source::Path(folder.path().to_owned()).load().unwrap();
    (data.train, data.test)
}

fn as_idx(folder: &Path, images: &[Vec<u8>]) {
    for (name, images, labels) in [("train", &images[..5], &[0, 1, 2, 3, 4][..]), ("t10k", &images[5..], &[2])] {
        let content = idx(&[images.len() as u32, 32, 32], &images.concat());
        fs::write(folder.join(format!("{name}-images-idx3-ubyte.gz")), gzip(&content)).unwrap();
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), idx(&[labels.len() as u32], labels)).unwrap();
    }
}

fn as_npy(folder: &Path, images: &[Vec<u8>]) {
    for (name, images, labels) in [("train", &images[..5], &[0, 1, 2, 3, 4][..]), ("test", &images[5..], &[2])] {
        let (count, channels) = (images.len(), images[0].len() / (SIDE * SIDE));
        let shape = format!("({count}, {channels}, 32, 32)");
        fs::write(folder.join(format!("{name}_images.npy")), npy("|u1", "False", &shape, &images.concat())).unwrap();
        let labels = npy("|u1", "False", &format!("({count},)"), labels);
        fs::write(folder.join(format!("{name}_labels.npy")), labels).unwrap();
    }
}

/// The values of a pixel, one of each plane.
fn pixel<const C: usize>(image: &[u8], x: u32, y: u32) -> [u8; C] {
    std::array::from_fn(|channel| image[channel * SIDE * SIDE + y as usize * SIDE + x as usize])
}

fn as_files(folder: &Path, images: &[Vec<u8>], ending: &str) {
    for (index, image) in images.iter().enumerate() {
        let (part, class) = if index < 5 { ("train", index) } else { ("test", 2) };
        let path = folder.join(format!("{part}/{class}/{index}.{ending}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if image.len() == SIDE * SIDE {
            GrayImage::from_fn(32, 32, |x, y| image::Luma(pixel(image, x, y))).save(path).unwrap();
        } else {
            RgbImage::from_fn(32, 32, |x, y| image::Rgb(pixel(image, x, y))).save(path).unwrap();
        }
    }
}

fn as_png(folder: &Path, images: &[Vec<u8>]) {
    as_files(folder, images, "png");
}

fn as_bmp(folder: &Path, images: &[Vec<u8>]) {
    as_files(folder, images, "bmp");
}

/// CIFAR-10's files: an image each.
fn batches(images: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let record = |index: usize| [&[if index < 5 { index as u8 } else { 2 }], &images[index][..]].concat();
    let name = |index| if index < 5 { format!("data_batch_{}.bin", index + 1) } else { "test_batch.bin".to_owned() };
    (0..6).map(|index| (name(index), record(index))).collect()
}

fn as_cifar(folder: &Path, images: &[Vec<u8>]) {
    batches(images).into_iter().for_each(|(name, content)| fs::write(folder.join(name), content).unwrap());
}

fn as_archive(folder: &Path, images: &[Vec<u8>]) {
    let files = batches(images);
    let entries: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    fs::write(folder.join("cifar-10-binary.tar.gz"), tar_gz(&entries)).unwrap();
}

fn images(channels: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    // A few random bytes, spread by a formula: a kibibyte of them for each image would only be slow.
    let image = prop::collection::vec(any::<u8>(), 17).prop_map(move |seed| {
        (0..channels * SIDE * SIDE).map(|i| seed[i % 17].wrapping_mul((i / 17) as u8 | 1)).collect()
    });
    prop::collection::vec(image, 6)
}

fn assert_same(writers: &[Writer], images: &[Vec<u8>]) {
    let (train, test) = load(writers[0], images);
    let expected: Vec<f32> = images[..5].concat().iter().map(|&byte| f32::from(byte) / 255.0).collect();
    assert_eq!(train.pixels(), expected);
    assert_eq!((train.labels(), test.labels()), (&[0, 1, 2, 3, 4][..], &[2][..]));
    for write in &writers[1..] {
        // A palette, which gray BMP files have, counts as colours: gray by the luma of three equal channels.
        let (other_train, other_test) = load(*write, images);
        let mode = if train.shape().channels == 1 { ColorMode::Gray } else { ColorMode::Rgb };
        let [other_train, other_test] = [other_train, other_test].map(|set| set.to_channels(mode).unwrap());
        assert_eq!(other_train.fingerprint(), train.fingerprint());
        assert_eq!(other_test.fingerprint(), test.fingerprint());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn gray_images_are_the_same_from_every_format(images in images(1)) {
        assert_same(&[as_idx, as_npy, as_png, as_bmp], &images);
    }

    #[test]
    fn images_in_colour_are_the_same_from_every_format(images in images(3)) {
        assert_same(&[as_cifar, as_archive, as_npy, as_png, as_bmp], &images);
    }

    #[test]
    fn in_rgb_all_three_channels_differ_and_in_gray_there_is_one(images in images(3)) {
        let (train, _) = load(as_cifar, &images);
        let rgb = train.to_channels(ColorMode::Rgb).unwrap();
        prop_assert_eq!(rgb.shape().to_string(), "3x32x32");
        prop_assert_eq!(rgb.pixels(), train.pixels());
        prop_assert_eq!(train.to_channels(ColorMode::Gray).unwrap().shape().to_string(), "1x32x32");
    }
}
