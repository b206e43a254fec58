//! A GPU with its stream, its kernels and cuDNN.

use crate::dnn::Dnn;
use crate::{CudaError, library};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DeviceRepr, DriverError, sys};
use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use std::sync::Arc;

const SOURCE: &str = concat!(include_str!("device.cuh"), include_str!("kernels.cu"));

/// A GPU. Its work runs in order on one stream.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) index: usize,
    pub(crate) name: String,
    // Dropped before the stream.
    pub(crate) dnn: Dnn,
    pub(crate) stream: Arc<CudaStream>,
    pub(crate) multiprocessors: u32,
    /// Bytes of the device's memory.
    pub(crate) memory: u64,
    /// Most bytes of shared memory of a block.
    pub(crate) shared_bytes: u32,
    module: Arc<CudaModule>,
}

impl Gpu {
    pub(crate) fn open(index: usize) -> Result<Self, CudaError> {
        library::load()?;
        let refused = |error: DriverError| CudaError::Device { index, reason: describe(error) };
        let context = CudaContext::new(index).map_err(refused)?;
        #[allow(unsafe_code, reason = "cudarc's events would cost more than the launches")]
        // SAFETY: all work of this context is on one stream, in order.
        unsafe {
            context.disable_event_tracking();
        }
        let stream = context.new_stream().map_err(refused)?;
        let name = context.name().map_err(refused)?;
        let (major, minor) = context.compute_capability().map_err(refused)?;
        let attribute = |which| context.attribute(which).map(|value| value.unsigned_abs()).map_err(refused);
        let multiprocessors = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let shared_bytes = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let memory = context.total_mem().map_err(refused)? as u64;
        keep_freed_memory(&context)?;
        if major < 8 {
            let reason = format!("compute capability {major}.{minor}; 8.0 (A100) or later is needed for bf16");
            return Err(CudaError::Device { index, reason });
        }
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
            ..Default::default()
        };
        let ptx = compile_ptx_with_opts(SOURCE, options).map_err(|error| {
            let reason = match &error {
                CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
                other => format!("{other:?}"),
            };
            CudaError::Call { call: "compiling the kernels (NVRTC)".to_owned(), reason }
        })?;
        let module = context.load_module(ptx).map_err(|error| failed("loading the kernels", error))?;
        let dnn = Dnn::open(&stream)?;
        let gpu = Self { index, name, stream, dnn, multiprocessors, memory, shared_bytes, module };
        let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        gpu.function("fit_epoch")?
            .set_attribute(attribute, shared_bytes as i32)
            .map_err(|error| failed("shared memory for fit_epoch", error))?;
        Ok(gpu)
    }

    pub(crate) fn function(&self, name: &str) -> Result<CudaFunction, CudaError> {
        self.module.load_function(name).map_err(|error| failed(name, error))
    }

    /// Memory with unspecified content.
    pub(crate) fn alloc<T: DeviceRepr>(&self, len: usize, what: &str) -> Result<CudaSlice<T>, CudaError> {
        let Some(bytes) = len.checked_mul(size_of::<T>()) else {
            return Err(CudaError::OutOfMemory { call: format!("{len} values for {what}") });
        };
        #[allow(unsafe_code, reason = "the memory is not initialised")]
        // SAFETY: kernels and copies on the one stream write what later ones read; `T` are numbers, so any bits are valid.
        unsafe {
            self.stream.alloc(len.max(1)).map_err(|error| failed(&format!("{bytes} bytes for {what}"), error))
        }
    }

    pub(crate) fn upload<T: DeviceRepr>(&self, values: &[T], what: &str) -> Result<CudaSlice<T>, CudaError> {
        let mut slice = self.alloc(values.len(), what)?;
        if !values.is_empty() {
            self.stream.memcpy_htod(values, &mut slice).map_err(|error| failed(what, error))?;
            // The caller may drop the values at once.
            self.wait(what)?;
        }
        Ok(slice)
    }

    pub(crate) fn read<T: DeviceRepr>(&self, slice: &CudaSlice<T>, what: &str) -> Result<Vec<T>, CudaError> {
        let values = self.stream.clone_dtoh(slice).map_err(|error| failed(what, error))?;
        self.wait(what)?;
        Ok(values)
    }

    pub(crate) fn wait(&self, what: &str) -> Result<(), CudaError> {
        self.stream.synchronize().map_err(|error| failed(what, error))
    }
}

/// Freed memory stays with the process, so that the next candidate gets it without a call to the system.
fn keep_freed_memory(context: &CudaContext) -> Result<(), CudaError> {
    let mut pool = std::ptr::null_mut();
    let mut threshold = u64::MAX;
    #[allow(unsafe_code, reason = "cudarc has no safe call for it")]
    // SAFETY: the device is valid, and both pointers are to live variables of the expected types.
    let result = unsafe {
        sys::cuDeviceGetDefaultMemPool(&mut pool, context.cu_device()).result().and_then(|()| {
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()).result()
        })
    };
    result.map_err(|error| failed("keeping freed memory", error))
}

/// The error of a driver call.
pub(crate) fn failed(call: &str, error: DriverError) -> CudaError {
    if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return CudaError::OutOfMemory { call: call.to_owned() };
    }
    CudaError::Call { call: call.to_owned(), reason: describe(error) }
}

fn describe(error: DriverError) -> String {
    match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => format!("{error:?}"),
    }
}

/// Launches a kernel with one thread for each of `$total` elements.
macro_rules! for_each {
    ($gpu:expr, $name:literal, $total:expr, $($arg:expr),* $(,)?) => {{
        let total: u64 = $total;
        let blocks = u32::try_from(total.div_ceil(256).max(1)).unwrap_or(u32::MAX);
        crate::gpu::launch!($gpu, $name, (blocks, 1, 1), 256, 0, $($arg),*)
    }};
}

macro_rules! launch {
    ($gpu:expr, $name:literal, $grid:expr, $block:expr, $shared:expr, $($arg:expr),* $(,)?) => {{
        use cudarc::driver::PushKernelArg;
        let gpu: &crate::gpu::Gpu = $gpu;
        let function = gpu.function($name)?;
        let config = cudarc::driver::LaunchConfig { grid_dim: $grid, block_dim: ($block, 1, 1), shared_mem_bytes: $shared };
        let mut launch = gpu.stream.launch_builder(&function);
        $(launch.arg($arg);)*
        #[allow(unsafe_code, reason = "the compiler cannot check a kernel's arguments")]
        // SAFETY: number, types and sizes of the arguments are those of the kernel in kernels.cu.
        unsafe { launch.launch(config) }.map(drop).map_err(|error| crate::gpu::failed($name, error))?
    }};
}

pub(crate) use {for_each, launch};
