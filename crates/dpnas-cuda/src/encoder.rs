//! A frozen random encoder on the GPU.

use crate::CudaError;
use crate::convolution::{Activation, Convolution, Unrolled, followers, images_at_once, map_bytes, step};
use crate::dnn::Arrays;
use crate::engine::Shared;
use crate::gpu::{failed, for_each, launch};
use crate::images::CudaImages;
use cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut};
use dpnas_grammar::{ImageShape, Layer, Plan, Stage};
use dpnas_prior::{Calibration, ConvWeights, Encode, EngineError, Images, Measure, Moments, Prior, Resident};
use std::sync::Arc;

/// A pre-activation residual block.
pub(crate) struct Residual {
    pub(crate) activation: Activation,
    pub(crate) a: Convolution,
    pub(crate) b: Convolution,
    pub(crate) projection: Option<Convolution>,
}

pub(crate) enum Op {
    /// Convolution, norm, ReLU.
    Conv(Box<Convolution>),
    /// Norm, ReLU, convolution, norm, ReLU, convolution, beside an identity or a projection.
    Residual(Box<Residual>),
    MaxPool {
        size: u32,
        stride: u32,
    },
}

/// A frozen random encoder on the GPU.
pub struct CudaEncoder {
    pub(crate) plan: Plan,
    /// Images computed at once.
    images: u32,
    pub(crate) ops: Vec<Op>,
    /// Whether every scale and shift is finite. cuDNN's ReLU may turn what NaN does into 0.
    finite: bool,
    // Dropped last: plans belong to cuDNN's handle.
    shared: Arc<Shared>,
}

/// Feature maps of `images` images, NHWC.
pub(crate) struct Map {
    pub(crate) values: CudaSlice<u16>,
    pub(crate) shape: ImageShape,
}

impl std::fmt::Debug for CudaEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CudaEncoder").field("plan", &self.plan).field("images", &self.images).finish_non_exhaustive()
    }
}

impl CudaEncoder {
    pub(crate) fn load(shared: &Arc<Shared>, prior: &Prior) -> Result<Self, CudaError> {
        let plan = prior.plan().clone();
        let images = images_at_once(&plan, map_bytes(shared.gpu.memory));
        let mut ops = Vec::new();
        for (index, stage) in plan.stages().iter().enumerate() {
            let convolution = |weights: &ConvWeights, input, then| {
                Convolution::load(shared, weights, images, input, stage.output, then)
            };
            let then = followers(stage.layer);
            ops.push(match (stage.layer, prior.stage(index)) {
                (Layer::Conv { .. }, [weights]) => Op::Conv(Box::new(convolution(weights, stage.input, then[0])?)),
                (Layer::Residual { .. }, [a, b, projection @ ..]) => Op::Residual(Box::new(Residual {
                    activation: Activation { affine: None },
                    a: convolution(a, stage.input, then[0])?,
                    b: convolution(b, stage.output, then[1])?,
                    projection: projection
                        .first()
                        .map(|weights| convolution(weights, stage.input, then[2]))
                        .transpose()?,
                })),
                (Layer::MaxPool { size, stride }, _) => Op::MaxPool { size, stride },
                (layer, _) => {
                    return Err(CudaError::Call {
                        call: layer.to_string(),
                        reason: "no layer of an encoder".to_owned(),
                    });
                }
            });
        }
        let mut encoder = Self { shared: shared.clone(), plan, images, ops, finite: true };
        encoder.fold(None)?;
        Ok(encoder)
    }

    /// Folds the statistics of every norm into the operations.
    fn fold(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), CudaError> {
        let affine = |stage: usize, norm: usize| {
            statistics.and_then(|(c, epsilon)| Some(c.stages.get(stage)?.get(norm)?.fold(epsilon)))
        };
        let folded = self.plan.stages().iter().enumerate().flat_map(|(stage, _)| [affine(stage, 0), affine(stage, 1)]);
        self.finite = folded.flatten().all(|affine| affine.scale.iter().chain(&affine.shift).all(|x| x.is_finite()));
        for (stage, op) in self.ops.iter_mut().enumerate() {
            match op {
                Op::Conv(convolution) => convolution.fold(&self.shared, affine(stage, 0).as_ref())?,
                Op::Residual(block) => {
                    let Residual { activation, a, b, projection } = &mut **block;
                    activation.fold(&self.shared, affine(stage, 0).as_ref())?;
                    a.fold(&self.shared, affine(stage, 1).as_ref())?;
                    b.fold(&self.shared, None)?;
                    if let Some(projection) = projection {
                        projection.fold(&self.shared, None)?;
                    }
                }
                Op::MaxPool { .. } => {}
            }
        }
        Ok(())
    }

