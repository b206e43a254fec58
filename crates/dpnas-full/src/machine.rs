//! Runs a network on a device, some blocks of images at once.

use crate::device::{Device, Place};
use crate::model::Model;
use crate::norm::DeviceAffine;
use crate::pass::{Pass, State};
use crate::program::Program;
use crate::softmax::{Verdict, judge};
use dpnas_train::{Examples, FullError};
use rayon::prelude::*;

/// A program on a device.
pub(crate) struct Machine<'a, D> {
    pub(crate) program: &'a Program,
    pub(crate) device: D,
    pub(crate) norm_epsilon: f64,
    /// Images of a block. It decides in which order products are summed.
    pub(crate) block: usize,
    /// Blocks computed at once. No result depends on it.
    pub(crate) lanes: usize,
    /// For each norm, whether its input is held for the backward pass or computed again. No result depends on it.
    pub(crate) held: Vec<bool>,
}

impl<D: Device> Machine<'_, D> {
    /// The number of images that are classified correctly with the running averages; `None` if a class score is not
    /// finite.
    pub(crate) fn classify(&self, model: &Model, examples: Examples<'_>) -> Result<Option<usize>, FullError> {
        let pass = Pass { device: &self.device, weights: &self.device.weights(model, false), mask: None };
        let affines: Vec<DeviceAffine<D>> = model
            .norms
            .iter()
            .map(|norm| DeviceAffine::new(&norm.affine(&norm.running, self.norm_epsilon), &self.device))
            .collect();
        let rows: Vec<usize> = (0..examples.len()).collect();
        let (mut correct, mut finite) = (0, true);
        let judge_block = |_, rows: &[usize]| {
            let segments = 0..self.program.segments.len();
            let state = segments.fold(self.images(examples, rows), |state, segment| {
                let affine = segment.checked_sub(1).map(|norm| &affines[norm]);
                self.run(segment, state, affine, &pass)
            });
            self.judge(&state, examples, rows, 1.0)
        };
        self.in_lanes(rows.chunks(self.block).collect(), judge_block, |verdict| match verdict {
            Some(verdict) => correct += verdict.correct,
            None => finite = false,
        })?;
        Ok(finite.then_some(correct))
    }

    /// Copies images to the device.
    pub(crate) fn images(&self, examples: Examples<'_>, rows: &[usize]) -> State<D::Map> {
        let shape = self.program.input;
        let size = [shape.channels, shape.height, shape.width].into_iter().map(|n| n as usize).product::<usize>();
        let mut pixels = Vec::with_capacity(rows.len() * size);
        rows.iter().for_each(|&row| pixels.extend_from_slice(&examples.images().pixels()[row * size..][..size]));
        State::new(self.device.images(pixels, rows.len()))
    }

    /// Runs a segment, beginning with its norm.
    pub(crate) fn run(
        &self,
        segment: usize,
        state: State<D::Map>,
        norm: Option<&DeviceAffine<D>>,
        pass: &Pass<'_, D>,
    ) -> State<D::Map> {
        let ops = self.program.segments[segment].ops.iter().enumerate();
        ops.fold(state, |state, (op, kind)| {
            kind.forward(Place { segment, op }, state, norm.filter(|_| op == 0), pass).0
        })
    }

    pub(crate) fn judge(
        &self,
        state: &State<D::Map>,
        examples: Examples<'_>,
        rows: &[usize],
        scale: f64,
    ) -> Result<Option<Verdict>, FullError> {
        let labels: Vec<u32> = rows.iter().map(|&row| examples.labels()[row]).collect();
        let scores = self.device.read(&state.value)?;
        Ok(judge(&scores, scores.len() / rows.len().max(1), &labels, scale))
    }

    /// Computes a result for each item, some at once, and passes the results on in order.
    pub(crate) fn in_lanes<T: Send, R: Send>(
        &self,
        items: Vec<T>,
        compute: impl Fn(usize, T) -> Result<R, FullError> + Sync,
        mut sink: impl FnMut(R),
    ) -> Result<(), FullError> {
        let mut items = items.into_iter().enumerate();
        loop {
            let wave: Vec<(usize, T)> = items.by_ref().take(self.lanes.max(1)).collect();
            match wave.len() {
                0 => return Ok(()),
                1 => wave.into_iter().try_for_each(|(index, item)| compute(index, item).map(&mut sink))?,
                _ => {
                    let results: Result<Vec<R>, FullError> =
                        wave.into_par_iter().map(|(index, item)| compute(index, item)).collect();
                    results?.into_iter().for_each(&mut sink);
                }
            }
        }
    }
}
