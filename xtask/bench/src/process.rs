//! What the operating system tells of this process.

use std::fs;

/// The most bytes that this process has had resident, pages of mapped files included; `None` where Linux does not tell.
pub fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// Seconds that all threads of this process have run, which a busy machine leaves almost alone; `None` where Linux does
/// not tell.
pub fn processor_seconds() -> Option<f64> {
    let run = |task: fs::DirEntry| -> Option<f64> {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Some(fs::read_dir("/proc/self/task").ok()?.flatten().filter_map(run).sum::<f64>() * 1e-9)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_counts_what_was_given_back() {
        let before = peak_bytes().unwrap();
        drop(std::hint::black_box(vec![1u8; 64 << 20]));
        assert!(peak_bytes().unwrap() >= before.max(64 << 20));
    }

    #[test]
    fn work_takes_processor_time() {
        // Threads of other tests end meanwhile, and their time is gone with them: once in a few tries none does.
        let grows = || {
            let before = processor_seconds().unwrap();
            let sum = (0..100_000_000u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
            processor_seconds().unwrap() > before && sum < u64::MAX
        };
        assert!((0..20).any(|_| grows()));
    }
}
