//! Embeddings of the three splits of a data set by one frozen encoder, computed or from the cache.

use crate::store::SplitName;
use crate::{DeepPriorConfig, MemoryPlan, RowPlace, ScoreError, Splits};
use dpnas_cache::{Cache, CacheError, DType, Key, Matrix, Writer};
use dpnas_data::ImageSet;
use dpnas_grammar::{Layer, Net, Plan};
use dpnas_prior::{Engine, NormMode, Precision};
use dpnas_seed::Seed;
use dpnas_train::{Bf16, ReadRows};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The rows of training, validation and test images, `[n, features]` each.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    splits: [Matrix; 3],
    place: RowPlace,
}

impl Embedding {
    pub(crate) fn splits(&self) -> &[Matrix; 3] {
        &self.splits
    }

    /// Where the classifier reads the rows from.
    pub(crate) fn place(&self) -> RowPlace {
        self.place
    }
}

/// Reads the rows of a matrix from its file while a classifier is fitted.
pub(crate) struct FileRows<'a>(pub(crate) &'a Matrix);

impl<E: RowNumber> ReadRows<E> for FileRows<'_> {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn columns(&self) -> usize {
        self.0.columns()
    }

    fn read_rows(&self, indices: &[usize], out: &mut [E]) -> io::Result<()> {
        E::read(self.0, indices, out)
    }
}

/// A number type that the cache stores and the classifier reads.
pub(crate) trait RowNumber: dpnas_train::Element {
    /// The numbers of a matrix if it holds this type in memory.
    fn of(matrix: &Matrix) -> Option<&[Self]>;

    fn read(matrix: &Matrix, indices: &[usize], out: &mut [Self]) -> io::Result<()>;
}

impl RowNumber for f32 {
    fn of(matrix: &Matrix) -> Option<&[Self]> {
        matrix.values()
    }

    fn read(matrix: &Matrix, indices: &[usize], out: &mut [Self]) -> io::Result<()> {
        matrix.read_rows(indices, out)
    }
}

impl RowNumber for Bf16 {
    fn of(matrix: &Matrix) -> Option<&[Self]> {
        matrix.values::<u16>().map(Self::from_bits_slice)
    }

    fn read(matrix: &Matrix, indices: &[usize], out: &mut [Self]) -> io::Result<()> {
        matrix.read_rows(indices, Self::bits_mut(out))
    }
}

/// Narrowest type that stores the rows of a net losslessly; `f32` if fully connected layers are trained on them.
pub(crate) fn row_dtype(engine: &dyn Engine, net: &Net) -> DType {
    match engine.row_precision() {
        Precision::Bf16 if net.linear_units().next().is_none() => DType::Bf16,
        Precision::Bf16 | Precision::F32 => DType::F32,
    }
}

/// Takes blocks of whole rows, split by split.
pub(crate) type RowSink<'a, E> = dyn FnMut(SplitName, &[f32]) -> Result<(), E> + 'a;

/// Computes embeddings or takes them from the cache.
pub(crate) struct Embeddings<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) splits: &'a Splits,
    /// Calibration images of the normalisation, with their indices in the training set.
    pub(crate) calibration: (&'a [usize], &'a ImageSet),
    pub(crate) config: &'a DeepPriorConfig,
    pub(crate) weight_seed: Seed,
    pub(crate) cache: &'a Cache,
    /// Folder for rows that do not fit the memory, if the cache is not on disk.
    pub(crate) scratch: &'a Path,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) memory: MemoryPlan,
}

