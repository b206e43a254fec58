//! A file on a mirror.

use crate::{Checksum, DownloadError};

/// A file that mirrors offer under `MIRROR/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name on the mirrors and in the folder: letters, digits, `.`, `-` and `_`, not starting with a dot.
    pub name: String,
    /// Its length in bytes, and the most that is written.
    pub size: u64,
    /// The checksum of its bytes.
    pub checksum: Checksum,
}

impl RemoteFile {
    /// Refuses a name that could leave the folder or has a meaning in a URL.
    pub(crate) fn check(&self) -> Result<(), DownloadError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(DownloadError::BadName { name: self.name.clone() });
        }
        Ok(())
    }

    /// The address of the file on a mirror.
    pub(crate) fn url(&self, mirror: &str) -> String {
        format!("{}/{}", mirror.trim_end_matches('/'), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> RemoteFile {
        RemoteFile { name: name.to_owned(), size: 1, checksum: Checksum::Md5([0; 16]) }
    }

    #[test]
    fn a_name_that_could_leave_the_folder_is_refused() {
        for name in ["", ".", "..", ".lock", "a/b", "a\\b", "../a", "a b", "a?b", "C:a", "é"] {
            assert_eq!(
                named(name).check().unwrap_err().to_string(),
                format!(
                    "`{name}` is no name for a file to fetch: use letters, digits, `.`, `-` and `_`, and no dot in front"
                )
            );
        }
        named("cifar-10-binary.tar.gz").check().unwrap();
    }

    #[test]
    fn an_address_has_one_slash_before_the_name() {
        for mirror in ["http://a/b", "http://a/b/"] {
            assert_eq!(named("c.gz").url(mirror), "http://a/b/c.gz");
        }
    }
}
