//! Packs what checks and measures a GPU on another machine.

use crate::bench::programs::build;
use crate::process::Call;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Files that travel with the programs.
const FILES: [&str; 5] = [
    "xtask/gpu/run.sh",
    "xtask/gpu/summary.py",
    "xtask/gpu/nets-gpu.txt",
    "crates/dpnas-kernels/benches/torch_peer.py",
    "crates/dpnas-cuda/benches/classifier_peer.py",
];

/// Where to pack.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder that then holds all that is needed
    #[arg(long, default_value = "target/gpu")]
    to: PathBuf,
}

/// Builds the programs, strips them, and copies them with `run.sh` to one folder.
///
/// # Errors
/// If a program does not build or a file cannot be copied.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let folder = root.join(&arguments.to);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let release =
        ["--release", "--config", "profile.release.strip=true", "--workspace", "--features", "dpnas-examples/cudnn"];
    for example in ["gpu_check", "gpu_walk"] {
        let program = build(root, &[&release[..], &["--example", example]].concat(), example)?;
        copy(Path::new(program.program()), &folder.join(example))?;
    }
    for file in FILES.map(Path::new) {
        copy(&root.join(file), &folder.join(file.file_name().context("a file has a name")?))?;
    }
    Call::new("du", ["-sh", &folder.to_string_lossy()]).run(root)?;
    println!("copy {} to a machine with a GPU, and run there: bash run.sh OUT", folder.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
