//! CIFAR's binary form: records of label bytes and 3×32×32 pixels, in a folder or in the archive of the publisher.
//!
//! ```text
//! CIFAR-10     <label> <3072 pixels>            data_batch_1.bin … data_batch_5.bin, test_batch.bin
//! CIFAR-100    <coarse> <fine> <3072 pixels>    train.bin, test.bin; the fine label counts
//! ```
//! Pixels are the red, green and blue planes of 32 rows. Names of the classes, one a line, come from
//! `batches.meta.txt` or `fine_label_names.txt`, if that is there.

use crate::gzip::Gzip;
use crate::set::{buffer, numbered_classes};
use crate::{DataError, DataSet, ImageSet, bounded, files};
use dpnas_grammar::ImageShape;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of the pixels of one image.
const PIXELS: usize = 3 * 32 * 32;
/// The most bytes of one file of records: 256 MiB, 83,000 images.
const MAX_FILE: u64 = 1 << 28;
/// The most bytes of an archive's content: 1 GiB, several times what the real ones have.
const MAX_ARCHIVE: u64 = 1 << 30;

const CIFAR_10_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cifar {
    Ten,
    Hundred,
}

/// Why CIFAR files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CifarError {
    /// The content cannot be read to its end: a disk fails, or an archive is damaged or cut off.
    #[error("cannot read on: {error}; the file is damaged or cut off: fetch it again")]
    Read {
        /// What the operating system, the archive or the decompressor says.
        error: io::Error,
    },
    /// The length is not that of whole images.
    #[error(
        "holds {bytes} bytes; expected a multiple of {record}, the bytes of an image and its labels, and at least one \
         image: the file is cut off or of another format, fetch it again"
    )]
    Length {
        /// Bytes found.
        bytes: u64,
        /// Bytes of an image with its labels.
        record: usize,
    },
    /// The file is larger than this reader takes.
    #[error("holds more than {limit} bytes: it is not a file of CIFAR, or damaged; fetch it again")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Training files have different numbers of images.
    #[error("holds {found} images, the first training file {expected}; expected as many: fetch the set again")]
    Images {
        /// Images of this file.
        found: usize,
        /// Images of the first one.
        expected: usize,
    },
    /// A label is larger than there are classes.
    #[error("image {image} has label {label}; expected one below {classes}: the file is damaged or of another format")]
    Label {
        /// Position of the image in the file.
        image: usize,
        /// Its label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// There are too few class names, or they are not text.
    #[error("holds {found} class names; expected {expected}, one a line: correct the file, or remove it")]
    Names {
        /// Names found.
        found: usize,
        /// Number of classes.
        expected: usize,
    },
    /// An archive has a file twice.
    #[error("holds {name} twice: the archive is not that of the publisher, fetch it again")]
    Twice {
        /// Name of the file.
        name: &'static str,
    },
}

impl Cifar {
    pub(crate) const ALL: [Self; 2] = [Self::Ten, Self::Hundred];

