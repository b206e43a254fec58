//! Continual learning on rows of a toy engine, recorded and resumed.

use crate::engine::{Toy, config, evaluator};
use crate::journal::of_format_1;
use dpnas::continual::{
    ClassOrder, ContinualError, ContinualEvent, ContinualJob, ContinualReport, ContinualRunner, Input, LambdaChoice,
    Method, MethodSettings, PriorRows, RowSource, save_statistics,
};
use dpnas::heads::{FixedPoint, Statistics};
use dpnas::seed::Seed;
use dpnas::{RunFolder, StopReason};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// More memory than any test needs.
const BUDGET: u64 = 1 << 30;

fn rows() -> PriorRows {
    rows_of(&Toy::default())
}

fn rows_of(toy: &Toy) -> PriorRows {
    let net = "[C(4,3,1,1,1), P(2,2,0,0), SM(4)]".parse().unwrap();
    PriorRows::new(evaluator(toy, config()), net).unwrap()
}

fn job(methods: &[Method]) -> ContinualJob {
    let mut settings = MethodSettings::new(Seed(2));
    (settings.buffer, settings.projection, settings.probe.epochs) = (20, 32, 3);
    ContinualJob {
        methods: methods.to_vec(),
        steps: "2x2".parse().unwrap(),
        orders: vec![ClassOrder::Natural, ClassOrder::Seeded(Seed(5))],
        draws: 2,
        seed: Seed(2),
        block: 16,
        settings,
    }
}

fn run(job: &ContinualJob, source: &dyn RowSource) -> ContinualReport {
    ContinualRunner::new(job.clone(), source, BUDGET).unwrap().run().unwrap()
}

