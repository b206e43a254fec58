//! Pairs of `.npy` files in every layout, and bytes that lie.

mod common;
#[path = "../../../fixtures/skipped.rs"]
mod skipped;

use common::{message, npy};
use dpnas_data::{DataSet, LimitOrder, LoadConfig, Source};
use dpnas_seed::Seed;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::process::Command;

const NAMES: [&str; 4] = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];

/// Three gray training images and one test image of 2×4 pixels.
fn write(folder: &Path) {
    let pixels: Vec<u8> = (0..32).map(|i| i * 8).collect();
    fs::write(folder.join(NAMES[0]), npy("|u1", "False", "(3, 2, 4)", &pixels[..24])).unwrap();
    fs::write(folder.join(NAMES[1]), npy("|u1", "False", "(3,)", &[2, 0, 1])).unwrap();
    fs::write(folder.join(NAMES[2]), npy("|u1", "False", "(1, 2, 4)", &pixels[24..])).unwrap();
    fs::write(folder.join(NAMES[3]), npy("|u1", "False", "(1,)", &[4])).unwrap();
}

fn load(folder: &Path) -> DataSet {
    Source::Path(folder.to_owned()).load().unwrap()
}

/// The message when one of the files has this content.
fn with(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    fs::write(folder.path().join(name), content).unwrap();
    message(folder.path())
}

#[test]
fn bytes_become_numbers_from_0_to_1() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let data = load(folder.path());
    assert_eq!((data.train.len(), data.test.len(), data.train.classes()), (3, 1, 5));
    assert_eq!(data.train.shape().to_string(), "1x2x4");
    assert_eq!(data.train.image(1)[..2], [64.0 / 255.0, 72.0 / 255.0]);
    assert_eq!((data.train.labels(), data.test.labels()), (&[2, 0, 1][..], &[4][..]));
}

