//! Searches that go on from the CSV files of an earlier run.

use crate::{TINY, folder_of, replay_buffer, search, stderr, tiny};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The flags of a search that continues a run.
fn flags(replay_buffer: &Path, q_values: &Path, epsilon: &str, position: usize) -> Vec<String> {
    let [replay_buffer, q_values] = [replay_buffer, q_values].map(|path| path.display().to_string());
    let position = position.to_string();
    [
        "--continue-search",
        "--replay-buffer-csv-path",
        &replay_buffer,
        "--q-values-csv-path",
        &q_values,
        "--continue-epsilon",
        epsilon,
        "--continue-ite",
        &position,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn go_on(runs: &Path, flags: &[String], more: &[&str]) -> Output {
    let command = &mut search();
    command.args(TINY).arg("--runs").arg(runs).args(["--cache", "off", "--json"]).args(flags).args(more);
    command.output().unwrap()
}

/// Rows of a replay buffer that count.
fn counted(folder: &Path) -> usize {
    let text = replay_buffer(folder);
    text.lines().skip(1).filter(|line| !line.contains(",False,0.0,")).count()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/csv").join(name)
}

#[test]
fn a_search_with_a_limit_is_continued_from_its_csv_files_to_the_same_end() {
    let runs = tempfile::tempdir().unwrap();
    let whole = tiny(runs.path(), &[]);
    let first = tiny(runs.path(), &["--limit", "3"]);
    let flags = flags(&first.join("replay_buffer.csv"), &first.join("q_values.csv"), "1.0", counted(&first));
    let output = go_on(runs.path(), &flags, &["--limit", "2"]);
    let second = folder_of(&output);
    let rows = replay_buffer(&first).lines().count() - 1;
    let note = format!("continues {rows} rows of an earlier run at {}/10 architectures", counted(&first));
    assert!(stderr(&output).contains(&note), "{}", stderr(&output));
    assert!(!stderr(&output).contains("note:"), "{}", stderr(&output));
    // The new run owns what it continues: the old one may go.
    std::fs::remove_dir_all(&first).unwrap();
    let output = search().arg("--resume").arg(&second).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("Search complete") && text.contains("of them by the earlier run"), "{text}");
    for name in ["replay_buffer.csv", "q_values.csv"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(read(&second) == read(&whole), "{name} differs");
    }
}

#[test]
fn a_run_of_the_published_program_is_continued_and_drawn() {
    let runs = tempfile::tempdir().unwrap();
    let files = ["published_replay_buffer.csv", "published_q_values.csv"].map(fixture);
    let published = std::fs::read_to_string(&files[0]).unwrap();
    // At ε = 0 the best known architectures are drawn again: nothing has to be scored.
    let flags = flags(&files[0], &files[1], "0.0", 1);
    let output =
        go_on(runs.path(), &flags, &["--space", "reference-code", "--schedule", "0.9:10,0.0:3", "--limit", "1"]);
    let folder = folder_of(&output);
    assert!(
        stderr(&output).contains("has 0 rows at epsilon 0.0 that count, and continue-ite is 1, which decides"),
        "{}",
        stderr(&output)
    );
    let continued = replay_buffer(&folder);
    assert!(continued.starts_with(&published), "{continued}");
    assert_eq!(std::fs::read_to_string(folder.join("continued_replay_buffer.csv")).unwrap(), published);
    assert!(folder.join("rewards.png").exists());

    let picture = runs.path().join("picture").display().to_string();
    let plot = Command::new(env!("CARGO_BIN_EXE_plot")).arg(&files[0]).args(["--output", &picture]).output().unwrap();
    assert!(plot.status.success(), "{}", stderr(&plot));
    assert!(std::fs::read_to_string(format!("{picture}.svg")).unwrap().contains("<svg"));
}

/// The message of a search that continues changed copies of the published files; nothing may be left behind.
fn refusal(change: impl FnOnce(&mut String, &mut String), epsilon: &str, position: usize, more: &[&str]) -> String {
    let (files, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [replay_buffer, q_values] = ["replay_buffer.csv", "q_values.csv"].map(|name| files.path().join(name));
    let mut texts = ["published_replay_buffer.csv", "published_q_values.csv"]
        .map(|name| std::fs::read_to_string(fixture(name)).unwrap());
    let [rows, values] = &mut texts;
    change(rows, values);
    std::fs::write(&replay_buffer, &texts[0]).unwrap();
    std::fs::write(&q_values, &texts[1]).unwrap();
    let flags = flags(&replay_buffer, &q_values, epsilon, position);
    let space = ["--space", "reference-code", "--schedule", "paper"];
    let output = go_on(runs.path(), &flags, &[&space[..], more].concat());
    assert!(!output.status.success() && output.stdout.is_empty(), "it was taken");
    assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0, "a run was left behind");
    stderr(&output).replace(&files.path().display().to_string(), "FILES")
}

#[test]
fn a_missing_column_is_named() {
    assert_eq!(
        refusal(|rows, _| *rows = rows.replacen(",reward,", ",score,", 1), "0.9", 10, &[]),
        "error: FILES/replay_buffer.csv has no column `reward`; it has: epsilon, net, train_flag, score, acc_best_val, \
         acc_val_all_epochs, acc_train_all_epochs, acc_test_last\n"
    );
    let message = refusal(|_, values| *values = values.replacen(",utility\n", ",value\n", 1), "0.9", 10, &[]);
    assert!(
        message.starts_with("error: FILES/q_values.csv has no column `utility`; it has: start_layer_type"),
        "{message}"
    );
}

#[test]
fn a_broken_list_and_an_empty_cell_are_named_with_row_and_column() {
    let message = refusal(|rows, _| *rows = rows.replacen("]\",\"[", ", nan]\",\"[", 1), "0.9", 10, &[]);
    assert!(message.starts_with("error: FILES/replay_buffer.csv, row "), "{message}");
    assert!(message.contains("column `acc_val_all_epochs`: `["), "{message}");
    assert!(message.ends_with(", nan]` is not a list of percentages such as [71.2, 74.5]\n"), "{message}");
    let message = refusal(|_, values| *values = values.replacen("start,0,0,0", "start,0,,0", 1), "0.9", 10, &[]);
    assert_eq!(
        message,
        "error: FILES/q_values.csv, row 0, column `start_filter_depth`: `` is not a whole number from 0 on\n"
    );
}

#[test]
fn a_place_that_the_schedule_does_not_have_is_named() {
    let message = refusal(|_, _| {}, "0.95", 10, &[]);
    assert!(message.starts_with("error: "), "{message}");
    assert!(
        message.ends_with("has no epsilon 0.95; give one that it has, or the schedule of the earlier run\n"),
        "{message}"
    );
    let message = refusal(|_, _| {}, "0.9", 101, &[]);
    assert!(
        message.ends_with("error: position 101 is past the 100 architectures of epsilon 0.9; give at most 100\n"),
        "{message}"
    );
}

#[test]
fn a_net_that_does_not_fit_the_space_is_named() {
    let message = refusal(|rows, _| *rows = rows.replacen("C(1024,7,1,3,1)", "C(1024,7,2,3,1)", 1), "0.9", 10, &[]);
    assert!(
        message.contains(
            "does not fit the space; continue with the space and the images of the earlier run (the published program's \
             space is `reference-code`): layer 1, `C(1024,7,2,3,1)`, is not an action of this space after: start"
        ),
        "{message}"
    );
    let message = refusal(|_, _| {}, "0.9", 10, &["--patch-size", "12"]);
    assert!(
        message.contains("FILES/q_values.csv, row 0: this space has no step from (start, depth 0, map 8x8)"),
        "{message}"
    );
}

#[test]
fn options_of_continuing_go_together_and_a_missing_one_is_named() {
    let message = |arguments: &[&str]| {
        let runs = tempfile::tempdir().unwrap();
        let output = search().args(arguments).arg("--runs").arg(runs.path()).output().unwrap();
        assert!(!output.status.success());
        stderr(&output)
    };
    assert_eq!(
        message(&["--continue-search", "--q-values-csv-path", "q.csv", "--continue-ite", "3"]),
        "error: --continue-search lacks --replay-buffer-csv-path, --continue-epsilon; give both files and the place in the \
         schedule\n"
    );
    assert_eq!(
        message(&["--continue-epsilon", "0.5"]),
        "error: --continue-epsilon is for a search that continues an earlier run; add --continue-search\n"
    );
}
