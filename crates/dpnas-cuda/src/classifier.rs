//! The linear classifier on rows that stay on the GPU.

use crate::CudaError;
use crate::encoder::CudaEncoder;
use crate::engine::Shared;
use crate::gpu::{Gpu, failed, for_each, launch};
use crate::images::CudaImages;
use cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg};
use dpnas_prior::{Encode, EngineError};
use dpnas_train::{
    DeviceSet, Epoch, FitEngine, Fitted, LinearClassifier, ProbeConfig, Split, Stop, TestSchedule, TrainError,
    TrainReport,
};
use std::ops::ControlFlow;
use std::sync::Arc;

const THREADS: u32 = 512;
/// Rows whose sums the threads keep: two for each group of four threads.
const MOST_ROOM: usize = 256;

/// Rows on a GPU, bf16 `[n, features]`.
#[derive(Debug)]
pub struct CudaRows {
    shared: Arc<Shared>,
    values: CudaSlice<u16>,
    len: usize,
    features: usize,
    /// Values from one row to the next, so that each row starts at a multiple of 16 bytes.
    stride: usize,
}

/// The labelled rows of one fit.
#[derive(Clone, Copy, Debug)]
pub struct FitSplits<'a> {
    /// Training rows.
    pub train: (&'a CudaRows, &'a [u32]),
    /// Validation rows.
    pub valid: (&'a CudaRows, &'a [u32]),
    /// Test rows, if there are any.
    pub test: Option<(&'a CudaRows, &'a [u32])>,
}

impl CudaRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Copies rows to the device.
    ///
    /// # Shapes
    /// `bits` is `[len, features]`, row-major, in bf16.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Device`] if these are not whole rows or the device fails.
    pub fn upload(engine: &crate::CudaEngine, bits: &[u16], features: usize) -> Result<Self, EngineError> {
        let shared = engine.shared.clone();
        let copy = || -> Result<Self, CudaError> {
            if features == 0 || !bits.len().is_multiple_of(features) {
                let reason = format!("{} values are no rows of {features} features", bits.len());
                return Err(CudaError::Call { call: "upload".to_owned(), reason });
            }
            let (len, stride) = (bits.len() / features.max(1), features.next_multiple_of(8));
            let mut padded = vec![0; len * stride];
            for (to, from) in padded.chunks_exact_mut(stride).zip(bits.chunks_exact(features)) {
                to[..features].copy_from_slice(from);
            }
            Ok(Self { values: shared.gpu.upload(&padded, "rows")?, shared: shared.clone(), len, features, stride })
        };
        copy().map_err(|error| shared.error(error))
    }

    /// The rows on the host, `[len, features]`.
    ///
    /// # Errors
    /// [`EngineError::Device`] if the device fails.
    pub fn read(&self) -> Result<Vec<f32>, EngineError> {
        let bits = self.shared.gpu.read(&self.values, "reading rows").map_err(|error| self.shared.error(error))?;
        let rows = bits.chunks_exact(self.stride).take(self.len).flat_map(|row| &row[..self.features]);
        Ok(rows.map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect())
    }

    fn address(&self) -> u64 {
        self.values.device_ptr(&self.shared.gpu.stream).0
    }
}

impl CudaEncoder {
    /// Embeds images into rows that stay on the device. Returns `None` if a value is not finite.
    ///
    /// # Errors
    /// As [`Encode::encode`].
    pub fn rows(&self, images: &CudaImages) -> Result<Option<CudaRows>, EngineError> {
        images.check(self.shared(), self.plan())?;
        let features = usize::try_from(self.plan().features()).unwrap_or(usize::MAX);
        let shared = self.shared();
        if !self.is_finite() {
            return Ok(None);
        }
        let compute = || -> Result<Option<CudaRows>, CudaError> {
            let (gpu, stride) = (&shared.gpu, features.next_multiple_of(8));
            let mut values = gpu.alloc(images.len() * stride, "rows")?;
            if stride != features {
                gpu.stream.memset_zeros(&mut values).map_err(|error| failed("clearing rows", error))?;
            }
            let broken = gpu.upload(&[0_u32], "a flag")?;
            for first in (0..images.len()).step_by(self.images_at_once()) {
                self.encode_to(images, first, &mut values, stride, &broken)?;
            }
            let broken = gpu.read(&broken, "computing rows")?;
            let rows = CudaRows { shared: shared.clone(), values, len: images.len(), features, stride };
            Ok(if broken[0] == 0 { Some(rows) } else { None })
        };
        compute().map_err(|error| shared.error(error))
    }
}

