//! The program `ensemble`.

use crate::{stderr, tiny};
use dpnas::store::{Member, SplitName, StoredEmbedding};
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

    // Its rows side by side, for other programs and for continual learning.
    let stored = runs.path().join("rows");
    let mut embed = Command::new(env!("CARGO_BIN_EXE_embed"));
    embed.arg("--ensemble").arg(run.join("ensemble.json")).arg("--output").arg(&stored).arg("--json");
    let output = embed.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let embedding = StoredEmbedding::open(&stored).unwrap();
    let manifest = embedding.manifest();
    assert_eq!((manifest.features as u64, &manifest.members), (json["features"].as_u64().unwrap(), &members));
    let values = embedding.read(SplitName::Val).unwrap();
    let mut first = 0;
    for (number, member) in members.iter().enumerate() {
        let alone = runs.path().join(format!("alone-{number}"));
        let mut embed = Command::new(env!("CARGO_BIN_EXE_embed"));
        embed.args(["--limit-train", "300", "--seed", "5", "--net", &member.net.to_string(), "--output"]).arg(&alone);
        assert!(embed.output().unwrap().status.success());
        let alone = StoredEmbedding::open(&alone).unwrap();
        let columns = alone.manifest().features;
        let rows = alone.read(SplitName::Val).unwrap();
        for (row, expected) in values.values().chunks_exact(manifest.features).zip(rows.values().chunks_exact(columns))
        {
            assert_eq!(&row[first..first + columns], expected);
        }
        first += columns;
    }
    let mut seeded = Command::new(env!("CARGO_BIN_EXE_embed"));
    seeded.arg("--ensemble").arg(run.join("ensemble.json")).args(["--weight-seed", "2", "--output", "x"]);
    let message = stderr(&seeded.output().unwrap());
    assert!(message.contains("weight-seed: the ensemble names the seed of each member; leave it out"), "{message}");
    let wrong =
        Command::new(env!("CARGO_BIN_EXE_embed")).args(["--ensemble", "Cargo.toml", "--output", "x"]).output().unwrap();
    assert!(stderr(&wrong).contains("Cargo.toml is no ensemble.json"), "{}", stderr(&wrong));
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
