//! Well-known data sets: their files and mirrors.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A well-known data set, fetched on first use.
///
/// This crate names the files and reads them; it does not fetch them.
///
/// # Source
/// SPEC §12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Known {
    /// Handwritten digits, 1x28x28, 60,000 training and 10,000 test images, 10 classes.
    Mnist,
    /// Pictures of clothes, otherwise like MNIST.
    FashionMnist,
    /// Photographs, 3x32x32, 50,000 training and 10,000 test images, 10 classes.
    Cifar10,
    /// Photographs, 3x32x32, 50,000 training and 10,000 test images, 100 classes (the fine labels).
    Cifar100,
}

/// A file of a known data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogFile {
    /// Its name, on the web and on disk.
    pub name: &'static str,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: &'static str,
}

/// Files with MNIST's names: images and labels of the training part, then of the test part.
const fn idx_files(files: [(u64, &'static str); 4]) -> [CatalogFile; 4] {
    let [a, b, c, d] = files;
    [
        CatalogFile { name: "train-images-idx3-ubyte.gz", size: a.0, sha256: a.1 },
        CatalogFile { name: "train-labels-idx1-ubyte.gz", size: b.0, sha256: b.1 },
        CatalogFile { name: "t10k-images-idx3-ubyte.gz", size: c.0, sha256: c.1 },
        CatalogFile { name: "t10k-labels-idx1-ubyte.gz", size: d.0, sha256: d.1 },
    ]
}

const MNIST: &[CatalogFile] = &idx_files([
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
]);

const FASHION_MNIST: &[CatalogFile] = &idx_files([
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
]);

const CIFAR10: &[CatalogFile] = &[CatalogFile {
    name: "cifar-10-binary.tar.gz",
    size: 170_052_171,
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}];

const CIFAR100: &[CatalogFile] = &[CatalogFile {
    name: "cifar-100-binary.tar.gz",
    size: 168_513_733,
    sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
}];

const CLOTHES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

impl Known {
    /// All known data sets.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Cifar100];

    /// The name that [`Source`](crate::Source) parses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
        }
    }

    /// The data set of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Its files.
    pub const fn files(self) -> &'static [CatalogFile] {
        match self {
            Self::Mnist => MNIST,
            Self::FashionMnist => FASHION_MNIST,
            Self::Cifar10 => CIFAR10,
            Self::Cifar100 => CIFAR100,
        }
    }

    /// Folders on the web with the files, in the order in which to try them.
    pub const fn mirrors(self) -> &'static [&'static str] {
        match self {
            Self::Mnist => {
                &["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"]
            }
            Self::FashionMnist => &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
            ],
            Self::Cifar10 | Self::Cifar100 => &["https://www.cs.toronto.edu/~kriz", "https://cave.cs.toronto.edu/kriz"],
        }
    }

    /// The folder of its files, named like the data set, below `data_dir`.
    pub fn folder(self, data_dir: &Path) -> PathBuf {
        data_dir.join(self.name())
    }

    /// Names of the classes, for a set whose files lack them.
    pub(crate) fn class_names(self) -> Option<Vec<String>> {
        (self == Self::FashionMnist).then(|| CLOTHES.map(str::to_owned).to_vec())
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_set_has_files_checksums_and_more_than_one_mirror() {
        for known in Known::ALL {
            assert_eq!(Known::named(known.name()), Some(known));
            assert!(known.mirrors().len() > 1);
            for mirror in known.mirrors() {
                assert!(mirror.starts_with("http") && !mirror.ends_with('/'), "{mirror}");
            }
            for file in known.files() {
                assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
                assert!(file.size > 4000);
            }
        }
        assert_eq!(Known::named("MNIST"), None);
    }

    #[test]
    fn each_set_has_a_folder_of_its_own() {
        assert_eq!(Known::FashionMnist.folder(Path::new("data")), Path::new("data/fashion-mnist"));
    }
}
