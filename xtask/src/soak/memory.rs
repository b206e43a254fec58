//! Heavy architectures in little memory.

use super::Row;
use super::attacks::{Bench, spread};
use super::jobs::{Job, said};
use std::fs;
use std::path::{Path, PathBuf};

/// Architectures that are scored in little memory, in place of the job's own. On the digits, from a few MiB to more than a
/// terabyte of weights; what fits takes seconds.
const HEAVY: [&str; 10] = [
    "[C(128,3,1,1,1), P(2,2,0,0), FC(2048), SM(10)]",
    "[C(32,3,1,1,1), FC(4096), SM(10)]",
    "[C(64,3,1,1,1), FC(16384), SM(10)]",
    "[C(16,3,1,1,1), P(4,4,0,0), C(512,5,1,2,1), C(512,5,1,2,1), SM(10)]",
    "[C(16,3,1,1,1), P(4,4,0,0), C(1024,5,1,2,1), C(1024,5,1,2,1), SM(10)]",
    "[C(16,3,1,1,1), P(4,4,0,0), C(1024,11,1,5,1), C(1024,11,1,5,1), SM(10)]",
    "[C(16,3,1,1,1), P(4,4,0,0), C(65536,3,1,1,1), SM(10)]",
    "[C(16,3,1,1,1), P(4,4,0,0), C(4096,3,1,1,1), C(4096,3,1,1,1), SM(10)]",
    "[C(32,3,1,1,1), FC(1000000), SM(10)]",
    "[C(64,3,1,1,1), FC(100000000), SM(10)]",
];
/// MiB of the control groups.
const GROUPS: [u64; 5] = [256, 320, 400, 512, 700];
/// Every architecture in every group.
pub(super) const TRIES: usize = HEAVY.len() * GROUPS.len();

impl Bench<'_> {
    /// Scores another architecture in a control group, whose system kills a process that takes too much.
    pub(super) fn memory(&self, job: &Job, most: usize, row: &mut Row) -> anyhow::Result<()> {
        let tries: Vec<(&str, u64)> = HEAVY.iter().flat_map(|net| GROUPS.map(|mib| (*net, mib))).collect();
        for (net, mib) in spread(&tries, most) {
            let Some(group) = control_group(mib << 20) else {
                row.note = "left out: it needs root and control groups of memory".to_owned();
                return Ok(());
            };
            let place = self.fresh(job)?;
            let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
            let under = ["sh", "-c", &enter, "sh"].map(str::to_owned);
            let output = job.start(self.programs, &place, &under).args(["--net", net]).output()?;
            match output.status.success() {
                true => row.survived(),
                false => row.fault(format!("{net} in {mib} MiB: {}", said(&output))),
            }
        }
        Ok(())
    }
}

/// A control group with this many bytes of memory; `None` where none can be made.
fn control_group(bytes: u64) -> Option<PathBuf> {
    // Of version 1, and of version 2.
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")].into_iter().find_map(
        |(root, limit)| {
            let group = Path::new(root).join("dpnas-soak");
            fs::create_dir_all(&group).ok()?;
            // Where groups are of version 1, the folder above is an ordinary one.
            group.join("cgroup.procs").exists().then_some(())?;
            fs::write(group.join(limit), bytes.to_string()).ok()?;
            Some(group)
        },
    )
}
