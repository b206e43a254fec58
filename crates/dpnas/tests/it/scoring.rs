//! Scoring fixed architectures under several draws, recorded and resumed.

use crate::engine::{Toy, config, evaluator};
use crate::journal::of_format_1;
use dpnas::grammar::{ImageShape, Net};
use dpnas::seed::Seed;
use dpnas::{
    EvaluateDraw, Group, Metrics, Outcome, RunFolder, ScoreError, ScoringError, ScoringEvent, ScoringJob,
    ScoringReport, ScoringRunner, Searched, StopReason, Target, Training, WeightDraw, draw_seed,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const FILES: [&str; 8] = [
    "scores.csv",
    "summary.csv",
    "fixed_nets.csv",
    "fixed_nets_trained.csv",
    "draws.svg",
    "draws.png",
    "learning_curves.svg",
    "learning_curves_trained.svg",
];

/// Scores by the net's length and the seed. One net is rejected, another is out of memory.
struct Made {
    name: &'static str,
    scored: AtomicU32,
    fails_after: Option<u32>,
    interrupts_after: Option<u32>,
}

impl Made {
    fn new(name: &'static str) -> Self {
        Self { name, scored: AtomicU32::new(0), fails_after: None, interrupts_after: None }
    }
}

impl EvaluateDraw for Made {
    fn evaluate_draw(&self, net: &Net, seed: Seed) -> Result<Outcome, ScoreError> {
        if self.interrupts_after == Some(self.scored.load(Relaxed)) {
            return Err(ScoreError::Interrupted);
        }
        if self.fails_after == Some(self.scored.load(Relaxed)) {
            return Err(ScoreError::NotFinite);
        }
        self.scored.fetch_add(1, Relaxed);
        let length = net.layers().len();
        let reward = (1000 * length as u64 + seed.0 % 1000) as f64 / 1e4;
        Ok(match length {
            4 => Outcome::Rejected { reason: "four, with a comma".into() },
            5 => Outcome::OutOfMemory { reason: "five".into() },
            _ => Outcome::Scored(Metrics {
                reward,
                train_flag: length != 3,
                valid_accuracy: vec![reward; 3],
                train_accuracy: vec![0.5; 3],
                test_accuracy: if length == 3 { 0.0 } else { reward },
                test_accuracies: vec![reward / 2.0; 3],
            }),
        })
    }

    fn check(&self, net: &Net) -> Result<(), ScoreError> {
        net.plan(ImageShape::square(1, 8))?;
        Ok(())
    }

    fn identity(&self) -> String {
        self.name.into()
    }
}

fn net(convolutions: usize) -> Net {
    let layers = "C(4,3,1,1,1), ".repeat(convolutions);
    format!("[{layers}SM(10)]").parse().unwrap()
}

fn job() -> ScoringJob {
    let target = |convolutions: usize, group, row| {
        let searched = Some(Searched { row, reward: 0.05 * convolutions as f64 });
        Target { net: net(convolutions), group, searched }
    };
    let targets = vec![
        target(1, Group::Low, 7),
        target(2, Group::Middle, 0),
        target(3, Group::Middle, 1),
        target(4, Group::Top, 2),
        Target::given(net(6)),
    ];
    ScoringJob { targets, seed: Seed(9), draws: 3, weights: WeightDraw::PerSearch }
}

fn folder(runs: &Path) -> RunFolder {
    RunFolder::create(runs, "score", "seed = 9\n").unwrap()
}

fn read(folder: &RunFolder, name: &str) -> Vec<u8> {
    std::fs::read(folder.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(folder: &RunFolder, random: &Made, trained: &Made) -> Result<ScoringReport, ScoringError> {
    let runner = ScoringRunner::new(job()).scored_by(Training::Random, random).scored_by(Training::Full, trained);
    runner.in_folder(folder.clone()).run()
}

fn whole(runs: &Path) -> (RunFolder, ScoringReport) {
    let folder = folder(runs);
    let report = run(&folder, &Made::new("random"), &Made::new("trained")).unwrap();
    assert_eq!(report.stop, StopReason::Completed);
    (folder, report)
}

fn same_files(a: &RunFolder, b: &RunFolder) {
    for name in FILES {
        assert!(read(a, name) == read(b, name), "{name} differs");
    }
}

#[test]
fn every_architecture_is_scored_under_every_draw() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, report) = whole(runs.path());
    assert_eq!(report.draws.len(), 5 * 3 * 2);
    let order: Vec<_> = report.draws.iter().map(|draw| (draw.training, draw.target, draw.draw)).collect();
    assert!(order.is_sorted());
    for draw in &report.draws {
        assert_eq!(draw.seed, draw_seed(Seed(9), draw.draw));
    }
    let summary = report.summary(0, Training::Random).unwrap();
    let rewards: Vec<f64> = report.draws_of(0, Training::Random).map(|draw| draw.score().unwrap().reward).collect();
    assert_eq!(summary.reward.unwrap().mean, rewards.iter().sum::<f64>() / 3.0);
    assert!(summary.reward.unwrap().interval.is_some());
    // Length 3 stopped early, so it has a reward but no test accuracy. Length 4 was rejected, so it has neither.
    let stopped = report.summary(1, Training::Random).unwrap();
    assert!(stopped.reward.is_some() && stopped.test_accuracy.is_none());
    let rejected = report.summary(2, Training::Full).unwrap();
    assert_eq!((rejected.reward, rejected.without_score), (None, 3));
    assert_eq!(report.summaries().len(), 10);
    for name in FILES {
        assert!(!read(&folder, name).is_empty(), "{name}");
    }
}

#[test]
fn draw_0_has_the_seed_itself_and_the_others_their_own() {
    assert_eq!(draw_seed(Seed(9), 0), Seed(9));
    let seeds: std::collections::BTreeSet<Seed> = (0..100).map(|draw| draw_seed(Seed(9), draw)).collect();
    assert_eq!(seeds.len(), 100);
    assert_ne!(draw_seed(Seed(9), 1), draw_seed(Seed(10), 1));
}

/// The seeds are promised: a change here changes every draw and belongs in the changelog.
#[test]
fn value_stability_of_the_seeds_of_draws() {
    let seeds: Vec<u64> = (0..3).map(|draw| draw_seed(Seed(42), draw).0).collect();
    assert_eq!(seeds, [42, 1197275817419358403, 2232568348980411985]);
}

#[test]
fn the_tables_have_a_row_for_each_draw_and_each_architecture() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, _) = whole(runs.path());
    let text = String::from_utf8(read(&folder, "scores.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 30);
    assert_eq!(
        lines[0],
        "net,group,searched_row,searched_reward,training,draw,seed,outcome,reward,train_flag,acc_best_val,\
         acc_test_last,reason"
    );
    assert_eq!(lines[1], "\"[C(4,3,1,1,1), SM(10)]\",low,7,0.05,random,0,9,scored,0.2009,True,0.2009,0.2009,");
    assert!(lines[7].ends_with(",random,0,9,rejected,,,,,\"four, with a comma\""), "{}", lines[7]);
    assert!(lines[10].ends_with(",random,0,9,out-of-memory,,,,,five"), "{}", lines[10]);
    let summary = String::from_utf8(read(&folder, "summary.csv")).unwrap();
    assert_eq!(summary.lines().count(), 1 + 10);
    let fixed = String::from_utf8(read(&folder, "fixed_nets.csv")).unwrap();
    let fixed: Vec<&str> = fixed.lines().collect();
    assert_eq!(fixed[0], "net,acc_best_val,acc_val_all_epochs,acc_train_all_epochs,acc_test_last");
    assert_eq!(fixed[1], "\"[C(4,3,1,1,1), SM(10)]\",20.09,\"[20.09, 20.09, 20.09]\",\"[50.0, 50.0, 50.0]\",20.09");
    assert!(fixed[7].ends_with(",0,[0],[0],0"), "{}", fixed[7]);
    assert_eq!(fixed.len(), 1 + 15);
}

#[test]
fn a_run_that_ends_anywhere_is_resumed_to_the_same_files_and_scores_nothing_twice() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, report) = whole(runs.path());
    for after in [0, 1, 7, 14] {
        let folder = folder(runs.path());
        let interrupted = Made { interrupts_after: Some(after), ..Made::new("random") };
        let first = run(&folder, &interrupted, &Made::new("trained")).unwrap();
        assert_eq!((first.stop, first.draws.len()), (StopReason::Interrupted, after as usize));
        let random = Made::new("random");
        let second = run(&folder, &random, &Made::new("trained")).unwrap();
        assert_eq!(random.scored.load(Relaxed), 15 - after);
        assert_eq!(second, report);
        same_files(&folder, &expected);
    }
}

