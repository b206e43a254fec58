//! CIFAR's binary form: small sets, whole, damaged and hostile.

mod common;

use common::{message, tar_gz};
use dpnas_data::{ColorMode, DataSet, Known, LoadConfig, Source};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];

/// An image whose red, green and blue planes have the values `first`, `first` + 1 and `first` + 2.
fn record(labels: &[u8], first: u8) -> Vec<u8> {
    let planes = (0..3).flat_map(|channel| [first + channel; 1024]);
    labels.iter().copied().chain(planes).collect()
}

/// Six files: five training images of class 9 down to 5 and two test images of class 0 and 1.
fn cifar10() -> Vec<(&'static str, Vec<u8>)> {
    let mut files: Vec<_> =
        TRAIN.iter().enumerate().map(|(i, name)| (*name, record(&[9 - i as u8], 50 * i as u8))).collect();
    files.push(("test_batch.bin", [record(&[0], 7), record(&[1], 8)].concat()));
    files
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    fs::create_dir_all(folder).unwrap();
    files.iter().for_each(|(name, content)| fs::write(folder.join(name), content).unwrap());
}

fn archive(folder: &str, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let paths: Vec<String> = files.iter().map(|(name, _)| format!("{folder}/{name}")).collect();
    let entries: Vec<(&str, &[u8])> =
        paths.iter().zip(files).map(|(path, (_, content))| (path.as_str(), content.as_slice())).collect();
    tar_gz(&entries)
}

fn load(path: &Path) -> DataSet {
    Source::Path(path.to_owned()).load().unwrap()
}

#[test]
fn the_planes_and_labels_of_cifar_10_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &cifar10());
    let data = load(folder.path());
    assert_eq!(data.train.shape().to_string(), "3x32x32");
    assert_eq!((data.train.labels(), data.test.labels()), (&[9, 8, 7, 6, 5][..], &[0, 1][..]));
    assert_eq!(data.train.class_names()[..3], ["airplane", "automobile", "bird"]);
    let second = data.train.image(1);
    assert_eq!([second[0], second[1023], second[1024], second[3071]], [50.0, 50.0, 51.0, 52.0].map(|x| x / 255.0));
}

#[test]
fn colours_stay_or_become_gray() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &cifar10());
    let data = load(folder.path());
    assert_eq!(data.to_channels(ColorMode::Rgb).unwrap(), data);
    let gray = data.to_channels(ColorMode::Gray).unwrap();
    assert_eq!(gray.train.shape().to_string(), "1x32x32");
    let luma = (0.299 * 50.0 + 0.587 * 51.0 + 0.114 * 52.0) / 255.0;
    assert!((gray.train.image(1)[0] - luma).abs() < 1e-6);
}

#[test]
fn cifar_100_counts_its_fine_labels_and_takes_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let names: String = (0..100).map(|i| format!("fine {i}\n")).collect();
    let files = [
        ("train.bin", [record(&[3, 99], 0), record(&[4, 0], 9)].concat()),
        ("test.bin", record(&[19, 42], 1)),
        ("fine_label_names.txt", names.into_bytes()),
    ];
    write(folder.path(), &files);
    let data = load(folder.path());
    assert_eq!((data.train.labels(), data.test.labels()), (&[99, 0][..], &[42][..]));
    assert_eq!((data.test.classes(), data.test.class_names()[42].as_str()), (100, "fine 42"));
    fs::remove_file(folder.path().join("fine_label_names.txt")).unwrap();
    assert_eq!(load(folder.path()).test.class_names()[42], "42");
}

#[test]
fn folder_inner_folder_and_archive_are_the_same() {
    let mut files = cifar10();
    let names: String = (0..10).map(|i| format!("class {i}\n")).collect();
    files.push(("batches.meta.txt", format!("{names}\n").into_bytes()));
    files.push(("readme.html", b"<html>".to_vec()));
    let [plain, inner, packed] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    write(plain.path(), &files);
    write(&inner.path().join("cifar-10-batches-bin"), &files);
    let path = packed.path().join("cifar-10-binary.tar.gz");
    fs::write(&path, archive("cifar-10-batches-bin", &files)).unwrap();
    let expected = load(plain.path());
    assert_eq!(expected.train.class_names()[9], "class 9");
    for other in [inner.path(), packed.path(), &path] {
        let data = load(other);
        assert_eq!((data.train, data.test), (expected.train.clone(), expected.test.clone()), "{}", other.display());
    }
}

