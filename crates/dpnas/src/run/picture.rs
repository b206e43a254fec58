//! The reward plot of a run.

use crate::run::report::RunError;
use crate::{FolderError, ReplayRow, RunFolder};
use dpnas_report::{PlotOptions, ReportError, RewardPoint, Svg, reward_plot};

/// The points of the reward plot of a replay buffer.
pub fn reward_points(rows: &[ReplayRow]) -> Vec<RewardPoint> {
    rows.iter().map(|row| RewardPoint { epsilon: row.epsilon, reward: row.reward() }).collect()
}

/// Draws `rewards.svg` and `rewards.png` in a run folder if there are enough points for a plot.
///
/// # Errors
/// If a picture cannot be drawn or written.
///
/// # Source
/// SPEC §13.
pub fn draw_rewards(folder: &RunFolder, points: &[RewardPoint]) -> Result<(), RunError> {
    let title = folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(svg) = reward_plot(points, &PlotOptions::titled(title)) {
        write_picture::<RunError>(folder, "rewards", &svg)?;
    }
    Ok(())
}

/// Writes a picture as SVG and as PNG in a run folder.
///
/// # Errors
/// If it cannot be drawn as PNG, or a file cannot be written.
pub fn write_picture<E: From<FolderError> + From<ReportError>>(
    folder: &RunFolder,
    name: &str,
    svg: &Svg,
) -> Result<(), E> {
    folder.replace(&format!("{name}.svg"), svg.as_str().as_bytes())?;
    folder.replace(&format!("{name}.png"), &svg.to_png(2.0)?)?;
    Ok(())
}