/// Arguments of the kernel `fit_epoch`, in its order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Fit {
    rows: u64,
    order: u64,
    labels: u64,
    weights: u64,
    mean: u64,
    square: u64,
    scores: u64,
    arrived: u64,
    loss: u64,
    correct: u64,
    broken: u64,
    power_1: f64,
    power_2: f64,
    beta_1: f32,
    beta_2: f32,
    rate: f32,
    epsilon: f32,
    decay: f32,
    n: u32,
    stride: u32,
    slice: u32,
    classes: u32,
    padded: u32,
    batch: u32,
    room: u32,
    moments_in_shared: u32,
}

#[allow(unsafe_code, reason = "cudarc passes it by value")]
// SAFETY: numbers and device addresses in C's layout.
unsafe impl DeviceRepr for Fit {}

/// Fewer features of a block are not worth another block at the barrier.
const LEAST_SLICE: usize = 16;

/// How a fit is cut over the multiprocessors.
#[derive(Clone, Copy, Debug)]
struct Cut {
    blocks: u32,
    /// Features of a block, a multiple of 8.
    slice: u32,
    /// Classes, rounded up to a multiple of 8.
    padded: u32,
    /// Rows of a mini-batch, rounded up to a multiple of 8.
    room: u32,
    shared_bytes: u32,
    moments_in_shared: bool,
}

impl Cut {
    /// `None` if a block's part does not fit its shared memory.
    fn new(gpu: &Gpu, stride: usize, classes: u32, batch: usize) -> Option<Self> {
        let slice = stride.div_ceil(gpu.multiprocessors as usize).next_multiple_of(8).max(LEAST_SLICE);
        let (padded, room) = ((classes as usize).next_multiple_of(8), batch.next_multiple_of(8));
        let words = if (slice / 2) % 8 == 4 { slice / 2 } else { slice / 2 + 4 };
        let least = 4 * (2 * room * words + (slice + room) * (padded + 4));
        let moments = 4 * 2 * slice * padded;
        let most = gpu.shared_bytes as usize;
        if room > MOST_ROOM || least > most {
            return None;
        }
        let moments_in_shared = least + moments <= most;
        Some(Self {
            blocks: stride.div_ceil(slice) as u32,
            slice: slice as u32,
            padded: padded as u32,
            room: room as u32,
            shared_bytes: (least + if moments_in_shared { moments } else { 0 }) as u32,
            moments_in_shared,
        })
    }
}

impl crate::CudaEngine {
    /// Trains the bias-free linear classifier on rows of the device, like [`dpnas_train::fit`] and with its settings. The
    /// numbers differ from that function's in rounding; two runs are equal to the bit.
    ///
    /// # Errors
    /// As [`dpnas_train::fit`]; [`TrainError::Device`] if the device fails or the classifier is too large for it.
    pub fn fit_rows(
        &self,
        config: &ProbeConfig,
        classes: u32,
        splits: FitSplits<'_>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<Fitted, TrainError> {
        config.check()?;
        let features = splits.train.0.features;
        for (split, set) in Split::ALL.into_iter().zip([Some(splits.train), Some(splits.valid), splits.test]) {
            let Some((rows, labels)) = set else { continue };
            if !Arc::ptr_eq(&rows.shared, &self.shared) {
                return Err(TrainError::Device { reason: "the rows are of another engine".to_owned() });
            }
            if rows.len != labels.len() || rows.features != features {
                let values = rows.len.saturating_mul(rows.features);
                return Err(TrainError::LengthMismatch { values, labels: labels.len(), features });
            }
            if rows.is_empty() {
                return Err(TrainError::EmptySet { split });
            }
            if let Some(row) = labels.iter().position(|&label| label >= classes) {
                return Err(TrainError::LabelOutOfRange { split, row, label: labels[row], classes });
            }
        }
        let device = |error: CudaError| match error {
            CudaError::OutOfMemory { .. } => {
                let bytes = 12 * u64::from(classes) * features as u64;
                TrainError::OutOfMemory { classes, features, bytes }
            }
            error => TrainError::Device { reason: error.to_string() },
        };
        let mut classifier = LinearClassifier::initial(config.seed, classes, features)?;
        let cut = Cut::new(&self.shared.gpu, splits.train.0.stride, classes, config.batch_size)
            .filter(|_| self.can_fit(config, classes, features))
            .ok_or_else(|| TrainError::Device {
                reason: format!("{classes} classes on {features} features do not fit it"),
            })?;
        let mut course =
            Course::new(&self.shared.gpu, config, classes, splits, cut, classifier.weights()).map_err(device)?;
        let (mut epochs, mut stop) = (Vec::new(), Stop::Completed);
        for index in 1..=config.epochs {
            let epoch =
                course.epoch(index).map_err(device)?.map_err(|split| TrainError::NotFinite { split, epoch: index })?;
            let flow = on_epoch(&epoch);
            epochs.push(epoch);
            if config.stops_early(&epochs) {
                stop = Stop::EarlyStopped { epoch: index };
            } else if flow.is_break() && index < config.epochs {
                stop = Stop::Cancelled;
            }
            if stop != Stop::Completed {
                break;
            }
        }
        classifier = LinearClassifier::from_weights(course.weights().map_err(device)?, classes, features)?;
        Ok(Fitted::new(classifier, TrainReport::of(epochs, stop)))
    }
}

