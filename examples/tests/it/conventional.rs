//! Conventional search: everything is trained, or fully connected layers on frozen encoders.

use crate::{search, stderr};
use serde_json::Value;
use std::path::Path;

/// Few and small layers, so that fully connected ones are common.
const SPACE: &str = "\
preset = \"small\"
kernels = [3]
features = [8]
pool_sizes = [2]
pool_strides = [2]
fc_sizes = [8, 16]
min_depth = 1
max_depth = 2
";

fn run(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let space = folder.join("space.toml");
    std::fs::write(&space, SPACE).unwrap();
    let output = search()
        .args(["--schedule", "1.0:6", "--limit-train", "200", "--epochs", "3", "--batch-size", "32", "--seed", "3"])
        .args(["--learning-rate", "0.01", "--cache", "off", "--json", "--max-fc", "2"])
        .args(arguments)
        .arg("--space")
        .arg(space)
        .arg("--runs")
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let replay = std::fs::read_to_string(Path::new(json["run"].as_str().unwrap()).join("replay_buffer.csv")).unwrap();
    (json, replay)
}

#[test]
fn a_search_trains_everything_and_builds_fully_connected_layers() {
    let folder = tempfile::tempdir().unwrap();
    let (json, replay) =
        run(folder.path(), &["--full-training", "--lr-schedule", "cosine", "--weight-decay", "0.0001"]);
    assert!(replay.contains("FC("), "{replay}");
    let best = json["best"]["reward"].as_f64().unwrap();
    assert!((0.3..=1.0).contains(&best), "{json}");
    let settings = std::fs::read_to_string(Path::new(json["run"].as_str().unwrap()).join("settings.toml")).unwrap();
    assert!(settings.contains("full-training = true") && settings.contains("lr-schedule = \"cosine\""), "{settings}");
    // The same search again gives the same numbers; another seed of the command line does not.
    assert_eq!(
        run(folder.path(), &["--full-training", "--lr-schedule", "cosine", "--weight-decay", "0.0001"]).1,
        replay
    );
    assert_ne!(
        run(folder.path(), &["--full-training", "--lr-schedule", "constant", "--weight-decay", "0.0001"]).1,
        replay
    );
}

#[test]
fn a_search_of_frozen_encoders_trains_their_fully_connected_layers() {
    let folder = tempfile::tempdir().unwrap();
    let (json, replay) = run(folder.path(), &[]);
    assert!(replay.contains("FC("), "{replay}");
    assert!(json["best"]["reward"].as_f64().unwrap() > 0.2, "{json}");
    assert_eq!(run(folder.path(), &["--threads", "1"]).1, replay);
}

#[test]
fn a_schedule_of_the_learning_rate_needs_full_training() {
    let output = search().args(["--lr-schedule", "cosine"]).output().unwrap();
    assert!(!output.status.success());
    assert!(stderr(&output).contains("lr-schedule: the linear classifier"), "{}", stderr(&output));
}
