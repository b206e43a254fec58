//! Finds the libraries of CUDA where users have them, also beside an installed PyTorch.
//!
//! cudarc loads libraries by name and panics where there is none. So each library is loaded here first, by its path, and
//! the loader then knows it by name. cuDNN aborts the process where cuBLASLt is missing, so that comes before it.

use crate::CudaError;
use std::path::{Path, PathBuf};

struct Library {
    /// File names, the preferred one first.
    names: &'static [&'static str],
    /// Folder of the Python package beside PyTorch's.
    package: &'static str,
    remedy: &'static str,
}

const DRIVER: Library = Library {
    names: &["libcuda.so.1"],
    package: "",
    remedy: "install the NVIDIA driver (Debian and Ubuntu: nvidia-driver), or use --device cpu",
};

/// In the order in which they are loaded.
const TOOLKIT: [Library; 4] = [
    Library {
        names: &["libnvrtc.so.13", "libnvrtc.so.12"],
        package: "cuda_nvrtc",
        remedy: "pip install nvidia-cuda-nvrtc, or install the CUDA toolkit",
    },
    Library {
        names: &["libcublas.so.13", "libcublas.so.12"],
        package: "cublas",
        remedy: "pip install nvidia-cublas, or install the CUDA toolkit",
    },
    Library {
        names: &["libcublasLt.so.13", "libcublasLt.so.12"],
        package: "cublas",
        remedy: "pip install nvidia-cublas, or install the CUDA toolkit",
    },
    Library {
        names: &["libcudnn.so.9"],
        package: "cudnn",
        remedy: "pip install nvidia-cudnn-cu13, or apt install cudnn9-cuda-13",
    },
];

/// Loads every library.
pub(crate) fn load() -> Result<(), CudaError> {
    let places = places();
    for library in std::iter::once(&DRIVER).chain(&TOOLKIT) {
        library.load(&places)?;
    }
    Ok(())
}

impl Library {
    fn load(&self, places: &[PathBuf]) -> Result<(), CudaError> {
        if self.names.iter().any(|name| open(Path::new(name)).is_ok()) {
            return Ok(());
        }
        let files = places.iter().flat_map(|place| self.names.iter().map(move |name| (place, name)));
        for (place, name) in files {
            for path in [place.join(name), place.join(self.package).join("lib").join(name)] {
                if path.is_file() {
                    // NVRTC asks the loader for its built-in functions by name.
                    for builtins in builtins(&path) {
                        let _ = open(&builtins);
                    }
                    return open(&path)
                        .map_err(|error| CudaError::Unloadable { path: path.clone(), reason: error.to_string() });
                }
            }
        }
        Err(CudaError::Library { library: self.names[0], remedy: self.remedy })
    }
}

/// The built-in functions of NVRTC that lie beside a library.
fn builtins(library: &Path) -> Vec<PathBuf> {
    let folder = library.parent().map(std::fs::read_dir);
    let files = folder.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
    let is_builtins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libnvrtc-builtins.so"))
    };
    files.filter(is_builtins).collect()
}

/// Loads a library for the rest of the process, with its symbols visible to the libraries that follow.
fn open(path: &Path) -> Result<(), libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    #[allow(unsafe_code, reason = "loading runs the library's initialisers")]
    // SAFETY: these are NVIDIA's libraries, whose initialisers have no requirements.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
    // Symbols are used until the process ends.
    std::mem::forget(library);
    Ok(())
}

/// Folders that may hold libraries, or a folder for each Python package of NVIDIA's.
fn places() -> Vec<PathBuf> {
    let toolkits = ["CUDA_PATH", "CUDA_HOME"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    let toolkits = toolkits.chain([PathBuf::from("/usr/local/cuda")]);
    let mut places: Vec<PathBuf> = toolkits
        .flat_map(|root| [root.join("lib64"), root.join("lib"), root.join("targets/x86_64-linux/lib")])
        .collect();
    places.extend(["/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu"].map(PathBuf::from));
    for site in site_packages() {
        let nvidia = site.join("nvidia");
        let versioned =
            std::fs::read_dir(&nvidia).into_iter().flatten().flatten().map(|entry| entry.path().join("lib"));
        places.extend(versioned.filter(|path| path.is_dir()));
        places.push(nvidia);
    }
    places
}

/// `site-packages` of the active virtual environment and of the Python on the path.
fn site_packages() -> Vec<PathBuf> {
    let environment = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let python = std::env::split_paths(&path).find(|folder| folder.join("python3").exists());
    let prefixes = environment.into_iter().chain(python.and_then(|folder| folder.parent().map(Path::to_path_buf)));
    let libraries = prefixes.flat_map(|prefix| [prefix.join("lib"), prefix.join("local/lib")]);
    let versions = libraries.flat_map(|lib| std::fs::read_dir(lib).into_iter().flatten().flatten());
    versions
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .flat_map(|entry| [entry.path().join("site-packages"), entry.path().join("dist-packages")])
        .filter(|path| path.is_dir())
        .collect()
}
