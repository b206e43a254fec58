//! Finds missing files and tries one mirror after another.

use crate::http::{Client, Reply};
use crate::part::{Part, careful, part_path, wrong};
use crate::{Access, DownloadConfig, DownloadError, Event, MirrorFailure, Missing, Problem, RemoteFile, Watch};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Bytes of one read.
const BLOCK: usize = 1 << 16;
/// Pauses are divided into slices, so that a watcher can end them.
const SLICE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Downloads files into a folder.
#[derive(Debug)]
pub struct Downloader {
    config: DownloadConfig,
    client: Client,
}

/// Why an attempt gave no file.
enum Failure {
    /// Another attempt or mirror may help.
    Problem(Problem),
    /// No other attempt can help.
    Fatal(DownloadError),
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self::Fatal(error)
    }
}

impl Downloader {
    /// A downloader with these settings.
    ///
    /// # Errors
    /// [`DownloadError::BadProxy`].
    pub fn new(config: DownloadConfig) -> Result<Self, DownloadError> {
        Ok(Self { client: Client::new(&config)?, config })
    }

    /// Makes sure that every file is in `folder`, and gives their paths.
    ///
    /// A file with the right checksum is kept. Others are fetched from the first of `mirrors` (addresses of folders) that
    /// has them; a wrong file stays until the right one is complete. Processes that fetch into the same folder take turns,
    /// so that nothing is fetched twice, if the file system has locks.
    ///
    /// # Errors
    /// [`DownloadError`]; the next call continues with the bytes that have arrived.
    pub fn fetch(
        &self,
        files: &[RemoteFile],
        mirrors: &[String],
        folder: &Path,
        access: Access,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<PathBuf>, DownloadError> {
        files.iter().try_for_each(RemoteFile::check)?;
        let mut missing = Vec::new();
        for file in files {
            if let Some(reason) = wrong(file, folder)? {
                let (size, checksum) = (file.size, file.checksum);
                missing.push((file, Missing { path: folder.join(&file.name), size, checksum, reason }));
            }
        }
        if let Some((first, _)) = missing.first() {
            if access == Access::Offline {
                let missing = missing.into_iter().map(|(_, missing)| missing).collect();
                let (folder, mirrors) = (folder.to_owned(), mirrors.to_vec());
                return Err(DownloadError::Offline { folder, missing, mirrors });
            }
            if mirrors.is_empty() {
                return Err(DownloadError::NoMirror { name: first.name.clone() });
            }
            fs::create_dir_all(folder).map_err(DownloadError::write("create the folder", folder, first.size))?;
            let _lock = lock(first, folder, watch)?;
            for (file, _) in missing {
                // Another process may have fetched it before this one got the lock.
                if wrong(file, folder)?.is_some() {
                    self.fetch_one(file, mirrors, folder, watch)?;
                }
            }
        }
        Ok(files.iter().map(|file| folder.join(&file.name)).collect())
    }

    fn fetch_one(
        &self,
        file: &RemoteFile,
        mirrors: &[String],
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<(), DownloadError> {
        let mut part = Part::open(file, folder)?;
        let mut failures = Vec::new();
        for mirror in mirrors {
            let url = file.url(mirror);
            match self.fetch_from(&url, file, &mut part, folder, watch) {
                Ok(()) => {
                    let path = part.publish()?;
                    // The file is complete: a watcher that ends the download does so with the next event.
                    let _ = watch(Event::Finished { path: &path });
                    return Ok(());
                }
                Err(Failure::Problem(problem)) => failures.push(MirrorFailure { url, problem }),
                Err(Failure::Fatal(error)) => return Err(error),
            }
        }
        let RemoteFile { name, size, checksum } = file.clone();
        Err(DownloadError::AllMirrors { name, size, checksum, folder: folder.to_owned(), failures })
    }

    /// Attempts at one mirror, repeated as long as there is progress.
    fn fetch_from(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &mut Part<'_>,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<(), Failure> {
        let enough = (file.size / 1000).max(1);
        let (mut idle, mut from_here, mut restarted) = (0, 0, false);
        loop {
            let before = part.len();
            let problem = match self.attempt(url, file, part, folder, watch) {
                Ok(()) => match part.wrong_checksum()? {
                    None => return Ok(()),
                    Some(found) => {
                        part.reset()?;
                        Problem::Content { expected: file.checksum, found }
                    }
                },
                Err(Failure::Problem(problem)) => problem,
                Err(fatal) => return Err(fatal),
            };
            tracing::debug!("{url}: {problem}");
            notify(watch, Event::Failed { url, problem: &problem }, file, folder)?;
            let brought = part.len().saturating_sub(before);
            from_here += brought;
            match &problem {
                // The fault may lie in earlier bytes: try once more from the start.
                Problem::Content { .. } | Problem::Range { .. } if before > 0 && !restarted => {
                    restarted = true;
                    part.reset()?;
                    continue;
                }
                Problem::BrokenOff { .. } => {}
                Problem::Connection { .. } | Problem::Status { status: 408 | 429 | 500.. } if from_here > 0 => {}
                _ => return Err(Failure::Problem(problem)),
            }
            idle = if brought >= enough { 0 } else { idle + 1 };
            if idle >= self.config.attempts {
                return Err(Failure::Problem(problem));
            }
            self.pause(idle, file, folder, watch)?;
        }
    }

    /// Appends the answer to one request to the part.
    fn attempt(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &mut Part<'_>,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<(), Failure> {
        if part.missing() == 0 {
            return Ok(());
        }
        let (start, mut body) = loop {
            let from = part.len();
            notify(watch, Event::Request { url, from }, file, folder)?;
            match self.client.get(url, from, file.size).map_err(Failure::Problem)? {
                Reply::Bytes(start, body) => break (start, body),
                Reply::NoSuchRange => part.reset()?,
            }
        };
        // A server may ignore the range and start at 0: skip the bytes that are here already.
        let mut known = part.len() - start;
        let mut block = vec![0; BLOCK];
        while part.missing() > 0 {
            let wanted = if known > 0 { known } else { part.missing() };
            let limit = wanted.min(BLOCK as u64) as usize;
            let broken = |reason: String| {
                Failure::Problem(Problem::BrokenOff { received: part.len(), expected: file.size, reason })
            };
            let bytes = match body.read(&mut block[..limit]) {
                Ok(0) => return Err(broken("the server closed it".to_owned())),
                Ok(read) => &block[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error.to_string())),
            };
            if known > 0 {
                known -= bytes.len() as u64;
            } else {
                part.push(bytes)?;
            }
            let event = Event::Received { name: &file.name, received: part.len(), total: file.size };
            notify(watch, event, file, folder)?;
        }
        Ok(())
    }

    /// Waits before the next attempt: the configured pause, doubled for each attempt without progress.
    fn pause(&self, idle: u32, file: &RemoteFile, folder: &Path, watch: &mut Watch<'_>) -> Result<(), DownloadError> {
        let factor = 2u32.saturating_pow(idle.saturating_sub(1));
        let mut left = self.config.pause.saturating_mul(factor).min(LONGEST_PAUSE);
        while !left.is_zero() {
            notify(watch, Event::Pausing { name: &file.name }, file, folder)?;
            let slice = left.min(SLICE);
            thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}

/// Shows an event to the watcher, which may end the download.
fn notify(watch: &mut Watch<'_>, event: Event<'_>, file: &RemoteFile, folder: &Path) -> Result<(), DownloadError> {
    match watch(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let received = fs::metadata(part_path(file, folder)).map_or(0, |metadata| metadata.len());
            let (name, size) = (file.name.clone(), file.size);
            Err(DownloadError::Stopped { name, received, size, folder: folder.to_owned() })
        }
    }
}

/// Locks the folder against other processes until the returned file is dropped; `None` if the file system has no locks.
/// Two processes may then disturb one another, which the checksums reveal.
fn lock(file: &RemoteFile, folder: &Path, watch: &mut Watch<'_>) -> Result<Option<File>, DownloadError> {
    let path = folder.join(".lock");
    let open = careful().write(true).create(true).truncate(false).open(&path);
    let lock = open.map_err(DownloadError::write("create", &path, file.size))?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => {
                notify(watch, Event::Waiting { folder }, file, folder)?;
                thread::sleep(2 * SLICE);
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{} cannot be locked: {error}", path.display());
                return Ok(None);
            }
        }
    }
}
