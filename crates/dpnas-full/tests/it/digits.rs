//! Trainings on a few of the digits.

use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_data::{ImageSet, Source};
use dpnas_full::{BurnTrainer, CpuTrainer};
use dpnas_grammar::Net;
use dpnas_kernels::{Level, Precision};
use dpnas_prior::{Images, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{
    Checkpoints, Epoch, Examples, FullConfig, FullError, Split, Stop, TestSchedule, TrainEngine, TrainJob, TrainReport,
};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

pub(crate) const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), C(8,3,1,1,0), FC(16), SM(10)]";

/// A training on some digits, validated on others.
pub(crate) struct Training {
    pub(crate) net: &'static str,
    pub(crate) config: FullConfig,
    pub(crate) memory_budget: u64,
    pub(crate) largest_chunk: usize,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) stop: AtomicBool,
    train: ImageSet,
    valid: ImageSet,
}

fn examples(set: &ImageSet) -> Examples<'_> {
    Examples::new(Images::new(set.shape(), set.pixels()).unwrap(), set.labels()).unwrap()
}

impl Training {
    pub(crate) fn of(images: usize) -> Self {
        let digits = Source::Digits.load().unwrap();
        let mut config = FullConfig::paper(Seed(1));
        (config.probe.epochs, config.probe.batch_size, config.probe.learning_rate) = (3, 24, 0.01);
        Self {
            net: NET,
            config,
            memory_budget: 1 << 30,
            largest_chunk: 4096,
            checkpoints: None,
            stop: AtomicBool::new(false),
            train: digits.train.first(images),
            valid: digits.test.first(40),
        }
    }

    pub(crate) fn on(
        &self,
        engine: &dyn TrainEngine,
        on_epoch: &mut dyn FnMut(&Epoch),
    ) -> Result<TrainReport, FullError> {
        let plan = self.net.parse::<Net>().unwrap().plan(self.train.shape()).unwrap();
        let job = TrainJob {
            plan: &plan,
            init: WeightInit::KaimingNormal,
            weight_seed: Seed(1),
            config: &self.config,
            train: examples(&self.train),
            valid: examples(&self.valid),
            test: Some(examples(&self.valid)),
            memory_budget: self.memory_budget,
            largest_chunk: NonZeroUsize::new(self.largest_chunk).unwrap(),
            checkpoints: self.checkpoints.as_ref(),
            stop: &self.stop,
        };
        engine.train(&job, on_epoch)
    }

    pub(crate) fn run(&self) -> TrainReport {
        self.run_on(&cpu())
    }

    fn run_on(&self, engine: &dyn TrainEngine) -> TrainReport {
        self.on(engine, &mut |_| ()).unwrap()
    }
}

pub(crate) fn cpu() -> CpuTrainer {
    CpuTrainer::new().unwrap()
}

fn flex() -> BurnTrainer<Flex> {
    BurnTrainer::new("flex f32", Default::default()).split_over_threads()
}

/// The engines of a CPU that promise the same bits for any number of threads.
pub(crate) fn engines() -> Vec<Box<dyn TrainEngine>> {
    let kernels = Level::available(Precision::F32).into_iter().map(|level| Box::new(CpuTrainer::at(level)) as _);
    kernels.chain([Box::new(flex()) as _]).collect()
}

fn on_threads(threads: usize, training: &Training, engine: &dyn TrainEngine) -> TrainReport {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| training.run_on(engine))
}

#[test]
fn sixteen_images_are_memorised() {
    let mut training = Training::of(16);
    training.config.probe.epochs = 40;
    training.config.probe.early_stopping_threshold = 0.0;
    let report = training.run();
    let last = report.epochs[39];
    assert_eq!(last.train_accuracy, 1.0, "{:?}", report.epochs);
    assert!(last.train_loss < 0.05, "{last:?}");
    assert!(report.epochs[0].train_loss > 1.5);
    assert_eq!(report.stop, Stop::Completed);
    assert!(last.valid_accuracy > 0.2, "{last:?}");
    assert_eq!(Some(report.test_accuracy), last.test_accuracy);
    assert_eq!(report.epochs[38].test_accuracy, None);
}