    pub(crate) const fn archive(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-binary.tar.gz",
            Self::Hundred => "cifar-100-binary.tar.gz",
        }
    }

    /// The folder in the archive.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-batches-bin",
            Self::Hundred => "cifar-100-binary",
        }
    }

    pub(crate) const fn train_files(self) -> &'static [&'static str] {
        match self {
            Self::Ten => {
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]
            }
            Self::Hundred => &["train.bin"],
        }
    }

    pub(crate) const fn test_file(self) -> &'static str {
        match self {
            Self::Ten => "test_batch.bin",
            Self::Hundred => "test.bin",
        }
    }

    const fn names_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::Hundred => "fine_label_names.txt",
        }
    }

    const fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }

    /// Bytes before the pixels. The last one is the label.
    const fn label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    /// The files with images.
    pub(crate) fn image_files(self) -> impl Iterator<Item = &'static str> {
        self.train_files().iter().copied().chain([self.test_file()])
    }

    /// Reads an unpacked set.
    pub(crate) fn load_folder(self, folder: &Path, name: String) -> Result<DataSet, DataError> {
        let mut contents = BTreeMap::new();
        for file in self.image_files().chain([self.names_file()]) {
            let path = folder.join(file);
            if files::exists(&path)? {
                let content = read_file(files::open(&path)?).map_err(at(&path))?;
                contents.insert(file, content);
            }
        }
        self.assemble(&contents, name, &|file| folder.join(file), folder)
    }

    /// Reads the publisher's archive, which may have any name.
    pub(crate) fn load_archive(self, path: &Path, name: String) -> Result<DataSet, DataError> {
        let contents = self.unpack(BufReader::new(files::open(path)?)).map_err(at(path))?;
        self.assemble(&contents, name, &|file| path.join(file), path)
    }

    /// Reads the files of the set from a compressed archive into memory. Other files are ignored.
    fn unpack(self, reader: impl io::BufRead) -> Result<BTreeMap<&'static str, Vec<u8>>, CifarError> {
        let read = |error| CifarError::Read { error };
        let mut archive = tar::Archive::new(Gzip::new(reader).take(MAX_ARCHIVE + 1));
        let mut files = BTreeMap::new();
        for entry in archive.entries().map_err(read)? {
            let entry = entry.map_err(read)?;
            let path = entry.path().map_err(read)?.into_owned();
            let wanted = self.image_files().chain([self.names_file()]);
            let Some(name) = wanted.into_iter().find(|name| path.file_name().is_some_and(|found| found == *name))
            else {
                continue;
            };
            let size = entry.size();
            let content = read_file(entry)?;
            if content.len() as u64 != size {
                return Err(read(io::ErrorKind::UnexpectedEof.into()));
            }
            if files.insert(name, content).is_some() {
                return Err(CifarError::Twice { name });
            }
        }
        // Reading to the end makes the decompressor check its checksum.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(read)?;
        if rest.limit() == 0 { Err(CifarError::TooLarge { limit: MAX_ARCHIVE }) } else { Ok(files) }
    }

    /// A data set from the content of its files; `path` is for messages.
    fn assemble(
        self,
        files: &BTreeMap<&'static str, Vec<u8>>,
        name: String,
        path: &dyn Fn(&str) -> PathBuf,
        whole: &Path,
    ) -> Result<DataSet, DataError> {
        let missing: Vec<String> =
            self.image_files().filter(|file| !files.contains_key(file)).map(str::to_owned).collect();
        if !missing.is_empty() {
            let looked_for = self.image_files().map(str::to_owned).collect();
            return Err(DataError::MissingFiles { path: whole.to_owned(), looked_for, missing });
        }
        let class_names = match files.get(self.names_file()) {
            Some(text) => self.names(text).map_err(at(&path(self.names_file())))?,
            None if self == Self::Ten => CIFAR_10_NAMES.map(str::to_owned).to_vec(),
            None => numbered_classes(self.classes() as u32),
        };
        let mut first = None;
        for file in self.train_files() {
            let found = self.images(&files[file]).map_err(at(&path(file)))?;
            let expected = *first.get_or_insert(found);
            if found != expected {
                return Err(at(&path(file))(CifarError::Images { found, expected }));
            }
        }
        let part = |names: &[&'static str]| {
            let images = names.iter().map(|file| files[file].len() / self.record()).sum();
            let shape = ImageShape::square(3, 32);
            let (mut pixels, mut labels) = (buffer(shape, images)?, Vec::with_capacity(images));
            for file in names {
                self.read(&files[file], &mut pixels, &mut labels).map_err(at(&path(file)))?;
            }
            ImageSet::new(shape, pixels, labels, class_names.clone())
        };
        Ok(DataSet::new(name, part(self.train_files())?, part(&[self.test_file()])?))
    }

    const fn record(self) -> usize {
        self.label_bytes() + PIXELS
    }

    /// Number of images in the bytes of a file.
    fn images(self, bytes: &[u8]) -> Result<usize, CifarError> {
        let record = self.record();
        match bytes.len() {
            len if len > 0 && len % record == 0 => Ok(len / record),
            len => Err(CifarError::Length { bytes: len as u64, record }),
        }
    }

    /// Appends the images of a file.
    fn read(self, bytes: &[u8], pixels: &mut Vec<f32>, labels: &mut Vec<u32>) -> Result<(), CifarError> {
        self.images(bytes)?;
        for (image, record) in bytes.chunks_exact(self.record()).enumerate() {
            let (head, body) = record.split_at(self.label_bytes());
            let label = head.last().copied().unwrap_or_default();
            if usize::from(label) >= self.classes() {
                return Err(CifarError::Label { image, label, classes: self.classes() });
            }
            labels.push(label.into());
            pixels.extend(body.iter().map(|&byte| f32::from(byte) / 255.0));
        }
        Ok(())
    }

    fn names(self, text: &[u8]) -> Result<Vec<String>, CifarError> {
        let text = String::from_utf8_lossy(text);
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let (found, expected) = (names.len(), self.classes());
        if found == expected { Ok(names) } else { Err(CifarError::Names { found, expected }) }
    }
}

/// Reads a whole file of at most the largest size.
fn read_file(reader: impl Read) -> Result<Vec<u8>, CifarError> {
    match bounded::read(reader, MAX_FILE + 1) {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE => Err(CifarError::TooLarge { limit: MAX_FILE }),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(CifarError::Read { error }),
    }
}

fn at(path: &Path) -> impl Fn(CifarError) -> DataError {
    let path = path.to_owned();
    move |problem| DataError::Cifar { path: path.clone(), problem }
}
