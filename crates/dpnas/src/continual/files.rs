//! Files of a run that are derived from its journal, and the classifiers.

use super::{ContinualError, ContinualReport, Learned, METRICS, MethodSummary, Stream};
use crate::csv::write_table;
use crate::run::folder::{io, sync_folder};
#[cfg(feature = "report")]
use crate::run::picture::write_picture;
use crate::{RunFolder, Summary};
use dpnas_heads::{LinearHead, Statistics};
use npyz::WriterBuilder;
use std::io::Write;
use std::path::Path;

/// Columns of `results.csv`: right predictions after a step, on the test rows of the classes that are new in another.
const RESULTS: [&str; 8] = ["method", "draw", "order", "after_step", "on_step", "classes_seen", "correct", "rows"];

/// Writes the final classifier of a stream.
pub(crate) fn write_head(
    folder: &RunFolder,
    learned: &Learned,
    head: Option<&LinearHead>,
) -> Result<(), ContinualError> {
    let Some(head) = head else { return Ok(()) };
    let heads = folder.file("heads");
    std::fs::create_dir_all(&heads).map_err(|source| io(&heads, source))?;
    let Learned { method, draw, order, .. } = learned;
    let name = format!("heads/{method}-draw-{draw}-order-{order}.safetensors");
    folder.replace(&name, &head.to_bytes()?)?;
    // The journal says that it is there, so it must be on the disk before that line.
    folder.sync(&name)?;
    sync_folder(&heads).map_err(|source| io(&heads, source))?;
    Ok(())
}

/// Saves statistics in a file that appears complete or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn save_statistics(statistics: &Statistics, path: &Path) -> Result<(), ContinualError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(RunFolder::at(parent.to_owned()).replace(&name, &statistics.to_bytes()?)?)
}

/// Brings every file of the folder up to date.
pub(crate) fn finish(folder: &RunFolder, report: &ContinualReport, streams: &[Stream]) -> Result<(), ContinualError> {
    write_table(folder, "results.csv", RESULTS, results(report).into_iter())?;
    write_table(folder, "summary.csv", summary_header(), report.summaries().iter().map(summary_row))?;
    let orders = streams.iter().enumerate().map(|(order, stream)| {
        let labels = |classes: &[u32]| classes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let steps: Vec<String> = stream.steps.iter().map(|step| labels(&step.classes)).collect();
        vec![order.to_string(), report.job.orders[order].to_string(), steps.join(" | ")]
    });
    write_table(folder, "orders.csv", ["order", "name", "classes_of_steps"], orders)?;
    folder.replace_with("accuracy_matrix.npy", |file| matrices(report, file))?;
    #[cfg(feature = "report")]
    for (name, svg) in report.pictures() {
        write_picture::<ContinualError>(folder, &name, &svg)?;
    }
    Ok(())
}

fn results(report: &ContinualReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for learned in &report.learned {
        for (after, correct) in learned.matrix.correct().iter().enumerate() {
            for (on, (correct, total)) in correct.iter().zip(learned.matrix.totals()).enumerate() {
                let seen = report.classes_seen[learned.order][after];
                let numbers = [u64::from(learned.draw), learned.order as u64, after as u64, on as u64, seen as u64];
                let numbers = numbers.into_iter().chain([*correct, *total]).map(|number| number.to_string());
                rows.push([learned.method.to_string()].into_iter().chain(numbers).collect());
            }
        }
    }
    rows
}

/// Each statistic has three columns: its mean and the ends of its 95 % interval.
fn summary_header() -> Vec<String> {
    let three = |name: &str| [name.to_owned(), format!("{name}_low_95"), format!("{name}_high_95")];
    let statistics = METRICS.iter().map(|(name, _)| *name).chain(["difference_to_first"]);
    ["method", "streams"]
        .map(str::to_owned)
        .into_iter()
        .chain(statistics.flat_map(three))
        .chain(["bytes_state", "bytes_exemplars", "weights_digest"].map(str::to_owned))
        .collect()
}

fn summary_row(summary: &MethodSummary) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let three = |summary: Option<Summary>| {
        let interval = summary.and_then(|summary| summary.interval);
        [summary.map(|summary| summary.mean), interval.map(|ends| ends.0), interval.map(|ends| ends.1)].map(number)
    };
    let statistics = summary.metrics.iter().map(|(_, summary)| *summary).chain([summary.difference]);
    [summary.method.to_string(), summary.streams.to_string()]
        .into_iter()
        .chain(statistics.flat_map(three))
        .chain([summary.state_bytes.to_string(), summary.exemplar_bytes.to_string()])
        .chain([summary.weights_digest.clone().unwrap_or_default()])
        .collect()
}

/// The accuracies as one array of `f64`: methods × draws × orders × steps × steps. Streams that are not
/// finished are NaN, and steps without test rows.
fn matrices(report: &ContinualReport, file: &mut dyn Write) -> std::io::Result<()> {
    let job = &report.job;
    let steps = report.classes_seen.first().map_or(0, Vec::len);
    let shape = [job.methods.len(), job.draws as usize, job.orders.len(), steps, steps];
    let mut values = vec![f64::NAN; shape.iter().product()];
    for learned in &report.learned {
        let Some(method) = job.methods.iter().position(|&method| method == learned.method) else { continue };
        let stream = (method * shape[1] + learned.draw as usize) * shape[2] + learned.order;
        for after in 0..learned.matrix.steps() {
            for on in 0..steps {
                values[(stream * steps + after) * steps + on] = learned.matrix.accuracy(after, on).unwrap_or(f64::NAN);
            }
        }
    }
    let options = npyz::WriteOptions::new().default_dtype().shape(&shape.map(|size| size as u64));
    let mut writer = options.writer(file).begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}
