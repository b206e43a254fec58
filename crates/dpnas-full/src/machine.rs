//! Runs a network on a device, some blocks of images at once.

use crate::model::Model;
use crate::norm::{DeviceAffine, read};
use crate::pass::{Pass, State};
use crate::program::Program;
use crate::softmax::{Verdict, judge};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use dpnas_train::{Examples, FullError};
use rayon::prelude::*;

/// A program on a device.
pub(crate) struct Machine<'a, B: Backend> {
    pub(crate) program: &'a Program,
    pub(crate) device: &'a B::Device,
    pub(crate) norm_epsilon: f64,
    /// Images of a block. It decides in which order products are summed.
    pub(crate) block: usize,
    /// Blocks computed at once. No result depends on it.
    pub(crate) lanes: usize,
    /// For each norm, whether its input is held for the backward pass or computed again. No result depends on it.
    pub(crate) held: Vec<bool>,
}

impl<B: Backend> Machine<'_, B> {
    /// Copies the weights to the device.
    pub(crate) fn upload_weights(&self, model: &Model) -> Vec<Tensor<B, 4>> {
        let upload = |weight: &crate::model::Parameter| {
            Tensor::from_data(TensorData::new(weight.values.clone(), weight.shape.clone()), self.device)
        };
        model.weights.iter().map(upload).collect()
    }

    /// The number of images that are classified correctly with the running averages; `None` if a class score is not
    /// finite.
    pub(crate) fn classify(&self, model: &Model, examples: Examples<'_>) -> Result<Option<usize>, FullError> {
        let pass = Pass { weights: &self.upload_weights(model), mask: None };
        let affines: Vec<DeviceAffine<B>> = model
            .norms
            .iter()
            .map(|norm| DeviceAffine::new(&norm.affine(&norm.running, self.norm_epsilon), self.device))
            .collect();
        let rows: Vec<usize> = (0..examples.len()).collect();
        let (mut correct, mut finite) = (0, true);
        let judge_block = |_, rows: &[usize]| {
            let segments = 0..self.program.segments.len();
            let state = segments.fold(self.images(examples, rows), |state, segment| {
                let affine = segment.checked_sub(1).map(|norm| &affines[norm]);
                self.run(segment, state, affine, &pass)
            });
            self.judge(state, examples, rows, 1.0)
        };
        self.in_lanes(rows.chunks(self.block).collect(), judge_block, |verdict| match verdict {
            Some(verdict) => correct += verdict.correct,
            None => finite = false,
        })?;
        Ok(finite.then_some(correct))
    }

    /// Copies images to the device, `[n, channels, height, width]`.
    pub(crate) fn images(&self, examples: Examples<'_>, rows: &[usize]) -> State<B> {
        let shape = self.program.input;
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(|n| n as usize);
        let size = channels * height * width;
        let mut pixels = Vec::with_capacity(rows.len() * size);
        rows.iter().for_each(|&row| pixels.extend_from_slice(&examples.images().pixels()[row * size..][..size]));
        let data = TensorData::new(pixels, [rows.len(), channels, height, width]);
        State::new(Tensor::from_data(data, self.device))
    }

    /// Runs a segment, beginning with its norm.
    pub(crate) fn run(
        &self,
        segment: usize,
        state: State<B>,
        norm: Option<&DeviceAffine<B>>,
        pass: &Pass<'_, B>,
    ) -> State<B> {
        let state = normalised(state, norm);
        self.program.segments[segment].ops.iter().fold(state, |state, op| op.forward(state, pass).0)
    }

    pub(crate) fn judge(
        &self,
        state: State<B>,
        examples: Examples<'_>,
        rows: &[usize],
        scale: f64,
    ) -> Result<Option<Verdict>, FullError> {
        let [_, classes, ..] = state.value.dims();
        let labels: Vec<u32> = rows.iter().map(|&row| examples.labels()[row]).collect();
        Ok(judge(&read(state.value)?, classes, &labels, scale))
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

/// The state with a norm applied to its value.
pub(crate) fn normalised<B: Backend>(state: State<B>, norm: Option<&DeviceAffine<B>>) -> State<B> {
    match norm {
        Some(norm) => State { value: norm.apply(state.value), skip: state.skip },
        None => state,
    }
}
