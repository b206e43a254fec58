//! The part file, which grows until it is complete.

use crate::{Checksum, DownloadError, MissingReason, RemoteFile};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open part file.
pub(crate) struct Part<'a> {
    of: &'a RemoteFile,
    path: PathBuf,
    target: PathBuf,
    file: File,
    len: u64,
}

impl<'a> Part<'a> {
    /// The part file of `of` in `folder`, with the bytes of earlier attempts, unless they are longer than the file.
    pub(crate) fn open(of: &'a RemoteFile, folder: &Path) -> Result<Self, DownloadError> {
        let path = part_path(of, folder);
        let open = careful().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.and_then(|file| match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
        });
        let mut file = file.map_err(DownloadError::write("create", &path, of.size))?;
        let len = file.seek(SeekFrom::End(0)).map_err(io_error("read", &path))?;
        let mut part = Self { of, target: folder.join(&of.name), path, file, len };
        if part.len > of.size {
            part.reset()?;
        }
        Ok(part)
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes still missing.
    pub(crate) fn missing(&self) -> u64 {
        self.of.size - self.len
    }

    /// Appends bytes, at most as many as are missing.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        debug_assert!(bytes.len() as u64 <= self.missing());
        self.file.write_all(bytes).map_err(DownloadError::write("write", &self.path, self.of.size))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Discards all bytes.
    pub(crate) fn reset(&mut self) -> Result<(), DownloadError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(io_error("empty", &self.path))?;
        self.len = 0;
        Ok(())
    }

    /// The checksum of the bytes if it differs from that of the file.
    pub(crate) fn wrong_checksum(&mut self) -> Result<Option<Checksum>, DownloadError> {
        self.file.rewind().map_err(io_error("read", &self.path))?;
        let found = self.of.checksum.of_same_kind(&self.file).map_err(io_error("read", &self.path))?;
        Ok((found != self.of.checksum).then_some(found))
    }

    /// Syncs the complete file and gives it its name.
    pub(crate) fn publish(self) -> Result<PathBuf, DownloadError> {
        let Self { of, path, target, file, .. } = self;
        file.sync_all().map_err(DownloadError::write("write", &path, of.size))?;
        drop(file);
        fs::rename(&path, &target).map_err(io_error("give its final name to", &path))?;
        if let Some(folder) = target.parent() {
            sync_folder(folder);
        }
        Ok(target)
    }
}

/// Options to open a file that others may have planted in the folder: a link is an error, and a pipe does not wait.
pub(crate) fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    options
}

/// The path of a part file.
pub(crate) fn part_path(of: &RemoteFile, folder: &Path) -> PathBuf {
    folder.join(format!("{}.part", of.name))
}

/// Why the file in `folder` has to be fetched; `None` if it is complete.
pub(crate) fn wrong(file: &RemoteFile, folder: &Path) -> Result<Option<MissingReason>, DownloadError> {
    let path = folder.join(&file.name);
    let opened = match File::open(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(MissingReason::Absent)),
        Err(error) => return Err(io_error("open", &path)(error)),
    };
    let len = opened.metadata().map_err(io_error("read", &path))?.len();
    if len != file.size {
        return Ok(Some(MissingReason::Size(len)));
    }
    let found = file.checksum.of_same_kind(BufReader::new(opened)).map_err(io_error("read", &path))?;
    Ok((found != file.checksum).then_some(MissingReason::Checksum(found)))
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    move |source| DownloadError::Io { action, path, source }
}

/// A rename survives a power cut once its folder is synced. Where folders cannot be opened, that is impossible.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