#[test]
fn other_names_and_other_integers_are_taken() {
    for names in [
        ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"],
        ["X_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let expected = load(folder.path());
        NAMES.iter().zip(names).for_each(|(old, new)| {
            fs::rename(folder.path().join(old), folder.path().join(new)).unwrap();
        });
        let labels: Vec<u8> = [2i64, 0, 1].iter().flat_map(|label| label.to_be_bytes()).collect();
        fs::write(folder.path().join(names[1]), npy(">i8", "False", "(3, 1)", &labels)).unwrap();
        let data = load(folder.path());
        assert_eq!((data.train, data.test), (expected.train, expected.test));
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    fs::remove_file(folder.path().join(NAMES[1])).unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR: not a complete data set: looked for train_images.npy, train_labels.npy, test_images.npy, test_labels.npy, \
         missing train_labels.npy; add the missing files or give another folder"
    );
}

#[test]
fn bad_files_are_errors_that_say_what_to_do() {
    let clear = "expected [n, h, w], [n, h, w, c] or [n, c, h, w], where c is 1 or 3 and the other of the two places is \
                 neither";
    for (name, content, expected) in [
        (NAMES[0], b"PK\x03\x04 an npz".to_vec(), "does not begin with the bytes of a .npy file: save it with numpy.save".to_owned()),
        (NAMES[0], b"\x93NUMPY\x09\x00\x01\x00 ".to_vec(), "has version 9 of the format; expected 1, 2 or 3: save it with numpy.save".to_owned()),
        (
            NAMES[0],
            npy("<f4", "False", "3", &[]),
            "the header is not that of a plain array: `{'descr': '<f4', 'fortran_order': False, 'shape': 3, }` is not \
             understood; save it with numpy.save"
                .to_owned(),
        ),
        (NAMES[0], npy("<f2", "False", "(3, 2, 4)", &[0; 48]), "holds elements of type `<f2`; expected numbers: convert it with astype".to_owned()),
        (
            NAMES[0],
            npy("<i4", "False", "(3, 2, 4)", &[0; 96]),
            "holds elements of type `<i4`; expected unsigned bytes (`|u1`) or floating-point numbers from 0 to 1 (`<f4`, \
             `<f8`): convert it with astype"
                .to_owned(),
        ),
        (NAMES[0], npy("|u1", "False", "(3, 2)", &[0; 6]), format!("has shape (3, 2); {clear}")),
        (NAMES[0], npy("|u1", "False", "(3, 3, 5, 3)", &[0; 135]), format!("has shape (3, 3, 5, 3); {clear}")),
        (NAMES[0], npy("|u1", "False", "(3, 2, 5, 4)", &[0; 120]), format!("has shape (3, 2, 5, 4); {clear}")),
        (NAMES[0], npy("|u1", "False", "(3, 2, 4)", &[0; 23]), "the header promises 24 bytes of elements, the file has 23; save it again".to_owned()),
        (NAMES[0], npy("|u1", "False", "(3, 2, 4)", &[0; 30]), "the header promises 24 bytes of elements, the file has 25; save it again".to_owned()),
        (
            NAMES[0],
            npy("<f8", "False", "(4294967296, 4294967295)", &[0; 8]),
            "the header is not that of a plain array: `{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, \
             4294967295), }` is not understood; save it with numpy.save"
                .to_owned(),
        ),
        (
            NAMES[0],
            npy("<f8", "False", "(65536, 65536, 9)", &[0; 8]),
            "has shape (65536, 65536, 9); expected at least one element and at most 1073741824".to_owned(),
        ),
        (NAMES[0], npy("|u1", "False", "(0, 2, 4)", &[]), "has shape (0, 2, 4); expected at least one element and at most 1073741824".to_owned()),
        (NAMES[1], npy("<f4", "False", "(3,)", &[0; 12]), "holds elements of type `<f4`; expected whole numbers: convert it with astype".to_owned()),
        (NAMES[1], npy("|u1", "False", "(3, 10)", &[0; 30]), "has shape (3, 10); expected [n]: one whole number an image, not one-hot rows".to_owned()),
        (NAMES[1], npy("|i1", "False", "(3,)", &[0, 255, 0]), "label 1 is -1; expected a whole number from 0 to 65535".to_owned()),
    ] {
        assert_eq!(with(name, &content), format!("DIR/{name}: {expected}"));
    }
}

/// Float images of which all pixels but one are 0.5.
fn floats(value: f32) -> Vec<u8> {
    let mut pixels = [0.5; 24];
    pixels[9] = value;
    npy("<f4", "False", "(3, 2, 4)", &pixels.map(f32::to_le_bytes).concat())
}

#[test]
fn pixels_that_rounding_left_outside_of_0_to_1_are_clamped() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for (value, clamped) in [(1.000_000_1, 1.0), (-1e-7, 0.0), (1.001, 1.0), (-0.001, 0.0)] {
        fs::write(folder.path().join(NAMES[0]), floats(value)).unwrap();
        assert_eq!(load(folder.path()).train.image(1)[..2], [0.5, clamped]);
    }
}

#[test]
fn the_advice_on_pixels_outside_of_0_to_1_fits_their_range() {
    for (value, advice) in [
        (255.0, "divide by 255, or save unsigned bytes"),
        (1.07, "clip them with numpy.clip(images, 0, 1)"),
        (-0.07, "clip them with numpy.clip(images, 0, 1)"),
        (-1.0, "scale them so that 0 is black and 1 is white"),
        (1000.0, "scale them so that 0 is black and 1 is white"),
        (f32::NAN, "replace what is not a finite number"),
        (f32::INFINITY, "replace what is not a finite number"),
    ] {
        let expected = format!("image 1 has a pixel of {value}; expected numbers from 0 to 1: {advice}");
        assert_eq!(with(NAMES[0], &floats(value)), format!("DIR/{}: {expected}", NAMES[0]));
    }
}

#[test]
fn labels_with_large_gaps_are_an_error_that_counts_them() {
    let labels = [10_000u16, 60_000, 65_535].map(u16::to_le_bytes).concat();
    assert_eq!(
        with(NAMES[1], &npy("<u2", "False", "(3,)", &labels)),
        "DIR: class 0 (and 65,532 more) has no training image; expected at most 1000 such classes: number the classes \
         from 0 without gaps, or use more training images"
    );
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    fs::write(folder.path().join(NAMES[1]), npy("|u1", "False", "(3,)", &[1, 2, 3])).unwrap();
    let warnings = load(folder.path()).warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].to_string(), "class 0 (and 1 more) has no training image, but 1 test image");
}

