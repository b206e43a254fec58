#![doc = include_str!("../README.md")]

use dpnas_kernels::{CpuEngine, LevelError, Precision};
use dpnas_prior::Engine;
use dpnas_train::{FitEngine, TrainEngine};
use std::fmt;
use std::str::FromStr;

/// Images that a CPU thread computes at once: few, so that their activations stay in its cache.
#[cfg(any(feature = "flex", feature = "ndarray"))]
const SPLIT: std::num::NonZeroUsize = std::num::NonZeroUsize::new(8).unwrap();

/// A device that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A text that names no device.
    #[error("unknown device `{text}`: use cpu, flex, ndarray, cuda, cuda:N, cudnn or cudnn:N")]
    Unknown {
        /// The text.
        text: String,
    },
    /// A precision that the device lacks.
    #[error("device {device} computes in {of_device}: use --device cpu for {precision}, or --precision {of_device}")]
    Precision {
        /// The device.
        device: Device,
        /// The precision.
        precision: Precision,
        /// The one that it has.
        of_device: Precision,
    },
    /// A device without its feature of this crate.
    #[error(
        "device {device} is not compiled in: build with `--features {feature}`, for example `cargo run --release \
         --features {feature} --bin search -- --device {device}`"
    )]
    Missing {
        /// The device.
        device: Device,
        /// The feature.
        feature: String,
    },
    /// A GPU that does not answer.
    #[error(
        "GPU {index} cannot be used: {reason}. Check that `nvidia-smi` lists it and that the NVIDIA driver is installed, \
         or use --device cpu"
    )]
    Gpu {
        /// Its index.
        index: usize,
        /// What went wrong.
        reason: String,
    },
    /// A GPU that cuDNN cannot use.
    #[cfg(feature = "cudnn")]
    #[error(transparent)]
    Cudnn(#[from] dpnas_cuda::CudaError),
    /// The environment names a level that this processor lacks.
    #[error(transparent)]
    Level(#[from] LevelError),
}

/// Where embeddings are computed and networks are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The CPU, with the project's own kernels.
    Cpu,
    /// The CPU, with burn's flex backend.
    Flex,
    /// The CPU, with burn's ndarray backend: slower and independent.
    NdArray,
    /// An NVIDIA GPU, by its index, with burn.
    Cuda(usize),
    /// An NVIDIA GPU, by its index, with cuDNN and the project's own kernels.
    Cudnn(usize),
}

/// What a device offers for deep priors.
#[allow(missing_debug_implementations, reason = "engines are named, not shown")]
pub struct Engines {
    /// Computes embeddings.
    pub encoder: Box<dyn Engine>,
    /// Trains classifiers on rows that the encoder keeps on the device, where it keeps any.
    pub classifier: Option<Box<dyn FitEngine>>,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Flex => f.write_str("flex"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Cudnn(index) => write!(f, "cudnn:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "flex" => Ok(Self::Flex),
            "ndarray" => Ok(Self::NdArray),
            "cuda" => Ok(Self::Cuda(0)),
            "cudnn" => Ok(Self::Cudnn(0)),
            _ => {
                let index = |prefix| text.strip_prefix(prefix).and_then(|index| index.parse().ok());
                let device = index("cuda:").map(Self::Cuda).or_else(|| index("cudnn:").map(Self::Cudnn));
                device.ok_or_else(|| DeviceError::Unknown { text: text.to_owned() })
            }
        }
    }
}

impl Device {
    /// The engine of the device.
    ///
    /// # Errors
    /// If the device is not compiled in, there is none of its kind, or it does not compute in that precision.
    pub fn engine(self, precision: Precision) -> Result<Box<dyn Engine>, DeviceError> {
        self.check(precision)?;
        match self {
            Self::Cpu => Ok(Box::new(CpuEngine::new(precision)?)),
            #[cfg(feature = "flex")]
            Self::Flex => {
                Ok(Box::new(engine::<burn_flex::Flex>("flex f32", Default::default()).split_over_threads(SPLIT)))
            }
            #[cfg(feature = "ndarray")]
            Self::NdArray => Ok(Box::new(
                engine::<burn_ndarray::NdArray>("ndarray f32", Default::default()).split_over_threads(SPLIT),
            )),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => cuda(index),
            #[cfg(feature = "cudnn")]
            Self::Cudnn(_) => self.engines(precision).map(|engines| engines.encoder),
            #[allow(unreachable_patterns, reason = "every device is named where all features are on")]
            device => device.missing(),
        }
    }

