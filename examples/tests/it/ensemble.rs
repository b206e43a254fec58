//! The program `ensemble`.

use crate::{stderr, tiny};
use dpnas::Member;
use std::path::Path;
use std::process::{Command, Output};

fn ensemble(run: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ensemble")).arg(run).args(arguments).output().unwrap()
}

#[test]
fn a_search_ends_in_an_ensemble_that_is_written_and_repeated() {
    let runs = tempfile::tempdir().unwrap();
    let run = tiny(runs.path(), &[]);
    let arguments = ["--size", "2", "--candidates", "3", "--most-features", "3000", "--images", "150", "--json"];
    let output = ensemble(&run, &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let written = std::fs::read_to_string(run.join("ensemble.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), json);
    let members: Vec<Member> = serde_json::from_value(json["members"].clone()).unwrap();
    assert!((1..=2).contains(&members.len()), "{json}");
    assert!(members.iter().all(|member| member.weight_seed.0 == 5));
    assert_eq!(json["sizes"].as_array().unwrap().last().unwrap()["test_accuracy"], json["test_accuracy"]);
    assert!(json["features"].as_u64().unwrap() <= 3000 && json["reward"].as_f64().unwrap() > 0.5, "{json}");
    assert_eq!(ensemble(&run, &arguments).stdout, output.stdout);
}

#[test]
fn what_no_ensemble_can_be_made_of_is_said() {
    let runs = tempfile::tempdir().unwrap();
    let message = |run: &Path, arguments: &[&str]| {
        let output = ensemble(run, arguments);
        assert!(!output.status.success());
        stderr(&output)
    };
    let nowhere = message(&runs.path().join("nix"), &[]);
    assert!(nowhere.contains("is not the folder of a run: it has no settings.toml"), "{nowhere}");
    let run = tiny(runs.path(), &[]);
    let features = message(&run, &["--most-features", "3", "--candidates", "2"]);
    assert!(features.contains("left out: [C("), "{features}");
    assert!(
        features.ends_with(
            "error: no architecture of the search can be a member: allow more with --most-features, now 3\n"
        )
    );
    std::fs::write(
        run.join("replay_buffer.csv"),
        ",epsilon,net,train_flag,reward,acc_best_val,acc_val_all_epochs,acc_train_all_epochs,acc_test_last\n",
    )
    .unwrap();
    let empty = message(&run, &[]);
    assert!(empty.ends_with("replay_buffer.csv: no architecture has a reward\n"), "{empty}");
}
