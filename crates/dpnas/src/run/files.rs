//! Files of a run folder that are derived from the journal: replay buffer, Q-values and, with the feature `report`, the
//! reward plot.

use crate::csv::replay_buffer::ReplayWriter;
use crate::run::folder::io;
#[cfg(feature = "report")]
use crate::run::picture::draw_rewards;
use crate::run::report::RunError;
use crate::run::trials::Trials;
use crate::{RunFolder, write_q_values};
#[cfg(feature = "report")]
use dpnas_report::RewardPoint;
use dpnas_search::{Row, Search};
use std::fs::{File, OpenOptions};

/// Name of the replay buffer in a run folder.
const REPLAY_BUFFER: &str = "replay_buffer.csv";

/// The files of a run folder while the search runs.
pub(crate) struct Artifacts {
    folder: RunFolder,
    replay_buffer: ReplayWriter<File>,
    rows: usize,
}

impl Artifacts {
    /// Rewrites the replay buffer and opens it for more rows.
    pub(crate) fn open(folder: &RunFolder, rows: &[Row], trials: &Trials) -> Result<Self, RunError> {
        let path = folder.file(REPLAY_BUFFER);
        folder.replace_with(REPLAY_BUFFER, |file| {
            let mut writer = ReplayWriter::new(file)?;
            let mut fields = rows.iter().enumerate().map(|(number, row)| trials.fields(number, row));
            fields.try_for_each(|fields| writer.write_fields(&fields))
        })?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|source| io(&path, source))?;
        let replay_buffer = ReplayWriter::continuing(file, rows.len());
        Ok(Self { folder: folder.clone(), replay_buffer, rows: rows.len() })
    }

    /// Draws the picture of these rows.
    #[cfg_attr(not(feature = "report"), expect(unused_variables, reason = "there is no picture"))]
    pub(crate) fn draw(&self, rows: &[Row]) -> Result<(), RunError> {
        #[cfg(feature = "report")]
        {
            let points = rows.iter().map(|row| RewardPoint { epsilon: row.epsilon, reward: row.reward });
            draw_rewards(&self.folder, &points.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Brings every file up to date.
    pub(crate) fn finish(&mut self, search: &Search, trials: &Trials) -> Result<(), RunError> {
        self.update(search.rows(), trials)?;
        if search.strategy().is_none() {
            self.folder.replace_with("q_values.csv", |file| write_q_values(search.q_table(), file))?;
        }
        self.draw(search.rows())
    }

    /// Appends new rows.
    pub(crate) fn update(&mut self, rows: &[Row], trials: &Trials) -> Result<(), RunError> {
        for (number, row) in rows.iter().enumerate().skip(self.rows) {
            let written = self.replay_buffer.write_fields(&trials.fields(number, row));
            written.map_err(|source| io(&self.folder.file(REPLAY_BUFFER), source))?;
            self.rows += 1;
        }
        Ok(())
    }
}
