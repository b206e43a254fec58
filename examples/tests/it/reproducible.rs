//! The same seed gives the same replay buffer, byte for byte, whatever changes around it.

use crate::{TINY, folder_of, replay_buffer, search, stderr, tiny, wait_for};
use std::path::{Path, PathBuf};

#[test]
fn the_same_seed_gives_the_same_replay_buffer_whatever_threads_chunk_and_cache() {
    let runs = tempfile::tempdir().unwrap();
    let cache = runs.path().join("cache").display().to_string();
    let first = replay_buffer(&tiny(runs.path(), &[]));
    assert!(first.lines().count() > 10, "{first}");
    for arguments in [
        &["--threads", "1"][..],
        &["--threads", "2"],
        &["--chunk", "1"],
        &["--chunk", "512"],
        &["--memory-budget", "16MiB"],
        &["--memory-budget", "auto"],
        &["--cache", &cache],
        &["--cache", &cache], // full by now
    ] {
        let again: Vec<&str> = arguments.to_vec();
        let output = search().args(TINY).arg("--runs").arg(runs.path()).arg("--json").args(&again).output().unwrap();
        assert_eq!(replay_buffer(&folder_of(&output)), first, "{again:?}");
    }
    assert_ne!(replay_buffer(&tiny_with_seed(runs.path(), "6")), first);
}

#[test]
fn the_cpu_device_gives_the_same_replay_buffer_whatever_threads_and_chunk() {
    let runs = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| replay_buffer(&tiny(runs.path(), &[&["--device", "cpu"], arguments].concat()));
    let first = run(&[]);
    assert!(first.lines().count() > 10, "{first}");
    for arguments in [["--threads", "1"], ["--chunk", "3"]] {
        assert_eq!(run(&arguments), first, "{arguments:?}");
    }
    assert_ne!(run(&["--precision", "bf16"]), first);
}

