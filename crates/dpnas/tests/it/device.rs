//! Scoring on rows that an engine keeps on its device.

use crate::engine::{Toy, config, data_of};
use dpnas::grammar::Plan;
use dpnas::prior::{
    Calibration, Encode, EncodeExt, Engine, EngineError, Images, Measure, Moments, NormMode, Normalisation, Prior,
    Resident,
};
use dpnas::seed::Seed;
use dpnas::train::{DeviceSet, Epoch, FitEngine, Fitted, Labelled, ProbeConfig, TrainError, fit};
use dpnas::{DeepPrior, DeepPriorConfig, Outcome, Splits};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]";

/// What the device cannot do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lack {
    Nothing,
    /// Memory for rows.
    Memory,
    /// Memory for images.
    Images,
    /// Classifiers of this size.
    Fit,
}

/// A device whose memory is the host's: its numbers are those of the host.
#[derive(Clone)]
struct Device {
    lack: Lack,
    fits: Arc<AtomicUsize>,
}

/// Pixels or rows there.
struct There(Vec<f32>);

struct Loaded {
    inner: Box<dyn Encode>,
    lack: Lack,
}

fn out_of_memory<T>() -> Result<T, EngineError> {
    Err(EngineError::OutOfMemory { engine: "device".to_owned(), message: "full".to_owned() })
}

impl Engine for Device {
    fn name(&self) -> &str {
        "device v1"
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        Ok(Box::new(Loaded { inner: Toy::default().load(prior)?, lack: self.lack }))
    }

    fn upload(&self, images: Images<'_>) -> Result<Option<Resident>, EngineError> {
        if self.lack == Lack::Images {
            return out_of_memory();
        }
        Ok(Some(Resident::new(There(images.pixels().to_vec()))))
    }
}

impl Encode for Loaded {
    fn plan(&self) -> &Plan {
        self.inner.plan()
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        self.inner.freeze(statistics)
    }

    fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        self.inner.encode(images, rows)
    }

    fn encode_resident(&self, images: &Resident) -> Result<Option<Resident>, EngineError> {
        if self.lack == Lack::Memory {
            return out_of_memory();
        }
        let There(pixels) = images.value().downcast_ref().unwrap();
        let rows = self.inner.embed(Images::new(self.plan().input(), pixels).unwrap())?;
        let finite = rows.iter().all(|value| value.is_finite());
        Ok(finite.then(|| Resident::new(There(rows))))
    }

    fn measure(&self, request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.inner.measure(request)
    }
}

impl FitEngine for Device {
    fn can_fit(&self, _: &ProbeConfig, _: u32, _: usize) -> bool {
        self.lack != Lack::Fit
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
        self.fits.fetch_add(1, Ordering::Relaxed);
        fn set(set: DeviceSet<'_>) -> Labelled<'_> {
            let There(rows) = set.rows.downcast_ref().unwrap();
            Labelled::new(rows, set.labels, rows.len() / set.labels.len()).unwrap()
        }
        fit(config, classes, set(train), set(valid), test.map(set), on_epoch)
    }
}

fn scored(prior: &DeepPrior) -> Outcome {
    prior.score(&NET.parse().unwrap()).unwrap()
}

fn prior(lack: Lack, config: DeepPriorConfig) -> (DeepPrior, Arc<AtomicUsize>) {
    let device = Device { lack, fits: Arc::default() };
    let fits = Arc::clone(&device.fits);
    let splits = Splits::hold_out(&data_of(200), Seed(1)).unwrap();
    (DeepPrior::new(Box::new(device.clone()), splits, config).with_fit_engine(Box::new(device)), fits)
}

#[test]
fn rows_stay_on_the_device_and_come_to_the_host_where_they_must() {
    let splits = Splits::hold_out(&data_of(200), Seed(1)).unwrap();
    let expected = scored(&DeepPrior::new(Box::new(Toy::default()), splits, config()));
    assert!(matches!(expected, Outcome::Scored(_)));
    for (lack, on_device) in [(Lack::Nothing, 2), (Lack::Memory, 0), (Lack::Images, 0), (Lack::Fit, 0)] {
        let (prior, fits) = prior(lack, config());
        assert_eq!(scored(&prior), expected, "{lack:?}");
        assert_eq!(scored(&prior), expected, "{lack:?}");
        assert_eq!(fits.load(Ordering::Relaxed), on_device, "{lack:?}");
    }
}

#[test]
fn statistics_of_each_mini_batch_need_the_host() {
    let norm = Normalisation { mode: NormMode::Reference, ..config().norm };
    let (prior, fits) = prior(Lack::Nothing, DeepPriorConfig { norm, ..config() });
    assert!(matches!(scored(&prior), Outcome::Scored(_)));
    assert_eq!(fits.load(Ordering::Relaxed), 0);
}
