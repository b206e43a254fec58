//! Continuing an earlier run from its CSV files.

use dpnas::search::{ImageShape, Place, Search, SearchSettings, Seed, Space, SpaceSettings};
use dpnas::{
    Candidate, EarlierRun, Evaluate, EvaluateError, Metrics, Outcome, Report, RunError, RunFolder, Runner, StopReason,
};
use std::path::{Path, PathBuf};

/// Scores by a hash of the text. Some architectures are rejected, none is out of memory.
struct ByText;

impl Evaluate for ByText {
    fn identity(&self) -> String {
        "by text".into()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        let text = candidate.net.to_string();
        let sum = text.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) >> 8;
        if sum.is_multiple_of(7) {
            return Ok(Outcome::Rejected { reason: "a multiple of seven".into() });
        }
        let reward = f64::from(sum % 97) / 96.0;
        Ok(Outcome::Scored(Metrics {
            reward,
            train_flag: true,
            valid_accuracy: vec![reward / 2.0, reward],
            train_accuracy: vec![0.5, 0.75],
            test_accuracy: reward,
            test_accuracies: Vec::new(),
        }))
    }
}

fn space() -> Space {
    SpaceSettings::small().check(ImageShape::square(1, 8), 10).unwrap()
}

fn settings() -> SearchSettings {
    SearchSettings { schedule: "1.0:12,0.3:10,0.0:3".parse().unwrap(), ..SearchSettings::paper() }
}

fn search() -> Search {
    Search::new(space(), settings(), Seed(1)).unwrap()
}

fn folder(runs: &Path) -> RunFolder {
    RunFolder::create(runs, "search", "seed = 1\n").unwrap()
}

fn file(folder: &RunFolder, name: &str) -> String {
    std::fs::read_to_string(folder.file(name)).unwrap()
}

/// A run with a limit of evaluations, and the place where it stopped.
fn cut(runs: &Path, limit: u64) -> (RunFolder, Place) {
    let folder = folder(runs);
    let report = Runner::new(search(), ByText).in_folder(folder.clone()).with_limit(limit).run().unwrap();
    let counted = report.progress.counted as u32;
    let place = match counted {
        0..12 => Place { epsilon: 1.0, position: counted },
        12..22 => Place { epsilon: 0.3, position: counted - 12 },
        _ => Place { epsilon: 0.0, position: counted - 22 },
    };
    (folder, place)
}

fn earlier(files: &RunFolder, place: Place) -> EarlierRun {
    EarlierRun::read(&files.file("replay_buffer.csv"), &files.file("q_values.csv"), place, &space()).unwrap()
}

fn go_on(earlier: EarlierRun, folder: &RunFolder, limit: u64) -> Result<Report, RunError> {
    let search = earlier.search(space(), settings(), Seed(1)).unwrap();
    Runner::new(search, ByText).continuing(earlier).in_folder(folder.clone()).with_limit(limit).run()
}

#[test]
fn a_run_that_is_continued_from_its_csv_files_ends_with_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let whole = folder(runs.path());
    let expected = Runner::new(search(), ByText).in_folder(whole.clone()).run().unwrap();
    for limit in [0, 1, 7, 13, 19] {
        let (first, place) = cut(runs.path(), limit);
        let second = folder(runs.path());
        let report = go_on(earlier(&first, place), &second, u64::MAX).unwrap();
        assert_eq!((&report.stop, report.resumed), (&StopReason::Completed, 0));
        // Compare without accuracies: the file has only six decimals of them.
        let facts = |report: &Report| -> Vec<(f64, String, f64)> {
            report.rows.iter().map(|row| (row.epsilon, row.net.clone(), row.reward())).collect()
        };
        assert_eq!((facts(&report), report.progress), (facts(&expected), expected.progress));
        let rewards = |report: &[dpnas::Trial]| -> Vec<f64> { report.iter().map(|one| one.metrics.reward).collect() };
        assert_eq!(rewards(&report.best), rewards(&expected.best));
        for name in ["replay_buffer.csv", "q_values.csv", "rewards.svg"] {
            let title = |text: String| text.lines().filter(|line| !line.contains("-search-")).collect::<String>();
            assert!(title(file(&second, name)) == title(file(&whole, name)), "{name} after {limit}");
        }
    }
}

#[test]
fn a_continued_run_is_resumed_from_its_folder_alone() {
    let runs = tempfile::tempdir().unwrap();
    let (first, place) = cut(runs.path(), 6);
    let whole = folder(runs.path());
    go_on(earlier(&first, place), &whole, u64::MAX).unwrap();
    let second = folder(runs.path());
    go_on(earlier(&first, place), &second, 3).unwrap();
    std::fs::remove_dir_all(first.path()).unwrap();
    for limit in [2, u64::MAX] {
        let again = EarlierRun::in_folder(&second, place, &space()).unwrap();
        go_on(again, &second, limit).unwrap();
    }
    for name in ["replay_buffer.csv", "q_values.csv"] {
        assert!(file(&second, name) == file(&whole, name), "{name}");
    }
}

