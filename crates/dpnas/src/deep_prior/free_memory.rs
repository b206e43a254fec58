//! Free memory, with the limits of containers, and the default memory budget.

use crate::DeepPriorConfig;
use std::fs;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// The smallest default budget.
const LEAST: u64 = 64 * MIB;

/// The [`default_budget`] for the [`free_memory`], or [`DeepPriorConfig::MEMORY_BUDGET`] if that is unknown.
pub fn auto_memory_budget() -> u64 {
    free_memory().map_or(DeepPriorConfig::MEMORY_BUDGET, default_budget)
}

/// A budget in bytes that was [`auto_memory_budget`] when a run started, for a process that goes on with the run: the same
/// as long as it is at most three quarters of the memory that is free now, else that of now.
///
/// # Source
/// SPEC §11.
pub fn resumed_memory_budget(stored: u64) -> u64 {
    resumed_budget(stored, free_memory())
}

fn resumed_budget(stored: u64, free: Option<u64>) -> u64 {
    match free {
        Some(free) if stored > free / 4 * 3 => default_budget(free).min(stored),
        _ => stored,
    }
}

/// Half of the free memory, in bytes, rounded down to MiB and at least 64 MiB. The other half is for copies of the data
/// set, the file system's cache and other programs.
///
/// # Source
/// SPEC §11.
pub fn default_budget(free: u64) -> u64 {
    (free / 2 / MIB * MIB).max(LEAST)
}

/// Bytes that this process can allocate without swapping: the available memory of the operating system, or less if a
/// container, a control group or one of its parents has a lower limit. `None` if the system does not report it.
pub fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let available = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    [available, control_groups_allow(Path::new("/"))].into_iter().flatten().min()
}

/// The least free memory of any control group of this process, of version 1 or 2. `root` holds `proc` and `sys`.
///
/// A limit of a parent also binds its children, so every group up to the root counts. A container hides the groups
/// outside its own, and may mount its own at the root instead of its path.
fn control_groups_allow(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    groups.lines().filter_map(|line| free_in_hierarchy(root, line)).min()
}

/// The least free memory along the path of one line of `/proc/self/cgroup`, which is `0::/path` for version 2 and
/// `4:memory:/path` for version 1.
fn free_in_hierarchy(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (bases, files): (&[&str], _) = match controllers {
        "" => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], &VERSION_2),
        _ if controllers.split(',').any(|name| name == "memory") => (&["sys/fs/cgroup/memory"], &VERSION_1),
        _ => return None,
    };
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    let folders = groups.flat_map(|group| bases.iter().map(move |base| root.join(base).join(group)));
    folders.filter_map(|folder| files.free(&folder)).min()
}

/// Names of the files of a control group.
struct Files {
    limits: &'static [&'static str],
    usage: &'static str,
    /// Key in `memory.stat` of the file pages that can be dropped at once.
    reclaimable: &'static str,
}

const VERSION_2: Files =
    Files { limits: &["memory.max", "memory.high"], usage: "memory.current", reclaimable: "inactive_file" };
const VERSION_1: Files =
    Files { limits: &["memory.limit_in_bytes"], usage: "memory.usage_in_bytes", reclaimable: "total_inactive_file" };

impl Files {
    /// The rest of a group's limit; `None` without a limit.
    fn free(&self, group: &Path) -> Option<u64> {
        let limit = self.limits.iter().filter_map(|name| number(group.join(name))).min()?;
        let used = number(group.join(self.usage))?.saturating_sub(self.reclaimable_bytes(group).unwrap_or(0));
        Some(limit.saturating_sub(used))
    }

    fn reclaimable_bytes(&self, group: &Path) -> Option<u64> {
        let text = fs::read_to_string(group.join("memory.stat")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(self.reclaimable))?;
        line.trim().parse().ok()
    }
}

/// The number in a file; `None` for `max`.
fn number(path: PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn allowed(files: &[(&str, &str)]) -> Option<u64> {
        control_groups_allow(root(files).path())
    }

    #[test]
    fn the_default_is_half_of_what_is_free_in_whole_mebibytes() {
        assert_eq!(default_budget(10 << 30), 5 << 30);
        assert_eq!(default_budget((1 << 30) + 12_345), 512 << 20);
        assert_eq!(default_budget(0), 64 << 20);
        assert_eq!(default_budget(u64::MAX) % MIB, 0);
        assert!(auto_memory_budget() >= LEAST);
    }

    #[test]
    fn a_stored_budget_stays_unless_less_memory_is_free() {
        assert_eq!(resumed_budget(600 * MIB, Some(1200 * MIB)), 600 * MIB);
        assert_eq!(resumed_budget(600 * MIB, Some(800 * MIB)), 600 * MIB);
        assert_eq!(resumed_budget(601 * MIB, Some(800 * MIB)), 400 * MIB);
        assert_eq!(resumed_budget(64 * MIB, Some(0)), 64 * MIB);
        assert_eq!(resumed_budget(600 * MIB, None), 600 * MIB);
    }

    #[test]
    fn a_container_of_version_2_allows_its_limit_less_what_is_used_and_cannot_be_dropped() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.current", "700\n"),
            ("sys/fs/cgroup/memory.stat", "anon 500\nfile 200\ninactive_file 150\nactive_file 50\n"),
        ];
        assert_eq!(allowed(&files), Some(450));
        assert_eq!(allowed(&files[..3]), Some(300));
        assert_eq!(allowed(&files[..2]), None);
    }

    #[test]
    fn the_tightest_group_of_a_nest_decides() {
        let files = [
            ("proc/self/cgroup", "0::/user.slice/job.scope\n"),
            ("sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/job.scope/memory.current", "10\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "900\n"),
            ("sys/fs/cgroup/user.slice/memory.high", "800\n"),
            ("sys/fs/cgroup/user.slice/memory.current", "100\n"),
            ("sys/fs/cgroup/other.slice/memory.max", "1\n"),
            ("sys/fs/cgroup/other.slice/memory.current", "1\n"),
        ];
        assert_eq!(allowed(&files), Some(700));
    }

    #[test]
    fn version_1_is_read_where_a_container_shows_its_group_at_the_root() {
        let files = [
            ("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"),
        ];
        assert_eq!(allowed(&files), Some(3500));
    }

    #[test]
    fn without_control_groups_nothing_is_said() {
        assert_eq!(allowed(&[]), None);
        assert_eq!(allowed(&[("proc/self/cgroup", "nonsense\n:\n1:cpu:/\n0::/\n")]), None);
    }
}
