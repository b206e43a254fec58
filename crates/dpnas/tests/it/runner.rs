//! Running, recording and resuming a search.

use crate::engine::{Toy, config, evaluator};
use crate::journal::of_format_1;
use dpnas::search::{Evolution, ImageShape, Search, SearchSettings, Seed, SpaceSettings};
use dpnas::{
    Candidate, Evaluate, EvaluateError, Metrics, Outcome, Report, RunError, RunEvent, RunFolder, Runner, StopReason,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn search(seed: u64) -> Search {
    let space = SpaceSettings::small().check(ImageShape::square(1, 8), 4).unwrap();
    let settings = SearchSettings { schedule: "1.0:12,0.3:10,0.0:3".parse().unwrap(), ..SearchSettings::paper() };
    Search::new(space, settings, Seed(seed)).unwrap()
}

/// Scores by the length of the text. Some architectures are rejected, out of memory, or fail.
#[derive(Clone, Copy, Default)]
struct ByLength {
    fails_at: Option<u64>,
    interrupts_at: Option<u64>,
    panics_at: Option<u64>,
}

impl Evaluate for ByLength {
    fn identity(&self) -> String {
        "by length".into()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        let net = candidate.net.to_string();
        if self.interrupts_at == Some(candidate.id.0) {
            return Err(EvaluateError::Interrupted);
        }
        if self.fails_at == Some(candidate.id.0) {
            return Err(EvaluateError::Failed { net, source: "no reason".into() });
        }
        assert_ne!(self.panics_at, Some(candidate.id.0), "the number of a candidate");
        let reward = net.len() as f64 / 120.0;
        Ok(match net.len() % 7 {
            0 => Outcome::Rejected { reason: "a multiple of seven".into() },
            1 => Outcome::OutOfMemory { reason: "one more than that".into() },
            _ => Outcome::Scored(Metrics {
                reward,
                train_flag: true,
                valid_accuracy: vec![reward; 3],
                train_accuracy: vec![0.5; 3],
                test_accuracy: reward,
                test_accuracies: Vec::new(),
            }),
        })
    }
}

fn folder(runs: &Path) -> RunFolder {
    RunFolder::create(runs, "search", "seed = 1\n").unwrap()
}

fn file(folder: &RunFolder, name: &str) -> String {
    std::fs::read_to_string(folder.file(name)).unwrap()
}

/// A complete run in a folder.
fn whole(runs: &Path) -> (RunFolder, Report) {
    let folder = folder(runs);
    let report = Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).run().unwrap();
    assert_eq!(report.stop, StopReason::Completed);
    (folder, report)
}

#[test]
fn a_search_in_memory_and_in_a_folder_is_the_same() {
    let runs = tempfile::tempdir().unwrap();
    let (_, report) = whole(runs.path());
    let in_memory = Runner::new(search(1), ByLength::default()).run().unwrap();
    assert_eq!(in_memory, report);
    let origins: BTreeSet<bool> = report.rows.iter().map(|row| row.metrics.is_some()).collect();
    assert_eq!(origins.len(), 2, "some rows are scored and some rejected");
    assert!(report.best.windows(2).all(|pair| pair[0].metrics.reward >= pair[1].metrics.reward));
}

#[test]
fn a_run_ends_with_its_time_and_ends_there_again() {
    let runs = tempfile::tempdir().unwrap();
    let (whole, _) = whole(runs.path());
    assert!(!file(&whole, "journal.jsonl").contains("seconds"), "only a limit needs them");
    let folder = folder(runs.path());
    let run = |time: Duration| {
        Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).with_time(time).run().unwrap()
    };
    // Any evaluation takes longer.
    let first = run(Duration::from_nanos(1));
    assert_eq!((&first.stop, first.evaluated), (&StopReason::TimeIsOver, 1));
    let journal = file(&folder, "journal.jsonl");
    let again = run(Duration::from_nanos(1));
    assert_eq!((&again.stop, again.evaluated, &again.rows), (&StopReason::TimeIsOver, 0, &first.rows));
    // What a journal says decides, whatever this machine takes.
    let journal = of_format_1(&journal);
    let start = journal.find("\"seconds\":").unwrap() + 10;
    let end = start + journal[start..].find(',').unwrap();
    let slow = format!("{}3600.5{}", &journal[..start], &journal[end..]);
    std::fs::write(folder.file("journal.jsonl"), slow).unwrap();
    assert_eq!(run(Duration::from_secs(3600)).evaluated, 0);
    let last = run(Duration::from_secs(36_000));
    assert_eq!(last.stop, StopReason::Completed);
    assert_eq!(file(&folder, "replay_buffer.csv"), file(&whole, "replay_buffer.csv"));
}

