//! Memory budgets of the programs: what does not fit has a named outcome, and nothing of it is drawn before.

use crate::stderr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Images and program, which the budget leaves out.
const PROGRAM: u64 = 64 * MIB;

/// Runs a program to its end. Gives its output and the most memory that it had, in bytes.
fn peak_of(command: &mut Command) -> (Output, u64) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    // The mark is gone with the process, so it is read until then.
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
            peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    (output, watch.join().unwrap())
}

fn scored(net: &str, budget: u64, runs: &Path, arguments: &[&str]) -> (String, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_score"));
    command.args(["--net", net, "--epochs", "1", "--limit-train", "60", "--batch-size", "20", "--cache", "off"]);
    command.args(["--memory-budget", &budget.to_string()]).arg("--runs").arg(runs).args(arguments);
    let (output, peak) = peak_of(&mut command);
    assert!(output.status.success(), "{net}: {:?} {}", output.status, stderr(&output));
    (String::from_utf8(output.stdout).unwrap(), peak)
}

#[test]
fn an_architecture_over_the_budget_is_out_of_memory_before_anything_of_it_is_drawn() {
    let runs = tempfile::tempdir().unwrap();
    for net in [
        // 64 MiB of weights.
        "[C(64,3,1,1,1), FC(4096), SM(10)]",
        "[C(1024,1,1,0,1), C(1024,5,1,2,1), P(4,4,0,0), SM(10)]",
        // A thousand times the budget.
        "[C(128,3,1,1,1), FC(1000000), SM(10)]",
        "[C(512,3,1,1,1), C(65536,15,1,7,1), P(4,4,0,0), SM(10)]",
        // More than there are addresses.
        "[C(128,3,1,1,1), FC(4000000000), FC(4000000), SM(10)]",
    ] {
        for (arguments, kinds) in [(&[][..], 1), (&["--full-training"], 2), (&["--init", "orthogonal"], 1)] {
            let (text, peak) = scored(net, 32 * MIB, runs.path(), arguments);
            let named = text.matches("the memory budget is 33554432 bytes").count();
            assert_eq!(named, kinds, "{net} {arguments:?}: {text}");
            assert!(peak < PROGRAM, "{net} {arguments:?}: {peak} bytes");
        }
    }
}

#[test]
fn what_fits_takes_no_more_than_the_budget() {
    let runs = tempfile::tempdir().unwrap();
    for (net, arguments) in [
        ("[C(32,3,1,1,1), FC(1500), SM(10)]", &[][..]),
        ("[C(32,3,1,1,1), FC(1500), SM(10)]", &["--full-training"]),
        ("[C(128,1,1,0,1), P(4,4,0,0), C(512,5,1,2,1), SM(10)]", &["--full-training"]),
        ("[C(128,1,1,0,1), P(4,4,0,0), C(512,5,1,2,1), SM(10)]", &["--full-training", "--batch-norm", "0"]),
        ("[C(128,1,1,0,1), P(4,4,0,0), C(512,5,1,2,1), SM(10)]", &["--init", "orthogonal"]),
    ] {
        // The least budget of every kind of scoring, from the outcomes.
        let (mut budget, mut peak) = (MIB, 0);
        for _ in 0..5 {
            let (text, most) = scored(net, budget, runs.path(), arguments);
            let needs = text.split("needs ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
            peak = most;
            match needs.max() {
                Some(needed) => budget = needed,
                None => break,
            }
            assert!(peak < PROGRAM, "{net} {arguments:?}: {peak} bytes, and out of memory");
        }
        assert!(budget > 20 * MIB, "{net} {arguments:?}: {budget} bytes are too few to be a test");
        assert!(peak < budget + PROGRAM, "{net} {arguments:?}: {peak} bytes with a budget of {budget}");
    }
}

#[test]
fn a_search_goes_on_after_fully_connected_layers_that_no_memory_holds() {
    let runs = tempfile::tempdir().unwrap();
    let space = runs.path().join("space.toml");
    std::fs::write(&space, "preset = \"small\"\nmax_fc = 1\nfc_sizes = [100000000]\n").unwrap();
    let mut command = crate::search();
    command.args(["--schedule", "1.0:6", "--epochs", "1", "--limit-train", "60", "--cache", "off", "--head", "adam"]);
    command.arg("--space").arg(&space).arg("--runs").arg(runs.path());
    let (output, peak) = peak_of(command.args(["--memory-budget", "32MiB", "--json"]));
    let journal = std::fs::read_to_string(crate::folder_of(&output).join("journal.jsonl")).unwrap();
    assert!(journal.contains("training the classifier needs "), "{journal}");
    assert!(peak < 32 * MIB + PROGRAM, "{peak} bytes");
}
