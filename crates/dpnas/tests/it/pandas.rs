//! Reading and writing both CSV files with pandas.

use dpnas::search::{Feedback, ImageShape, Search, SearchSettings, Seed, SpaceSettings};
use dpnas::{Metrics, ReplayRow, ReplayWriter, read_q_values, read_replay_buffer, write_q_values};
use std::path::Path;
use std::process::Command;

/// Runs a script with paths; `None` without pandas.
fn python(script: &str, paths: &[&Path]) -> Option<()> {
    let output = Command::new(crate::skipped::python("pandas")?).args(["-c", script]).args(paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// Rows of every kind, with numbers in every printed form. Percentages have up to six decimals.
fn rows() -> Vec<ReplayRow> {
    let score = |number: u32| {
        let fraction = |part: u32| f64::from((number * 7919 + part * 104_729) % 1_000_001) / 1e6;
        Metrics {
            reward: [1.0, 0.1 + 0.2, 0.00005, 1.0 / 3.0][number as usize % 4],
            train_flag: !number.is_multiple_of(3),
            valid_accuracy: (0..number % 5 + 1).map(fraction).collect(),
            train_accuracy: (5..number % 5 + 6).map(fraction).collect(),
            test_accuracy: if number.is_multiple_of(3) { 0.0 } else { fraction(11) },
            test_accuracies: Vec::new(),
        }
    };
    let net = |number: u32| format!("[C({},3,1,1,1), P(2,2,0,0), SM(10)]", number + 1);
    let epsilon = |number: u32| [1.0, 0.9, 0.1 + 0.2, 0.0][number as usize / 5 % 4];
    (0..23)
        .map(|number| ReplayRow {
            epsilon: epsilon(number),
            net: net(number),
            metrics: (!number.is_multiple_of(6)).then(|| score(number)),
        })
        .collect()
}

fn write_rows(path: &Path, rows: &[ReplayRow]) {
    let mut writer = ReplayWriter::new(std::fs::File::create(path).unwrap()).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
}

fn read_rows(path: &Path) -> Vec<ReplayRow> {
    read_replay_buffer(std::fs::File::open(path).unwrap(), path).unwrap()
}

fn search() -> Search {
    let space = SpaceSettings { max_fc: 1, ..SpaceSettings::small() }.check(ImageShape::square(1, 8), 10).unwrap();
    let settings = SearchSettings { schedule: "1.0:9,0.2:4".parse().unwrap(), ..SearchSettings::paper() };
    let mut search = Search::new(space, settings, Seed(3)).unwrap();
    while let Some(candidate) = search.ask().unwrap() {
        // Some rewards are small enough that their values print with an exponent.
        let reward = if candidate.id.0.is_multiple_of(3) { 1e-9 } else { 0.1 + 0.05 * candidate.id.0 as f64 };
        search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
    }
    search
}

fn write_values(path: &Path, search: &Search) {
    write_q_values(search.q_table(), std::fs::File::create(path).unwrap()).unwrap();
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn pandas_reads_and_writes_the_replay_buffer_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.csv", "theirs.csv"].map(|name| folder.path().join(name));
    write_rows(&ours, &rows());
    let script = "import sys, pandas as pd
pd.read_csv(sys.argv[1], index_col=0, dtype=object).to_csv(sys.argv[2])";
    let Some(()) = python(script, &[&ours, &theirs]) else { return };
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), std::fs::read_to_string(&ours).unwrap());
}

#[test]
fn a_frame_of_python_values_is_written_as_we_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let [json, ours, theirs] = ["rows.json", "ours.csv", "theirs.csv"].map(|name| folder.path().join(name));
    let rows = rows();
    write_rows(&ours, &rows);
    // The values of a Python program.
    let percent = |fraction: f64| (fraction * 1e8).round() / 1e6;
    let percents = |list: &[f64]| list.iter().map(|&fraction| percent(fraction)).collect::<Vec<_>>();
    let values: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| match &row.metrics {
            None => serde_json::json!([row.epsilon, row.net, false, 0.0, 0, [0], [0], 0]),
            Some(score) => serde_json::json!([
                row.epsilon,
                row.net,
                score.train_flag,
                score.reward,
                percent(score.best_valid()),
                percents(&score.valid_accuracy),
                percents(&score.train_accuracy),
                percent(score.test_accuracy)
            ]),
        })
        .collect();
    std::fs::write(&json, serde_json::to_string(&values).unwrap()).unwrap();
    let script = "import sys, json, pandas as pd
names = 'epsilon net train_flag reward acc_best_val acc_val_all_epochs acc_train_all_epochs acc_test_last'.split()
pd.DataFrame(json.load(open(sys.argv[1])), columns=names, dtype=object).to_csv(sys.argv[2])";
    let Some(()) = python(script, &[&json, &theirs]) else { return };
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), std::fs::read_to_string(&ours).unwrap());
}

#[test]
fn pandas_reads_and_writes_q_values_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.csv", "theirs.csv"].map(|name| folder.path().join(name));
    write_values(&ours, &search());
    let text = std::fs::read_to_string(&ours).unwrap();
    assert!(text.contains("e-"), "some value needs an exponent");
    let script = "import sys, pandas as pd
pd.read_csv(sys.argv[1], float_precision='round_trip').to_csv(sys.argv[2], index=False)";
    let Some(()) = python(script, &[&ours, &theirs]) else { return };
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), text);
}

/// By default pandas turns a column with one float into floats, adds an index, and may change the last digit.
#[test]
fn what_pandas_writes_with_its_defaults_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let [rows_csv, values_csv, rows_again, values_again] =
        ["rows.csv", "values.csv", "rows_again.csv", "values_again.csv"].map(|name| folder.path().join(name));
    let (rows, search) = (rows(), search());
    write_rows(&rows_csv, &rows);
    write_values(&values_csv, &search);
    let script = "import sys, pandas as pd
rows, values, rows_again, values_again = sys.argv[1:]
pd.read_csv(rows, index_col=0).to_csv(rows_again)
frame = pd.read_csv(values)
frame['start_terminate'] = frame['start_terminate'].astype(bool)
frame['end_image_size'] = frame['end_image_size'].astype(float)
frame[frame.columns[::-1]].to_csv(values_again)";
    let Some(()) = python(script, &[&rows_csv, &values_csv, &rows_again, &values_again]) else { return };
    let text = std::fs::read_to_string(&rows_again).unwrap();
    assert!(text.contains(",False,0.0,0.0,[0],[0],0.0\n"), "pandas made floats of whole columns: {text}");
    let expected = read_rows(&rows_csv);
    for (found, row) in read_rows(&rows_again).iter().zip(&expected) {
        assert_eq!((&found.net, found.metrics.is_some()), (&row.net, row.metrics.is_some()));
        assert_close(found.epsilon, row.epsilon);
        assert_close(found.reward(), row.reward());
        let (Some(found), Some(score)) = (&found.metrics, &row.metrics) else { continue };
        assert_eq!((&found.valid_accuracy, found.train_flag), (&score.valid_accuracy, score.train_flag));
        assert_close(found.test_accuracy, score.test_accuracy);
    }
    let text = std::fs::read_to_string(&values_again).unwrap();
    let found = read_q_values(text.as_bytes(), &values_again, search.space()).unwrap();
    let entries: Vec<_> = search.q_table().entries().collect();
    assert_eq!(found.len(), entries.len());
    for (found, entry) in found.iter().zip(&entries) {
        assert_eq!((found.state, found.action), (entry.state, entry.action));
        assert_close(found.value, entry.value);
    }
}
