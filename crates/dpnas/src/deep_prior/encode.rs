//! Computing an embedding part by part: from the longest prefix that an earlier architecture has left, with further ones
//! left on the way.

use crate::deep_prior::embedding::{Embeddings, RowSink};
use crate::deep_prior::memory::PartMemory;
use crate::prefixes::{Cut, Maps, PrefixRows, PrefixStore};
use crate::store::SplitName;
use crate::{Encoding, ScoreError, Splits};
use dpnas_grammar::{ImageShape, Layer, Plan};
use dpnas_prior::{Encode, EngineError, Images, KnownRows, LeftMaps, NormMode, Prior, embed_by_mini_batch};
use dpnas_seed::Seed;
use std::borrow::Cow;
use std::num::NonZeroUsize;
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
        self.encode_from(plan, 0, None, &mut [], sink)
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
        let (start, rows) = choice.from.map_or((0, None), |(stages, rows)| (stages, Some(rows)));
        let with_room = |index: usize| {
            let lengths = self.split_sizes().map(|images| images.saturating_mul(cut_features(plan, index + 1)));
            Some((index, PrefixRows::with_room(lengths)?))
        };
        let mut keep: Vec<(usize, PrefixRows)> = choice.keep.into_iter().filter_map(with_room).collect();
        let mut leave: Vec<(usize, &mut PrefixRows)> =
            keep.iter_mut().map(|(index, rows)| (cuts[*index].stages() - start, rows)).collect();
        self.encode_from(plan, start, rows.as_deref(), &mut leave, sink)?;
        let kept = keep.len();
        for (index, rows) in keep {
            lock(prefixes).keep(&cuts[index], Arc::new(rows), room);
        }
        Ok((start, kept))
    }

    /// Computes the stages from `start` on, on images or on the maps before them, and leaves maps after so many of these
    /// stages.
    fn encode_from(
        &self,
        plan: &Plan,
        start: usize,
        maps: Option<&PrefixRows>,
        leave: &mut [(usize, &mut PrefixRows)],
        sink: &mut RowSink<'_, ScoreError>,
    ) -> Result<(), ScoreError> {
        let mut sink = |split, rows: &[f32]| {
            self.check(rows)?;
            sink(split, rows)
        };
        let Some(maps) = maps else {
            let prior = Prior::draw(plan, self.config.init, self.weight_seed)?;
            let (chunk, held) = (self.memory.chunk, self.memory.held);
            return self.encode_part(&prior, &self.images(), PartMemory { chunk, held }, leave, &mut sink);
        };
        let features = cut_features(plan, start);
        if start == plan.stages().len() {
            let chunk = self.memory.chunk.get().saturating_mul(features).max(1);
            for (split, rows) in SplitName::ALL.into_iter().zip(&maps.splits) {
                rows.as_slice().chunks(chunk).try_for_each(|rows| sink(split, rows))?;
            }
            return Ok(());
        }
        let part = plan.part(start..plan.stages().len())?;
        let calibration = self.calibration_maps(maps, features)?;
        let gathered = if let Cow::Owned(values) = &calibration { 4 * values.len() as u64 } else { 0 };
        let memory = self.part_memory(&part, gathered)?;
        let input = Input { shape: part.input(), calibration, splits: maps.splits.each_ref().map(Maps::as_slice) };
        let prior = Prior::draw_part(&part, start, self.config.init, self.weight_seed)?;
        self.encode_part(&prior, &input, memory, leave, &mut sink)
    }

    /// Calibrates a part on what goes into it, and encodes that; leaves maps after so many of its stages.
    fn encode_part(
        &self,
        prior: &Prior,
        input: &Input<'_>,
        memory: PartMemory,
        leave: &mut [(usize, &mut PrefixRows)],
        sink: &mut RowSink<'_, ScoreError>,
    ) -> Result<(), ScoreError> {
        let mut encoder = self.engine.load(prior)?;
        let (norm, PartMemory { chunk, held }) = (self.config.norm, memory);
        let mut known = Vec::new();
        match norm.effective_mode() {
            NormMode::Calibrated => {
                let set = images(input.shape, &input.calibration)?;
                // Rows that come with the statistics leave no maps.
                known = self.calibrate(&mut *encoder, set, memory, leave.is_empty())?;
            }
            NormMode::Reference => encoder.hold_at_most(held),
            NormMode::None => {}
        }
        for split in SplitName::ALL {
            let images = images(input.shape, input.splits[split as usize])?;
            let mut maps: Vec<LeftMaps<'_>> =
                leave.iter_mut().map(|(stages, rows)| rows.left(*stages, split)).collect();
            let sink = |rows: &[f32]| sink(split, rows);
            match (split, norm.effective_mode()) {
                (SplitName::Train, NormMode::Reference) => {
                    let batch = NonZeroUsize::new(self.config.probe.batch_size).unwrap_or(NonZeroUsize::MIN);
                    embed_by_mini_batch(&mut *encoder, images, batch, norm.epsilon, chunk, &mut maps, sink)?;
                }
                (SplitName::Train, _) if !known.is_empty() => {
                    let known = KnownRows { indices: self.calibration.0, rows: &known };
                    encoder.encode_others_in_chunks(images, chunk, known, sink)?;
                }
                _ => encoder.encode_leaving_in_chunks(images, chunk, &mut maps, sink)?,
            }
        }
        Ok(())
    }

    /// Calibrates, and gives the rows of the calibration set if they are wanted, come with it, and have room in half of
    /// what may be held.
    fn calibrate(
        &self,
        encoder: &mut dyn Encode,
        set: Images<'_>,
        PartMemory { chunk, held }: PartMemory,
        wants_rows: bool,
    ) -> Result<Vec<f32>, ScoreError> {
        let values = (set.len() as u64).saturating_mul(encoder.plan().features());
        let (bytes, mut rows) = (values.saturating_mul(4), Vec::new());
        let has_room = wants_rows && bytes <= held / 2;
        if has_room && usize::try_from(values).is_ok_and(|values| rows.try_reserve_exact(values).is_ok()) {
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
        let (indices, train) = (self.calibration.0, maps.splits[SplitName::Train as usize].as_slice());
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