#[test]
fn a_run_that_ends_anywhere_is_resumed_to_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, report) = whole(runs.path());
    for limit in [0, 1, 5, 11] {
        for interrupts_at in [None, Some(3), Some(8)] {
            let folder = folder(runs.path());
            let evaluator = ByLength { interrupts_at, ..ByLength::default() };
            let first = Runner::new(search(1), evaluator).in_folder(folder.clone()).with_limit(limit).run().unwrap();
            assert!(matches!(first.stop, StopReason::LimitReached | StopReason::Interrupted), "{:?}", first.stop);
            let second = Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).run().unwrap();
            assert_eq!((&second.rows, &second.best), (&report.rows, &report.best));
            for name in ["replay_buffer.csv", "q_values.csv"] {
                assert!(file(&folder, name) == file(&expected, name), "{name} after {limit}, {interrupts_at:?}");
            }
        }
    }
}

#[test]
fn every_cut_of_the_journal_is_resumed_to_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, _) = whole(runs.path());
    let journal = file(&expected, "journal.jsonl");
    let first_line = journal.find('\n').unwrap() + 1;
    for cut in (first_line..journal.len()).step_by(701) {
        let folder = folder(runs.path());
        std::fs::write(folder.file("journal.jsonl"), &journal[..cut]).unwrap();
        Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).run().unwrap();
        assert!(file(&folder, "replay_buffer.csv") == file(&expected, "replay_buffer.csv"), "cut at {cut}");
    }
}

#[test]
fn a_candidate_during_which_the_run_is_killed_twice_is_given_up() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, _) = whole(runs.path());
    let lines: Vec<String> = file(&expected, "journal.jsonl").lines().map(|line| line.to_owned() + "\n").collect();
    let asked = lines.iter().position(|line| line.starts_with("{\"event\":\"asked\",\"id\":5,")).unwrap();
    let folder = folder(runs.path());
    // What a killed process leaves: the candidate is asked for, and nothing follows.
    std::fs::write(folder.file("journal.jsonl"), lines[..=asked].concat()).unwrap();
    let resume = |limit| {
        let runner = Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).with_limit(limit);
        runner.run().unwrap();
        file(&folder, "journal.jsonl")
    };
    let begun_again = resume(1);
    let again = begun_again.lines().nth(asked + 1).unwrap();
    assert!(again.starts_with("{\"event\":\"again\",\"id\":5,\"kept\":0,"), "{again}");
    let twice: String = begun_again.lines().take(asked + 2).map(|line| line.to_owned() + "\n").collect();
    std::fs::write(folder.file("journal.jsonl"), &twice).unwrap();
    let given_up = resume(1);
    let told = given_up.lines().nth(asked + 2).unwrap();
    assert!(told.contains("\"id\":5,\"outcome\":\"failed\",\"reason\":\"the process was killed twice"), "{told}");
    // The search goes on, and a later repetition has the same outcome.
    resume(u64::MAX);
    let rows = file(&folder, "replay_buffer.csv");
    assert!(!rows.contains(lines[asked].split('"').nth(11).unwrap()), "it is no row of the replay buffer");
    resume(u64::MAX);
    assert_eq!(file(&folder, "replay_buffer.csv"), rows);
    // A run that ended in an orderly way was not killed, however often.
    std::fs::write(folder.file("journal.jsonl"), &twice).unwrap();
    let interrupting = || ByLength { interrupts_at: Some(5), ..ByLength::default() };
    std::fs::write(folder.file("journal.jsonl"), lines[..=asked].concat()).unwrap();
    for _ in 0..3 {
        let report = Runner::new(search(1), interrupting()).in_folder(folder.clone()).run().unwrap();
        assert_eq!(report.stop, StopReason::Interrupted);
    }
    let failing = || ByLength { fails_at: Some(5), ..ByLength::default() };
    for _ in 0..3 {
        assert!(matches!(
            Runner::new(search(1), failing()).in_folder(folder.clone()).run(),
            Err(RunError::Evaluate(EvaluateError::Failed { .. }))
        ));
    }
    resume(u64::MAX);
    assert_eq!(file(&folder, "replay_buffer.csv"), file(&expected, "replay_buffer.csv"));
}