#[test]
fn every_cut_of_the_journal_is_resumed_to_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, _) = whole(runs.path());
    let journal = read(&expected, "scores.jsonl");
    let first_line = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (first_line..journal.len()).step_by(997) {
        let folder = folder(runs.path());
        std::fs::write(folder.file("scores.jsonl"), &journal[..cut]).unwrap();
        let (folder, resumed) = ScoringJob::of_run(folder.path()).unwrap();
        assert_eq!(resumed, job());
        run(&folder, &Made::new("random"), &Made::new("trained")).unwrap();
        same_files(&folder, &expected);
    }
}

#[test]
fn a_draw_during_which_the_run_is_killed_twice_is_given_up() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, report) = whole(runs.path());
    let journal = String::from_utf8(read(&expected, "scores.jsonl")).unwrap();
    let begun = journal.match_indices("{\"event\":\"scoring\"").nth(7).unwrap().0;
    let line = begun + journal[begun..].find('\n').unwrap() + 1;
    let folder = folder(runs.path());
    std::fs::write(folder.file("scores.jsonl"), &journal[..line]).unwrap();
    let interrupting = Made { interrupts_after: Some(0), ..Made::new("random") };
    run(&folder, &interrupting, &Made::new("trained")).unwrap();
    let journal = String::from_utf8(read(&folder, "scores.jsonl")).unwrap();
    let ended = journal.find("{\"event\":\"ended\"").unwrap();
    // Without its last line, it looks as if the run had been killed for a second time.
    std::fs::write(folder.file("scores.jsonl"), &journal[..ended]).unwrap();
    let again = run(&folder, &Made::new("random"), &Made::new("trained")).unwrap();
    let failed: Vec<_> = again.draws.iter().filter(|draw| matches!(draw.outcome, Outcome::Failed { .. })).collect();
    assert!(matches!(failed[..], [draw] if (draw.draw, draw.target) == (1, 2)), "{failed:?}");
    assert!(String::from_utf8(read(&folder, "scores.csv")).unwrap().contains(",failed,"));
    let same = again.draws.iter().zip(&report.draws).filter(|(now, then)| now == then).count();
    assert_eq!(same, report.draws.len() - 1);
}