#[test]
fn a_run_of_an_earlier_version_is_resumed_with_one_warning() {
    let runs = tempfile::tempdir().unwrap();
    let whole = replay_buffer(&tiny(runs.path(), &[]));
    let folder = tiny(runs.path(), &["--limit", "3"]);
    let settings = folder.join("settings.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replacen("\n# ", "\nprefix-budget = \"auto\"\nprefix-worth = 400.0\n# ", 1))
        .unwrap();
    // That version also named its evaluation in another way.
    let journal = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    assert!(text.contains("\"deep prior on cpu "), "{text}");
    let text = crate::journal::of_format_1(&text);
    std::fs::write(&journal, text.replace("\"deep prior on cpu ", "\"deep prior v2 on cpu ")).unwrap();
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = format!(
        "warning: {}: this version has no option prefix-budget and prefix-worth: ignored\n",
        settings.display()
    );
    assert_eq!(stderr(&output).matches("warning: ").count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    assert_eq!(replay_buffer(&folder), whole);
}

#[test]
fn a_draw_for_each_candidate_has_other_rewards_and_the_same_ones_again() {
    let runs = tempfile::tempdir().unwrap();
    let per_candidate = ["--draw", "per-candidate"];
    let first = replay_buffer(&tiny(runs.path(), &per_candidate));
    assert_ne!(first, replay_buffer(&tiny(runs.path(), &[])));
    assert_eq!(replay_buffer(&tiny(runs.path(), &[&per_candidate[..], &["--threads", "1"]].concat())), first);
    let folder = tiny(runs.path(), &[&per_candidate[..], &["--limit", "3"]].concat());
    let refused = search().arg("--resume").arg(&folder).args(["--draw", "per-search"]).output().unwrap();
    assert!(stderr(&refused).contains("--draw cannot change while a run is resumed"), "{}", stderr(&refused));
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(replay_buffer(&folder), first);
    let settings = std::fs::read_to_string(folder.join("settings.toml")).unwrap();
    assert!(settings.contains("draw = \"per-candidate\""), "{settings}");
    let journal = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    assert!(journal.lines().next().unwrap().contains("by candidate from seed 5"), "{journal}");
}

#[test]
fn the_settings_of_a_run_repeat_it() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--init", "xavier-uniform", "--min-conv", "3"]);
    let output = search().arg("--config").arg(folder.join("settings.toml")).arg("--json").output().unwrap();
    let again = folder_of(&output);
    assert_ne!(again, folder);
    assert_eq!(replay_buffer(&again), replay_buffer(&folder));
    let settings = |folder: &Path| std::fs::read_to_string(folder.join("settings.toml")).unwrap();
    assert_eq!(settings(&again), settings(&folder));
}

#[test]
fn a_run_that_was_killed_is_resumed_to_the_same_end() {
    let runs = tempfile::tempdir().unwrap();
    let whole = tiny(runs.path(), &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut child = search()
        .args(TINY)
        .arg("--runs")
        .arg(elsewhere.path())
        .args(["--cache", "off"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let killed = wait_for(elsewhere.path(), "journal.jsonl", "\"event\":\"told\"", 4);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    // A line that was being written when the power went.
    let journal = killed.join("journal.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("{\"event\":\"told\",\"id\":");
    std::fs::write(&journal, text).unwrap();

    let output = search().arg("--resume").arg(&killed).arg("--json").output().unwrap();
    assert_eq!(folder_of(&output), killed);
    for file in ["replay_buffer.csv", "q_values.csv"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(read(&killed) == read(&whole), "{file} differs");
    }
}

#[test]
fn a_limit_ends_a_run_that_resumes_to_the_same_end() {
    let runs = tempfile::tempdir().unwrap();
    let whole = replay_buffer(&tiny(runs.path(), &[]));
    let folder = tiny(runs.path(), &["--limit", "3"]);
    assert!(replay_buffer(&folder).lines().count() < whole.lines().count());
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("resumed: 3 scored architectures"), "{}", stderr(&output));
    assert_eq!(replay_buffer(&folder), whole);
    // A complete run is resumed too: its files are made again.
    std::fs::remove_file(folder.join("replay_buffer.csv")).unwrap();
    let output = search().arg("--resume").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(replay_buffer(&folder), whole);
}

fn tiny_with_seed(runs: &Path, seed: &str) -> PathBuf {
    let mut arguments = TINY;
    arguments[7] = seed;
    let output = search().args(arguments).arg("--runs").arg(runs).args(["--cache", "off", "--json"]).output().unwrap();
    folder_of(&output)
}

#[test]
fn an_evolution_is_the_same_whatever_threads_and_interruptions() {
    let runs = tempfile::tempdir().unwrap();
    for (options, rows) in [
        (&["--schedule", "1.0:4,0.0:5", "--strategy", "evolution"][..], 9..=9),
        (&["--schedule", "1.0:4,0.0:12", "--strategy", "predictor", "--rungs", "60:ridge,120:adam"], 2..=12),
    ] {
        let whole = tiny(runs.path(), options);
        let first = replay_buffer(&whole);
        assert!(rows.contains(&(first.lines().count() - 1)), "{first}");
        assert!(!whole.join("q_values.csv").exists(), "Q-values belong to Q-learning");
        assert_eq!(replay_buffer(&tiny(runs.path(), &[options, &["--threads", "1"]].concat())), first);
        let folder = tiny(runs.path(), &[options, &["--limit", "6"]].concat());
        let output = search().arg("--resume").arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(replay_buffer(&folder), first);
    }
}

#[test]
fn a_search_ends_when_its_time_is_over_and_goes_on_with_more() {
    let runs = tempfile::tempdir().unwrap();
    let options = ["--limit-train", "100", "--epochs", "2", "--strategy", "evolution", "--cache", "off", "--json"];
    let output = search().arg("--runs").arg(runs.path()).args(options).args(["--time", "1s"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["stop"], "time is over");
    let folder = folder_of(&output);
    let ended = replay_buffer(&folder);
    let resume = |more: &[&str]| search().arg("--resume").arg(&folder).args(more).output().unwrap();
    let again = String::from_utf8_lossy(&resume(&[]).stdout).into_owned();
    assert!(again.contains("Search ended (time is over)") && again.contains("--time MORE"), "{again}");
    assert_eq!(replay_buffer(&folder), ended);
    assert!(resume(&["--time", "1h", "--limit", "1"]).status.success());
    assert!(replay_buffer(&folder).starts_with(&ended) && replay_buffer(&folder).len() > ended.len());
}

#[test]
fn a_budget_makes_the_schedule_of_its_strategy() {
    let runs = tempfile::tempdir().unwrap();
    let schedule = |arguments: &[&str]| {
        let given =
            [&["--limit-train", "60", "--epochs", "1", "--limit", "1", "--cache", "off", "--json"], arguments].concat();
        let folder = folder_of(&search().arg("--runs").arg(runs.path()).args(given).output().unwrap());
        let settings = std::fs::read_to_string(folder.join("settings.toml")).unwrap();
        settings.lines().find_map(|line| line.strip_prefix("schedule = ")).unwrap().trim_matches('"').to_owned()
    };
    let learning = |more: &[&str]| schedule(&[&["--strategy", "q-learning"], more].concat());
    assert_eq!(learning(&[]), "1.0:24,0.7:8,0.4:8,0.1:6,0.0:2");
    assert_eq!(learning(&["--budget", "24"]), "1.0:12,0.7:4,0.4:4,0.1:3,0.0:1");
    assert_eq!(schedule(&[]), "1.0:16,0.0:32");
    assert_eq!(schedule(&["--strategy", "random", "--budget", "7"]), "1.0:7");
    assert_eq!(schedule(&["--strategy", "evolution"]), "1.0:16,0.0:32");
    assert_eq!(schedule(&["--strategy", "evolution", "--budget", "200"]), "1.0:30,0.0:170");
    assert_eq!(schedule(&["--strategy", "evolution", "--time", "2h"]), "1.0:30,0.0:999970");
    assert_eq!(learning(&["--time", "2h", "--budget", "24"]), "1.0:12,0.7:4,0.4:4,0.1:3,0.0:1");
    for (arguments, expected) in [
        (
            &["--strategy", "annealing"][..],
            "strategy: `annealing` is unknown; use q-learning, evolution, predictor or random",
        ),
        (&["--budget", "0"], "0 architectures"),
        (&["--time", "0s"], "time: without any there is no search; use for example 45m or 2h"),
        (&["--time", "long"], "time: `long`; use for example 45m or 2h"),
        (
            &["--time", "2h", "--strategy", "q-learning"],
            "time: the ε of q-learning depends on the number of architectures; add --budget",
        ),
        (&["--budget", "5", "--schedule", "small"], "budget: the schedule says how many"),
        (&["--strategy", "evolution", "--initial-q", "0.5"], "initial-q: it belongs to --strategy q-learning"),
        (&["--strategy", "evolution", "--continue-ite", "3"], "continue-search: the files of an earlier run are"),
        (&["--strategy", "random", "--schedule", "small"], "schedule: random architectures have the ε 1.0 alone"),
    ] {
        let output = search().arg("--runs").arg(runs.path()).args(arguments).output().unwrap();
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}
