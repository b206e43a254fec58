//! Names of devices and what they offer.

use dpnas_devices::Device;
use dpnas_kernels::Precision;

#[test]
fn devices_print_and_parse() {
    for device in [Device::Cpu, Device::Flex, Device::NdArray, Device::Cuda(0), Device::Cuda(3)] {
        assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
    }
    assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
    for unknown in ["gpu", "cuda:", "cuda:-1", "flex:1", ""] {
        let message = unknown.parse::<Device>().unwrap_err().to_string();
        assert_eq!(
            message,
            format!("unknown device `{unknown}`: use cpu, flex, ndarray, cuda, cuda:N, cudnn or cudnn:N")
        );
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