    /// The engine of the device, and what trains classifiers on the rows that the engine keeps there.
    ///
    /// # Errors
    /// As [`engine`](Self::engine).
    pub fn engines(self, precision: Precision) -> Result<Engines, DeviceError> {
        match self {
            #[cfg(feature = "cudnn")]
            Self::Cudnn(index) => {
                self.check(precision)?;
                let engine = dpnas_cuda::CudaEngine::new(index)?;
                Ok(Engines { encoder: Box::new(engine.clone()), classifier: Some(Box::new(engine)) })
            }
            _ => Ok(Engines { encoder: self.engine(precision)?, classifier: None }),
        }
    }

    fn check(self, precision: Precision) -> Result<(), DeviceError> {
        let of_device = if matches!(self, Self::Cudnn(_)) { Precision::Bf16 } else { Precision::F32 };
        if precision == of_device || self == Self::Cpu {
            Ok(())
        } else {
            Err(DeviceError::Precision { device: self, precision, of_device })
        }
    }

    /// What trains networks on the device.
    ///
    /// # Errors
    /// If the device is not compiled in, or there is none of its kind.
    pub fn trainer(self) -> Result<Box<dyn TrainEngine>, DeviceError> {
        match self {
            Self::Cpu => Ok(Box::new(dpnas_full::CpuTrainer::new()?)),
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Box::new(trainer::<burn_flex::Flex>("flex f32", Default::default()).split_over_threads())),
            #[cfg(feature = "ndarray")]
            Self::NdArray => {
                Ok(Box::new(trainer::<burn_ndarray::NdArray>("ndarray f32", Default::default()).split_over_threads()))
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => {
                cuda(index)?;
                let device = burn_cuda::CudaDevice::new(index);
                Ok(Box::new(trainer::<burn_cuda::Cuda>(&format!("cuda:{index} f32"), device)))
            }
            // burn trains on the GPU of device `cudnn`, too.
            Self::Cudnn(index) => Self::Cuda(index).trainer(),
            #[allow(unreachable_patterns, reason = "every device is named where all features are on")]
            device => device.missing(),
        }
    }

    #[allow(dead_code, reason = "every device is there where all features are on")]
    fn missing<T>(self) -> Result<T, DeviceError> {
        let feature = self.to_string().split(':').next().unwrap_or_default().to_owned();
        Err(DeviceError::Missing { device: self, feature })
    }
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cuda"))]
fn engine<B: dpnas_encoder::Backend>(name: &str, device: B::Device) -> dpnas_encoder::BurnEngine<B> {
    dpnas_encoder::BurnEngine::new(name, device)
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cuda"))]
fn trainer<B: dpnas_encoder::Backend>(name: &str, device: B::Device) -> dpnas_full::BurnTrainer<B> {
    dpnas_full::BurnTrainer::new(name, device)
}

/// The loader panics where there is no driver or no such GPU: a small computation finds out, with the panic's message
/// kept from the screen.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Box<dyn Engine>, DeviceError> {
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_prior::{EncodeExt, Images, Prior, WeightInit};
    let engine = engine::<burn_cuda::Cuda>(&format!("cuda:{index} f32"), burn_cuda::CudaDevice::new(index));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let probe = || -> Result<(), Box<dyn std::error::Error>> {
        let shape = ImageShape::square(1, 4);
        let plan = "[C(2,3,1,1,1), SM(2)]".parse::<Net>()?.plan(shape)?;
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, dpnas_seed::Seed(0))?;
        engine.load(&prior)?.embed(Images::new(shape, &[0.5; 16])?)?;
        Ok(())
    };
    let result = probe();
    std::panic::set_hook(hook);
    match result {
        Ok(()) => Ok(Box::new(engine)),
        Err(error) => {
            // Without a driver the loader's thread is gone, and the error tells of a channel.
            let error = error.to_string();
            let reason = if error.contains("unwrap()") { "no NVIDIA driver answers for it".to_owned() } else { error };
            Err(DeviceError::Gpu { index, reason })
        }
    }
}