#[test]
fn an_evaluator_that_panics_costs_its_candidate() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let panicking = || ByLength { panics_at: Some(3), ..ByLength::default() };
    let report = Runner::new(search(1), panicking()).in_folder(folder.clone()).run().unwrap();
    assert_eq!(report.stop, StopReason::Completed);
    let journal = file(&folder, "journal.jsonl");
    let told = journal.lines().find(|line| line.starts_with("{\"event\":\"told\",\"id\":3,")).unwrap();
    assert!(told.contains("\"outcome\":\"failed\",\"reason\":\"the evaluation panicked: "), "{told}");
    assert!(told.contains("the number of a candidate"), "{told}");
    let rows = file(&folder, "replay_buffer.csv");
    let again = Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).run().unwrap();
    assert_eq!((again.evaluated, file(&folder, "replay_buffer.csv")), (0, rows));
}

/// A search with a strategy, and a rung before its evaluator.
fn climbing<'a>() -> Runner<'a, ByLength> {
    let space = SpaceSettings::small().check(ImageShape::square(1, 8), 4).unwrap();
    let settings = SearchSettings { schedule: "1.0:12,0.0:20".parse().unwrap(), ..SearchSettings::paper() };
    let search = Search::with_strategy(space, settings, Arc::new(Evolution::default()), Seed(1)).unwrap();
    Runner::new(search, ByLength::default()).with_rung(ByLength::default())
}

#[test]
fn a_run_with_rungs_is_resumed_from_every_cut_of_its_journal() {
    let runs = tempfile::tempdir().unwrap();
    let expected = folder(runs.path());
    let report = climbing().in_folder(expected.clone()).run().unwrap();
    assert_eq!(report.stop, StopReason::Completed);
    let journal = file(&expected, "journal.jsonl");
    let count = |text: &str| journal.matches(text).count();
    let [scores, rewards] = ["\"rung\"", "\"scored\""].map(count);
    assert_eq!(report.rungs, [scores]);
    assert!(rewards > 3 && scores > rewards, "{scores} {rewards}");
    assert_eq!((report.best.len(), report.progress.counted), (rewards, 32));
    assert_eq!(climbing().run().unwrap(), report, "in memory");
    for cut in (journal.find('\n').unwrap() + 1..journal.len()).step_by(211) {
        let folder = folder(runs.path());
        std::fs::write(folder.file("journal.jsonl"), &journal[..cut]).unwrap();
        let resumed = climbing().in_folder(folder.clone()).run().unwrap();
        assert_eq!((&resumed.rows, &resumed.rungs), (&report.rows, &report.rungs), "cut at {cut}");
        assert!(file(&folder, "replay_buffer.csv") == file(&expected, "replay_buffer.csv"), "cut at {cut}");
    }
    let error = climbing().with_rung(ByLength::default()).in_folder(expected).run().unwrap_err();
    assert!(matches!(error, RunError::OtherEvaluation(_)), "{error}");
    let error = Runner::new(search(1), ByLength::default()).with_rung(ByLength::default()).run().unwrap_err();
    assert!(error.to_string().contains("Q-learning has no rungs"), "{error}");
}