    /// Images from `first` on, as feature maps.
    pub(crate) fn feature_map(&self, images: &CudaImages, first: usize) -> Result<Map, CudaError> {
        let (gpu, shape, len) = (&self.shared.gpu, images.shape, self.block(images, first));
        let (mut values, pixels) = (self.map(shape)?, shape.height.saturating_mul(shape.width));
        if len < self.images as usize {
            // The images that are missing: any numbers do, as long as they are finite.
            gpu.stream.memset_zeros(&mut values).map_err(|error| failed("clearing a feature map", error))?;
        }
        let each = u64::from(shape.channels) * u64::from(pixels);
        let from = images.values.device_ptr(&gpu.stream).0 + first as u64 * each * 4;
        let total = len as u64 * each;
        for_each!(gpu, "to_feature_map", total, &from, &values, &total, &shape.channels, &pixels);
        Ok(Map { values, shape })
    }

    /// Number of images of the block that starts with image `first`.
    pub(crate) fn block(&self, images: &CudaImages, first: usize) -> usize {
        (images.len - first).min(self.images as usize)
    }

    pub(crate) fn map(&self, shape: ImageShape) -> Result<CudaSlice<u16>, CudaError> {
        self.shared.gpu.alloc(self.elements(shape), "a feature map")
    }

    /// Values of all maps of a shape.
    pub(crate) fn elements(&self, shape: ImageShape) -> usize {
        let values = shape.elements().and_then(|values| values.checked_mul(self.images.into()));
        values.and_then(|values| usize::try_from(values).ok()).unwrap_or(usize::MAX)
    }

    pub(crate) fn convolve(
        &self,
        convolution: &Convolution,
        bare: bool,
        x: &Map,
        skip: Option<&Map>,
        output: ImageShape,
    ) -> Result<Map, CudaError> {
        let gpu = &self.shared.gpu;
        let plan = if bare { &convolution.bare } else { &convolution.plan };
        let mut values = self.map(output)?;
        let workspace: CudaSlice<u8> = gpu.alloc(plan.workspace, "cuDNN's workspace")?;
        let unrolled =
            convolution.unrolled.map(|unrolled| self.unroll(convolution, unrolled, x, output)).transpose()?;
        let arrays = Arrays {
            x: unrolled.as_ref().unwrap_or(&x.values).device_ptr(&gpu.stream).0,
            filter: convolution.filter.device_ptr(&gpu.stream).0,
            bias: convolution.bias.device_ptr(&gpu.stream).0,
            skip: skip.map_or(0, |skip| skip.values.device_ptr(&gpu.stream).0),
            y: values.device_ptr_mut(&gpu.stream).0,
            workspace: workspace.device_ptr(&gpu.stream).0,
        };
        gpu.dnn.run(plan, arrays)?;
        let (wanted, fused) = (plan.shape.then, plan.fused);
        if wanted != fused {
            let address = |wanted: bool, address: u64| if wanted { address } else { 0 };
            let (skip, bias) = (address(wanted.skip, arrays.skip), address(wanted.bias, arrays.bias));
            let (total, relu) = (self.elements(output) as u64, i32::from(wanted.relu));
            let step = step(output);
            for_each!(
                gpu,
                "finish",
                total / u64::from(step),
                &values,
                &skip,
                &bias,
                &total,
                &output.channels,
                &relu,
                &step,
            );
        }
        Ok(Map { values, shape: output })
    }

    /// The windows of a convolution, `[images, pixels, wide]`.
    fn unroll(
        &self,
        convolution: &Convolution,
        unrolled: Unrolled,
        x: &Map,
        output: ImageShape,
    ) -> Result<CudaSlice<u16>, CudaError> {
        let gpu = &self.shared.gpu;
        let Unrolled { kernel, stride, padding } = unrolled;
        let len = self.images as usize * output.height as usize * output.width as usize * convolution.wide as usize;
        let (windows, total) = (gpu.alloc(len, "windows")?, len as u64 / 8);
        let ImageShape { channels, height, width } = x.shape;
        for_each!(
            gpu,
            "unroll",
            total,
            &x.values,
            &windows,
            &total,
            &channels,
            &height,
            &width,
            &output.height,
            &output.width,
            &kernel,
            &stride,
            &padding,
            &convolution.wide,
        );
        Ok(windows)
    }

    pub(crate) fn activate(&self, activation: &Activation, x: &Map) -> Result<Map, CudaError> {
        let gpu = &self.shared.gpu;
        let (values, total) = (self.map(x.shape)?, self.elements(x.shape) as u64);
        let (scale, shift) = activation
            .affine
            .as_ref()
            .map_or((0, 0), |(scale, shift)| (scale.device_ptr(&gpu.stream).0, shift.device_ptr(&gpu.stream).0));
        let step = step(x.shape);
        for_each!(
            gpu,
            "activate",
            total / u64::from(step),
            &x.values,
            &scale,
            &shift,
            &values,
            &total,
            &x.shape.channels,
            &step,
        );
        Ok(Map { values, shape: x.shape })
    }

