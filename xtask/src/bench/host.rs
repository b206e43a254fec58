//! Where and when figures were measured.

use crate::process::Call;
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// The machine and the versions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Host {
    date: String,
    cpu: String,
    cores: usize,
    memory_gib: Option<u64>,
    rustc: String,
    dpnas: String,
}

impl Host {
    /// Asks the system, rustc and git.
    pub(crate) fn ask(root: &Path) -> Self {
        let said = |call: Call| call.output(root).map(|text| text.trim().to_owned()).unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
        let commit = said(Call::new("git", ["describe", "--always", "--dirty"]));
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: cores(),
            memory_gib: memory.map(|kibibytes| kibibytes.div_ceil(1 << 20)),
            rustc: said(Call::new("rustc", ["--version"])),
            dpnas: format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        }
    }

    /// The line below a table.
    pub(crate) fn line(&self) -> String {
        let Self { date, cpu, cores, memory_gib, rustc, dpnas } = self;
        let memory = memory_gib.map(|gib| format!(", {gib} GiB")).unwrap_or_default();
        format!("{date}, dpnas {dpnas}, {rustc}, {cores} cores of {cpu}{memory}")
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The value of the first line `name : value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_day_versions_and_cores() {
        let line = Host::ask(Path::new(".")).line();
        assert!(line.starts_with("20") && line.contains(", rustc ") && line.contains(" cores of "), "{line}");
    }
}