#[test]
fn a_limit_on_a_sorted_set_takes_as_many_images_of_each_class_unless_the_first_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let labels: Vec<u8> = (0..180).map(|i| i / 60).collect();
    fs::write(folder.path().join(NAMES[0]), npy("|u1", "False", "(180, 2, 4)", &[9; 180 * 8])).unwrap();
    fs::write(folder.path().join(NAMES[1]), npy("|u1", "False", "(180,)", &labels)).unwrap();
    fs::write(folder.path().join(NAMES[3]), npy("|u1", "False", "(1,)", &[2])).unwrap();
    let limited = |limit_order| {
        let config = LoadConfig { limit_train: Some(50), limit_order, ..LoadConfig::standard() };
        Source::Path(folder.path().to_owned()).load_with(&config).unwrap()
    };
    let balanced = limited(LimitOrder::Balanced(Seed(1)));
    let count = |class| balanced.train.labels().iter().filter(|&&label| label == class).count();
    let mut counts = [0, 1, 2].map(count);
    assert!(balanced.train.labels().is_sorted() && balanced.warnings().is_empty());
    counts.sort_unstable();
    assert_eq!(counts, [16, 17, 17]);
    let first = limited(LimitOrder::First);
    assert_eq!(first.train.labels(), [0; 50]);
    assert_eq!(first.warnings()[0].to_string(), "class 1 (and 1 more) has no training image, but 1 test image");
}

#[test]
fn different_numbers_or_shapes_are_errors() {
    assert_eq!(
        with(NAMES[1], &npy("|u1", "False", "(2,)", &[0, 1])),
        "DIR/train_images.npy holds 3 images but DIR/train_labels.npy holds 2 labels; expected as many labels as images: \
         take both files from the same data set"
    );
    assert_eq!(
        with(NAMES[2], &npy("|u1", "False", "(1, 4, 2)", &[0; 8])),
        "DIR: training images are 1x2x4 but test images are 1x4x2; expected one shape: take all files from the same data \
         set"
    );
}

/// Elements of `[n, c, h, w]` by a formula.
fn value([n, c, h, w]: [usize; 4]) -> u8 {
    ((n * 7 + c) * 5 + h * 3 + w) as u8
}

/// The elements of an array of 4 dimensions in a memory order, of which `axes` says what each is of n, c, h, w.
fn elements(sizes: [usize; 4], axes: &[usize], first_fastest: bool) -> Vec<u8> {
    let mut order: Vec<usize> = axes.to_vec();
    if first_fastest {
        order.reverse();
    }
    let mut out = Vec::new();
    let mut index = [0; 4];
    loop {
        out.push(value(index));
        let next = order.iter().rev().find(|&&axis| index[axis] + 1 < sizes[axis]).copied();
        let Some(next) = next else { return out };
        index[next] += 1;
        let at = order.iter().position(|&axis| axis == next).unwrap();
        order[at + 1..].iter().for_each(|&axis| index[axis] = 0);
    }
}

#[test]
fn every_layout_and_memory_order_gives_the_same_images() {
    let sizes = [2, 3, 4, 5];
    let expected: Vec<f32> =
        elements(sizes, &[0, 1, 2, 3], false).iter().map(|&byte| f32::from(byte) / 255.0).collect();
    for (axes, shape) in [(&[0, 1, 2, 3], "(2, 3, 4, 5)"), (&[0, 2, 3, 1], "(2, 4, 5, 3)")] {
        for (order, first_fastest) in [("False", false), ("True", true)] {
            let bytes = elements(sizes, axes, first_fastest);
            let big: Vec<u8> = bytes.iter().flat_map(|&byte| (f32::from(byte) / 255.0).to_be_bytes()).collect();
            let double: Vec<u8> = bytes.iter().flat_map(|&byte| (f64::from(byte) / 255.0).to_le_bytes()).collect();
            for (descr, content) in [("|u1", &bytes), (">f4", &big), ("<f8", &double)] {
                let folder = tempfile::tempdir().unwrap();
                for (name, of) in [("train", 0), ("test", 0)] {
                    let images = npy(descr, order, shape, content);
                    fs::write(folder.path().join(format!("{name}_images.npy")), images).unwrap();
                    let labels = npy("|u1", "False", "(2,)", &[of, 1]);
                    fs::write(folder.path().join(format!("{name}_labels.npy")), labels).unwrap();
                }
                let data = load(folder.path());
                assert_eq!(data.train.shape().to_string(), "3x4x5");
                assert_eq!(data.train.pixels(), expected, "{descr} {order} {shape}");
            }
        }
    }
}

