//! The whole path on a GPU that is not there: `emulation/` has the driver, NVRTC and cuDNN, and runs the kernels on the
//! CPU. Libraries are loaded by name, so each test runs in a child process that finds those of the emulation.

use dpnas_cuda::{CudaEngine, CudaRows, FitSplits};
use dpnas_grammar::{ImageShape, Net};
use dpnas_prior::conformance::{Tolerance, check};
use dpnas_prior::{Encode, EncodeExt, Engine, EngineError, Images, Measure, Prior, Resident, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{FitEngine, Labelled, ProbeConfig, fit};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[path = "emulation/compile.rs"]
mod compile;
#[path = "../../../fixtures/skipped.rs"]
mod skipped;

const SOURCE: &str = "tests/emulation/driver.cpp";

/// The folder of the emulation, compiled once; `None` without a C++ compiler.
fn emulation() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulation");
    FOLDER.get_or_init(|| compile::compile(&folder())).as_deref()
}

/// Runs a test in a child process with the emulation.
fn emulated(name: &str, bytes: Option<u64>, test: impl FnOnce()) {
    if std::env::var_os("EMULATED").is_some() {
        return test();
    }
    let Some(folder) = emulation() else { return };
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env("EMULATED", "1").env("LD_LIBRARY_PATH", folder);
    if let Some(bytes) = bytes {
        child.env("EMULATED_BYTES", bytes.to_string());
    }
    let output = child.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn plan(net: &str, shape: ImageShape) -> dpnas_grammar::Plan {
    net.parse::<Net>().unwrap().plan(shape).unwrap()
}

#[test]
fn the_engine_keeps_the_promises_of_every_engine() {
    emulated("the_engine_keeps_the_promises_of_every_engine", None, || {
        let engine = CudaEngine::new(0).unwrap();
        for net in [
            "[C(5,3,2,1,1), C(7,3,1,1,0), P(2,1,0,0), SM(10)]",
            "[C(8,3,1,1,1), C(16,7,1,3,1), C(16,3,1,1,0), SM(10)]",
            "[P(2,2,0,0), C(16,1,1,0,1), C(8,3,1,1,0), SM(10)]",
        ] {
            check(&engine, &plan(net, ImageShape::square(3, 9)), 1, Tolerance::BF16).unwrap();
        }
    });
}

/// Rows in bf16 and labels.
fn problem(classes: u32, features: usize, rows: usize) -> (Vec<u16>, Vec<u32>) {
    let mut values = vec![0.0_f32; rows * features];
    Seed(9).stream("rows", 0).fill_uniform(0, 0.0, 1.0, &mut values);
    let labels = (0..rows as u32).map(|row| row * 7 % classes).collect();
    (values.iter().map(|value| (value.to_bits() >> 16) as u16).collect(), labels)
}

#[test]
fn a_classifier_is_that_of_the_cpu_and_equal_when_repeated() {
    emulated("a_classifier_is_that_of_the_cpu_and_equal_when_repeated", None, || {
        let (engine, features, classes) = (CudaEngine::new(0).unwrap(), 50, 3);
        let (bits, labels) = problem(classes, features, 60);
        let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect();
        let config = ProbeConfig {
            epochs: 2,
            batch_size: 20,
            weight_decay: 1e-3,
            early_stopping_threshold: 0.0,
            ..ProbeConfig::paper(Seed(2))
        };
        let part = |from: usize, to: usize| {
            CudaRows::upload(&engine, &bits[from * features..to * features], features).unwrap()
        };
        let (train, valid, test) = (part(0, 45), part(45, 52), part(52, 60));
        let splits = FitSplits {
            train: (&train, &labels[..45]),
            valid: (&valid, &labels[45..52]),
            test: Some((&test, &labels[52..])),
        };
        let on_device = || engine.fit_rows(&config, classes, splits, &mut |_| ControlFlow::Continue(())).unwrap();
        let (found, again) = (on_device(), on_device());
        assert_eq!(found, again);
        let host = |from: usize, to: usize| {
            Labelled::new(&values[from * features..to * features], &labels[from..to], features).unwrap()
        };
        let expected =
            fit(&config, classes, host(0, 45), host(45, 52), Some(host(52, 60)), &mut |_| ControlFlow::Continue(()))
                .unwrap();
        for (a, b) in found.classifier.weights().iter().zip(expected.classifier.weights()) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        for (a, b) in found.report.epochs.iter().zip(&expected.report.epochs) {
            assert!((a.train_loss - b.train_loss).abs() < 1e-6, "{a:?} {b:?}");
            assert_eq!(
                (a.train_accuracy, a.valid_accuracy, a.test_accuracy),
                (b.train_accuracy, b.valid_accuracy, b.test_accuracy)
            );
        }
    });
}

#[test]
fn the_kernel_of_the_classifier_is_a_plain_computation_with_moments_in_either_memory() {
    // The compiler is there if the emulation is.
    let Some(folder) = emulation() else { return };
    let program = folder.join("fit");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulation/fit.cpp");
    let compiled = Command::new("c++").args(["-std=c++20", "-O1", "-o"]).args([&program, &source]).status().unwrap();
    assert!(compiled.success());
    let output = Command::new(&program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn rows_on_the_device_are_those_of_the_host() {
    emulated("rows_on_the_device_are_those_of_the_host", None, || {
        let (engine, shape) = (CudaEngine::new(0).unwrap(), ImageShape::square(1, 9));
        let plan = plan("[C(8,3,1,1,1), C(8,3,1,1,0), SM(10)]", shape);
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let mut pixels = vec![0.0; 20 * 81];
        Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(shape, &pixels).unwrap();
        let encoder = engine.encoder(&prior).unwrap();
        let resident = engine.upload(images).unwrap().unwrap();
        let rows = encoder.encode_resident(&resident).unwrap().unwrap();
        let rows: &CudaRows = rows.value().downcast_ref().unwrap();
        assert_eq!((rows.len(), rows.features()), (20, 8 * 81));
        assert_eq!(rows.read().unwrap(), encoder.embed(images).unwrap());
        let foreign = Resident::new(1_u8);
        assert!(encoder.encode_resident(&foreign).unwrap_err().to_string().contains("not its own"));
        pixels[5] = f32::INFINITY;
        let broken = engine.upload(Images::new(shape, &pixels).unwrap()).unwrap().unwrap();
        assert!(encoder.encode_resident(&broken).unwrap().is_none());
    });
}

#[test]
fn images_and_rows_of_another_engine_are_refused() {
    emulated("images_and_rows_of_another_engine_are_refused", None, || {
        let (one, other) = (CudaEngine::new(0).unwrap(), CudaEngine::new(0).unwrap());
        let shape = ImageShape::square(1, 4);
        let images = other.upload(Images::new(shape, &[0.5; 32]).unwrap()).unwrap().unwrap();
        let prior = Prior::draw(&plan("[C(8,3,1,1,1), SM(2)]", shape), WeightInit::KaimingNormal, Seed(1)).unwrap();
        let error = one.encoder(&prior).unwrap().encode_resident(&images).map(drop).unwrap_err();
        assert!(error.to_string().ends_with("the images are of another engine"), "{error}");
        let (bits, labels) = problem(2, 8, 20);
        let rows = CudaRows::upload(&other, &bits, 8).unwrap();
        let splits = FitSplits { train: (&rows, &labels), valid: (&rows, &labels), test: None };
        let config = ProbeConfig { epochs: 1, ..ProbeConfig::paper(Seed(0)) };
        let error = one.fit_rows(&config, 2, splits, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().ends_with("the rows are of another engine"), "{error}");
        for features in [0, 7] {
            assert!(CudaRows::upload(&one, &bits, features).is_err());
        }
    });
}

#[test]
fn too_little_memory_is_told_from_other_failures() {
    emulated("too_little_memory_is_told_from_other_failures", Some(1_200_000), || {
        let (engine, shape) = (CudaEngine::new(0).unwrap(), ImageShape::square(1, 16));
        let plan = plan("[C(64,3,1,1,1), C(64,3,1,1,1), SM(10)]", shape);
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let encoder = engine.encoder(&prior).unwrap();
        let error = encoder.embed(Images::new(shape, &[0.5; 256]).unwrap()).map(drop).unwrap_err();
        assert!(matches!(error, EngineError::OutOfMemory { .. }), "{error}");
    });
}

#[test]
fn memory_stays_flat_over_200_candidates() {
    // One candidate needs two thirds of this limit.
    emulated("memory_stays_flat_over_200_candidates", Some(150_000), || {
        let (engine, shape) = (CudaEngine::new(0).unwrap(), ImageShape::square(1, 4));
        let images = Images::new(shape, &[0.5; 40 * 16]).unwrap();
        let resident = engine.upload(images).unwrap().unwrap();
        for candidate in 0..200 {
            let plan = plan(["[C(16,3,1,1,1), SM(3)]", "[C(8,3,1,1,0), SM(3)]"][candidate % 2], shape);
            let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(candidate as u64)).unwrap();
            let mut encoder = engine.encoder(&prior).unwrap();
            encoder.calibrate(&mut Measure::new(images, 1e-4, NonZeroUsize::MIN)).unwrap();
            assert!(encoder.encode_resident(&resident).unwrap().is_some());
        }
    });
}

#[test]
fn sizes_that_a_block_cannot_hold_are_left_to_the_host() {
    emulated("sizes_that_a_block_cannot_hold_are_left_to_the_host", None, || {
        let (engine, config) = (CudaEngine::new(0).unwrap(), ProbeConfig::paper(Seed(0)));
        assert!(engine.can_fit(&config, 10, 200));
        assert!(!engine.can_fit(&config, 10, 1_000_000));
        assert!(!engine.can_fit(&ProbeConfig { drop_out: 0.5, ..config.clone() }, 10, 200));
        assert!(!engine.can_fit(&ProbeConfig { batch_size: 1000, ..config }, 10, 200));
    });
}
