//! cuDNN's graph interface: plans of a convolution with what follows it.

use crate::CudaError;
use crate::descriptor::{Descriptor, check, error, is_out_of_memory};
use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Attribute, cudnnBackendDescriptor_t, cudnnBackendDescriptorType_t as Kind,
    cudnnDataType_t as DataType, cudnnStatus_t as Status,
};
use cudarc::driver::CudaStream;
use std::sync::{Arc, Mutex, PoisonError};

/// cuDNN's engines without tensor cores. They serve every shape, and take up to a thousand times as long.
const GENERIC: [i64; 4] = [0, 1, 11, 28];

/// cuDNN's engine for large kernels.
const LARGE_KERNELS: i64 = 45;

const X: i64 = 1;
const FILTER: i64 = 2;
const BIAS: i64 = 3;
const SKIP: i64 = 4;
const Y: i64 = 5;

/// cuDNN on one stream.
pub(crate) struct Dnn {
    /// cuDNN's handle is for one thread at a time.
    target: Mutex<Target>,
    pub(crate) version: usize,
}

impl std::fmt::Debug for Dnn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dnn").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What plans are made for.
enum Target {
    /// A GPU.
    Handle(Handle),
    /// cuDNN's description of a GPU that need not be there: plans are made and cannot run.
    Described(Descriptor),
}

impl Target {
    fn set(&self, of: &mut Descriptor, handle: Option<Attribute>, device: Option<Attribute>) -> Result<(), Status> {
        match (self, handle, device) {
            (Self::Handle(target), Some(attribute), _) => of.set(attribute, &[target.0]),
            (Self::Described(target), _, Some(attribute)) => of.refer(attribute, target),
            _ => Ok(()),
        }
    }
}

/// cuDNN's handle, and the stream that it works on.
struct Handle(sys::cudnnHandle_t, Arc<CudaStream>);

#[allow(unsafe_code, reason = "a handle is a pointer")]
// SAFETY: cuDNN allows a handle in any thread, one at a time.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // The handle may be dropped in any thread, which may have another GPU's context or none.
        let _ = self.1.context().bind_to_thread();
        #[allow(unsafe_code, reason = "a call of C")]
        // SAFETY: the handle is valid and not used again: plans are dropped before.
        unsafe {
            sys::cudnnDestroy(self.0);
        }
    }
}

/// A convolution of `images` feature maps and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) images: u32,
    pub(crate) in_channels: u32,
    pub(crate) out_channels: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) kernel: u32,
    pub(crate) stride: u32,
    pub(crate) padding: u32,
    pub(crate) then: Then,
}

/// What follows a convolution, in this order. The other order is compiled at run time and is slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Then {
    /// Another feature map is added.
    pub(crate) skip: bool,
    /// A bias is added to each channel.
    pub(crate) bias: bool,
    pub(crate) relu: bool,
}

impl Shape {
    /// Floating-point operations: two for each product.
    pub(crate) fn flop(&self) -> f64 {
        let pixels = u64::from(self.images) * u64::from(self.out_height) * u64::from(self.out_width);
        let inputs = u64::from(self.in_channels) * u64::from(self.kernel) * u64::from(self.kernel);
        2.0 * (pixels * inputs * u64::from(self.out_channels)) as f64
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { images, in_channels, out_channels, height, width, kernel, stride, padding, then, .. } = self;
        write!(
            f,
            "convolution of {images} × {in_channels} × {height} × {width} to {out_channels} channels, kernel {kernel}, "
        )?;
        write!(f, "stride {stride}, padding {padding}")?;
        [(then.skip, " + skip"), (then.bias, " + bias"), (then.relu, " + ReLU")]
            .iter()
            .filter(|(is, _)| *is)
            .try_for_each(|(_, text)| f.write_str(text))
    }
}

/// Addresses of the arrays of one convolution on the device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arrays {
    pub(crate) x: u64,
    pub(crate) filter: u64,
    pub(crate) bias: u64,
    pub(crate) skip: u64,
    pub(crate) y: u64,
    pub(crate) workspace: u64,
}

/// How cuDNN computes one shape.
#[derive(Debug)]
pub(crate) struct Plan {
    plan: Descriptor,
    /// What the plan refers to; cuDNN does not say that it holds it.
    _config: Descriptor,
    _engine: Option<Descriptor>,
    _graph: Arc<(Descriptor, Vec<Descriptor>)>,
    pub(crate) shape: Shape,
    /// cuDNN's number of the engine.
    pub(crate) engine: i64,
    pub(crate) workspace: usize,
    /// What of `shape.then` is fused; the rest is for the caller.
    pub(crate) fused: Then,
}

