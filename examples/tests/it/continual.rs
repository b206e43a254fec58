//! The program `continual`: what it prints, and that it resumes.

use crate::{folder_of, stderr, wait_for};
use dpnas::store::{SplitName, StoredEmbedding};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NET: &str = "[C(4,3,1,1,1), P(4,4,0,0), SM(10)]";

/// A run of a second on 200 digits.
fn continual(runs: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_continual"));
    command.args(["--net", NET, "--limit-train", "200", "--cache", "off", "--json", "--runs"]);
    command.arg(runs).args(arguments);
    command
}

fn of_embedding(runs: &Path, embedding: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_continual"));
    command.args(["--json", "--runs"]).arg(runs).arg("--embedding").arg(embedding).args(arguments);
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The embedding of 200 digits by [`NET`].
fn embed(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embed"));
    command.args(["--net", NET, "--limit-train", "200", "--cache", "off", "--output"]).arg(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The files of a run in which nothing depends on time.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = |part: &str| std::fs::read_dir(run.join(part)).unwrap().map(Result::unwrap);
    let kept = |name: &str| !["continual.jsonl", "log.txt", "report.html", "settings.toml"].contains(&name);
    entries("")
        .chain(entries("heads"))
        .filter(|entry| entry.path().is_file() && kept(&entry.file_name().to_string_lossy()))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn the_json_has_every_step_and_a_summary_of_each_method() {
    let runs = tempfile::tempdir().unwrap();
    let arguments = ["--methods", "joint,ridge,joint-ridge,replay,naive", "--steps", "4,3,3", "--orders", "2"];
    let output = continual(runs.path(), &arguments).output().unwrap();
    let json = json(&output);
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 5 * 2 * 3);
    let first = &results[0];
    assert_eq!((&first["method"], &first["order"], &first["draw"]), (&"joint".into(), &0.into(), &0.into()));
    assert_eq!((&first["step"], &first["classes_seen"]), (&0.into(), &4.into()));
    let ridge = results.iter().find(|result| result["method"] == "ridge").unwrap();
    assert!((0.6..=1.0).contains(&ridge["accuracy"].as_f64().unwrap()), "{ridge}");
    let summary = json["summary"].as_array().unwrap();
    assert_eq!(summary.len(), 5);
    for method in summary {
        for field in ["average_accuracy", "final_accuracy", "forgetting", "bytes_state", "bytes_exemplars", "seconds"] {
            assert!(method[field].is_number(), "{field} of {method}");
        }
    }
    assert_eq!(summary[1]["weights_digest"], summary[2]["weights_digest"]);
    assert!(summary[1]["weights_digest"].is_string() && summary[4]["weights_digest"].is_null());
    let folder = folder_of(&output);
    for name in
        ["results.csv", "summary.csv", "orders.csv", "accuracy_matrix.npy", "accuracy.png", "report.html", "log.txt"]
    {
        assert!(std::fs::metadata(folder.join(name)).is_ok_and(|file| file.len() > 0), "{name}");
    }
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("Accuracy matrix of ridge") && html.contains("4,3,3"));
}

#[test]
fn a_run_that_was_killed_is_resumed_to_the_same_files() {
    let runs = tempfile::tempdir().unwrap();
    let arguments = ["--orders", "natural;pycil", "--draws", "3", "--methods", "joint,ridge,replay,pixels"];
    let whole = folder_of(&continual(runs.path(), &arguments).output().unwrap());
    let expected = files(&whole);
    assert_eq!(expected.keys().filter(|name| name.ends_with(".safetensors")).count(), 24);
    for streams in [1, 9, 17] {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut child = continual(elsewhere.path(), &arguments);
        let mut child = child.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let killed = wait_for(elsewhere.path(), "continual.jsonl", "\"event\":\"learned\"", streams);
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_continual")).arg("--resume").arg(&killed).arg("--json").output();
        assert_eq!(folder_of(&output.unwrap()), killed);
        let resumed = files(&killed);
        assert!(resumed.keys().eq(expected.keys()), "after {streams}");
        for (name, content) in &expected {
            assert!(resumed[name] == *content, "{name} differs after {streams}");
        }
    }
}

#[test]
fn a_stored_embedding_gives_the_results_of_its_net() {
    let folder = tempfile::tempdir().unwrap();
    let embedding = folder.path().join("digits");
    embed(&embedding);
    let methods = ["--methods", "joint,ridge,lda"];
    let stored = json(&of_embedding(folder.path(), &embedding, &methods));
    let net = json(&continual(folder.path(), &methods).output().unwrap());
    assert_eq!(stored["results"], net["results"]);
    let digests = |json: &Value| -> Vec<Value> {
        json["summary"].as_array().unwrap().iter().map(|summary| summary["weights_digest"].clone()).collect()
    };
    assert_eq!(digests(&stored), digests(&net));
    // By default no method needs pixels, which are not stored.
    let default = json(&of_embedding(folder.path(), &embedding, &["--orders", "1"]));
    assert_eq!(default["summary"].as_array().unwrap().len(), 7);
}

#[test]
fn statistics_are_saved_and_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.safetensors").display().to_string();
    let more = folder.path().join("more.safetensors").display().to_string();
    let methods = ["--methods", "ridge,ncm"];
    let output = continual(folder.path(), &[&methods[..], &["--save-state", &state]].concat()).output().unwrap();
    let first = json(&output);
    assert!(stderr(&output).contains("saved the statistics of 200 rows"), "{}", stderr(&output));
    let goes_on = [&methods[..], &["--load-state", &state, "--save-state", &more]].concat();
    let output = continual(folder.path(), &goes_on).output().unwrap();
    let second = json(&output);
    assert!(stderr(&output).contains("saved the statistics of 400 rows"), "{}", stderr(&output));
    // The same rows twice: the means of the classes are the same, to the last bit.
    assert_eq!(first["summary"][1]["weights_digest"], second["summary"][1]["weights_digest"]);
    let again = continual(folder.path(), &goes_on).output().unwrap();
    assert!(stderr(&again).contains("more.safetensors exists already"), "{}", stderr(&again));
    // Resumed, a finished run saves the same file again, and takes no other's place.
    std::fs::rename(&more, folder.path().join("kept")).unwrap();
    let run = folder_of(&output);
    std::fs::write(&more, "another file").unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_continual")).arg("--resume").arg(&run).output().unwrap();
    assert!(stderr(&refused).contains("holds something else"), "{}", stderr(&refused));
    assert_eq!(std::fs::read(&more).unwrap(), b"another file");
    std::fs::remove_file(&more).unwrap();
    let resumed = Command::new(env!("CARGO_BIN_EXE_continual")).arg("--resume").arg(run).output().unwrap();
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert!(std::fs::read(&more).unwrap() == std::fs::read(folder.path().join("kept")).unwrap());
}

