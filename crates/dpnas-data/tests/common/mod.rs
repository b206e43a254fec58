//! Writes IDX files: the counterpart of the crate's reader.
#![allow(dead_code, reason = "each test binary uses a part")]

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::Path;

/// An IDX file of unsigned bytes.
pub(crate) fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

/// The same content as gzip data.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Writes a small, valid data set: three training and two test images of 2×3 pixels, labels 0 to 4.
pub(crate) fn write_folder(folder: &Path) {
    let pixels: Vec<u8> = (0..30).map(|i| i * 8).collect();
    for (name, content) in [
        ("train-images-idx3-ubyte", idx(&[3, 2, 3], &pixels[..18])),
        ("train-labels-idx1-ubyte", idx(&[3], &[0, 2, 1])),
        ("t10k-images-idx3-ubyte.gz", gzip(&idx(&[2, 2, 3], &pixels[18..]))),
        ("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[2], &[4, 0]))),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
}
