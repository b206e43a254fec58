//! The program `ensemble`.

use crate::{stderr, tiny};
use dpnas::store::{Member, SplitName, StoredEmbedding};
use std::path::Path;
use std::process::{Command, Output};

fn ensemble(run: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ensemble")).arg(run).args(arguments).output().unwrap()
}

fn ensemble_of(run: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = ensemble(run, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
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
    let learn = |source: &str, path: &Path| -> serde_json::Value {
        let mut continual = Command::new(env!("CARGO_BIN_EXE_continual"));
        continual
            .args(["--orders", "1", "--methods", "ridge,ncm", "--cache", "off", "--json", "--runs"])
            .arg(runs.path());
        let output = continual.arg(source).arg(path).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let file = run.join("ensemble.json");
    let (of_members, of_rows) = (learn("--ensemble", &file), learn("--embedding", &stored));
    assert!(of_rows["summary"][0]["weights_digest"].is_string());
    for method in 0..2 {
        assert_eq!(of_members["summary"][method]["weights_digest"], of_rows["summary"][method]["weights_digest"]);
    }
    let mut named = Command::new(env!("CARGO_BIN_EXE_continual"));
    let named = named.arg("--ensemble").arg(&file).args(["--net", "[C(4,3,1,1,1), SM(10)]"]).output().unwrap();
    assert!(stderr(&named).contains("ensemble: it names the architectures; leave --net out"), "{}", stderr(&named));

    let mut seeded = Command::new(env!("CARGO_BIN_EXE_embed"));
    seeded.arg("--ensemble").arg(run.join("ensemble.json")).args(["--weight-seed", "2", "--output", "x"]);
    let message = stderr(&seeded.output().unwrap());
    assert!(message.contains("weight-seed: the ensemble names the seed of each member; leave it out"), "{message}");
    let wrong =
        Command::new(env!("CARGO_BIN_EXE_embed")).args(["--ensemble", "Cargo.toml", "--output", "x"]).output().unwrap();
    assert!(stderr(&wrong).contains("Cargo.toml is no ensemble.json"), "{}", stderr(&wrong));
}

#[test]
fn a_search_ends_with_an_ensemble_and_so_does_one_that_was_stopped() {
    let runs = tempfile::tempdir().unwrap();
    let options = [&crate::TINY[..], &["--cache", "off", "--ensemble", "2", "--json"]].concat();
    let output = crate::search().args(&options).arg("--runs").arg(runs.path()).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ensemble = &json["ensemble"];
    let members: Vec<Member> = serde_json::from_value(ensemble["members"].clone()).unwrap();
    assert!((1..=2).contains(&members.len()), "{json}");
    assert_eq!(ensemble["nets"][0].as_str().unwrap(), members[0].net.to_string());
    assert!(ensemble["test_accuracy"].as_f64().unwrap() > 0.5, "{json}");
    let run = crate::folder_of(&output);
    let written = std::fs::read(run.join("ensemble.json")).unwrap();
    // The program of its own chooses the same.
    let again = ensemble_of(&run, &["--size", "2", "--json"]);
    assert_eq!(&again["members"], &ensemble["members"]);
    assert!(run.join("ensemble.png").exists());

    // Draw 0 has the weights of the ensemble, each other draw its own.
    let file = run.join("ensemble.json");
    let score = |options: &[&str]| {
        let mut score = Command::new(env!("CARGO_BIN_EXE_score"));
        score.arg("--ensemble").arg(&file).args(["--json", "--cache", "off", "--runs"]).arg(runs.path()).args(options);
        score.output().unwrap()
    };
    let scored = score(&["--draws", "4"]);
    let json: serde_json::Value = serde_json::from_slice(&scored.stdout).unwrap();
    let draws = json["results"].as_array().unwrap();
    assert_eq!((&draws[0]["net"], &draws[0]["group"]), (&ensemble["nets"][0], &"ensemble".into()));
    for metric in ["reward", "test_accuracy"] {
        assert_eq!(draws[0][metric], ensemble[metric]);
        assert!(draws.len() == 4 && draws.iter().any(|draw| draw[metric] != draws[0][metric]), "{draws:?}");
    }
    let resumed = Command::new(env!("CARGO_BIN_EXE_score"))
        .args(["--json", "--resume", json["run"].as_str().unwrap()])
        .output()
        .unwrap();
    let resumed: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!(resumed["results"], json["results"]);
    for (options, expected) in [
        (&["--net", "[SM(10)]"][..], "ensemble: it names the architectures; leave --net,"),
        (&["--full-training"], "ensemble: its members are random encoders"),
        (&["--store-embedding", "x"], "store-embedding: store the rows of an ensemble with `embed --ensemble`"),
        (&["--epochs", "3"], "ensemble: its classifier is a ridge regression; leave the options of Adam out"),
        (&["--head", "adam"], "ensemble: its classifier is a ridge regression; leave the options of Adam out"),
    ] {
        let message = stderr(&score(options));
        assert!(message.contains(expected), "{options:?}: {message}");
    }

    let elsewhere = tempfile::tempdir().unwrap();
    let stopped =
        crate::search().args(&options).args(["--limit", "3", "--runs"]).arg(elsewhere.path()).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert!(json["ensemble"].is_null());
    let stopped = crate::folder_of(&stopped);
    let resumed = crate::search().arg("--resume").arg(&stopped).args(["--cache", "off"]).output().unwrap();
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let resumed = String::from_utf8_lossy(&std::fs::read(stopped.join("ensemble.json")).unwrap()).into_owned();
    let own = String::from_utf8_lossy(&written).replace(&run.display().to_string(), &stopped.display().to_string());
    assert_eq!(resumed, own);

    let refused = crate::search().args(["--ensemble", "2", "--full-training", "--runs"]).arg(runs.path()).output();
    let message = stderr(&refused.unwrap());
    assert!(message.contains("ensemble: its members are random encoders; leave --full-training out"), "{message}");
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
