//! Measuring the input of every norm over a calibration set.

use crate::engine::Loaded;
use crate::kernel::{Compute, emit, rectify, stats};
use crate::layout::Layout;
use crate::level::Level;
use crate::norms::{Norms, norm_channels};
use crate::program::{Map, Op, Program};
use crate::run::Workspace;
use crate::stats::ImageStats;
use dpnas_prior::{EngineError, Images, Moments};
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::ops::Range;

/// Which activations of the calibration set are held between norms; what is not is computed again from what is. Changes
/// time and memory, no bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// Bytes that may be held.
    pub(crate) bytes: usize,
    /// Multiply-adds that a held byte must save: as many take as long as to bring it to memory and back.
    pub(crate) least_work: usize,
}

impl Default for Holding {
    fn default() -> Self {
        Self { bytes: 1 << 30, least_work: 25 }
    }
}

/// A map of a group of images, without its border.
struct HeldMap<E> {
    map: Map,
    values: Vec<E>,
    /// The norm, and with it the rectification, that the map still lacks.
    pending: Option<usize>,
}

/// A group of images on the way through the steps.
struct Block<'a, E> {
    images: Images<'a>,
    /// The step that comes next, and the maps that it and later ones need; at first there are none.
    held: (usize, Vec<HeldMap<E>>),
}

impl<E: Compute> Loaded<E> {
    /// See [`dpnas_prior::Encode::measure_and_encode`].
    pub(crate) fn measure_holding(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
        holding: Holding,
        rows: Option<&mut Vec<f32>>,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.check_shape(images)?;
        if images.is_empty() {
            return Err(EngineError::EmptyCalibrationSet);
        }
        let program = self.raw_program();
        // A chunk that is smaller than a group a thread is divided evenly.
        let group = program.images.min(chunk.get().div_ceil(rayon::current_num_threads().max(1)));
        let group = NonZeroUsize::new(group).unwrap_or(chunk);
        let mut blocks: Vec<Block<'_, E>> =
            images.chunks(group).map(|images| Block { images, held: (0, Vec::new()) }).collect();
        let mut norms = Norms::none(&self.plan);
        let mut measured = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            let Some(norm) = step.norm else { continue };
            let after = program.held_before(index);
            let held = blocks.first().map_or(0, |block| block.held.0);
            let (work, bytes) = (program.work(held..after), program.live_bytes(after));
            let is_needed = rows.is_some() || program.steps[index + 1..].iter().any(|step| step.norm.is_some());
            let keeps = is_needed && work >= holding.least_work * bytes && bytes * images.len() <= holding.bytes;
            let stats = |block: &mut Block<'_, E>| self.stats(block, (index, after), keeps, &norms);
            let stats: Vec<ImageStats> = blocks.par_iter_mut().map(stats).collect();
            let layout = if matches!(step.op, Op::Rectify) { step.inputs[0].layout } else { step.output.layout };
            let mut moments = Moments::new(layout.channels);
            stats.iter().for_each(|images| images.add_to(&mut moments));
            norms.set(norm, moments.stats().fold(epsilon));
            measured.push(moments);
        }
        if let Some(rows) = rows {
            let features = self.plan.features() as usize;
            rows.clear();
            rows.resize(images.len() * features, 0.0);
            let rows = rows.par_chunks_mut(group.get() * features);
            blocks.par_iter().zip(rows).for_each(|(block, rows)| self.finish(block, &norms, rows));
        }
        let mut measured = measured.into_iter();
        Ok(norm_channels(&self.plan).iter().map(|norms| measured.by_ref().take(norms.len()).collect()).collect())
    }

    /// Reduces the input of the norm of step `index`, and holds what the steps from `after` on need if `keeps`.
    fn stats(
        &self,
        block: &mut Block<'_, E>,
        (index, after): (usize, usize),
        keeps: bool,
        norms: &Norms,
    ) -> ImageStats {
        let (program, count) = (self.raw_program(), block.images.len());
        let step = &program.steps[index];
        self.raw_workspaces.with(program, |workspace| {
            self.advance(block, index, norms, workspace);
            let (map, pending) = match step.op {
                Op::Rectify => (step.inputs[0], None),
                _ => {
                    step.run_raw(self.level, norms, workspace, count);
                    (step.output, step.norm)
                }
            };
            let stats = stats(self.level, (workspace.slots[map.slot].as_slice(), map.layout), count);
            if keeps {
                if let Some(pooling) = program.steps[index..after].get(1) {
                    pooling.run(self.level, norms, workspace, count);
                }
                let pending = pending.filter(|_| after > index);
                hold(program, &mut block.held, (after, pending), workspace, count);
            }
            stats
        })
    }

    /// Computes the steps that are left.
    fn finish(&self, block: &Block<'_, E>, norms: &Norms, rows: &mut [f32]) {
        let program = self.raw_program();
        self.raw_workspaces.with(program, |workspace| {
            self.advance(block, program.steps.len(), norms, workspace);
            let Map { slot, layout } = program.result;
            emit(self.level, (workspace.slots[slot].as_slice(), layout), rows);
        });
    }

    /// Brings a group of images before step `index`.
    fn advance(&self, block: &Block<'_, E>, index: usize, norms: &Norms, workspace: &mut Workspace<E>) {
        let (program, count) = (self.raw_program(), block.images.len());
        let (start, held) = &block.held;
        if held.is_empty() {
            program.fill(self.level, workspace, block.images.pixels());
        }
        held.iter().for_each(|map| map.restore(self.level, norms, workspace, count));
        for step in &program.steps[*start..index] {
            step.run(self.level, norms, workspace, count);
        }
    }
}