#[test]
fn a_rung_ends_a_run_with_its_time_and_a_hook_interrupts_it() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let broken = climbing().with_hook(|event| match event {
        RunEvent::Rung { goes_on: false, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let broken = broken.in_folder(folder.clone()).with_time(Duration::from_secs(3600)).run().unwrap();
    assert_eq!(broken.stop, StopReason::Interrupted);
    // What a journal says decides, whatever this machine takes.
    let journal = of_format_1(&file(&folder, "journal.jsonl"));
    let start = journal.rfind("\"seconds\":").unwrap() + 10;
    let end = start + journal[start..].find('}').unwrap();
    std::fs::write(folder.file("journal.jsonl"), format!("{}3600.5{}", &journal[..start], &journal[end..])).unwrap();
    let again = climbing().in_folder(folder).with_time(Duration::from_secs(3600)).run().unwrap();
    assert_eq!((again.stop, again.evaluated, again.rungs), (StopReason::TimeIsOver, 0, broken.rungs));
}

#[test]
fn the_folder_is_up_to_date_after_each_outcome() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let seen = folder.clone();
    let mut lines = Vec::new();
    let hook = |event: &RunEvent<'_>| {
        if let RunEvent::Told { .. } = event {
            lines
                .push((file(&seen, "journal.jsonl").lines().count(), file(&seen, "replay_buffer.csv").lines().count()));
        }
        ControlFlow::Continue(())
    };
    Runner::new(search(1), ByLength::default()).in_folder(folder).with_hook(hook).run().unwrap();
    assert!(lines.windows(2).all(|pair| pair[1].0 == pair[0].0 + 2), "two journal lines an outcome: {lines:?}");
    assert!(lines.last().unwrap().1 > 10);
}

#[test]
fn a_hook_gets_the_run_so_far_at_the_start_of_each_sitting() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let sitting = |limit| {
        let mut seen = Vec::new();
        let hook = |event: &RunEvent<'_>| {
            if let RunEvent::SoFar { rows, best, progress, .. } = event {
                seen.push((rows.len(), best.len(), progress.counted));
            }
            ControlFlow::Continue(())
        };
        let runner = Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).with_hook(hook);
        let report = runner.with_limit(limit).run().unwrap();
        (seen[0], (report.rows.len(), report.best.len(), report.progress.counted))
    };
    let (start, end) = sitting(5);
    assert_eq!(start, (0, 0, 0));
    assert_eq!(sitting(1).0, end);
    let hook = |event: &RunEvent<'_>| match event {
        RunEvent::SoFar { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let report = Runner::new(search(1), ByLength::default()).with_hook(hook).run().unwrap();
    assert_eq!((report.stop, report.evaluated), (StopReason::Interrupted, 0));
}

#[test]
fn a_failed_evaluation_keeps_what_was_recorded() {
    let runs = tempfile::tempdir().unwrap();
    let (expected, _) = whole(runs.path());
    let folder = folder(runs.path());
    let evaluator = ByLength { fails_at: Some(6), ..ByLength::default() };
    let error = Runner::new(search(1), evaluator).in_folder(folder.clone()).run().unwrap_err();
    assert!(error.to_string().starts_with("candidate [C("), "{error}");
    assert!(file(&folder, "replay_buffer.csv").lines().count() > 2);
    Runner::new(search(1), ByLength::default()).in_folder(folder.clone()).run().unwrap();
    assert!(file(&folder, "replay_buffer.csv") == file(&expected, "replay_buffer.csv"));
}

#[test]
fn a_journal_of_other_settings_or_evaluation_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, _) = whole(runs.path());
    let other_seed = Runner::new(search(2), ByLength::default()).in_folder(folder.clone()).run().unwrap_err();
    assert!(matches!(other_seed, RunError::Diverged { .. }), "{other_seed}");
    let space = SpaceSettings::paper().check(ImageShape::square(1, 28), 4).unwrap();
    let other_space = Search::new(space, SearchSettings::paper(), Seed(1)).unwrap();
    let error = Runner::new(other_space, ByLength::default()).in_folder(folder.clone()).run().unwrap_err();
    assert!(
        error.to_string().starts_with("the journal does not follow from the settings: it has candidate 0"),
        "{error}"
    );
    let evaluator = evaluator(&Toy::default(), config());
    let error = Runner::new(search(1), evaluator).in_folder(folder).run().unwrap_err();
    assert!(matches!(error, RunError::OtherEvaluation(_)), "{error}");
}

#[test]
fn two_runners_cannot_write_to_one_folder() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let mut second = None;
    let again = folder.clone();
    let hook = |event: &RunEvent<'_>| {
        if let (RunEvent::Told { .. }, None) = (event, &second) {
            second = Some(Runner::new(search(1), ByLength::default()).in_folder(again.clone()).run());
        }
        ControlFlow::Continue(())
    };
    Runner::new(search(1), ByLength::default()).in_folder(folder).with_hook(hook).run().unwrap();
    let error = second.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("another process is writing to"), "{error}");
}

