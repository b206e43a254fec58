//! The UCI digits inside the crate: 1,797 gray images of 8×8 pixels, values 0–16.
//!
//! The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, CC BY 4.0), see
//! `data/README.md`.

use crate::set::numbered_classes;
use crate::{DataError, DataSet, ImageSet, idx, idx_files};
use std::path::Path;

const IMAGES: &[u8] = include_bytes!("../data/digits-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../data/digits-labels-idx1-ubyte.gz");

/// In each class, one in this many images is a test image, in the order of the file.
const TEST_EVERY: usize = 5;

/// The digits with their fixed split: of each class, in the order of the file, every fifth image is a test image.
///
/// Counting within classes keeps both parts balanced: counting over all images would leave between 26 and 48 test
/// images to a class.
pub(crate) fn load() -> Result<DataSet, DataError> {
    let [images_path, labels_path] = ["digits-images-idx3-ubyte.gz", "digits-labels-idx1-ubyte.gz"].map(Path::new);
    let problem_in = |path: &Path| {
        let path = path.to_owned();
        move |problem| DataError::Idx { path, problem }
    };
    let images = idx::parse::<3>(IMAGES).map_err(problem_in(images_path))?;
    let labels = idx::parse::<1>(LABELS).map_err(problem_in(labels_path))?.bytes;
    let all = idx_files::part((images_path, images), (labels_path, labels), 16)?;
    let all = ImageSet::new(all.shape, all.pixels, all.labels, numbered_classes(10))?;

    let mut seen = [0; 10];
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (index, &label) in all.labels().iter().enumerate() {
        let Some(count) = seen.get_mut(label as usize) else { continue };
        *count += 1;
        if *count % TEST_EVERY == 0 { test.push(index) } else { train.push(index) }
    }
    Ok(DataSet::new("digits", all.select(&train), all.select(&test)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(set: &ImageSet) -> [usize; 10] {
        std::array::from_fn(|class| set.labels().iter().filter(|&&label| label as usize == class).count())
    }

    #[test]
    fn the_split_has_its_documented_sizes_and_balance() {
        let digits = load().unwrap();
        assert_eq!(digits.train.shape().to_string(), "1x8x8");
        assert_eq!((digits.train.len(), digits.test.len()), (1442, 355));
        assert_eq!(digits.train.classes(), 10);
        assert_eq!(counts(&digits.train), [143, 146, 142, 147, 145, 146, 145, 144, 140, 144]);
        assert_eq!(counts(&digits.test), [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]);
    }

    #[test]
    fn pixels_are_sixteenths_and_use_the_whole_range() {
        let digits = load().unwrap();
        for set in [&digits.train, &digits.test] {
            assert!(set.pixels().iter().all(|pixel| (pixel * 16.0).fract() == 0.0));
            assert!(set.pixels().contains(&0.0) && set.pixels().contains(&1.0));
        }
    }

    #[test]
    fn the_first_image_is_the_zero_that_the_original_starts_with() {
        let digits = load().unwrap();
        let values: Vec<u8> = digits.train.image(0).iter().map(|pixel| (pixel * 16.0) as u8).collect();
        assert_eq!(digits.train.labels()[0], 0);
        assert_eq!(values[..16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
    }

    #[test]
    fn the_content_is_stable() {
        let digits = load().unwrap();
        assert_eq!(
            digits.train.fingerprint().to_string(),
            "9b745a3620f3ff4b52159900be8173d7d91612591f32fcf3920cc8dd3fb9e36c"
        );
        assert_eq!(
            digits.test.fingerprint().to_string(),
            "e7a9b7cea6d53b44b2c83893572e4b24d614b190d64d7f8529359d22c264e816"
        );
    }
}