impl<E: Compute> Program<E> {
    /// The step before which a group of images is held once the norm of step `index` was measured.
    ///
    /// Sums that are rounded where they are stored are not held: normalised, they would be rounded twice, and the
    /// convolution that comes next must meet what it meets when nothing is measured.
    fn held_before(&self, index: usize) -> usize {
        match (&self.steps[index].op, self.steps.get(index + 1).map(|step| &step.op)) {
            (Op::Rectify, _) => index,
            _ if !E::EXACT => index,
            (_, Some(Op::Pool { .. })) => index + 2,
            _ => index + 1,
        }
    }

    /// Multiply-adds of some steps, for one image.
    fn work(&self, steps: Range<usize>) -> usize {
        self.steps[steps].iter().map(|step| step.work).sum()
    }

    /// The maps that steps from `next` on read before anything writes them.
    fn live(&self, next: usize) -> Vec<Map> {
        let mut live: Vec<Map> = if self.steps.len() == next { vec![self.result] } else { Vec::new() };
        let mut written = Vec::new();
        for step in &self.steps[next..] {
            for input in &step.inputs {
                if !written.contains(&input.slot) && !live.iter().any(|map| map.slot == input.slot) {
                    live.push(*input);
                }
            }
            written.push(step.output.slot);
        }
        live
    }

    /// Bytes of those maps, for one image.
    fn live_bytes(&self, next: usize) -> usize {
        self.live(next).iter().map(|map| map.layout.pixels() * map.layout.stride * size_of::<E>()).sum()
    }
}

/// Copies the maps that the steps from `next` on need, into the memory of what was held before; the one that was written
/// last still lacks norm `pending`.
fn hold<E: Compute>(
    program: &Program<E>,
    held: &mut (usize, Vec<HeldMap<E>>),
    (next, pending): (usize, Option<usize>),
    workspace: &Workspace<E>,
    images: usize,
) {
    let last = next.checked_sub(1).map(|last| program.steps[last].output.slot);
    let mut memory = std::mem::take(&mut held.1).into_iter().map(|map| map.values);
    let copy = |map: Map| {
        let (layout, source) = (map.layout, workspace.slots[map.slot].as_slice());
        let mut values = memory.next().unwrap_or_default();
        values.clear();
        values.reserve_exact(images * layout.pixels() * layout.stride);
        for (image, y) in (0..images).flat_map(|image| (0..layout.size).map(move |y| (image, y))) {
            values.extend_from_slice(&source[layout.inside(image, y, 0)..][..layout.size * layout.stride]);
        }
        HeldMap { map, values, pending: pending.filter(|_| Some(map.slot) == last) }
    };
    *held = (next, program.live(next).into_iter().map(copy).collect());
}

impl<E: Compute> HeldMap<E> {
    /// Copies the map back, with the norm that it lacked.
    fn restore(&self, level: Level, norms: &Norms, workspace: &mut Workspace<E>, images: usize) {
        let Self { map, values, pending } = self;
        let target = workspace.slots[map.slot].as_mut_slice();
        map.layout.clear_halo(target, images);
        let from = Layout { halo: 0, ..map.layout };
        if let Some(norm) = pending {
            return rectify(level, (values, from), (target, map.layout), images, Some(norms.of(*norm)));
        }
        for (image, y) in (0..images).flat_map(|image| (0..from.size).map(move |y| (image, y))) {
            let row = &values[from.inside(image, y, 0)..][..from.row()];
            target[map.layout.inside(image, y, 0)..][..from.row()].copy_from_slice(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_prior::{Prior, WeightInit};
    use dpnas_seed::Seed;
    use half::bf16;

    #[test]
    #[cfg_attr(miri, ignore = "takes too long; tests/small_plans.rs calibrates")]
    fn what_is_held_between_norms_changes_no_bit() {
        let net = "[C(6,3,1,1,1), C(8,3,1,1,0), P(2,2,0,0), C(8,3,1,1,0), C(4,3,1,1,0), C(5,1,1,0,1), SM(10)]";
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let mut pixels = vec![0.0; 9 * 64];
        Seed(1).stream("test images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(plan.input(), &pixels).unwrap();
        for level in Level::available(Precision::F32) {
            holding_changes_nothing(&Loaded::<f32>::new(level, &prior), images);
        }
        for level in Level::available(Precision::Bf16) {
            holding_changes_nothing(&Loaded::<bf16>::new(level, &prior), images);
        }
    }

    fn holding_changes_nothing<E: Compute>(loaded: &Loaded<E>, images: Images<'_>) {
        let measure = |chunk: usize, bytes| {
            let holding = Holding { bytes, least_work: 0 };
            let mut rows = vec![1.0];
            let chunk = NonZeroUsize::new(chunk).unwrap();
            let moments = loaded.measure_holding(images, 1e-4, chunk, holding, Some(&mut rows)).unwrap();
            (moments, rows)
        };
        let expected = measure(512, usize::MAX);
        let norms: Vec<usize> = expected.0.iter().map(Vec::len).collect();
        assert_eq!(norms, [1, 2, 0, 2, 2, 1]);
        // Nothing held; only the small maps after the pooling held; all held.
        for held_bytes in [0, 9 * size_of::<E>() * 16 * 16 * 2, usize::MAX] {
            for chunk in [1, 2, 9] {
                let level = loaded.level;
                assert_eq!(measure(chunk, held_bytes), expected, "{level}, {held_bytes} bytes, chunk {chunk}");
            }
        }
    }
}
