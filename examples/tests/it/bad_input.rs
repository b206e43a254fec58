//! Bad input gets a message that says what, where and what to do.

use crate::{search, stderr, tiny};
use std::process::Command;

fn message(arguments: &[&str]) -> String {
    let runs = tempfile::tempdir().unwrap();
    let output = search().args(arguments).arg("--runs").arg(runs.path()).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was taken");
    assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0, "{arguments:?} left a run behind");
    stderr(&output)
}

fn inspect(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_inspect")).args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was taken");
    assert!(output.stdout.is_empty());
    stderr(&output)
}

#[test]
fn an_unknown_layer_is_underlined() {
    assert_eq!(
        inspect(&["--net", "[C(16,3,1,1,1), X(3), SM(10)]"]),
        "error: line 1, column 17: unknown layer `X`; expected `C`, `P`, `FC` or `SM`\n    \
         [C(16,3,1,1,1), X(3), SM(10)]\n                    ^\n"
    );
}

#[test]
fn a_missing_softmax_is_named() {
    let message = inspect(&["--net", "[C(16,3,1,1,1)]"]);
    assert!(message.starts_with("error: line 1, column 2: "), "{message}");
    assert!(message.contains("SM("), "{message}");
    assert!(message.contains("^"), "{message}");
}

#[test]
fn a_kernel_larger_than_the_map_is_named_with_its_layer() {
    let message = inspect(&["--net", "[C(16,3,1,1,1), P(4,4,0,0), C(16,11,1,0,1), SM(10)]", "--input", "1x28x28"]);
    assert_eq!(
        message,
        "error: layer 3, `C(16,11,1,0,1)`: the kernel 11 is larger than the 16x7x7 map with padding 0; use a kernel of at \
         most 7 or a padding of at least 2\n"
    );
}

#[test]
fn a_folder_without_data_lists_the_files_it_should_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let message = message(&["--dataset", &path]);
    assert!(
        message.starts_with(&format!("error: {path}: no data set; found nothing; looked for\n  IDX: ")),
        "{message}"
    );
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 7, "{message}");
    let kinds = ["  IDX: ", "  CIFAR-10: ", "  CIFAR-100: ", "  numpy: ", "  images: ", "give another folder"];
    assert!(lines[1..].iter().zip(kinds).all(|(line, kind)| line.starts_with(kind)), "{message}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_is_not_compiled_in_says_which_feature_to_add() {
    assert_eq!(
        message(&["--device", "cuda"]),
        "error: device cuda:0 is not compiled in: build with `--features cuda`, for example `cargo run --release \
         --features cuda --bin search -- --device cuda:0`\n"
    );
}

#[test]
fn a_schedule_that_does_not_parse_says_which_part() {
    assert_eq!(
        message(&["--schedule", "1.0:10,half:5"]),
        "error: schedule: schedule: part 2: `half` is not a number that fits there; write EPSILON:ARCHITECTURES, for \
         example 0.5:50\n"
    );
}

#[test]
fn an_unknown_key_of_a_config_file_gets_the_nearest_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, "epoch = 5\n").unwrap();
    let path = path.display().to_string();
    assert_eq!(
        message(&["--config", &path]),
        format!("error: {path}: unknown key `epoch`; the nearest known one is `epochs`\n")
    );
}

#[test]
fn a_value_of_a_wrong_type_in_a_config_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, "seed = 3\nepochs = \"many\"\n").unwrap();
    let path = path.display().to_string();
    assert_eq!(
        message(&["--config", &path]),
        format!("error: {path}: epochs: invalid type: string \"many\", expected u32\n")
    );
}

#[test]
fn a_seed_that_no_settings_file_holds_is_refused() {
    let message = message(&["--seed", "9223372036854775808"]);
    assert!(
        message.starts_with("error: a number is above 9223372036854775807, the largest of a settings file"),
        "{message}"
    );
}

#[test]
fn full_training_has_one_precision() {
    assert_eq!(
        message(&["--full-training", "--precision", "bf16"]),
        "error: precision: full training computes in f32; leave --precision out\n"
    );
}

#[test]
fn a_wrong_value_is_named() {
    for (arguments, expected) in [
        (["--epochs", "0"], "error: setting `epochs` is 0, but must be at least 1\n"),
        (
            ["--memory-budget", "2GB"],
            "error: memory-budget: `2GB` is no size: write for example 512MiB, 2GiB or a \
          number of bytes\n",
        ),
        (
            ["--dataset", "minst"],
            "error: unknown data set `minst`: known names are digits, mnist, fashion-mnist, cifar10, \
          cifar100, synthetic; a folder is given by its path, for example ./minst\n",
        ),
    ] {
        assert_eq!(message(&arguments), expected);
    }
}

#[test]
fn a_run_of_a_newer_version_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--limit", "1"]);
    let journal = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replace("\"format\":2,\"version\":\"0.1.0\"", "\"format\":3,\"version\":\"0.9.0\""))
        .unwrap();
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(!output.status.success());
    let expected = format!(
        "{} has format 3, written by dpnas 0.9.0; this version reads formats up to 2. Use dpnas 0.9.0 or newer\n",
        journal.display()
    );
    assert!(stderr(&output).ends_with(&expected), "{}", stderr(&output));
}

#[test]
fn an_unknown_draw_is_named() {
    let draw = message(&["--draw", "per-net"]);
    assert_eq!(draw, "error: draw: unknown draw `per-net`: use per-search or per-candidate\n");
}

#[test]
fn a_flag_that_would_change_a_resumed_run_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--limit", "1"]);
    let output = search().arg("--resume").arg(&folder).args(["--epochs", "9"]).output().unwrap();
    assert_eq!(
        stderr(&output),
        "error: --epochs cannot change while a run is resumed: its settings.toml decides. Only --threads, \
         --memory-budget, --chunk, --cache, --cache-budget, --dataset, --data-dir, --offline, --mirror, --time may\n"
    );
    let settings = folder.join("settings.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("epochs = 6", "epochs = 7")).unwrap();
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    let named = "is `epochs = 7`, and was `epochs = 6` when the run began: write it as it was";
    assert!(stderr(&output).contains(named), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let whole = crate::replay_buffer(&tiny(runs.path(), &[]));
    let elsewhere = tempfile::tempdir().unwrap();
    // No file may grow beyond 2 KiB: writes fail as on a full disk.
    let script = format!(
        "ulimit -f 4; exec '{}' {} --runs '{}' --cache off",
        env!("CARGO_BIN_EXE_search"),
        crate::TINY.join(" "),
        elsewhere.path().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the disk (or a quota or size limit) is full"), "{}", stderr(&output));
    assert!(stderr(&output).contains("go on later with: search --resume"), "{}", stderr(&output));
    let folder = std::fs::read_dir(elsewhere.path()).unwrap().next().unwrap().unwrap().path();
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(crate::replay_buffer(&folder), whole);
}

#[test]
fn a_search_in_which_nothing_counts_warns_and_ends_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    // A learning rate that makes every training diverge: each architecture is rejected.
    let run = |limit: &str| {
        let output = search()
            .args(["--limit-train", "60", "--schedule", "1.0:3", "--epochs", "1", "--learning-rate", "1e20"])
            .args(["--full-training", "--max-fruitless", limit, "--runs"])
            .arg(folder.path())
            .output();
        output.unwrap()
    };
    let output = run("52");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("warning: none of the last 50 architectures counts towards the schedule; the last one: "),
        "{text}"
    );
    let output = run("3");
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains("warning: none of the last"), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("none of the last 3 evaluations counts"), "{text}");
    assert!(text.ends_with(" --max-fruitless 6\n"), "{text}");
}
