//! The reward plot of a run.

use crate::run::report::RunError;
use crate::{FolderError, ReplayRow, RunFolder};
use dpnas_report::{PlotOptions, ReportError, RewardPoint, Svg, reward_plot};
use dpnas_search::Row;

/// The picture is redrawn after this many new rows.
const REDRAW_ROWS: usize = 20;

/// The reward plot of a running search.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    points: Vec<RewardPoint>,
    drawn: usize,
}

impl Picture {
    /// Adds a row of the replay buffer.
    pub(crate) fn push(&mut self, row: &Row) {
        self.points.push(RewardPoint { epsilon: row.epsilon, reward: row.reward });
    }

    /// Draws the picture if there are enough new rows.
    pub(crate) fn update(&mut self, folder: &RunFolder) -> Result<(), RunError> {
        if self.points.len() < self.drawn + REDRAW_ROWS { Ok(()) } else { self.draw(folder) }
    }

    /// Draws the picture of all rows.
    pub(crate) fn draw(&mut self, folder: &RunFolder) -> Result<(), RunError> {
        self.drawn = self.points.len();
        draw_rewards(folder, &self.points)
    }
}

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

/// Writes a picture as SVG and as PNG.
pub(crate) fn write_picture<E: From<FolderError> + From<ReportError>>(
    folder: &RunFolder,
    name: &str,
    svg: &Svg,
) -> Result<(), E> {
    folder.replace(&format!("{name}.svg"), svg.as_str().as_bytes())?;
    folder.replace(&format!("{name}.png"), &svg.to_png(2.0)?)?;
    Ok(())
}