#[test]
fn bad_input_is_named_and_leaves_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let state = folder.path().join("other.safetensors").display().to_string();
    let other = ["--net", "[C(2,3,1,1,1), P(4,4,0,0), SM(10)]", "--methods", "ridge", "--save-state", &state];
    json(&continual(&folder.path().join("others"), &other).output().unwrap());
    let own = folder.path().join("own.safetensors").display().to_string();
    json(&continual(&folder.path().join("others"), &["--methods", "ridge", "--save-state", &own]).output().unwrap());
    let digits = folder.path().join("digits");
    embed(&digits);
    let digits = digits.display().to_string();
    let text = folder.path().join("text").display().to_string();
    std::fs::write(&text, "no state").unwrap();
    for (arguments, expected) in [
        (&["--methods", "joint,ridgee"][..], "methods: unknown method `ridgee`: use joint, joint-ridge, ridge"),
        (&["--methods", "ridge,ridge"], "method ridge is named twice"),
        (&["--steps", "4x2"], "the steps have 8 classes, the data set has 10: each class needs one step at least"),
        (&["--steps", "1000x1048576"], "the steps have 1048576000 classes"),
        (&["--steps", "data:201"], "step 200 has no training rows"),
        (
            &["--steps", "iid:200", "--memory-budget", "256KiB", "--methods", "naive"],
            "use fewer steps, orders or draws",
        ),
        (&["--steps", "five"], "unknown steps `five`: use for example 5x2"),
        (&["--orders", "2,1,0"], "the class order must have each label from 0 to 9 once"),
        (&["--orders", "file:/nowhere"], "orders: cannot read /nowhere"),
        (&["--orders", "0"], "nothing to learn: there are 0 class orders"),
        (&["--orders", "4294967295"], "orders: 4294967295 class orders; use at most 10000"),
        (&["--draws", "0"], "nothing to learn: there are 0 draws"),
        (&["--draws", "4294967295"], "at most 1000000 fit one run"),
        (&["--lambda", "0"], "lambda: λ `0`: use gcv, first-task, or a number above 0"),
        (&["--lambda", "-1"], "a number above 0"),
        (&["--sums", "float"], "sums: `float` is unknown; use exact or f64"),
        (&["--buffer", "0"], "buffer: 0 holds no row of 16 features"),
        (&["--buffer", "many"], "buffer: "),
        (&["--epochs", "0"], "epochs"),
        (&["--memory-budget", "1KiB"], "features would fit"),
        (&["--methods", "replay", "--save-state", "new"], "save-state: replay keeps no statistics"),
        (&["--methods", "ridge", "--save-state", "/nowhere/state"], "save-state: /nowhere is no folder"),
        (&["--methods", "ewc", "--ewc-strength", "-1"], "the strength of EWC is -1"),
        (&["--methods", "projected-ridge", "--projection", "0"], "projected-ridge makes 0 features"),
        (&["--methods", "projected-ridge", "--projection", "4294967296"], "features would fit"),
        (&["--methods", "ncm", "--buffer", "5"], "buffer: it has no effect without a replay method"),
        (&["--methods", "ncm", "--lambda", "5"], "lambda: it has no effect without a ridge method"),
        (
            &["--methods", "naive", "--online", "--epochs", "3"],
            "epochs: it has no effect without a method that sees rows",
        ),
        (&["--methods", "ridge", "--sums", "f64", "--load-state", &own], "load-state: "),
        (&["--methods", "ridge", "--load-state", &text], "load-state: "),
        (&["--methods", "ridge", "--load-state", "/nowhere"], "load-state: cannot read /nowhere"),
        (&["--methods", "ridge", "--load-state", &state], "8 features where 16 are expected"),
        (&["--embedding", &digits], "embedding: its rows are stored already; leave out --net and the options"),
    ] {
        // The last of several options counts, but a net cannot be taken back.
        let output = continual(&runs, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!runs.exists());
}

