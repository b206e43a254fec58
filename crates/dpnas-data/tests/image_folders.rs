//! Which files and folders of a set of images count: none is left out or misread in silence.

mod common;

use common::message;
use dpnas_data::{DataSet, Source};
use image::{GrayImage, ImageFormat, Luma};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a gray image of 2 × 2 pixels at each path.
fn folder(images: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    images.iter().for_each(|path| image(folder.path().join(path)));
    folder
}

fn image(path: PathBuf) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(2, 2, Luma([9])).save_with_format(path, ImageFormat::Png).unwrap();
}

fn write(path: PathBuf, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn load(folder: &Path) -> DataSet {
    Source::Path(folder.to_owned()).load().unwrap()
}

fn warnings(data: &DataSet) -> Vec<String> {
    data.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn folders_without_classes_are_errors() {
    for train in ["train", "Train", "TRAINING"] {
        let flat = folder(&[&format!("{train}/a.0.png"), "test1/0.png"]);
        write(flat.path().join(train).join("notes.txt"), "");
        let expected =
            format!("DIR/{train}: holds images directly; a folder per class is needed, for example CLASS/1.png in it");
        assert_eq!(message(flat.path()), expected);
    }
    let flat = folder(&["1.png"]);
    assert_eq!(
        message(flat.path()),
        "DIR: holds images directly; a folder per class is needed, for example CLASS/1.png in it"
    );
}

#[test]
fn names_of_parts_are_never_classes() {
    for part in ["test", "Test", "testing", "val", "VALID", "validation", "train", "Training"] {
        let path = folder(&["a/1.png", "b/1.png", &format!("{part}/x/1.png")]);
        let text = message(path.path());
        let expected = if part.to_lowercase().starts_with("train") {
            "there is none of test, testing, val"
        } else {
            "but there is no `train` beside it"
        };
        assert!(text.starts_with(&format!("DIR/{part}: ")) && text.contains(expected), "{text}");
    }
    let parts = folder(&["Training/a/1.png", "TESTING/a/1.png", "validation/a/1.png"]);
    let data = load(parts.path());
    assert_eq!((data.train.class_names(), data.test.len()), (&["a".to_owned()][..], 1));
    image(parts.path().join("train/a/1.png"));
    assert_eq!(
        message(parts.path()),
        "DIR/train: has the name of the same part of a data set as DIR/Training; rename or move one"
    );
}

#[test]
fn a_part_within_a_part_is_an_error_and_folders_beside_the_parts_are_warned_of() {
    let path = folder(&["train/a/1.png", "test/a/1.png", "val/a/1.png", "extra/1.png", "more/1.png"]);
    fs::create_dir(path.path().join("notes")).unwrap();
    let expected = format!(
        "{}/extra (and 1 more) has images, but it is neither the training nor the test part and is left out",
        path.path().display()
    );
    assert_eq!(warnings(&load(path.path())), [expected]);
    image(path.path().join("train/Train/1.png"));
    assert_eq!(
        message(path.path()),
        "DIR/train/Train: has the name of a part of a data set, not of a class; move its content one level up, or rename it"
    );
}

#[test]
fn parts_that_do_not_fit_are_errors() {
    let path = folder(&["train/a/1.png"]);
    assert_eq!(
        message(path.path()),
        "DIR/train: there is none of test, testing, val, valid, validation beside it; add one, or give this folder itself, \
         of which every fifth image then tests"
    );
    image(path.path().join("test/b/1.png"));
    assert_eq!(
        message(path.path()),
        "DIR/test/b: there is no class of this name among the training images; rename or remove it"
    );
    let few = folder(&["a/1.png", "a/2.png", "a/3.png", "a/4.png"]);
    assert_eq!(
        message(few.path()),
        "DIR: 4 training and 0 test images; expected at least one of each: without a test part every fifth image of a \
         class tests, so a class needs five"
    );
}

#[test]
fn a_class_without_test_images_is_fine_and_one_without_training_images_is_warned_of() {
    let path = folder(&["train/a/1.png", "train/b/1.png", "test/a/1.png"]);
    fs::create_dir(path.path().join("test/b")).unwrap();
    let data = load(path.path());
    assert_eq!((data.test.labels(), warnings(&data)), (&[0][..], vec![]));
    fs::create_dir(path.path().join("train/aa")).unwrap();
    image(path.path().join("test/aa/1.png"));
    let data = load(path.path());
    assert_eq!((data.train.labels(), data.test.labels()), (&[0, 2][..], &[0, 1][..]));
    assert_eq!(warnings(&data), ["class aa has no training image, but 1 test image"]);
}

#[test]
fn every_file_of_a_class_is_an_image_whatever_its_name_but_companions_and_hidden_files() {
    let names = ["1.jfif", "2.jpe", "3.JPG_large", "4", "5.dib", "6.PNG", "7.txt.png"];
    let path = folder(&names.map(|name| format!("train/a/{name}")).each_ref().map(String::as_str));
    image(path.path().join("test/a/1"));
    for companion in ["a.txt", "b.JSON", "c.csv", "d.xml", "Thumbs.db", "desktop.ini", "README", ".DS_Store", "._1.png"]
    {
        write(path.path().join("train/a").join(companion), "no image");
        write(path.path().join("train").join(companion), "no class");
    }
    assert_eq!(load(path.path()).train.len(), names.len());
}

#[test]
fn a_file_that_is_neither_image_nor_companion_is_named() {
    let path = folder(&["train/a/1.png", "test/a/1.png"]);
    for (name, content) in [
        ("a.webp", "RIFF\0\0\0\0WEBPVP8 "),
        ("b.tga", "no magic number"),
        ("c.heif", "\0\0\0\x18ftypheic"),
        ("d.pbm", "P4 2 2 "),
        ("e", "text"),
        ("f.part", ""),
    ] {
        write(path.path().join("train/a").join(name), content);
    }
    assert_eq!(
        message(path.path()),
        "DIR: 6 of its files cannot be used as images; repair or remove them\n  \
         DIR/train/a/a.webp: is a WebP image, which is not read; convert it to PNG\n  \
         DIR/train/a/b.tga: is no PNG, JPEG or BMP image\n  \
         DIR/train/a/c.heif: is no PNG, JPEG or BMP image\n  \
         DIR/train/a/d.pbm: is a Pnm image, which is not read; convert it to PNG\n  \
         DIR/train/a/e: is no PNG, JPEG or BMP image\n  \
         DIR/train/a/f.part: is no PNG, JPEG or BMP image"
    );
}

#[test]
fn a_set_whose_images_have_unknown_names_is_found_by_their_content() {
    let path = folder(&["train/a/0017", "test/a/0018"]);
    assert_eq!(load(path.path()).train.len(), 1);
}

#[test]
fn files_beside_the_folders_of_the_classes_are_warned_of() {
    let path = folder(&["train/a/1.png", "train/2.png", "train/3", "train/README", "train/labels.csv", "test/a/1.png"]);
    // What is left of a link where links cannot be copied.
    std::fs::write(path.path().join("test/b"), "/mnt/elsewhere").unwrap();
    let data = load(path.path());
    let left_out =
        |name: &str| format!("{}/{name} is not in the folder of a class and is left out", path.path().display());
    assert_eq!(warnings(&data), [left_out("train/2.png (and 1 more)"), left_out("test/b")]);
}

#[cfg(unix)]
#[test]
fn classes_whose_names_are_not_utf_8_are_told_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let path = folder(&[]);
    for part in ["train", "test"] {
        for class in [b"b\xe4r", b"b\xf6r", b"b\xfcr"] {
            image(path.path().join(part).join(OsStr::from_bytes(class)).join("1.png"));
            image(path.path().join(part).join(OsStr::from_bytes(class)).join("2.png"));
        }
    }
    let data = load(path.path());
    assert_eq!(data.test.labels(), [0, 1, 2, 0, 1, 2]);
    assert_eq!(data.train.class_names(), ["b\\xE4r", "b\\xF6r", "b\\xFCr"]);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_an_error_wherever_it_is() {
    use std::os::unix::fs::symlink;
    let images = ["train/a/1.png", "train/b/1.png", "test/a/1.png"];
    for (link, listed) in [("train/c", false), ("test", false), ("train/a/2.png", true), ("other", false)] {
        let path = folder(&images);
        let _ = fs::remove_dir_all(path.path().join(link));
        symlink("/no/such/place", path.path().join(link)).unwrap();
        let expected = format!("DIR/{link}: is a link to /no/such/place, which is not there");
        let text = message(path.path());
        assert!(if listed { text.contains(&format!("\n  {expected}")) } else { text.starts_with(&expected) }, "{text}");
    }
    let path = folder(&["a/1.png"]);
    symlink("/no/such/place", path.path().join("train-images-idx3-ubyte")).unwrap();
    assert!(message(path.path()).starts_with("DIR/train-images-idx3-ubyte: is a link"), "{}", message(path.path()));
    let link = path.path().join("set");
    symlink("/no/such/place", &link).unwrap();
    assert!(message(&link).starts_with("DIR: is a link to /no/such/place"), "{}", message(&link));
    fs::remove_file(&link).unwrap();
    symlink(path.path().join("a"), path.path().join("b")).unwrap(); // a link to a folder is that folder
    fs::remove_file(path.path().join("train-images-idx3-ubyte")).unwrap();
    assert!(message(path.path()).starts_with("DIR: 2 training and 0 test images"), "{}", message(path.path()));
}

#[test]
fn what_a_search_left_in_the_folder_of_its_data_is_passed_over() {
    let images: Vec<String> = (1..6).map(|i| format!("a/{i}.png")).collect();
    let path = folder(&images.iter().map(String::as_str).collect::<Vec<_>>());
    let expected = load(path.path());
    for output in [
        "runs/20261127T000000Z-search-aaaaaa",
        "a/runs/20261127T000000Z-score-bbbbbb",
        "20261127T000000Z-search-cccccc",
    ] {
        write(path.path().join(output).join("settings.toml"), "seed = 0");
        let journal = if output.contains("score") { "scores.jsonl" } else { "journal.jsonl" };
        write(path.path().join(output).join(journal), "{}");
        image(path.path().join(output).join("rewards.png"));
    }
    write(path.path().join("runs/cache/.lock"), "");
    write(path.path().join("runs/cache/0123.embedding"), "rows");
    write(path.path().join("runs/notes.txt"), "mine");
    write(path.path().join("cache/.lock"), "");
    write(path.path().join("stored/manifest.json"), "{\"kind\": \"dpnas embedding\"}");
    fs::create_dir_all(path.path().join("stored/train/000000")).unwrap();
    assert_eq!(load(path.path()), expected);
    fs::create_dir(path.path().join("a/runs/notes")).unwrap();
    image(path.path().join("runs/rewards.png"));
    assert_eq!(load(path.path()), expected);
}