#[test]
fn the_same_seed_gives_the_same_bits_for_any_number_of_threads_and_any_memory() {
    for engine in engines() {
        let engine = &*engine;
        let mut training = Training::of(100);
        training.config.probe.drop_out = 0.2;
        training.config.probe.test = TestSchedule::EveryEpoch;
        let expected = on_threads(1, &training, engine);
        assert!(expected.epochs.iter().all(|epoch| epoch.test_accuracy.is_some()));
        assert_eq!(on_threads(1, &training, engine), expected);
        assert_eq!(on_threads(2, &training, engine), expected, "{}", engine.name());
        training.largest_chunk = 1;
        assert_eq!(on_threads(3, &training, engine), expected, "{}", engine.name());
        training.memory_budget = needed(&mut training, engine);
        assert_eq!(on_threads(2, &training, engine), expected, "{}", engine.name());
        training.config.probe.seed = Seed(2);
        assert_ne!(on_threads(2, &training, engine), expected);
    }
}

/// The smallest sufficient budget.
fn needed(training: &mut Training, engine: &dyn TrainEngine) -> u64 {
    training.memory_budget = 0;
    match training.on(engine, &mut |_| ()) {
        Err(FullError::OverBudget { needed, .. }) => needed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn engines_agree_and_so_do_whole_mini_batches() {
    let mut training = Training::of(48);
    training.config.probe.epochs = 2;
    let flex = training.run_on(&flex());
    let mut others = engines();
    others.push(Box::new(BurnTrainer::<NdArray>::new("ndarray f32", Default::default())));
    others.push(Box::new(BurnTrainer::<Flex>::new("flex f32 whole", Default::default())));
    for engine in others {
        let report = training.run_on(&*engine);
        for (a, b) in report.epochs.iter().zip(&flex.epochs) {
            assert!((a.train_loss - b.train_loss).abs() < 1e-3 * b.train_loss, "{}: {a:?} {b:?}", engine.name());
        }
    }
}

#[test]
fn training_that_learns_nothing_stops_early() {
    let mut training = Training::of(30);
    training.config.probe.early_stopping_threshold = 1.0;
    training.config.probe.early_stopping_epoch = 2;
    let report = training.run();
    assert_eq!(report.stop, Stop::EarlyStopped { epoch: 2 });
    assert_eq!((report.epochs.len(), report.test_accuracy, report.train_flag()), (2, 0.0, false));
}

#[test]
fn a_training_that_diverges_is_an_error_that_says_so() {
    let mut training = Training::of(30);
    training.net = "[C(8,3,1,1,1), SM(10)]";
    training.config.norm_epsilon = 0.0;
    training.config.probe.learning_rate = 1e30;
    let error = training.on(&cpu(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, FullError::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("lower the learning rate"), "{error}");
}

#[test]
fn wrong_input_is_named() {
    let engine = cpu();
    let mut training = Training::of(30);
    training.net = "[C(8,3,1,1,1), SM(5)]";
    let error = training.on(&engine, &mut |_| ()).unwrap_err();
    assert!(matches!(error, FullError::LabelOutOfRange { split: Split::Train, classes: 5, .. }), "{error}");
    training.net = NET;
    training.config.probe.batch_size = 0;
    assert!(matches!(training.on(&engine, &mut |_| ()), Err(FullError::Setting(_))));
    training.config.probe.batch_size = 8;
    training.memory_budget = 1000;
    let message = training.on(&engine, &mut |_| ()).unwrap_err().to_string();
    assert!(message.contains("mini-batches of 8 images") && message.contains("the memory budget is 1000"), "{message}");
    training.memory_budget = 1 << 30;
    training.train = training.train.first(0);
    assert!(matches!(training.on(&engine, &mut |_| ()), Err(FullError::EmptySet { split: Split::Train })));
    let set = &training.valid;
    let images = Images::new(set.shape(), set.pixels()).unwrap();
    assert!(matches!(Examples::new(images, &[0, 1]), Err(FullError::LengthMismatch { images: 40, labels: 2 })));
}
