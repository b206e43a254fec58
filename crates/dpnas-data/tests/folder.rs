//! A folder of IDX files, whole and broken.

mod common;

use common::{gzip, idx, write_folder};
use dpnas_data::{DataError, Known, LoadConfig, Orientation, Source, Warning};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path());
    folder
}

/// The error of loading a path, without the path in front.
fn error(path: &Path) -> String {
    let text = Source::Path(path.to_owned()).load().unwrap_err().to_string();
    text.replace(&path.display().to_string(), "<folder>")
}

#[test]
fn a_folder_of_plain_and_compressed_files_is_loaded() {
    let folder = folder();
    let path = folder.path().join("set");
    fs::create_dir(&path).unwrap();
    write_folder(&path);
    let data = Source::Path(path).load().unwrap();
    assert_eq!(data.name, "set");
    assert_eq!((data.train.len(), data.test.len()), (3, 2));
    assert_eq!(data.train.shape().to_string(), "1x2x3");
    assert_eq!(data.train.image(1), [48, 56, 64, 72, 80, 88].map(|value| value as f32 / 255.0));
    assert_eq!(data.test.image(0)[0], 144.0 / 255.0);
    assert_eq!(data.train.labels(), [0, 2, 1]);
    assert_eq!(data.test.labels(), [4, 0]);
}

#[test]
fn classes_go_to_the_largest_label_of_both_parts_even_if_one_has_no_image() {
    let folder = folder();
    let data = Source::Path(folder.path().to_owned()).load().unwrap();
    assert_eq!((data.train.classes(), data.test.classes()), (5, 5));
    assert_eq!(data.train.class_names(), ["0", "1", "2", "3", "4"]);
}

#[test]
fn gaps_between_labels_and_test_labels_that_are_never_trained_make_one_warning() {
    let folder = folder();
    let data = Source::Path(folder.path().to_owned()).load().unwrap();
    let texts: Vec<String> = data.warnings().iter().map(Warning::to_string).collect();
    assert_eq!(texts, ["class 3 (and 1 more) has no training image, but 1 test image"]);
    fs::write(folder.path().join("train-labels-idx1-ubyte"), idx(&[3], &[0, 255, 1])).unwrap();
    let data = Source::Path(folder.path().to_owned()).load().unwrap();
    assert_eq!(data.test.classes(), 256);
    assert_eq!(data.warnings()[0].to_string(), "class 2 (and 252 more) has no training image, but 1 test image");
}

#[test]
fn a_plain_file_goes_before_a_compressed_one() {
    let folder = folder();
    fs::write(folder.path().join("train-labels-idx1-ubyte.gz"), gzip(&idx(&[3], &[9, 9, 9]))).unwrap();
    assert_eq!(Source::Path(folder.path().to_owned()).load().unwrap().train.labels(), [0, 2, 1]);
}

#[test]
fn names_with_dots_and_folders_around_files_are_read_as_unpackers_leave_them() {
    let expected = folder();
    let expected = Source::Path(expected.path().to_owned()).load().unwrap();
    for kaggle in [false, true] {
        let folder = folder();
        for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
            let at = |name: String| folder.path().join(name);
            let dotted = name.replace("-idx", ".idx");
            for end in ["", ".gz"] {
                let dashed = at(format!("{name}-ubyte{end}"));
                if dashed.exists() {
                    fs::rename(dashed, at(format!("{dotted}-ubyte{end}"))).unwrap();
                }
            }
            if kaggle {
                fs::create_dir(at(format!("{name}-ubyte"))).unwrap();
                fs::write(at(format!("{name}-ubyte/{name}-ubyte")), "the other file counts").unwrap();
            }
        }
        let data = Source::Path(folder.path().to_owned()).load().unwrap();
        assert_eq!((data.train, data.test), (expected.train.clone(), expected.test.clone()));
    }
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::rename(path("train-images-idx3-ubyte"), path("file")).unwrap();
    fs::create_dir(path("train-images-idx3-ubyte")).unwrap();
    fs::rename(path("file"), path("train-images-idx3-ubyte/train-images.idx3-ubyte")).unwrap();
    assert_eq!(Source::Path(folder.path().to_owned()).load().unwrap().train, expected.train);
}

#[test]
fn emnist_is_read_under_its_names_and_its_images_can_be_transposed() {
    let folder = folder();
    let rename = |old: &str, new: &str| fs::rename(folder.path().join(old), folder.path().join(new)).unwrap();
    rename("train-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte");
    rename("train-labels-idx1-ubyte", "emnist-letters-train-labels-idx1-ubyte");
    rename("t10k-images-idx3-ubyte.gz", "emnist-letters-test-images-idx3-ubyte.gz");
    rename("t10k-labels-idx1-ubyte.gz", "labels");
    assert!(error(folder.path()).contains(", missing emnist-letters-test-labels-idx1-ubyte; add"));
    rename("labels", "emnist-letters-test-labels-idx1-ubyte.gz");
    let source = Source::Path(folder.path().to_owned());
    let data = source.load().unwrap();
    assert_eq!((data.train.shape().to_string().as_str(), data.test.len()), ("1x2x3", 2));
    assert_eq!(
        data.warnings()[0].to_string(),
        "EMNIST's files have rows and columns swapped; transpose the images to see upright characters (--transpose)"
    );
    let config = LoadConfig { orientation: Orientation::Transposed, ..LoadConfig::standard() };
    let upright = source.load_with(&config).unwrap();
    assert_eq!(upright.train, data.train.transposed());
    assert!(!upright.warnings().contains(&Warning::Transposed));
    write_folder(folder.path());
    assert_eq!(
        error(folder.path()),
        "<folder>: holds both IDX files * and IDX files emnist-letters-*; give each data set a folder of its own"
    );
}

