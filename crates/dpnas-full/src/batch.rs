//! The gradient of one mini-batch, computed block by block and segment by segment.
//!
//! Forward, every block runs to the next norm, and the norm's statistics come from all blocks. Backward, every block
//! runs from the input of one norm down to the output of the norm before, and the gradient's way through that norm comes
//! from all blocks. So the gradient is that of the whole mini-batch.

use crate::device::{Device, Place, ToInput};
use crate::machine::Machine;
use crate::model::{Gradient, Model};
use crate::norm::{BatchNorm, DeviceAffine, ImageSums, ThroughNorm};
use crate::pass::{Pass, Saved, State, WeightGradient};
use crate::softmax::Verdict;
use dpnas_prior::Moments;
use dpnas_seed::Stream;
use dpnas_train::{Examples, FullError};

/// Images of one step, in order.
pub(crate) struct Batch<'a> {
    pub(crate) examples: Examples<'a>,
    pub(crate) rows: &'a [usize],
    /// Random numbers and rate of drop-out.
    pub(crate) drop_out: Option<(Stream, f32)>,
}

/// The result of a mini-batch.
pub(crate) struct BatchResult {
    /// The gradient of the mean loss.
    pub(crate) gradient: Gradient,
    /// The moments of each norm's input.
    pub(crate) moments: Vec<Moments>,
    /// Sum of the cross-entropies of the images, in nats.
    pub(crate) loss: f64,
    /// Images that are classified correctly.
    pub(crate) correct: usize,
}

/// A part of the mini-batch: its position there, and its images.
#[derive(Clone, Copy)]
struct Block<'a> {
    first: usize,
    rows: &'a [usize],
}

/// The result of one block's backward pass through a segment.
struct Returned<D: Device> {
    gradient: State<D::Map>,
    weights: Vec<WeightGradient<D>>,
    sums: Option<ImageSums>,
    verdict: Option<Verdict>,
}

impl<D: Device> Machine<'_, D> {
    /// The gradient of the mean cross-entropy of a mini-batch; `None` if a class score is not finite.
    pub(crate) fn gradient(&self, model: &Model, batch: &Batch<'_>) -> Result<Option<BatchResult>, FullError> {
        let weights = self.device.weights(model, true);
        let blocks: Vec<Block<'_>> = batch
            .rows
            .chunks(self.block)
            .enumerate()
            .map(|(index, rows)| Block { first: index * self.block, rows })
            .collect();
        let step = Step { machine: self, model, batch, weights: &weights, blocks };
        let forward = step.forward()?;
        step.backward(forward)
    }
}

/// The step of one mini-batch.
struct Step<'s, D: Device> {
    machine: &'s Machine<'s, D>,
    model: &'s Model,
    batch: &'s Batch<'s>,
    weights: &'s D::Weights,
    blocks: Vec<Block<'s>>,
}

/// The state of each block at each norm; empty for norms that are not held.
type Held<M> = Vec<Vec<State<M>>>;

/// The state of a mini-batch after the forward pass to the last norm.
struct Forward<D: Device> {
    norms: Vec<BatchNorm<D>>,
    held: Held<D::Map>,
    /// The state of each block at the last norm.
    current: Vec<State<D::Map>>,
}

