//! Listing folders and opening files. An entry that cannot be inspected is an error instead of missing.

use crate::{DataError, bounded};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// Extensions of files that often accompany images: notes, annotations, and files of file managers.
const COMPANIONS: [&str; 18] = [
    "csv", "db", "htm", "html", "ini", "json", "jsonl", "log", "md", "md5", "rst", "sha256", "toml", "tsv", "txt",
    "xml", "yaml", "yml",
];
/// Names of such files without extension.
const COMPANION_NAMES: [&str; 3] = ["license", "readme", "icon\r"];

/// An entry of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) name: OsString,
    /// `None` if it cannot be inspected, for example a dangling link.
    kind: Option<FileType>,
}

impl Entry {
    pub(crate) fn is_folder(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_dir())
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_file())
    }

    /// The extension of the name in lower case; empty if there is none.
    pub(crate) fn ending(&self) -> String {
        self.path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
    }

    /// Whether it is, by its name, a file that often accompanies images.
    pub(crate) fn is_companion(&self) -> bool {
        let named = |name: &str| COMPANION_NAMES.contains(&name.to_ascii_lowercase().as_str());
        self.is_file() && (COMPANIONS.contains(&self.ending().as_str()) || self.name.to_str().is_some_and(named))
    }
}

/// The entries of a folder in the order of their names, without hidden ones and output of this project's programs.
///
/// # Errors
/// If the folder cannot be read, or an entry cannot be inspected.
pub(crate) fn list(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let entries = list_leniently(folder)?;
    for unknown in entries.iter().filter(|entry| entry.kind.is_none()) {
        exists(&unknown.path)?;
    }
    Ok(entries)
}

/// Same as [`list`], but an entry that cannot be inspected is neither a folder nor a file.
pub(crate) fn list_leniently(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let mut entries = visible(folder).map_err(|error| DataError::Open { path: folder.to_owned(), error })?;
    entries.retain(|entry| !(entry.is_folder() && is_output(&entry.path)));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Whether a path exists.
///
/// # Errors
/// [`DataError::DanglingLink`]; [`DataError::Open`] if the path cannot be inspected.
pub(crate) fn exists(path: &Path) -> Result<bool, DataError> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => Err(DataError::DanglingLink { path: path.to_owned(), target }),
            Err(_) => Ok(false),
        },
        Err(error) => Err(DataError::Open { path: path.to_owned(), error }),
    }
}

/// Opens a file.
///
/// # Errors
/// [`DataError::NotFound`], [`DataError::DanglingLink`], [`DataError::NotAFile`] or [`DataError::Open`].
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    if !exists(path)? {
        return Err(DataError::NotFound { path: path.to_owned() });
    }
    let failed = |error| DataError::Open { path: path.to_owned(), error };
    // Check before opening: opening a pipe waits for a writer.
    match fs::metadata(path).map_err(failed)?.is_file() {
        true => File::open(path).map_err(failed),
        false => Err(DataError::NotAFile { path: path.to_owned() }),
    }
}

/// A name as text. Bytes that are not UTF-8 become escapes such as `\xE4`, so that different names stay different.
pub(crate) fn text(name: &OsStr) -> String {
    let escape = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02X}")).collect::<String>();
    let chunks = name.as_encoded_bytes().utf8_chunks();
    chunks.map(|chunk| chunk.valid().to_owned() + &escape(chunk.invalid())).collect()
}

fn visible(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => fs::metadata(&path).ok().map(|metadata| metadata.file_type()),
            kind => kind.ok(),
        };
        entries.push(Entry { path, name, kind });
    }
    Ok(entries)
}

/// Whether this project's programs wrote a folder: a run, a cache, a stored embedding, or a folder of such folders. A
/// folder named `runs` may also have other entries.
fn is_output(folder: &Path) -> bool {
    let is_one = |entry: &Entry| entry.is_folder() && is_single_output(&entry.path);
    let is_runs = folder.file_name().is_some_and(|name| name == "runs");
    let inner = visible(folder).unwrap_or_default();
    let (some, all) = (inner.iter().any(is_one), inner.iter().all(|entry| is_one(entry) || entry.is_companion()));
    is_single_output(folder) || if is_runs { some || all } else { some && all }
}

fn is_single_output(folder: &Path) -> bool {
    is_run(folder) || is_cache(folder) || is_embedding(folder)
}

fn is_run(folder: &Path) -> bool {
    let has = |name| folder.join(name).is_file();
    has("settings.toml") && (has("journal.jsonl") || has("scores.jsonl"))
}

/// Whether a folder has a lock file and otherwise only embeddings.
fn is_cache(folder: &Path) -> bool {
    let is_entry = |entry: Entry| ["embedding", "part"].contains(&entry.ending().as_str());
    folder.join(".lock").is_file() && visible(folder).is_ok_and(|entries| entries.into_iter().all(is_entry))
}

fn is_embedding(folder: &Path) -> bool {
    let start = open(&folder.join("manifest.json")).ok().and_then(|file| bounded::read(file, 100).ok());
    start.is_some_and(|start| String::from_utf8_lossy(&start).contains("dpnas embedding"))
}
