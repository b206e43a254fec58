//! The text files of the workspace.

use crate::process::Call;
use std::collections::BTreeMap;
use std::path::Path;

/// Texts by path from the root, with forward slashes.
pub(crate) struct Files(BTreeMap<String, String>);

impl Files {
    /// What git tracks, and new files that it does not ignore.
    ///
    /// # Errors
    /// If git fails.
    pub(crate) fn of_git(root: &Path) -> anyhow::Result<Self> {
        let list = Call::new("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output(root)?;
        // What is not text holds no word of ours; it is kept because documents name it.
        let read = |path: &str| {
            Some((path.to_owned(), String::from_utf8(std::fs::read(root.join(path)).ok()?).unwrap_or_default()))
        };
        Ok(Self(list.split('\0').filter_map(read).collect()))
    }

    #[cfg(test)]
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// Paths and texts of the files whose path ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(move |(path, _)| path.ends_with(end)).map(|(path, text)| (&**path, &**text))
    }

    /// Path, number and text of every line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        self.ending("").flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at + 1, line)))
    }

    /// Number and text of every line of a file.
    pub(crate) fn lines_of(&self, path: &str) -> impl Iterator<Item = (usize, &str)> {
        self.0.get(path).into_iter().flat_map(|text| text.lines().enumerate().map(|(at, line)| (at + 1, line)))
    }

    /// Whether a file or a folder has this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
            || self.0.keys().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_lists_tracked_and_new_files_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, text) in [("kept.rs", "a\nb"), ("gone.rs", ""), (".gitignore", "/built\n")] {
            std::fs::write(root.join(path), text).unwrap();
        }
        for arguments in [&["init", "--quiet"][..], &["add", "."]] {
            Call::new("git", arguments.iter().copied()).output(root).unwrap();
        }
        std::fs::remove_file(root.join("gone.rs")).unwrap();
        for path in ["new.rs", "built"] {
            std::fs::write(root.join(path), "").unwrap();
        }
        let files = Files::of_git(root).unwrap();
        assert_eq!(files.ending(".rs").collect::<Vec<_>>(), [("kept.rs", "a\nb"), ("new.rs", "")]);
        assert_eq!(files.lines().nth(2), Some(("kept.rs", 2, "b")));
        assert!(!files.has("built"));
    }
}