#[test]
fn a_known_set_is_read_from_its_folder_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = LoadConfig {
        data_dir: folder.path().to_owned(),
        size: Some(8),
        limit_train: Some(3),
        ..LoadConfig::standard()
    };
    let source = Source::Known(Known::Cifar10);
    let error = source.load_with(&config).unwrap_err().to_string();
    let path = folder.path().join("cifar10");
    assert_eq!(
        error,
        format!("{}: cifar10 is not there; fetch it first, or put there cifar-10-binary.tar.gz", path.display())
    );
    fs::create_dir(&path).unwrap();
    fs::write(path.join("cifar-10-binary.tar.gz"), archive("cifar-10-batches-bin", &cifar10())).unwrap();
    let data = source.load_with(&config).unwrap();
    assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("cifar10", 3, 2));
    assert_eq!(data.train.shape().to_string(), "3x8x8");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = cifar10();
    write(folder.path(), &files[..4]);
    assert_eq!(
        message(folder.path()),
        "DIR: not a complete data set: looked for data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, \
         data_batch_4.bin, data_batch_5.bin, test_batch.bin, missing data_batch_5.bin, test_batch.bin; add the missing \
         files or give another folder"
    );
}

#[test]
fn a_file_that_is_cut_off_or_too_long_is_an_error() {
    for len in [0, 1, 3072, 3074, 6145] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &cifar10());
        fs::write(folder.path().join("data_batch_3.bin"), vec![1; len]).unwrap();
        assert_eq!(
            message(folder.path()),
            format!(
                "DIR/data_batch_3.bin: holds {len} bytes; expected a multiple of 3073, the bytes of an image and its \
                 labels, and at least one image: the file is cut off or of another format, fetch it again"
            )
        );
    }
}

#[test]
fn a_file_that_is_cut_off_between_images_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &cifar10());
    fs::write(folder.path().join("data_batch_2.bin"), vec![1; 2 * 3073]).unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR/data_batch_2.bin: holds 2 images, the first training file 1; expected as many: fetch the set again"
    );
}

#[test]
fn a_label_without_a_class_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &cifar10());
    fs::write(folder.path().join("test_batch.bin"), [record(&[1], 0), record(&[10], 0)].concat()).unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR/test_batch.bin: image 1 has label 10; expected one below 10: the file is damaged or of another format"
    );
}

#[test]
fn too_few_class_names_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &cifar10());
    fs::write(folder.path().join("batches.meta.txt"), "airplane\n\nbird\n").unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR/batches.meta.txt: holds 2 class names; expected 10, one a line: correct the file, or remove it"
    );
}

#[test]
fn a_damaged_archive_is_an_error_wherever_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    let whole = archive("cifar-10-batches-bin", &cifar10());
    for len in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..len]).unwrap();
        let message = message(folder.path());
        assert!(message.starts_with("DIR/cifar-10-binary.tar.gz: "), "cut to {len}: {message}");
    }
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR/cifar-10-binary.tar.gz: cannot read on: corrupt gzip stream does not have a matching checksum; the file is \
         damaged or cut off: fetch it again"
    );
}

#[test]
fn an_archive_is_never_unpacked_and_has_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    let mut files = cifar10();
    files.push(("elsewhere.txt", b"text".to_vec()));
    fs::write(&path, archive("a", &files)).unwrap();
    load(folder.path());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    files.push(("data_batch_1.bin", record(&[1], 1)));
    fs::write(&path, archive("a", &files)).unwrap();
    assert_eq!(
        message(folder.path()),
        "DIR/cifar-10-binary.tar.gz: holds data_batch_1.bin twice: the archive is not that of the publisher, fetch it again"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000), in_archive: bool) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &cifar10());
        if in_archive {
            let folder = tempfile::tempdir().unwrap();
            for content in [bytes.clone(), common::gzip(&bytes)] {
                fs::write(folder.path().join("cifar-100-binary.tar.gz"), content).unwrap();
                prop_assert!(Source::Path(folder.path().to_owned()).load().is_err());
            }
        }
        fs::write(folder.path().join("test_batch.bin"), &bytes).unwrap();
        if let Ok(data) = Source::Path(folder.path().to_owned()).load() {
            prop_assert_eq!(data.test.len() * 3073, bytes.len());
        }
    }
}
