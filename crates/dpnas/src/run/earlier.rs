//! An earlier run, read from its files, that a search continues.

use crate::csv::replay_buffer::{ReplayFields, read_replay_fields};
use crate::hex::hex;
use crate::run::event::Continued;
use crate::{CsvError, FolderError, Metrics, ReplayRow, RunFolder, read_q_values};
use dpnas_search::{Continuation, ContinueError, EarlierRow, Net, Place, QValue, Search, SearchSettings, Seed, Space};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Name of the copy of the earlier replay buffer in the new run's folder.
pub(crate) const REPLAY_BUFFER: &str = "continued_replay_buffer.csv";

/// Name of the copy of the earlier Q-values in the new run's folder.
pub(crate) const Q_VALUES: &str = "continued_q_values.csv";

/// An earlier run of this or the published program, read from its two CSV files and checked against a space.
///
/// [`search`](Self::search) makes a search that continues it. [`Runner::continuing`](crate::Runner::continuing) copies
/// both files into the new run's folder.
///
/// ```no_run
/// use dpnas::EarlierRun;
/// use dpnas::search::{ImageShape, Place, SearchSettings, Seed, SpaceSettings};
///
/// let space = SpaceSettings::reference_code().check(ImageShape::square(1, 28), 10)?;
/// let place = Place { epsilon: 0.5, position: 40 };
/// let earlier = EarlierRun::read("replay_buffer.csv".as_ref(), "q_values.csv".as_ref(), place, &space)?;
/// let search = earlier.search(space, SearchSettings::paper(), Seed(0))?;
/// assert_eq!(search.earlier_rows(), earlier.rows().len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// SPEC §10.
#[derive(Clone, Debug)]
pub struct EarlierRun {
    replay_buffer: Arc<[u8]>,
    q_values: Arc<[u8]>,
    place: Place,
    rows: Vec<ReplayRow>,
    fields: Vec<ReplayFields>,
    nets: Vec<Arc<Net>>,
    values: Arc<[QValue]>,
}

impl EarlierRun {
    /// Reads both files. The run stopped at `place`.
    ///
    /// # Errors
    /// If a file cannot be read, a column is missing, or a value is invalid or does not fit the space. The error names
    /// row and column.
    pub fn read(replay_buffer: &Path, q_values: &Path, place: Place, space: &Space) -> Result<Self, CsvError> {
        let bytes =
            |path: &Path| std::fs::read(path).map_err(|error| CsvError::Read { path: path.to_owned(), source: error });
        let (replay_bytes, q_bytes) = (bytes(replay_buffer)?, bytes(q_values)?);
        let (rows, fields): (Vec<_>, Vec<_>) =
            read_replay_fields(&replay_bytes[..], replay_buffer)?.into_iter().unzip();
        let nets = rows.iter().enumerate().map(|(row, found)| match found.net.parse() {
            Ok(net) => Ok(Arc::new(net)),
            Err(source) => Err(CsvError::Net { path: replay_buffer.to_owned(), row, source: Box::new(source) }),
        });
        let nets = nets.collect::<Result<_, _>>()?;
        let values = read_q_values(&q_bytes[..], q_values, space)?.into();
        Ok(Self { replay_buffer: replay_bytes.into(), q_values: q_bytes.into(), place, rows, fields, nets, values })
    }

    /// Reads the copies that a run keeps in its folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn in_folder(folder: &RunFolder, place: Place, space: &Space) -> Result<Self, CsvError> {
        Self::read(&folder.file(REPLAY_BUFFER), &folder.file(Q_VALUES), place, space)
    }

    /// The replay buffer.
    pub fn rows(&self) -> &[ReplayRow] {
        &self.rows
    }

    /// The place in the schedule at which the run stopped.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The number of rows with the ε of `place` that count towards the schedule. The position should be this number.
    pub fn counted_at_place(&self) -> usize {
        let same = |row: &&ReplayRow| (row.epsilon - self.place.epsilon).abs() < 1e-9 && row.reward() != 0.0;
        self.rows.iter().filter(same).count()
    }

    /// A search that continues where the run stopped.
    ///
    /// # Errors
    /// If a row, a value, the place or a setting does not fit the space or the schedule.
    pub fn search(&self, space: Space, settings: SearchSettings, seed: Seed) -> Result<Search, ContinueError> {
        let rows = self.rows.iter().zip(&self.nets);
        let rows =
            rows.map(|(row, net)| EarlierRow { epsilon: row.epsilon, net: Net::clone(net), reward: row.reward() });
        let continuation = Continuation { rows: rows.collect(), q_values: self.values.to_vec(), place: self.place };
        Search::continuing(space, settings, seed, continuation)
    }

    /// The entry of the earlier run in the journal.
    pub(crate) fn continued(&self) -> Continued {
        Continued {
            replay_buffer: hash(&self.replay_buffer),
            q_values: hash(&self.q_values),
            epsilon: self.place.epsilon,
            position: self.place.position,
        }
    }

    /// Copies both files into a run's folder and syncs them, because the journal names their checksums.
    pub(crate) fn copy_into(&self, folder: &RunFolder) -> Result<(), FolderError> {
        for (name, content) in [(REPLAY_BUFFER, &self.replay_buffer), (Q_VALUES, &self.q_values)] {
            folder.replace(name, content)?;
            folder.sync(name)?;
        }
        Ok(())
    }

    /// The metrics of a row; `None` if it was rejected.
    pub(crate) fn score(&self, row: usize) -> Option<Metrics> {
        self.rows.get(row).and_then(|row| row.metrics.clone())
    }

    /// The fields of a row in the file.
    pub(crate) fn fields(&self, row: usize) -> &ReplayFields {
        &self.fields[row]
    }

    /// The scored architectures, each with its first scored row.
    pub(crate) fn scored(&self) -> impl Iterator<Item = (&Arc<Net>, &ReplayRow)> + '_ {
        let mut seen = HashSet::new();
        self.nets.iter().zip(&self.rows).filter(move |(net, row)| row.metrics.is_some() && seen.insert(Arc::clone(net)))
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
