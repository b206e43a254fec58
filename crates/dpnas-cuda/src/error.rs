//! Why the GPU cannot be used.

use std::path::PathBuf;

/// Why the GPU cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// A library that is found in none of the usual places.
    #[error(
        "{library} is missing: {remedy}. It was looked for by the loader (LD_LIBRARY_PATH), in CUDA_PATH and CUDA_HOME, \
         and beside an installed PyTorch"
    )]
    Library {
        /// Its file name.
        library: &'static str,
        /// What to install.
        remedy: &'static str,
    },
    /// A library that is there and cannot be loaded.
    #[error("{} cannot be loaded: {reason}", path.display())]
    Unloadable {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// No GPU has this index.
    #[error("GPU {index} cannot be used: {reason}. Check that `nvidia-smi` lists it")]
    Device {
        /// The index.
        index: usize,
        /// What the driver says.
        reason: String,
    },
    /// A call that failed.
    #[error("{call} failed: {reason}")]
    Call {
        /// The call, with the shape that it was made for.
        call: String,
        /// What the library says.
        reason: String,
    },
    /// The device has too little memory.
    #[error("out of memory on the GPU: {call}")]
    OutOfMemory {
        /// What the memory was for.
        call: String,
    },
}
