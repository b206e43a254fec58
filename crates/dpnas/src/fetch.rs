//! Downloading the files of known data sets on first use.

use dpnas_data::{CatalogFile, Known};
use dpnas_download::{Access, DownloadConfig, DownloadError, Downloader, RemoteFile, Watch};
use std::path::PathBuf;

/// Source and destination of the files of known data sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// The folder with one folder per data set.
    pub data_dir: PathBuf,
    /// Whether missing files are downloaded.
    pub access: Access,
    /// URL of a folder with the files; replaces the set's [mirrors](Known::mirrors).
    pub mirror: Option<String>,
    /// Settings of the downloads.
    pub download: DownloadConfig,
}

impl FetchConfig {
    /// Downloads from the set's mirrors into the folder `data`, with [`DownloadConfig::standard`].
    pub fn standard() -> Self {
        Self { data_dir: "data".into(), access: Access::Online, mirror: None, download: DownloadConfig::standard() }
    }
}

/// Makes sure that the folder of a known data set has all files with the right checksums. Returns the folder.
///
/// [`Source::Known`](dpnas_data::Source::Known) reads the files from there.
///
/// # Errors
/// [`DownloadError`]. Offline it lists every missing file.
///
/// # Source
/// SPEC §12.
pub fn fetch_known(known: Known, config: &FetchConfig, watch: &mut Watch<'_>) -> Result<PathBuf, DownloadError> {
    let remote = |file: &CatalogFile| {
        let checksum = format!("sha256:{}", file.sha256).parse()?;
        Ok(RemoteFile { name: file.name.to_owned(), size: file.size, checksum })
    };
    let files = known.files().iter().map(remote).collect::<Result<Vec<_>, DownloadError>>()?;
    let mirrors = match &config.mirror {
        Some(mirror) => vec![mirror.clone()],
        None => known.mirrors().iter().map(|mirror| (*mirror).to_owned()).collect(),
    };
    let folder = known.folder(&config.data_dir);
    Downloader::new(config.download.clone())?.fetch(&files, &mirrors, &folder, config.access, watch)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    #[test]
    fn offline_the_files_of_a_known_set_are_listed_with_their_places_and_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            FetchConfig { data_dir: folder.path().to_owned(), access: Access::Offline, ..FetchConfig::standard() };
        for known in Known::ALL {
            let error = fetch_known(known, &config, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
            for CatalogFile { name, size, sha256 } in known.files() {
                let path = known.folder(folder.path()).join(name);
                let line = format!("\n  {}  {size} bytes, sha256:{sha256}\n", path.display());
                assert!(error.contains(&line), "{error}");
            }
            assert!(known.mirrors().iter().all(|mirror| error.contains(mirror)), "{error}");
        }
    }
}
