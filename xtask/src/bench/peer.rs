//! The peer: PyTorch.

use crate::process::Call;
use serde::Serialize;
use std::path::Path;

/// The peer's program, from the root.
const PROGRAM: &str = "crates/dpnas-kernels/benches/torch_peer.py";

/// How the peer computes.
#[derive(Clone, Copy, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Normalisation folded, traced, frozen, the better of two batch sizes
    Best,
    /// The plain module
    Eager,
    /// OpenVINO's encoder in place of PyTorch's, the best of two batch sizes, with one stream and with one for each thread
    #[value(name = "openvino")]
    OpenVino,
}

/// An interpreter that has PyTorch.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    python: String,
    torch: String,
    mode: Mode,
}

impl Peer {
    /// The interpreter that was named, or that `PYTHON` names, or `python3`, if it imports what the mode needs.
    ///
    /// # Errors
    /// A line that says which interpreter was asked, and what it said.
    pub(crate) fn find(root: &Path, named: Option<&str>, mode: Mode) -> Result<Self, String> {
        let environment = std::env::var("PYTHON").ok().filter(|name| !name.is_empty());
        let python = named.map(str::to_owned).or(environment).unwrap_or_else(|| "python3".to_owned());
        let modules = if matches!(mode, Mode::OpenVino) { "torch, openvino" } else { "torch" };
        let script = format!("import {modules}; print(torch.__version__)");
        match Call::new(&python, ["-c", &script]).output(root) {
            Ok(version) => Ok(Self { torch: version.trim().to_owned(), python, mode }),
            Err(error) => {
                let text = format!("{error:#}");
                let last = text.trim().lines().next_back().unwrap_or_default();
                let name_one = "only ours is measured; name a Python that has PyTorch by --python EXE or PYTHON";
                Err(format!("no peer: `{python}` does not import {modules} ({last}); {name_one}"))
            }
        }
    }

    /// A call of the peer's program, without its options.
    pub(crate) fn call(&self, root: &Path) -> Call {
        let mode = format!("{:?}", self.mode).to_lowercase();
        Call::new(&self.python, [&*root.join(PROGRAM).to_string_lossy(), "--mode", &mode])
    }

    /// The line below a table.
    pub(crate) fn line(&self) -> String {
        format!("PyTorch {} in mode {:?}", self.torch, self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_missing_is_named_with_the_way_to_name_another() {
        let error = Peer::find(Path::new("."), Some("dpnas-no-such-python"), Mode::Best).unwrap_err();
        assert!(error.starts_with("no peer: `dpnas-no-such-python` does not import torch (cannot start"), "{error}");
        assert!(error.contains("--python EXE") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_call_names_the_program_and_the_mode() {
        let peer = Peer { python: "python3".into(), torch: "2.15.0".into(), mode: Mode::Eager };
        assert_eq!(peer.call(Path::new("/w")).to_string(), format!("python3 /w/{PROGRAM} --mode eager"));
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PROGRAM).is_file());
    }
}
