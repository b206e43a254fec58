//! The default folder for rows that do not fit the memory.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The first of the temporary folder, `/var/tmp` and the working folder that is on a disk. `/tmp` is a tmpfs on many
/// systems; a file there would take the memory that it should save.
pub(crate) fn scratch_folder() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let folders = [env::temp_dir(), "/var/tmp".into(), env::current_dir().unwrap_or_default()];
    first_on_disk(&folders, &mounts).unwrap_or_else(env::temp_dir)
}

fn first_on_disk(folders: &[PathBuf], mounts: &str) -> Option<PathBuf> {
    let folders = folders.iter().filter_map(|folder| folder.canonicalize().ok());
    folders.into_iter().find(|folder| folder.is_dir() && !is_in_memory(folder, mounts))
}

/// Whether a folder is on a file system in memory, by the lines of `/proc/mounts`. A later mount covers an earlier one.
fn is_in_memory(folder: &Path, mounts: &str) -> bool {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let mount = mounts.filter(|(place, _)| folder.starts_with(place)).max_by_key(|(place, _)| place.len());
    mount.is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_memory_is_passed_over() {
        let disk = tempfile::tempdir().unwrap();
        let memory = tempfile::tempdir().unwrap();
        let [disk, memory] = [&disk, &memory].map(|folder| folder.path().canonicalize().unwrap());
        let mounts = format!("/dev/sda1 / ext4 rw 0 0\ntmpfs {} tmpfs rw 0 0\n", memory.display());
        let folders = [memory.join("missing"), memory.clone(), disk.clone()];
        assert_eq!(first_on_disk(&folders, &mounts), Some(disk.clone()));
        assert_eq!(first_on_disk(&folders, ""), Some(memory.clone()), "other systems have no such file");
        let covered = format!("{mounts}/dev/sdb1 {} xfs rw 0 0\n", memory.display());
        assert_eq!(first_on_disk(&folders, &covered), Some(memory));
    }
}
