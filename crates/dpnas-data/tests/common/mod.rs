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

/// A compressed archive of files.
pub(crate) fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    gzip(&archive.into_inner().unwrap())
}

/// A `.npy` file as numpy writes it.
pub(crate) fn npy(descr: &str, order: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), elements].concat()
}

/// The message of loading a folder, with `DIR` in place of its path.
pub(crate) fn message(path: &Path) -> String {
    let error = dpnas_data::Source::Path(path.to_owned()).load().unwrap_err();
    error.to_string().replace(&path.display().to_string(), "DIR")
}