#[test]
fn files_of_another_writer_are_read() {
    use npyz::WriterBuilder;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for order in [npyz::Order::C, npyz::Order::Fortran] {
        let mut file = Vec::new();
        let writer = npyz::WriteOptions::new().default_dtype().order(order).shape(&[3, 2, 4]).writer(&mut file);
        let mut writer = writer.begin_nd().unwrap();
        writer.extend((0..24).map(|i| i as f32 / 32.0)).unwrap();
        writer.finish().unwrap();
        fs::write(folder.path().join(NAMES[0]), file).unwrap();
        let data = load(folder.path());
        let second = if order == npyz::Order::C { 1.0 } else { 6.0 };
        assert_eq!(data.train.image(0)[1], second / 32.0);
        assert_eq!(data.train.image(1)[0], if order == npyz::Order::C { 8.0 } else { 1.0 } / 32.0);
    }
}

#[test]
fn files_of_numpy_are_read() {
    let Some(python) = skipped::python("numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = "
import numpy as np
a = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
np.save('train_images.npy', np.asfortranarray(a.transpose(0, 2, 3, 1)))
np.save('test_images.npy', a.astype('>f4') / np.float32(255))
np.save('train_labels.npy', np.array([[3], [0]]))
np.save('test_labels.npy', np.array([1, 2], dtype=np.int32))
";
    let output = Command::new(python).args(["-c", script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data = load(folder.path());
    let expected: Vec<f32> = (0..120).map(|i| i as f32 / 255.0).collect();
    assert_eq!(data.train.shape().to_string(), "3x4x5");
    assert_eq!((data.train.pixels(), data.test.pixels()), (&expected[..], &expected[..]));
    assert_eq!((data.train.labels(), data.test.labels()), (&[3, 0][..], &[1, 2][..]));
}

/// Bytes that look like a `.npy` file up to some point.
fn nearly_npy() -> impl Strategy<Value = Vec<u8>> {
    let shape = prop::collection::vec(prop_oneof![0u64..5, any::<u64>()], 0..5);
    let descr = prop_oneof![Just("|u1"), Just("<f4"), Just(">i8"), Just("<f8"), Just("|O"), Just("")];
    let well_formed = (descr, any::<bool>(), shape, prop::collection::vec(any::<u8>(), 0..80)).prop_map(
        |(descr, order, shape, elements)| {
            let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
            npy(descr, if order { "True" } else { "False" }, &format!("({shape})"), &elements)
        },
    );
    let start = prop::collection::vec(any::<u8>(), 0..200).prop_map(|rest| [b"\x93NUMPY\x01\x00", &rest[..]].concat());
    prop_oneof![3 => well_formed, 1 => start, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in nearly_npy(), at in 0usize..4) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        fs::write(folder.path().join(NAMES[at]), &bytes).unwrap();
        if let Ok(data) = Source::Path(folder.path().to_owned()).load() {
            prop_assert!(data.train.pixels().len() + data.test.pixels().len() <= bytes.len() + 32);
        }
    }

    #[test]
    fn a_file_is_an_error_wherever_it_is_cut(len in 0usize..152) {
        let whole = npy("|u1", "False", "(3, 2, 4)", &[9; 24]);
        prop_assert_eq!(whole.len(), 152);
        prop_assert!(with(NAMES[0], &whole[..len]).starts_with("DIR/train_images.npy: "));
    }
}
