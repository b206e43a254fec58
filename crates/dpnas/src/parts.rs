//! Computing an embedding part by part: from the longest prefix that an earlier architecture has left, with further ones
//! left on the way.

use crate::embedding::{Embeddings, RowSink};
use crate::memory_plan::PartMemory;
use crate::prefixes::{Cut, PrefixRows, PrefixStore};
use crate::store::SplitName;
use crate::{Encoding, ScoreError, Splits};
use dpnas_grammar::{ImageShape, Layer, Plan};
use dpnas_prior::{Encode, EngineError, Images, KnownRows, NormMode, Prior, embed_by_mini_batch};
use dpnas_seed::Seed;
use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes into a part: images, or their maps.
struct Input<'a> {
    shape: ImageShape,
    /// Those that calibrate the normalisation.
    calibration: Cow<'a, [f32]>,
    splits: [&'a [f32]; 3],
}

impl Embeddings<'_> {
    /// Computes the rows of all splits and hands them over chunk by chunk, in the order of [`SplitName::ALL`]. The maps of
    /// prefixes come from where earlier architectures left them, and are left for later ones.
    pub(crate) fn encode(&self, plan: &Plan, sink: &mut RowSink<'_, ScoreError>) -> Result<(), ScoreError> {
        #[expect(clippy::disallowed_methods, reason = "clock: seconds for the reader, which decide no result")]
        let started = std::time::Instant::now();
        let (reused, kept) = match self.prefixes {
            Some(prefixes) => self.encode_in_parts(plan, prefixes, sink)?,
            None => {
                self.encode_whole(plan, sink)?;
                (0, 0)
            }
        };
        let encoding = Encoding {
            net: plan.net().clone(),
            layers: plan.stages().len(),
            reused_layers: reused,
            multiply_adds: plan.multiply_adds(),
            reused_multiply_adds: plan.stages()[..reused].iter().map(|stage| stage.multiply_adds).sum(),
            kept_prefixes: kept,
            kept_bytes: self.prefixes.map_or(0, |prefixes| lock(prefixes).used()),
            seconds: started.elapsed().as_secs_f64(),
        };
        tracing::debug!(?encoding, "embedded");
        if let Some(hook) = self.on_encoded {
            hook(&encoding);
        }
        Ok(())
    }

    /// As [`encode`](Self::encode), without a look at what others have left.
    pub(crate) fn encode_whole(&self, plan: &Plan, sink: &mut RowSink<'_, ScoreError>) -> Result<(), ScoreError> {
        let prior = Prior::draw(plan, self.config.init, self.weight_seed)?;
        let (chunk, held) = (self.memory.chunk, self.memory.held);
        self.encode_part(&prior, &self.images(), PartMemory { chunk, held }, &mut |split, rows| {
            self.check(rows)?;
            sink(split, rows)
        })
    }

    /// Gives the number of stages that were there, and that of the cuts whose maps are kept.
    fn encode_in_parts(
        &self,
        plan: &Plan,
        prefixes: &Mutex<PrefixStore>,
        sink: &mut RowSink<'_, ScoreError>,
    ) -> Result<(usize, usize), ScoreError> {
        let images = self.split_sizes().iter().map(|&images| images as u64).sum();
        let cuts = cuts(plan, self.weight_seed, images);
        let room = self.memory.prefixes;
        let choice = lock(prefixes).choose(&cuts, room, self.foresee);
        let (reused, mut rows) = choice.from.map_or((0, None), |(stages, rows)| (stages, Some(rows)));
        let (mut start, mut kept) = (reused, 0);
        for cut in choice.keep.into_iter().map(|index| &cuts[index]) {
            let features = cut_features(plan, cut.stages());
            let lengths = self.split_sizes().map(|images| images.saturating_mul(features));
            let Some(mut maps) = PrefixRows::with_room(lengths) else { continue };
            self.encode_range(plan, start..cut.stages(), rows.as_deref(), &mut |split, rows| {
                self.check_stop()?;
                maps.splits[split as usize].extend_from_slice(rows);
                Ok(())
            })?;
            let maps = Arc::new(maps);
            lock(prefixes).keep(cut, Arc::clone(&maps), room);
            (start, rows, kept) = (cut.stages(), Some(maps), kept + 1);
        }
        self.encode_range(plan, start..plan.stages().len(), rows.as_deref(), &mut |split, rows| {
            self.check(rows)?;
            sink(split, rows)
        })?;
        Ok((reused, kept))
    }

    /// Computes some stages on images, or on the maps before them.
    fn encode_range(
        &self,
        plan: &Plan,
        range: Range<usize>,
        maps: Option<&PrefixRows>,
        sink: &mut RowSink<'_, ScoreError>,
    ) -> Result<(), ScoreError> {
        let part = plan.part(range.clone())?;
        let Some(maps) = maps else {
            let prior = Prior::draw_part(&part, 0, self.config.init, self.weight_seed)?;
            return self.encode_part(&prior, &self.images(), self.part_memory(&part, 0)?, sink);
        };
        let chunk = self.memory.chunk.get().saturating_mul(cut_features(plan, range.start));
        if range.is_empty() {
            for (split, rows) in SplitName::ALL.into_iter().zip(&maps.splits) {
                rows.chunks(chunk.max(1)).try_for_each(|rows| sink(split, rows))?;
            }
            return Ok(());
        }
        let calibration = self.calibration_maps(maps, cut_features(plan, range.start))?;
        let gathered = if let Cow::Owned(values) = &calibration { 4 * values.len() as u64 } else { 0 };
        let memory = self.part_memory(&part, gathered)?;
        let input = Input { shape: part.input(), calibration, splits: maps.splits.each_ref().map(Vec::as_slice) };
        let prior = Prior::draw_part(&part, range.start, self.config.init, self.weight_seed)?;
        self.encode_part(&prior, &input, memory, sink)
    }

    /// Calibrates a part on what goes into it, and encodes that.
    fn encode_part(
        &self,
        prior: &Prior,
        input: &Input<'_>,
        PartMemory { chunk, held }: PartMemory,
        sink: &mut RowSink<'_, ScoreError>,
    ) -> Result<(), ScoreError> {
        let mut encoder = self.engine.load(prior)?;
        let norm = self.config.norm;
        let [train, valid, test] = input.splits.map(|values| images(input.shape, values));
        match norm.effective_mode() {
            NormMode::Reference => {
                let batch = NonZeroUsize::new(self.config.probe.batch_size).unwrap_or(NonZeroUsize::MIN);
                let mut sink = |rows: &[f32]| sink(SplitName::Train, rows);
                encoder.hold_at_most(held);
                embed_by_mini_batch(&mut *encoder, train?, batch, norm.epsilon, chunk, &mut sink)?;
            }
            NormMode::Calibrated => {
                let set = images(input.shape, &input.calibration)?;
                let rows = self.calibrate(&mut *encoder, set, PartMemory { chunk, held })?;
                let indices = if rows.is_empty() { &[] } else { self.calibration.0 };
                let known = KnownRows { indices, rows: &rows };
                encoder.encode_others_in_chunks(train?, chunk, known, |rows| sink(SplitName::Train, rows))?;
            }
            NormMode::None => encoder.encode_in_chunks(train?, chunk, |rows| sink(SplitName::Train, rows))?,
        }
        encoder.encode_in_chunks(valid?, chunk, |rows| sink(SplitName::Val, rows))?;
        encoder.encode_in_chunks(test?, chunk, |rows| sink(SplitName::Test, rows))
    }

    /// Calibrates, and gives the rows of the calibration set where they come with it and half of what may be held has room
    /// for them.
    fn calibrate(
        &self,
        encoder: &mut dyn Encode,
        set: Images<'_>,
        PartMemory { chunk, held }: PartMemory,
    ) -> Result<Vec<f32>, ScoreError> {
        let values = (set.len() as u64).saturating_mul(encoder.plan().features());
        let (bytes, mut rows) = (values.saturating_mul(4), Vec::new());
        if bytes <= held / 2 && usize::try_from(values).is_ok_and(|values| rows.try_reserve_exact(values).is_ok()) {
            encoder.hold_at_most(held - bytes);
            encoder.calibrate_and_encode(set, self.config.norm.epsilon, chunk, &mut rows)?;
        } else {
            encoder.hold_at_most(held);
            encoder.calibrate(set, self.config.norm.epsilon, chunk)?;
        }
        Ok(rows)
    }

    fn part_memory(&self, part: &Plan, gathered: u64) -> Result<PartMemory, ScoreError> {
        let memory = self.memory.part(self.engine.memory(part), part.features(), gathered);
        memory.ok_or_else(|| out_of_memory(format!("a part of {}", part.net())))
    }

    /// The splits as they are.
    fn images(&self) -> Input<'_> {
        let Splits { train, valid, test, .. } = self.splits;
        Input {
            shape: train.shape(),
            calibration: Cow::Borrowed(self.calibration.1.pixels()),
            splits: [train.pixels(), valid.pixels(), test.pixels()],
        }
    }

    /// The maps of the images that calibrate the normalisation.
    fn calibration_maps<'a>(&self, maps: &'a PrefixRows, features: usize) -> Result<Cow<'a, [f32]>, ScoreError> {
        let (indices, train) = (self.calibration.0, &maps.splits[SplitName::Train as usize]);
        if self.config.norm.effective_mode() != NormMode::Calibrated {
            return Ok(Cow::Borrowed(&[]));
        }
        if indices.len() == self.splits.train.len() {
            return Ok(Cow::Borrowed(train));
        }
        let mut values = Vec::new();
        values.try_reserve_exact(indices.len() * features).map_err(|_| out_of_memory("calibration".to_owned()))?;
        indices.iter().for_each(|&index| values.extend_from_slice(&train[index * features..][..features]));
        Ok(Cow::Owned(values))
    }

    fn split_sizes(&self) -> [usize; 3] {
        let Splits { train, valid, test, .. } = self.splits;
        [train.len(), valid.len(), test.len()]
    }
}

