//! A frozen random encoder on the GPU.

use crate::CudaError;
use crate::dnn::{Arrays, Plan as DnnPlan, Shape, Then};
use crate::engine::Shared;
use crate::gpu::{failed, for_each, launch};
use cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut};
use dpnas_grammar::{ConvShape, ImageShape, Layer, Plan, Stage};
use dpnas_prior::{Affine, Calibration, ConvWeights, Encode, EngineError, Images, Measure, Moments, Prior, Resident};
use std::sync::Arc;

/// Bytes of the largest feature map of the images that are computed at once, on a device with this much memory.
pub(crate) fn map_bytes(memory: u64) -> u64 {
    (memory / 32).min(1 << 30)
}

/// Images computed at once, fewer for nets with large maps. It depends on the plan and the device, because cuDNN may choose
/// another engine for another number of images. The last images of a set are filled up with what is there.
const IMAGES: std::ops::RangeInclusive<u64> = 16..=2048;

/// A convolution with its weights on the device.
struct Convolution {
    /// As drawn, f32 `[out, in, kernel, kernel]`.
    weights: CudaSlice<f32>,
    /// Scaled, bf16 `[out, kernel, kernel, in]`.
    filter: CudaSlice<u16>,
    /// bf16 `[out]`.
    bias: CudaSlice<u16>,
    /// What cuDNN computes, with the bias and what follows.
    plan: Arc<DnnPlan>,
    /// The convolution alone, for measuring its output.
    bare: Arc<DnnPlan>,
    /// Inputs of an output value: input channels, and kernel · kernel.
    inputs: (u32, u32),
    /// Values of each filter.
    wide: u32,
    /// Windows of few channels are unrolled before cuDNN multiplies them.
    unrolled: Option<Unrolled>,
}

/// A convolution whose windows are unrolled.
#[derive(Clone, Copy)]
struct Unrolled {
    kernel: u32,
    stride: u32,
    padding: u32,
}

/// Scale and shift of the first norm of a residual block.
struct Activation {
    affine: Option<(CudaSlice<f32>, CudaSlice<f32>)>,
}

enum Op {
    /// Convolution, norm, ReLU.
    Conv(Convolution),
    /// Norm, ReLU, convolution, norm, ReLU, convolution, beside an identity or a projection.
    Residual {
        activation: Activation,
        a: Convolution,
        b: Convolution,
        projection: Option<Convolution>,
    },
    MaxPool {
        size: u32,
        stride: u32,
    },
}

/// A frozen random encoder on the GPU.
pub struct CudaEncoder {
    shared: Arc<Shared>,
    plan: Plan,
    /// Images computed at once.
    images: u32,
    ops: Vec<Op>,
    /// Whether every scale and shift is finite. cuDNN's ReLU may turn what NaN does into 0.
    finite: bool,
}

/// Images on a GPU, f32 `[n, channels, height, width]`.
#[derive(Debug)]
pub struct CudaImages {
    values: CudaSlice<f32>,
    shape: ImageShape,
    len: usize,
}

impl CudaImages {
    /// Copies images to the device.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Device`] if the device fails.
    pub fn upload(engine: &crate::CudaEngine, images: Images<'_>) -> Result<Self, EngineError> {
        Self::new(&engine.shared, images).map_err(|error| engine.shared.error(error))
    }

    fn new(shared: &Shared, images: Images<'_>) -> Result<Self, CudaError> {
        let values = shared.gpu.upload(images.pixels(), "images")?;
        Ok(Self { values, shape: images.shape(), len: images.len() })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        let (expected, found) = (plan.input(), self.shape);
        if expected == found { Ok(()) } else { Err(EngineError::WrongShape { expected, found }) }
    }
}