impl Plan {
    /// Whether the engine uses no tensor cores.
    pub(crate) fn is_slow(&self) -> bool {
        GENERIC.contains(&self.engine)
    }
}

impl Dnn {
    pub(crate) fn open(stream: &Arc<CudaStream>) -> Result<Self, CudaError> {
        let mut handle = std::ptr::null_mut();
        #[allow(unsafe_code, reason = "calls of C")]
        // SAFETY: `handle` is a live variable, and `Handle` keeps the stream.
        let (handle, version) = unsafe {
            check(sys::cudnnCreate(&mut handle), || "cudnnCreate".to_owned())?;
            let handle = Handle(handle, stream.clone());
            check(sys::cudnnSetStream(handle.0, stream.cu_stream().cast()), || "cudnnSetStream".to_owned())?;
            (handle, sys::cudnnGetVersion())
        };
        Ok(Self { target: Mutex::new(Target::Handle(handle)), version })
    }

    /// Makes plans for a GPU by cuDNN's description of it, JSON, without a GPU and without a driver.
    pub(crate) fn described(json: &str) -> Result<Self, CudaError> {
        let device = || -> Result<Descriptor, Status> {
            let mut device = Descriptor::new(Kind::CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR)?;
            device.set(Attribute::CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json.as_bytes())?;
            device.finish()
        };
        let device = device().map_err(|status| error(status, "reading the description of a device".to_owned()))?;
        #[allow(unsafe_code, reason = "a call of C")]
        // SAFETY: it has no requirements.
        let version = unsafe { sys::cudnnGetVersion() };
        Ok(Self { target: Mutex::new(Target::Described(device)), version })
    }

    /// The first plan of a shape that cuDNN's heuristic proposes, fused or bare: the first form first. Where it proposes only
    /// engines without tensor cores for both, the engine for large kernels is asked by its number.
    pub(crate) fn plan(&self, shape: Shape, fused_first: bool) -> Result<Plan, CudaError> {
        let forms = if fused_first { [shape.then, Then::default()] } else { [Then::default(), shape.then] };
        let mut generic = None;
        for then in forms {
            match self.plans_of(shape, then, 1)?.pop() {
                Some(plan) if !plan.is_slow() => return Ok(plan),
                found => generic = generic.or(found),
            }
        }
        match self.plan_by_number(shape, LARGE_KERNELS) {
            Ok(Some(plan)) => Ok(plan),
            Err(status) if is_out_of_memory(status) => Err(error(status, shape.to_string())),
            _ => generic.ok_or_else(|| CudaError::Call {
                call: shape.to_string(),
                reason: "cuDNN proposes no engine".to_owned(),
            }),
        }
    }

    /// The bare plan of an engine; `None` or an error if the engine does not serve the shape.
    fn plan_by_number(&self, shape: Shape, engine: i64) -> Result<Option<Plan>, Status> {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let graph = Arc::new(graph(&target, shape, Then::default())?);
        let mut descriptor = Descriptor::new(Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR)?;
        descriptor.refer(Attribute::CUDNN_ATTR_ENGINE_OPERATION_GRAPH, &graph.0)?;
        descriptor.set(Attribute::CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &[engine])?;
        target.set(&mut descriptor, None, Some(Attribute::CUDNN_ATTR_ENGINE_DEVICEPROP))?;
        let descriptor = descriptor.finish()?;
        let mut config = Descriptor::new(Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)?;
        config.refer(Attribute::CUDNN_ATTR_ENGINECFG_ENGINE, &descriptor)?;
        let config = config.finish()?;
        let found = plan_of(&target, &config)?;
        Ok(found.map(|(plan, engine, workspace)| Plan {
            plan,
            _config: config,
            _engine: Some(descriptor),
            _graph: graph,
            shape,
            engine,
            workspace,
            fused: Then::default(),
        }))
    }

    /// At most `most` plans with `then` fused, best first. Plans that are compiled at run time are left out.
    pub(crate) fn plans_of(&self, shape: Shape, then: Then, most: usize) -> Result<Vec<Plan>, CudaError> {
        let what = || shape.to_string();
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let graph = Arc::new(graph(&target, shape, then).map_err(|status| error(status, what()))?);
        let mut plans = Vec::new();
        for mode in
            [sys::cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_A, sys::cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_FALLBACK]
        {
            let configs = match configurations(&target, &graph.0, mode) {
                Ok(configs) => configs,
                // Another engine would give other bits.
                Err(status) if is_out_of_memory(status) => return Err(error(status, what())),
                Err(_) => continue,
            };
            for config in configs {
                if plans.len() == most {
                    return Ok(plans);
                }
                match plan_of(&target, &config) {
                    Ok(Some((plan, engine, workspace))) => {
                        plans.push(Plan {
                            plan,
                            _config: config,
                            _engine: None,
                            _graph: graph.clone(),
                            shape,
                            engine,
                            workspace,
                            fused: then,
                        });
                    }
                    Err(status) if is_out_of_memory(status) => return Err(error(status, what())),
                    _ => {}
                }
            }
            if !plans.is_empty() {
                break;
            }
        }
        Ok(plans)
    }

