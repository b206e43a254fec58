//! The peer: PyTorch, by the program in `crates/dpnas-kernels/benches/torch_peer.py`.

use crate::process::Call;
use serde::Serialize;
use std::path::Path;

/// The peer's program, from the root.
pub(crate) const PROGRAM: &str = "crates/dpnas-kernels/benches/torch_peer.py";

/// What to say where no interpreter has PyTorch.
pub(crate) const NAME_ONE: &str =
    "name a Python that has PyTorch by --python EXE or the environment variable PYTHON; only ours is measured";

/// What the peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Normalisation folded, traced, frozen, the better of two batch sizes
    Best,
    /// The plain module
    Eager,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Eager => "eager",
        }
    }
}

/// An interpreter that has PyTorch.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) python: String,
    pub(crate) torch: String,
    pub(crate) mode: Mode,
}

impl Peer {
    /// The interpreter that was named, or else the one of the environment, or else `python3`, if it imports PyTorch.
    ///
    /// # Errors
    /// A line that says which one was asked and what it said.
    pub(crate) fn find(root: &Path, named: Option<&str>, mode: Mode) -> Result<Self, String> {
        let environment = std::env::var("PYTHON").ok().filter(|name| !name.is_empty());
        let python = named.map(str::to_owned).or(environment).unwrap_or_else(|| "python3".to_owned());
        match Call::new(&python, ["-c", "import torch; print(torch.__version__)"]).output(root) {
            Ok(version) => Ok(Self { torch: version.trim().to_owned(), python, mode }),
            Err(error) => {
                let text = format!("{error:#}");
                let last = text.trim().lines().next_back().unwrap_or_default();
                Err(format!("no peer: `{python}` does not import torch ({last}); {NAME_ONE}"))
            }
        }
    }

    /// A call of the peer's program, without its options.
    pub(crate) fn call(&self, root: &Path) -> Call {
        let program = root.join(PROGRAM);
        Call::new(&self.python, [&*program.to_string_lossy(), "--mode", self.mode.name()])
    }

    /// What a row says of it.
    pub(crate) fn engine(&self, batch: Option<u64>) -> String {
        let batch = batch.map(|batch| format!(", batch {batch}")).unwrap_or_default();
        format!("PyTorch {} {}{batch}", self.torch, self.mode.name())
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
        assert_eq!(
            peer.call(Path::new("/w")).to_string(),
            "python3 /w/crates/dpnas-kernels/benches/torch_peer.py --mode eager"
        );
        assert_eq!(peer.engine(Some(32)), "PyTorch 2.15.0 eager, batch 32");
    }

    #[test]
    fn the_program_of_the_peer_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(root.join(PROGRAM).is_file());
    }
}