/// The places where a plan may be cut, for so many images.
pub(crate) fn cuts(plan: &Plan, weight_seed: Seed, images: u64) -> Vec<Cut> {
    let (mut layers, mut work, mut cuts) = (Vec::new(), 0u64, Vec::new());
    for (index, stage) in plan.stages().iter().enumerate() {
        layers.push(stage.layer);
        work = work.saturating_add(stage.multiply_adds.saturating_mul(images));
        let next = plan.stages().get(index + 1).map(|next| next.layer);
        let bytes = stage.output.elements().and_then(|values| values.checked_mul(4)?.checked_mul(images));
        let is_large = matches!(next, Some(Layer::MaxPool { .. }));
        let key = (weight_seed.0, layers.clone());
        cuts.push(Cut { key, work, bytes: bytes.unwrap_or(u64::MAX), is_large });
    }
    cuts
}

/// Numbers of one image's map before stage `stages`.
fn cut_features(plan: &Plan, stages: usize) -> usize {
    let map = stages.checked_sub(1).map_or(plan.input(), |last| plan.stages()[last].output);
    map.elements().and_then(|values| usize::try_from(values).ok()).unwrap_or(usize::MAX)
}

/// What is kept stays whole: it changes by single assignments.
pub(crate) fn lock(prefixes: &Mutex<PrefixStore>) -> MutexGuard<'_, PrefixStore> {
    prefixes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn images(shape: ImageShape, values: &[f32]) -> Result<Images<'_>, ScoreError> {
    Images::new(shape, values).map_err(|error| {
        // Sets and maps hold whole images; only an empty shape can get here.
        ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message: error.to_string() })
    })
}

fn out_of_memory(what: String) -> ScoreError {
    let message = format!("out of memory: there is not enough for {what}");
    ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message })
}
