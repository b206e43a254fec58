//! The files of known data sets, fetched on first use.

use dpnas_data::{CatalogFile, Known};
use dpnas_download::{Access, DownloadConfig, DownloadError, Downloader, RemoteFile, Watch};
use std::path::PathBuf;

/// Where the files of known data sets come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// The folder that has a folder for each set.
    pub data_dir: PathBuf,
    /// Whether files that are missing are fetched.
    pub access: Access,
    /// A folder on the web that has the files, in place of the set's [mirrors](Known::mirrors).
    pub mirror: Option<String>,
    /// How files are fetched.
    pub download: DownloadConfig,
}

impl FetchConfig {
    /// Into the folder `data`, from the set's mirrors, with [`DownloadConfig::standard`].
    pub fn standard() -> Self {
        Self { data_dir: "data".into(), access: Access::Online, mirror: None, download: DownloadConfig::standard() }
    }
}

/// Makes sure that the files of a known data set are in their folder, whole and right, and gives the folder.
///
/// [`Source::Known`](dpnas_data::Source::Known) reads them there.
///
/// # Errors
/// [`DownloadError`]; offline, it lists every file that is missing.
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
