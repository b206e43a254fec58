//! The devices and precisions that can be measured, and the programs that do it.

use super::build::build;
use crate::process::Call;
use anyhow::bail;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Where our encoders run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Device {
    Cpu,
    Flex,
    NdArray,
    /// `cuda` or `cuda:N`.
    Cuda(String),
}

impl FromStr for Device {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "flex" => Ok(Self::Flex),
            None if text == "ndarray" => Ok(Self::NdArray),
            None if text == "cuda" => Ok(Self::Cuda(text.to_owned())),
            Some(("cuda", index)) if index.parse::<usize>().is_ok() => Ok(Self::Cuda(text.to_owned())),
            _ => bail!("unknown device `{text}`: use cpu, flex, ndarray, cuda or cuda:N"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Cuda(name) => name,
        })
    }
}

impl Device {
    /// The device that the peer runs on beside this one, as the peer's program calls it.
    pub(crate) fn of_peer(&self) -> &str {
        match self {
            Self::Cuda(name) => name,
            _ => "cpu",
        }
    }

    /// Whether the device computes in that precision.
    pub(crate) fn computes(&self, precision: Precision) -> bool {
        *self == Self::Cpu || precision == Precision::F32
    }
}

/// What maps and weights are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Precision {
    /// Single precision
    F32,
    /// bfloat16, device cpu only
    Bf16,
}

impl Precision {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Builds the programs of the devices, with optimisation: device `cpu` has one without burn.
///
/// # Errors
/// If one does not build.
pub(crate) fn programs(root: &Path, devices: &[Device]) -> anyhow::Result<Vec<(Device, Call)>> {
    let mut others = None;
    let mut programs = Vec::new();
    for device in devices {
        let call = match (device, &others) {
            (Device::Cpu, _) => build(root, ["--release", "-p", "dpnas-bench", "--bin", "bench_net"], "bench_net")?,
            (_, Some(call)) => Call::clone(call),
            (_, None) => {
                eprintln!("devices other than cpu need burn with optimisation: the first build takes some minutes");
                let has_cuda = devices.iter().any(|device| matches!(device, Device::Cuda(_)));
                let features = if has_cuda { &["--features", "cuda"][..] } else { &[] };
                let target = ["--release", "-p", "dpnas-examples", "--example", "bench_devices"];
                let call = build(root, target.iter().chain(features).copied(), "bench_devices")?;
                others.insert(call).clone()
            }
        };
        let call = match device {
            Device::Cpu => call,
            other => call.arg("--device").arg(&other.to_string()),
        };
        programs.push((device.clone(), call));
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_parse_print_and_have_a_peer_of_their_kind() {
        for (name, peer) in
            [("cpu", "cpu"), ("flex", "cpu"), ("ndarray", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1")]
        {
            let device: Device = name.parse().unwrap();
            assert_eq!((device.to_string().as_str(), device.of_peer()), (name, peer));
        }
        for unknown in ["gpu", "cuda:x", "flex:1", ""] {
            let message = unknown.parse::<Device>().unwrap_err().to_string();
            assert_eq!(message, format!("unknown device `{unknown}`: use cpu, flex, ndarray, cuda or cuda:N"));
        }
    }

    #[test]
    fn only_device_cpu_computes_in_bf16() {
        assert!(Device::Cpu.computes(Precision::Bf16) && Device::Flex.computes(Precision::F32));
        assert!(!Device::Flex.computes(Precision::Bf16) && !Device::Cuda("cuda".into()).computes(Precision::Bf16));
    }
}
