//! Data sets.

use crate::{Reading, folder, put, refused};
use dpnas::data::{LoadConfig, Source, idx};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::create_dir_all;
use std::io::Write;
use std::path::Path;

/// Images or labels in IDX, plain or compressed.
pub(crate) fn idx(bytes: &[u8]) -> Reading {
    let labels = idx::parse::<1>(bytes).map(drop);
    labels.or_else(|_| idx::parse::<3>(bytes).map(drop)).map_err(refused)
}

/// The file of records of CIFAR-100, for both parts.
pub(crate) fn cifar(bytes: &[u8]) -> Reading {
    let folder = folder();
    put(folder.path().join("train.bin"), bytes);
    put(folder.path().join("test.bin"), bytes);
    load(folder.path())
}

/// The archive of CIFAR-100: compressed, or plain, so that a change need not repair a checksum.
pub(crate) fn cifar_archive(bytes: &[u8]) -> Reading {
    let folder = folder();
    let path = folder.path().join("cifar-100-binary.tar.gz");
    if bytes.starts_with(&[0x1f, 0x8b]) {
        put(&path, bytes);
    } else {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        gzip.write_all(bytes).expect("memory takes every byte");
        put(&path, &gzip.finish().expect("memory takes every byte"));
    }
    load(&path)
}

/// Two images, or the labels of two images.
pub(crate) fn npy(bytes: &[u8]) -> Reading {
    let file = |shape: &str, bytes: &[u8]| {
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), bytes].concat()
    };
    let (images, labels) = (file("(2, 1, 1)", &[0, 255]), file("(2,)", &[0, 1]));
    let read = |images: &[u8], labels: &[u8]| {
        let folder = folder();
        for part in ["train", "test"] {
            put(folder.path().join(format!("{part}_images.npy")), images);
            put(folder.path().join(format!("{part}_labels.npy")), labels);
        }
        load(folder.path())
    };
    read(bytes, &labels).or_else(|message| read(&images, bytes).map_err(|other| message + &other))
}

/// An image in a folder, of any format.
pub(crate) fn image(bytes: &[u8]) -> Reading {
    let folder = folder();
    for part in ["train", "test"] {
        let class = folder.path().join(part).join("class");
        create_dir_all(&class).expect("the folder for the input can be written");
        put(class.join("image.png"), bytes);
    }
    load(folder.path())
}

/// Reads the set at a path, at a small size. A message names the file.
fn load(path: &Path) -> Reading {
    let config = LoadConfig { size: Some(8), ..LoadConfig::standard() };
    let data = Source::Path(path.to_owned()).load_with(&config).map_err(|error| {
        let message = refused(error);
        assert!(message.contains(&*path.to_string_lossy()), "a message does not name its file: {message}");
        message
    })?;
    data.warnings().iter().for_each(|warning| drop(warning.to_string()));
    Ok(())
}