#[test]
fn a_failed_draw_is_named_and_keeps_what_was_recorded() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, _) = whole(runs.path());
    let folder = folder(runs.path());
    let failing = Made { fails_after: Some(6), ..Made::new("random") };
    let error = run(&folder, &failing, &Made::new("trained")).unwrap_err();
    assert_eq!(error.to_string(), format!("draw 1 of {} (random) could not be scored", net(2)));
    assert_eq!(String::from_utf8(read(&folder, "scores.csv")).unwrap().lines().count(), 1 + 6);
    run(&folder, &Made::new("random"), &Made::new("trained")).unwrap();
    same_files(&folder, &expected);
}

#[test]
fn a_hook_sees_every_draw_and_may_end_the_run() {
    let random = Made::new("random");
    let mut seen = Vec::new();
    let hook = |event: &ScoringEvent<'_>| {
        if let ScoringEvent::Scored { scored, done, total, .. } = event {
            seen.push((scored.draw, scored.target, *done, *total));
        }
        if seen.len() == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = ScoringRunner::new(job()).scored_by(Training::Random, &random).with_hook(hook).run().unwrap();
    assert_eq!(report.stop, StopReason::Interrupted);
    // Draw 0 of all architectures comes before draw 1 of any.
    let expected: Vec<_> = (0..5).map(|net| (0, net, net + 1, 15)).chain([(1, 0, 6, 15)]).collect();
    assert_eq!(seen, expected);
}