#[test]
fn rows_of_an_earlier_run_stand_in_the_new_file_as_they_stood() {
    let runs = tempfile::tempdir().unwrap();
    let (first, place) = cut(runs.path(), 8);
    // Forms of other programs: more digits, a whole number for ε, other spaces.
    let text = file(&first, "replay_buffer.csv")
        .replace(", 75.0]\"", ",75.00000000000003]\"")
        .replace(",1.0,\"[C", ",1,\"[ C");
    assert!(text.contains("75.00000000000003"));
    std::fs::write(first.file("replay_buffer.csv"), &text).unwrap();
    let second = folder(runs.path());
    let report = go_on(earlier(&first, place), &second, u64::MAX).unwrap();
    let continued = file(&second, "replay_buffer.csv");
    assert!(continued.starts_with(&text), "{continued}");
    assert!(continued.lines().count() > text.lines().count());
    assert_eq!(file(&second, "continued_replay_buffer.csv"), text);
    assert!(
        report.best.iter().any(|scored| scored.id.is_none()) && report.best.iter().any(|scored| scored.id.is_some())
    );
}

#[test]
fn a_repetition_of_an_earlier_architecture_has_what_was_told_of_it() {
    let runs = tempfile::tempdir().unwrap();
    let (first, place) = cut(runs.path(), 12);
    let second = folder(runs.path());
    let report = go_on(earlier(&first, place), &second, u64::MAX).unwrap();
    let text = file(&second, "replay_buffer.csv");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let known = file(&first, "replay_buffer.csv").lines().count() - 1;
    let rest = |line: &str| line.split_once(",\"").map(|(_, rest)| rest.to_owned());
    let repeated = (known..lines.len()).filter(|&row| lines[..known].iter().any(|line| rest(line) == rest(lines[row])));
    assert!(repeated.count() > 0, "{text}");
    assert_eq!(report.rows.len(), lines.len());
}

#[test]
fn a_changed_copy_and_a_missing_run_are_refused() {
    let runs = tempfile::tempdir().unwrap();
    let (first, place) = cut(runs.path(), 6);
    let second = folder(runs.path());
    go_on(earlier(&first, place), &second, 2).unwrap();

    let without = Runner::new(search(), ByText).in_folder(second.clone()).run().unwrap_err();
    assert_eq!(
        without.to_string(),
        format!(
            "the journal does not follow from the settings: it has an earlier run up to ε = 1.0, position {}, the search \
             gives no earlier run. Were the settings changed, or the journal edited? Restore them, or begin a new run",
            place.position
        )
    );
    let moved = Place { position: place.position - 1, ..place };
    let other = EarlierRun::in_folder(&second, moved, &space()).unwrap();
    assert!(matches!(go_on(other, &second, 1), Err(RunError::Diverged { .. })));
    let search = earlier(&first, place).search(space(), settings(), Seed(1)).unwrap();
    let message = Runner::new(search, ByText).run().unwrap_err().to_string();
    assert!(
        message.ends_with(
            "and the runner was given 0; make the search with `EarlierRun::search` and give the same run \
         to `Runner::continuing`"
        ),
        "{message}"
    );

    let copy: PathBuf = second.file("continued_q_values.csv");
    std::fs::write(&copy, std::fs::read_to_string(&copy).unwrap() + "\n").unwrap();
    let changed = EarlierRun::in_folder(&second, place, &space()).unwrap();
    let message = go_on(changed, &second, 1).unwrap_err().to_string();
    assert!(
        message.starts_with("continued_q_values.csv is not the file with which this run was begun: its SHA-256 is "),
        "{message}"
    );
}

#[test]
fn an_earlier_run_that_does_not_fit_is_refused_with_row_and_reason() {
    let runs = tempfile::tempdir().unwrap();
    let (first, place) = cut(runs.path(), 6);
    let paper = SpaceSettings::paper().check(ImageShape::square(1, 28), 10).unwrap();
    let files = [first.file("replay_buffer.csv"), first.file("q_values.csv")];
    let error = EarlierRun::read(&files[0], &files[1], place, &paper).unwrap_err();
    assert!(error.to_string().contains("row 0: this space has no step from (start, depth 0, map 8x8)"), "{error}");

    let text = file(&first, "replay_buffer.csv");
    std::fs::write(&files[0], text.replacen("[C(", "[X(", 1)).unwrap();
    let error = EarlierRun::read(&files[0], &files[1], place, &space()).unwrap_err();
    assert_eq!(
        format!("{error}: {}", std::error::Error::source(&error).unwrap()).lines().next().unwrap(),
        format!(
            "{}, row 0, column `net`: not an architecture: line 1, column 2: unknown layer `X`; expected `C`, `P`, `FC` \
             or `SM`",
            files[0].display()
        )
    );
    let error = EarlierRun::read(&runs.path().join("none.csv"), &files[1], place, &space()).unwrap_err();
    assert!(error.to_string().ends_with("none.csv cannot be read as CSV"), "{error}");
}
