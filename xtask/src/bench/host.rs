//! Where and when figures were measured.

use crate::process::Call;
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// The machine and the versions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Host {
    /// UTC.
    pub(crate) date: String,
    pub(crate) cpu: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) system: String,
    pub(crate) rustc: String,
    pub(crate) dpnas: String,
    /// Of git, where the sources lie in a repository.
    pub(crate) commit: Option<String>,
}

impl Host {
    /// Asks the system, rustc and git.
    pub(crate) fn ask(root: &Path) -> Self {
        let line = |program: &str, arguments: &[&str]| {
            let output = Call::new(program, arguments.iter().copied()).output(root).ok()?;
            Some(output.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            date: now,
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: cores(),
            memory_bytes: field(&read("/proc/meminfo"), "MemTotal").and_then(kibibytes),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            rustc: line("rustc", &["--version"]).unwrap_or_else(|| "rustc of an unknown version".to_owned()),
            dpnas: env!("CARGO_PKG_VERSION").to_owned(),
            commit: line("git", &["describe", "--always", "--dirty"]),
        }
    }

    /// The line below a table.
    pub(crate) fn line(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!(" ({commit})")).unwrap_or_default();
        let memory = self.memory_bytes.map(|bytes| format!(", {} GiB", bytes.div_ceil(1 << 30))).unwrap_or_default();
        let day = self.date.split('T').next().unwrap_or_default();
        let rustc = self.rustc.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let Self { dpnas, cpu, cores, system, .. } = self;
        format!("{day}, dpnas {dpnas}{commit}, {rustc}, {cores} cores of {cpu}{memory}, {system}")
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next()
}

fn kibibytes(text: &str) -> Option<u64> {
    Some(text.strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_system_are_read() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC"));
        assert_eq!(field(text, "MemTotal"), None);
        assert_eq!(field("MemTotal:       2048 kB\n", "MemTotal").and_then(kibibytes), Some(2 << 20));
    }

    #[test]
    fn the_line_names_day_versions_and_cores() {
        let host = Host {
            date: "2026-11-24T18:00:00Z".to_owned(),
            cpu: "AMD EPYC".to_owned(),
            cores: 2,
            memory_bytes: Some((24 << 30) - 1),
            system: "linux x86_64".to_owned(),
            rustc: "rustc 1.95.0 (abc 2026-01-01)".to_owned(),
            dpnas: "0.1.0".to_owned(),
            commit: Some("abc123".to_owned()),
        };
        let line = "2026-11-24, dpnas 0.1.0 (abc123), rustc 1.95.0, 2 cores of AMD EPYC, 24 GiB, linux x86_64";
        assert_eq!(host.line(), line);
        assert!(Host::ask(Path::new(".")).rustc.starts_with("rustc "));
    }
}
