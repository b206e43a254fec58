//! Paths: a run is resumed from any folder, data sets move, and printed commands can be pasted.

use crate::{TINY, folder_of, replay_buffer, search, stderr, tiny};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of images, a folder for each of two classes.
fn images(folder: &Path, brightness: u8) {
    for class in ["dark", "light"] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for index in 0..20_u8 {
            let shade = if class == "dark" { index } else { brightness - index };
            let mut bmp = b"BM\x7a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\x18\0\0\0\0\0".to_vec();
            bmp.resize(54, 0);
            bmp.extend([shade; 48]);
            let length = bmp.len() as u32;
            bmp[2..6].copy_from_slice(&length.to_le_bytes());
            fs::write(folder.join(class).join(format!("{index:02}.bmp")), bmp).unwrap();
        }
    }
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn success(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A search on the images in `a/images` under `place`, with relative paths and one evaluation.
fn begin(place: &Path) -> PathBuf {
    images(&place.join("a/images"), 250);
    let arguments = ["--dataset", "images", "--patch-size", "8", "--schedule", "1.0:4", "--epochs", "2"];
    let output = run(search().current_dir(place.join("a")).args(arguments).args(["--limit", "1", "--json"]));
    folder_of(&output)
}

#[test]
fn a_run_is_resumed_from_another_folder_and_leaves_nothing_there() {
    let place = tempfile::tempdir().unwrap();
    let folder = begin(place.path());
    let elsewhere = place.path().join("b");
    fs::create_dir(&elsewhere).unwrap();
    let name = folder.file_name().unwrap();
    success(&run(search().current_dir(&elsewhere).arg("--resume").arg(Path::new("../a/runs").join(name))));
    assert_eq!(entries(&elsewhere), [] as [PathBuf; 0]);
    assert!(folder.starts_with(place.path().join("a/runs")) && folder.join("report.html").is_file());
}

#[test]
fn a_run_folder_that_moved_keeps_its_cache_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = begin(place.path());
    let moved = place.path().join("c");
    fs::create_dir(&moved).unwrap();
    fs::rename(place.path().join("a/runs"), moved.join("runs")).unwrap();
    success(&run(search()
        .current_dir(&moved)
        .arg("--resume")
        .arg(moved.join("runs").join(folder.file_name().unwrap()))));
    assert!(!place.path().join("a/runs").exists());
    assert!(moved.join("runs/cache").is_dir());
}

#[test]
fn a_data_set_that_moved_is_named_again_and_other_images_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = begin(place.path());
    let a = place.path().join("a");
    fs::rename(a.join("images"), a.join("moved")).unwrap();
    let resume = |more: &[&str]| run(search().current_dir(&a).arg("--resume").arg(&folder).args(more));
    let message = stderr(&resume(&[]));
    assert!(message.contains("give its new place with --dataset or --data-dir"), "{message}");
    images(&a.join("other"), 200);
    let message = stderr(&resume(&["--dataset", "other"]));
    assert!(message.contains("the images differ. Name the data set of the run"), "{message}");
    assert!(!message.contains("go on later"), "{message}");
    success(&resume(&["--dataset", "./moved"]));
}

#[test]
fn a_printed_command_is_quoted_for_a_shell() {
    let place = tempfile::tempdir().unwrap();
    let runs = place.path().join("my runs");
    let output = run(search().args(TINY).args(["--limit", "1", "--runs"]).arg(&runs));
    success(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let command = text.lines().find(|line| line.contains("--resume")).unwrap().trim();
    let arguments = command.strip_prefix("search").unwrap();
    let program = env!("CARGO_BIN_EXE_search");
    success(&run(Command::new("sh").args(["-c", &format!("'{program}'{arguments}")])));
}

#[test]
fn score_takes_the_settings_of_the_search_whose_run_it_is_given() {
    let runs = tempfile::tempdir().unwrap();
    let run_folder = tiny(runs.path(), &["--draw", "per-candidate", "--precision", "bf16"]);
    let row = replay_buffer(&run_folder).lines().skip(1).position(|line| line.contains(",True,")).unwrap().to_string();
    let score = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_score"));
        command.args(["--cache", "off", "--json", "--index", &row, "--replay-buffer"]).arg(&run_folder);
        let output = run(command.arg("--runs").arg(runs.path()).args(more));
        success(&output);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let json = score(&[]);
    assert_eq!(json["results"][0]["reward"], json["summary"][0]["searched_reward"]);
    let settings = fs::read_to_string(Path::new(json["run"].as_str().unwrap()).join("settings.toml")).unwrap();
    assert!(settings.contains("draw = \"per-candidate\"") && settings.contains("precision = \"bf16\""), "{settings}");
    let json = score(&["--draw", "per-search"]);
    assert_ne!(json["results"][0]["reward"], json["summary"][0]["searched_reward"], "a flag wins");
}