#[test]
fn an_architecture_that_does_not_fit_is_named_by_its_row_before_anything_is_computed() {
    let random = Made::new("random");
    let mut job = job();
    job.targets[1].net = "[C(4,3,1,1,1), C(4,9,1,0,1), SM(10)]".parse().unwrap();
    let error = ScoringRunner::new(job).scored_by(Training::Random, &random).run().unwrap_err();
    let ScoringError::Unfit { ref source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().starts_with("layer 2, `C(4,9,1,0,1)`: the kernel 9 is larger than"), "{source}");
    assert_eq!(error.to_string(), "row 0 of the replay buffer cannot be scored: [C(4,3,1,1,1), C(4,9,1,0,1), SM(10)]");
    assert_eq!(random.scored.load(Relaxed), 0);
}

#[test]
fn nothing_to_score_is_an_error() {
    let random = Made::new("random");
    let message =
        |job: ScoringJob| ScoringRunner::new(job).scored_by(Training::Random, &random).run().unwrap_err().to_string();
    assert_eq!(message(ScoringJob { draws: 0, ..job() }), "nothing to score: 0 draws; use at least 1");
    assert_eq!(
        message(ScoringJob { draws: u32::MAX, ..job() }),
        "nothing to score: more than 1,000,000 draws of all architectures fit no run"
    );
    assert_eq!(message(ScoringJob { targets: vec![], ..job() }), "nothing to score: there is no architecture");
    let error = ScoringRunner::new(job()).run().unwrap_err().to_string();
    assert_eq!(error, "nothing to score: there is no scorer");
}

#[test]
fn a_journal_of_another_scoring_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, _) = whole(runs.path());
    let error = run(&folder, &Made::new("other"), &Made::new("trained")).unwrap_err();
    assert!(matches!(error, ScoringError::OtherEvaluation(_)), "{error}");
    let (random, trained) = (Made::new("random"), Made::new("trained"));
    let again = |job: ScoringJob| {
        let runner = ScoringRunner::new(job).scored_by(Training::Random, &random).scored_by(Training::Full, &trained);
        runner.in_folder(folder.clone()).run().unwrap_err()
    };
    assert!(matches!(again(ScoringJob { draws: 4, ..job() }), ScoringError::Diverged { .. }));
    let path = folder.file("scores.jsonl");
    let journal = of_format_1(&String::from_utf8(read(&folder, "scores.jsonl")).unwrap());
    // A draw recorded twice, and a draw with another seed.
    let line = journal.lines().nth(2).unwrap();
    for more in [line.to_owned(), line.replace("\"draw\":0,\"seed\":9", "\"draw\":0,\"seed\":8")] {
        std::fs::write(&path, format!("{journal}{more}\n")).unwrap();
        let error = again(job());
        assert!(matches!(error, ScoringError::Diverged { .. }), "{error}");
    }
}

#[test]
fn a_folder_of_another_job_is_no_scoring_run() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let error = ScoringJob::of_run(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("is not the folder of a run: it has no scores.jsonl"), "{error}");
}

#[test]
fn deep_priors_under_draw_0_have_the_reward_of_the_search() {
    let scorer = evaluator(&Toy::default(), config());
    let net: Net = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]".parse().unwrap();
    let job = ScoringJob {
        targets: vec![Target::given(net.clone())],
        seed: config().weight_seed,
        draws: 3,
        weights: WeightDraw::PerSearch,
    };
    let report = ScoringRunner::new(job).scored_by(Training::Random, &scorer).run().unwrap();
    assert_eq!(report.draws[0].outcome, scorer.score(&net).unwrap());
    assert!(report.draws[1].outcome != report.draws[0].outcome && report.draws[2].outcome != report.draws[1].outcome);
}