/// Feature maps of `images` images, NHWC.
struct Map {
    values: CudaSlice<u16>,
    shape: ImageShape,
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
                (Layer::Conv { .. }, [weights]) => Op::Conv(convolution(weights, stage.input, then[0])?),
                (Layer::Residual { .. }, [a, b, projection @ ..]) => Op::Residual {
                    activation: Activation { affine: None },
                    a: convolution(a, stage.input, then[0])?,
                    b: convolution(b, stage.output, then[1])?,
                    projection: projection
                        .first()
                        .map(|weights| convolution(weights, stage.input, then[2]))
                        .transpose()?,
                },
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
                Op::Residual { activation, a, b, projection } => {
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
    fn feature_map(&self, images: &CudaImages, first: usize) -> Result<Map, CudaError> {
        let (gpu, shape, len) = (&self.shared.gpu, images.shape, self.block(images, first));
        let (mut values, pixels) = (self.map(shape)?, shape.height * shape.width);
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
    fn block(&self, images: &CudaImages, first: usize) -> usize {
        (images.len - first).min(self.images as usize)
    }

    fn map(&self, shape: ImageShape) -> Result<CudaSlice<u16>, CudaError> {
        self.shared.gpu.alloc(self.elements(shape), "a feature map")
    }

    /// Values of all maps of a shape.
    fn elements(&self, shape: ImageShape) -> usize {
        self.images as usize * shape.channels as usize * shape.height as usize * shape.width as usize
    }

    fn convolve(
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

    fn activate(&self, activation: &Activation, x: &Map) -> Result<Map, CudaError> {
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

    fn max_pool(&self, x: &Map, size: u32, stride: u32, output: ImageShape) -> Result<Map, CudaError> {
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

    fn stage(&self, op: &Op, stage: &Stage, x: Map) -> Result<Map, CudaError> {
        match op {
            Op::Conv(convolution) => self.convolve(convolution, false, &x, None, stage.output),
            Op::Residual { activation, a, b, projection } => {
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
    fn write_rows(
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
        let (pixels, wide) = (height * width, stride as u32);
        let to = rows.device_ptr_mut(&gpu.stream).0 + (first * stride * size_of::<u16>()) as u64;
        let grid = (len as u32, channels.div_ceil(64), pixels.div_ceil(64));
        launch!(gpu, "to_rows", grid, 256, 64 * 33 * 4, &map.values, &to, &channels, &pixels, &wide, broken);
        Ok(())
    }

    /// Seconds of each step of encoding one block: the feature map, each stage, and the rows.
    ///
    /// # Errors
    /// As [`Encode::encode`].
    pub fn times(&self, images: &CudaImages) -> Result<Vec<f64>, EngineError> {
        images.check(&self.plan)?;
        let gpu = &self.shared.gpu;
        let timed = || -> Result<Vec<f64>, CudaError> {
            let mut times = Vec::new();
            let mut start = std::time::Instant::now();
            let mut lap = || -> Result<(), CudaError> {
                gpu.wait("timing a stage")?;
                times.push(start.elapsed().as_secs_f64());
                start = std::time::Instant::now();
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
        timed().and_then(|_| timed()).map_err(|error| self.shared.error(error))
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
        let bits = gpu.stream.clone_dtoh(&rows).map_err(|error| failed("reading rows", error))?;
        gpu.wait("computing rows")?;
        out.clear();
        out.extend(bits[..images.len * features].iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)));
        Ok(())
    }

    /// Moments of each channel of each image, added to `moments` in the order of the images.
    fn add_moments(&self, map: &Map, images: usize, moments: &mut Moments) -> Result<(), CudaError> {
        let gpu = &self.shared.gpu;
        let ImageShape { channels, height, width } = map.shape;
        let (pixels, len) = (height * width, images * channels as usize);
        let means: CudaSlice<f32> = gpu.alloc(len, "moments")?;
        let deviations: CudaSlice<f32> = gpu.alloc(len, "moments")?;
        let grid = (images as u32, channels.div_ceil(128), 1);
        launch!(gpu, "moments", grid, 128, 0, &map.values, &means, &deviations, &channels, &pixels);
        let read =
            |slice: &CudaSlice<f32>| gpu.stream.clone_dtoh(slice).map_err(|error| failed("reading moments", error));
        let (means, deviations) = (read(&means)?, read(&deviations)?);
        gpu.wait("measuring a norm")?;
        let rows = means.chunks_exact(channels as usize).zip(deviations.chunks_exact(channels as usize));
        rows.take(images).for_each(|(means, deviations)| moments.add_image(u64::from(pixels), means, deviations));
        Ok(())
    }

    /// Measures norm by norm. All maps of the images before a stage stay on the device.
    fn measured(&self, request: &Measure<'_>) -> Result<Vec<Vec<Moments>>, CudaError> {
        let images = CudaImages::new(&self.shared, request.images)?;
        let starts = (0..images.len).step_by(self.images_at_once());
        let blocks: Vec<usize> = starts.clone().map(|first| self.block(&images, first)).collect();
        let mut maps: Vec<Map> = starts.map(|first| self.feature_map(&images, first)).collect::<Result<_, _>>()?;
        drop(images);
        let norm = |moments: &Moments| moments.stats().fold(request.epsilon);
        let mut measured = Vec::new();
        // The encoder's own filters stay as they are: each norm is folded into a copy.
        for (op, stage) in self.ops.iter().zip(self.plan.stages()) {
            let channels = stage.output.channels as usize;
            let gather = |maps: &[Map], channels: usize| -> Result<Moments, CudaError> {
                let mut moments = Moments::new(channels);
                for (map, block) in maps.iter().zip(&blocks) {
                    self.add_moments(map, *block, &mut moments)?;
                }
                Ok(moments)
            };
            let of_convolution = |convolution: &Convolution, maps: &[Map]| -> Result<Moments, CudaError> {
                let drawn = convolution.with(&self.shared, None)?;
                let mut moments = Moments::new(channels);
                for (map, block) in maps.iter().zip(&blocks) {
                    let output = self.convolve(&drawn, true, map, None, stage.output)?;
                    self.add_moments(&output, *block, &mut moments)?;
                }
                Ok(moments)
            };
            match op {
                Op::Conv(convolution) => {
                    let moments = of_convolution(convolution, &maps)?;
                    let folded = convolution.with(&self.shared, Some(&norm(&moments)))?;
                    for map in &mut maps {
                        *map = self.convolve(&folded, false, map, None, stage.output)?;
                    }
                    measured.push(vec![moments]);
                }
                Op::Residual { a, b, projection, .. } => {
                    let input = gather(&maps, stage.input.channels as usize)?;
                    let mut activation = Activation { affine: None };
                    activation.fold(&self.shared, Some(&norm(&input)))?;
                    let h: Vec<Map> =
                        maps.iter().map(|map| self.activate(&activation, map)).collect::<Result<_, _>>()?;
                    let middle = of_convolution(a, &h)?;
                    let a = a.with(&self.shared, Some(&norm(&middle)))?;
                    let projection = projection.as_ref().map(|p| p.with(&self.shared, None)).transpose()?;
                    let b = b.with(&self.shared, None)?;
                    for (map, h) in maps.iter_mut().zip(h) {
                        let projected = projection
                            .as_ref()
                            .map(|projection| self.convolve(projection, false, &h, None, stage.output))
                            .transpose()?;
                        let h = self.convolve(&a, false, &h, None, stage.output)?;
                        *map = self.convolve(&b, false, &h, Some(projected.as_ref().unwrap_or(map)), stage.output)?;
                    }
                    measured.push(vec![input, middle]);
                }
                Op::MaxPool { size, stride } => {
                    for map in &mut maps {
                        *map = self.max_pool(map, *size, *stride, stage.output)?;
                    }
                    measured.push(Vec::new());
                }
            }
        }
        Ok(measured)
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
fn followers(layer: Layer) -> &'static [Then] {
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
    fn load(
        shared: &Shared,
        weights: &ConvWeights,
        images: u32,
        input: ImageShape,
        output: ImageShape,
        then: Then,
    ) -> Result<Self, CudaError> {
        let (gpu, conv) = (&shared.gpu, weights.shape());
        let shape = shape_of(conv, images, input, output, then);
        let wide = shape.in_channels * shape.kernel * shape.kernel;
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
    fn fold(&mut self, shared: &Shared, affine: Option<&Affine>) -> Result<(), CudaError> {
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
    fn with(&self, shared: &Shared, affine: Option<&Affine>) -> Result<Self, CudaError> {
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
    fn fold(&mut self, shared: &Shared, affine: Option<&Affine>) -> Result<(), CudaError> {
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
fn step(shape: ImageShape) -> u32 {
    if shape.channels.is_multiple_of(8) { 8 } else { 1 }
}

/// Whether a convolution's windows are unrolled: with few channels, cuDNN leaves the tensor cores idle.
fn unrolls(in_channels: u32) -> bool {
    !in_channels.is_multiple_of(8)
}

/// Values of an unrolled window, rounded up to what tensor cores take at once.
fn unrolled_inputs(in_channels: u32, kernel: u32) -> u32 {
    (in_channels * kernel * kernel).next_multiple_of(16)
}

fn images_at_once(plan: &Plan, map_bytes: u64) -> u32 {
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
