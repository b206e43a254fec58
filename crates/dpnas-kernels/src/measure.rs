//! Measuring the input of every norm over a calibration set.

use crate::engine::Loaded;
use crate::kernel::{Compute, rectify};
use crate::layout::Layout;
use crate::norms::{Norms, norm_channels};
use crate::program::{Map, Op, Program};
use crate::run::Workspace;
use crate::stats::{ImageStats, image_stats};
use dpnas_prior::{EngineError, Images, Moments};
use rayon::prelude::*;
use std::num::NonZeroUsize;

/// Activations of the calibration set that are kept between two norms, in bytes; beyond it they are computed again from
/// the last kept ones. Changes time and memory, no bit.
pub(crate) const HELD_BYTES: usize = 1 << 30;

/// The state of a group of images before a step.
struct Held<E> {
    maps: Vec<HeldMap<E>>,
}

struct HeldMap<E> {
    map: Map,
    values: Vec<E>,
    /// The norm, and with it the rectification, that the map still lacks.
    pending: Option<usize>,
}

impl<E: Compute> Loaded<E> {
    /// See [`dpnas_prior::Encode::measure`].
    pub(crate) fn measure_holding(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
        held_bytes: usize,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.check_shape(images)?;
        if images.is_empty() {
            return Err(EngineError::EmptyCalibrationSet);
        }
        let program = self.raw_program();
        // A chunk that is smaller than a group a thread is divided evenly.
        let group = program.images.min(chunk.get().div_ceil(rayon::current_num_threads().max(1)));
        let blocks: Vec<Images<'_>> = images.chunks(NonZeroUsize::new(group).unwrap_or(chunk)).collect();
        let mut norms = Norms::none(&self.plan);
        let mut held: Vec<Option<Held<E>>> = blocks.iter().map(|_| None).collect();
        let mut next = 0; // the step before which `held` is
        let mut measured = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            let Some(norm) = step.norm else { continue };
            // Sums that are rounded where they are stored are not kept: normalised, they would be rounded twice, and the
            // convolution that comes next must meet what it meets when nothing is measured.
            let after = match (&step.op, program.steps.get(index + 1).map(|step| &step.op)) {
                (Op::Rectify, _) => index,
                _ if !E::EXACT => index,
                (_, Some(Op::Pool { .. })) => index + 2,
                _ => index + 1,
            };
            let keeps = program.live_bytes(after) * images.len() <= held_bytes;
            let advance = |(held, block): (&mut Option<Held<E>>, &Images<'_>)| -> Vec<ImageStats> {
                self.raw_workspaces.with(program, |workspace| {
                    let count = block.len();
                    match held {
                        Some(held) => held.restore(self, &norms, workspace, count),
                        None => program.fill(self.level, workspace, block.pixels()),
                    }
                    let start = if held.is_some() { next } else { 0 };
                    for step in &program.steps[start..index] {
                        step.run(self.level, &norms, workspace, count);
                    }
                    let (map, pending) = match step.op {
                        Op::Rectify => (step.inputs[0], None),
                        _ => {
                            step.run_raw(self.level, &norms, workspace, count);
                            (step.output, Some(norm))
                        }
                    };
                    let stats = image_stats(workspace.slots[map.slot].as_slice(), map.layout, count);
                    if let Some(pooling) = program.steps[index..after].get(1) {
                        pooling.run(self.level, &norms, workspace, count);
                    }
                    let pending = pending.filter(|_| after > index);
                    if keeps {
                        *held = Some(Held::take(program, after, pending, workspace, count));
                    }
                    stats
                })
            };
            let stats: Vec<Vec<ImageStats>> = held.par_iter_mut().zip(&blocks).map(advance).collect();
            if keeps {
                next = after;
            }
            let layout = if matches!(step.op, Op::Rectify) { step.inputs[0].layout } else { step.output.layout };
            let mut moments = Moments::new(layout.channels);
            for image in stats.iter().flatten() {
                moments.add_image(layout.pixels() as u64, &image.means, &image.deviations);
            }
            norms.set(norm, moments.stats().fold(epsilon));
            measured.push(moments);
        }
        let mut measured = measured.into_iter();
        Ok(norm_channels(&self.plan).iter().map(|norms| measured.by_ref().take(norms.len()).collect()).collect())
    }
}

impl<E: Compute> Program<E> {
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

impl<E: Compute> Held<E> {
    /// Copies the maps that the steps from `next` on need; the one that was written last still lacks norm `pending`.
    fn take(
        program: &Program<E>,
        next: usize,
        pending: Option<usize>,
        workspace: &Workspace<E>,
        images: usize,
    ) -> Self {
        let last = next.checked_sub(1).map(|last| program.steps[last].output.slot);
        let copy = |map: Map| {
            let (layout, source) = (map.layout, workspace.slots[map.slot].as_slice());
            let mut values = Vec::with_capacity(images * layout.pixels() * layout.stride);
            for image in 0..images {
                for y in 0..layout.size {
                    values.extend_from_slice(&source[layout.inside(image, y, 0)..][..layout.size * layout.stride]);
                }
            }
            HeldMap { map, values, pending: pending.filter(|_| Some(map.slot) == last) }
        };
        Self { maps: program.live(next).into_iter().map(copy).collect() }
    }

    /// Copies the maps back, with the norms that they lacked.
    fn restore(&self, loaded: &Loaded<E>, norms: &Norms, workspace: &mut Workspace<E>, images: usize) {
        for HeldMap { map, values, pending } in &self.maps {
            let target = workspace.slots[map.slot].as_mut_slice();
            map.layout.clear_halo(target, images);
            let from = Layout { halo: 0, ..map.layout };
            match pending {
                Some(norm) => {
                    let affine = Some(norms.of(*norm));
                    rectify(loaded.level, (values, from), (target, map.layout), images, affine);
                }
                None => {
                    for image in 0..images {
                        for y in 0..from.size {
                            let row = &values[from.inside(image, y, 0)..][..from.row()];
                            target[map.layout.inside(image, y, 0)..][..from.row()].copy_from_slice(row);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::level::Level;
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
            loaded.measure_holding(images, 1e-4, NonZeroUsize::new(chunk).unwrap(), bytes).unwrap()
        };
        let expected = measure(512, usize::MAX);
        let norms: Vec<usize> = expected.iter().map(Vec::len).collect();
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
