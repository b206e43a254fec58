//! Measuring the input of every norm over a calibration set.

use crate::engine::Loaded;
use crate::kernel::{Compute, emit, rectify, stats};
use crate::layout::Layout;
use crate::level::Level;
use crate::norms::Norms;
use crate::program::{Map, Op, Program};
use crate::run::Workspace;
use crate::stats::ImageStats;
use dpnas_prior::{Calibration, EngineError, Images, Measure, Moments};
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::ops::Range;

/// Multiply-adds that a held byte must save. They take as long as moving the byte to memory and back.
pub(crate) const LEAST_WORK: usize = 25;

/// A map of a group of images, without its border.
struct HeldMap<E> {
    map: Map,
    values: Vec<E>,
    /// The norm that the map still lacks, with its rectification.
    pending: Option<usize>,
}

/// A group of images and the progress of its computation.
struct Block<'a, E> {
    images: Images<'a>,
    /// The next step, and the held maps that it and later ones need. Without maps the group starts from its images.
    held: (usize, Vec<HeldMap<E>>),
}

impl<E: Compute> Loaded<E> {
    /// See [`dpnas_prior::Encode::measure`]. Holds maps between two norms if each byte saves `least_work`
    /// multiply-adds. Other maps are computed again from held ones, which changes no bit.
    pub(crate) fn measure_holding(
        &self,
        request: Measure<'_>,
        least_work: usize,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        request.check(&self.plan)?;
        let Measure { images, epsilon, chunk, held_bytes, rows, .. } = request;
        let program = self.raw_program();
        // A chunk that is smaller than one group for each thread is divided evenly.
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
            let fits = (bytes * images.len()) as u64 <= held_bytes;
            let keeps = is_needed && work >= least_work * bytes && fits;
            let stats = |block: &mut Block<'_, E>| self.stats(block, (index, after), keeps, &norms);
            let stats: Option<Vec<ImageStats>> = blocks.par_iter_mut().map(stats).collect();
            let stats = stats.ok_or_else(|| self.out_of_memory("maps"))?;
            let layout = if matches!(step.op, Op::Rectify) { step.inputs[0].layout } else { step.output.layout };
            let mut moments = Moments::new(layout.channels);
            stats.iter().for_each(|images| images.add_to(&mut moments));
            norms.set(norm, moments.stats().fold(epsilon));
            measured.push(moments);
        }
        if let Some(rows) = rows {
            self.resize_rows(rows, images.len())?;
            let rows = rows.par_chunks_mut(group.get() * self.plan.features() as usize);
            let finished = blocks.par_iter().zip(rows).try_for_each(|(block, rows)| self.finish(block, &norms, rows));
            finished.ok_or_else(|| self.out_of_memory("maps"))?;
        }
        let mut measured = measured.into_iter();
        Ok(Calibration::channels(&self.plan)
            .iter()
            .map(|norms| measured.by_ref().take(norms.len()).collect())
            .collect())
    }

    /// Reduces the input of the norm of step `index`. Holds the maps that the steps from `after` on need, if `keeps`.
    fn stats(
        &self,
        block: &mut Block<'_, E>,
        (index, after): (usize, usize),
        keeps: bool,
        norms: &Norms,
    ) -> Option<ImageStats> {
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

    /// Computes the remaining steps and writes the rows.
    fn finish(&self, block: &Block<'_, E>, norms: &Norms, rows: &mut [f32]) -> Option<()> {
        let program = self.raw_program();
        self.raw_workspaces.with(program, |workspace| {
            self.advance(block, program.steps.len(), norms, workspace);
            let Map { slot, layout } = program.result;
            emit(self.level, (workspace.slots[slot].as_slice(), layout), rows);
        })
    }

    /// Computes a group of images up to step `index`.
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
    /// The step before which a group of images is held after the norm of step `index` was measured.
    ///
    /// Sums that are rounded when stored are not held. They would be rounded again when normalised, unlike in encoding.
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

    /// The maps that the steps from `next` on read before a step writes them.
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

/// Copies the maps that the steps from `next` on need into the memory of the maps held before. The map written last
/// still lacks norm `pending`. Holds nothing if there is no memory.
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
        values.try_reserve_exact(images * layout.pixels() * layout.stride).ok()?;
        for (image, y) in (0..images).flat_map(|image| (0..layout.size).map(move |y| (image, y))) {
            values.extend_from_slice(&source[layout.inside(image, y, 0)..][..layout.size * layout.stride]);
        }
        Some(HeldMap { map, values, pending: pending.filter(|_| Some(map.slot) == last) })
    };
    *held = match program.live(next).into_iter().map(copy).collect() {
        Some(maps) => (next, maps),
        None => (0, Vec::new()),
    };
}

impl<E: Compute> HeldMap<E> {
    /// Copies the map back and applies the norm that it lacks.
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
    use crate::{CpuEngine, Precision};
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
            holding_changes_nothing(&Loaded::<f32>::new(&CpuEngine::at(level, Precision::F32), &prior), images);
        }
        for level in Level::available(Precision::Bf16) {
            holding_changes_nothing(&Loaded::<bf16>::new(&CpuEngine::at(level, Precision::Bf16), &prior), images);
        }
    }

    fn holding_changes_nothing<E: Compute>(loaded: &Loaded<E>, images: Images<'_>) {
        let measure = |chunk: usize, bytes| {
            let mut rows = Vec::new();
            let mut request = Measure::new(images, 1e-4, NonZeroUsize::new(chunk).unwrap());
            (request.held_bytes, request.rows) = (bytes, Some(&mut rows));
            (loaded.measure_holding(request, 0).unwrap(), rows)
        };
        let expected = measure(512, u64::MAX);
        let norms: Vec<usize> = expected.0.iter().map(Vec::len).collect();
        assert_eq!(norms, [1, 2, 0, 2, 2, 1]);
        // Nothing held; only the small maps after the pooling held; all held.
        for held_bytes in [0, 9 * size_of::<E>() as u64 * 16 * 16 * 2, u64::MAX] {
            for chunk in [1, 2, 9] {
                let level = loaded.level;
                assert_eq!(measure(chunk, held_bytes), expected, "{level}, {held_bytes} bytes, chunk {chunk}");
            }
        }
    }
}
