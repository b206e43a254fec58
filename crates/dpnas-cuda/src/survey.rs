//! Times the stages of an encoder, and what cuDNN proposes for the convolutions of a plan.
#![expect(clippy::disallowed_methods, reason = "clock: it measures, and nothing is decided by it")]

use crate::convolution::{map_bytes, shapes};
use crate::dnn::{Arrays, Dnn, Plan as DnnPlan, Shape, Then};
use crate::encoder::CudaEncoder;
use crate::engine::fuses;
use crate::gpu::{Gpu, failed};
use crate::images::CudaImages;
use crate::{CudaEngine, CudaError};
use cudarc::driver::{CudaSlice, DevicePtr};
use dpnas_grammar::Plan;
use dpnas_prior::EngineError;
use std::time::Instant;

/// One way to compute a convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Configuration {
    /// The convolution, with the number of images computed at once.
    pub shape: String,
    /// cuDNN's number of the engine.
    pub engine: i64,
    /// Whether bias, skip connection and ReLU are part of it; they are not timed where they are not.
    pub fused: bool,
    /// Milliseconds of one call.
    pub milliseconds: f64,
    /// 10¹² floating-point operations in a second.
    pub tflops: f64,
    /// Bytes of cuDNN's workspace.
    pub workspace: usize,
    /// Whether the engine takes this one.
    pub taken: bool,
}

impl CudaEngine {
    /// Times the first `most` configurations that cuDNN proposes for each convolution of a plan, fused and bare, on
    /// random numbers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn survey(&self, plan: &Plan, most: usize) -> Result<Vec<Configuration>, CudaError> {
        let gpu = &self.shared.gpu;
        let mut found = Vec::new();
        for shape in shapes(plan, map_bytes(gpu.memory)) {
            let taken = self.shared.plan(shape)?;
            for then in [shape.then, Then::default()] {
                let plans = gpu.dnn.plans_of(shape, then, most)?;
                // Others than the one that is taken are left out if they take minutes.
                for plan in plans.into_iter().filter(|plan| plan.engine == taken.engine || !plan.is_slow()) {
                    let milliseconds = time(gpu, &plan)?;
                    found.push(Configuration {
                        shape: shape.to_string(),
                        engine: plan.engine,
                        fused: then != Then::default(),
                        milliseconds,
                        tflops: shape.flop() / milliseconds / 1e9,
                        workspace: plan.workspace,
                        taken: taken.engine == plan.engine && taken.fused == plan.fused,
                    });
                }
                if shape.then == Then::default() {
                    break;
                }
            }
        }
        Ok(found)
    }
}

impl CudaEncoder {
    /// Seconds of each step of encoding one block: the feature map, each stage, and the rows.
    ///
    /// # Errors
    /// As [`Encode::encode`](dpnas_prior::Encode::encode).
    pub fn times(&self, images: &CudaImages) -> Result<Vec<f64>, EngineError> {
        images.check(self.shared(), &self.plan)?;
        let gpu = &self.shared().gpu;
        let timed = || -> Result<Vec<f64>, CudaError> {
            let mut times = Vec::new();
            let mut start = Instant::now();
            let mut lap = || -> Result<(), CudaError> {
                gpu.wait("timing a stage")?;
                times.push(start.elapsed().as_secs_f64());
                start = Instant::now();
                Ok(())
            };
            let mut map = self.feature_map(images, 0)?;
            lap()?;
            for (op, stage) in self.ops.iter().zip(self.plan.stages()) {
                map = self.stage(op, stage, map)?;
                lap()?;
            }
            let broken = gpu.upload(&[0_u32], "a flag")?;
            let mut rows: CudaSlice<u16> = gpu.alloc(self.elements(map.shape), "rows")?;
            self.write_rows(&map, self.block(images, 0), &mut rows, 0, self.plan.features() as usize, &broken)?;
            lap()?;
            Ok(times)
        };
        timed().and_then(|_| timed()).map_err(|error| self.shared().error(error))
    }
}

/// What cuDNN would take for a convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Planned {
    /// The convolution, with the number of images computed at once.
    pub shape: String,
    /// Floating-point operations for one image.
    pub flop_per_image: f64,
    /// cuDNN's number of the engine.
    pub engine: i64,
    /// Whether it uses tensor cores.
    pub tensor_cores: bool,
    /// Whether bias, skip connection and ReLU are part of it.
    pub fused: bool,
}

/// Plans the convolutions of some plans for a GPU that need not be there, by cuDNN's description of it (JSON).
///
/// # Errors
/// If cuDNN is missing or refuses the description.
pub fn plan_convolutions(device: &str, plans: &[Plan]) -> Result<Vec<Planned>, CudaError> {
    crate::library::load()?;
    let dnn = Dnn::described(device)?;
    let planned = |shape: Shape| -> Result<Planned, CudaError> {
        let plan = dnn.plan(shape, fuses(shape))?;
        Ok(Planned {
            shape: shape.to_string(),
            flop_per_image: shape.flop() / f64::from(shape.images),
            engine: plan.engine,
            tensor_cores: !plan.is_slow(),
            fused: plan.fused != Then::default(),
        })
    };
    plans.iter().flat_map(|plan| shapes(plan, map_bytes(u64::MAX))).map(planned).collect()
}

/// Milliseconds of one call, the mean of three after one that is not counted.
fn time(gpu: &Gpu, plan: &DnnPlan) -> Result<f64, CudaError> {
    let Shape { images, in_channels, out_channels, height, width, out_height, out_width, kernel, .. } = plan.shape;
    let size = |factors: [u32; 4]| factors.into_iter().map(|factor| factor as usize).product::<usize>();
    let output = size([images, out_channels, out_height, out_width]);
    let x = random(gpu, size([images, in_channels, height, width]))?;
    let filter = random(gpu, size([out_channels, in_channels, kernel, kernel]))?;
    let (bias, skip) = (random(gpu, out_channels as usize)?, random(gpu, output)?);
    let y: CudaSlice<u16> = gpu.alloc(output, "a survey")?;
    let workspace: CudaSlice<u8> = gpu.alloc(plan.workspace, "a survey")?;
    let address = |slice: &CudaSlice<u16>| slice.device_ptr(&gpu.stream).0;
    let arrays = Arrays {
        x: address(&x),
        filter: address(&filter),
        bias: address(&bias),
        skip: address(&skip),
        y: address(&y),
        workspace: workspace.device_ptr(&gpu.stream).0,
    };
    gpu.dnn.run(plan, arrays)?;
    gpu.wait("a survey")?;
    let start = Instant::now();
    for _ in 0..3 {
        gpu.dnn.run(plan, arrays)?;
    }
    gpu.wait("a survey")?;
    Ok(start.elapsed().as_secs_f64() * 1e3 / 3.0)
}

/// Random numbers in ±1, because zeros are computed faster.
fn random(gpu: &Gpu, len: usize) -> Result<CudaSlice<u16>, CudaError> {
    const PIECE: usize = 1 << 22;
    let mut state = 1_u32;
    let piece: Vec<u16> = (0..PIECE.min(len))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 8) as f32 / (1 << 23) as f32 - 1.0).to_bits() >> 16) as u16
        })
        .collect();
    let piece = gpu.upload(&piece, "a survey")?;
    let mut values = gpu.alloc(len, "a survey")?;
    for start in (0..len).step_by(PIECE) {
        let end = len.min(start + PIECE);
        let copied = gpu.stream.memcpy_dtod(&piece.slice(..end - start), &mut values.slice_mut(start..end));
        copied.map_err(|error| failed("a survey", error))?;
    }
    Ok(values)
}
