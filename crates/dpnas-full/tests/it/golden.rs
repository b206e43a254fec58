//! Golden values from an independent PyTorch script, `fixtures/full/golden.py`.

use crate::digits::engines;
use dpnas_full::LAST_CHECKPOINT;
use dpnas_grammar::{ImageShape, Net};
use dpnas_prior::{Images, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{Checkpoints, Examples, FullConfig, ProbeConfig, TrainEngine, TrainJob, TrainReport};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    net: String,
    input: String,
    images: usize,
    batch_size: usize,
    epochs: u32,
    learning_rate: f32,
    schedule: String,
    weight_decay: f32,
    drop_out: f32,
    epsilon: f64,
    adam_epsilon: f32,
    seed: u64,
    train_loss: Vec<f64>,
    valid_accuracy: Vec<f64>,
    weights: Vec<f64>,
    scales: Vec<f64>,
    shifts: Vec<f64>,
    running_means: Vec<f64>,
    running_variances: Vec<f64>,
}

fn train(case: &Case, engine: &dyn TrainEngine, folder: &std::path::Path) -> TrainReport {
    let shape: ImageShape = case.input.parse().unwrap();
    let values = shape.elements().unwrap() as usize;
    let count = case.images + 6;
    let mut pixels = vec![0.0; count * values];
    Seed(case.seed).stream("golden images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let labels: Vec<u32> = (0..count as u32).map(|image| image * image % 3).collect();
    let (train, valid) = pixels.split_at(case.images * values);
    let (train_labels, valid_labels) = labels.split_at(case.images);
    let plan = case.net.parse::<Net>().unwrap().plan(shape).unwrap();
    let probe = ProbeConfig {
        epochs: case.epochs,
        batch_size: case.batch_size,
        learning_rate: case.learning_rate,
        weight_decay: case.weight_decay,
        drop_out: case.drop_out,
        epsilon: case.adam_epsilon,
        ..ProbeConfig::paper(Seed(case.seed))
    };
    let config = FullConfig { probe, schedule: case.schedule.parse().unwrap(), norm_epsilon: case.epsilon };
    let job = TrainJob {
        plan: &plan,
        init: WeightInit::KaimingNormal,
        weight_seed: Seed(case.seed),
        config: &config,
        train: Examples::new(Images::new(shape, train).unwrap(), train_labels).unwrap(),
        valid: Examples::new(Images::new(shape, valid).unwrap(), valid_labels).unwrap(),
        test: None,
        memory_budget: 1 << 30,
        largest_chunk: NonZeroUsize::MIN,
        checkpoints: Some(&Checkpoints { folder: folder.to_owned(), data: case.name.clone() }),
        stop: &AtomicBool::new(false),
    };
    engine.train(&job, &mut |_| ()).unwrap()
}

#[test]
fn a_few_epochs_are_those_of_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../fixtures/full/golden.json")).unwrap();
    assert!(cases.len() >= 4, "the golden file lost cases");
    for (case, engine) in cases.iter().flat_map(|case| engines().into_iter().map(move |engine| (case, engine))) {
        let folder = tempfile::tempdir().unwrap();
        let report = train(case, &*engine, folder.path());
        let close = |ours: f64, golden: f64, what: &str| {
            let tolerance = 2e-3 * golden.abs().max(0.1);
            assert!(
                (ours - golden).abs() < tolerance,
                "{} on {}, {what}: {ours} beside {golden}",
                case.name,
                engine.name()
            );
        };
        assert_eq!(report.epochs.len(), case.train_loss.len());
        for (epoch, (&loss, &accuracy)) in report.epochs.iter().zip(case.train_loss.iter().zip(&case.valid_accuracy)) {
            close(epoch.train_loss, loss, "loss");
            assert_eq!(epoch.valid_accuracy, accuracy, "{}, epoch {}", case.name, epoch.index);
        }
        let bytes = std::fs::read(folder.path().join(LAST_CHECKPOINT)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut sums: Vec<(String, [f64; 2])> = tensors
            .iter()
            .filter(|(name, _)| !name.starts_with("adam."))
            .map(|(name, view)| {
                let values = view.data().as_chunks::<4>().0.iter().map(|&word| f64::from(f32::from_le_bytes(word)));
                (name.to_owned(), [values.clone().sum(), values.map(f64::abs).sum()])
            })
            .collect();
        sums.sort_by(|a, b| a.0.cmp(&b.0));
        let of = |ending: &str, kind: usize| -> Vec<f64> {
            sums.iter().filter(|(name, _)| name.ends_with(ending)).map(|(_, sums)| sums[kind]).collect()
        };
        // Sums come in the order of names here and of layers there: compared as sets.
        let arrays = [
            (".weight", 1, &case.weights),
            (".scale", 0, &case.scales),
            (".shift", 0, &case.shifts),
            (".running_mean", 0, &case.running_means),
            (".running_variance", 0, &case.running_variances),
        ];
        for (ending, kind, golden) in arrays {
            let (mut ours, mut golden) = (of(ending, kind), golden.clone());
            assert_eq!(ours.len(), golden.len(), "{ending}");
            ours.sort_by(f64::total_cmp);
            golden.sort_by(f64::total_cmp);
            ours.iter().zip(&golden).for_each(|(&ours, &golden)| close(ours, golden, ending));
        }
    }
}
