//! `--head ridge`.

use crate::{TINY, folder_of, replay_buffer, search, stderr};
use std::process::Command;

#[test]
fn a_search_with_the_ridge_is_reproduced_resumed_and_scored_again() {
    let runs = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = search().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        output
    };
    let place = runs.path().display().to_string();
    let ridge = [&TINY[..], &["--head", "ridge", "--json", "--runs", &place]].concat();
    let whole = folder_of(&run(&ridge));
    let part = folder_of(&run(&[&ridge[..], &["--limit", "2", "--threads", "1", "--cache", "off"]].concat()));
    assert_ne!(replay_buffer(&part), replay_buffer(&whole));
    run(&["--resume", part.to_str().unwrap()]);
    assert_eq!(replay_buffer(&part), replay_buffer(&whole));
    // The first architecture again, with the settings of the run: the same reward.
    let mut score = Command::new(env!("CARGO_BIN_EXE_score"));
    score.args([
        "--replay-buffer",
        whole.to_str().unwrap(),
        "--index",
        "0",
        "--draws",
        "1",
        "--json",
        "--runs",
        &place,
    ]);
    let output = score.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["summary"][0]["reward"]["mean"], json["summary"][0]["searched_reward"], "{json}");
    assert_eq!(json["results"][0]["val_accuracy"].as_array().unwrap().len(), 1);
}

#[test]
fn heads_that_cannot_be_are_refused() {
    for (arguments, message) in [
        (&["--head", "lda"][..], "head: unknown head `lda`: use adam or ridge"),
        (
            &["--head", "ridge", "--full-training"],
            "head: full training trains its classifier with Adam; leave --head out",
        ),
        (&["--head", "ridge", "--max-fc", "1"], "max-fc: a ridge regression trains no fully connected layers"),
    ] {
        let runs = tempfile::tempdir().unwrap();
        let output = search().args(arguments).arg("--runs").arg(runs.path()).output().unwrap();
        assert!(!output.status.success() && stderr(&output).contains(message), "{}", stderr(&output));
        assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0);
    }
}