impl FitEngine for crate::CudaEngine {
    fn can_fit(&self, config: &ProbeConfig, classes: u32, features: usize) -> bool {
        config.drop_out == 0.0
            && Cut::new(&self.shared.gpu, features.next_multiple_of(8), classes, config.batch_size).is_some()
    }

    fn fit(
        &self,
        config: &ProbeConfig,
        classes: u32,
        train: DeviceSet<'_>,
        valid: DeviceSet<'_>,
        test: Option<DeviceSet<'_>>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<Fitted, TrainError> {
        fn own(set: DeviceSet<'_>) -> Result<(&CudaRows, &[u32]), TrainError> {
            let rows = set
                .rows
                .downcast_ref()
                .ok_or_else(|| TrainError::Device { reason: "the rows are not its own".to_owned() })?;
            Ok((rows, set.labels))
        }
        let splits = FitSplits { train: own(train)?, valid: own(valid)?, test: test.map(own).transpose()? };
        self.fit_rows(config, classes, splits, on_epoch)
    }
}

/// The state of a fit on the device.
struct Course<'a> {
    gpu: &'a Gpu,
    config: &'a ProbeConfig,
    splits: FitSplits<'a>,
    classes: u32,
    cut: Cut,
    /// `[blocks · slice, padded classes]`, and Adam's moments likewise.
    weights: CudaSlice<f32>,
    mean: CudaSlice<f32>,
    square: CudaSlice<f32>,
    /// Sums of the class scores of three mini-batches, and the blocks' barrier.
    scores: CudaSlice<u64>,
    loss: CudaSlice<f64>,
    correct: CudaSlice<u32>,
    /// Set where a class score cannot be used: of a training row, and of a classified row.
    broken: CudaSlice<u32>,
    labels: [Option<CudaSlice<u32>>; 3],
    /// The order of the next epoch.
    order: Vec<u32>,
    powers: [f64; 2],
}

impl<'a> Course<'a> {
    fn new(
        gpu: &'a Gpu,
        config: &'a ProbeConfig,
        classes: u32,
        splits: FitSplits<'a>,
        cut: Cut,
        weights: &[f32],
    ) -> Result<Self, CudaError> {
        let features = splits.train.0.features;
        let (padded, room) = (cut.padded as usize, cut.room as usize);
        let mut by_feature = vec![0.0; (cut.blocks * cut.slice) as usize * padded];
        for (class, weights) in weights.chunks_exact(features).enumerate() {
            for (feature, weight) in weights.iter().enumerate() {
                by_feature[feature * padded + class] = *weight;
            }
        }
        let zeros = vec![0.0_f32; by_feature.len()];
        let sets = [Some(splits.train), Some(splits.valid), splits.test];
        let labels = sets.map(|set| set.map(|(_, labels)| gpu.upload(labels, "labels")).transpose());
        let [train, valid, test] = labels;
        Ok(Self {
            gpu,
            config,
            splits,
            classes,
            cut,
            weights: gpu.upload(&by_feature, "a classifier")?,
            mean: gpu.upload(&zeros, "a classifier")?,
            square: gpu.upload(&zeros, "a classifier")?,
            scores: gpu.alloc(3 * room * classes as usize + 1, "class scores")?,
            loss: gpu.alloc(room, "losses")?,
            correct: gpu.alloc(room, "counts")?,
            broken: gpu.upload(&[0_u32; 2], "flags")?,
            labels: [train?, valid?, test?],
            order: order(config, splits.train.0.len, 0),
            powers: [1.0; 2],
        })
    }