    pub(crate) fn max_pool(&self, x: &Map, size: u32, stride: u32, output: ImageShape) -> Result<Map, CudaError> {
        let gpu = &self.shared.gpu;
        let (values, total) = (self.map(output)?, self.elements(output) as u64);
        let ImageShape { channels, height, width } = x.shape;
        let step = step(x.shape);
        for_each!(
            gpu,
            "max_pool",
            total / u64::from(step),
            &x.values,
            &values,
            &total,
            &channels,
            &height,
            &width,
            &output.height,
            &output.width,
            &size,
            &stride,
            &step,
        );
        Ok(Map { values, shape: output })
    }

    pub(crate) fn stage(&self, op: &Op, stage: &Stage, x: Map) -> Result<Map, CudaError> {
        match op {
            Op::Conv(convolution) => self.convolve(convolution, false, &x, None, stage.output),
            Op::Residual(block) => {
                let Residual { activation, a, b, projection } = &**block;
                let h = self.activate(activation, &x)?;
                let skip = match projection {
                    Some(projection) => self.convolve(projection, false, &h, None, stage.output)?,
                    None => x,
                };
                let h = self.convolve(a, false, &h, None, stage.output)?;
                self.convolve(b, false, &h, Some(&skip), stage.output)
            }
            Op::MaxPool { size, stride } => self.max_pool(&x, *size, *stride, stage.output),
        }
    }

    /// Embeds a block of images and writes their rows to `rows`, `stride` values each.
    pub(crate) fn encode_to(
        &self,
        images: &CudaImages,
        first: usize,
        rows: &mut CudaSlice<u16>,
        stride: usize,
        broken: &CudaSlice<u32>,
    ) -> Result<(), CudaError> {
        let mut map = self.feature_map(images, first)?;
        for (op, stage) in self.ops.iter().zip(self.plan.stages()) {
            map = self.stage(op, stage, map)?;
        }
        self.write_rows(&map, self.block(images, first), rows, first, stride, broken)
    }

    /// Writes the rows of `len` images from row `first` on.
    pub(crate) fn write_rows(
        &self,
        map: &Map,
        len: usize,
        rows: &mut CudaSlice<u16>,
        first: usize,
        stride: usize,
        broken: &CudaSlice<u32>,
    ) -> Result<(), CudaError> {
        let gpu = &self.shared.gpu;
        let ImageShape { channels, height, width } = map.shape;
        let (pixels, wide) = (height.saturating_mul(width), stride as u32);
        let to = rows.device_ptr_mut(&gpu.stream).0 + (first * stride * size_of::<u16>()) as u64;
        let grid = (len as u32, channels.div_ceil(64), pixels.div_ceil(64));
        launch!(gpu, "to_rows", grid, 256, 64 * 33 * 4, &map.values, &to, &channels, &pixels, &wide, broken);
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.finite
    }

    pub(crate) fn images_at_once(&self) -> usize {
        self.images as usize
    }

    fn rows_of(&self, images: Images<'_>, out: &mut Vec<f32>) -> Result<(), CudaError> {
        let gpu = &self.shared.gpu;
        let features = usize::try_from(self.plan.features()).unwrap_or(usize::MAX);
        if !self.finite {
            out.clear();
            out.resize(images.len() * features, f32::NAN);
            return Ok(());
        }
        let mut rows: CudaSlice<u16> = gpu.alloc(images.len() * features, "rows")?;
        // Values that are not finite are the caller's to find: here they come back as they are.
        let broken = gpu.upload(&[0_u32], "a flag")?;
        let images = CudaImages::new(&self.shared, images)?;
        for first in (0..images.len).step_by(self.images_at_once()) {
            self.encode_to(&images, first, &mut rows, features, &broken)?;
        }
        let bits = gpu.read(&rows, "computing rows")?;
        out.clear();
        out.extend(bits[..images.len * features].iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)));
        Ok(())
    }
}

impl Encode for CudaEncoder {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        if let Some((calibration, _)) = statistics {
            calibration.check(&self.plan)?;
        }
        let shared = self.shared.clone();
        self.fold(statistics).map_err(|error| shared.error(error))
    }

    fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        images.check(&self.plan)?;
        self.rows_of(images, rows).map_err(|error| self.shared.error(error))
    }

    fn encode_resident(&self, images: &Resident) -> Result<Option<Resident>, EngineError> {
        let images = images.value().downcast_ref::<CudaImages>().ok_or_else(|| {
            self.shared
                .error(CudaError::Call { call: "encode".to_owned(), reason: "the images are not its own".to_owned() })
        })?;
        Ok(self.rows(images)?.map(Resident::new))
    }

    fn measure(&self, request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        request.check(&self.plan)?;
        self.measured(&request).map_err(|error| self.shared.error(error))
    }
}