    /// Queues one convolution. What the plan does not fuse is left to the caller.
    pub(crate) fn run(&self, plan: &Plan, arrays: Arrays) -> Result<(), CudaError> {
        let Arrays { x, filter, bias, skip, y, workspace } = arrays;
        let (mut ids, mut addresses) = (vec![X, FILTER, Y], vec![x, filter, y]);
        for (used, id, address) in [(plan.fused.bias, BIAS, bias), (plan.fused.skip, SKIP, skip)] {
            if used {
                ids.push(id);
                addresses.push(address);
            }
        }
        let pack = || -> Result<Descriptor, Status> {
            let mut pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?;
            pack.set(Attribute::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &ids)?;
            pack.set(Attribute::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &addresses)?;
            pack.set(Attribute::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[workspace])?;
            pack.finish()
        };
        let pack = pack().map_err(|status| error(status, plan.shape.to_string()))?;
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Target::Handle(handle) = &*target else {
            return Err(CudaError::Call {
                call: plan.shape.to_string(),
                reason: "there is only a description of a GPU".to_owned(),
            });
        };
        #[allow(unsafe_code, reason = "a call of C")]
        // SAFETY: the addresses are those of arrays of the plan's sizes, on the stream's device.
        let status = unsafe { sys::cudnnBackendExecute(handle.0, plan.plan.0, pack.0) };
        check(status, || plan.shape.to_string())
    }
}

/// A finished descriptor of an operation graph, and the descriptors that it is made of.
fn graph(target: &Target, shape: Shape, then: Then) -> Result<(Descriptor, Vec<Descriptor>), Status> {
    let Shape {
        images, in_channels, out_channels, height, width, out_height, out_width, kernel, stride, padding, ..
    } = shape;
    let output = [images, out_channels, out_height, out_width];
    let x = tensor(X, [images, in_channels, height, width], true, DataType::CUDNN_DATA_BFLOAT16)?;
    let filter = tensor(FILTER, [out_channels, in_channels, kernel, kernel], true, DataType::CUDNN_DATA_BFLOAT16)?;
    let steps: Vec<(sys::cudnnPointwiseMode_t, Option<Descriptor>)> = [
        (then.skip, sys::cudnnPointwiseMode_t::CUDNN_POINTWISE_ADD, Some((SKIP, output))),
        (then.bias, sys::cudnnPointwiseMode_t::CUDNN_POINTWISE_ADD, Some((BIAS, [1, out_channels, 1, 1]))),
        (then.relu, sys::cudnnPointwiseMode_t::CUDNN_POINTWISE_RELU_FWD, None),
    ]
    .into_iter()
    .filter(|(used, ..)| *used)
    .map(|(_, mode, other)| {
        let other = other.map(|(id, dims)| tensor(id, dims, true, DataType::CUDNN_DATA_BFLOAT16)).transpose()?;
        Ok((mode, other))
    })
    .collect::<Result<_, Status>>()?;

    let convolution = {
        let mut descriptor = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?;
        let (pad, step) = ([i64::from(padding); 2], [i64::from(stride); 2]);
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2_i64])?;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[DataType::CUDNN_DATA_FLOAT])?;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_CONV_MODE, &[mode])?;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &pad)?;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &pad)?;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &step)?;
        descriptor.set(Attribute::CUDNN_ATTR_CONVOLUTION_DILATIONS, &[1_i64; 2])?;
        descriptor.finish()?
    };
    // The results between the operations are virtual f32; the last one is the output.
    let mut results = Vec::new();
    for step in 0..=steps.len() {
        let last = step == steps.len();
        let kind = if last { DataType::CUDNN_DATA_BFLOAT16 } else { DataType::CUDNN_DATA_FLOAT };
        results.push(tensor(if last { Y } else { 100 + step as i64 }, output, last, kind)?);
    }
    let mut operations = Vec::new();
    {
        let mut operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &x)?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &filter)?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, &results[0])?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, &convolution)?;
        // As f32: engines of a bare convolution read four bytes, which of a double 1 are 0.
        operation.set(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, &[1.0_f32])?;
        operation.set(Attribute::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, &[0.0_f32])?;
        operations.push(operation.finish()?);
    }
    let mut parts = vec![x, filter, convolution];
    for (step, (mode, other)) in steps.into_iter().enumerate() {
        let mut pointwise = Descriptor::new(Kind::CUDNN_BACKEND_POINTWISE_DESCRIPTOR)?;
        pointwise.set(Attribute::CUDNN_ATTR_POINTWISE_MODE, &[mode])?;
        pointwise.set(Attribute::CUDNN_ATTR_POINTWISE_MATH_PREC, &[DataType::CUDNN_DATA_FLOAT])?;
        let pointwise = pointwise.finish()?;
        let mut operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, &pointwise)?;
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &results[step])?;
        if let Some(other) = &other {
            operation.refer(Attribute::CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other)?;
        }
        operation.refer(Attribute::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &results[step + 1])?;
        operations.push(operation.finish()?);
        parts.extend(other);
        parts.push(pointwise);
    }
    let mut graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?;
    let pointers: Vec<cudnnBackendDescriptor_t> = operations.iter().map(|operation| operation.0).collect();
    graph.set(Attribute::CUDNN_ATTR_OPERATIONGRAPH_OPS, &pointers)?;
    target.set(&mut graph, Some(Attribute::CUDNN_ATTR_OPERATIONGRAPH_HANDLE), None)?;
    let graph = graph.finish()?;
    // In the order of dropping: operations before what they refer to.
    operations.extend(results);
    operations.extend(parts);
    Ok((graph, operations))
}