#[test]
fn a_folder_without_data_is_an_error_with_what_it_holds_and_the_names_that_were_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>: no data set; found nothing; looked for\n  IDX: train-images-idx3-ubyte, train-labels-idx1-ubyte, \
         t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may end in .gz), or such names of EMNIST\n  CIFAR-10: \
         data_batch_1.bin to data_batch_5.bin and test_batch.bin, or cifar-10-binary.tar.gz\n  CIFAR-100: train.bin and \
         test.bin, or cifar-100-binary.tar.gz\n  numpy: train_images.npy, train_labels.npy, test_images.npy, \
         test_labels.npy, or x_train.npy, y_train.npy, x_test.npy, y_test.npy\n  images: train/CLASS/*.png and \
         test/CLASS/*.png, or CLASS/*.png (also JPEG and BMP)\ngive another folder, or rename its files"
    );
    (0..12).for_each(|i| fs::write(folder.path().join(format!("k49-{i:02}.npz")), "").unwrap());
    assert!(error(folder.path()).contains("; found k49-00.npz, k49-01.npz, "), "{}", error(folder.path()));
    assert!(error(folder.path()).contains(", k49-09.npz and 2 more; looked for"), "{}", error(folder.path()));
}

#[test]
fn one_missing_file_is_named() {
    let folder = folder();
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>: not a complete data set: looked for train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], \
         t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz], missing t10k-labels-idx1-ubyte; add the missing files or give \
         another folder"
    );
}

#[test]
fn a_path_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = error(&folder.path().join("nothing"));
    assert_eq!(text, "<folder>: there is no such file or folder; check the path");
}

#[test]
fn a_file_where_a_folder_is_expected_is_an_error() {
    let folder = folder();
    let text = error(&folder.path().join("train-labels-idx1-ubyte"));
    assert_eq!(text, "<folder>: found a file where a folder is expected; give the folder that holds the data set");
}

#[test]
fn a_folder_where_a_file_is_expected_is_an_error() {
    let folder = folder();
    let labels = folder.path().join("train-labels-idx1-ubyte");
    fs::remove_file(&labels).unwrap();
    fs::create_dir(&labels).unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>/train-labels-idx1-ubyte: is not a regular file; put the file itself there"
    );
}

#[test]
fn different_numbers_of_images_and_labels_are_an_error() {
    let folder = folder();
    fs::write(folder.path().join("train-labels-idx1-ubyte"), idx(&[2], &[0, 1])).unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>/train-images-idx3-ubyte holds 3 images but <folder>/train-labels-idx1-ubyte holds 2 labels; expected \
         as many labels as images: take both files from the same data set"
    );
}

#[test]
fn training_and_test_images_of_different_shapes_are_an_error() {
    let folder = folder();
    fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), gzip(&idx(&[2, 3, 3], &[0; 18]))).unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>: training images are 1x2x3 but test images are 1x3x3; expected one shape: take all files from the \
         same data set"
    );
}

#[test]
fn bad_content_is_an_error_that_names_the_file() {
    let folder = folder();
    fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), gzip(b"GIF89a")).unwrap();
    assert_eq!(
        error(folder.path()),
        "<folder>/t10k-images-idx3-ubyte.gz: starts with 47 49 46 38; expected 00 00 08 and the number of dimensions: \
         not an IDX file"
    );
    let error = Source::Path(folder.path().to_owned()).load().unwrap_err();
    assert!(matches!(error, DataError::Idx { path, .. } if path.ends_with("t10k-images-idx3-ubyte.gz")));
}

#[test]
fn known_sets_have_their_class_names_and_take_only_the_files_that_were_checked() {
    let folder = tempfile::tempdir().unwrap();
    for (known, name) in [(Known::FashionMnist, "Coat"), (Known::Mnist, "4")] {
        let path = known.folder(folder.path());
        fs::create_dir(&path).unwrap();
        write_folder(&path); // two of the four files without .gz
        let config = LoadConfig { data_dir: folder.path().to_owned(), ..LoadConfig::standard() };
        let error = Source::Known(known).load_with(&config).unwrap_err();
        assert!(matches!(error, DataError::NotFetched { .. }), "{error}");
        for file in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] {
            let content = fs::read(path.join(file)).unwrap();
            fs::write(path.join(format!("{file}.gz")), gzip(&content)).unwrap();
            fs::write(path.join(file), "something else").unwrap();
        }
        let data = Source::Known(known).load_with(&config).unwrap();
        assert_eq!((data.name.as_str(), data.test.class_names()[4].as_str()), (known.name(), name));
        assert_eq!(data.train.labels(), [0, 2, 1]);
    }
}