/// Every file of a run but the journal, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for part in ["", "heads"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap().map(Result::unwrap) {
            let name = format!("{part}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_file() && !name.contains("jsonl") {
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_method_learns_every_stream_and_ridge_ends_as_joint_ridge() {
    let source = rows();
    let methods = Method::ALL.map(|(method, _)| method);
    let report = run(&job(&methods), &source);
    assert_eq!((report.stop.clone(), report.learned.len()), (StopReason::Completed, 14 * 2 * 2));
    assert_eq!(report.classes_seen, [[2, 4], [2, 4]]);
    let summaries = report.summaries();
    let of = |method: Method| summaries.iter().find(|summary| summary.method == method).unwrap();
    let digest = |method: Method| of(method).weights_digest.clone();
    assert!(digest(Method::Ridge).is_some() && digest(Method::Ridge) == digest(Method::JointRidge));
    assert!(digest(Method::Naive).is_none(), "fine-tuning depends on the order");
    let accuracy = |method: Method| of(method).metrics[0].1.unwrap().mean;
    assert!(accuracy(Method::Ridge) > accuracy(Method::Naive) + 0.2);
    assert!(of(Method::Joint).difference.is_none() && of(Method::Ridge).difference.unwrap().count == 2);
    // All 120 rows of 64 features with their labels, and 20 of them.
    assert_eq!(of(Method::Joint).exemplar_bytes, 120 * 4 * 65);
    assert_eq!(of(Method::Replay).exemplar_bytes, 20 * 4 * 65);
    assert_eq!(of(Method::Ridge).state_bytes, Statistics::bytes_of(64, 4));
    // Draws have other encoders but the same pixels.
    let of_draw = |method: Method, draw: u32| report.of(method).find(|learned| learned.draw == draw).unwrap();
    assert!(of_draw(Method::Ridge, 0).weights_digest != of_draw(Method::Ridge, 1).weights_digest);
    assert!(of_draw(Method::Pixels, 0).weights_digest == of_draw(Method::Pixels, 1).weights_digest);
}

#[test]
fn an_interval_is_over_draws_or_over_orders_of_one_draw() {
    let (source, mut job) = (rows(), job(&[Method::Joint, Method::Naive]));
    job.orders.push(ClassOrder::Seeded(Seed(6)));
    let counts = |job: &ContinualJob| {
        let report = run(job, &source);
        (report.summaries()[1].metrics[0].1.unwrap().count, report.summaries()[1].streams)
    };
    assert_eq!(counts(&job), (2, 6));
    job.draws = 1;
    assert_eq!(counts(&job), (3, 3));
}

#[test]
fn a_run_is_resumed_from_any_place_to_the_same_files_whatever_threads() {
    let (source, runs) = (rows(), tempfile::tempdir().unwrap());
    let job = job(&[Method::Joint, Method::Ridge, Method::Replay, Method::Pixels]);
    let folder = |name: &str| RunFolder::create(runs.path(), name, "").unwrap();
    let whole = folder("whole");
    ContinualRunner::new(job.clone(), &source, BUDGET).unwrap().in_folder(whole.clone()).run().unwrap();
    let expected = files(whole.path());
    assert_eq!(expected.keys().filter(|name| name.starts_with("heads/")).count(), 16);
    for name in ["/results.csv", "/summary.csv", "/orders.csv", "/accuracy_matrix.npy"] {
        assert!(expected[name].len() > 20, "{name}");
    }
    for after in 0..16 {
        let part = folder("part");
        let mut left = after;
        let mut runner = ContinualRunner::new(job.clone(), &source, BUDGET).unwrap().in_folder(part.clone()).with_hook(
            move |event: &ContinualEvent<'_>| match event {
                ContinualEvent::Learning { .. } if left == 0 => ControlFlow::Break(()),
                ContinualEvent::Learning { .. } => {
                    left -= 1;
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Continue(()),
            },
        );
        let report = runner.run().unwrap();
        assert_eq!((report.stop, report.learned.len()), (StopReason::Interrupted, after));
        drop(runner);
        let (found, mut again) = ContinualJob::of_run(part.path()).unwrap();
        assert_eq!(again.methods, job.methods);
        again.settings.probe.threads = std::num::NonZeroUsize::new(2).unwrap();
        let report = ContinualRunner::new(again, &source, BUDGET).unwrap().in_folder(found).run().unwrap();
        assert_eq!(report.stop, StopReason::Completed);
        let resumed = files(part.path());
        assert!(resumed.keys().eq(expected.keys()));
        for (name, content) in &expected {
            assert!(resumed[name] == *content, "{name} differs after {after}");
        }
    }
}

#[test]
fn a_journal_of_other_rows_or_another_job_is_refused() {
    let (source, runs) = (rows(), tempfile::tempdir().unwrap());
    let folder = RunFolder::create(runs.path(), "run", "").unwrap();
    let begin = job(&[Method::Ridge]);
    let error = |job: &ContinualJob, source: &dyn RowSource| {
        ContinualRunner::new(job.clone(), source, BUDGET).unwrap().in_folder(folder.clone()).run().unwrap_err()
    };
    ContinualRunner::new(begin.clone(), &source, BUDGET).unwrap().in_folder(folder.clone()).run().unwrap();
    let other = ContinualJob { block: 8, ..begin.clone() };
    assert!(error(&other, &source).to_string().contains("another job in its first line"));
    let mut weights = config();
    weights.weight_seed = Seed(9);
    let net = "[C(4,3,1,1,1), P(2,2,0,0), SM(4)]".parse().unwrap();
    let others = PriorRows::new(evaluator(&Toy::default(), weights), net).unwrap();
    assert!(matches!(error(&begin, &others), ContinualError::OtherEvaluation(_)));
    let journal = folder.file("continual.jsonl");
    let text = of_format_1(&std::fs::read_to_string(&journal).unwrap());
    let learned = text.lines().nth(1).unwrap();
    std::fs::write(&journal, format!("{text}{learned}\n")).unwrap();
    assert!(error(&begin, &source).to_string().contains("the journal has ridge of draw 0, order 0"));
}

#[test]
fn saved_statistics_are_gone_on_from_and_other_ones_are_refused() {
    let source = rows();
    let job = ContinualJob { draws: 1, ..job(&[Method::Ridge, Method::Lda]) };
    let new = |job: &ContinualJob| ContinualRunner::new(job.clone(), &source, BUDGET).unwrap();
    let mut first = new(&job).keeping_statistics().unwrap();
    first.run().unwrap();
    let statistics = first.statistics().unwrap().clone();
    assert_eq!(statistics.rows(), 120);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    save_statistics(&statistics, &path).unwrap();
    let saved = Statistics::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    assert!(saved == statistics);

    let mut second = new(&job).starting_from(saved.clone()).unwrap().keeping_statistics().unwrap();
    second.run().unwrap();
    let mut twice = statistics.clone();
    twice.merge(&statistics).unwrap();
    assert!(*second.statistics().unwrap() == twice);
    // A finished run that is resumed has them again.
    let run = RunFolder::create(folder.path(), "run", "").unwrap();
    for _ in 0..2 {
        let mut runner = new(&job).keeping_statistics().unwrap().in_folder(run.clone());
        runner.run().unwrap();
        assert!(*runner.statistics().unwrap() == statistics);
    }

    let error = |result: Result<ContinualRunner<'_>, ContinualError>| result.unwrap_err().to_string();
    let small = Statistics::exact(FixedPoint::uniform(3, 1.0).unwrap());
    assert!(error(new(&job).starting_from(small)).starts_with("3 features where 64 are expected"));
    let mut foreign = saved.emptied();
    foreign.add(&[0.0; 64], &[7]).unwrap();
    assert!(error(new(&job).starting_from(foreign)).contains("class 7, the rows have 4 classes"));
    let other = saved.clone().with_origin("another encoder");
    let message = error(new(&job).starting_from(other));
    assert!(message.starts_with("the rows come from\n  another encoder\nand not"), "{message}");
    let replay = ContinualJob { methods: vec![Method::Ridge, Method::Replay], ..job.clone() };
    assert!(error(new(&replay).keeping_statistics()).starts_with("replay keeps no statistics"));
    let draws = ContinualJob { draws: 2, ..job };
    assert!(error(new(&draws).starting_from(saved)).contains("one draw"));
}

#[test]
fn a_job_that_cannot_be_is_refused_before_anything_is_computed() {
    let toy = Toy::default();
    let source = rows_of(&toy);
    let error =
        |job: &ContinualJob, budget| ContinualRunner::new(job.clone(), &source, budget).err().unwrap().to_string();
    let good = job(&[Method::Ridge]);
    for job in [
        ContinualJob { methods: Vec::new(), ..good.clone() },
        ContinualJob { orders: Vec::new(), ..good.clone() },
        ContinualJob { draws: 0, ..good.clone() },
        ContinualJob { block: 0, ..good.clone() },
    ] {
        assert!(error(&job, BUDGET).starts_with("nothing to learn"), "{}", error(&job, BUDGET));
    }
    let twice = job(&[Method::Ridge, Method::Ridge]);
    assert_eq!(error(&twice, BUDGET), "method ridge is named twice");
    let steps = ContinualJob { steps: "3,2".parse().unwrap(), ..good.clone() };
    assert!(error(&steps, BUDGET).starts_with("the steps have 5 classes"), "{}", error(&steps, BUDGET));
    let missing = ContinualJob { steps: "3".parse().unwrap(), ..good.clone() };
    assert!(error(&missing, BUDGET).starts_with("the steps have 3 classes, the data set has 4"));
    let order = ContinualJob { orders: vec![ClassOrder::Given(vec![0, 1])], ..good.clone() };
    assert!(error(&order, BUDGET).contains("each label from 0 to 3 once"));
    assert!(error(&good, 40_000).contains("features would fit"), "{}", error(&good, 40_000));
    let adam = job(&[Method::Naive]);
    // 120 training rows twice and 30 test rows of 256 bytes.
    let message = error(&adam, 34_560);
    assert!(message.contains("take 69120 bytes") && message.contains("about 60 of the 120 training rows"), "{message}");
    let parts = ContinualJob { steps: "data:3".parse().unwrap(), ..good.clone() };
    assert!(error(&parts, BUDGET).contains("use one order"));
    assert!(toy.used.lock().unwrap().encoded.is_empty());
}

#[test]
fn rows_that_are_not_finite_and_a_wrong_lambda_are_named() {
    let broken = rows_of(&Toy { broken: Some("C(4"), ..Toy::default() });
    let job = job(&[Method::Ridge]);
    let error = ContinualRunner::new(job.clone(), &broken, BUDGET).unwrap().run().unwrap_err();
    assert!(matches!(error, ContinualError::Rows { draw: 0, .. }), "{error:?}");
    let mut wrong = job;
    wrong.settings.lambda = LambdaChoice::Fixed(-1.0);
    let source = rows();
    let error = ContinualRunner::new(wrong, &source, BUDGET).unwrap().run().unwrap_err();
    let ContinualError::Learn { method: Method::Ridge, source } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "λ is -1, but must be finite and above 0");
    assert_eq!(rows().features(Input::Pixels), Some(64));
}