/// The engine configurations that a heuristic proposes, best first.
fn configurations(
    target: &Target,
    graph: &Descriptor,
    mode: sys::cudnnBackendHeurMode_t,
) -> Result<Vec<Descriptor>, Status> {
    let mut heuristic = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?;
    heuristic.refer(Attribute::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)?;
    heuristic.set(Attribute::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?;
    target.set(&mut heuristic, None, Some(Attribute::CUDNN_ATTR_ENGINEHEUR_DEVICEPROP))?;
    let heuristic = heuristic.finish()?;
    let mut configs = Vec::new();
    for _ in 0..64 {
        configs.push(Descriptor::new(Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)?);
    }
    let mut pointers: Vec<cudnnBackendDescriptor_t> = configs.iter().map(|config| config.0).collect();
    let found = heuristic.get(Attribute::CUDNN_ATTR_ENGINEHEUR_RESULTS, &mut pointers)?;
    configs.truncate(found);
    Ok(configs)
}

/// The plan of a configuration, its engine and its workspace; `None` if it were compiled at run time.
fn plan_of(target: &Target, config: &Descriptor) -> Result<Option<(Descriptor, i64, usize)>, Status> {
    let engine = Descriptor::new(Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR)?;
    config.get(Attribute::CUDNN_ATTR_ENGINECFG_ENGINE, &mut [engine.0])?;
    let mut number = [-1_i64];
    engine.get(Attribute::CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &mut number)?;
    let mut notes = [0_u32; 16];
    let found = engine.get(Attribute::CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, &mut notes)?;
    if notes[..found].contains(&(sys::cudnnBackendBehaviorNote_t::CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION as u32)) {
        return Ok(None);
    }
    let mut plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?;
    let (handle, device) =
        (Attribute::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, Attribute::CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    target.set(&mut plan, Some(handle), Some(device))?;
    plan.refer(Attribute::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)?;
    let plan = plan.finish()?;
    let mut workspace = [0_i64];
    plan.get(Attribute::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, &mut workspace)?;
    Ok(Some((plan, number[0], usize::try_from(workspace[0]).unwrap_or(0))))
}

/// A descriptor of an NHWC array; one that is not `real` stays inside the graph.
fn tensor(id: i64, [n, c, h, w]: [u32; 4], real: bool, kind: DataType) -> Result<Descriptor, Status> {
    let [n, c, h, w] = [n, c, h, w].map(i64::from);
    let mut tensor = Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?;
    tensor.set(Attribute::CUDNN_ATTR_TENSOR_DATA_TYPE, &[kind])?;
    tensor.set(Attribute::CUDNN_ATTR_TENSOR_DIMENSIONS, &[n, c, h, w])?;
    tensor.set(Attribute::CUDNN_ATTR_TENSOR_STRIDES, &[c * h * w, 1, w * c, c])?;
    tensor.set(Attribute::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[id])?;
    tensor.set(Attribute::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[16_i64])?;
    if !real {
        tensor.set(Attribute::CUDNN_ATTR_TENSOR_IS_VIRTUAL, &[true])?;
    }
    tensor.finish()
}
