//! The strategies' own cost on 28×28 images with an evaluation that takes no time: seconds and resident memory of 20,000
//! architectures, which should grow in proportion.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints and reads the clock")]

use dpnas_search::{Evolution, Feedback, ImageShape, Predictor, Search, SearchSettings, Seed, SpaceSettings, Strategy};
use std::sync::Arc;
use std::time::Instant;

const ARCHITECTURES: u64 = 20_000;

fn main() {
    let strategies: [(&str, Arc<dyn Strategy>); 2] =
        [("evolution", Arc::new(Evolution::default())), ("predictor", Arc::new(Predictor::default()))];
    println!("| strategy | architectures | s | resident KiB |\n|---|---:|---:|---:|");
    for (name, strategy) in strategies {
        let space = SpaceSettings::small().check(ImageShape::square(1, 28), 10).expect("a preset suits 28x28 images");
        let schedule = format!("1.0:30,0.0:{}", ARCHITECTURES - 30).parse().expect("it is a schedule");
        let settings = SearchSettings { schedule, ..SearchSettings::paper() };
        let mut search = Search::with_strategy(space, settings, strategy, Seed(1)).expect("the settings are valid");
        let start = Instant::now();
        while let Some(candidate) = search.ask().expect("most nets of the preset are accepted") {
            let reward = 0.2 + 0.01 * (candidate.net.layers().len() % 64) as f64;
            search.tell(candidate.id, Feedback::Scored { reward }).expect("the candidate was just asked for");
            let counted = search.progress().counted;
            if counted.is_multiple_of(ARCHITECTURES / 4) {
                println!("| `{name}` | {counted} | {:.1} | {} |", start.elapsed().as_secs_f64(), resident_kib());
            }
        }
    }
}

/// Resident memory of this process, where the system tells it.
fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "?".to_owned(), |kib| kib.trim().trim_end_matches(" kB").to_owned())
}