impl<D: Device> Step<'_, D> {
    /// Runs all blocks to the last norm.
    fn forward(&self) -> Result<Forward<D>, FullError> {
        let mut norms: Vec<BatchNorm<D>> = Vec::with_capacity(self.model.norms.len());
        let mut held = vec![Vec::new(); self.model.norms.len()];
        let mut current: Vec<State<D::Map>> = Vec::new();
        let pass = self.pass(None);
        for (index, norm) in self.model.norms.iter().enumerate() {
            let before: Vec<Option<State<D::Map>>> = match index {
                0 => vec![None; self.blocks.len()],
                _ => current.drain(..).map(Some).collect(),
            };
            let mut sums = Vec::with_capacity(self.blocks.len());
            let advance = |block: usize, before: Option<State<D::Map>>| {
                let start = before.unwrap_or_else(|| self.images(block));
                let state = self.machine.run(index, start, norms.last().map(|norm| &norm.affine), &pass);
                let sums = self.machine.device.moments(&state.value)?;
                Ok((state, sums))
            };
            self.machine.in_lanes(before, advance, |(state, part)| {
                current.push(state);
                sums.push(part);
            })?;
            norms.push(BatchNorm::new(norm, &sums, self.machine.norm_epsilon, &self.machine.device));
            if self.machine.held[index] {
                held[index].clone_from(&current);
            }
        }
        Ok(Forward { norms, held, current })
    }

    fn backward(&self, forward: Forward<D>) -> Result<Option<BatchResult>, FullError> {
        let Forward { norms, mut held, current } = forward;
        let device = &self.machine.device;
        let mut gradient = Gradient {
            weights: vec![Vec::new(); self.model.weights.len()],
            norms: vec![Default::default(); norms.len()],
        };
        let (mut loss, mut correct, mut finite) = (0.0, 0, true);
        // For each block at the norm above: the gradient, the value where it is known, and the gradient's way through.
        let mut upstream: Vec<Option<State<D::Map>>> = vec![None; self.blocks.len()];
        let mut known: Vec<State<D::Map>> = Vec::new();
        let mut through: Option<ThroughNorm<D>> = None;
        for segment in (0..=norms.len()).rev() {
            let entering = match segment.checked_sub(1) {
                Some(norm) if segment == norms.len() => {
                    held[norm] = Vec::new();
                    current.clone()
                }
                Some(norm) => std::mem::take(&mut held[norm]),
                None => Vec::new(),
            };
            let mut sums = Vec::new();
            let mut totals: Vec<Option<D::Gradient>> = self.model.weights.iter().map(|_| None).collect();
            let mut lower = Vec::with_capacity(self.blocks.len());
            let go_back = |block: usize, above: Option<State<D::Map>>| {
                let start = match entering.get(block) {
                    Some(state) => state.clone(),
                    None => self.recompute(block, segment, &norms, &held),
                };
                self.go_back(segment, block, start, known.get(block), above, &norms, through.as_ref())
            };
            self.machine.in_lanes(std::mem::take(&mut upstream), go_back, |returned| {
                for (weight, part) in returned.weights {
                    let total = totals[weight].take();
                    totals[weight] = Some(match total {
                        Some(total) => device.total(total, part),
                        None => part,
                    });
                }
                match (returned.verdict, segment == norms.len()) {
                    (Some(verdict), _) => {
                        loss += verdict.loss;
                        correct += verdict.correct;
                    }
                    (None, true) => finite = false,
                    (None, false) => {}
                }
                sums.extend(returned.sums);
                lower.push(Some(returned.gradient));
            })?;
            if !finite {
                return Ok(None);
            }
            for (weight, total) in totals.into_iter().enumerate() {
                if let Some(total) = total {
                    gradient.weights[weight] = device.read_gradient(weight, total)?;
                }
            }
            if let Some(norm) = segment.checked_sub(1) {
                let (of_norm, way) = norms[norm].close(&self.model.norms[norm], &sums, device);
                gradient.norms[norm] = of_norm;
                through = Some(way);
            }
            upstream = lower;
            known = entering;
        }
        let moments = norms.into_iter().map(|norm| norm.moments).collect();
        Ok(Some(BatchResult { gradient, moments, loss, correct }))
    }

    /// Runs one block back through one segment, from its end to the output of its norm.
    #[expect(clippy::too_many_arguments, reason = "both ends of a segment")]
    fn go_back(
        &self,
        segment: usize,
        block: usize,
        start: State<D::Map>,
        known: Option<&State<D::Map>>,
        above: Option<State<D::Map>>,
        norms: &[BatchNorm<D>],
        through: Option<&ThroughNorm<D>>,
    ) -> Result<Returned<D>, FullError> {
        let device = &self.machine.device;
        let norm = segment.checked_sub(1).map(|norm| &norms[norm]);
        let input = start.value.clone();
        let pass = self.pass(if segment == norms.len() { self.mask(block) } else { None });
        let (result, mut tape) = self.record(segment, start, norm.map(|norm| &norm.affine), known, &pass);
        let mut verdict = None;
        let mut gradient = match (above, through) {
            (Some(State { value, skip }), Some(through)) => {
                State { value: device.through_norm(segment, through, value, &result.value), skip }
            }
            _ => {
                let rows = self.blocks[block].rows;
                let scale = 1.0 / self.batch.rows.len() as f64;
                verdict = self.machine.judge(&result, self.batch.examples, rows, scale)?;
                let classes = self.machine.program.classes;
                let errors = verdict.as_ref().map_or(vec![0.0; rows.len() * classes], |v| v.errors.clone());
                State::new(device.errors(errors, rows.len()))
            }
        };
        let mut weights = Vec::new();
        let ops = &self.machine.program.segments[segment].ops;
        let mut sums = None;
        while let Some(saved) = tape.pop() {
            let op = tape.len();
            gradient = match (norm.filter(|_| op == 0), saved) {
                (Some(norm), Saved::Output(output)) => {
                    let (value, of_norm) = device.norm_back(&output, gradient.value, &input, &norm.mean)?;
                    sums = Some(of_norm);
                    State { value, skip: gradient.skip }
                }
                (_, saved) => {
                    let to_input = if segment == 0 && op == 0 { ToInput::Unused } else { ToInput::Wanted };
                    ops[op].backward(Place { segment, op }, saved, gradient, &pass, to_input, &mut weights)
                }
            };
        }
        Ok(Returned { gradient, weights, sums, verdict })
    }

    fn pass(&self, mask: Option<Vec<f32>>) -> Pass<'_, D> {
        Pass { device: &self.machine.device, weights: self.weights, mask }
    }

    /// Runs a segment and saves the inputs of the backward pass. A known result is not computed again.
    fn record(
        &self,
        segment: usize,
        mut state: State<D::Map>,
        norm: Option<&DeviceAffine<D>>,
        known: Option<&State<D::Map>>,
        pass: &Pass<'_, D>,
    ) -> (State<D::Map>, Vec<Saved<D>>) {
        let ops = &self.machine.program.segments[segment];
        let computed = if known.is_some() { ops.known_from() } else { ops.ops.len() };
        let mut tape = Vec::with_capacity(ops.ops.len());
        for (op, kind) in ops.ops[..computed].iter().enumerate() {
            let (next, saved) = kind.forward(Place { segment, op }, state, norm.filter(|_| op == 0), pass);
            tape.push(saved);
            state = next;
        }
        tape.extend(ops.ops[computed..].iter().map(|op| op.remember(&state)));
        (known.cloned().unwrap_or(state), tape)
    }

    /// Computes a block's state at the start of a segment from the nearest norm before it that is held.
    fn recompute(&self, block: usize, segment: usize, norms: &[BatchNorm<D>], held: &Held<D::Map>) -> State<D::Map> {
        let nearest = (0..segment).rev().find(|&norm| !held[norm].is_empty());
        let (first, start) = match nearest {
            Some(norm) => (norm + 1, held[norm][block].clone()),
            None => (0, self.images(block)),
        };
        let pass = self.pass(None);
        (first..segment).fold(start, |state, segment| {
            let norm = segment.checked_sub(1).map(|norm| &norms[norm].affine);
            self.machine.run(segment, state, norm, &pass)
        })
    }

    fn images(&self, block: usize) -> State<D::Map> {
        self.machine.images(self.batch.examples, self.blocks[block].rows)
    }

    /// The factors of drop-out: element (position in the mini-batch, feature) takes word `position · features + feature`
    /// of the step's stream.
    fn mask(&self, block: usize) -> Option<Vec<f32>> {
        let (stream, rate) = self.batch.drop_out.as_ref()?;
        let (Block { first, rows }, features) = (self.blocks[block], self.machine.program.last_features);
        let mut mask = vec![0.0; rows.len() * features];
        stream.fill_uniform((first * features) as u64, 0.0, 1.0, &mut mask);
        let factor = 1.0 / (1.0 - rate);
        mask.iter_mut().for_each(|word| *word = if *word < *rate { 0.0 } else { factor });
        Some(mask)
    }
}
