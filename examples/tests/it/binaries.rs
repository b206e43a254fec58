//! What the binaries print and write.

use crate::{TINY, folder_of, replay_buffer, search, stderr, tiny};
use serde_json::Value;
use std::process::Command;

fn run_json(binary: &str, arguments: &[&str]) -> Value {
    let output = Command::new(binary).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn search_prints_one_json_object_with_the_promised_fields() {
    let runs = tempfile::tempdir().unwrap();
    let output =
        search().args(TINY).arg("--runs").arg(runs.path()).args(["--cache", "off", "--json"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["run"].is_string());
    assert!(json["candidates"].as_u64().unwrap() >= 5, "{json}");
    let best = &json["best"];
    assert!(best["net"].as_str().unwrap().ends_with("SM(10)]"), "{json}");
    for accuracy in [&best["reward"], &best["test_accuracy"]] {
        assert!((0.3..=1.0).contains(&accuracy.as_f64().unwrap()), "{json}");
    }
    // Six epochs on 270 images teach a classifier on raw pixels hardly more than chance.
    assert!((0.02..=1.0).contains(&json["baseline_test_accuracy"].as_f64().unwrap()), "{json}");
}

#[test]
fn a_second_objective_lists_the_front_of_a_finished_search() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &[]);
    let arguments = ["--resume", folder.to_str().unwrap(), "--cache", "off", "--objective", "reward,parameters"];
    let json = run_json(env!("CARGO_BIN_EXE_search"), &[&arguments[..], &["--json"]].concat());
    let front: Vec<(u64, f64)> = json["front"]
        .as_array()
        .unwrap()
        .iter()
        .map(|net| (net["parameters"].as_u64().unwrap(), net["reward"].as_f64().unwrap()))
        .collect();
    assert!(front.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{json}");
    assert_eq!(front.last().unwrap().1, json["best"]["reward"].as_f64().unwrap());
    let output = search().args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  reward   test      parameters   architecture\n"), "{text}");
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(html.contains("<h2>Front of reward and parameters</h2>") && !html.contains("<body data-reload="));
}

#[test]
fn a_run_folder_has_every_file() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--schedule", "1.0:22", "--epochs", "2"]);
    for name in [
        "settings.toml",
        "journal.jsonl",
        "replay_buffer.csv",
        "q_values.csv",
        "rewards.svg",
        "rewards.png",
        "report.html",
        "log.txt",
    ] {
        assert!(std::fs::metadata(folder.join(name)).is_ok_and(|file| file.len() > 0), "{name}");
    }
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("linear classifier on raw pixels"));
}

#[test]
fn plot_draws_a_run_and_a_csv_file() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--schedule", "1.0:22", "--epochs", "2"]);
    let svg = std::fs::read_to_string(folder.join("rewards.svg")).unwrap();
    std::fs::remove_file(folder.join("rewards.svg")).unwrap();
    let plot = env!("CARGO_BIN_EXE_plot");
    let json = run_json(plot, &[&folder.display().to_string(), "--json"]);
    assert_eq!(json["svg"], folder.join("rewards.svg").display().to_string());
    assert_eq!(std::fs::read_to_string(folder.join("rewards.svg")).unwrap(), svg);
    let csv = runs.path().join("copy.csv");
    std::fs::copy(folder.join("replay_buffer.csv"), &csv).unwrap();
    let json = run_json(plot, &[&csv.display().to_string(), "--title", "A copy", "--json"]);
    let picture = std::fs::read_to_string(json["svg"].as_str().unwrap()).unwrap();
    assert!(picture.contains("A copy"));
    assert!(std::fs::read(json["png"].as_str().unwrap()).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn plot_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("short.csv");
    std::fs::write(&csv, "a,b\n1,2\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_plot")).arg(&csv).output().unwrap();
    assert_eq!(stderr(&output), format!("error: {} has no column `epsilon`; it has: a, b\n", csv.display()));
    let output = Command::new(env!("CARGO_BIN_EXE_plot")).arg(folder.path()).output().unwrap();
    assert!(stderr(&output).contains("has no replay_buffer.csv"), "{}", stderr(&output));
}

#[test]
fn inspect_shows_the_cost_of_a_net() {
    let net = "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), C(1024,1,1,0,1), C(512,3,1,0,1), SM(10)]";
    let json = run_json(env!("CARGO_BIN_EXE_inspect"), &["--net", net, "--input", "1x28x28", "--json"]);
    assert_eq!(json["net"], net);
    assert_eq!(json["features"], 12_800);
    assert_eq!(json["verdict"], "accepted");
    assert_eq!(json["stages"][4]["output"], serde_json::json!([512, 5, 5]));
    assert_eq!(json["multiply_adds"], 121_100_800);
}

#[test]
fn inspect_lists_the_actions_of_a_prefix() {
    let inspect = env!("CARGO_BIN_EXE_inspect");
    let start = run_json(inspect, &["--net", "[]", "--actions", "--space", "reference-code", "--json"]);
    assert_eq!(start["actions"].as_array().unwrap().len(), 84);
    let prefix = "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0)]";
    let later = run_json(inspect, &["--net", prefix, "--actions", "--json"]);
    assert_eq!(later["actions"].as_array().unwrap().last().unwrap(), "terminate");
    assert_eq!(later["state"]["depth"], 3);
    assert_eq!(later["state"]["map_size"], 7);
}

#[test]
fn a_damaged_cache_entry_is_warned_of_on_the_screen_and_in_the_log() {
    let runs = tempfile::tempdir().unwrap();
    let cache = runs.path().join("cache");
    let cached = ["--cache", cache.to_str().unwrap(), "--limit", "1"];
    let first = tiny(runs.path(), &cached);
    for entry in std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()) {
        let mut bytes = std::fs::read(&entry).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        std::fs::write(&entry, bytes).unwrap();
    }
    let arguments = [&TINY[..], &["--runs", runs.path().to_str().unwrap(), "--json"], &cached].concat();
    let output = search().args(arguments).output().unwrap();
    let second = folder_of(&output);
    let warning = "a cache entry is not used and removed";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    assert!(std::fs::read_to_string(second.join("log.txt")).unwrap().contains(warning));
    assert_eq!(replay_buffer(&first), replay_buffer(&second));
}
