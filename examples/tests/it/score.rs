//! Scoring as a process: what is printed and written, what is refused, and going on after an end of any kind.

use crate::{folder_of, search, stderr, tiny, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(10)]";

/// Two draws of one architecture on 200 digits, a second long.
const QUICK: [&str; 8] = ["--draws", "2", "--epochs", "4", "--limit-train", "200", "--cache", "off"];

fn score() -> Command {
    Command::new(env!("CARGO_BIN_EXE_score"))
}

fn quick(runs: &Path, arguments: &[&str]) -> Output {
    score().args(QUICK).arg("--runs").arg(runs).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A replay buffer as the published program writes it, with these architectures and rewards.
fn buffer(folder: &Path, rows: &[(&str, f64)]) -> String {
    let mut text =
        ",epsilon,net,train_flag,reward,acc_best_val,acc_val_all_epochs,acc_train_all_epochs,acc_test_last\n"
            .to_owned();
    for (index, (net, reward)) in rows.iter().enumerate() {
        let percent = 100.0 * reward;
        text += &match *reward {
            0.0 => format!("{index},1.0,\"{net}\",False,0.0,0,[0],[0],0\n"),
            _ => format!("{index},1.0,\"{net}\",True,{reward},{percent},\"[{percent}]\",\"[{percent}]\",{percent}\n"),
        };
    }
    let path = folder.join("replay_buffer.csv");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The message about arguments that are refused; no run may be left behind.
fn refused(arguments: &[&str]) -> String {
    let runs = tempfile::tempdir().unwrap();
    let output = quick(runs.path(), arguments);
    assert!(!output.status.success(), "{arguments:?} was taken");
    assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0, "{arguments:?} left a run behind");
    stderr(&output)
}

#[test]
fn score_prints_one_json_object_with_the_promised_fields() {
    let runs = tempfile::tempdir().unwrap();
    let json = json(&quick(runs.path(), &["--net", NET, "--json"]));
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (draw, result) in results.iter().enumerate() {
        assert_eq!(result["net"], NET);
        assert_eq!(result["draw"], draw);
        assert_eq!(result["train_flag"], true);
        assert_eq!(result["val_accuracy"].as_array().unwrap().len(), 4);
        assert_eq!(result["test_accuracies"].as_array().unwrap().len(), 4);
        for accuracy in [&result["reward"], &result["test_accuracy"], &result["val_accuracy"][3]] {
            assert!((0.0..=1.0).contains(&accuracy.as_f64().unwrap()), "{json}");
        }
        assert_eq!(result["test_accuracy"], result["test_accuracies"][3]);
    }
    assert_ne!(results[0]["val_accuracy"], results[1]["val_accuracy"]);
    let summary = &json["summary"][0];
    let mean = (results[0]["reward"].as_f64().unwrap() + results[1]["reward"].as_f64().unwrap()) / 2.0;
    assert!((summary["reward"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert_eq!(summary["reward"]["interval_95"].as_array().unwrap().len(), 2);
    let run = PathBuf::from(json["run"].as_str().unwrap());
    for name in [
        "settings.toml",
        "scores.jsonl",
        "scores.csv",
        "summary.csv",
        "fixed_nets.csv",
        "draws.svg",
        "draws.png",
        "learning_curves.svg",
        "learning_curves.png",
        "report.html",
        "log.txt",
    ] {
        assert!(std::fs::metadata(run.join(name)).is_ok_and(|file| file.len() > 0), "{name}");
    }
}

#[test]
fn the_lowest_middle_and_highest_of_a_replay_buffer_are_scored() {
    let runs = tempfile::tempdir().unwrap();
    let nets: Vec<String> = (1..=30).map(|features| format!("[C({features},1,1,0,1), P(4,4,0,0), SM(10)]")).collect();
    let rows: Vec<(&str, f64)> = nets
        .iter()
        .enumerate()
        .map(|(i, net)| (net.as_str(), if i == 29 { 0.0 } else { (i + 1) as f64 / 40.0 }))
        .collect();
    let csv = buffer(runs.path(), &rows);
    let json = json(&quick(runs.path(), &["--replay-buffer", &csv, "--draws", "1", "--epochs", "1", "--json"]));
    let results = json["results"].as_array().unwrap();
    let found: Vec<(&str, &str)> =
        results.iter().map(|result| (result["group"].as_str().unwrap(), result["net"].as_str().unwrap())).collect();
    // Of 29: 0 to 5, 12 to 17, and 23 to 28.
    let group = |name: &'static str, from: usize| (from..from + 6).map(move |i| (name, i));
    let expected: Vec<(&str, &str)> = group("low", 0)
        .chain(group("middle", 12))
        .chain(group("top", 23))
        .map(|(group, i)| (group, nets[i].as_str()))
        .collect();
    assert_eq!(found, expected);
    let row = json["summary"][0]["searched_row"].as_u64().unwrap();
    assert_eq!((row, &json["summary"][0]["searched_reward"]), (0, &serde_json::json!(0.025)));
}

#[test]
fn a_run_folder_takes_the_place_of_its_replay_buffer_and_draw_0_has_the_weights_of_the_search() {
    let runs = tempfile::tempdir().unwrap();
    for draw in ["per-search", "per-candidate"] {
        let run = tiny(runs.path(), &["--draw", draw]);
        let settings = run.join("settings.toml");
        let csv = std::fs::read_to_string(run.join("replay_buffer.csv")).unwrap();
        let row = csv.lines().skip(1).position(|line| line.contains(",True,")).unwrap().to_string();
        // The same options as those of the search: the same data, encoder, weights and classifier.
        let mut arguments = vec!["--seed", "5", "--epochs", "6", "--limit-train", "300", "--cache", "off", "--json"];
        let path = run.display().to_string();
        arguments.extend(["--replay-buffer", &path, "--index", &row, "--draw", draw, "--draws", "2"]);
        assert!(std::fs::read_to_string(settings).unwrap().contains("seed = 5"));
        let output = score().args(&arguments).arg("--runs").arg(runs.path()).output().unwrap();
        let json = json(&output);
        assert_eq!(json["results"][0]["reward"], json["summary"][0]["searched_reward"], "{draw}");
    }
}

#[test]
fn what_cannot_be_scored_is_named_before_a_run_begins() {
    let folder = tempfile::tempdir().unwrap();
    let large = "[C(8,11,1,0,1), SM(10)]";
    let csv = buffer(folder.path(), &[(NET, 0.5), (large, 0.7), ("[C(8,3,1,1,1), GAP(10), SM(10)]", 0.6)]);
    assert_eq!(
        refused(&["--replay-buffer", &csv, "--index", "3"]),
        format!("error: {csv}: there is no row 3: the replay buffer has 3 rows, 0 to 2\n")
    );
    let message = refused(&["--replay-buffer", &csv, "--index", "1"]);
    assert!(
        message.starts_with(&format!(
            "error: row 1 of the replay buffer cannot be scored: {large}: layer 1, `C(8,11,1,0,1)`: the kernel 11"
        )),
        "{message}"
    );
    let message = refused(&["--replay-buffer", &csv]);
    assert!(
        message
            .starts_with(&format!("error: {csv}: row 2 of the replay buffer has no architecture that can be read: ")),
        "{message}"
    );
    assert!(message.contains("GAP"), "{message}");
    let missing = folder.path().join("missing.csv");
    std::fs::write(&missing, ",epsilon,net,reward\n0,1.0,x,0.5\n").unwrap();
    let missing = missing.display().to_string();
    let message = refused(&["--replay-buffer", &missing]);
    assert_eq!(message, format!("error: {missing} has no column `train_flag`; it has: epsilon, net, reward\n"));
    let broken = folder.path().join("broken.csv");
    let text = std::fs::read_to_string(&csv).unwrap().replacen("\"[50]\"", "\"[50, \"", 1);
    std::fs::write(&broken, text).unwrap();
    let broken = broken.display().to_string();
    let message = refused(&["--replay-buffer", &broken]);
    assert!(message.contains("row 0, column `acc_val_all_epochs`: `[50,` is not a list of percentages"), "{message}");
    let message = refused(&[]);
    assert!(message.starts_with("error: nothing to score: give an architecture with --net"), "{message}");
    let message = refused(&["--net", NET, "--draws", "0"]);
    assert_eq!(message, "error: nothing to score: 0 draws; use at least 1\n");
    let message = refused(&["--net", NET, "--index", "1"]);
    assert_eq!(message, "error: index: it is a row of a replay buffer; give one with --replay-buffer, without --net\n");
    for arguments in [&["--net", "[C(8,3,1,1,1), SM(5)]"][..], &["--net", "[C(8,3,1,1,1), SM(5)]", "--full-training"]] {
        let message = refused(arguments);
        assert!(
            message.ends_with("[C(8,3,1,1,1), SM(5)] has 5 classes, the data set has 10: write SM(10)\n"),
            "{message}"
        );
    }
    let message = refused(&["--net", NET, "--full-training", "--precision", "bf16"]);
    assert_eq!(message, "error: precision: full training computes in f32; leave --precision out\n");
    let message = refused(&["--net", "[C(8,3,1,1,1)"]);
    assert!(message.starts_with("error: line 1, column "), "{message}");
}

#[test]
fn a_run_that_was_killed_is_resumed_to_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let arguments = ["--net", "[C(64,3,1,1,0), C(64,3,1,1,0), SM(10)]", "--draws", "6", "--limit-train", "1000"];
    let whole = folder_of(&quick(runs.path(), &[&arguments[..], &["--json"]].concat()));
    let elsewhere = tempfile::tempdir().unwrap();
    let mut child = score()
        .args(QUICK)
        .args(arguments)
        .arg("--runs")
        .arg(elsewhere.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let killed = wait_for(elsewhere.path(), "scores.jsonl", "\"event\":\"scored\"", 2);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    // A line that was being written when the power went.
    let journal = killed.join("scores.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    let recorded = text.matches("\"event\":\"scored\"").count();
    assert!(recorded < 6, "the run was over before it was killed");
    text.push_str("{\"event\":\"scored\",\"net\":0,");
    std::fs::write(&journal, text).unwrap();

    let output = score().arg("--resume").arg(&killed).arg("--json").output().unwrap();
    assert_eq!(folder_of(&output), killed);
    assert!(stderr(&output).contains(&format!("resumed: {recorded} of 6 draws")), "{}", stderr(&output));
    for name in ["scores.csv", "summary.csv", "fixed_nets.csv", "draws.svg", "draws.png", "learning_curves.svg"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&killed) == read(&whole), "{name} differs");
    }
}

#[test]
fn a_folder_of_a_search_is_not_resumed_and_the_other_way_round() {
    let runs = tempfile::tempdir().unwrap();
    let searched = tiny(runs.path(), &["--limit", "1"]);
    let output = score().arg("--resume").arg(&searched).output().unwrap();
    assert_eq!(
        stderr(&output),
        format!("error: {} is not the folder of a run: it has no scores.jsonl\n", searched.display())
    );
    let scored = folder_of(&quick(runs.path(), &["--net", NET, "--draws", "1", "--json"]));
    let output = search().arg("--resume").arg(&scored).output().unwrap();
    assert!(stderr(&output).contains("it has no journal.jsonl"), "{}", stderr(&output));
    let output = score().arg("--resume").arg(&scored).args(["--draws", "3"]).output().unwrap();
    assert!(stderr(&output).starts_with("error: --draws cannot change while a run is resumed"), "{}", stderr(&output));
}

#[test]
fn full_training_stands_beside_the_random_encoder_and_keeps_checkpoints() {
    let runs = tempfile::tempdir().unwrap();
    let arguments = ["--net", NET, "--full-training", "--draws", "1", "--epochs", "2", "--json"];
    let json = json(&quick(runs.path(), &arguments));
    let trainings: Vec<&Value> = json["results"].as_array().unwrap().iter().map(|result| &result["training"]).collect();
    assert_eq!(trainings, ["random", "trained"]);
    let run = PathBuf::from(json["run"].as_str().unwrap());
    let svg = std::fs::read_to_string(run.join("draws.svg")).unwrap();
    assert!(svg.contains("random encoder") && svg.contains("trained encoder"), "{svg}");
    for name in ["fixed_nets_trained.csv", "learning_curves_trained.png"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    assert!(std::fs::read_dir(run.join("checkpoints")).unwrap().count() > 0);
}
