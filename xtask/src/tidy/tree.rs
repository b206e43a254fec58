//! The files of the workspace: what git tracks, and new files that it does not ignore.

use crate::process::Call;
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's folder and the paths of its files.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// Sorted, from the root, with forward slashes.
    files: Vec<String>,
}

impl Tree {
    /// The files that git knows under `root`. Where git cannot be asked, every file that `.gitignore` does not name.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub(crate) fn of_git(root: &Path) -> anyhow::Result<Self> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        match Call::new("git", list).output(root) {
            Ok(paths) => Ok(Self::new(root, paths.split('\0').map(str::to_owned))),
            Err(error) => {
                eprintln!("note: looking at the folder itself, since git cannot list its files ({error:#})");
                Self::of_folder(root)
            }
        }
    }

    /// Every file below `root` that its `.gitignore` does not name; patterns are names or rooted paths.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub(crate) fn of_folder(root: &Path) -> anyhow::Result<Self> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_end_matches('/')).collect();
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{folder}{name}");
                if name == ".git" || ignored.contains(&name.as_str()) || ignored.contains(&format!("/{path}").as_str())
                {
                    continue;
                }
                if entry.file_type()?.is_dir() { folders.push(path + "/") } else { files.push(path) }
            }
        }
        Ok(Self::new(root, files.into_iter()))
    }

    fn new(root: &Path, files: impl Iterator<Item = String>) -> Self {
        let mut files: Vec<String> = files.filter(|path| root.join(path).is_file()).collect();
        files.sort();
        files.dedup();
        Self { root: root.to_owned(), files }
    }

    /// The folder that the paths start from.
    #[cfg(test)]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every file, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Every file below a folder, which is written without a slash at its end.
    pub(crate) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.files().filter(move |path| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Whether a file or a folder of files has this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files().any(|file| file == path) || self.below(path).next().is_some()
    }

    /// The text of a file; `None` if it is not among the files or is not text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let known = self.files.binary_search_by(|file| file.as_str().cmp(path)).is_ok();
        let text = if known { fs::read_to_string(self.root.join(path)).ok()? } else { return None };
        (!text.contains('\0')).then_some(text)
    }

    /// The first line of a file that contains `needle`, counted from 1; 1 if there is none.
    pub(crate) fn line_of(&self, path: &str, needle: &str) -> usize {
        let text = self.text(path).unwrap_or_default();
        text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1)
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// A small tree of files in a temporary folder.
    pub(crate) struct Fixture {
        pub(crate) tree: Tree,
        _folder: tempfile::TempDir,
    }

    impl Fixture {
        /// Writes the files, given as path and text.
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self { tree: Tree::of_folder(folder.path()).unwrap(), _folder: folder }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::Fixture;
    use super::*;

    #[test]
    fn files_are_sorted_and_ignored_ones_left_out() {
        let ignore = (".gitignore", "/target\n*.log\n/out/\n");
        let fixture =
            Fixture::new(&[("z.md", ""), ("a/b.rs", ""), ignore, ("target/x", ""), ("out/y", ""), ("a/out/z", "")]);
        assert_eq!(fixture.tree.files().collect::<Vec<_>>(), [".gitignore", "a/b.rs", "a/out/z", "z.md"]);
        assert_eq!(fixture.tree.below("a").collect::<Vec<_>>(), ["a/b.rs", "a/out/z"]);
    }

    #[test]
    fn git_lists_tracked_and_new_files_that_still_exist() {
        let fixture = Fixture::new(&[("kept.rs", ""), ("gone.rs", ""), (".gitignore", "/built\n")]);
        let root = fixture.tree.root();
        let git = |arguments: &[&str]| Call::new("git", arguments.iter().copied()).output(root);
        if git(&["init", "--quiet"]).is_err() {
            return; // no git on this machine: the folder itself is read, as the test above shows
        }
        git(&["add", "."]).unwrap();
        fs::remove_file(root.join("gone.rs")).unwrap();
        fs::write(root.join("new.rs"), "").unwrap();
        fs::write(root.join("built"), "").unwrap();
        let tree = Tree::of_git(root).unwrap();
        assert_eq!(tree.files().collect::<Vec<_>>(), [".gitignore", "kept.rs", "new.rs"]);
    }

    #[test]
    fn a_path_exists_as_a_file_or_as_a_folder_of_files() {
        let fixture = Fixture::new(&[("crates/one/src/lib.rs", "")]);
        assert!(fixture.tree.has("crates/one/src/lib.rs") && fixture.tree.has("crates/one"));
        assert!(!fixture.tree.has("crates/on") && !fixture.tree.has("crates/one/src/lib"));
    }

    #[test]
    fn text_is_read_from_known_text_files_only() {
        let fixture = Fixture::new(&[("a.md", "one\ntwo words\n"), ("b.bin", "\0")]);
        assert_eq!(fixture.tree.text("a.md").as_deref(), Some("one\ntwo words\n"));
        assert_eq!(fixture.tree.text("b.bin"), None);
        assert_eq!(fixture.tree.text("c.md"), None);
        assert_eq!(fixture.tree.line_of("a.md", "words"), 2);
        assert_eq!(fixture.tree.line_of("a.md", "missing"), 1);
    }
}
