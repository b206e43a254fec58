//! Device `cudnn` from the command line, on the emulated GPU of dpnas-cuda.

use crate::{folder_of, replay_buffer, search, stderr};
use std::path::Path;
use std::process::Command;

#[path = "../../../crates/dpnas-cuda/tests/emulation/compile.rs"]
mod compile;

const SOURCE: &str = "../crates/dpnas-cuda/tests/emulation/driver.cpp";

/// A search of two architectures on a few digits.
fn tiny(runs: &Path) -> Command {
    let mut search = search();
    search.args([
        "--device",
        "cudnn",
        "--precision",
        "bf16",
        "--schedule",
        "1.0:2",
        "--classes",
        "0,1,2",
        "--limit-train",
        "90",
    ]);
    search.args([
        "--epochs",
        "2",
        "--batch-size",
        "40",
        "--calibration-images",
        "30",
        "--early-stopping-thresh",
        "0",
        "--cache",
        "off",
        "--json",
    ]);
    search.arg("--runs").arg(runs);
    search
}

#[test]
fn a_search_on_a_gpu_is_repeated_to_the_bit_and_near_that_of_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let Some(emulation) = compile::compile(&folder.path().join("emulation")) else { return };
    let run = |name: &str, more: &[&str]| {
        let mut search = tiny(&folder.path().join(name));
        let output = search.args(more).env("LD_LIBRARY_PATH", &emulation).output().unwrap();
        folder_of(&output)
    };
    let (first, second) = (run("first", &[]), run("second", &[]));
    assert_eq!(replay_buffer(&first), replay_buffer(&second));
    let journal = std::fs::read_to_string(first.join("journal.jsonl")).unwrap();
    assert!(
        journal.contains("deep prior on cudnn:0 bf16 emulated, 2 multiprocessors, maps of 0 MiB, cuDNN 0"),
        "{journal}"
    );
    // The test images of three classes are about a hundred: rounding in bf16 moves a few of them.
    let tests = |folder: &Path| -> Vec<f64> {
        let rows = replay_buffer(folder);
        rows.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect()
    };
    let cpu = run("cpu", &["--device", "cpu"]);
    let (gpu, cpu) = (tests(&first), tests(&cpu));
    assert!(gpu.len() >= 2, "{gpu:?}");
    assert_eq!(gpu.len(), cpu.len());
    for (a, b) in gpu.iter().zip(&cpu) {
        assert!((a - b).abs() < 5.0, "{gpu:?} {cpu:?}");
    }
}

#[test]
fn what_is_missing_for_a_gpu_is_named_with_the_remedy() {
    // Where a GPU is, nothing is missing.
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = tiny(folder.path()).output().unwrap();
    let message = stderr(&output);
    assert!(message.starts_with("error: libcuda.so.1 is missing: install the NVIDIA driver"), "{message}");
    assert!(message.contains("or use --device cpu"), "{message}");
    let output = search().args(["--device", "cudnn", "--runs"]).arg(folder.path()).output().unwrap();
    let expected = "error: device cudnn:0 computes in bf16: use --device cpu for f32, or --precision bf16\n";
    assert_eq!(stderr(&output), expected);
}
