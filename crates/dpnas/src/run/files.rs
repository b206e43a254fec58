//! The files of a run folder that are made from the journal: replay buffer, Q-values, reward plot.

use crate::csv::replay_buffer::ReplayWriter;
use crate::run::folder::io;
use crate::run::report::RunError;
use crate::run::scores::Scores;
use crate::{ReplayRow, RunFolder, write_q_values};
use dpnas_report::{PlotOptions, RewardPoint, reward_plot};
use dpnas_search::{Row, Search};
use std::fs::{File, OpenOptions};

/// New rows after which the picture is drawn again.
const REDRAW_ROWS: usize = 20;

/// The files of a run folder while the search runs.
pub(crate) struct Artifacts {
    folder: RunFolder,
    replay_buffer: ReplayWriter<File>,
    points: Vec<RewardPoint>,
    drawn: usize,
}

impl Artifacts {
    /// Writes the replay buffer anew and opens it for more rows.
    pub(crate) fn open(folder: &RunFolder, rows: &[Row], scores: &Scores) -> Result<Self, RunError> {
        const NAME: &str = "replay_buffer.csv";
        let path = folder.file(NAME);
        folder.replace_with(NAME, |file| {
            let mut writer = ReplayWriter::new(file)?;
            let mut fields = rows.iter().enumerate().map(|(number, row)| scores.fields(number, row));
            fields.try_for_each(|fields| writer.write_fields(&fields))
        })?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|source| io(&path, source))?;
        Ok(Self {
            folder: folder.clone(),
            replay_buffer: ReplayWriter::continuing(file, rows.len()),
            points: rows.iter().map(point).collect(),
            drawn: 0,
        })
    }

    /// Appends the rows that are new, and draws the picture again after some.
    pub(crate) fn update(&mut self, rows: &[Row], scores: &Scores) -> Result<(), RunError> {
        self.append(rows, scores)?;
        if self.points.len() >= self.drawn + REDRAW_ROWS {
            self.draw()?;
        }
        Ok(())
    }

    /// Brings every file up to date.
    pub(crate) fn finish(&mut self, search: &Search, scores: &Scores) -> Result<(), RunError> {
        self.append(search.rows(), scores)?;
        let table = search.q_table();
        self.folder.replace_with("q_values.csv", |file| write_q_values(table, file))?;
        self.draw()
    }

    fn append(&mut self, rows: &[Row], scores: &Scores) -> Result<(), RunError> {
        for (number, row) in rows.iter().enumerate().skip(self.points.len()) {
            let written = self.replay_buffer.write_fields(&scores.fields(number, row));
            written.map_err(|error| io(&self.folder.file("replay_buffer.csv"), error))?;
            self.points.push(point(row));
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), RunError> {
        self.drawn = self.points.len();
        draw_rewards(&self.folder, &self.points)
    }
}

fn point(row: &Row) -> RewardPoint {
    RewardPoint { epsilon: row.epsilon, reward: row.reward }
}

/// The points of the reward plot of a replay buffer.
pub fn reward_points(rows: &[ReplayRow]) -> Vec<RewardPoint> {
    rows.iter().map(|row| RewardPoint { epsilon: row.epsilon, reward: row.reward() }).collect()
}

/// Draws `rewards.svg` and `rewards.png` of a run folder, if there are enough points for a picture.
///
/// # Errors
/// If a picture cannot be drawn or written.
///
/// # Source
/// SPEC §13.
pub fn draw_rewards(folder: &RunFolder, points: &[RewardPoint]) -> Result<(), RunError> {
    let title = folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(svg) = reward_plot(points, &PlotOptions::titled(title)) {
        folder.replace("rewards.svg", svg.as_str().as_bytes())?;
        folder.replace("rewards.png", &svg.to_png(2.0)?)?;
    }
    Ok(())
}