impl Embeddings<'_> {
    /// The embedding of all splits by one architecture. It comes from the cache if that has all three splits.
    pub(crate) fn of(&mut self, plan: &Plan) -> Result<Embedding, ScoreError> {
        let keys = self.keys(plan);
        if let [Some(train), Some(valid), Some(test)] = self.cached(&keys) {
            return Ok(Embedding { splits: [train, valid, test], place: self.memory.rows });
        }
        let (cache, net) = (self.cache, plan.net());
        let in_file =
            |this: &mut Self| this.compute(plan, &keys, &Cache::in_unnamed_files(this.scratch), RowPlace::File);
        match self.memory.rows {
            RowPlace::File if !cache.is_on_disk() => in_file(self),
            place => match self.compute(plan, &keys, cache, place) {
                // A full or broken cache must not end a search, so continue without storing the embedding.
                Err(ScoreError::Cache(error @ (CacheError::DiskFull { .. } | CacheError::Io { .. }))) => {
                    tracing::warn!("{error}; going on without storing the embedding of {net}");
                    match place {
                        RowPlace::Memory => self.compute(plan, &keys, &Cache::in_memory(), place),
                        RowPlace::File => in_file(self),
                    }
                }
                Err(ScoreError::Cache(error @ CacheError::OutOfMemory { .. })) => {
                    tracing::warn!("{error}; going on with the embedding of {net} in a file");
                    in_file(self)
                }
                result => result,
            },
        }
    }

    fn cached(&self, keys: &[Key; 3]) -> [Option<Matrix>; 3] {
        keys.each_ref().map(|key| {
            self.cache.get(key).unwrap_or_else(|error| {
                tracing::warn!("{error}; computing the embedding again");
                None
            })
        })
    }

    /// Passes the rows of training, validation and test images to `sink`, in this order and block by block. They come
    /// from the cache if it has all of them. Otherwise they are computed and not stored.
    pub(crate) fn stream(&mut self, plan: &Plan, sink: &mut RowSink<'_, ScoreError>) -> Result<(), ScoreError> {
        let [Some(train), Some(valid), Some(test)] = self.cached(&self.keys(plan)) else {
            return self.encode(plan, sink);
        };
        let chunk = self.memory.chunk.get();
        for (split, matrix) in SplitName::ALL.into_iter().zip([train, valid, test]) {
            let indices: Vec<usize> = (0..matrix.rows()).collect();
            let mut rows = vec![0.0_f32; chunk.min(matrix.rows()) * matrix.columns()];
            for indices in indices.chunks(chunk) {
                let rows = &mut rows[..indices.len() * matrix.columns()];
                matrix.read_rows(indices, rows).map_err(ScoreError::Rows)?;
                self.check(rows)?;
                sink(split, rows)?;
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        plan: &Plan,
        keys: &[Key; 3],
        cache: &Cache,
        place: RowPlace,
    ) -> Result<Embedding, ScoreError> {
        let columns = usize::try_from(plan.features()).unwrap_or(usize::MAX);
        let Splits { train, valid, test, .. } = self.splits;
        let dtype = row_dtype(self.engine, plan.net());
        let create = |key, set: &ImageSet| {
            let mut writer = cache.create_of(dtype, key, columns)?;
            writer.reserve(set.len())?;
            Ok::<_, CacheError>(writer)
        };
        let mut writers = [create(&keys[0], train)?, create(&keys[1], valid)?, create(&keys[2], test)?];
        self.encode(plan, &mut |split, rows| Ok(writers[split as usize].push(rows)?))?;
        let [train, valid, test] = writers.map(Writer::finish);
        Ok(Embedding { splits: [train?, valid?, test?], place })
    }

    /// Refuses rows that are not finite. A classifier trained on them would be undefined without an error.
    pub(crate) fn check(&self, rows: &[f32]) -> Result<(), ScoreError> {
        self.check_stop()?;
        if !rows.iter().all(|value| value.is_finite()) {
            return Err(ScoreError::NotFinite);
        }
        Ok(())
    }

    pub(crate) fn check_stop(&self) -> Result<(), ScoreError> {
        if self.stop.load(Ordering::Relaxed) { Err(ScoreError::Interrupted) } else { Ok(()) }
    }

    fn keys(&self, plan: &Plan) -> [Key; 3] {
        ["train", "valid", "test"].map(|split| self.key(plan, split))
    }

    /// Key of everything that decides the rows of a split. Chunk, threads and memory do not.
    fn key(&self, plan: &Plan, split: &str) -> Key {
        let c = self.config;
        let key = Key::new()
            .with("engine", self.engine.name())
            .with("encoder", encoder_text(plan.net()))
            .with("input", plan.input())
            .with("init", c.init)
            .with("weight seed", self.weight_seed.0)
            .with("norm", c.norm.effective_mode())
            .with("data", self.splits.fingerprint())
            .with("split", split)
            .with("numbers", row_dtype(self.engine, plan.net()));
        match c.norm.effective_mode() {
            NormMode::None => key,
            NormMode::Calibrated => key
                .with("epsilon", c.norm.epsilon)
                .with("calibration images", c.calibration_images)
                .with("calibration seed", c.probe.seed.0),
            NormMode::Reference => key.with("epsilon", c.norm.epsilon).with("batch size", c.probe.batch_size),
        }
    }
}

/// The layers of the encoder. Classifiers do not change an embedding.
fn encoder_text(net: &Net) -> String {
    net.encoder().iter().map(Layer::to_string).collect::<Vec<_>>().join(" ")
}
