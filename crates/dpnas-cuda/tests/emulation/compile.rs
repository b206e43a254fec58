//! Compiles the emulated GPU. Tests of other packages include this file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which the emulation serves.
const LIBRARIES: [&str; 5] =
    ["libcuda.so.1", "libnvrtc.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9"];

/// Compiles the emulation to `folder`, for LD_LIBRARY_PATH; `None` where there is no C++ compiler, which in CI is a fault.
pub(crate) fn compile(folder: &Path) -> Option<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(super::SOURCE);
    let library = folder.join("emulation.so");
    let sums = ["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"];
    let options = ["-std=c++20", "-O3", "-march=native", "-shared", "-fPIC"].into_iter().chain(sums);
    match Command::new("c++").args(options).arg(&source).arg("-o").arg(&library).status() {
        Ok(status) => assert!(status.success(), "{} does not compile", source.display()),
        Err(error) => {
            crate::skipped::skipped(&format!("no C++ compiler: {error}"));
            return None;
        }
    }
    for name in LIBRARIES {
        std::fs::copy(&library, folder.join(name)).unwrap();
    }
    Some(folder.to_owned())
}