    /// One epoch, counted from 1; the set of a row whose class scores cannot be used if there is one.
    fn epoch(&mut self, index: u32) -> Result<Result<Epoch, Split>, CudaError> {
        let (gpu, config, cut) = (self.gpu, self.config, self.cut);
        let order_on_device = gpu.upload(&self.order, "the order of an epoch")?;
        gpu.stream.memset_zeros(&mut self.scores).map_err(|error| failed("clearing class scores", error))?;
        let (rows, stream) = (self.splits.train.0, &gpu.stream);
        let scores = self.scores.device_ptr(stream).0;
        let fit = Fit {
            rows: rows.address(),
            order: order_on_device.device_ptr(stream).0,
            labels: self.labels[0].as_ref().map_or(0, |labels| labels.device_ptr(stream).0),
            weights: self.weights.device_ptr(stream).0,
            mean: self.mean.device_ptr(stream).0,
            square: self.square.device_ptr(stream).0,
            scores,
            arrived: scores + u64::from(3 * cut.room * self.classes) * 8,
            loss: self.loss.device_ptr(stream).0,
            correct: self.correct.device_ptr(stream).0,
            broken: self.broken.device_ptr(stream).0,
            power_1: self.powers[0],
            power_2: self.powers[1],
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            rate: config.learning_rate,
            epsilon: config.epsilon,
            decay: config.weight_decay,
            n: rows.len as u32,
            stride: rows.stride as u32,
            slice: cut.slice,
            classes: self.classes,
            padded: cut.padded,
            batch: config.batch_size as u32,
            room: cut.room,
            moments_in_shared: u32::from(cut.moments_in_shared),
        };
        let function = gpu.function("fit_epoch")?;
        let config_of_launch = LaunchConfig {
            grid_dim: (cut.blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: cut.shared_bytes,
        };
        let mut launch = stream.launch_builder(&function);
        launch.arg(&fit);
        #[allow(unsafe_code, reason = "the compiler cannot check a kernel's arguments")]
        // SAFETY: `Fit` is the kernel's argument, and its addresses are those of arrays of the sizes that it names.
        unsafe { launch.launch_cooperative(config_of_launch) }.map_err(|error| failed("fit_epoch", error))?;
        let steps = rows.len.div_ceil(config.batch_size);
        for _ in 0..steps {
            self.powers[0] *= f64::from(config.beta_1);
            self.powers[1] *= f64::from(config.beta_2);
        }
        let valid = self.classify(self.splits.valid.0, 1)?;
        let tested = config.test == TestSchedule::EveryEpoch || index == config.epochs;
        let test = match self.splits.test.filter(|_| tested) {
            Some((rows, _)) => Some((self.classify(rows, 2)?, rows.len)),
            None => None,
        };
        // The device works while the host shuffles.
        self.order = order(config, rows.len, index);
        let loss: f64 = gpu.read(&self.loss, "training an epoch")?.iter().sum();
        let correct: u32 = gpu.read(&self.correct, "training an epoch")?.iter().sum();
        let fraction = |count: &CudaSlice<u32>, len: usize| -> Result<f64, CudaError> {
            Ok(f64::from(gpu.read(count, "classifying rows")?[0]) / len as f64)
        };
        let valid_accuracy = fraction(&valid, self.splits.valid.0.len)?;
        let test_accuracy = test.map(|(count, len)| fraction(&count, len)).transpose()?;
        match gpu.read(&self.broken, "training an epoch")?[..] {
            [0, 0] => {}
            [0, _] => return Ok(Err(Split::Valid)),
            _ => return Ok(Err(Split::Train)),
        }
        Ok(Ok(Epoch {
            index,
            train_accuracy: f64::from(correct) / rows.len as f64,
            train_loss: loss / rows.len as f64,
            valid_accuracy,
            test_accuracy,
        }))
    }

    /// Queues the count of the rows of a split that are classified correctly.
    fn classify(&self, rows: &CudaRows, split: usize) -> Result<CudaSlice<u32>, CudaError> {
        let (gpu, padded) = (self.gpu, self.cut.padded);
        let scores: CudaSlice<f32> = gpu.alloc(rows.len * padded as usize, "class scores")?;
        let count = gpu.upload(&[0_u32], "a count")?;
        let broken = self.broken.device_ptr(&gpu.stream).0 + size_of::<u32>() as u64;
        let (n, stride, address) = (rows.len as u32, rows.stride as u32, rows.address());
        let labels = self.labels[split].as_ref().map_or(0, |labels| labels.device_ptr(&gpu.stream).0);
        let grid = (n.div_ceil(128), padded / 8, 1);
        launch!(gpu, "class_scores", grid, 128, 0, &address, &self.weights, &scores, &n, &stride, &padded);
        for_each!(gpu, "count_correct", u64::from(n), &scores, &labels, &count, &broken, &n, &self.classes, &padded,);
        Ok(count)
    }

    /// The weights, `[classes, features]`.
    fn weights(&self) -> Result<Vec<f32>, CudaError> {
        let by_feature = self.gpu.read(&self.weights, "reading a classifier")?;
        let (features, padded) = (self.splits.train.0.features, self.cut.padded as usize);
        let classes = 0..self.classes as usize;
        Ok(classes
            .flat_map(|class| (0..features).map(move |feature| (class, feature)))
            .map(|(class, feature)| by_feature[feature * padded + class])
            .collect())
    }
}

fn order(config: &ProbeConfig, rows: usize, epoch: u32) -> Vec<u32> {
    config.epoch_order(rows, epoch).into_iter().map(|row| row as u32).collect()
}