#[test]
fn a_search_of_deep_priors_finds_rewards_above_chance() {
    let report = Runner::new(search(1), evaluator(&Toy::default(), config())).run().unwrap();
    assert!(report.best[0].metrics.reward > 0.4, "{:?}", report.best[0]);
    assert_eq!(report.rows.iter().filter(|row| row.reward() > 0.0).count() as u64, report.progress.total);
}

/// Returns the same outcome for every candidate.
struct Same(Outcome);

impl Evaluate for Same {
    fn identity(&self) -> String {
        "same".into()
    }

    fn evaluate(&mut self, _: &Candidate) -> Result<Outcome, EvaluateError> {
        Ok(self.0.clone())
    }
}

#[test]
fn a_search_in_which_nothing_counts_ends_and_says_so() {
    let runs = tempfile::tempdir().unwrap();
    for outcome in [Outcome::scored(0.0), Outcome::Rejected { reason: "never".into() }] {
        let folder = folder(runs.path());
        let run = |limit: u64| {
            Runner::new(search(1), Same(outcome.clone())).in_folder(folder.clone()).with_max_fruitless(limit).run()
        };
        let report = run(7).unwrap();
        assert_eq!((report.stop.clone(), report.evaluated), (StopReason::Fruitless { evaluations: 7 }, 7));
        assert_eq!(report.stop.to_string(), "fruitless: none of the last 7 evaluations counts");
        // Evaluations before a resume are included. A higher limit continues the run.
        assert_eq!(run(7).unwrap().evaluated, 0);
        assert_eq!(run(9).unwrap().evaluated, 2);
    }
    let report = Runner::new(search(1), Same(Outcome::scored(0.5))).with_max_fruitless(1).run().unwrap();
    assert_eq!(report.stop, StopReason::Completed);
}

#[test]
fn an_outcome_out_of_range_is_refused_before_it_is_recorded() {
    let runs = tempfile::tempdir().unwrap();
    let metrics = Metrics::reward(0.5);
    let wrong = [
        ("reward of 1.2", Metrics::reward(1.2)),
        ("reward of -0.1", Metrics::reward(-0.1)),
        ("reward of NaN", Metrics::reward(f64::NAN)),
        ("validation accuracy of inf", Metrics { valid_accuracy: vec![0.5, f64::INFINITY], ..metrics.clone() }),
        ("training accuracy of 2", Metrics { train_accuracy: vec![2.0], ..metrics.clone() }),
        ("test accuracy of NaN", Metrics { test_accuracy: f64::NAN, ..metrics.clone() }),
        ("test accuracy of -1", Metrics { test_accuracies: vec![-1.0], ..metrics }),
    ];
    for (what, metrics) in wrong {
        let folder = folder(runs.path());
        let error = Runner::new(search(1), Same(Outcome::Scored(metrics))).in_folder(folder.clone()).run().unwrap_err();
        assert!(error.to_string().contains(&format!(" a {what}, but it must lie between 0 and 1")), "{error}");
        assert!(!file(&folder, "journal.jsonl").contains("told"));
        let report = Runner::new(search(1), Same(Outcome::scored(0.5))).in_folder(folder).run().unwrap();
        assert_eq!(report.stop, StopReason::Completed, "the run goes on with a correct evaluator");
    }
}

#[test]
fn a_search_that_was_asked_before_is_refused_and_nothing_is_written() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let mut asked = search(1);
    asked.ask().unwrap();
    let error = Runner::new(asked, ByLength::default()).in_folder(folder.clone()).run().unwrap_err();
    assert!(matches!(error, RunError::NotFresh), "{error}");
    assert!(!folder.file("journal.jsonl").exists());
}

#[test]
fn a_run_moves_to_a_thread_and_an_evaluator_may_be_borrowed() {
    fn is_send<T: Send>() {}
    is_send::<Runner<'_, Box<dyn Evaluate>>>();
    is_send::<dpnas::DeepPrior>();
    is_send::<dpnas::FullTraining>();
    is_send::<dpnas::ScoringRunner<'_>>();
    let mut evaluator = ByLength::default();
    let runner = Runner::new(search(1), &mut evaluator);
    let report = std::thread::scope(|scope| scope.spawn(|| runner.run()).join().unwrap()).unwrap();
    assert_eq!(report.stop, StopReason::Completed);
}
