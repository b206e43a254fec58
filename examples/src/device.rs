//! The devices that are compiled in. Only this package names a burn backend.

use anyhow::{Result, bail};
use dpnas::kernels::{CpuEngine, Precision};
use dpnas::prior::Engine;
use dpnas::train::TrainEngine;
use std::fmt;
use std::str::FromStr;

/// Images that a CPU thread computes at once: few, so that their activations stay in its cache.
#[cfg(any(feature = "flex", feature = "ndarray"))]
const SPLIT: std::num::NonZeroUsize = std::num::NonZeroUsize::new(8).unwrap();

/// Where embeddings are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU, with the project's own kernels.
    Cpu,
    /// The CPU, with burn's flex backend.
    Flex,
    /// The CPU, with burn's ndarray backend: slower and independent.
    NdArray,
    /// An NVIDIA GPU, by its index.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Flex => f.write_str("flex"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "flex" => Ok(Self::Flex),
            None if text == "ndarray" => Ok(Self::NdArray),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) if index.parse::<usize>().is_ok() => Ok(Self::Cuda(index.parse()?)),
            _ => bail!("unknown device `{text}`: use cpu, flex, ndarray, cuda or cuda:N"),
        }
    }
}

impl Device {
    /// The engine of the device.
    ///
    /// # Errors
    /// If the device is not compiled in, there is none of its kind, or it does not compute in that precision.
    pub fn engine(self, precision: Precision) -> Result<Box<dyn Engine>> {
        if precision != Precision::F32 && self != Self::Cpu {
            bail!("device {self} computes in f32: use --device cpu for {precision}, or --precision f32");
        }
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
            #[allow(unreachable_patterns, reason = "every device is named where all features are on")]
            device => device.missing(),
        }
    }

    /// What trains networks on the device. The project's own kernels do not train: burn does that for device `cpu`.
    ///
    /// # Errors
    /// If the device is not compiled in, or there is none of its kind.
    pub fn trainer(self) -> Result<Box<dyn TrainEngine>> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => Self::Flex.trainer(),
            #[cfg(all(feature = "ndarray", not(feature = "flex")))]
            Self::Cpu => Self::NdArray.trainer(),
            #[cfg(not(any(feature = "flex", feature = "ndarray")))]
            Self::Cpu => Self::Flex.missing(),
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
            #[allow(unreachable_patterns, reason = "every device is named where all features are on")]
            device => device.missing(),
        }
    }

    #[allow(dead_code, reason = "every device is there where all features are on")]
    fn missing<T>(self) -> Result<T> {
        let name = self.to_string();
        let feature = name.split(':').next().unwrap_or_default();
        bail!(
            "device {self} is not compiled in: build with `--features {feature}`, for example `cargo run --release \
             --features {feature} --bin search -- --device {self}`"
        )
    }
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cuda"))]
fn engine<B: dpnas::encoder::Backend>(name: &str, device: B::Device) -> dpnas::encoder::BurnEngine<B> {
    dpnas::encoder::BurnEngine::new(name, device)
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cuda"))]
fn trainer<B: dpnas::encoder::Backend>(name: &str, device: B::Device) -> dpnas::full::BurnTrainer<B> {
    dpnas::full::BurnTrainer::new(name, device)
}

/// The loader panics where there is no driver or no such GPU: a small computation finds out, with the panic's message
/// kept from the screen.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Box<dyn Engine>> {
    use dpnas::grammar::{ImageShape, Net};
    use dpnas::prior::{EncodeExt, Images, Prior, WeightInit};
    let engine = engine::<burn_cuda::Cuda>(&format!("cuda:{index} f32"), burn_cuda::CudaDevice::new(index));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let probe = || -> Result<()> {
        let shape = ImageShape::square(1, 4);
        let plan = "[C(2,3,1,1,1), SM(2)]".parse::<Net>()?.plan(shape)?;
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, dpnas::seed::Seed(0))?;
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
            let reason = if error.contains("unwrap()") { "no NVIDIA driver answers for it" } else { error.as_str() };
            bail!(
                "GPU {index} cannot be used: {reason}. Check that `nvidia-smi` lists it and that the NVIDIA driver is \
                 installed, or use --device cpu"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_print_and_parse() {
        for device in [Device::Cpu, Device::Flex, Device::NdArray, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for unknown in ["gpu", "cuda:", "cuda:-1", "flex:1", ""] {
            let message = unknown.parse::<Device>().unwrap_err().to_string();
            assert_eq!(message, format!("unknown device `{unknown}`: use cpu, flex, ndarray, cuda or cuda:N"));
        }
    }

    #[test]
    fn only_the_cpu_device_computes_in_bf16() {
        assert!(Device::Cpu.engine(Precision::Bf16).unwrap().name().starts_with("cpu "));
        let Err(error) = Device::NdArray.engine(Precision::Bf16) else { panic!("ndarray computes in f32") };
        let message = "device ndarray computes in f32: use --device cpu for bf16, or --precision f32";
        assert_eq!(error.to_string(), message);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_compiled_in_says_which_feature_to_add() {
        let Err(error) = Device::Cuda(1).engine(Precision::F32) else { panic!("there is no such device") };
        assert_eq!(
            error.to_string(),
            "device cuda:1 is not compiled in: build with `--features cuda`, for example `cargo run --release \
             --features cuda --bin search -- --device cuda:1`"
        );
    }
}
