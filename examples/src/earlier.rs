//! The earlier run that a search continues.

use crate::options::ContinueOptions;
use crate::progress::eprintln;
use anyhow::{Result, bail};
use dpnas::search::{Place, Progress, Space};
use dpnas::{EarlierRun, RunFolder};
use std::path::Path;

/// The earlier run, if the search continues one. A resumed run has copies of its files.
///
/// # Errors
/// If an option is missing, or a file cannot be read or does not fit the space.
pub fn earlier_run(
    options: &ContinueOptions,
    resumed: Option<&RunFolder>,
    space: &Space,
) -> Result<Option<EarlierRun>> {
    let Some((replay_buffer, q_values, place)) = files(options)? else { return Ok(None) };
    Ok(Some(match resumed {
        Some(folder) => EarlierRun::in_folder(folder, place, space)?,
        None => EarlierRun::read(replay_buffer, q_values, place, space)?,
    }))
}

/// Says what a search continues, and whether its rows agree with its place.
pub fn announce(earlier: &EarlierRun, progress: Progress) {
    let Progress { counted, total, .. } = progress;
    let rows = earlier.rows().len();
    eprintln(&format!("continues {rows} rows of an earlier run at {counted}/{total} architectures of the schedule"));
    let (found, Place { epsilon, position }) = (earlier.counted_at_place(), earlier.place());
    if found != position as usize {
        eprintln(&format!(
            "note: it has {found} rows at epsilon {epsilon:?} that count, and continue-ite is {position}, which decides"
        ));
    }
}

/// Both files and the place; `None` if the search begins anew.
fn files(options: &ContinueOptions) -> Result<Option<(&Path, &Path, Place)>> {
    let ContinueOptions { continue_search, q_values_csv_path, replay_buffer_csv_path, continue_epsilon, continue_ite } =
        options;
    let given = [
        ("--q-values-csv-path", q_values_csv_path.is_some()),
        ("--replay-buffer-csv-path", replay_buffer_csv_path.is_some()),
        ("--continue-epsilon", continue_epsilon.is_some()),
        ("--continue-ite", continue_ite.is_some()),
    ];
    let those = |wanted: bool| {
        let names = given.iter().filter(|(_, given)| *given == wanted).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    match (*continue_search, q_values_csv_path, replay_buffer_csv_path, *continue_epsilon, *continue_ite) {
        (false, None, None, None, None) => Ok(None),
        (false, ..) => bail!("{} is for a search that continues an earlier run; add --continue-search", those(true)),
        (true, Some(q_values), Some(replay_buffer), Some(epsilon), Some(position)) => {
            Ok(Some((replay_buffer.as_ref(), q_values.as_ref(), Place { epsilon, position })))
        }
        (true, ..) => bail!("--continue-search lacks {}; give both files and the place in the schedule", those(false)),
    }
}
