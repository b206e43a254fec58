//! Convolutions with their weights on the device, and what cuDNN computes for them.

use crate::CudaError;
use crate::dnn::{Plan as DnnPlan, Shape, Then};
use crate::engine::Shared;
use crate::gpu::{failed, for_each};
use cudarc::driver::{CudaSlice, DevicePtr};
use dpnas_grammar::{ConvShape, ImageShape, Layer, Plan, Stage};
use dpnas_prior::{Affine, ConvWeights};
use std::sync::Arc;

/// Bytes of the largest feature map of the images that are computed at once, on a device with this much memory.
pub(crate) fn map_bytes(memory: u64) -> u64 {
    (memory / 32).min(1 << 30)
}

/// Images computed at once, fewer for nets with large maps. It depends on the plan and the device, because cuDNN may choose
/// another engine for another number of images. The last images of a set are filled up with what is there.
const IMAGES: std::ops::RangeInclusive<u64> = 16..=2048;

/// A convolution with its weights on the device.
pub(crate) struct Convolution {
    /// As drawn, f32 `[out, in, kernel, kernel]`.
    weights: CudaSlice<f32>,
    /// Scaled, bf16 `[out, kernel, kernel, in]`.
    pub(crate) filter: CudaSlice<u16>,
    /// bf16 `[out]`.
    pub(crate) bias: CudaSlice<u16>,
    /// What cuDNN computes, with the bias and what follows.
    pub(crate) plan: Arc<DnnPlan>,
    /// The convolution alone, for measuring its output.
    pub(crate) bare: Arc<DnnPlan>,
    /// Inputs of an output value: input channels, and kernel · kernel.
    inputs: (u32, u32),
    /// Values of each filter.
    pub(crate) wide: u32,
    /// Windows of few channels are unrolled before cuDNN multiplies them.
    pub(crate) unrolled: Option<Unrolled>,
}

/// A convolution whose windows are unrolled.
#[derive(Clone, Copy)]
pub(crate) struct Unrolled {
    pub(crate) kernel: u32,
    pub(crate) stride: u32,
    pub(crate) padding: u32,
}

/// Scale and shift of the first norm of a residual block.
pub(crate) struct Activation {
    pub(crate) affine: Option<(CudaSlice<f32>, CudaSlice<f32>)>,
}

/// What cuDNN computes for a convolution of a net.
fn shape_of(conv: &ConvShape, images: u32, input: ImageShape, output: ImageShape, then: Then) -> Shape {
    let shape = Shape {
        images,
        in_channels: conv.in_channels,
        out_channels: conv.out_channels,
        height: input.height,
        width: input.width,
        out_height: output.height,
        out_width: output.width,
        kernel: conv.kernel,
        stride: conv.stride,
        padding: conv.padding,
        then,
    };
    if !unrolls(conv.in_channels) {
        return shape;
    }
    let (in_channels, height, width) = (unrolled_inputs(conv.in_channels, conv.kernel), output.height, output.width);
    Shape { in_channels, height, width, kernel: 1, stride: 1, padding: 0, ..shape }
}

/// What follows each convolution of a stage, in the order of its weights.
pub(crate) fn followers(layer: Layer) -> &'static [Then] {
    const RELU: Then = Then { skip: false, bias: true, relu: true };
    const JOIN: Then = Then { skip: true, bias: true, relu: false };
    const NOTHING: Then = Then { skip: false, bias: false, relu: false };
    match layer {
        Layer::Conv { .. } => &[RELU],
        Layer::Residual { .. } => &[RELU, JOIN, NOTHING],
        _ => &[],
    }
}

/// What cuDNN computes for a plan.
pub(crate) fn shapes(plan: &Plan, map_bytes: u64) -> Vec<Shape> {
    let images = images_at_once(plan, map_bytes);
    let of_stage = |stage: &Stage| -> Vec<Shape> {
        let inputs = [stage.input, stage.output, stage.input];
        let convolutions = stage.weights().zip(inputs).zip(followers(stage.layer));
        convolutions.map(|((conv, input), then)| shape_of(&conv, images, input, stage.output, *then)).collect()
    };
    plan.stages().iter().flat_map(of_stage).collect()
}

