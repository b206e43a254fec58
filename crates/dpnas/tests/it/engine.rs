//! A fast engine that records its calls. Each feature is a weighted sum of a few pixels.

use dpnas::data::{DataSet, Source, SyntheticConfig};
use dpnas::grammar::Plan;
use dpnas::prior::{Calibration, Encode, Engine, EngineError, Images, Measure, Moments, Precision, Prior};
use dpnas::search::Seed;
use dpnas::{DeepPrior, DeepPriorConfig, Splits};
use half::bf16;
use std::sync::Arc;
use std::sync::Mutex;

/// Calls of the engine.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Number of images of each call of `encode`.
    pub(crate) encoded: Vec<usize>,
    /// Number of images of each call of `measure`.
    pub(crate) measured: Vec<usize>,
    /// The chunk of each call of `measure`.
    pub(crate) measured_at_once: Vec<usize>,
    /// First pixel of each call of `measure`.
    pub(crate) first_pixels: Vec<f32>,
}

#[derive(Clone, Default)]
pub(crate) struct Toy {
    pub(crate) used: Arc<Mutex<Used>>,
    /// Largest number of images at once; with more it is out of memory.
    pub(crate) room: Option<usize>,
    /// Actual precision of its rows, and the precision that it reports.
    pub(crate) rows: Option<[Precision; 2]>,
    /// Returns undefined rows for architectures whose text contains this.
    pub(crate) broken: Option<&'static str>,
}

impl Engine for Toy {
    fn name(&self) -> &str {
        "toy"
    }

    fn row_precision(&self) -> Precision {
        self.rows.map_or(Precision::F32, |[_, says]| says)
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        Ok(Box::new(ToyEncoder { toy: self.clone(), prior: prior.clone() }))
    }
}

struct ToyEncoder {
    toy: Toy,
    prior: Prior,
}

impl ToyEncoder {
    fn check_room(&self, images: usize) -> Result<(), EngineError> {
        match self.toy.room {
            Some(room) if images > room => Err(EngineError::from_report("toy", "CUDA_ERROR_OUT_OF_MEMORY")),
            _ => Ok(()),
        }
    }
}

impl Encode for ToyEncoder {
    fn plan(&self) -> &Plan {
        self.prior.plan()
    }

    fn freeze(&mut self, _: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        Ok(())
    }

    fn encode(&self, images: Images<'_>, out: &mut Vec<f32>) -> Result<(), EngineError> {
        self.check_room(images.len())?;
        self.toy.used.lock().unwrap().encoded.push(images.len());
        let features = self.plan().features() as usize;
        let pixels = images.pixels().len() / images.len().max(1);
        let broken = self.toy.broken.is_some_and(|text| self.plan().net().to_string().contains(text));
        let weights: Vec<f32> = (0..self.plan().stages().len())
            .flat_map(|i| self.prior.stage(i))
            .flat_map(|w| w.values().to_vec())
            .collect();
        let value = |image: &[f32], feature: usize| -> f32 {
            if broken {
                return f32::NAN;
            }
            let sum: f32 = (0..9)
                .map(|i| image[(feature * 7 + i * 5) % pixels] * weights[(feature * 9 + i) % weights.len()])
                .sum();
            match self.toy.rows {
                Some([Precision::Bf16, _]) => bf16::from_f32(sum).to_f32(),
                _ => sum,
            }
        };
        let rows = images.pixels().chunks(pixels);
        *out = rows.flat_map(|image| (0..features).map(|f| value(image, f)).collect::<Vec<_>>()).collect();
        Ok(())
    }

    fn measure(&self, Measure { images, chunk, .. }: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.check_room(chunk.get().min(images.len()))?;
        let mut used = self.toy.used.lock().unwrap();
        used.measured.push(images.len());
        used.measured_at_once.push(chunk.get());
        used.first_pixels.push(images.pixels()[0]);
        Ok(vec![Vec::new(); self.plan().stages().len()])
    }
}

/// 120 training and 30 test images of 8×8, four classes.
pub(crate) fn data() -> DataSet {
    data_of(120)
}

/// Same as [`data`], with another number of training images.
pub(crate) fn data_of(train: usize) -> DataSet {
    let config = SyntheticConfig {
        train,
        test: 30,
        classes: 4,
        shape: dpnas::grammar::ImageShape::square(1, 8),
        noise: 0.1,
        seed: Seed(3),
    };
    Source::Synthetic(config).load().unwrap()
}

pub(crate) fn config() -> DeepPriorConfig {
    let mut config = DeepPriorConfig::paper(Seed(1));
    config.probe.epochs = 6;
    config.probe.batch_size = 16;
    config
}

pub(crate) fn evaluator(toy: &Toy, config: DeepPriorConfig) -> DeepPrior {
    DeepPrior::new(Box::new(toy.clone()), Splits::hold_out(&data(), Seed(1)).unwrap(), config)
}