#[test]
fn an_embedding_that_cannot_be_learned_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, embedding) = (folder.path().join("runs"), folder.path().join("digits"));
    embed(&embedding);
    let refused = |arguments: &[&str]| {
        let output = of_embedding(&runs, &embedding, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        stderr(&output)
    };
    assert!(refused(&["--draws", "2"]).contains("a stored embedding has one"), "{}", refused(&["--draws", "2"]));
    assert!(refused(&["--methods", "pixels"]).contains("pixels learns from pixels, which a stored embedding lacks"));
    // One value of the training rows becomes undefined.
    let stored = StoredEmbedding::open(&embedding).unwrap().read(SplitName::Train).unwrap();
    let path = embedding.join("train/features.npy");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = bytes.len() - 4 * stored.values().len();
    bytes[header + 4 * 35..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let message = refused(&["--methods", "ridge"]);
    assert!(message.contains("train/features.npy: found the checksum "), "{message}");
    // One of an earlier version, without checksums.
    let manifest = embedding.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let (content, _) = text.split_once(",\n  \"files\"").unwrap();
    std::fs::write(&manifest, format!("{content}\n}}\n")).unwrap();
    let message = refused(&["--methods", "ridge"]);
    assert!(message.contains("feature 3 of row 2 is NaN: rows must be finite"), "{message}");
    // A manifest of a later version, and no manifest.
    std::fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
    assert!(refused(&[]).contains("embedding: "), "{}", refused(&[]));
    std::fs::remove_file(&manifest).unwrap();
    assert!(refused(&[]).contains("embedding: "), "{}", refused(&[]));
    assert!(!runs.exists(), "nothing was begun");
}
