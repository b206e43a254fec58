//! The short form of `cargo xtask fuzz`: the committed inputs of every target and seeded changes of them, without a fuzzer.
//!
//! `DPNAS_FUZZ_TARGET` chooses a target.

use dpnas_fuzz::{TARGETS, Target};
use dpnas_seed::{Rng, Seed};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Changed inputs for each committed one.
const CHANGES: u64 = 48;
/// The longest that one input may take.
const LONGEST: Duration = Duration::from_secs(1);

/// Where numbers are read, these are unlikely to be expected.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "nan",
    "0.1",
];

#[test]
fn damaged_input_never_panics_hangs_or_takes_memory_that_it_does_not_have() {
    let chosen = std::env::var("DPNAS_FUZZ_TARGET").ok();
    // One after another, since memory is measured for the whole process.
    for target in TARGETS.iter().filter(|target| chosen.as_deref().is_none_or(|name| name == target.name)) {
        let mut read = 0;
        for (path, input) in corpus(target) {
            read += u32::from(feed(target, &path, 0, &input));
            for change in 1..=CHANGES {
                let mut rng = Seed(change).stream(&path.to_string_lossy(), 0).rng();
                let mut changed = input.clone();
                (0..=rng.below(3)).for_each(|_| damage(&mut changed, &mut rng));
                feed(target, &path, change, &changed);
            }
        }
        assert!(read > 0, "{}: no committed input is read, so the format has changed: renew the corpus", target.name);
    }
}

/// The committed inputs of a target, by their names.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| Path::new(target.name).join(path.file_name().unwrap());
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Whether the target read the input. A failure names a file with it.
#[expect(clippy::disallowed_methods, reason = "clock: an input must not take long")]
fn feed(target: &Target, path: &Path, change: u64, input: &[u8]) -> bool {
    let once = || {
        let begun = Instant::now();
        (catch_unwind(AssertUnwindSafe(|| target.check(input))), begun.elapsed())
    };
    let (mut result, mut time) = once();
    if time > LONGEST {
        // The machine may have been busy.
        (result, time) = once();
    }
    match result {
        Ok(reading) if time <= LONGEST => reading.is_ok(),
        result => {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-failed", target.name));
            fs::write(&file, input).unwrap();
            let what = if result.is_err() { "panicked".to_owned() } else { format!("took {time:?}") };
            panic!("{what} on change {change} of {}: the input is {}", path.display(), file.display());
        }
    }
}

/// Changes the input in one place.
fn damage(input: &mut Vec<u8>, rng: &mut Rng) {
    let len = input.len();
    let at = rng.below(len as u64 + 1) as usize;
    let end = (at + 1 + rng.below(16) as usize).min(len);
    match rng.below(7) {
        0 if at < len => input[at] ^= 1 << rng.below(8),
        1 => input.truncate(at),
        2 => drop(input.drain(at..end)),
        3 => drop(input.splice(at..at, (0..rng.below(8)).map(|_| rng.below(256) as u8).collect::<Vec<_>>())),
        // A number of four bytes, in one or the other order.
        4 if at + 4 <= len => {
            let number = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, u32::MAX][rng.below(7) as usize];
            let bytes = if rng.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            input[at..at + 4].copy_from_slice(&bytes);
        }
        // The next number in digits.
        5 => {
            let digit = |&byte: &u8| byte.is_ascii_digit();
            if let Some(start) = input[at..].iter().position(digit).map(|start| at + start) {
                let digits = input[start..].iter().take_while(|byte| digit(byte)).count();
                input.splice(start..start + digits, NUMBERS[rng.below(NUMBERS.len() as u64) as usize].bytes());
            }
        }
        // The line is there again, and again.
        _ => {
            let start = input[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            let end = input[at..].iter().position(|&byte| byte == b'\n').map_or(len, |end| at + end + 1);
            let line = input[start..end].repeat(1 + rng.below(8) as usize);
            input.splice(start..start, line);
        }
    }
}