impl Convolution {
    pub(crate) fn load(
        shared: &Shared,
        weights: &ConvWeights,
        images: u32,
        input: ImageShape,
        output: ImageShape,
        then: Then,
    ) -> Result<Self, CudaError> {
        let (gpu, conv) = (&shared.gpu, weights.shape());
        let shape = shape_of(conv, images, input, output, then);
        let wide = u64::from(shape.in_channels) * u64::from(shape.kernel).pow(2);
        let wide = u32::try_from(wide).map_err(|_| CudaError::Call {
            call: format!("a convolution with a kernel of {}", conv.kernel),
            reason: "a filter has 2^32 weights or more for each feature map".to_owned(),
        })?;
        let ConvShape { kernel, stride, padding, .. } = *conv;
        Ok(Self {
            weights: gpu.upload(weights.values(), "weights")?,
            filter: gpu.alloc(conv.out_channels as usize * wide as usize, "a filter")?,
            bias: gpu.upload(&vec![0; conv.out_channels as usize], "a bias")?,
            plan: shared.plan(shape)?,
            bare: shared.plan(Shape { then: Then::default(), ..shape })?,
            inputs: (conv.in_channels, conv.kernel * conv.kernel),
            wide,
            unrolled: unrolls(conv.in_channels).then_some(Unrolled { kernel, stride, padding }),
        })
    }

    /// Folds a norm that follows into filter and bias.
    pub(crate) fn fold(&mut self, shared: &Shared, affine: Option<&Affine>) -> Result<(), CudaError> {
        let gpu = &shared.gpu;
        let shape = &self.plan.shape;
        let scale = affine.map(|affine| gpu.upload(&affine.scale, "a norm")).transpose()?;
        let address = scale.as_ref().map_or(0, |scale| scale.device_ptr(&gpu.stream).0);
        let (total, (channels, taps)) = (self.filter.len() as u64, self.inputs);
        for_each!(gpu, "to_filter", total, &self.weights, &address, &self.filter, &total, &channels, &taps, &self.wide);
        let shift = affine.map_or_else(|| vec![0.0; shape.out_channels as usize], |affine| affine.shift.clone());
        let bits: Vec<u16> = shift.into_iter().map(narrow).collect();
        self.bias = gpu.upload(&bits, "a bias")?;
        Ok(())
    }

    /// A copy with another norm.
    pub(crate) fn with(&self, shared: &Shared, affine: Option<&Affine>) -> Result<Self, CudaError> {
        let clone = |slice: &CudaSlice<f32>| shared.gpu.stream.clone_dtod(slice);
        let mut copy = Self {
            weights: clone(&self.weights).map_err(|error| failed("copying weights", error))?,
            filter: shared.gpu.alloc(self.filter.len(), "a filter")?,
            bias: shared.gpu.alloc(1, "a bias")?,
            plan: self.plan.clone(),
            bare: self.bare.clone(),
            ..*self
        };
        copy.fold(shared, affine)?;
        Ok(copy)
    }
}

impl Activation {
    pub(crate) fn fold(&mut self, shared: &Shared, affine: Option<&Affine>) -> Result<(), CudaError> {
        let upload = |values: &[f32]| shared.gpu.upload(values, "a norm");
        self.affine = affine.map(|affine| Ok((upload(&affine.scale)?, upload(&affine.shift)?))).transpose()?;
        Ok(())
    }
}

/// Rounds to bf16, ties to even.
fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits.wrapping_add(0x7fff + ((bits >> 16) & 1))) >> 16) as u16
}

/// Values that one thread of an elementwise kernel has.
pub(crate) fn step(shape: ImageShape) -> u32 {
    if shape.channels.is_multiple_of(8) { 8 } else { 1 }
}

/// Whether a convolution's windows are unrolled: with few channels, cuDNN leaves the tensor cores idle.
fn unrolls(in_channels: u32) -> bool {
    !in_channels.is_multiple_of(8)
}

/// Values of an unrolled window, rounded up to what tensor cores take at once.
fn unrolled_inputs(in_channels: u32, kernel: u32) -> u32 {
    in_channels.saturating_mul(kernel).saturating_mul(kernel).checked_next_multiple_of(16).unwrap_or(u32::MAX)
}

pub(crate) fn images_at_once(plan: &Plan, map_bytes: u64) -> u32 {
    let elements = plan.stages().iter().flat_map(|stage| {
        let pixels = u64::from(stage.output.height) * u64::from(stage.output.width);
        let windows = stage.weights().filter(|conv| unrolls(conv.in_channels));
        let windows = windows.map(|conv| pixels * u64::from(unrolled_inputs(conv.in_channels, conv.kernel))).max();
        [stage.input.elements(), stage.output.elements(), windows].into_iter().flatten()
    });
    let fitting = (map_bytes / (2 * elements.max().unwrap_or(1).max(1))).clamp(*IMAGES.start(), *IMAGES.end());
    // A power of two has the best tiles.
    1 << fitting.ilog2()
}
